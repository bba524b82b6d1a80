"""The line items of a subscription: each payment on its day, and each day's share of what was paid for it.

Payments are charges of type `purchase`: billed, without effective cost. Days are charges of type `seat` where seats are
paid for, else `usage`: their effective and list cost is the share, and nothing is billed. Over a finished period all
three measures add up to the same. (FOCUS: payments are Purchase, days Usage; both Recurring.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from costcenters.display.figures import counted
from costcenters.models import ChargeType
from costcenters.periods import Span, midnight
from costcenters.records import LineItem, canonical_details
from finops.money import nanos_from_units
from integrations.models import Subscription
from integrations.subscriptions.amortisation import Payment, SeatChange, Terms, daily, payments

MONTHS = {Subscription.Period.MONTHLY.value: 1, Subscription.Period.ANNUAL.value: 12}
KINDS = {
    Subscription.Period.MONTHLY.value: "monthly subscription",
    Subscription.Period.ANNUAL.value: "annual subscription",
}
PURCHASE, SEAT, USAGE = ChargeType.PURCHASE.value, ChargeType.SEAT.value, ChargeType.USAGE.value
#: All that a subscription writes, and nothing else does in its cost center.
CHARGE_TYPES = (PURCHASE, SEAT, USAGE)
OWNER_TAG = "owner"


def terms_of(subscription: Subscription, changes: tuple[SeatChange, ...] | None = None) -> Terms:
    """What it costs; `changes` are its stored ones unless given."""
    if changes is None:
        stored = () if subscription.pk is None else subscription.seat_changes.all()
        changes = tuple(SeatChange(each.effective_from, each.seats) for each in stored)
    return Terms(
        price_nano=nanos_from_units(subscription.price),
        seats=subscription.seats,
        months=MONTHS[subscription.period],
        starts_on=subscription.starts_on,
        ends_on=subscription.ends_on,
        changes=tuple(
            sorted((each for each in changes if each.day > subscription.starts_on), key=lambda each: each.day)
        ),
    )


def tags_of(subscription: Subscription) -> tuple[tuple[str, str], ...]:
    """Its own tags, and who owns it."""
    tags = {str(key): str(value) for key, value in subscription.tags.items()}
    if subscription.owner:
        tags[OWNER_TAG] = subscription.owner
    return tuple(sorted(tags.items()))


def line_items(
    subscription: Subscription, terms: Terms, through: date, *, since: date | None = None
) -> Iterator[LineItem]:
    """Its lines up to a day and from `since` on, both inclusive; none for amounts of nothing."""
    first = since or terms.starts_on
    line = LineItem(
        started_at=midnight(terms.starts_on),
        charge_type=PURCHASE,
        service=subscription.name,
        model=subscription.plan,
        kind=KINDS[subscription.period],
        unit="" if terms.seats is None else "seats",
        tags=tags_of(subscription),
    )
    for payment in payments(terms, through):
        if payment.amount_nano and payment.day >= first:
            yield line._replace(
                started_at=midnight(payment.day),
                quantity=_text(payment.seats),
                billed_nano=payment.amount_nano,
                details=_details(what_for(payment), "One-Time" if payment.is_addition else "Recurring"),
            )
    details = _details("A day of what was paid ahead", "Recurring")
    for day, cost in daily(terms, through).items():
        if cost.amount_nano and day >= first:
            yield line._replace(
                started_at=midnight(day),
                charge_type=USAGE if cost.seats is None else SEAT,
                quantity=_text(cost.seats),
                effective_nano=cost.amount_nano,
                list_nano=cost.amount_nano,
                details=details,
            )


def what_for(payment: Payment) -> str:
    """Such as `5 seats, 1 – 30 Nov 2026`."""
    days = str(Span(payment.day, payment.covers_to))
    if payment.seats is None:
        return days
    return f"{counted(payment.seats, 'seat')}{' more' if payment.is_addition else ''}, {days}"


def _details(description: str, frequency: str) -> str:
    """Under FOCUS's names, so that an export gives them back; a description is ASCII there."""
    return canonical_details(
        {"ChargeDescription": description.replace("\N{EN DASH}", "-"), "ChargeFrequency": frequency}
    )


def _text(seats: int | None) -> str:
    return "" if seats is None else str(seats)
