"""The only reader for reports: a `CostQuery` in, a report out. Reads the daily roll-up, never line items.

All sums are exact: whole nano-units and counts are added as integers and become Decimal at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import DatabaseError
from django.db.models import BigIntegerField, DateField, F, Func, QuerySet, Sum

from costcenters.catalog import Catalog, freshness
from costcenters.cost_query import CostQuery, Measure
from costcenters.dimensions import dimension
from costcenters.models import CostCenter, DailyCost
from costcenters.periods import (
    Granularity,
    Span,
    in_another_year,
    is_incomplete,
    period_label,
    period_start,
    periods,
    readable_granularity,
)
from costcenters.report import Amounts, Figure, Period, Report, Tally, combined, ranked, row_of
from finops.money import units_from_nanos

#: A report is cut into at most this many periods; a finer granularity is made coarser. Exports are never cut.
MOST_PERIODS = 400
MOST_SUGGESTIONS = 500
DEFAULT_CURRENCY = "USD"

MONEY_COLUMNS = ("billed_cost", "effective_cost", "list_cost")
TOKEN_COLUMNS = ("input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens")
#: Not columns: the sum of the four token counts, and list minus effective cost.
TOKENS = "tokens"
SAVINGS = "savings"
ALL_TOKENS = F("input_tokens") + F("output_tokens") + F("cache_write_tokens") + F("cache_read_tokens")
#: What is not a column of its own, by name.
DERIVED = {TOKENS: ALL_TOKENS, SAVINGS: F("list_cost") - F("effective_cost")}
MEASURE_COLUMN = {
    Measure.BILLED: "billed_cost",
    Measure.EFFECTIVE: "effective_cost",
    Measure.LIST: "list_cost",
    Measure.SAVINGS: SAVINGS,
    Measure.TOKENS: TOKENS,
    Measure.EVENTS: "line_items",
}


class SumTooLargeError(Exception):
    """SQLite ends sums at 9.2 × 10⁹ units or 9.2 × 10¹⁸ tokens; PostgreSQL has no such limit."""

    def __init__(self) -> None:
        super().__init__(
            "A sum is larger than SQLite can hold (9.2 billion). "
            "Narrow the span or the filters, or move to PostgreSQL."
        )


class Whole(BigIntegerField):  # type: ignore[type-arg]
    """A sum as an exact integer. SQLite turns a sum of columns that leaves 64 bits into a float: refused."""

    def get_internal_type(self) -> str:
        return "Whole"  # so that Django leaves the value to us

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        if isinstance(value, float):
            raise SumTooLargeError
        return None if value is None else int(value)


class PeriodStart(Func):
    """The first day of a row's week (its Monday) or month, computed by the database without time zones."""

    output_field = DateField()

    def __init__(self, granularity: str) -> None:
        self.granularity = granularity
        super().__init__(F("day"))

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        steps = "'weekday 0', '-6 days'" if self.granularity == Granularity.WEEK else "'start of month'"
        return self.as_sql(compiler, connection, template=f"DATE(%(expressions)s, {steps})", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        unit = "week" if self.granularity == Granularity.WEEK else "month"
        template = f"DATE_TRUNC('{unit}', %(expressions)s::timestamp)::date"
        return self.as_sql(compiler, connection, template=template, **extra)


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of the roll-up that a query is about: one currency, its cost centers, and the filters."""

    query: CostQuery
    catalog: Catalog
    currency: str
    currencies: tuple[str, ...]
    cost_centers: tuple[CostCenter, ...]

    @classmethod
    def of(cls, query: CostQuery, catalog: Catalog) -> Scope:
        """Settles the currency: the asked-for one, else the only one, else that of the largest bill."""
        matching = catalog.matching(query.filters)
        possible = present = sorted({c.currency for c in matching})
        if len(possible) > 1:
            everything = cls(query, catalog, "", (), tuple(matching))
            billed: dict[str, int] = {}
            for pk, nanos in summed(everything.rows(query.span), ["cost_center_id"], ["billed_cost"]):
                currency = catalog.cost_centers[pk].currency
                billed[currency] = billed.get(currency, 0) + nanos
            present = sorted(billed, key=lambda c: (-billed[c], c))
        currency = query.currency or (present or possible or catalog.currencies or [DEFAULT_CURRENCY])[0]
        chosen = tuple(c for c in matching if c.currency == currency)
        return cls(query, catalog, currency, tuple(sorted(present)), chosen)

    def rows(self, span: Span) -> QuerySet[DailyCost]:
        """The roll-up rows of `span`, unordered."""
        rows = DailyCost.objects.order_by().filter(day__gte=span.start, day__lte=span.end)
        # Named even when they are all: a cost center made after the catalog was read must not slip in.
        rows = rows.filter(cost_center_id__in=[c.pk for c in self.cost_centers])
        return rows.filter(self.catalog.condition(self.query.filters))


def report(query: CostQuery, *, now: datetime, catalog: Catalog | None = None) -> Report:
    """Answers `query`: grouped, cut to the top, compared. Raises SumTooLargeError (SQLite only)."""
    scope = Scope.of(query, catalog or Catalog())
    granularity = readable_granularity(query.span, query.granularity, MOST_PERIODS)
    fresh = freshness(scope.cost_centers, now)
    total = Tally()
    with sums_in_range():
        for period, values, measure, tokens, events in grouped(scope, granularity):
            total.add(measure, tokens, events)
            total.by_period[period] = total.by_period.get(period, 0) + measure
            if values:
                row = total.child(values[0])
                row.add(measure, tokens, events)
                row.by_period[period] = row.by_period.get(period, 0) + measure
                if len(values) == 2:
                    row.child(values[1]).add(measure, tokens, events)
            else:
                total.child(period.isoformat()).add(measure, tokens, events)
        split, estimated = split_by_charge_type(scope)
        before = query.compare_span
        if before is not None:
            add_before(scope, before, granularity, total)

    figure: Callable[[int], Figure] = units_from_nanos if query.measure.is_money else int
    shown, rest = ranked(total, query) if query.group_by else ([], [])
    starts = list(periods(query.span, granularity))
    compared = before is not None
    nothing = Tally()
    complete_before = min(fresh.complete_through or now, now)
    return Report(
        query=query,
        span=query.span,
        compare_span=before,
        granularity=granularity,
        currency=scope.currency,
        currencies=scope.currencies,
        freshness=fresh,
        periods=tuple(
            Period(
                start=start,
                label=period_label(start, granularity, query.span),
                is_incomplete=is_incomplete(start, granularity, query.span, complete_before),
                amounts=Amounts(figure(total.by_period.get(start, 0)), 0, 0)
                if query.group_by
                else total.children.get(start.isoformat(), nothing).amounts(figure, compared),
            )
            for start in starts
        ),
        rows=tuple(row_of(value, tally, starts, figure, compared) for value, tally in shown),
        other=row_of("", combined(rest), starts, figure, compared) if rest else None,
        other_count=len(rest),
        total=total.amounts(figure, compared),
        split={key: figure(part) for key, part in split.items()},
        estimated=figure(estimated),
    )


def grouped(scope: Scope, granularity: str) -> Iterator[tuple[date, tuple[str, ...], int, int, int]]:
    """Period, group values, measure, tokens and line items: one tuple a group."""
    query = scope.query
    rows, has_period = by_period(scope.rows(query.span), granularity)
    # The period last: SQLite sorts to group, and sorts faster by what differs most.
    selected = distinct([*query_columns(query), *(["period"] if has_period else [])])
    period = len(selected) - 1
    sums = distinct([MEASURE_COLUMN[query.measure], TOKENS, "line_items"])
    readers = group_readers(scope, selected)
    measure, tokens, events = (
        len(selected) + sums.index(name) for name in (MEASURE_COLUMN[query.measure], TOKENS, "line_items")
    )
    start = query.span.start
    for row in summed(rows, selected, sums):
        values = tuple([read(row) for read in readers])
        yield row[period] if has_period else start, values, row[measure], row[tokens], row[events]


def split_by_charge_type(scope: Scope) -> tuple[dict[str, int], int]:
    """The measure of each charge type, largest first, and how much of it all is estimated.

    A query of its own: as part of the grouping it would make that one three times slower on PostgreSQL.
    """
    split: dict[str, int] = {}
    estimated = 0
    rows = scope.rows(scope.query.span)
    sums = [MEASURE_COLUMN[scope.query.measure]]
    for charge_type, is_estimated, measure in summed(rows, ["charge_type", "is_estimated"], sums):
        split[charge_type] = split.get(charge_type, 0) + measure
        estimated += measure if is_estimated else 0
    return dict(sorted(split.items(), key=lambda part: (-abs(part[1]), part[0]))), estimated


def group_readers(scope: Scope, selected: list[str]) -> list[Callable[[Any], str]]:
    """For each grouping a function from a row of the `selected` columns to its value, mapped once a value."""

    def reader(key: str, column: str) -> Callable[[Any], str]:
        of, position, known = scope.catalog.value_of(key), selected.index(column), dict[Any, str]()

        def read(row: Any) -> str:
            raw = row[position]
            value = known.get(raw)
            if value is None:
                value = known[raw] = of(raw)
            return value

        return read

    query = scope.query
    return [reader(key, column) for key, column in zip(query.group_by, query_columns(query), strict=True)]


def add_before(scope: Scope, before: Span, granularity: str, total: Tally) -> None:
    """Adds the compared span's measure; without grouping, each day to the period it stands against."""
    query = scope.query
    columns = distinct(query_columns(query)) or ["day"]
    readers = group_readers(scope, columns)
    for row in summed(scope.rows(before), columns, [MEASURE_COLUMN[query.measure]]):
        measure = row[-1]
        total.before += measure
        if readers:
            tally = total.child(readers[0](row))
            tally.before += measure
            if len(readers) == 2:
                tally.child(readers[1](row)).before += measure
        else:
            now_day = counterpart(row[0], before, query)
            total.child(period_start(now_day, granularity, query.span).isoformat()).before += measure


def counterpart(day: date, before: Span, query: CostQuery) -> date:
    """The day of the query's span that `day` of the compared span stands against."""
    if query.compare == "year":
        shifted = in_another_year(day, 1)
    else:
        shifted = query.span.start + (day - before.start)
    return min(max(shifted, query.span.start), query.span.end)


def by_period(rows: QuerySet[DailyCost], granularity: str) -> tuple[Any, bool]:
    """The rows with their period as `period`, and whether there is one: the total has none."""
    match granularity:
        case Granularity.TOTAL:
            return rows, False
        case Granularity.DAY:
            return rows.annotate(period=F("day")), True
        case _:
            return rows.annotate(period=PeriodStart(granularity)), True


def query_columns(query: CostQuery) -> list[str]:
    """The roll-up's column of each grouping; two groupings may share one."""
    return [dimension(key).column for key in query.group_by]


def distinct(columns: list[str]) -> list[str]:
    return list(dict.fromkeys(columns))


def summed(
    rows: Any, columns: list[str], sums: Iterable[str], *, streamed: bool = False
) -> Iterator[tuple[Any, ...]]:
    """The rows grouped by `columns` (distinct), the sums after them: nano-units of money, or counts.

    `streamed` bounds memory; PostgreSQL then plans for the first row, which makes the last one come later.
    """
    totals = {f"sum_of_{name}": Sum(DERIVED.get(name, F(name)), output_field=Whole()) for name in sums}
    if columns:
        groups = rows.values_list(*columns).annotate(**totals)
        yield from groups.iterator(chunk_size=5000) if streamed else groups
        return
    row = tuple(rows.aggregate(**totals).values())
    if None not in row:
        yield row


@contextmanager
def sums_in_range() -> Iterator[None]:
    """Turns SQLite's integer overflow into SumTooLargeError."""
    try:
        yield
    except DatabaseError as error:
        if "integer overflow" in str(error) or "out of range" in str(error):
            raise SumTooLargeError from error
        raise


def values_in_use(key: str) -> list[str]:
    """Values of a text dimension for suggestions, in order; at most MOST_SUGGESTIONS."""
    values = DailyCost.objects.order_by(key).exclude(**{key: ""}).values_list(key, flat=True)
    return list(values.distinct()[:MOST_SUGGESTIONS])
