"""What the explorer answers: a report, and the tallies from which it is folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from costcenters.catalog import Freshness
from costcenters.cost_query import CostQuery
from costcenters.periods import Span

#: An amount in units of the report's currency, or a count of tokens or line items.
Figure = Decimal | int


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
    """`rows` are the top values, largest first; `other` is the rest, `other_count` values of it.

    `rows` with `other`, the periods, and `split` each add up to `total` exactly. `granularity` is coarser
    than the query's where that would make more than `MOST_PERIODS` periods. `span` is the query's, ended earlier
    when only complete periods are wanted; None when none is complete. `risen` and `fallen` are the values of the
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

    def amounts(self, figure: Callable[[int], Figure], compared: bool) -> Amounts:
        return Amounts(
            figure(self.measure), self.tokens, self.events, figure(self.before) if compared else None
        )


def ranked(total: Tally, query: CostQuery) -> tuple[list[tuple[str, Tally]], list[tuple[str, Tally]]]:
    """The top values of the first grouping by measure over the whole span, and the rest."""
    ranking = by_size(total.children)
    return (ranking[: query.top], ranking[query.top :]) if query.top else (ranking, [])


def by_size(tallies: dict[str, Tally]) -> list[tuple[str, Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].measure, -item[1].before, item[0]))


def combined(rest: list[tuple[str, Tally]]) -> Tally:
    other = Tally()
    for _, tally in rest:
        other.add(tally.measure, tally.tokens, tally.events)
        other.before += tally.before
        for period, measure in tally.by_period.items():
            other.by_period[period] = other.by_period.get(period, 0) + measure
    return other


def row_of(
    value: str, tally: Tally, starts: list[date], figure: Callable[[int], Figure], compared: bool
) -> ReportRow:
    return ReportRow(
        value=value,
        amounts=tally.amounts(figure, compared),
        by_period=tuple(figure(tally.by_period.get(start, 0)) for start in starts),
        children=tuple(
            ReportRow(child, inner.amounts(figure, compared)) for child, inner in by_size(tally.children)
        ),
    )
