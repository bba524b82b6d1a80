"""API tokens by API: a script makes one that may less, or ends sooner, and revokes what it no longer needs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import MANAGE_PEOPLE
from finops.api.access import ANYBODY, require
from finops.api.parameters import Body, PagedQuery
from finops.api.problems import Conflict, InvalidBody
from finops.api.views import ApiViewSet
from finops.models import ApiToken
from finops.tokens.changes import LONGEST_NAME, MOST_DAYS, Refused, make

TAGS = ["tokens"]
MINE, EVERYBODYS = "me", "all"
#: Where the body has what a refusal blames.
FIELDS = {"name": "name", "scope": "scope", "days": "expires_in_days"}
ID = "5b0c6a52-8f0e-4a57-9d3f-0d6c6f3f6f11"
EXAMPLE: dict[str, Any] = {
    "id": ID,
    "name": "Nightly export",
    "hint": "onebill_1a2b…",
    "scope": "read",
    "owner": {"id": 7, "username": "rin@example.com"},
    "created_at": "2026-11-22T09:00:00Z",
    "expires_at": "2027-02-20T09:00:00Z",
    "last_used_at": None,
}


class TokenQuery(PagedQuery):
    owner = serializers.ChoiceField(
        choices=[(MINE, "one's own"), (EVERYBODYS, "everybody's, for Admins with a token of scope `admin`")],
        default=MINE,
        help_text="Whose tokens. `all` takes the right to manage people, and a token of scope `admin`.",
    )


class OwnerSerializer(serializers.Serializer[Any]):
    """Whose token it is."""

    id = serializers.IntegerField(source="pk")
    username = serializers.CharField()


class TokenSerializer(serializers.Serializer[ApiToken]):
    """An API token, without what is sent."""

    id = serializers.UUIDField(help_text="Names the token everywhere; not what is sent.")
    name = serializers.CharField()
    hint = serializers.CharField(help_text="How the token begins, to tell it from others.")
    scope = serializers.ChoiceField(
        choices=ApiToken.Scope.choices,
        help_text="At use, the scope bounds what the owner may at that moment.",
    )
    owner = OwnerSerializer(source="user")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(
        source="expiry", allow_null=True, help_text="From then on it is refused; null: never."
    )
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="To the minute, or null where it has not been used yet."
    )


class MadeTokenSerializer(TokenSerializer):
    """A new API token, with what is sent."""

    token = serializers.CharField(
        help_text="What is sent as `Authorization: Bearer TOKEN`. It cannot be had again."
    )


class NewToken(Body):
    """A token to be made."""

    name = serializers.CharField(
        max_length=LONGEST_NAME,
        help_text="What it is for. No two living tokens of one person have the same name.",
    )
    scope = serializers.ChoiceField(
        choices=ApiToken.Scope.choices,
        help_text="No more than the role of its owner needs: Viewer `read`, Editor also `write`, Admin also `admin`; "
        "and no more than the scope of the token that asks.",
    )
    expires_in_days = serializers.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        help_text="So many times 24 hours from now, and no later than the token that asks.",
    )


class TokensView(ApiViewSet):
    """`/api/v1/tokens/`"""

    permissions = {"list": ANYBODY, "create": ANYBODY, "retrieve": ANYBODY, "destroy": ANYBODY}
    queries = {"list": TokenQuery}

    @extend_schema(
        operation_id="tokens_list",
        summary="List API tokens",
        tags=TAGS,
        responses={
            200: TokenSerializer(many=True),
            403: OpenApiResponse(description="`owner=all` takes more than this account or this token may."),
        },
        examples=[OpenApiExample("One token", value=EXAMPLE, response_only=True)],
    )
    def list(self, request: Request) -> Response:
        """One's own tokens, or everybody's, newest first. Expired ones are listed for 30 more days."""
        tokens = ApiToken.objects.select_related("user")
        if self.asked["owner"] == EVERYBODYS:
            require(request, MANAGE_PEOPLE)
        else:
            tokens = tokens.filter(user=request.user.pk)
        return self.page(tokens, TokenSerializer, order="-created")

    @extend_schema(
        operation_id="tokens_create",
        summary="Make an API token",
        tags=TAGS,
        request=NewToken,
        responses={
            201: MadeTokenSerializer,
            409: OpenApiResponse(description="There are as many tokens as a person can have."),
        },
        examples=[
            OpenApiExample(
                "A token that reads",
                value={"name": "Nightly export", "scope": "read", "expires_in_days": 90},
                request_only=True,
            ),
            OpenApiExample(
                "It is shown once",
                value={**EXAMPLE, "token": "onebill_1a2b…"},
                response_only=True,
                status_codes=["201"],
            ),
        ],
    )
    @sensitive_variables()
    def create(self, request: Request) -> Response:
        """Makes a token of whoever asks. `token` of the answer is what is sent from then on: keep it, it is not stored.

        A token makes only such as may no more than itself and end no later.
        """
        wish = self.body(NewToken)
        by: ApiToken | None = request.auth  # type: ignore[assignment]
        try:
            token, sent = make(
                request.user,  # type: ignore[arg-type]
                name=wish["name"],
                scope=wish["scope"],
                days=wish["expires_in_days"],
                now=timezone.now(),
                by=by,
            )
        except Refused as refusal:
            if refusal.field:
                raise InvalidBody([(FIELDS[refusal.field], str(refusal))]) from None
            raise Conflict(str(refusal)) from None
        shown = {**TokenSerializer(token).data, "token": sent}
        where = reverse("api-tokens-detail", args=[token.pk])
        return Response(shown, status=HTTPStatus.CREATED, headers={"Location": where})

    @extend_schema(
        operation_id="tokens_retrieve",
        summary="One API token",
        tags=TAGS,
        responses={
            200: TokenSerializer,
            403: OpenApiResponse(description="Somebody else's takes a token of scope `admin`."),
        },
        examples=[OpenApiExample("One token", value=EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, api_token: UUID) -> Response:
        """What is known of it, which is not the token itself. Somebody else's takes the right to manage people."""
        return Response(TokenSerializer(self._token(api_token)).data)

    @extend_schema(
        operation_id="tokens_revoke", summary="Revoke an API token", tags=TAGS, responses={204: None}
    )
    def destroy(self, request: Request, api_token: UUID) -> Response:
        """From now on it is refused. Somebody else's takes the right to manage people, and scope `admin`."""
        self._token(api_token).delete()
        return Response(status=HTTPStatus.NO_CONTENT)

    def _token(self, key: UUID) -> ApiToken:
        """Raises Http404, also of somebody else's unless whoever asks manages people; ScopeTooSmall."""
        token: ApiToken | None = ApiToken.objects.select_related("user").filter(pk=key).first()
        user = self.request.user
        is_own = token is not None and token.user_id == user.pk
        if token is None or not (is_own or user.has_perm(MANAGE_PEOPLE)):
            raise Http404
        if not is_own:
            require(self.request, MANAGE_PEOPLE)
        return token
