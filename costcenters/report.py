"""What the explorer answers: a report, and the tallies from which it is folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from costcenters.catalog import Freshness
from costcenters.cost_query import COMPARED_SORTS, CostQuery, Measure, Sort
from costcenters.dimensions import value_label
from costcenters.periods import Span, is_incomplete, period_label
from finops.money import units_from_nanos

#: How many of the values that rose, and of those that fell, a report names.
MOST_CHANGED = 5
T = TypeVar("T", str, date)

#: An amount in units of the report's currency, or a count of tokens or line items.
Figure = Decimal | int


def figure(number: int, measure: Measure) -> Figure:
    """A sum of the measure: of nano-units the exact amount, a count as it is."""
    return units_from_nanos(number) if measure.is_money else number


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a row adds up to. `before` is the measure in the compared span, None without comparison."""

    measure: Figure
    tokens: int
    events: int
    before: Figure | None = None

    @property
    def difference(self) -> Figure | None:
        return None if self.before is None else self.measure - self.before

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of what was before; None when that was nothing."""
        return (
            None
            if not self.before
            else (Decimal(self.measure) - self.before) * 100 / abs(Decimal(self.before))
        )


@dataclass(frozen=True, slots=True)
class Period:
    start: date
    label: str
    is_incomplete: bool
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One value of the first grouping; `children` are the second's values within it, without figures by period.

    `before_by_period` holds the compared span's measure at the period it stands against; empty without comparison.
    """

    value: str
    amounts: Amounts
    by_period: tuple[Figure, ...] = ()
    before_by_period: tuple[Figure, ...] = ()
    children: tuple[ReportRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`rows` are the top values in the query's order; `other` is the rest, `other_count` values of it.

    `rows` with `other`, the periods, and `split` each add up to `total` exactly. `granularity` is coarser
    than the query's where that would make more than `MOST_PERIODS` periods. `periods` are in time's order,
    `period_rows` the same as the table without grouping lists them. `span` is the query's, ended earlier when
    only complete periods are wanted; None when none is complete. `risen` and `fallen` are the values of the
    first grouping whose measure changed most, largest change first; empty without comparison.
    """

    query: CostQuery
    span: Span | None
    compare_span: Span | None
    granularity: str
    currency: str
    currencies: tuple[str, ...]
    freshness: Freshness
    periods: tuple[Period, ...]
    rows: tuple[ReportRow, ...]
    other: ReportRow | None
    other_count: int
    total: Amounts
    split: dict[str, Figure]
    estimated: Figure
    risen: tuple[ReportRow, ...] = ()
    fallen: tuple[ReportRow, ...] = ()
    period_rows: tuple[Period, ...] = ()

    @property
    def incomplete(self) -> tuple[Period, ...]:
        """The periods of which cost may still be missing: they stand in a row, at the end."""
        return tuple(period for period in self.periods if period.is_incomplete)

    @property
    def is_empty(self) -> bool:
        return not self.total.events and not self.total.before


@dataclass(slots=True)
class Tally:
    """Sums while they grow, in nano-units or counts."""

    measure: int = 0
    tokens: int = 0
    events: int = 0
    before: int = 0
    by_period: dict[date, int] = field(default_factory=dict)
    before_by_period: dict[date, int] = field(default_factory=dict)
    children: dict[str, Tally] = field(default_factory=dict)

    def child(self, value: str) -> Tally:
        found = self.children.get(value)
        if found is None:
            found = self.children[value] = Tally()
        return found

    def add(self, measure: int, tokens: int, events: int) -> None:
        self.measure += measure
        self.tokens += tokens
        self.events += events

    def add_in(self, period: date, measure: int) -> None:
        self.by_period[period] = self.by_period.get(period, 0) + measure

    def add_before_in(self, period: date, measure: int) -> None:
        self.before_by_period[period] = self.before_by_period.get(period, 0) + measure

    def merge(self, other: Tally) -> None:
        """Adds all of the other but its children."""
        self.add(other.measure, other.tokens, other.events)
        self.before += other.before
        for period, measure in other.by_period.items():
            self.add_in(period, measure)
        for period, measure in other.before_by_period.items():
            self.add_before_in(period, measure)


#: What is ranked: something's name, or a period's first day, with its sums.
Ranked = tuple[T, Tally]


@dataclass(frozen=True, slots=True)
class Fold:
    """How tallies become figures in order. `starts` are the report's periods; `compared`: there is a before."""

    query: CostQuery
    starts: Sequence[date]
    compared: bool

    @property
    def sort(self) -> str:
        """The sort that can be: nothing changed where nothing is compared."""
        return "" if self.query.sort in COMPARED_SORTS and not self.compared else self.query.sort

    def figure(self, number: int) -> Figure:
        return figure(number, self.query.measure)

    def amounts(self, tally: Tally) -> Amounts:
        before = self.figure(tally.before) if self.compared else None
        return Amounts(self.figure(tally.measure), tally.tokens, tally.events, before)

    def periods(
        self, tallies: Mapping[date, Tally], granularity: str, span: Span, complete_before: datetime
    ) -> tuple[Period, ...]:
        """Each of the report's periods, in time's order."""
        return tuple(
            Period(
                start=start,
                label=period_label(start, granularity, span),
                is_incomplete=is_incomplete(start, granularity, span, complete_before),
                amounts=self.amounts(tallies[start]),
            )
            for start in self.starts
        )

    def row(self, value: str, tally: Tally) -> ReportRow:
        """A value of the first grouping with its figures by period and all its children."""
        by_period, before = tally.by_period, tally.before_by_period
        children = self.in_order(self.ranked(tally.children), depth=1)
        return ReportRow(
            value=value,
            amounts=self.amounts(tally),
            by_period=tuple([self.figure(by_period.get(start, 0)) for start in self.starts]),
            before_by_period=tuple([self.figure(before.get(start, 0)) for start in self.starts])
            if self.compared
            else (),
            children=tuple([ReportRow(child, self.amounts(inner)) for child, inner in children]),
        )

    def rows(self, values: dict[str, Tally]) -> tuple[tuple[ReportRow, ...], ReportRow | None, int]:
        """The top values of the first grouping in order; the rest as one row, and how many it stands for."""
        ranking = self.ranked(values)
        top = self.query.top or len(ranking)
        shown, rest = self.in_order(ranking[:top], depth=0), ranking[top:]
        other = Tally()
        for _, tally in rest:
            other.merge(tally)
        return (
            tuple([self.row(value, tally) for value, tally in shown]),
            self.row("", other) if rest else None,
            len(rest),
        )

    def ranked(self, tallies: dict[T, Tally]) -> list[Ranked[T]]:
        """By the column that is sorted by, largest first; equal ones, and all without one, by measure."""
        size = SIZES.get(self.sort)
        if size is None:
            return by_size(tallies)
        return sorted(tallies.items(), key=lambda item: (size(item[1]), natural(item)))

    def in_order(self, ranking: list[Ranked[str]], *, depth: int) -> list[Ranked[str]]:
        """Those that are shown, by name where that is asked for, and turned round where that is."""
        if self.sort == Sort.VALUE and ranking:
            key = self.query.group_by[depth]
            ranking = sorted(ranking, key=lambda item: (value_label(key, item[0]).casefold(), item[0]))
        return ranking[::-1] if self.sort and self.query.is_reversed else ranking

    def periods_in_order(self, tallies: dict[date, Tally]) -> list[date]:
        """Without grouping the rows are periods: in time's order, unless they are sorted by something else."""
        starts = list(self.starts)
        if self.query.group_by or not self.sort:
            return starts
        if self.sort != Sort.VALUE:
            starts = [start for start, _ in self.ranked({start: tallies[start] for start in starts})]
        return starts[::-1] if self.query.is_reversed else starts

    def most_changed(self, values: dict[str, Tally], *, up: bool) -> tuple[ReportRow, ...]:
        """The values that rose (fell) most, largest change first."""
        if not self.compared:
            return ()
        sign = 1 if up else -1
        moved = [item for item in values.items() if (item[1].measure - item[1].before) * sign > 0]
        moved.sort(key=lambda item: (change(item[1]), natural(item)))
        return tuple([self.row(value, tally) for value, tally in moved[:MOST_CHANGED]])


def by_size(tallies: dict[T, Tally]) -> list[Ranked[T]]:
    return sorted(tallies.items(), key=natural)


def natural(item: Ranked[T]) -> tuple[int, int, T]:
    name, tally = item
    return -tally.measure, -tally.before, name


def change(tally: Tally) -> int:
    return -abs(tally.measure - tally.before)


def percent(tally: Tally) -> tuple[bool, Fraction]:
    """Exact; where nothing was before, there is no percent: last."""
    if not tally.before:
        return True, Fraction(0)
    return False, -Fraction(tally.measure - tally.before, abs(tally.before))


#: By sort, a key that puts the largest first. Without one the measure ranks.
SIZES: dict[str, Callable[[Tally], Any]] = {
    Sort.BEFORE.value: lambda tally: -tally.before,
    Sort.CHANGE.value: change,
    Sort.PERCENT.value: percent,
    Sort.TOKENS.value: lambda tally: -tally.tokens,
    Sort.EVENTS.value: lambda tally: -tally.events,
}
