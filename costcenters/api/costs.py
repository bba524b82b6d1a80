"""The explorer's report by API: the same parameters, the same numbers, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, TypedDict

from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from costcenters.catalog import Catalog, Freshness
from costcenters.cost_query import CostQuery
from costcenters.dimensions import value_label
from costcenters.explorer import SumTooLargeError, report
from costcenters.explorer_page.export import Export
from costcenters.periods import Span
from costcenters.query_form import CostQueryForm
from costcenters.report import Amounts, Figure, Period, Report, ReportRow
from finops.api.problems import InvalidParameters, Problem
from finops.api.views import ApiView
from finops.money import plain

#: An exact amount as a decimal string, or a count of tokens or line items.
FigureJson = str | int


class SpanJson(TypedDict):
    """UTC days, both inclusive."""

    start: str
    end: str


class FilterJson(TypedDict):
    """An empty value means no value, which the query string spells `(none)`."""

    dimension: str
    values: list[str]
    exclude: bool


class QueryJson(TypedDict):
    """What was asked. `parameters` is the shortest query string that means it."""

    parameters: str
    preset: str | None
    granularity: str
    group_by: list[str]
    filters: list[FilterJson]
    measure: str
    top: int
    compare: str
    currency: str | None
    only_complete: bool
    sort: str | None


class FreshnessJson(TypedDict):
    """`complete_through`: all cost before this instant is in. `state` is `current`, `late` or `broken`."""

    complete_through: str | None
    state: str
    detail: str


class AmountsJson(TypedDict):
    """`before` and `change` (now minus before) are null without comparison."""

    measure: FigureJson
    tokens: int
    events: int
    before: FigureJson | None
    change: FigureJson | None


class PeriodJson(AmountsJson):
    """`start` is its first day, which may lie before the span's; `is_incomplete`: cost of it may still be missing."""

    start: str
    label: str
    is_incomplete: bool


class ValueJson(AmountsJson):
    """`value` as it is stored, empty for no value; `label` is what people read."""

    value: str
    label: str


class RowJson(ValueJson):
    """Figures by period stand in the order of `periods`; `before_by_period` is empty without comparison."""

    by_period: list[FigureJson]
    before_by_period: list[FigureJson]
    children: list[ValueJson]


class OtherJson(AmountsJson):
    """All values beyond `top` together; `count` is how many."""

    count: int
    by_period: list[FigureJson]
    before_by_period: list[FigureJson]


class SplitJson(TypedDict):
    charge_type: str
    measure: FigureJson


class ReportJson(TypedDict):
    """`rows` with `other`, `periods` and `split` each add up to `total` exactly. `unit`: currency, tokens or events.

    `span` is null when only complete periods are wanted and none is.
    """

    query: QueryJson
    span: SpanJson | None
    compare_span: SpanJson | None
    granularity: str
    measure: str
    unit: str
    currency: str
    currencies: list[str]
    freshness: FreshnessJson
    group_by: list[str]
    total: AmountsJson
    rows: list[RowJson]
    other: OtherJson | None
    periods: list[PeriodJson]
    split: list[SplitJson]
    estimated: FigureJson
    risen: list[ValueJson]
    fallen: list[ValueJson]


class CsvRenderer(BaseRenderer):
    """Says that CSV can be asked for. The view streams it; nothing is rendered here."""

    media_type = "text/csv"
    format = "csv"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b""


class CostsView(ApiView):
    """`/api/v1/costs/`"""

    permission = VIEW_REPORTS
    query_class = None
    renderer_classes = [JSONRenderer, CsvRenderer]

    def get(self, request: Request) -> HttpResponseBase:
        """The report that the query string asks for, as in the explorer's address."""
        now = timezone.now()
        catalog = Catalog(today=now.date())
        form = CostQueryForm(request.query_params, catalog=catalog)
        if not form.is_valid():
            raise InvalidParameters(form.problems())
        try:
            if request.accepted_renderer.format == CsvRenderer.format:
                return Export.of(form.query(), catalog, now=now).response()
            return Response(report_json(report(form.query(), now=now, catalog=catalog)))
        except SumTooLargeError as error:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                str(error),
                type="urn:onebill:problem:sum-too-large",
                title="Sum too large",
            ) from error


def report_json(answer: Report) -> ReportJson:
    query = answer.query
    measure = query.measure
    first, second = (*query.group_by, "", "")[:2]
    return {
        "query": query_json(query),
        "span": span_json(answer.span),
        "compare_span": span_json(answer.compare_span),
        "granularity": answer.granularity,
        "measure": measure.value,
        "unit": answer.currency if measure.is_money else measure.value,
        "currency": answer.currency,
        "currencies": list(answer.currencies),
        "freshness": freshness_json(answer.freshness),
        "group_by": list(query.group_by),
        "total": amounts_json(answer.total),
        "rows": [row_json(row, first, second) for row in answer.rows],
        "other": other_json(answer),
        "periods": [period_json(period) for period in answer.periods],
        "split": [{"charge_type": key, "measure": figure(part)} for key, part in answer.split.items()],
        "estimated": figure(answer.estimated),
        "risen": [value_json(row, first) for row in answer.risen],
        "fallen": [value_json(row, first) for row in answer.fallen],
    }


def query_json(query: CostQuery) -> QueryJson:
    return {
        "parameters": query.query_string(),
        "preset": query.preset or None,
        "granularity": query.granularity,
        "group_by": list(query.group_by),
        "filters": [
            {"dimension": each.dimension, "values": list(each.values), "exclude": each.exclude}
            for each in query.filters
        ],
        "measure": query.measure.value,
        "top": query.top,
        "compare": query.compare,
        "currency": query.currency or None,
        "only_complete": query.only_complete,
        "sort": (f"-{query.sort}" if query.is_reversed else query.sort) or None,
    }


def other_json(answer: Report) -> OtherJson | None:
    other = answer.other
    if other is None:
        return None
    return {
        **amounts_json(other.amounts),
        "count": answer.other_count,
        "by_period": figures(other.by_period),
        "before_by_period": figures(other.before_by_period),
    }


def period_json(period: Period) -> PeriodJson:
    return {
        "start": period.start.isoformat(),
        "label": period.label,
        "is_incomplete": period.is_incomplete,
        **amounts_json(period.amounts),
    }


def row_json(row: ReportRow, first: str, second: str) -> RowJson:
    return {
        **value_json(row, first),
        "by_period": figures(row.by_period),
        "before_by_period": figures(row.before_by_period),
        "children": [value_json(child, second) for child in row.children],
    }


def value_json(row: ReportRow, key: str) -> ValueJson:
    return {"value": row.value, "label": value_label(key, row.value), **amounts_json(row.amounts)}


def amounts_json(amounts: Amounts) -> AmountsJson:
    return {
        "measure": figure(amounts.measure),
        "tokens": amounts.tokens,
        "events": amounts.events,
        "before": optional(amounts.before),
        "change": optional(amounts.difference),
    }


def freshness_json(freshness: Freshness) -> FreshnessJson:
    through = freshness.complete_through
    return {
        "complete_through": None if through is None else instant(through),
        "state": freshness.state or "current",
        "detail": freshness.detail,
    }


def span_json(span: Span | None) -> SpanJson | None:
    return None if span is None else {"start": span.start.isoformat(), "end": span.end.isoformat()}


def figures(found: Iterable[Figure]) -> list[FigureJson]:
    return [figure(each) for each in found]


def figure(value: Figure) -> FigureJson:
    return plain(value) if isinstance(value, Decimal) else value


def optional(value: Figure | None) -> FigureJson | None:
    return None if value is None else figure(value)


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second: `2026-11-21T14:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
