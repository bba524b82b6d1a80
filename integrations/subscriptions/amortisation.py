"""What a subscription is paid on which day, and how a payment is spread over the days that it covers. Pure, exact.

All amounts are whole nano-units, all days UTC. A period begins on the day of the month (of the year) on which the
subscription began, or on the month's last day where it has no such day: 31 Jan, 28 Feb, 31 Mar. Each period is paid on
its first day, for the seats of that day. Seats added within it are paid from their day to its end, on that day; seats
given up within it are paid until its end. A payment is spread over the days from its own to the period's last, so that
what is billed and what the days cost are the same for each finished period. The last period may be cut short by the
end of the subscription: its payments stay what they are, and are spread over the days that are left of it.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from costcenters.periods import ONE_DAY


@dataclass(frozen=True, slots=True)
class SeatChange:
    """So many seats from `day` on."""

    day: date
    seats: int


@dataclass(frozen=True, slots=True)
class Terms:
    """`price_nano` is per seat and period; with `seats` None it is the fee of a period. `months` is a period's length.

    `ends_on` is the last day, inclusive. `changes` follow one another, each on a day after `starts_on`.
    """

    price_nano: int
    seats: int | None
    months: int
    starts_on: date
    ends_on: date | None = None
    changes: tuple[SeatChange, ...] = ()

    def seats_on(self, day: date) -> int | None:
        """The seats that are wanted on a day, whatever else is still paid for; None for a flat fee."""
        if self.seats is None:
            return None
        held = self.seats
        for change in self.changes:
            if change.day > day:
                break
            held = change.seats
        return held

    def lasts_on(self, day: date) -> bool:
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True, slots=True)
class Payment:
    """Paid on `day` for the days up to `covers_to`, inclusive; spread over those up to `spread_to`, which is earlier
    where the subscription ends earlier. `is_addition`: of seats that came within a period."""

    day: date
    covers_to: date
    spread_to: date
    amount_nano: int
    seats: int | None
    is_addition: bool = False

    def share(self, day: date) -> int:
        """The part of the d-th of n days: ⌊A·d/n⌋ − ⌊A·(d−1)/n⌋, so that all of them sum to A."""
        return self.shares(day, day)

    def shares(self, first: date, last: date) -> int:
        """The parts of the days `first` … `last` together, both inclusive and within those it is spread over."""
        days = (self.spread_to - self.day).days + 1
        before, through = (first - self.day).days, (last - self.day).days + 1
        return self.amount_nano * through // days - self.amount_nano * before // days


@dataclass(frozen=True, slots=True)
class DayCost:
    """What a day costs, and the seats that are paid for on it (None for a flat fee)."""

    amount_nano: int
    seats: int | None


def later_by_months(day: date, months: int) -> date:
    """The same day of a later month, or its last one where it has no such day."""
    ordinal = day.year * 12 + day.month - 1 + months
    year, month = ordinal // 12, ordinal % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def period_starts(terms: Terms) -> Iterator[date]:
    """First days of its periods, whether it still lasts then or not; without end."""
    number = 0
    while True:
        yield later_by_months(terms.starts_on, number * terms.months)
        number += 1


def next_period_start(terms: Terms, after: date) -> date:
    """The first period that begins after a day."""
    return next(start for start in period_starts(terms) if start > after)


def payments(terms: Terms, through: date) -> Iterator[Payment]:
    """All payments up to `through`, inclusive, the earliest first."""
    last = through if terms.ends_on is None else min(through, terms.ends_on)
    starts = period_starts(terms)
    start = next(starts)
    while start <= last:
        after = next(starts)
        covers_to = after - ONE_DAY
        spread_to = covers_to if terms.ends_on is None else min(covers_to, terms.ends_on)
        whole = Payment(start, covers_to, spread_to, terms.price_nano, None)
        held = terms.seats_on(start)
        if held is None:
            yield whole
        else:
            yield replace(whole, amount_nano=terms.price_nano * held, seats=held)
            yield from _additions(terms, whole, held, (after - start).days, last)
        start = after


def _additions(terms: Terms, whole: Payment, held: int, days: int, last: date) -> Iterator[Payment]:
    """Of seats that come within a period: the part of its price that is not over, exactly what the shares of `days`
    equal days would leave. What is paid for already is not paid again when seats are given up and taken back."""
    for change in terms.changes:
        if whole.day < change.day <= min(whole.covers_to, last) and change.seats > held:
            over = terms.price_nano * (change.day - whole.day).days // days
            added = change.seats - held
            yield replace(
                whole,
                day=change.day,
                amount_nano=(terms.price_nano - over) * added,
                seats=added,
                is_addition=True,
            )
            held = change.seats


def daily(terms: Terms, through: date) -> dict[date, DayCost]:
    """What each day up to `through`, inclusive, costs. Days without any payment are left out."""
    amounts: dict[date, int] = defaultdict(int)
    seats: dict[date, int] = defaultdict(int)
    for payment in payments(terms, through):
        day, last = payment.day, min(payment.spread_to, through)
        while day <= last:
            amounts[day] += payment.share(day)
            seats[day] += payment.seats or 0
            day += ONE_DAY
    is_flat = terms.seats is None
    return {day: DayCost(amount, None if is_flat else seats[day]) for day, amount in amounts.items()}


def cost_between(terms: Terms, first: date, last: date) -> int:
    """What the days `first` … `last`, both inclusive, cost: what `daily` says of them, added up."""
    return sum(
        payment.shares(max(first, payment.day), min(last, payment.spread_to))
        for payment in payments(terms, last)
        if payment.spread_to >= first
    )


def monthly_nano_twelfths(terms: Terms, day: date) -> int:
    """What the seats of a day (or the fee) cost a month, times 12, so that it is a whole number; 0 outside its days."""
    if not terms.lasts_on(day):
        return 0
    held = terms.seats_on(day)
    return terms.price_nano * (1 if held is None else held) * (12 // terms.months)


def moved_on(renewal: date, terms: Terms, today: date) -> date:
    """A renewal that is over by period after period, to the first one from `today` on.

    One at the end of a short month goes back to the day of the month on which the subscription began.
    """
    anchor = renewal
    if renewal.day < terms.starts_on.day and (renewal + ONE_DAY).day == 1:
        # Such as 28 Feb of one that began on the 31st: counted from the month's day before it was cut.
        anchor = terms.starts_on
        steps = (renewal.year - anchor.year) * 12 + renewal.month - anchor.month
    else:
        steps = 0
    moved = renewal
    while moved < today:
        steps += terms.months
        moved = later_by_months(anchor, steps)
    return moved
