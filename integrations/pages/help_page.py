"""The help page about Cursor: the figures of one Cursor cost center that its explanations are told with.

Costs come from the explorer's report, so they are the numbers of every other page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Max, Q, Sum

from costcenters.catalog import SEAT_DAYS, Catalog, Freshness, freshness
from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.dimensions import MODEL_FAMILIES, OTHER_FAMILY
from costcenters.display.figures import shown
from costcenters.explorer import SumTooLargeError, report
from costcenters.links import LinkedFigure, explorer_url
from costcenters.models import ChargeType, CostCenter, SeatPrice
from costcenters.overview.questions import IDLE, SEATS, USAGE
from costcenters.periods import Granularity, Preset, Span, long_day, preset_span
from costcenters.report import Report
from costcenters.scope import sums_in_range
from finops.money import display, nanos_from_units, units_from_nanos
from integrations.models import Member, ProviderTotal
from integrations.seats import day_share

PROVIDER = "cursor"
#: A billing cycle that began longer ago is not taken for the open one.
LONGEST_CYCLE = timedelta(days=366)
#: Of those who left, so many are looked for in the bill, and so many of them listed.
MOST_LEFT, MOST_LISTED = 500, 20


@dataclass(frozen=True, slots=True)
class Month:
    """The month to date. `listed` is the nominal value of all usage: `usage` (on-demand) and `included` together."""

    days: str
    usage: LinkedFigure
    seats: LinkedFigure
    included: LinkedFigure
    listed: LinkedFigure


@dataclass(frozen=True, slots=True)
class CycleTotal:
    """Cursor's own total of all users together; None where its answer can be read in two ways."""

    since: datetime
    read_at: datetime
    on_demand: Decimal | None


@dataclass(frozen=True, slots=True)
class Cycle:
    """The open billing cycle: Cursor's own total since its first instant, and ours of the UTC days it touches.

    `on_demand` is empty where Cursor's answer can be read in two ways.
    """

    since: datetime
    read_at: datetime
    on_demand: str
    days: str
    ours: LinkedFigure


@dataclass(frozen=True, slots=True)
class Seats:
    """`paid` are the active members in a paid seat; `unused` of the committed seats nobody holds."""

    paid: int
    unpaid: int
    price: str
    a_day: str
    effective_from: date | None
    committed: int | None
    unused: int
    to_come: str


@dataclass(frozen=True, slots=True)
class Leaver:
    user: str
    last_event: str
    url: str


@dataclass(frozen=True, slots=True)
class Bill:
    month: Month
    cycle: Cycle | None
    leavers: tuple[Leaver, ...]
    leaver_count: int


@dataclass(frozen=True, slots=True)
class Links:
    """Into the explorer, all of them of this cost center."""

    last_month: str
    last_month_days: str
    by_kind: str
    by_surface: str
    by_family: str
    auto: str
    idle: str
    seats: str


@dataclass(frozen=True, slots=True)
class Team:
    """One Cursor cost center. `bill` is None when its sums are too large for the database."""

    center: CostCenter
    freshness: Freshness
    seats: Seats
    bill: Bill | None
    links: Links


@dataclass(frozen=True, slots=True)
class HelpPage:
    """`teams` are the names to choose from; `team` is None when Cursor was never connected."""

    teams: tuple[str, ...]
    team: Team | None
    families: str
    other_family: str
    reread_days: int
    backfill_days: int
    idle_days: int


def help_page(name: str, *, now: datetime) -> HelpPage:
    """With the figures of the Cursor cost center `name`, else of the first live one. KeyError if there is none such."""
    catalog = Catalog(today=now.date())
    live_first = sorted(
        (center for center in catalog.cost_centers.values() if center.provider == PROVIDER),
        key=lambda center: (center.status == CostCenter.Status.DISCONNECTED, center.name),
    )
    by_name = {center.name: center for center in live_first}
    chosen = by_name[name] if name else next(iter(live_first), None)
    return HelpPage(
        teams=tuple(by_name),
        team=None if chosen is None else team(chosen, catalog, now),
        families=", ".join(family for family in MODEL_FAMILIES if family != OTHER_FAMILY),
        other_family=OTHER_FAMILY,
        reread_days=settings.CURSOR_REREAD_DAYS,
        backfill_days=settings.CURSOR_BACKFILL_DAYS,
        idle_days=SEAT_DAYS,
    )


def team(center: CostCenter, catalog: Catalog, now: datetime) -> Team:
    members = list(Member.objects.filter(integration__cost_center=center).order_by("-last_seen", "key"))
    asking = Asking(center, catalog, now)
    try:
        bill = asking.bill([member.key for member in members if not member.is_active])
    except SumTooLargeError:
        bill = None
    return Team(
        center=center,
        freshness=freshness([center], now),
        seats=seats_of(center, members, now.date()),
        bill=bill,
        links=asking.links(),
    )


def seats_of(center: CostCenter, members: Iterable[Member], today: date) -> Seats:
    active = [member for member in members if member.is_active]
    paid = sum(member.is_paid for member in active)
    prices = list(center.seat_prices.all())
    now = next((price for price in prices if price.effective_from <= today), None)
    coming = [price for price in prices if price.effective_from > today]
    monthly = now.monthly_price if now else None
    committed = now.committed_seats if now and monthly is not None else None
    return Seats(
        paid=paid,
        unpaid=len(active) - paid,
        price="" if monthly is None else display(monthly, center.currency),
        a_day=""
        if monthly is None
        else display(units_from_nanos(day_share(nanos_from_units(monthly), today)), center.currency),
        effective_from=now.effective_from if now else None,
        committed=committed,
        unused=max(0, (committed or 0) - paid),
        to_come=price_to_come(coming[-1], center.currency) if coming else "",
    )


def price_to_come(price: SeatPrice, currency: str) -> str:
    amount = "no seat tracking" if price.monthly_price is None else display(price.monthly_price, currency)
    return f"{amount} from {long_day(price.effective_from)}"


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions to the bill of one cost center."""

    center: CostCenter
    catalog: Catalog
    now: datetime

    @property
    def today(self) -> date:
        return self.now.date()

    def preset(self, preset: Preset, *filters: Filter) -> CostQuery:
        own = Filter("cost_center", (self.center.name,))
        return CostQuery(preset_span(preset, self.today), preset.value, filters=(own, *filters))

    def usage(self, preset: Preset, *filters: Filter) -> CostQuery:
        return self.preset(preset, USAGE, *filters)

    def answer(self, query: CostQuery) -> Report:
        return report(query, now=self.now, catalog=self.catalog)

    def part(self, figure: Decimal, query: CostQuery) -> LinkedFigure:
        return LinkedFigure(shown(figure, Measure.BILLED, self.center.currency), explorer_url(query))

    def bill(self, left: list[str]) -> Bill:
        """Raises SumTooLargeError (SQLite only)."""
        cycle = self.total_of_cycle()
        month = preset_span(Preset.MONTH_TO_DATE, self.today)
        start = month.start if cycle is None else min(month.start, cycle.since.date())
        billed = self.answer(
            CostQuery(
                Span(start, self.today),
                group_by=("charge_type",),
                filters=(Filter("cost_center", (self.center.name,)),),
                top=0,
            )
        )
        found = [] if not left else self.leavers(left[:MOST_LEFT])
        return Bill(
            month=self.month(billed, month),
            cycle=None if cycle is None else self.cycle(cycle, billed),
            leavers=tuple(found[:MOST_LISTED]),
            leaver_count=len(found),
        )

    def month(self, billed: Report, month: Span) -> Month:
        usage = self.usage(Preset.MONTH_TO_DATE)
        savings = CostQuery(
            usage.span, usage.preset, Granularity.TOTAL.value, filters=usage.filters, measure=Measure.SAVINGS
        )
        on_demand, included = (
            since(billed, ChargeType.USAGE, month.start),
            Decimal(self.answer(savings).total.measure),
        )
        seats = self.preset(Preset.MONTH_TO_DATE, SEATS)
        return Month(
            days=str(month),
            usage=self.part(on_demand, usage.grouped_by("user")),
            seats=self.part(since(billed, ChargeType.SEAT, month.start), seats.grouped_by("user")),
            included=self.part(included, usage.grouped_by("user").measuring(Measure.SAVINGS)),
            listed=self.part(on_demand + included, usage.grouped_by("kind").measuring(Measure.LIST)),
        )

    def total_of_cycle(self) -> CycleTotal | None:
        """Cursor's total of the newest billing cycle it told of."""
        with sums_in_range():
            newest = (
                ProviderTotal.objects.filter(integration__cost_center=self.center)
                .values("period_start")
                .annotate(
                    on_demand=Sum("on_demand_cost"),
                    read_at=Max("read_at"),
                    unclear=Count("pk", filter=Q(on_demand_cost__isnull=True)),
                )
                .order_by("-period_start")
                .first()
            )
        if newest is None or not self.now - LONGEST_CYCLE < newest["period_start"] <= self.now:
            return None
        on_demand = None if newest["unclear"] else newest["on_demand"]
        return CycleTotal(newest["period_start"], newest["read_at"], on_demand)

    def cycle(self, total: CycleTotal, billed: Report) -> Cycle:
        span = Span(total.since.date(), self.today)
        query = CostQuery(span, filters=self.usage(Preset.MONTH_TO_DATE).filters, group_by=("user",))
        currency = self.center.currency
        return Cycle(
            since=total.since,
            read_at=total.read_at,
            on_demand="" if total.on_demand is None else display(total.on_demand, currency),
            days=str(span),
            ours=self.part(since(billed, ChargeType.USAGE, span.start), query),
        )

    def leavers(self, left: list[str]) -> list[Leaver]:
        """Those of `left` who had an event in the last twelve months, the latest first."""
        query = self.usage(Preset.MONTHS_12, Filter("user", tuple(left)))
        counted = self.answer(query.grouped_by("user").showing(top=0).measuring(Measure.EVENTS))
        last_days = []
        for row in counted.rows:
            days = [
                period.start for period, events in zip(counted.periods, row.by_period, strict=True) if events
            ]
            if days:
                last_days.append((days[-1], row.value))
        return [
            Leaver(user, long_day(day), explorer_url(self.usage(Preset.MONTHS_12, Filter("user", (user,)))))
            for day, user in sorted(last_days, key=lambda found: (-found[0].toordinal(), found[1]))
        ]

    def links(self) -> Links:
        days_30, last_month = self.usage(Preset.DAYS_30), self.usage(Preset.LAST_MONTH)
        seats = self.preset(Preset.DAYS_30, SEATS)
        idle = self.preset(Preset.DAYS_30, SEATS, IDLE)
        return Links(
            last_month=explorer_url(last_month.grouped_by("user")),
            last_month_days=str(last_month.span),
            by_kind=explorer_url(days_30.grouped_by("kind").measuring(Measure.LIST)),
            by_surface=explorer_url(days_30.grouped_by("surface")),
            by_family=explorer_url(days_30.grouped_by("model_family", "model")),
            auto=explorer_url(days_30.narrowed("model", "default").grouped_by("user")),
            idle=explorer_url(idle.grouped_by("user")),
            seats=explorer_url(seats.grouped_by("user")),
        )


def since(billed: Report, charge_type: ChargeType, day: date) -> Decimal:
    """What a report by charge type and day holds of one charge type from `day` on."""
    amounts = [
        amount
        for row in billed.rows
        if row.value == charge_type
        for period, amount in zip(billed.periods, row.by_period, strict=True)
        if period.start >= day
    ]
    return sum(map(Decimal, amounts), Decimal(0))
