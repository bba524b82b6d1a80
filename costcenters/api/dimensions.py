"""The dimensions of the bill and their values by API, for whoever builds a form of filters."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from costcenters.access import VIEW_REPORTS
from costcenters.api.costs import (
    CurrencyCode,
    FigureJson,
    MeasureName,
    Named,
    SumTooLarge,
    figure,
    sum_too_large,
)
from costcenters.api.examples import DIMENSION_VALUES
from costcenters.api.examples import DIMENSIONS as ALL_DIMENSIONS
from costcenters.api.parameters import VALUES, LimitField, OffsetField, parameters_of
from costcenters.catalog import Catalog
from costcenters.dimensions import DIMENSIONS, NO_VALUE, TAG_PREFIX, dimension, is_dimension
from costcenters.explorer_page.filter_picker import MOST_SEARCHED
from costcenters.explorer_page.filter_values import FilterValues, values_of
from costcenters.query_form import MOST_CHARACTERS, CostQueryForm, SingleField
from costcenters.scope import SumTooLargeError
from finops.api.problems import InvalidParameters
from finops.api.typed import Address
from finops.api.views import ApiView


class DimensionJson(TypedDict):
    """`name` is the filter's parameter, and what `group_by` takes."""

    name: Named
    label: str
    can_filter: bool
    can_group: bool
    fixed_values: Annotated[list[str] | None, "Where they are always the same; otherwise null."]
    values_url: Annotated[Address, "Its values, with what each of them costs."]


class DimensionListJson(TypedDict):
    """All of them; tags are told by the keys that are in use now, and any other key can be asked for as well."""

    results: list[DimensionJson]


class DimensionValueJson(TypedDict):
    """`value` as it is stored, empty for no value; `parameter` as a filter spells it; `label` is what people read."""

    value: str
    parameter: str
    label: str
    measure: FigureJson
    events: Annotated[int, "How many line items."]


class DimensionValuesJson(TypedDict):
    """Those that the question's own filters name come first, also when they cost nothing; then the largest."""

    name: Named
    label: str
    measure: MeasureName
    unit: Annotated[str, "The currency, `tokens` or `events`."]
    currency: CurrencyCode
    count: Annotated[int, "How many values there are on all pages."]
    results: list[DimensionValueJson]
    next: Address | None
    previous: Address | None


class SearchField(SingleField):
    def one(self, value: str) -> str:
        return value[:MOST_SEARCHED]


class DimensionValuesForm(CostQueryForm):
    """The explorer's form with what is searched for, and which page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= {
            "q": SearchField(name="q"),
            "limit": LimitField(name="limit"),
            "offset": OffsetField(name="offset"),
        }


class DimensionsView(ApiView):
    """`/api/v1/dimensions/`"""

    permission = VIEW_REPORTS

    @extend_schema(
        operation_id="dimensions_list",
        summary="By what the bill can be grouped and filtered",
        tags=["costs"],
        responses=DimensionListJson,
        examples=[OpenApiExample("dimensions", ALL_DIMENSIONS)],
    )
    def get(self, request: Request) -> Response:
        """Every dimension. What a filter of it can be is at its `values_url`."""
        keys = [*DIMENSIONS, *(f"{TAG_PREFIX}{key}" for key in Catalog(cost_centers={}).tag_keys if key)]
        found: DimensionListJson = {"results": [dimension_json(key, request) for key in keys]}
        return Response(found)


class DimensionValuesView(ApiView):
    """`/api/v1/dimensions/<name>/`"""

    permission = VIEW_REPORTS
    query_class = None

    def form_parameters(self) -> list[dict[str, Any]]:
        return parameters_of(DimensionValuesForm)

    @extend_schema(
        operation_id="dimension_values",
        summary="The values of a dimension",
        tags=["costs"],
        parameters=[
            OpenApiParameter(
                "key",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                description=f"Its name, such as `user`; of a tag `{TAG_PREFIX}<key>`.",
                pattern=f"^({'|'.join(DIMENSIONS)}|{TAG_PREFIX}.{{1,{MOST_CHARACTERS - len(TAG_PREFIX)}}})$",
            )
        ],
        responses={200: DimensionValuesJson, 422: SumTooLarge},
        examples=[OpenApiExample("values", DIMENSION_VALUES)],
    )
    def get(self, request: Request, key: str) -> Response:
        """What the dimension holds in the span and with the filters that are asked for, its own filter apart; with the
        measure and the number of line items of each. How a report groups, ranks and compares has no effect."""
        if not is_dimension(key) or len(key) > MOST_CHARACTERS:
            raise Http404
        now = timezone.now()
        catalog = Catalog(today=now.date())
        form = DimensionValuesForm(request.query_params, catalog=catalog)
        if not form.is_valid():
            raise InvalidParameters(form.problems())
        typed, query = form.cleaned_data, form.query()
        try:
            found = values_of(
                query,
                key,
                catalog=catalog,
                now=now,
                search=typed["q"] or "",
                offset=typed["offset"],
                limit=typed["limit"],
            )
        except SumTooLargeError as error:
            raise sum_too_large(error) from error
        answer: DimensionValuesJson = {
            "name": key,
            "label": dimension(key).label,
            "measure": query.measure.value,
            "unit": found.currency if query.measure.is_money else query.measure.value,
            "currency": found.currency,
            "count": found.total,
            "results": [
                {
                    "value": each.value,
                    "parameter": each.value or NO_VALUE,
                    "label": each.label,
                    "measure": figure(each.figure),
                    "events": each.events,
                }
                for each in found.values
            ],
            "next": at_offset(request, found.offset + typed["limit"]) if found.has_more else None,
            "previous": previous(request, found, typed["limit"]),
        }
        return Response(answer)


def dimension_json(key: str, request: Request) -> DimensionJson:
    fixed = VALUES.get(key)
    return {
        "name": key,
        "label": dimension(key).label,
        "can_filter": True,
        "can_group": True,
        "fixed_values": None if fixed is None else list(fixed),
        "values_url": request.build_absolute_uri(reverse("api-dimensions-detail", args=[key])),
    }


def previous(request: Request, found: FilterValues, limit: int) -> str | None:
    return at_offset(request, max(0, min(found.offset, found.total) - limit)) if found.offset else None


def at_offset(request: Request, offset: int) -> str:
    return str(replace_query_param(request.build_absolute_uri(), "offset", offset))
