"""Who asks."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops.api.access import ANYBODY
from finops.api.views import ApiView


class MeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty where none is known.")


class MeView(ApiView):
    """`/api/v1/me/`"""

    permission = ANYBODY

    @extend_schema(operation_id="me", summary="Who asks", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """The account of whoever asks, and what it may."""
        return Response(MeSerializer(request.user).data)
