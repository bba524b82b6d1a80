"""Who asks."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, MANAGE_PEOPLE, VIEW_REPORTS
from finops.api.access import ANYBODY, SCOPE_OF, holds, reaches
from finops.api.throttling import LIMIT, REMAINING, RESET
from finops.api.views import ApiView
from finops.models import ApiToken
from finops.people.roles import NO_ROLE, SUPERUSER, Role, role_of

#: What the API calls the permissions.
PERMISSIONS = {
    "view_reports": VIEW_REPORTS,
    "connect_cost_centers": CONNECT_COST_CENTERS,
    "disconnect_cost_centers": DISCONNECT_COST_CENTERS,
    "manage_people": MANAGE_PEOPLE,
}
#: As they stand in the headers.
LIMITS = {"requests_per_minute": LIMIT, "remaining": REMAINING, "reset_seconds": RESET}


class SentTokenSerializer(serializers.Serializer[ApiToken]):
    """The token of this request."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices)
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True, help_text="Null: never.")


class RateLimitSerializer(serializers.Serializer[Any]):
    """How often may be asked."""

    requests_per_minute = serializers.IntegerField(min_value=1, help_text="How many may be made.")
    remaining = serializers.IntegerField(min_value=0, help_text="In this minute, after this request.")
    reset_seconds = serializers.IntegerField(
        min_value=1, max_value=60, help_text="Until the next minute begins."
    )


class MeSerializer(serializers.Serializer[Any]):
    """Who asks, and what they may."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty where none is known.")
    name = serializers.CharField(help_text="First and last name; empty where none is known.")
    role = serializers.ChoiceField(
        choices=[(each, each) for each in (*Role.values, SUPERUSER)],
        allow_null=True,
        help_text="Null without one: then there is little to ask for.",
    )
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=[(each, each) for each in PERMISSIONS]),
        help_text="What this request may: those of the account that the scope of its token reaches.",
    )
    authenticated_by = serializers.ChoiceField(
        choices=[("token", "a token"), ("session", "a log-in, as in a browser")]
    )
    token = SentTokenSerializer(allow_null=True, help_text="The one that was sent; null with a session.")
    rate_limit = RateLimitSerializer(allow_null=True, help_text="Null where there is no limit.")


EXAMPLE = {
    "id": 7,
    "username": "rin@example.com",
    "email": "rin@example.com",
    "name": "Rin Tanaka",
    "role": "Editor",
    "permissions": ["view_reports"],
    "authenticated_by": "token",
    "token": {
        "id": "5b0c6a52-8f0e-4a57-9d3f-0d6c6f3f6f11",
        "name": "Nightly export",
        "scope": "read",
        "expires_at": "2027-02-20T09:00:00Z",
    },
    "rate_limit": {"requests_per_minute": 600, "remaining": 599, "reset_seconds": 42},
}


class MeView(ApiView):
    """`/api/v1/me/`"""

    permission = ANYBODY

    @extend_schema(
        operation_id="me",
        summary="Who asks",
        tags=["tokens"],
        responses=MeSerializer,
        examples=[OpenApiExample("With a token", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """The account of whoever asks, what this request may, and how many more may be made."""
        user: User = request.user  # type: ignore[assignment]
        token: ApiToken | None = request.auth  # type: ignore[assignment]
        role = role_of(user)
        counted = {
            name: int(self.headers[header]) for name, header in LIMITS.items() if header in self.headers
        }
        about = {
            "id": user.pk,
            "username": user.get_username(),
            "email": user.email,
            "name": user.get_full_name(),
            "role": None if role == NO_ROLE else role,
            "permissions": [name for name, needed in PERMISSIONS.items() if _may(user, token, needed)],
            "authenticated_by": "session" if token is None else "token",
            "token": token,
            "rate_limit": counted or None,
        }
        return Response(MeSerializer(about).data)


def _may(user: User, token: ApiToken | None, permission: str) -> bool:
    return holds(user, permission) and (token is None or reaches(token.scope, SCOPE_OF[permission]))
