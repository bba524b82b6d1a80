"""The explorer's table as CSV: every row, unrounded, streamed period by period.

One currency an export, as in the explorer: the file's name tells which, the span, and how far it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.http import StreamingHttpResponse

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.scope import (
    FIGURES,
    MONEY_COLUMNS,
    Scope,
    columns_of,
    distinct,
    period_of,
    readers,
    summed,
    sums_in_range,
)
from finops.csv_file import chunks, csv_response, text_cell
from finops.money import plain, units_from_nanos


@dataclass(frozen=True, slots=True)
class CsvRow:
    """Exact sums of one period and grouping: three amounts in nano-units, then five counts."""

    period: date
    values: tuple[str, ...]
    figures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is known to succeed: its currency is settled and its sums fit."""

    scope: Scope
    filename: str

    @classmethod
    def of(cls, query: CostQuery, catalog: Catalog, *, now: datetime) -> Export:
        """Raises SumTooLargeError before anything is sent."""
        with sums_in_range():
            scope = Scope.of(query, catalog, now=now)
            list(summed(scope.rows(scope.span), [], FIGURES))
        return cls(scope, filename(scope))

    def response(self) -> StreamingHttpResponse:
        columns = ["period", *map(text_cell, self.scope.query.group_by), *FIGURES]
        return csv_response(self.filename, chunks(columns, self.lines()))

    def rows(self) -> Iterator[CsvRow]:
        """By period, then by values. Memory holds one period at a time."""
        scope, query = self.scope, self.scope.query
        if scope.span is None:
            return
        rows: Any = scope.rows(scope.span)
        period = period_of(query.granularity)
        lead = ["period"] if period is not None else []
        if period is not None:
            rows = rows.annotate(period=period)
        selected = distinct([*lead, *columns_of(query.group_by)])
        reads = readers(query.group_by, selected, scope.catalog)
        results = summed(rows.order_by(*lead), selected, FIGURES, streamed=True)
        periods = groupby(results, key=itemgetter(0)) if lead else [(scope.span.start, results)]
        for start, rows_of_period in periods:
            sums: dict[tuple[str, ...], list[int]] = {}
            for row in rows_of_period:
                figures = row[-len(FIGURES) :]
                values = tuple([read(row) for read in reads])
                known = sums.get(values)
                sums[values] = (
                    [a + b for a, b in zip(known, figures, strict=True)] if known else list(figures)
                )
            for values in sorted(sums):
                if sums[values][-1]:
                    yield CsvRow(start, values, tuple(sums[values]))

    def lines(self) -> Iterator[list[object]]:
        """The cells of each row, in the order of the columns."""
        money = len(MONEY_COLUMNS)
        for row in self.rows():
            amounts = [plain(units_from_nanos(nanos)) for nanos in row.figures[:money]]
            yield [row.period.isoformat(), *map(text_cell, row.values), *amounts, *row.figures[money:]]


def filename(scope: Scope) -> str:
    """Such as onebill_2026-10-23_2026-11-21_UTC_USD_complete-through-2026-11-21T14-00Z.csv"""
    through = scope.freshness.complete_through
    fresh = f"complete-through-{through.astimezone(UTC):%Y-%m-%dT%H-%MZ}" if through else "still-loading"
    span = f"{scope.span.start}_{scope.span.end}" if scope.span else "nothing-complete"
    return f"onebill_{span}_UTC_{scope.currency}_{fresh}.csv"
