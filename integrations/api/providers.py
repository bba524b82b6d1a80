"""What can be connected, by API, and what each provider asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from finops.api.views import ApiViewSet
from integrations.api.connect_schema import DIALECT, Json, connect_schema, connectable
from integrations.providers.base import Provider, RecordKind, StreamSpec

TAGS = ["connections"]


class ProviderStreamSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(help_text="What people call it.")  # type: ignore[assignment]
    kind = serializers.ChoiceField(
        source="kind.value", choices=[(each.value, each.value) for each in RecordKind]
    )
    every_seconds = serializers.SerializerMethodField(help_text="How often it is read.")

    def get_every_seconds(self, spec: StreamSpec) -> int:
        return round(spec.every.total_seconds())


class ProviderSerializer(serializers.Serializer[Provider]):
    slug = serializers.CharField(help_text="Its short name, which never changes.")
    name = serializers.CharField()
    reads = serializers.SerializerMethodField(help_text="A sentence: what is read.")
    known_by = serializers.CharField(
        help_text="Of what the same cannot be connected twice: its `key`, or its `location`."
    )
    has_seats = serializers.BooleanField(
        source="has_members", help_text="Whether it tells who is in the team, so that seats can be priced."
    )
    streams = ProviderStreamSerializer(many=True, help_text="What is read of it.")
    connect_schema = serializers.SerializerMethodField()

    def get_reads(self, provider: Provider) -> str:
        labels = ", ".join(spec.label.lower() for spec in provider.streams)
        return provider.reads or f"Reads {labels}."

    @extend_schema_field(
        {
            "type": "object",
            "additionalProperties": True,
            "description": "JSON schema (2020-12) of the whole body of `POST /api/v1/integrations/`. A field of "
            "`credentials` has a title, a description and, where it is secret, `writeOnly`.",
        }
    )
    def get_connect_schema(self, provider: Provider) -> Json:
        return {"$schema": DIALECT, **connect_schema(provider)}


class ProvidersSerializer(serializers.Serializer[Any]):
    results = ProviderSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Null: all of them are here.")
    previous = serializers.CharField(allow_null=True, help_text="Null.")


class ProvidersView(ApiViewSet):
    """`/api/v1/providers/`"""

    permissions = {"list": VIEW_REPORTS, "retrieve": VIEW_REPORTS}

    @extend_schema(
        operation_id="providers_list",
        summary="What can be connected",
        tags=TAGS,
        responses=ProvidersSerializer,
    )
    def list(self, request: Request) -> Response:
        """Each provider with the schema of the body that connects it: enough to build a form of it."""
        return self._answer(list(connectable().values()))

    @staticmethod
    def _answer(found: Sequence[Provider]) -> Response:
        return Response(ProvidersSerializer({"results": found, "next": None, "previous": None}).data)

    @extend_schema(
        operation_id="providers_retrieve",
        summary="One provider",
        tags=TAGS,
        responses=ProviderSerializer,
    )
    def retrieve(self, request: Request, provider: str) -> Response:
        """What it is, what is read of it, and what connecting it takes."""
        known = connectable().get(provider)
        if known is None:
            raise Http404
        return Response(ProviderSerializer(known).data)
