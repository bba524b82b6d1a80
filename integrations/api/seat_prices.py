"""Seat prices by API: what a seat costs a month from a day on. A change is a new price; the past stays."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import CONNECT_COST_CENTERS, VIEW_REPORTS
from costcenters.models import CostCenter, SeatPrice
from finops.api.fields import Amount, SentAmount
from finops.api.parameters import Body, PagedQuery
from finops.api.problems import InvalidBody
from finops.api.views import ApiViewSet
from finops.paging import LARGEST_ID
from integrations import life
from integrations.api.refusals import form_refused, refusals
from integrations.editing.forms import NOT_TRACKED, PRICED, SeatPriceForm
from integrations.editing.page import Subject

TAGS = ["seats"]


class SeatPriceQuery(PagedQuery):
    cost_center = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Those of this cost center, by its id."
    )
    in_effect_on = serializers.DateField(
        required=False, help_text="The one of each cost center that holds on this UTC day."
    )


class NewSeatPrice(Body):
    cost_center = serializers.IntegerField(
        min_value=1, max_value=LARGEST_ID, help_text="The cost center, by its id."
    )
    monthly_price = SentAmount(
        allow_null=True,
        help_text="What is really paid for one seat, after any discount, in the currency of the cost center. At most "
        "a million. Null: seats are no longer tracked.",
    )
    committed_seats = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1_000_000,
        help_text="Seats that are paid for whether they are taken or not; null without such a commitment.",
    )
    effective_from = serializers.DateField(
        required=False, help_text="First UTC day on which it holds: today, which is the default, or later."
    )


class SeatPriceSerializer(serializers.Serializer[SeatPrice]):
    id = serializers.IntegerField()
    cost_center = serializers.IntegerField(source="cost_center_id")
    monthly_price = Amount(
        allow_null=True, help_text="In the currency of the cost center. Null: seats are not tracked."
    )
    committed_seats = serializers.IntegerField(
        allow_null=True, help_text="Seats that are paid for whether they are taken or not."
    )
    effective_from = serializers.DateField(help_text="First UTC day on which it holds.")
    is_in_effect = serializers.BooleanField(help_text="Whether it holds today, UTC.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(
        source="created_by.username", allow_null=True, help_text="The user name; null where nobody is known."
    )


class SeatPricesView(ApiViewSet):
    """`/api/v1/seat-prices/`"""

    permissions = {
        "list": VIEW_REPORTS,
        "retrieve": VIEW_REPORTS,
        "create": CONNECT_COST_CENTERS,
        "destroy": CONNECT_COST_CENTERS,
    }
    queries = {"list": SeatPriceQuery}

    @extend_schema(
        operation_id="seat_prices_list",
        summary="List seat prices",
        tags=TAGS,
        responses=SeatPriceSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """All that were ever set, the newest first. Of two from the same day on, the one set later holds."""
        asked, found = self.asked, _prices()
        if "cost_center" in asked:
            found = found.filter(cost_center=asked["cost_center"])
        if "in_effect_on" in asked:
            found = found.filter(_holds_on(asked["in_effect_on"]))
        return self.page(found, SeatPriceSerializer)

    @extend_schema(
        operation_id="seat_prices_retrieve",
        summary="One seat price",
        tags=TAGS,
        responses=SeatPriceSerializer,
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """What it is, since when, and whether it holds today."""
        return Response(SeatPriceSerializer(get_object_or_404(_prices(), pk=pk)).data)

    @extend_schema(
        operation_id="seat_prices_create",
        summary="Set a seat price",
        tags=TAGS,
        request=NewSeatPrice,
        responses={
            201: SeatPriceSerializer,
            409: OpenApiResponse(
                description="The cost center is disconnected, or its seats are typed as a subscription."
            ),
        },
        examples=[
            OpenApiExample(
                "32.50 a month from December on",
                {"cost_center": 1, "monthly_price": "32.50", "effective_from": "2026-12-01"},
                request_only=True,
            ),
            OpenApiExample("No more tracking", {"cost_center": 1, "monthly_price": None}, request_only=True),
        ],
    )
    def create(self, request: Request) -> Response:
        """A price from a day on, today at the earliest: what was counted before stays as it is. One that holds from
        today changes today's seat lines at once."""
        said, now = self.body(NewSeatPrice), timezone.now()
        center = CostCenter.objects.filter(pk=said["cost_center"]).first()
        if center is None:
            raise InvalidBody([("cost_center", "There is no cost center of this id.")])
        subject = Subject.of(center)
        if subject.integration is None or not subject.has_seats:
            raise InvalidBody([("cost_center", f"“{center.name}” has no seats that can be priced.")])
        if said["monthly_price"] is None and said.get("committed_seats") is not None:
            raise InvalidBody([("committed_seats", "Without a price no seats are tracked: leave them out.")])
        answers = {"effective_from": now.date(), **said}
        answers["tracking"] = NOT_TRACKED if said["monthly_price"] is None else PRICED
        form = SeatPriceForm(answers, center=center, today=now.date())
        if not form.is_valid() or form.price is None:
            raise form_refused(form)
        with refusals(form.fields):
            price = life.set_seat_price(
                subject.integration,
                monthly_price=form.price.monthly_price,
                committed_seats=form.price.committed_seats,
                effective_from=form.price.effective_from,
                user=request.user,
                now=now,
            )
        return Response(
            SeatPriceSerializer(_prices().get(pk=price.pk)).data,
            status=HTTPStatus.CREATED,
            headers={"Location": reverse("api-seat-prices-detail", args=[price.pk])},
        )

    @extend_schema(
        operation_id="seat_prices_delete",
        summary="Withdraw a seat price",
        tags=TAGS,
        responses={
            204: None,
            409: OpenApiResponse(
                description="It is in effect already, or the one before it would then hold while the seats are typed "
                "as a subscription."
            ),
        },
    )
    def destroy(self, request: Request, pk: int) -> Response:
        """Only one that has not taken effect yet can go; any other is followed by a new one."""
        price = get_object_or_404(SeatPrice.objects.select_related("cost_center"), pk=pk)
        with refusals():
            life.withdraw_seat_price(price, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def _prices() -> QuerySet[SeatPrice]:
    holds: Any = ExpressionWrapper(_holds_on(timezone.now().date()), output_field=BooleanField())
    return SeatPrice.objects.select_related("created_by").annotate(is_in_effect=holds)


def _holds_on(day: date) -> Q:
    """The latest of its cost center by that day; as `SeatPriceQuerySet.in_effect_on` has it of one cost center."""
    later = SeatPrice.objects.filter(cost_center=OuterRef("cost_center"), effective_from__lte=day).filter(
        Q(effective_from__gt=OuterRef("effective_from"))
        | Q(effective_from=OuterRef("effective_from"), pk__gt=OuterRef("pk"))
    )
    return Q(~Exists(later), effective_from__lte=day)
