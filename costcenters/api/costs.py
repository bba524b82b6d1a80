"""The explorer's report by API: the same parameters, the same numbers, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, TypedDict

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from costcenters.api.examples import COSTS, COSTS_AS_CSV
from costcenters.api.parameters import DIMENSION, parameters_of
from costcenters.catalog import Catalog, Freshness
from costcenters.cost_query import Compare, CostQuery, Measure, Sort
from costcenters.dimensions import value_label
from costcenters.explorer import SumTooLargeError, report
from costcenters.explorer_page.export import Export
from costcenters.models import ChargeType
from costcenters.periods import Granularity, Preset, Span
from costcenters.query_form import CostQueryForm
from costcenters.report import Amounts, Figure, Period, Report, ReportRow
from finops.api.problems import InvalidParameters, Problem
from finops.api.typed import Also, AmountText, Day, Instant
from finops.api.views import ApiView
from finops.money import plain

#: An exact amount as a decimal string, or a count of tokens or line items.
FigureJson = AmountText | int
Named = Annotated[str, Also(**DIMENSION)]
CurrencyCode = Annotated[str, Also(pattern="^[A-Z]{3}$")]
ChargeTypeName = Annotated[str, Also(enum=ChargeType.values)]
MeasureName = Annotated[str, Also(enum=Measure.values)]
SumTooLarge = OpenApiResponse(
    description="A sum is larger than SQLite can hold (9.2 billion). On PostgreSQL that never happens."
)


class SpanJson(TypedDict):
    """UTC days, both inclusive."""

    start: Day
    end: Day


class ReportFilterJson(TypedDict):
    """An empty value means no value, which the query string spells `(none)`."""

    dimension: Named
    values: list[str]
    exclude: bool


class ReportQueryJson(TypedDict):
    """What was asked. `parameters` is the shortest query string that means it."""

    parameters: str
    preset: Annotated[str, Also(enum=Preset.values)] | None
    granularity: Annotated[str, Also(enum=Granularity.values)]
    group_by: list[Named]
    filters: list[ReportFilterJson]
    measure: MeasureName
    top: Annotated[int, Also(minimum=0)]
    compare: Annotated[str, Also(enum=Compare.values)]
    currency: CurrencyCode | None
    only_complete: bool
    sort: Annotated[str, Also(enum=[*Sort.values, *(f"-{sort}" for sort in Sort.values)])] | None


class FreshnessJson(TypedDict):
    """`complete_through`: all cost before this instant is in; null when nobody knows. `detail` says why."""

    complete_through: Instant | None
    state: Annotated[str, Also(enum=["current", "late", "broken"])]
    detail: str


class AmountsJson(TypedDict):
    """`measure` is an amount or a count. `before` and `change` (now minus before) are null without comparison."""

    measure: FigureJson
    tokens: int
    events: Annotated[int, "How many line items."]
    before: FigureJson | None
    change: FigureJson | None


class ReportPeriodJson(AmountsJson):
    """`start` is its first day, which may lie before the span's; `is_incomplete`: cost of it may still be missing."""

    start: Day
    label: str
    is_incomplete: bool


class ReportValueJson(AmountsJson):
    """`value` as it is stored, empty for no value; `label` is what people read."""

    value: str
    label: str


class ReportRowJson(ReportValueJson):
    """Figures by period stand in the order of `periods`; `before_by_period` is empty without comparison.

    `children` are the values of the second dimension within this one.
    """

    by_period: list[FigureJson]
    before_by_period: list[FigureJson]
    children: list[ReportValueJson]


class ReportOtherJson(AmountsJson):
    """All values beyond `top` together; `count` is how many."""

    count: Annotated[int, Also(minimum=1)]
    by_period: list[FigureJson]
    before_by_period: list[FigureJson]


class ReportSplitJson(TypedDict):
    """What of the total is of one charge type."""

    charge_type: ChargeTypeName
    measure: FigureJson


class ReportJson(TypedDict):
    """`rows` with `other`, `periods` and `split` each add up to `total` exactly. `unit`: currency, tokens or events.

    `span` is null when only complete periods are wanted and none is.
    """

    query: ReportQueryJson
    span: SpanJson | None
    compare_span: SpanJson | None
    granularity: Annotated[
        str, Also(enum=Granularity.values), "Longer than was asked for where that is too many."
    ]
    measure: MeasureName
    unit: str
    currency: CurrencyCode
    currencies: Annotated[list[CurrencyCode], "All in which there is cost that the filters let through."]
    freshness: FreshnessJson
    group_by: list[Named]
    total: AmountsJson
    rows: Annotated[list[ReportRowJson], "The values of the first dimension; empty without `group_by`."]
    other: ReportOtherJson | None
    periods: list[ReportPeriodJson]
    split: Annotated[list[ReportSplitJson], "The largest first."]
    estimated: Annotated[FigureJson, "What of the total is estimated, such as seats."]
    risen: Annotated[list[ReportValueJson], "Up to five that rose most against `compare_span`."]
    fallen: Annotated[list[ReportValueJson], "Up to five that fell most."]


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

    def form_parameters(self) -> list[dict[str, Any]]:
        return parameters_of(CostQueryForm)

    @extend_schema(
        operation_id="costs",
        summary="The report",
        tags=["costs"],
        responses={
            (200, "application/json"): ReportJson,
            (200, "text/csv"): OpenApiTypes.STR,
            422: SumTooLarge,
        },
        examples=[
            OpenApiExample("json", COSTS, summary="Two months by user", media_type="application/json"),
            OpenApiExample("csv", COSTS_AS_CSV, summary="The same as CSV", media_type="text/csv"),
        ],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """What the explorer shows, with the same parameters and the same numbers: its addresses work here as they are.

        As JSON the values that rank first, the rest together, periods and a comparison. As CSV (`Accept: text/csv`)
        the table, never cut and unrounded: a row for each period and group that has line items, with the columns
        `period` (its first day), then those of `group_by`, then `billed_cost`, `effective_cost`, `list_cost`,
        `input_tokens`, `output_tokens`, `cache_write_tokens`, `cache_read_tokens`, `line_items`. A text that a
        spreadsheet would take for a formula begins with an apostrophe there.
        """
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
            raise sum_too_large(error) from error


def sum_too_large(error: SumTooLargeError) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        str(error),
        type="urn:onebill:problem:sum-too-large",
        title="Sum too large",
    )


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


def query_json(query: CostQuery) -> ReportQueryJson:
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


def other_json(answer: Report) -> ReportOtherJson | None:
    other = answer.other
    if other is None:
        return None
    return {
        **amounts_json(other.amounts),
        "count": answer.other_count,
        "by_period": figures(other.by_period),
        "before_by_period": figures(other.before_by_period),
    }


def period_json(period: Period) -> ReportPeriodJson:
    return {
        "start": period.start.isoformat(),
        "label": period.label,
        "is_incomplete": period.is_incomplete,
        **amounts_json(period.amounts),
    }


def row_json(row: ReportRow, first: str, second: str) -> ReportRowJson:
    return {
        **value_json(row, first),
        "by_period": figures(row.by_period),
        "before_by_period": figures(row.before_by_period),
        "children": [value_json(child, second) for child in row.children],
    }


def value_json(row: ReportRow, key: str) -> ReportValueJson:
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
