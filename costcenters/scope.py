"""What a question covers of the daily roll-up, and exact sums over it.

Whole nano-units and counts are added as integers by the database; nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import BigIntegerField, DateField, F, Func, QuerySet, Sum, Value

from costcenters.catalog import Catalog, Freshness, freshness
from costcenters.cost_query import CostQuery, Measure
from costcenters.dimensions import dimension
from costcenters.models import CostCenter, DailyCost
from costcenters.periods import Granularity, Span, complete_part

Row = TypeVar("Row")
DEFAULT_CURRENCY = "USD"

MONEY_COLUMNS = ("billed_cost", "effective_cost", "list_cost")
TOKEN_COLUMNS = ("input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens")
#: All columns of figures, as exports and the list of line items sum them.
FIGURES = (*MONEY_COLUMNS, *TOKEN_COLUMNS, "line_items")
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
    """The first day of the week (its Monday) or month of the day `shift` days after a row's.

    Computed by the database, without time zones.
    """

    output_field = DateField()

    def __init__(self, granularity: str, *, shift: int = 0) -> None:
        self.granularity, self.shift = granularity, shift
        super().__init__(F("day"))

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        steps = "'weekday 0', '-6 days'" if self.granularity == Granularity.WEEK else "'start of month'"
        template = f"DATE(%(expressions)s, '{self.shift:+d} days', {steps})"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        unit = "week" if self.granularity == Granularity.WEEK else "month"
        template = f"DATE_TRUNC('{unit}', (%(expressions)s + {self.shift:d})::timestamp)::date"
        return self.as_sql(compiler, connection, template=template, **extra)


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of the roll-up that a query is about: one currency, its cost centers, and the filters.

    `span` is the query's, ended before the first incomplete period where only complete ones are wanted; None when
    none is. `complete_before`: later cost may still come in.
    """

    query: CostQuery
    catalog: Catalog
    currency: str
    currencies: tuple[str, ...]
    cost_centers: tuple[CostCenter, ...]
    freshness: Freshness
    complete_before: datetime
    span: Span | None

    @classmethod
    def of(
        cls,
        query: CostQuery,
        catalog: Catalog,
        *,
        now: datetime,
        billed: Iterable[tuple[int, int]] | None = None,
    ) -> Scope:
        """Settles the currency: the asked-for one, else the only one, else that of the largest bill.

        The largest over the whole span: asking for complete periods only must not change the currency. `billed` are
        pairs of a cost center's key and its nano-units there, where they are known already. Raises SumTooLargeError
        (SQLite only).
        """
        matching = catalog.matching(query.filters)
        possible = present = sorted({c.currency for c in matching})
        if len(possible) > 1:
            if billed is None:
                everything = rows_of(query, catalog, matching, query.span)
                with sums_in_range():
                    rows = summed(everything, ["cost_center_id"], ["billed_cost"])
                    billed = [(row[0], row[1]) for row in rows]
            present = catalog.currencies_by_size(billed)
        currency = query.currency or (present or possible or catalog.currencies or [DEFAULT_CURRENCY])[0]
        chosen = tuple(c for c in matching if c.currency == currency)
        fresh = freshness(chosen, now)
        complete_before = fresh.complete_before(now)
        span: Span | None = query.span
        if query.only_complete:
            span = complete_part(query.span, query.granularity, complete_before)
        return cls(query, catalog, currency, tuple(sorted(present)), chosen, fresh, complete_before, span)

    @property
    def compare_span(self) -> Span | None:
        return None if self.span is None else self.query.compared_with(self.span)

    def rows(self, span: Span | None) -> QuerySet[DailyCost]:
        """The roll-up rows of `span`, unordered; none of no span."""
        return rows_of(self.query, self.catalog, self.cost_centers, span)

    def rows_of_all_days(self) -> QuerySet[DailyCost]:
        return every_row_of(self.query, self.catalog, self.cost_centers)


def rows_of(
    query: CostQuery, catalog: Catalog, cost_centers: Iterable[CostCenter], span: Span | None
) -> QuerySet[DailyCost]:
    if span is None:
        return DailyCost.objects.none()
    return within(span, every_row_of(query, catalog, cost_centers))


def every_row_of(
    query: CostQuery, catalog: Catalog, cost_centers: Iterable[CostCenter]
) -> QuerySet[DailyCost]:
    """The same of all days."""
    # Named even when they are all: a cost center made after the catalog was read must not slip in.
    rows = DailyCost.objects.order_by().filter(cost_center_id__in=[c.pk for c in cost_centers])
    return rows.filter(catalog.condition(query.filters))


def within(span: Span, rows: QuerySet[DailyCost, Row]) -> QuerySet[DailyCost, Row]:
    return rows.filter(day__gte=span.start, day__lte=span.end)


def period_of(granularity: str) -> F | PeriodStart | None:
    """What a row's period is grouped by; None for the total."""
    match granularity:
        case Granularity.TOTAL:
            return None
        case Granularity.DAY:
            return F("day")
        case _:
            return PeriodStart(granularity)


def columns_of(keys: Iterable[str]) -> list[str]:
    """The roll-up's column of each dimension; two dimensions may share one."""
    return [dimension(key).column for key in keys]


def distinct(columns: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(columns))


def sum_of(name: str, **options: Any) -> Sum:
    return Sum(DERIVED.get(name, F(name)), output_field=Whole(), **options)


def summed(
    rows: Any, columns: list[str], sums: Iterable[str], *, streamed: bool = False
) -> Iterator[tuple[Any, ...]]:
    """The rows grouped by `columns` (distinct), the sums after them: nano-units of money, or counts.

    `streamed` bounds memory; PostgreSQL then plans for the first row, which makes the last one come later.
    """
    totals = {f"sum_of_{name}": sum_of(name) for name in sums}
    if columns:
        groups = rows.values_list(*columns).annotate(**totals)
        yield from groups.iterator(chunk_size=5000) if streamed else groups
        return
    row = tuple(rows.aggregate(**totals).values())
    if None not in row:
        yield row


def summed_apart(
    rows: Any, spans: Sequence[Span], columns: list[str], sums: Iterable[str]
) -> Iterator[tuple[Any, ...]]:
    """As `summed` for each of some spans (two or more) by itself; the span's place among them stands last in a row."""
    totals = {f"sum_of_{name}": sum_of(name) for name in sums}
    groups = rows.values_list(*columns).annotate(**totals)
    parts = [within(span, groups).annotate(place=Value(place)) for place, span in enumerate(spans)]
    yield from parts[0].union(*parts[1:], all=True)


def readers(keys: Sequence[str], selected: list[str], catalog: Catalog) -> list[Callable[[Any], str]]:
    """For each dimension a function from a row of the `selected` columns to its value, mapped once a value."""

    def reader(key: str, column: str) -> Callable[[Any], str]:
        of, position, known = catalog.value_of(key), selected.index(column), dict[Any, str]()

        def read(row: Any) -> str:
            raw = row[position]
            value = known.get(raw)
            if value is None:
                value = known[raw] = of(raw)
            return value

        return read

    return [reader(key, column) for key, column in zip(keys, columns_of(keys), strict=True)]


@contextmanager
def sums_in_range() -> Iterator[None]:
    """Turns SQLite's integer overflow into SumTooLargeError."""
    try:
        yield
    except DatabaseError as error:
        if "integer overflow" in str(error) or "out of range" in str(error):
            raise SumTooLargeError from error
        raise
