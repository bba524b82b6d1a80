"""The values a filter can take: those in the bill that is looked at, with what each of them costs there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.dimensions import value_label
from costcenters.report import Figure, figure
from costcenters.scope import MEASURE_COLUMN, Scope, columns_of, distinct, readers, summed, sums_in_range


@dataclass(frozen=True, slots=True)
class FilterValue:
    """`figure` is the query's measure, `events` the number of line items; both 0 for a value out of use."""

    value: str
    label: str
    figure: Figure
    events: int


@dataclass(frozen=True, slots=True)
class FilterValues:
    """One page of values; `total` counts all that match the search."""

    values: tuple[FilterValue, ...]
    total: int
    offset: int
    currency: str

    @property
    def has_more(self) -> bool:
        return self.offset + len(self.values) < self.total


def values_of(
    query: CostQuery,
    key: str,
    *,
    catalog: Catalog,
    now: datetime,
    search: str = "",
    offset: int = 0,
    limit: int = 20,
) -> FilterValues:
    """Values of dimension `key` in what `query` reports if nothing is asked of `key`, largest first.

    Those that the query's filters name come first, whether or not they cost anything there. `search` is found
    anywhere in value or label, in any case. The currency is the report's. Raises KeyError when there is no such
    dimension, SumTooLargeError (SQLite only).
    """
    chosen = {value for each in query.filters if each.dimension == key for value in each.values}
    column = MEASURE_COLUMN[query.measure]
    names = distinct([column, "line_items"])
    selected = columns_of([key])
    sums: dict[str, tuple[int, int]] = dict.fromkeys(chosen, (0, 0))
    with sums_in_range():
        reported = Scope.of(query, catalog, now=now)
        others = tuple(each for each in query.filters if each.dimension != key)
        open_query = replace(query, filters=others, currency=reported.currency)
        scope = Scope.of(open_query, catalog, now=now)
        [read] = readers([key], selected, catalog)
        for row in summed(scope.rows(scope.span), selected, names):
            value = read(row)
            measure, events = sums.get(value, (0, 0))
            sums[value] = measure + row[1], events + row[-1]

    wanted = search.strip().casefold()
    found = []
    for value, (measure, events) in sums.items():
        label = value_label(key, value)
        if wanted in value.casefold() or wanted in label.casefold():
            order = value not in chosen, -measure, label.casefold(), value
            found.append((order, FilterValue(value, label, figure(measure, query.measure), events)))
    found.sort(key=lambda item: item[0])
    page = tuple(each for _, each in found[offset : offset + limit])
    return FilterValues(page, len(found), offset, scope.currency)
