"""The only reader for reports: a `CostQuery` in, a report out. Reads the daily roll-up, never line items.

All sums are exact: whole nano-units and counts are added as integers and become Decimal at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import F, Q

from costcenters.catalog import Catalog
from costcenters.cost_query import Compare, CostQuery
from costcenters.models import ChargeType
from costcenters.periods import (
    ONE_DAY,
    Granularity,
    Span,
    count_periods,
    in_another_year,
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
    sum_of,
    summed,
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
        scope = Scope.of(query, catalog or Catalog(today=now.date()), now=now)
        span, before = scope.span, scope.compare_span
        starts = list(periods(span, granularity)) if span else []
        total, in_period = Tally(), {start: Tally() for start in starts}
        if span is not None:
            add_now(scope, span, granularity, total, in_period)
            if before is not None:
                add_before(scope, span, before, granularity, total, in_period)
        split, estimated = split_by_charge_type(scope)

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
    for start, values, figures in grouped(scope, span, first, period_of(granularity), sums):
        start = start or span.start
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


def split_by_charge_type(scope: Scope) -> tuple[dict[str, int], int]:
    """The measure of each charge type, largest first, and how much of it all is estimated.

    A query of its own: as part of the grouping it would make that one three times slower on PostgreSQL. One row of
    sums with a condition each takes half the time of groups.
    """
    column = MEASURE_COLUMN[scope.query.measure]
    sums = {key: sum_of(column, filter=Q(charge_type=key)) for key in ChargeType.values}
    found = scope.rows(scope.span).aggregate(**sums, estimated=sum_of(column, filter=Q(is_estimated=True)))
    estimated: int = found.pop("estimated") or 0
    split = {key: part for key, part in found.items() if part is not None}
    return dict(sorted(split.items(), key=lambda part: (-abs(part[1]), part[0]))), estimated
