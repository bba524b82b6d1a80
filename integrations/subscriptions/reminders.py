"""E-mails some days before a subscription renews, one a renewal; and renewals that are over, moved on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse

from costcenters.access import VIEW_REPORTS, people_with
from costcenters.display.figures import counted
from costcenters.models import CostCenter
from finops.emails import one_line
from finops.money import display, units_from_nanos
from integrations.models import Notice, Subscription
from integrations.subscriptions.amortisation import monthly_nano_twelfths, moved_on, payments
from integrations.subscriptions.lines import terms_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def tell_renewals(now: datetime) -> int:
    """Have the owners told of renewals that are near, once each; how many were found. Costs a query when none is."""
    today = now.date()
    found = 0
    with_renewal = (
        Subscription.objects.filter(renews_on__isnull=False, cost_center__integration__isnull=False)
        .exclude(cost_center__status=CostCenter.Status.DISCONNECTED)
        .filter(Q(ends_on=None) | Q(ends_on__gte=F("renews_on")))
        # Of those that were told of, only what is over matters.
        .filter(Q(reminded_of=None) | ~Q(reminded_of=F("renews_on")) | Q(renews_on__lt=today))
    )
    known = with_renewal.select_related("cost_center__integration").prefetch_related("seat_changes")
    for subscription in known.order_by("pk"):
        if subscription.renews_on is not None and subscription.renews_on < today:
            _move_on(subscription, today)
        if _is_near(subscription, today):
            found += _tell(subscription, now)
    return found


def _move_on(subscription: Subscription, today: date) -> None:
    """To the next renewal, unless somebody has typed another one meanwhile."""
    before = subscription.renews_on
    if before is None:
        return
    after = moved_on(before, terms_of(subscription), today)
    if Subscription.objects.filter(pk=subscription.pk, renews_on=before).update(renews_on=after):
        subscription.renews_on = after


def _is_near(subscription: Subscription, today: date) -> bool:
    renewal = subscription.renews_on
    if renewal is None or not subscription.remind_days or subscription.reminded_of == renewal:
        return False
    if subscription.ends_on is not None and subscription.ends_on < renewal:
        return False
    return today <= renewal <= today + timedelta(days=subscription.remind_days)


def _tell(subscription: Subscription, now: datetime) -> bool:
    """Of two workers, one does it."""
    renewal = subscription.renews_on
    with transaction.atomic():
        untold = Subscription.objects.filter(pk=subscription.pk, renews_on=renewal)
        if not untold.filter(Q(reminded_of=None) | ~Q(reminded_of=renewal)).update(reminded_of=renewal):
            return False
        integration = subscription.cost_center.integration
        # Without a person, those who are told about the cost center are.
        people: list[User | None] = [*owners(subscription)] or [None]
        Notice.objects.bulk_create(
            Notice(
                integration=integration,
                user=person,
                subscription=subscription,
                event=Notice.Event.RENEWAL,
                not_before=now,
            )
            for person in people
        )
    return True


def owners(subscription: Subscription) -> list[User]:
    """The accounts that may see the bill and have the owner's address."""
    if "@" not in subscription.owner:
        return []
    return list(people_with(VIEW_REPORTS).filter(email__iexact=subscription.owner.strip()).order_by("pk"))


# The message ----------------------------------------------------------------------------------------------------------


def still_holds(notice: Notice, today: date) -> bool:
    """Whether the renewal that a notice was written about is still to come."""
    subscription = notice.subscription
    if subscription is None or subscription.renews_on is None or subscription.renews_on < today:
        return False
    ended = subscription.ends_on is not None and subscription.ends_on < subscription.renews_on
    return subscription.reminded_of == subscription.renews_on and not ended


@dataclass(frozen=True, slots=True)
class Renewal:
    """What an e-mail says of a renewal. `payment` is what is paid on its day; empty when nothing is."""

    name: str
    plan: str
    day: date
    in_days: str
    payment: str
    seats: str
    monthly: str
    url: str


def renewal(subscription: Subscription, today: date) -> Renewal:
    terms, day = terms_of(subscription), subscription.renews_on or today
    paid = sum(each.amount_nano for each in payments(terms, day) if each.day == day)
    seats, days = terms.seats_on(day), (day - today).days
    return Renewal(
        name=one_line(subscription.name),
        plan=one_line(subscription.plan),
        day=day,
        in_days={0: "today", 1: "tomorrow"}.get(days, f"in {counted(days, 'day')}"),
        payment=display(units_from_nanos(paid), subscription.currency) if paid else "",
        seats="" if seats is None else counted(seats, "seat"),
        monthly=display(units_from_nanos(monthly_nano_twelfths(terms, day)) / 12, subscription.currency),
        url=f"{settings.SITE_URL}{reverse('subscription', args=[subscription.pk])}",
    )


def is_owner(notice: Notice, user: User) -> bool:
    subscription = notice.subscription
    return subscription is not None and bool(user.email) and subscription.owner.lower() == user.email.lower()
