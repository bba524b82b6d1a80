"""Where one figure of a report leads: the same question, asked of less."""

from __future__ import annotations

from dataclasses import replace

from costcenters.cost_query import CostQuery
from costcenters.report import Report

#: What is worth knowing next about one value of a dimension.
NEXT_GROUPING = {
    "cost_center": "model",
    "provider": "cost_center",
    "charge_type": "user",
    "service": "model",
    "model": "user",
    "model_family": "model",
    "kind": "model",
    "surface": "user",
    "seat_activity": "user",
    "user": "model",
}
#: Where that one is settled by a filter already.
FURTHER_GROUPINGS = ("service", "user", "model", "kind", "surface", "charge_type")


def drilled(query: CostQuery, value: str) -> CostQuery:
    """Only `value` of the first grouping; then by the second one, else by what is worth knowing next."""
    key, *rest = query.group_by
    settled = {key, *(f.dimension for f in query.filters if len(f.values) == 1 and not f.exclude)}
    candidates = (NEXT_GROUPING.get(key, "service"), *FURTHER_GROUPINGS)
    following = rest[:1] or [each for each in candidates if each not in settled][:1]
    return query.narrowed(key, value).grouped_by(*following)


def with_all(query: CostQuery) -> CostQuery:
    return query.showing(top=0)


def pinned(report: Report) -> CostQuery:
    """The report's query for links that ask for less of it: what is left must not choose another currency."""
    query = report.query
    return replace(query, currency=report.currency) if len(report.currencies) > 1 else query
