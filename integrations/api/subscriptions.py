"""Subscriptions by API: the same forms and functions as their pages, so the same is refused with the same words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from http import HTTPStatus
from typing import Any

from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, VIEW_REPORTS
from costcenters.models import CostCenter
from finops.api.problems import InvalidBody
from finops.api.views import ApiViewSet
from integrations.api.refusals import form_refused, refusals
from integrations.api.subscription_shapes import (
    CountAgain,
    CountedSerializer,
    End,
    NewSeats,
    NewSubscription,
    NewTerms,
    SubscriptionChange,
    SubscriptionQuery,
    SubscriptionSerializer,
)
from integrations.models import Subscription, SubscriptionSeats
from integrations.subscriptions import changes, cost_center
from integrations.subscriptions.amortisation import next_period_start
from integrations.subscriptions.changes import Draft
from integrations.subscriptions.forms import (
    FLAT,
    PER_SEAT,
    EndForm,
    NewTermsForm,
    PreviewedForm,
    SeatsForm,
    SubscriptionForm,
    WithdrawForm,
    initial_terms,
)
from integrations.subscriptions.preview import preview
from integrations.subscriptions.views import REMIND_DAYS, cost_centers_with_seats

TAGS = ["subscriptions"]
NOT_NOW = OpenApiResponse(description="Its state, or that of its cost center, does not allow it.")
CHATGPT = OpenApiExample(
    "Five seats of ChatGPT",
    {
        "name": "ChatGPT",
        "plan": "Team",
        "seats": 5,
        "price": "30.00",
        "period": "monthly",
        "currency": "USD",
        "starts_on": "2026-11-01",
        "owner": "it@example.com",
        "tags": {"team": "research"},
    },
    request_only=True,
)


class SubscriptionsView(ApiViewSet):
    """`/api/v1/subscriptions/`"""

    permissions = {
        "list": VIEW_REPORTS,
        "retrieve": VIEW_REPORTS,
        "create": CONNECT_COST_CENTERS,
        "partial_update": CONNECT_COST_CENTERS,
        "destroy": DISCONNECT_COST_CENTERS,
        "terms": CONNECT_COST_CENTERS,
        "end": CONNECT_COST_CENTERS,
        "seats": CONNECT_COST_CENTERS,
        "withdraw_seats": CONNECT_COST_CENTERS,
        "count_again": CONNECT_COST_CENTERS,
    }
    queries = {"list": SubscriptionQuery}

    @extend_schema(
        operation_id="subscriptions_list",
        summary="List subscriptions",
        tags=TAGS,
        responses=SubscriptionSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Flat-rate tools that are recorded by hand, those that are over too; the newest first."""
        asked, found = self.asked, _subscriptions()
        for name in ("cost_center", "seats_of"):
            if name in asked:
                found = found.filter(**{name: asked[name]})
        if "lasts_on" in asked:
            day = asked["lasts_on"]
            found = found.filter(Q(ends_on=None) | Q(ends_on__gte=day), starts_on__lte=day)
        return self.page(found, SubscriptionSerializer)

    @extend_schema(
        operation_id="subscriptions_retrieve",
        summary="One subscription",
        tags=TAGS,
        responses=SubscriptionSerializer,
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """What it costs, how many seats it has, and its next payment."""
        return Response(SubscriptionSerializer(_one(pk)).data)

    @extend_schema(
        operation_id="subscriptions_create",
        summary="Add a subscription",
        tags=TAGS,
        request=NewSubscription,
        responses={201: SubscriptionSerializer, 409: NOT_NOW},
        examples=[CHATGPT],
    )
    def create(self, request: Request) -> Response:
        """Its line items are in the bill at once, in the cost center that holds the subscriptions in its currency,
        which is made with the first one. Each payment is billed on its day; its effective cost is spread over the days
        it is paid for."""
        said, now = self.body(NewSubscription), timezone.now()
        today = now.date()
        offered, _ = cost_centers_with_seats(today)
        answers = {"starts_on": today, "remind_days": REMIND_DAYS, **said}
        form = SubscriptionForm(_typed(answers), today=today, offered=offered)
        draft = _checked(form)
        with refusals(form.fields):
            added = changes.add(draft, user=request.user, now=now)
        return _created(added)

    @extend_schema(
        operation_id="subscriptions_update",
        summary="Correct a subscription",
        tags=TAGS,
        request=SubscriptionChange,
        responses={200: SubscriptionSerializer, 409: NOT_NOW},
        examples=[OpenApiExample("Another owner", {"owner": "it@example.com"}, request_only=True)],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """What was wrong from the beginning: the line items of all days follow. Where days change that were counted
        already, `corrects` must say that this is meant.

        Another price or number of seats from some day on is no correction: give it new terms, or change its seats. Its
        currency stays; its last day is set by ending it.
        """
        said, now, known = self.body(SubscriptionChange), timezone.now(), _one(pk)
        today, before = now.date(), Draft.of(known)
        corrects = said.pop("corrects")
        stored = {
            **initial_terms(before, known.starts_on),
            **{name: getattr(known, name) for name in ("name", "starts_on", "renews_on", "remind_days")},
            "owner": known.owner,
            "tags": known.tags,
            "seats_of": known.seats_of_id,
        }
        offered, _ = cost_centers_with_seats(today)
        form = SubscriptionForm(
            _typed({**stored, **said}),
            initial={"currency": known.currency},
            today=today,
            known=known,
            changes=before.changes,
            offered=offered,
        )
        draft = _checked(form)
        if preview([before], [draft], today=today).counted and not corrects:
            raise InvalidBody(
                [
                    (
                        "corrects",
                        "This changes days that were counted. Send true if it was wrong from the beginning, or give it "
                        "new terms from a day on instead.",
                    )
                ]
            )
        with refusals(form.fields):
            changes.save(draft, now=now, known=known)
        return Response(SubscriptionSerializer(_one(pk)).data)

    @extend_schema(
        operation_id="subscriptions_delete",
        summary="Delete a subscription",
        tags=TAGS,
        responses={204: None, 409: NOT_NOW},
    )
    def destroy(self, request: Request, pk: int) -> Response:
        """It goes with all of its line items, past ones too. To stop paying for it from some day on, end it."""
        with refusals():
            changes.delete(_one(pk), now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        operation_id="subscriptions_terms",
        summary="Give a subscription new terms",
        tags=TAGS,
        request=NewTerms,
        responses={201: SubscriptionSerializer, 409: NOT_NOW},
        examples=[
            OpenApiExample("Dearer", {"price": "35.00", "starts_on": "2026-12-01"}, request_only=True),
        ],
    )
    def terms(self, request: Request, pk: int) -> Response:
        """Another price, plan or period from a day on: it ends on the day before, and a new one of the same name,
        which is answered, goes on with the new terms. What was paid before stays as it is."""
        said, now, known = self.body(NewTerms), timezone.now(), _one(pk)
        today, before = now.date(), Draft.of(known)
        begins: date = said.get("starts_on") or next_period_start(before.terms, today)
        form = NewTermsForm(
            _typed({**initial_terms(before, begins), "starts_on": begins, **said}), today=today, known=before
        )
        draft = _checked(form)
        with refusals(form.fields):
            added = changes.new_terms(known, draft, now=now)
        return _created(added)

    @extend_schema(
        operation_id="subscriptions_end",
        summary="End a subscription",
        tags=TAGS,
        request=End,
        responses={200: SubscriptionSerializer, 409: NOT_NOW},
        examples=[OpenApiExample("With the year", {"ends_on": "2026-12-31"}, request_only=True)],
    )
    def end(self, request: Request, pk: int) -> Response:
        """No payment is made after its last day. What was paid for days after it is spread over those that are left of
        its period. Null: it goes on."""
        said, now, known = self.body(End), timezone.now(), _one(pk)
        form = EndForm(said, today=now.date(), known=Draft.of(known))
        draft = _checked(form)
        with refusals(form.fields):
            changes.save(draft, now=now, known=known)
        return Response(SubscriptionSerializer(_one(pk)).data)

    @extend_schema(
        operation_id="subscriptions_seats",
        summary="Change the seats of a subscription",
        tags=TAGS,
        request=NewSeats,
        responses={200: SubscriptionSerializer, 409: NOT_NOW},
        examples=[
            OpenApiExample("Two more", {"seats": 7, "effective_from": "2026-11-20"}, request_only=True)
        ],
    )
    def seats(self, request: Request, pk: int) -> Response:
        """So many seats from a day on; what was said of that very day before is replaced. Seats that are added within
        a period are paid from their day to its end, on that day; seats given up are paid until its end."""
        said, now, known = self.body(NewSeats), timezone.now(), _one(pk)
        today = now.date()
        form = SeatsForm({"effective_from": today, **said}, today=today, known=Draft.of(known))
        _checked(form)
        answers = form.cleaned_data
        with refusals(form.fields):
            changes.set_seats(known, answers["effective_from"], answers["seats"], now=now)
        return Response(SubscriptionSerializer(_one(pk)).data)

    @extend_schema(
        operation_id="subscriptions_seats_withdraw",
        summary="Withdraw a change of seats",
        tags=TAGS,
        responses={204: None, 409: NOT_NOW},
    )
    def withdraw_seats(self, request: Request, pk: int, change: int) -> Response:
        """As if the number had never changed on that day. `change` is the id of one of its `seat_changes`."""
        now, known = timezone.now(), _one(pk)
        found = SubscriptionSeats.objects.select_related("subscription__cost_center").filter(
            subscription=known
        )
        withdrawn = get_object_or_404(found, pk=change)
        _checked(WithdrawForm({}, today=now.date(), known=Draft.of(known), day=withdrawn.effective_from))
        with refusals():
            changes.withdraw_seats(withdrawn, now=now)
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        operation_id="subscriptions_count_again",
        summary="Count subscriptions again",
        tags=TAGS,
        request=CountAgain,
        responses={200: CountedSerializer, 409: NOT_NOW},
    )
    def count_again(self, request: Request) -> Response:
        """A cost center of subscriptions that was removed, its history kept, goes on: the days since are filled."""
        said = self.body(CountAgain)
        center = CostCenter.objects.filter(pk=said["cost_center"], provider=cost_center.SLUG).first()
        if center is None:
            raise InvalidBody([("cost_center", "No cost center of subscriptions has this id.")])
        with refusals():
            changes.count_again(center, user=request.user, now=timezone.now())
        center.refresh_from_db()
        return Response(CountedSerializer(center).data)


# ----------------------------------------------------------------------------------------------------------------------


def _subscriptions() -> Any:
    found = Subscription.objects.select_related("cost_center", "seats_of")
    return found.prefetch_related("seat_changes")


def _one(pk: int) -> Subscription:
    known: Subscription | None = _subscriptions().filter(pk=pk).first()
    if known is None:
        raise Http404
    return known


def _typed(said: Mapping[str, Any]) -> dict[str, Any]:
    """The answers of the form, where a choice says whether seats are paid for."""
    return {**said, "pricing": FLAT if said["seats"] is None else PER_SEAT}


def _checked(form: PreviewedForm) -> Draft:
    """What would be stored. Raises Problem."""
    if not form.is_valid() or form.draft is None:
        raise form_refused(form)
    return form.draft


def _created(subscription: Subscription) -> Response:
    return Response(
        SubscriptionSerializer(_one(subscription.pk)).data,
        status=HTTPStatus.CREATED,
        headers={"Location": reverse("api-subscriptions-detail", args=[subscription.pk])},
    )
