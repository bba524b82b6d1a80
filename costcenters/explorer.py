"""The only reader for reports: a `CostQuery` in, a report out. Reads the daily roll-up, never line items.

All sums are exact: whole nano-units and counts are added as integers and become Decimal at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import F, Q

from costcenters.catalog import Catalog
from costcenters.cost_query import Compare, CostQuery
from costcenters.dimensions import dimension
from costcenters.models import ChargeType
from costcenters.periods import (
    ONE_DAY,
    Granularity,
    Span,
    count_periods,
    in_another_year,
    next_period,
    period_start,
    periods,
    readable_granularity,
)
from costcenters.report import Fold, Report, Tally
from costcenters.scope import (
    MEASURE_COLUMN,
    TOKENS,
    PeriodStart,
    Scope,
    SumTooLargeError,
    columns_of,
    distinct,
    period_of,
    readers,
    rows_of,
    sum_of,
    summed,
    summed_apart,
    sums_in_range,
)

__all__ = ["MOST_PERIODS", "SumTooLargeError", "report"]

#: A report is cut into at most this many periods; a finer granularity is made coarser. Exports are never cut.
MOST_PERIODS = 400
#: With more periods than a year's months, the second grouping is read apart from them: groups of three get many.
FEW_PERIODS = 13


def report(query: CostQuery, *, now: datetime, catalog: Catalog | None = None) -> Report:
    """Answers `query`: grouped, cut to the top, compared. Raises SumTooLargeError (SQLite only)."""
    granularity = readable_granularity(query.span, query.granularity, MOST_PERIODS)
    with sums_in_range():
        scope, parts = settled(query, catalog or Catalog(today=now.date()), now=now)
        span, before = scope.span, scope.compare_span
        starts = list(periods(span, granularity)) if span else []
        total, in_period = Tally(), {start: Tally() for start in starts}
        if span is not None:
            add_now(scope, span, granularity, total, in_period)
            if before is not None:
                add_before(scope, span, before, granularity, total, in_period)
    split, estimated = added_up([parts[c.pk] for c in scope.cost_centers if c.pk in parts])

    fold = Fold(query, starts, compared=before is not None)
    rows, other, other_count = fold.rows(total.children)
    in_time = fold.periods(in_period, granularity, span or query.span, scope.complete_before)
    by_start = {period.start: period for period in in_time}
    return Report(
        query=query,
        span=span,
        compare_span=before,
        granularity=granularity,
        currency=scope.currency,
        currencies=scope.currencies,
        freshness=scope.freshness,
        periods=in_time,
        period_rows=tuple([by_start[start] for start in fold.periods_in_order(in_period)]),
        rows=rows,
        other=other,
        other_count=other_count,
        total=fold.amounts(total),
        split={key: fold.figure(part) for key, part in split.items()},
        estimated=fold.figure(estimated),
        risen=fold.most_changed(total.children, up=True),
        fallen=fold.most_changed(total.children, up=False),
    )


def add_now(scope: Scope, span: Span, granularity: str, total: Tally, in_period: dict[date, Tally]) -> None:
    """Adds what the span holds to the total, its values and their periods."""
    keys = scope.query.group_by
    first, apart = keys_by_period(keys, span, granularity)
    column = MEASURE_COLUMN[scope.query.measure]
    sums = distinct([column, TOKENS, "line_items"])
    place = sums.index(column), sums.index(TOKENS), sums.index("line_items")
    for start, values, figures in by_period(scope, span, granularity, first, sums):
        measure, tokens, events = [figures[n] for n in place]
        in_period[start].add(measure, tokens, events)
        if values:
            row = total.child(values[0])
            row.add(measure, tokens, events)
            row.add_in(start, measure)
            if len(values) == 2:
                row.child(values[1]).add(measure, tokens, events)
    for tally in in_period.values():
        total.add(tally.measure, tally.tokens, tally.events)
    if apart:
        for _, values, figures in grouped(scope, span, keys, None, sums):
            total.child(values[0]).child(values[1]).add(*[figures[n] for n in place])


def add_before(
    scope: Scope, span: Span, before: Span, granularity: str, total: Tally, in_period: dict[date, Tally]
) -> None:
    """Adds the compared span's measure, each day to the period of `span` it stands against."""
    keys = scope.query.group_by
    first, apart = keys_by_period(keys, span, granularity)
    sums = [MEASURE_COLUMN[scope.query.measure]]
    period, start_of = standing_against(scope.query, span, before, granularity)
    starts: dict[Any, date] = {}
    for found, values, [measure] in grouped(scope, before, first, period, sums):
        start = starts.get(found)
        if start is None:
            start = starts[found] = start_of(found)
        total.before += measure
        in_period[start].before += measure
        if values:
            row = total.child(values[0])
            row.before += measure
            row.add_before_in(start, measure)
            if len(values) == 2:
                row.child(values[1]).before += measure
    if apart:
        for _, values, [measure] in grouped(scope, before, keys, None, sums):
            total.child(values[0]).child(values[1]).before += measure


def keys_by_period(keys: tuple[str, ...], span: Span, granularity: str) -> tuple[tuple[str, ...], bool]:
    """The groupings to read by period, and whether both are to be read once more apart from it."""
    apart = len(keys) == 2 and count_periods(span, granularity) > FEW_PERIODS
    return keys[:1] if apart else keys, apart


def standing_against(
    query: CostQuery, span: Span, before: Span, granularity: str
) -> tuple[Any, Callable[[Any], date]]:
    """What to group the compared span by, no finer than it must be, and the period of `span` for what is found."""
    if granularity == Granularity.TOTAL:
        return None, lambda _: span.start
    if query.compare == Compare.YEAR:
        # A month stays a month; days and weeks move by a day after a leap day.
        by = PeriodStart(granularity) if granularity == Granularity.MONTH else F("day")
        return by, lambda day: period_start(a_year_later(day, span), granularity, span)
    shift = span.start - before.start
    if granularity == Granularity.DAY:
        return F("day"), lambda day: day + shift
    return PeriodStart(granularity, shift=shift // ONE_DAY), lambda start: start


def a_year_later(day: date, span: Span) -> date:
    """The day of `span` that `day` of a year before stands against: a leap day has no day of its own."""
    return min(max(in_another_year(day, 1), span.start), span.end)


def by_period(
    scope: Scope, span: Span, granularity: str, keys: Sequence[str], sums: list[str]
) -> Iterator[tuple[date, tuple[str, ...], tuple[int, ...]]]:
    """The first day of a period, the values of `keys` and the sums: one tuple a group."""
    starts = list(periods(span, granularity))
    if not (keys and 1 < len(starts) <= FEW_PERIODS and filters_are_short(scope.query)):
        for start, values, figures in grouped(scope, span, keys, period_of(granularity), sums):
            yield start or span.start, values, figures
        return
    # To group, SQLite sorts, and it sorts some small parts faster than the whole.
    spans = [
        Span(max(start, span.start), min(next_period(start, granularity, span) - ONE_DAY, span.end))
        for start in starts
    ]
    selected = distinct(columns_of(keys))
    width = len(selected)
    reads = readers(keys, selected, scope.catalog)
    for row in summed_apart(scope.rows_of_all_days(), spans, selected, sums):
        yield starts[row[-1]], tuple([read(row) for read in reads]), row[width:-1]


def filters_are_short(query: CostQuery) -> bool:
    """Whether no value of a filter stands for many of a column's, which a statement can name so often only."""
    return all(
        dimension(each.dimension).column in (each.dimension, "cost_center_id") for each in query.filters
    )


def grouped(
    scope: Scope, span: Span, keys: Sequence[str], period: Any, sums: list[str]
) -> Iterator[tuple[Any, tuple[str, ...], tuple[int, ...]]]:
    """What the period is grouped by (None without), the values of `keys`, and the sums: one tuple a group."""
    rows: Any = scope.rows(span)
    if period is not None:
        rows = rows.annotate(period=period)
    # The period last: SQLite sorts to group, and sorts faster by what differs most.
    selected = distinct([*columns_of(keys), *(["period"] if period is not None else [])])
    width = len(selected)
    reads = readers(keys, selected, scope.catalog)
    for row in summed(rows, selected, sums):
        yield row[width - 1] if period is not None else None, tuple([r(row) for r in reads]), row[width:]


@dataclass(frozen=True, slots=True)
class Part:
    """What one cost center adds: billed, the measure of each charge type that it has, and what of that is estimated."""

    billed: int
    by_charge_type: dict[str, int]
    estimated: int


def settled(query: CostQuery, catalog: Catalog, *, now: datetime) -> tuple[Scope, dict[int, Part]]:
    """What the query covers, and the part of each cost center that it may cover.

    Both are told from the same sums where it is known beforehand which days are reported.
    """
    if query.only_complete:
        scope = Scope.of(query, catalog, now=now)
        return scope, parts_of(query, scope.rows(scope.span))
    parts = parts_of(query, rows_of(query, catalog, catalog.matching(query.filters), query.span))
    return Scope.of(query, catalog, now=now, billed=[(pk, part.billed) for pk, part in parts.items()]), parts


def parts_of(query: CostQuery, rows: Any) -> dict[int, Part]:
    """By cost center.

    A query of its own: as part of the grouping it would make that one three times slower on PostgreSQL. Sums with a
    condition each take half the time of groups.
    """
    column = MEASURE_COLUMN[query.measure]
    sums = {f"of_{key}": sum_of(column, filter=Q(charge_type=key)) for key in ChargeType.values}
    found = rows.values_list("cost_center_id").annotate(
        billed=sum_of("billed_cost"), estimated=sum_of(column, filter=Q(is_estimated=True)), **sums
    )
    return {
        pk: Part(
            billed=billed,
            by_charge_type={
                key: part for key, part in zip(ChargeType.values, by_type, strict=True) if part is not None
            },
            estimated=estimated or 0,
        )
        for pk, billed, estimated, *by_type in found
    }


def added_up(parts: list[Part]) -> tuple[dict[str, int], int]:
    """The measure of each charge type, largest first, and how much of it all is estimated."""
    split: dict[str, int] = {}
    for part in parts:
        for key, measure in part.by_charge_type.items():
            split[key] = split.get(key, 0) + measure
    in_order = dict(sorted(split.items(), key=lambda each: (-abs(each[1]), each[0])))
    return in_order, sum(part.estimated for part in parts)
