"""The sums behind the overview: read in a few wide questions, folded here. Each equals the explorer's for its link."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from django.db.models import BigIntegerField, BooleanField, Case, Q, When
from django.db.models.expressions import ExpressionWrapper

from costcenters.catalog import SEAT_DAYS, Catalog, Freshness, freshness, tag_text
from costcenters.cost_query import CostQuery, Measure
from costcenters.dimensions import TAG_PREFIX
from costcenters.display.figures import Shown, shown
from costcenters.models import ChargeType, CostCenter, TagSet
from costcenters.periods import (
    ONE_DAY,
    Granularity,
    Preset,
    Span,
    complete_part,
    months_before,
    preset_span,
)
from costcenters.report import Fold, ReportRow, Tally, by_size
from costcenters.scope import DEFAULT_CURRENCY, SAVINGS, TOKENS, rows_of, summed, sums_in_range
from finops.money import units_from_nanos

#: The provider whose usage and seats have figures of their own.
SEATED_PROVIDER = "cursor"
#: Cost changed between this many complete days and as many right before.
RECENT_DAYS = 7


class DayRow(NamedTuple):
    """Billed nano-units of a cost center's UTC day, and how much of it is estimated."""

    cost_center: int
    day: date
    billed: int
    estimated: int


class MonthRow(NamedTuple):
    """The month to date; amounts in nano-units."""

    user: str
    model: str
    cost_center: int
    charge_type: str
    is_estimated: bool
    billed: int
    savings: int
    tokens: int
    events: int


class RecentRow(NamedTuple):
    """Billed nano-units of the recent days (`is_now`) or of those right before. Dimensions are fields by their key."""

    user: str
    model: str
    service: str
    cost_center: int
    is_now: bool
    billed: int


@dataclass(frozen=True)
class Bill:
    """One currency's cost centers, as they stand on the UTC day `today`.

    `query` asks for all of the month to date; links are made from it. `days` reach back to the month before the
    last one and to the first day of the chart. Later cost may still come in for what is after `complete_before`.
    """

    catalog: Catalog
    query: CostQuery
    today: date
    currency: str
    cost_centers: tuple[CostCenter, ...]
    freshness: Freshness
    complete_before: datetime
    days: tuple[DayRow, ...]

    @classmethod
    def read(cls, catalog: Catalog, *, now: datetime, currency: str = "") -> Bill:
        """In `currency`, else in that of the largest bill of the last 90 days. Raises SumTooLargeError."""
        today = now.date()
        month = CostQuery(preset_span(Preset.MONTH_TO_DATE, today), Preset.MONTH_TO_DATE.value)
        chart = preset_span(Preset.DAYS_90, today)
        span = Span(min(chart.start, months_before(month.span.start, 2)), today)
        rows = rows_of(month, catalog, catalog.cost_centers.values(), span).annotate(
            estimated=Case(
                When(is_estimated=True, then="billed_cost"), default=0, output_field=BigIntegerField()
            )
        )
        with sums_in_range():
            days = [
                DayRow(*row) for row in summed(rows, ["cost_center_id", "day"], ["billed_cost", "estimated"])
            ]
        known = catalog.currencies
        if currency not in known:
            billed = ((row.cost_center, row.billed) for row in days if row.day >= chart.start)
            currency = (catalog.currencies_by_size(billed) or known or [DEFAULT_CURRENCY])[0]
        centers = tuple(c for c in catalog.cost_centers.values() if c.currency == currency)
        fresh = freshness(centers, now)
        chosen = {center.pk for center in centers}
        return cls(
            catalog=catalog,
            query=month.in_currency(currency) if len(known) > 1 else month,
            today=today,
            currency=currency,
            cost_centers=centers,
            freshness=fresh,
            complete_before=fresh.complete_before(now),
            days=tuple(row for row in days if row.cost_center in chosen),
        )

    def complete(self, span: Span) -> Span | None:
        """The complete days of `span`; None when there is none."""
        return complete_part(span, Granularity.TOTAL, self.complete_before)

    def billed(self, span: Span) -> Decimal:
        return units_from_nanos(sum(row.billed for row in self.days if span.start <= row.day <= span.end))

    def estimated(self, span: Span) -> Decimal:
        return units_from_nanos(sum(row.estimated for row in self.days if span.start <= row.day <= span.end))

    def shown(self, amount: Decimal) -> Shown:
        """An amount of the bill's currency as people read it."""
        return shown(amount, Measure.BILLED, self.currency)

    def preset(self, preset: Preset) -> CostQuery:
        return replace(self.query, span=preset_span(preset, self.today), preset=preset.value)

    @property
    def seated(self) -> tuple[CostCenter, ...]:
        """The cost centers with usage and seats of their own kind."""
        return tuple(c for c in self.cost_centers if c.provider == SEATED_PROVIDER)

    @property
    def has_others(self) -> bool:
        return len(self.seated) < len(self.cost_centers)

    @cached_property
    def month(self) -> tuple[MonthRow, ...]:
        columns = ["user", "model", "cost_center_id", "charge_type", "is_estimated"]
        sums = ["billed_cost", SAVINGS, TOKENS, "line_items"]
        rows = rows_of(self.query, self.catalog, self.cost_centers, self.query.span)
        with sums_in_range():
            return tuple(MonthRow(*row) for row in summed(rows, columns, sums))

    @cached_property
    def seated_month(self) -> tuple[MonthRow, ...]:
        seated = {center.pk for center in self.seated}
        return tuple(row for row in self.month if row.cost_center in seated)

    @property
    def recent_span(self) -> Span:
        """The last complete days."""
        end = self.complete_before.astimezone(UTC).date() - ONE_DAY
        return Span(end - timedelta(days=RECENT_DAYS - 1), end)

    @cached_property
    def recent(self) -> tuple[RecentRow, ...]:
        """The recent span and the one right before."""
        span = self.recent_span
        rows = rows_of(
            self.query, self.catalog, self.cost_centers, Span(span.right_before().start, span.end)
        ).annotate(is_now=ExpressionWrapper(Q(day__gte=span.start), output_field=BooleanField()))
        columns = ["user", "model", "service", "cost_center_id", "is_now"]
        with sums_in_range():
            return tuple(RecentRow(*row) for row in summed(rows, columns, ["billed_cost"]))

    def tagged(self, name: str) -> tuple[str, list[tuple[str, Tally]]]:
        """The tag called `name`, in any case of letters, as a dimension; and the month to date by its values.

        Largest first, without what has no such tag. Both empty when nothing of this month has it.
        """
        rows = rows_of(self.query, self.catalog, self.cost_centers, self.query.span)
        with sums_in_range():
            sums = dict(summed(rows.exclude(tag_set_id=None), ["tag_set_id"], ["billed_cost"]))
        tags = dict(TagSet.objects.filter(pk__in=sums).values_list("pk", "tags")) if sums else {}
        key = min((key for each in tags.values() for key in each if key.lower() == name), default="")
        values = ((tag_text(tags[pk].get(key)), billed) for pk, billed in sums.items())
        return (f"{TAG_PREFIX}{key}", ranking(values)) if key else ("", [])

    def seat_holders(self) -> tuple[list[str], list[str]]:
        """Who holds a seat: with usage in the last SEAT_DAYS days, and without; each in order."""
        seats = self.catalog.seats
        active, idle = set(seats.active), set(seats.idle)
        if len(self.catalog.currencies) > 1:
            span = Span(self.today - timedelta(days=SEAT_DAYS - 1), self.today)
            rows = rows_of(self.query, self.catalog, self.cost_centers, span)
            here = {
                row[0] for row in summed(rows.filter(charge_type=ChargeType.SEAT), ["user"], ["line_items"])
            }
            active, idle = active & here, idle & here
        return sorted(active), sorted(idle)


def ranking(parts: Iterable[tuple[str, int]]) -> list[tuple[str, Tally]]:
    """Values with their billed nano-units, as the explorer ranks them; those without a value are left out."""
    total = Tally()
    for value, billed in parts:
        if value:
            total.child(value).measure += billed
    return by_size(total.children)


def changes(
    query: CostQuery, rows: Iterable[RecentRow]
) -> tuple[tuple[ReportRow, ...], tuple[ReportRow, ...]]:
    """The values whose billed cost rose, and those where it fell, as the explorer ranks them for `query`."""
    value_of = attrgetter(query.group_by[0])
    total = Tally()
    for row in rows:
        value = value_of(row)
        if value and row.is_now:
            total.child(value).measure += row.billed
        elif value:
            total.child(value).before += row.billed
    fold = Fold(query, (), compared=True)
    return fold.most_changed(total.children, up=True), fold.most_changed(total.children, up=False)
