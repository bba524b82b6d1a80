"""What a change of the seat price will make of the months, before it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from costcenters.explorer import SumTooLargeError
from costcenters.models import SeatPrice
from finops.money import display, units_from_nanos
from integrations.models import Integration
from integrations.pages.seat_prices import PriceRow
from integrations.seat_forecast import MonthForecast, forecast


@dataclass(frozen=True, slots=True)
class MonthRow:
    """`tone` colours the difference: `up` costs more, `down` less."""

    first: date
    is_full: bool
    so_far: str
    before: str
    after: str
    difference: str
    tone: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`unused`: committed seats that nobody holds and that will cost all the same. No `months`: the team was not read
    yet, or the sums are too large."""

    team: int | None
    unused: int
    months: tuple[MonthRow, ...]
    later: tuple[PriceRow, ...]


def preview(
    integration: Integration, change: SeatPrice | None, rows: list[PriceRow], *, today: date
) -> Preview:
    """What `change` (not saved yet; None: nothing changes) makes of the months. `rows` are the prices so far."""
    later: tuple[PriceRow, ...] = ()
    if change is not None:
        later = tuple(
            row
            for row in reversed(rows)
            if row.is_scheduled and row.price.effective_from > change.effective_from
        )
    try:
        foreseen = forecast(integration, change, today=today)
    except SumTooLargeError:
        return Preview(None, 0, (), later)
    if foreseen is None:
        return Preview(None, 0, (), later)
    unused = 0
    if change is not None and change.monthly_price is not None:
        unused = max(0, (change.committed_seats or 0) - foreseen.team)
    currency = integration.cost_center.currency
    return Preview(
        foreseen.team, unused, tuple(_month_row(month, currency) for month in foreseen.months), later
    )


def _month_row(month: MonthForecast, currency: str) -> MonthRow:
    def text(nanos: int) -> str:
        return display(units_from_nanos(nanos), currency)

    change = month.difference
    return MonthRow(
        first=month.first,
        is_full=month.is_full,
        so_far=text(month.so_far),
        before=text(month.before),
        after=text(month.after),
        difference=f"+{text(change)}" if change > 0 else text(change),
        tone="up" if change > 0 else "down" if change < 0 else "",
    )
