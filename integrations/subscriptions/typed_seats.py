"""The seats of a cost center are either estimated from a seat price or typed as a subscription: no day has both.

Whoever changes one or the other holds the cost center's row locked. Each function answers a sentence that says what is
in the way, and what to do; empty when nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from costcenters.models import CostCenter, SeatPrice
from costcenters.periods import ONE_DAY, long_day
from finops.money import display
from integrations.models import Subscription


def against_subscription(center: CostCenter, starts_on: date, ends_on: date | None) -> str:
    """What keeps a subscription of these days from standing for the seats of `center`."""
    for price, start, end in _tracked(center.seat_prices.all()):
        if start <= (ends_on or date.max) and starts_on <= end:
            amount = display(price.monthly_price or 0, center.currency)  # type: ignore[arg-type]
            if end == date.max:
                return (
                    f"Seats of “{center.name}” are estimated from its seat price, {amount} a month since "
                    f"{long_day(start)}. On its page Seat price choose “Do not track seats” first: a cost center has "
                    "one or the other, or its seats would count twice."
                )
            return (
                f"Seats of “{center.name}” are estimated from its seat price until {long_day(end)}. Begin on "
                f"{long_day(end + ONE_DAY)} or later, or they would count twice on the days before."
            )
    return ""


def against_price(center: CostCenter, price: SeatPrice) -> str:
    """What keeps a price that is not stored yet from being set."""
    return _against_prices(center, [*center.seat_prices.all(), price])


def against_withdrawal(price: SeatPrice) -> str:
    """What keeps a stored price from being deleted: the one before it would hold on."""
    center = price.cost_center
    return _against_prices(center, center.seat_prices.exclude(pk=price.pk))


def is_tracked(center: CostCenter, today: date) -> bool:
    """Whether its seats are estimated, today or some day to come."""
    return any(end >= today for _, _, end in _tracked(center.seat_prices.all()))


def typed_for(center: CostCenter) -> list[Subscription]:
    """The subscriptions that stand for its seats."""
    return list(Subscription.objects.filter(seats_of=center).order_by("starts_on", "pk"))


def _against_prices(center: CostCenter, prices: Iterable[SeatPrice]) -> str:
    tracked = _tracked(prices)
    for subscription in typed_for(center):
        ends_on = subscription.ends_on or date.max
        if any(start <= ends_on and subscription.starts_on <= end for _, start, end in tracked):
            until = "" if subscription.ends_on is None else f" until {long_day(subscription.ends_on)}"
            return (
                f"Its seats are typed as the subscription “{subscription.name}” (Settings > Subscriptions){until}: a "
                "cost center has one or the other, or its seats would count twice. End that subscription first, or "
                "take this cost center out of it."
            )
    return ""


def _tracked(prices: Iterable[SeatPrice]) -> list[tuple[SeatPrice, date, date]]:
    """The spans of days, both ends inclusive, on which a price holds. One that is not stored yet was added last."""
    ordered = sorted(prices, key=lambda price: (price.effective_from, price.pk is None, price.pk or 0))
    spans = []
    for number, price in enumerate(ordered):
        following = ordered[number + 1].effective_from - ONE_DAY if number + 1 < len(ordered) else date.max
        if price.monthly_price is not None and price.effective_from <= following:
            spans.append((price, price.effective_from, following))
    return spans
