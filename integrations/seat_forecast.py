"""What seats will cost this month and later ones, with and without a change of the price: as the engine will write it.

All amounts are whole nano-units. The team is taken to stay as it was when it was last read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from costcenters.models import ChargeType, DailyCost, SeatPrice
from costcenters.periods import ONE_DAY, months_before
from costcenters.scope import sums_in_range
from finops.money import EXACT, nanos_from_units
from integrations.models import Integration, SeatSnapshot
from integrations.providers import PROVIDERS
from integrations.providers.base import RecordKind
from integrations.seats import day_share, days_from


@dataclass(frozen=True, slots=True)
class MonthForecast:
    """A calendar month: `so_far` holds the days before today, `before` and `after` the whole month without and with
    the change. `is_full`: the changed price holds on all of its days."""

    first: date
    so_far: int
    before: int
    after: int
    is_full: bool

    @property
    def difference(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Forecast:
    """`team`: active members in a paid seat. `months` begin with the current one."""

    team: int
    months: tuple[MonthForecast, ...]


def has_seats(provider_slug: str) -> bool:
    """Whether the provider tells who is in the team, without which no seat cost can be estimated."""
    provider = PROVIDERS.get(provider_slug)
    return provider is not None and any(spec.kind is RecordKind.MEMBER for spec in provider.streams)


def seat_day_cost(price: SeatPrice | None, team: int, day: date) -> int:
    """What `seats.seat_lines` adds up to on a day: unused committed seats count as taken ones do."""
    if price is None or price.monthly_price is None:
        return 0
    return day_share(nanos_from_units(price.monthly_price), day) * max(team, price.committed_seats or 0)


def forecast(integration: Integration, change: SeatPrice | None, *, today: date) -> Forecast | None:
    """The current and the next month, and where `change` (not saved yet) begins later, its first months too.

    None when the team was not read since the connection: nobody knows how many seats there are.
    """
    last_read = _last_read(integration)
    if last_read is None:
        return None
    team = SeatSnapshot.objects.filter(integration=integration, day=last_read).count()
    prices = sorted(
        SeatPrice.objects.filter(cost_center=integration.cost_center_id),
        key=lambda price: (price.effective_from, price.pk),
    )
    changed = prices if change is None else _with(prices, change)
    gap = list(days_from(last_read + ONE_DAY, today))
    this_month = today.replace(day=1)
    # Days that were missed are written at the next reading, with the team as it was and the price that held.
    so_far = _stored_seat_cost(integration, this_month, today) + sum(
        seat_day_cost(_price_on(prices, day), team, day) for day in gap if day >= this_month
    )
    months = []
    for first in _months(this_month, None if change is None else change.effective_from):
        days = list(days_from(max(first, today), _next_month(first)))
        past = so_far if first == this_month else 0
        months.append(
            MonthForecast(
                first=first,
                so_far=past,
                before=past + sum(seat_day_cost(_price_on(prices, day), team, day) for day in days),
                after=past + sum(seat_day_cost(_price_on(changed, day), team, day) for day in days),
                is_full=change is not None and change.effective_from <= first,
            )
        )
    return Forecast(team, tuple(months))


def _with(prices: Sequence[SeatPrice], change: SeatPrice) -> list[SeatPrice]:
    """Of several prices from one day on, the one added last holds."""
    earlier = [price for price in prices if price.effective_from <= change.effective_from]
    return [*earlier, change, *(price for price in prices if price.effective_from > change.effective_from)]


def _price_on(prices: Iterable[SeatPrice], day: date) -> SeatPrice | None:
    """As `SeatPrice.objects.in_effect_on`, of prices in the order in which they take effect."""
    holding = None
    for price in prices:
        if price.effective_from > day:
            break
        holding = price
    return holding


def _months(this_month: date, change_from: date | None) -> list[date]:
    """First days: this month and the next, the one in which the change begins and the first that it fills."""
    months = {this_month, _next_month(this_month)}
    if change_from is not None:
        begins = change_from.replace(day=1)
        months |= {begins, begins if change_from == begins else _next_month(begins)}
    return sorted(months)


def _next_month(first: date) -> date:
    return months_before(first, -1)


def _last_read(integration: Integration) -> date | None:
    names = [spec.name for spec in PROVIDERS[integration.provider].streams if spec.kind is RecordKind.MEMBER]
    read = integration.streams.filter(name__in=names, synced_through__isnull=False).first()
    return None if read is None or read.synced_through is None else read.synced_through.date()


def _stored_seat_cost(integration: Integration, start: date, end: date) -> int:
    """Of the days `[start, end)`. Raises SumTooLargeError (SQLite only)."""
    with sums_in_range():
        found = DailyCost.objects.filter(
            cost_center=integration.cost_center_id, charge_type=ChargeType.SEAT, day__gte=start, day__lt=end
        ).aggregate(total=Sum("billed_cost"))["total"]
    return int(EXACT.scaleb(found or Decimal(0), 9))
