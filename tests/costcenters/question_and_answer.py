"""Of what lines the slow bill consists, what it is asked, and what it answers. Amounts are whole nano-units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True)
class Center:
    name: str
    provider: str
    currency: str
    complete_through: datetime | None


@dataclass(frozen=True)
class Line:
    """A line item: what can be grouped by, and what can be summed."""

    center: Center
    day: date
    texts: dict[str, str]
    tags: dict[str, str]
    is_estimated: bool
    costs: tuple[int, int, int]  # billed, effective, list
    tokens: tuple[int, int, int, int]

    def measured(self, measure: str) -> int:
        billed, effective, listed = self.costs
        return {
            "billed": billed,
            "effective": effective,
            "list": listed,
            "savings": listed - effective,
            "tokens": sum(self.tokens),
            "events": 1,
        }[measure]


@dataclass(frozen=True)
class Question:
    """A state of the explorer. A filter is a dimension, whether it excludes, and its values (empty: no value)."""

    start: date | None
    end: date | None
    preset: str
    granularity: str
    group_by: tuple[str, ...]
    filters: tuple[tuple[str, bool, tuple[str, ...]], ...]
    measure: str
    top: int
    compare: str
    currency: str
    complete: bool
    sort: str
    is_reversed: bool

    def parameters(self) -> list[tuple[str, str]]:
        pairs = [
            (name, value) for name, value in (("preset", self.preset), ("currency", self.currency)) if value
        ]
        if self.start and self.end:
            pairs += [("start", self.start.isoformat()), ("end", self.end.isoformat())]
        pairs += [("group_by", key) for key in self.group_by]
        for key, exclude, values in self.filters:
            pairs += [(f"{key}!" if exclude else key, value or "(none)") for value in values]
        pairs += [("measure", self.measure), ("top", str(self.top)), ("compare", self.compare)]
        pairs += [("granularity", self.granularity)]
        if self.complete:
            pairs.append(("complete", "1"))
        if self.sort:
            pairs.append(("sort", f"{'-' if self.is_reversed else ''}{self.sort}"))
        return pairs


@dataclass
class Sums:
    """What a value, a period, or all of it adds up to."""

    now: int = 0
    tokens: int = 0
    events: int = 0
    before: int = 0
    by_period: dict[date, int] = field(default_factory=dict)
    before_by_period: dict[date, int] = field(default_factory=dict)

    @property
    def change(self) -> int:
        return self.now - self.before


@dataclass
class Row:
    value: str
    sums: Sums
    children: list[tuple[str, Sums]]


@dataclass
class Answer:
    span: tuple[date, date] | None
    before_span: tuple[date, date] | None
    currency: str
    currencies: tuple[str, ...]
    periods: list[tuple[date, bool, Sums]]
    period_order: list[date]
    rows: list[Row]
    other: Sums | None
    other_count: int
    total: Sums
    split: dict[str, int]
    estimated: int
    risen: list[tuple[str, int]]
    fallen: list[tuple[str, int]]
    exported: dict[tuple[str, ...], list[int]]
    lines: list[Line]
