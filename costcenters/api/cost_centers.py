"""Cost centers by API: what is connected, how far it is complete, what it costs this month."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cached_property

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.links import api_url
from costcenters.models import CostCenter
from costcenters.periods import Preset, preset_span
from costcenters.query_form import PROVIDER_SLUG
from costcenters.scope import SumTooLargeError, rows_of, summed, sums_in_range
from finops.api.fields import Amount
from finops.api.parameters import PagedQuery
from finops.api.views import ApiViewSet
from finops.money import units_from_nanos

TAGS = ["costs"]


class CostCenterQuery(PagedQuery):
    name = serializers.CharField(required=False, max_length=100, help_text="Exactly this name.")
    provider = serializers.RegexField(
        f"^{PROVIDER_SLUG.pattern}$", required=False, help_text="Its short name, such as `cursor`."
    )
    status = serializers.ChoiceField(
        choices=CostCenter.Status.choices, required=False, help_text="How it is."
    )
    currency = serializers.RegexField("^[A-Z]{3}$", required=False, help_text="ISO 4217, such as `USD`.")


class CostCenterSerializer(serializers.Serializer[CostCenter]):
    id = serializers.IntegerField()
    name = serializers.CharField(help_text="As in the filter `cost_center` of reports.")
    provider = serializers.CharField(help_text="Its short name, as in the filter `provider` of reports.")
    provider_label = serializers.CharField(help_text="What people call the provider.")
    currency = serializers.CharField(help_text="ISO 4217. All its amounts are in this one.")
    status = serializers.ChoiceField(choices=CostCenter.Status.choices)
    connected_on = serializers.DateField(
        allow_null=True, help_text="The UTC day from which seats are counted; null where there are none."
    )
    complete_through = serializers.DateTimeField(
        allow_null=True, help_text="All cost before this instant is in; null while nothing is."
    )
    billed_this_month = serializers.SerializerMethodField(
        help_text="What is billed since the first of the month (UTC), in its currency; null where the sum is larger "
        "than SQLite can hold."
    )
    costs_url = serializers.SerializerMethodField(help_text="The report of this month, by API.")
    page_url = serializers.SerializerMethodField(help_text="Where people look at it.")

    @extend_schema_field(Amount(allow_null=True))
    def get_billed_this_month(self, center: CostCenter) -> str | None:
        billed: dict[int, Decimal] | None = self.context["view"].billed
        return None if billed is None else Amount().to_representation(billed.get(center.pk, Decimal(0)))

    @extend_schema_field(OpenApiTypes.URI)
    def get_costs_url(self, center: CostCenter) -> str:
        view: CostCentersView = self.context["view"]
        query = month_to_date(view.now).narrowed("cost_center", center.name).in_currency(center.currency)
        return view.request.build_absolute_uri(api_url(query))

    @extend_schema_field(OpenApiTypes.URI)
    def get_page_url(self, center: CostCenter) -> str:
        view: CostCentersView = self.context["view"]
        return view.request.build_absolute_uri(reverse("cost-center", args=[center.pk]))


class CostCentersView(ApiViewSet):
    """`/api/v1/cost-centers/`"""

    permissions = {"list": VIEW_REPORTS, "retrieve": VIEW_REPORTS}
    queries = {"list": CostCenterQuery}

    @extend_schema(
        operation_id="cost_centers_list",
        summary="List cost centers",
        tags=TAGS,
        responses=CostCenterSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Every source of cost, those that are disconnected but kept too, in the order in which they came. They are
        connected, renamed and removed by their `integrations`."""
        return self.page(CostCenter.objects.filter(**self._conditions()), CostCenterSerializer, order="id")

    @extend_schema(
        operation_id="cost_centers_retrieve",
        summary="One cost center",
        tags=TAGS,
        responses=CostCenterSerializer,
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """How it is, how far it is complete, and what it costs this month."""
        center = get_object_or_404(CostCenter, pk=pk)
        return Response(CostCenterSerializer(center, context={"view": self}).data)

    def _conditions(self) -> dict[str, str]:
        return {
            name: self.asked[name]
            for name in ("name", "provider", "status", "currency")
            if name in self.asked
        }

    @cached_property
    def now(self) -> datetime:
        return timezone.now()

    @cached_property
    def billed(self) -> dict[int, Decimal] | None:
        """By cost center, in one query for all of them; None where that is more than can be added up."""
        catalog = Catalog(today=self.now.date())
        month = month_to_date(self.now)
        try:
            with sums_in_range():
                rows = rows_of(month, catalog, catalog.cost_centers.values(), month.span)
                sums = dict(summed(rows, ["cost_center_id"], ["billed_cost"]))
        except SumTooLargeError:
            return None
        return {pk: units_from_nanos(nanos) for pk, nanos in sums.items()}


def month_to_date(now: datetime) -> CostQuery:
    preset = Preset.MONTH_TO_DATE
    return CostQuery(preset_span(preset, now.date()), preset.value)
