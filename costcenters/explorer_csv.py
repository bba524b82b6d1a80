"""The explorer's table as CSV: every row, unrounded, streamed period by period.

One currency an export, as in the explorer: the file's name tells which, the span, and how far it is complete.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter

from costcenters.catalog import Catalog, freshness
from costcenters.cost_query import CostQuery
from costcenters.explorer import (
    MONEY_COLUMNS,
    TOKEN_COLUMNS,
    Scope,
    by_period,
    distinct,
    group_readers,
    query_columns,
    summed,
    sums_in_range,
)
from finops.money import plain, units_from_nanos

FIGURES = (*MONEY_COLUMNS, *TOKEN_COLUMNS, "line_items")
#: A spreadsheet takes text that begins so for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
LINES_A_CHUNK = 500


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
    def of(cls, query: CostQuery, *, now: datetime) -> Export:
        """Raises SumTooLargeError before anything is sent."""
        with sums_in_range():
            scope = Scope.of(query, Catalog())
            list(summed(scope.rows(query.span), ["cost_center__currency"], FIGURES))
        return cls(scope, filename(scope, now))

    def rows(self) -> Iterator[CsvRow]:
        """By period, then by values. Memory holds one period at a time."""
        query = self.scope.query
        rows, has_period = by_period(self.scope.rows(query.span), query.granularity)
        lead = ["period"] if has_period else []
        selected = distinct([*lead, *query_columns(query)])
        readers = group_readers(self.scope, selected)
        results = summed(rows.order_by(*lead), selected, FIGURES, streamed=True)
        periods = groupby(results, key=itemgetter(0)) if has_period else [(query.span.start, results)]
        for period, rows_of_period in periods:
            sums: dict[tuple[str, ...], list[int]] = {}
            for row in rows_of_period:
                figures = row[-len(FIGURES) :]
                values = tuple([read(row) for read in readers])
                known = sums.get(values)
                sums[values] = (
                    [a + b for a, b in zip(known, figures, strict=True)] if known else list(figures)
                )
            for values in sorted(sums):
                if sums[values][-1]:
                    yield CsvRow(period, values, tuple(sums[values]))

    def chunks(self) -> Iterator[bytes]:
        """The file, UTF-8 without preamble."""
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(["period", *map(text_cell, self.scope.query.group_by), *FIGURES])
        money = len(MONEY_COLUMNS)
        for number, row in enumerate(self.rows(), start=1):
            amounts = [plain(units_from_nanos(nanos)) for nanos in row.figures[:money]]
            writer.writerow(
                [row.period.isoformat(), *map(text_cell, row.values), *amounts, *row.figures[money:]]
            )
            if number % LINES_A_CHUNK == 0:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue().encode()


def text_cell(text: str) -> str:
    """Guarded, so that no spreadsheet runs somebody's name as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def filename(scope: Scope, now: datetime) -> str:
    """Such as onebill_2026-10-23_2026-11-21_UTC_USD_complete-through-2026-11-21T14-00Z.csv"""
    through = freshness(scope.cost_centers, now).complete_through
    fresh = f"complete-through-{through.astimezone(UTC):%Y-%m-%dT%H-%MZ}" if through else "still-loading"
    span = scope.query.span
    return f"onebill_{span.start}_{span.end}_UTC_{scope.currency}_{fresh}.csv"
