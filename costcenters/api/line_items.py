"""The line items behind a report by API, as the explorer's list has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from costcenters.api.costs import ChargeTypeName, CurrencyCode, SumTooLarge, sum_too_large
from costcenters.api.examples import LINE_ITEMS
from costcenters.api.parameters import LimitField, parameters_of
from costcenters.catalog import Catalog, tag_text
from costcenters.cost_query import CostQuery, encode
from costcenters.line_item_page.form import LineItemForm
from costcenters.line_item_page.listing import LineItemList, LineItemQuery, line_item_list
from costcenters.models import CostCenter, CostLineItem
from costcenters.scope import Scope, SumTooLargeError
from finops.api.problems import InvalidParameters
from finops.api.typed import Address, AmountText, Day, Instant
from finops.api.views import ApiView
from finops.money import plain

#: What such a list does not depend on, though addresses of the explorer have it.
WITHOUT_EFFECT = ("granularity", "group_by", "measure", "top", "compare", "sort", "chart", "page", "view")


class NamedCostCenterJson(TypedDict):
    id: int
    name: str


class LineItemJson(TypedDict):
    """One charge. Texts are empty where there is no value, and spelled as the provider has them."""

    id: Annotated[int, "Changes when its day is read again and was not the same."]
    cost_center: NamedCostCenterJson
    provider: Annotated[str, "Its short name, such as `cursor`."]
    currency: CurrencyCode
    day: Annotated[Day, "UTC."]
    started_at: Instant
    charge_type: ChargeTypeName
    service: str
    model: Annotated[str, "The AI model, or the SKU of a cloud."]
    kind: Annotated[str, "The provider's own billing kind."]
    surface: str
    user: Annotated[str, "An e-mail address in lower case, or the name or id of a service account."]
    account: str
    region: str
    resource: Annotated[str, "A cloud's resource; of Cursor usage, the conversation."]
    quantity: Annotated[str, "An exact decimal number; empty where there is none."]
    unit: str
    is_estimated: bool
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    billed_cost: Annotated[AmountText, "What is paid."]
    effective_cost: Annotated[AmountText, "The same, spread over what it was paid for."]
    list_cost: Annotated[AmountText, "At list price, also of what a plan includes."]
    tags: dict[str, str]
    details: Annotated[dict[str, Any], "What else the provider said of it, by its own names."]


class LineItemPageJson(TypedDict):
    """The newest first. A page may be empty and still lead on: the end is where `next` is null."""

    results: list[LineItemJson]
    next: Annotated[Address | None, "The page of what is older; null on the last one."]
    previous: Annotated[Address | None, "The page of what is newer; null on the first one."]
    count: Annotated[
        int | None,
        "How many line items all pages hold; null where only a part of a large ledger was looked through.",
    ]


class LineItemApiForm(LineItemForm):
    """The list's form with `limit`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["limit"] = LimitField(name="limit")

    def wanted(self) -> LineItemQuery:
        return replace(super().wanted(), size=self.cleaned_data["limit"], figures=("line_items",))


class LineItemsView(ApiView):
    """`/api/v1/line-items/`"""

    permission = VIEW_REPORTS
    query_class = None

    def form_parameters(self) -> list[dict[str, Any]]:
        return parameters_of(LineItemApiForm)

    @extend_schema(
        operation_id="line_items",
        summary="Line items",
        tags=["costs"],
        responses={200: LineItemPageJson, 422: SumTooLarge},
        examples=[OpenApiExample("page", LINE_ITEMS, summary="The first line item of a month")],
    )
    def get(self, request: Request) -> Response:
        """The single charges that a report adds up, the newest first: its span, filters and currency hold here too,
        and how it groups, ranks and compares has no effect.

        Follow `next` until it is null. On a large ledger a page looks through a part of the days only: it may hold less
        than `limit`, or nothing, and lead on. The addresses name days and currency, so that a walk is about the same
        line items from its first page to its last, and each comes once.
        """
        now = timezone.now()
        catalog = Catalog(today=now.date())
        form = LineItemApiForm(request.query_params, catalog=catalog)
        if not form.is_valid():
            raise InvalidParameters(form.problems())
        try:
            found = line_item_list(form.wanted(), Scope.of(form.query(), catalog, now=now))
        except SumTooLargeError as error:
            raise sum_too_large(error) from error
        return Response(page_json(found, request.build_absolute_uri(request.path)))


def page_json(found: LineItemList, address: str) -> LineItemPageJson:
    wanted = settled(found)
    centers = found.scope.catalog.cost_centers
    return {
        "results": [line_item_json(item, centers[item.cost_center_id]) for item in found.rows],
        "next": page_address(address, replace(wanted, after=found.older)) if found.older else None,
        "previous": page_address(address, replace(wanted, before=found.newer)) if found.newer else None,
        "count": None if found.figures is None else found.figures[-1],
    }


def settled(found: LineItemList) -> LineItemQuery:
    """What the list is about, from its top on, so that it stays so: neither a new day nor a new bill changes it."""
    scope = found.scope
    query = CostQuery(scope.span or scope.query.span, filters=scope.query.filters, currency=scope.currency)
    return replace(found.wanted.from_the_top(), query=query)


def page_address(address: str, wanted: LineItemQuery) -> str:
    parameters = [*wanted.query.parameters(), *wanted.place_parameters(), ("limit", str(wanted.size))]
    return f"{address}?{encode(parameters)}"


def line_item_json(item: CostLineItem, center: CostCenter) -> LineItemJson:
    return {
        "id": item.pk,
        "cost_center": {"id": center.pk, "name": center.name},
        "provider": center.provider,
        "currency": center.currency,
        "day": item.day.isoformat(),
        "started_at": exact_instant(item.started_at),
        "charge_type": item.charge_type,
        "service": item.service,
        "model": item.model,
        "kind": item.kind,
        "surface": item.surface,
        "user": item.user,
        "account": item.account,
        "region": item.region,
        "resource": item.resource,
        "quantity": item.quantity,
        "unit": item.unit,
        "is_estimated": item.is_estimated,
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        "cache_write_tokens": item.cache_write_tokens,
        "cache_read_tokens": item.cache_read_tokens,
        "billed_cost": plain(item.billed_cost),
        "effective_cost": plain(item.effective_cost),
        "list_cost": plain(item.list_cost),
        "tags": {} if item.tag_set is None else tags_json(item.tag_set.tags),
        "details": details_json(item.details),
    }


def tags_json(tags: Mapping[str, Any]) -> dict[str, str]:
    """As they are filtered by: a value is a text."""
    return {key: tag_text(value) for key, value in tags.items()}


def details_json(details: Any) -> dict[str, Any]:
    return details if isinstance(details, dict) else {"details": details}


def exact_instant(moment: datetime) -> str:
    """ISO 8601 in UTC, with a fraction of a second where there is one."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
