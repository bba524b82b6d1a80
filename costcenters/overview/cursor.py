"""What the plan buys: included usage beside the seats that pay for it, who uses a seat, and cost per unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from costcenters.catalog import SEAT_DAYS
from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.dimensions import SEAT_ACTIVITIES
from costcenters.display.figures import Shown, counted, tokens
from costcenters.links import Link, LinkedFigure, explorer_url
from costcenters.models import ChargeType, CostCenter, SeatPrice
from costcenters.overview.figures import Bill, MonthRow
from costcenters.overview.questions import (
    NAMED,
    OF_PROVIDER,
    SEATS,
    USAGE,
    idle_seats,
    saved_by_included_usage,
)
from costcenters.periods import short_day
from finops.money import EXACT, units_from_nanos

MOST_IDLE_NAMED = 20
NANO = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Cost per `unit`; `figure` is a dash where there is nothing to divide by. `url` lists what is divided by."""

    unit: str
    figure: Shown
    denominator: str
    url: str


@dataclass(frozen=True, slots=True)
class PlanValue:
    """`seats_since` says from when on seats are counted, where that is later than the first of the month."""

    included: LinkedFigure
    seats: LinkedFigure
    seats_since: str
    tracks_seats: bool


@dataclass(frozen=True, slots=True)
class SeatUse:
    """`idle` names the first people only; `idle_url` lists all. `unpriced` are cost centers without a seat price."""

    held: int
    active: int
    idle_count: int
    idle: tuple[Link, ...]
    idle_url: str
    held_url: str
    days: int
    unpriced: tuple[CostCenter, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    value: PlanValue
    seats: SeatUse
    units: tuple[UnitCost, ...]
    cost: LinkedFigure


def plan(bill: Bill) -> Plan | None:
    """None where no cost center of the currency has seats."""
    if not bill.seated:
        return None
    unpriced = without_price(bill)
    return Plan(
        value=plan_value(bill, tracks_seats=len(unpriced) < len(bill.seated)),
        seats=seat_use(bill, unpriced),
        units=unit_costs(bill),
        cost=LinkedFigure(
            bill.shown(billed(bill.seated_month)), explorer_url(own(bill, group_by=("charge_type",)))
        ),
    )


def without_price(bill: Bill) -> tuple[CostCenter, ...]:
    """The cost centers whose seats are not tracked today."""
    prices: dict[int, SeatPrice] = {}
    in_effect = SeatPrice.objects.filter(cost_center__in=bill.seated, effective_from__lte=bill.today)
    for price in in_effect:  # newest first
        prices.setdefault(price.cost_center_id, price)
    return tuple(c for c in bill.seated if c.pk not in prices or prices[c.pk].monthly_price is None)


def plan_value(bill: Bill, *, tracks_seats: bool) -> PlanValue:
    first = bill.query.span.start
    later = sorted({c.connected_on for c in bill.seated if c.connected_on and c.connected_on > first})
    return PlanValue(
        included=LinkedFigure(
            bill.shown(units_from_nanos(sum(row.savings for row in usage(bill)))),
            explorer_url(saved_by_included_usage(bill)),
        ),
        seats=LinkedFigure(
            bill.shown(billed(seats(bill))), explorer_url(own(bill, SEATS, group_by=("user",)))
        ),
        seats_since=short_day(later[-1]) if later else "",
        tracks_seats=tracks_seats,
    )


def seat_use(bill: Bill, unpriced: tuple[CostCenter, ...]) -> SeatUse:
    active, idle = bill.seat_holders()
    listed = idle_seats(bill)
    held = Filter("seat_activity", SEAT_ACTIVITIES)
    return SeatUse(
        held=len(active) + len(idle),
        active=len(active),
        idle_count=len(idle),
        idle=tuple(
            Link(user, explorer_url(replace(listed.narrowed("user", user), group_by=("charge_type",))))
            for user in idle[:MOST_IDLE_NAMED]
        ),
        idle_url=explorer_url(listed),
        held_url=explorer_url(replace(listed, group_by=("seat_activity", "user"), filters=(SEATS, held))),
        days=SEAT_DAYS,
        unpriced=unpriced,
    )


def unit_costs(bill: Bill) -> tuple[UnitCost, ...]:
    """What all of the provider's cost of the month comes to per active user, seat and million tokens."""
    cost = billed(bill.seated_month)
    active = {row.user for row in usage(bill) if row.user}
    holders = {row.user for row in seats(bill) if row.user}
    used = sum(row.tokens for row in bill.seated_month)
    return (
        UnitCost(
            "active user",
            per(bill, cost, Decimal(len(active))),
            f"{counted(len(active), 'user')} with an event this month",
            explorer_url(own(bill, USAGE, NAMED, group_by=("user",))),
        ),
        UnitCost(
            "seat",
            per(bill, cost, Decimal(len(holders))),
            f"{counted(len(holders), 'person', 'people')} with a seat this month",
            explorer_url(own(bill, SEATS, NAMED, group_by=("user",))),
        ),
        UnitCost(
            "million tokens",
            per(bill, cost, EXACT.scaleb(Decimal(used), -6)),
            f"{tokens(used)} tokens this month",
            explorer_url(own(bill, group_by=("model",)).measuring(Measure.TOKENS)),
        ),
    )


def per(bill: Bill, cost: Decimal, count: Decimal) -> Shown:
    """Rounded to the nano-unit."""
    if count <= 0:
        return Shown("–")
    return bill.shown(EXACT.quantize(EXACT.divide(cost, count), NANO))


def usage(bill: Bill) -> Iterable[MonthRow]:
    return (row for row in bill.seated_month if row.charge_type == ChargeType.USAGE)


def seats(bill: Bill) -> Iterable[MonthRow]:
    return (row for row in bill.seated_month if row.charge_type == ChargeType.SEAT)


def billed(rows: Iterable[MonthRow]) -> Decimal:
    return units_from_nanos(sum(row.billed for row in rows))


def own(bill: Bill, *filters: Filter, group_by: tuple[str, ...]) -> CostQuery:
    """The provider's own cost of the month."""
    return replace(bill.query, filters=(OF_PROVIDER, *filters), group_by=group_by)
