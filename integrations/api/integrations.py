"""Connections by API: connect, change, replace the key, test, read, remove. Each does what its page does."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, VIEW_REPORTS
from costcenters.models import CostCenter
from finops.api.parameters import Body, PagedQuery, Query
from finops.api.problems import Conflict
from finops.api.views import ApiViewSet
from finops.secrets import SecretUnreadable
from integrations import connections, life
from integrations.api.changing import COMMITTED, FROM, PRICE, ChangeBody, change_price
from integrations.api.connect_schema import CURRENCY, connect_schema, connectable
from integrations.api.connecting import (
    ConnectBody,
    KeyBody,
    connect_form,
    connection_refusals,
    replacing_form,
)
from integrations.api.runs import SyncRunSerializer, address_of, run_json
from integrations.api.shown import (
    ConnectedSerializer,
    IntegrationSerializer,
    RotatedSerializer,
    integration_json,
    known_integrations,
    shown,
)
from integrations.editing.actions import told
from integrations.editing.forms import DELETE, KEEP
from integrations.http import Runtime
from integrations.models import Integration, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, credential_names

TAGS = ["connections"]
SILENT = (
    "`urn:onebill:problem:provider-silent`: the provider did not answer, or not as agreed; try again later."
)


class IntegrationQuery(PagedQuery):
    provider = serializers.ChoiceField(
        required=False, choices=[(slug, provider.name) for slug, provider in PROVIDERS.items()]
    )
    status = serializers.ChoiceField(required=False, choices=CostCenter.Status.choices)


class RemoveQuery(Query):
    history = serializers.ChoiceField(
        choices=[(KEEP, "It stays in all reports"), (DELETE, "It is deleted, which takes a while")],
        default=KEEP,
        help_text="What becomes of what was read.",
    )


class ReadAgainBody(Body):
    first = serializers.DateField(help_text="UTC day.")
    last = serializers.DateField(help_text="UTC day, included.")
    may_shrink = serializers.BooleanField(
        default=False,
        help_text="Whether fewer events may replace what is stored; else days of which the provider no longer returns "
        "everything are kept.",
    )


class AcceptedSerializer(serializers.Serializer[Any]):
    run = SyncRunSerializer(help_text="Ask for it until it is done.")


class VerifiedSerializer(serializers.Serializer[Any]):
    answer = serializers.CharField(help_text="What the provider answered, in a sentence.")
    active_members = serializers.IntegerField(
        allow_null=True, help_text="Of the team; null where the provider tells of none."
    )
    warning = serializers.CharField(help_text="What should be looked at; else empty.")


RUN_LOCATION = OpenApiParameter(
    "Location",
    {"type": "string", "format": "uri-reference"},
    OpenApiParameter.HEADER,
    description="The address of the run.",
    response=[202],
)
CONNECT_EXAMPLE = {
    "name": "Cursor",
    "provider": "cursor",
    "credentials": {"admin_api_key": "THE KEY"},
    "monthly_seat_price": "32.50",
}


class IntegrationsView(ApiViewSet):
    """`/api/v1/integrations/`"""

    permissions = {
        "list": VIEW_REPORTS,
        "retrieve": VIEW_REPORTS,
        "create": CONNECT_COST_CENTERS,
        "partial_update": CONNECT_COST_CENTERS,
        "rotate_key": CONNECT_COST_CENTERS,
        "verify": CONNECT_COST_CENTERS,
        "sync": CONNECT_COST_CENTERS,
        "read_again": CONNECT_COST_CENTERS,
        "destroy": DISCONNECT_COST_CENTERS,
    }
    queries = {"list": IntegrationQuery, "destroy": RemoveQuery}

    @extend_schema(
        operation_id="integrations_list",
        summary="List connections",
        tags=TAGS,
        responses=IntegrationSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """All connections in the order in which they were first made, those that were removed too while their history
        is kept."""
        asked, found = self.asked, known_integrations()
        if "provider" in asked:
            found = found.filter(provider=asked["provider"])
        if "status" in asked:
            found = found.filter(cost_center__status=asked["status"])
        return self.page(found, IntegrationSerializer, order="id")

    @extend_schema(
        operation_id="integrations_retrieve",
        summary="One connection",
        tags=TAGS,
        responses=IntegrationSerializer,
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """How it is, how far it has been read, what keeps it."""
        (found,) = shown([get_object_or_404(known_integrations(), pk=pk)], timezone.now())
        return Response(IntegrationSerializer(found).data)

    @extend_schema(
        operation_id="integrations_create",
        summary="Connect a provider",
        tags=TAGS,
        request={"application/json": {"oneOf": [connect_schema(each) for each in connectable().values()]}},
        responses={201: ConnectedSerializer, 409: OpenApiResponse(description=SILENT)},
        examples=[OpenApiExample("Cursor", value=CONNECT_EXAMPLE, request_only=True)],
    )
    @sensitive_variables()
    def create(self, request: Request) -> Response:
        """The key is verified before anything is stored, which takes up to ten seconds; then the history is read in the
        background, which `run` tells of. What a provider takes is told by `providers/<slug>/`. Under the name of a
        connection that was removed that one is made anew: its history stays, and what is missing since is read."""
        said = self.body(ConnectBody)
        provider = PROVIDERS[said["provider"]]
        form = connect_form(provider, said)
        with connection_refusals(form):
            connected = connections.connect(
                provider,
                name=form.cleaned_data["name"],
                credentials=_credentials(form),
                monthly_seat_price=form.cleaned_data.get("monthly_seat_price"),
                currency=form.cleaned_data.get("currency", CURRENCY),
                user=request.user,
                runtime=Runtime(),
            )
            answer = integration_json(connected.integration.pk)
        address = reverse("api-integrations-detail", args=[connected.integration.pk])
        return Response(
            {**answer, "warning": connected.warning, "run": run_json(connected.run)},
            status=HTTPStatus.CREATED,
            headers={"Location": address},
        )

    @extend_schema(
        operation_id="integrations_update",
        summary="Change a connection",
        tags=TAGS,
        request=ChangeBody,
        responses={
            200: IntegrationSerializer,
            409: OpenApiResponse(
                description="Its state does not allow it: it needs attention, or was removed."
            ),
        },
        examples=[
            OpenApiExample("A price from a day on", {PRICE: "36.00", FROM: "2027-01-01"}, request_only=True),
            OpenApiExample("Pause it", {"is_paused": True}, request_only=True),
        ],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """All that is sent, or nothing. What is so already stays as it is."""
        said, now = self.body(ChangeBody), timezone.now()
        with connection_refusals(), transaction.atomic():
            integration = _known(pk)
            # Before everything else that is locked here.
            integration.lock_streams()
            integration.cost_center.refresh_from_db()
            if "name" in said:
                life.rename(integration.cost_center, said["name"])
            if said.keys() & {PRICE, COMMITTED, FROM}:
                change_price(integration, said, request.user, now)
            is_paused = integration.cost_center.status == CostCenter.Status.PAUSED
            if said.get("is_paused", is_paused) is not is_paused:
                (life.resume if is_paused else life.pause)(integration, now=now)
        return _shown(pk)

    @extend_schema(
        operation_id="integrations_rotate_key",
        summary="Replace the key",
        tags=TAGS,
        request=KeyBody,
        responses={
            200: RotatedSerializer,
            409: OpenApiResponse(description=f"It was removed, or has no key. {SILENT}"),
        },
        examples=[
            OpenApiExample(
                "Cursor", value={"credentials": {"admin_api_key": "THE NEW KEY"}}, request_only=True
            )
        ],
    )
    @sensitive_variables()
    def rotate_key(self, request: Request, pk: int) -> Response:
        """The new key is verified before it takes the place of the old one, which is then forgotten here: revoke it at
        the provider. A wrong key leaves the old one working. No data is lost, and what is missing is read."""
        said = self.body(KeyBody)
        integration, provider = _with_key(pk)
        form = replacing_form(provider, said["credentials"], shown=_shown_credentials(integration, provider))
        with connection_refusals(form):
            rotated = connections.rotate(
                integration,
                _credentials(form),
                runtime=Runtime(),
                other_team_confirmed=said["other_team_confirmed"],
            )
            answer = integration_json(pk)
        run = None if rotated.run is None else run_json(rotated.run)
        return Response({**answer, "warning": rotated.verified.warning, "run": run})

    @extend_schema(
        operation_id="integrations_verify",
        summary="Test a connection",
        tags=TAGS,
        request=None,
        responses={
            200: VerifiedSerializer,
            409: OpenApiResponse(description=f"The key is refused, or there is none. {SILENT}"),
        },
    )
    def verify(self, request: Request, pk: int) -> Response:
        """Asks the provider with the stored key. A refusal stops the connection as one of a sync would; an answer ends
        `needs attention`."""
        integration, provider = _with_key(pk)
        with connection_refusals():
            verified = life.test_connection(integration, runtime=Runtime())
        about = {
            "answer": told(integration, verified),
            "active_members": verified.active if provider.has_members else None,
            "warning": verified.warning,
        }
        return Response(VerifiedSerializer(about).data)

    @extend_schema(
        operation_id="integrations_sync",
        summary="Read everything now",
        tags=TAGS,
        request=None,
        parameters=[RUN_LOCATION],
        responses={
            202: AcceptedSerializer,
            409: OpenApiResponse(description="It is paused, needs attention or was removed."),
        },
    )
    def sync(self, request: Request, pk: int) -> Response:
        """What is new, and the last days once more, in the background. Asked again while that runs, it answers with the
        same run."""
        integration = _known(pk)
        with connection_refusals():
            asked = life.sync_now(integration, now=timezone.now())
            return _accepted(asked.run)

    @extend_schema(
        operation_id="integrations_read_again",
        summary="Read days again",
        tags=TAGS,
        request=ReadAgainBody,
        parameters=[RUN_LOCATION],
        responses={
            202: AcceptedSerializer,
            409: OpenApiResponse(
                description="It is paused, needs attention or was removed, has no history, or other days are being "
                "read again."
            ),
        },
        examples=[
            OpenApiExample("October", value={"first": "2026-10-01", "last": "2026-10-31"}, request_only=True)
        ],
    )
    def read_again(self, request: Request, pk: int) -> Response:
        """Days before anything that was read extend the history up to what is known."""
        said = self.body(ReadAgainBody)
        integration = _known(pk)
        with connection_refusals():
            run = life.read_again(
                integration,
                said["first"],
                said["last"],
                may_shrink=said["may_shrink"],
                now=timezone.now(),
            )
            return _accepted(run)

    @extend_schema(
        operation_id="integrations_delete",
        summary="Remove a connection",
        tags=TAGS,
        responses={
            202: IntegrationSerializer,
            204: None,
            409: OpenApiResponse(description="It was connected again at this moment."),
        },
    )
    def destroy(self, request: Request, pk: int) -> Response:
        """The key is deleted at once. With `history=delete` all that was read is deleted in the background: until it is
        gone the answer is 202 with how far that is, then 404. Doing it twice is harmless."""
        integration = get_object_or_404(Integration.objects.select_related("cost_center"), pk=pk)
        deletes = self.asked["history"] == DELETE
        with connection_refusals():
            life.remove(integration, with_history=deletes, now=timezone.now())
        return _shown(pk, HTTPStatus.ACCEPTED) if deletes else Response(status=HTTPStatus.NO_CONTENT)


def _known(pk: int) -> Integration:
    """Raises Http404; Conflict where nothing here can ask its provider."""
    found = get_object_or_404(Integration.objects.select_related("cost_center"), pk=pk)
    if found.provider not in PROVIDERS:
        raise Conflict("Nothing is read from a provider here.")
    return found


def _with_key(pk: int) -> tuple[Integration, Provider]:
    """Raises Http404; Conflict where there is none, or it was removed."""
    found = _known(pk)
    provider = PROVIDERS[found.provider]
    if not provider.is_connectable:
        raise Conflict("It has no key: what is in it is typed here.")
    if found.credentials is None:
        raise Conflict("There is no key any more: the connection was removed.")
    return found, provider


@sensitive_variables()
def _shown_credentials(integration: Integration, provider: Provider) -> dict[str, str]:
    """What need not be sent again."""
    try:
        return {} if integration.credentials is None else provider.shown(integration.credentials.open())
    except SecretUnreadable:
        return {}


@sensitive_variables()
def _credentials(form: Any) -> dict[str, str]:
    return {name: form.cleaned_data[name] for name in credential_names(form)}


def _shown(pk: int, status: HTTPStatus = HTTPStatus.OK) -> Response:
    with connection_refusals():
        return Response(integration_json(pk), status=status)


def _accepted(run: SyncRun) -> Response:
    return Response({"run": run_json(run)}, status=HTTPStatus.ACCEPTED, headers={"Location": address_of(run)})
