"""What people do to subscriptions. Each change and the lines it makes are one transaction: both are there, or neither.

Locks are taken in the order of every connection: streams, integration, cost center; then the cost center whose seats a
subscription stands for. `NotPossible` says why nothing was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from costcenters.models import CostCenter
from costcenters.periods import ONE_DAY, long_day
from costcenters.records import LineItem, WindowError
from finops.money import MAX_NANOS
from integrations import purge
from integrations.errors import Refusal
from integrations.models import Integration, Subscription, SubscriptionSeats
from integrations.subscriptions import cost_center, ledger, typed_seats
from integrations.subscriptions.amortisation import SeatChange, Terms
from integrations.subscriptions.lines import line_items, terms_of

#: All columns but those that no form writes.
WRITTEN = [
    field.attname
    for field in Subscription._meta.concrete_fields
    if field.attname not in ("id", "reminded_of")
]


class NotPossible(Refusal):
    """What was typed cannot be, or is not so any more."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A subscription as it would be: not stored, its seat changes beside it."""

    subscription: Subscription
    changes: tuple[SeatChange, ...] = ()

    @property
    def terms(self) -> Terms:
        return terms_of(self.subscription, self.changes)

    @classmethod
    def of(cls, subscription: Subscription) -> Draft:
        """As it is stored."""
        return cls(subscription, terms_of(subscription).changes)


def check(draft: Draft) -> None:
    """Whether it can be stored, as far as it alone can tell. Raises NotPossible with the field."""
    subscription, terms = draft.subscription, draft.terms
    try:
        subscription.full_clean(exclude=["cost_center", "seats_of"], validate_unique=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        if "subscription_ends_after_start" in str(error) or field == "__all__":
            raise NotPossible("Its last day is before its first one.", field="ends_on") from None
        raise NotPossible(" ".join(messages), field=field) from None
    if terms.seats is not None:
        most = max([terms.seats, *(change.seats for change in terms.changes)])
        if terms.price_nano * most > MAX_NANOS:
            raise NotPossible(
                "Price times seats is more than can be stored: 9.2 × 10⁹ a period.", field="price"
            )
    if subscription.seats_of is not None and terms.seats is None:
        raise NotPossible("Seats need a number of seats and a price for each.", field="seats_of")


def check_seats_of(subscription: Subscription) -> None:
    """Whether the cost center whose seats it stands for has none that are estimated. Raises NotPossible."""
    if subscription.seats_of is not None:
        in_the_way = typed_seats.against_subscription(
            subscription.seats_of, subscription.starts_on, subscription.ends_on
        )
        if in_the_way:
            raise NotPossible(in_the_way, field="seats_of")


def add(draft: Draft, *, user: Any, now: datetime) -> Subscription:
    """Store a new one, in the cost center of its currency. Raises NotPossible."""
    subscription = draft.subscription
    check(draft)
    with transaction.atomic():
        try:
            center = cost_center.found_or_made(subscription.currency, user=user, now=now)
        except Refusal as refusal:
            raise NotPossible(str(refusal)) from None
        with _held(center, now) as held:
            if held.center.status == CostCenter.Status.DISCONNECTED:
                raise NotPossible(
                    f"“{center.name}” holds the subscriptions in {center.currency} and was removed, its history kept. "
                    "On the page of all subscriptions, let it be counted again first.",
                    field="currency",
                )
            subscription.cost_center = held.center
            _store(subscription)
            _store_seats(subscription, draft.changes)
            held.touched(subscription)
    return subscription


def save(draft: Draft, *, now: datetime, known: Subscription | None = None) -> Subscription:
    """Store a known one as the draft has it; its lines of all days follow. Raises NotPossible.

    `known` is what the draft was made from: what somebody else has changed since then is not undone.
    """
    check(draft)
    with _changing(draft.subscription, now) as (_, stored):
        if known is not None:
            _check_unchanged(stored, known)
        _store(draft.subscription)
    return draft.subscription


def new_terms(subscription: Subscription, draft: Draft, *, now: datetime) -> Subscription:
    """End one on the day before `draft` begins, which goes on in its place. Raises NotPossible."""
    begins = draft.subscription.starts_on
    if begins <= subscription.starts_on:
        raise NotPossible(
            f"Choose a day after {long_day(subscription.starts_on)}, on which it began. Terms that were wrong from "
            "the beginning are corrected on its Edit page.",
            field="starts_on",
        )
    check(draft)
    with _changing(subscription, now) as (held, stored):
        _check_unchanged(stored, subscription)
        if stored.ends_on is None or stored.ends_on >= begins:
            stored.ends_on = begins - ONE_DAY
            _store(stored)
        draft.subscription.cost_center = stored.cost_center
        _store(draft.subscription)
        _store_seats(draft.subscription, draft.changes)
        held.touched(draft.subscription)
    return draft.subscription


def set_seats(subscription: Subscription, day: date, seats: int, *, now: datetime) -> None:
    """So many seats from a day on; what was said of that very day before is replaced. Raises NotPossible."""
    check_seat_day(subscription, day)
    kept = tuple(change for change in terms_of(subscription).changes if change.day != day)
    check(Draft(subscription, (*kept, SeatChange(day, seats))))
    with _changing(subscription, now) as (_, stored):
        check_seat_day(stored, day)
        change = SubscriptionSeats.objects.filter(subscription=stored, effective_from=day).first()
        change = change or SubscriptionSeats(subscription=stored, effective_from=day)
        change.seats = seats
        change.save()


def check_seat_day(subscription: Subscription, day: date) -> None:
    """Whether the number of seats can change on a day. Raises NotPossible."""
    if subscription.seats is None:
        raise NotPossible("It is a flat fee: it has no seats. Give it new terms instead.")
    if day <= subscription.starts_on:
        raise NotPossible(
            f"Choose a day after {long_day(subscription.starts_on)}, on which it began. The seats that it began with "
            "are corrected on its Edit page.",
            field="effective_from",
        )
    if subscription.ends_on is not None and day > subscription.ends_on:
        raise NotPossible(f"It ends on {long_day(subscription.ends_on)}.", field="effective_from")


def withdraw_seats(change: SubscriptionSeats, *, now: datetime) -> None:
    """As if the change had never been. Raises NotPossible."""
    with _changing(change.subscription, now):
        if not change.delete()[0]:
            raise NotPossible("It is withdrawn already.")


def delete(subscription: Subscription, *, now: datetime) -> None:
    """It goes, and its lines with it. Raises NotPossible."""
    with _changing(subscription, now) as (_, stored):
        stored.delete()


def count_again(center: CostCenter, *, user: Any, now: datetime) -> None:
    """Go on with a cost center of subscriptions that was removed: the days since are filled. Raises NotPossible."""
    try:
        with _held(center, now) as held:
            cost_center.count_again(held.center, user=user, now=now)
            held.center.refresh_from_db()
    except Refusal as refusal:
        raise NotPossible(str(refusal)) from None


# ----------------------------------------------------------------------------------------------------------------------


class Held:
    """A cost center that nobody else changes, and what of it has been touched: the lines of each before that."""

    def __init__(self, integration: Integration, today: date) -> None:
        self.integration, self.today = integration, today
        self.center: CostCenter = integration.cost_center
        self._before: dict[int, set[LineItem]] = {}

    def touched(self, subscription: Subscription, *, before: Draft | None = None) -> None:
        """It changes from `before`; without that it is new."""
        self._before[subscription.pk] = set() if before is None else self._lines(before)

    def since(self) -> date | None:
        """The first day of which a line has changed; None when nobody knows."""
        if not self._before:
            return None
        after = Subscription.objects.filter(pk__in=self._before).prefetch_related("seat_changes")
        now = {each.pk: self._lines(Draft.of(each)) for each in after}
        changed = [
            line.started_at.date()
            for pk, before in self._before.items()
            for line in before ^ now.get(pk, set())
        ]
        return min(changed, default=self.today)

    def _lines(self, draft: Draft) -> set[LineItem]:
        return set(line_items(draft.subscription, draft.terms, self.today))


@contextmanager
def _changing(subscription: Subscription, now: datetime) -> Iterator[tuple[Held, Subscription]]:
    """Its stored row, while nobody else changes any of its cost center; afterwards the lines follow."""
    with _held(subscription.cost_center, now) as held:
        stored = Subscription.objects.select_related("cost_center").filter(pk=subscription.pk).first()
        if stored is None:
            raise NotPossible("It was deleted a moment ago.")
        held.touched(stored, before=Draft.of(stored))
        yield held, stored


@contextmanager
def _held(center: CostCenter, now: datetime) -> Iterator[Held]:
    """A transaction that begins with all locks and ends with the lines. Raises NotPossible where they do not fit."""
    with transaction.atomic():
        integration = Integration.objects.filter(cost_center=center).first()
        if integration is None:
            raise NotPossible("Its cost center was deleted a moment ago.")
        integration.lock_streams()
        locked = Integration.objects.select_for_update().filter(pk=integration.pk).first()
        if locked is None or purge.is_purging(center):
            raise NotPossible("The history of its cost center is being deleted.")
        locked.cost_center = CostCenter.objects.select_for_update().get(pk=center.pk)
        held = Held(locked, now.date())
        yield held
        try:
            ledger.write_at_once(locked, now, since=held.since())
        except WindowError as error:
            raise NotPossible(f"{error} Nothing was changed.", field="price") from None


def _store(subscription: Subscription) -> None:
    if subscription.seats_of_id is not None:
        # Whoever sets its seat price holds this row too.
        subscription.seats_of = (
            CostCenter.objects.select_for_update().filter(pk=subscription.seats_of_id).first()
        )
        check_seats_of(subscription)
    # What the reminders wrote meanwhile stays.
    subscription.save(update_fields=None if subscription.pk is None else WRITTEN)


def _check_unchanged(stored: Subscription, known: Subscription) -> None:
    """Whether a row is as it was read. Raises NotPossible."""
    if any(getattr(stored, name) != getattr(known, name) for name in WRITTEN):
        raise NotPossible("Somebody else changed it a moment ago. Look at what it is now, and try again.")


def _store_seats(subscription: Subscription, changes: tuple[SeatChange, ...]) -> None:
    for change in changes:
        SubscriptionSeats.objects.create(
            subscription=subscription, effective_from=change.day, seats=change.seats
        )
