"""The OpenAPI document and the page on which people read it and try it out."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from finops.api.access import ANYBODY
from finops.api.views import ApiView


class JsonDocument(OpenApiJsonRenderer):
    media_type = "application/json"


class YamlDocument(OpenApiYamlRenderer):
    media_type = "application/yaml"


class SchemaView(ApiView):
    """`/api/schema/`: JSON, or YAML where that is asked for."""

    permission = ANYBODY
    renderer_classes = [JsonDocument, OpenApiJsonRenderer, YamlDocument, OpenApiYamlRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        accepted = request.accepted_renderer
        return HttpResponse(document(accepted.format), content_type=accepted.media_type)


@cache
def document(form: str) -> bytes:
    """The same for everybody, and made once by each process: it takes a moment. `form` is `json` or `yaml`."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    renderer = OpenApiYamlRenderer() if form == "yaml" else OpenApiJsonRenderer()
    rendered: bytes = renderer.render(schema, renderer_context={})
    return rendered


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api/docs.html", {"schema_url": reverse("api-schema")})
