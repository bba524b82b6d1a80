"""The OpenAPI document: what every endpoint has in common is said here, once, and by itself.

An endpoint says what is special about it in `@extend_schema`: its summary, what it takes and what it answers. From its
own declarations come its parameters, the role and the token scope it needs, and the errors that it can give. Beyond
those it names an error of its own with its reason, `409: OpenApiResponse(description="…")`, and no body.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uritemplate
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, MANAGE_PEOPLE, VIEW_REPORTS
from finops.api.access import ANYBODY, scope_needed
from finops.api.parameters import PagedQuery, Query
from finops.api.schema_parts import HEADERS, PROBLEMS, RATE, SCHEMAS

if TYPE_CHECKING:
    from rest_framework.request import Request

    from finops.api.views import ApiView

Json = dict[str, Any]
PROBLEM_TYPE = "application/problem+json"
#: Who holds a permission, in words, and the least of the roles that do.
ROLES = {
    ANYBODY: ("anybody with an account", ""),
    VIEW_REPORTS: ("Viewer, Editor, Admin", "Viewer"),
    CONNECT_COST_CENTERS: ("Editor, Admin", "Editor"),
    DISCONNECT_COST_CENTERS: ("Admin", "Admin"),
    MANAGE_PEOPLE: ("Admin", "Admin"),
}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "finops.api.access.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> Json:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from Settings → API tokens, or made by `POST /api/v1/tokens/`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "finops.api.access.Session"
    match_subclasses = True
    name = "session"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> Json:
        return {
            "type": "apiKey",
            "in": "cookie",
            # With https it is called `__Host-sessionid`; the document is the same everywhere.
            "name": "sessionid",
            "description": "Whoever is logged in here, as in these docs. Changes also need the header "
            "`X-CSRFToken`. Made for browsers: scripts send a token.",
        }


class ApiSchema(AutoSchema):
    """DEFAULT_SCHEMA_CLASS of REST framework."""

    view: ApiView  # type: ignore[override]
    method: str

    # What the endpoint declares -------------------------------------------------------------------------------------

    def get_override_parameters(self) -> list[Any]:
        known = self._query_class()
        has_some = known is not None and known().fields
        return [*super().get_override_parameters(), *([known] if has_some else [])]

    def _get_parameters(self) -> list[Json]:
        return [*super()._get_parameters(), *self.view.form_parameters()]

    def get_description(self) -> str:  # type: ignore[override]
        people, _ = ROLES[self._permission()]
        text = str(super().get_description() or "").strip()
        return f"{text}\n\n*For:* {people}. *Scope of the token:* `{self._scope()}`.".strip()

    def get_extensions(self) -> Json:
        _, least = ROLES[self._permission()]
        role = {"x-least-role": least} if least else {}
        return {**super().get_extensions(), **role, "x-token-scope": self._scope()}

    def _query_class(self) -> type[Query] | None:
        return self.view.query_class_for()

    def _permission(self) -> str:
        request: Request = self.view.request
        return self.view.permission_for(request)

    def _scope(self) -> str:
        return scope_needed(self._permission(), self.method)

    # Pages ----------------------------------------------------------------------------------------------------------

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Only what says so is a list; `list` is an action like any other."""
        return bool(getattr(serializer, "many", False))

    def _get_paginator(self) -> Any:
        known = self._query_class()
        return PageShape() if known is not None and issubclass(known, PagedQuery) else None

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    # Bodies ---------------------------------------------------------------------------------------------------------

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Json:
        schema: Json = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if direction == "request" and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
        return schema

    # Answers --------------------------------------------------------------------------------------------------------

    def _get_response_bodies(self, direction: Any = "response") -> Json:
        answers: Json = super()._get_response_bodies(direction)
        own = {code: answers.pop(code)["description"] for code in list(answers) if int(code) >= 400}
        for code, answer in answers.items():
            names = ["X-Request-ID", *RATE]
            if code == "201":
                names.append("Location")
            answer["headers"] = {
                **{name: _ref("headers", name) for name in names},
                **answer.get("headers", {}),
            }
            answer["description"] = answer.get("description") or HTTPStatus(int(code)).phrase
        problems = {str(status.value): _ref("responses", name) for status, name in self._problems()}
        for code, description in own.items():
            problems[code] = own_problem(int(code), description)
        return dict(sorted((answers | problems).items()))

    def _problems(self) -> Iterator[tuple[HTTPStatus, str]]:
        """What can go wrong here as everywhere, each with the name of its shared part."""
        takes_body = self._get_request_body() is not None  # type: ignore[no-untyped-call]
        possible = {
            HTTPStatus.FORBIDDEN: self._permission() != ANYBODY or self.method != "GET",
            HTTPStatus.NOT_FOUND: bool(uritemplate.variables(self.path)),
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: takes_body,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE: takes_body,
        }
        for status, part in PROBLEMS.items():
            if possible.get(status, True):
                yield status, part.name


class PageShape:
    """What `ApiView.page` answers."""

    def get_paginated_response_schema(self, rows: Json) -> Json:
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": rows,
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "The address of the next page; null on the last one.",
                    "example": None,
                },
                "previous": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "The address of the page before; null on the first one.",
                    "example": None,
                },
            },
        }


def own_problem(status: int, description: str) -> Json:
    """The answer of an error that one endpoint gives for a reason of its own."""
    names = ["X-Request-ID", *RATE]
    return {
        "description": description or HTTPStatus(status).phrase,
        "headers": {name: _ref("headers", name) for name in names},
        "content": {PROBLEM_TYPE: {"schema": _ref("schemas", "ProblemDetails")}},
    }


def add_shared_parts(result: Json, **about: Any) -> Json:
    """The parts that the operations name, as a hook of the generator."""
    components = result["components"]
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **SCHEMAS}.items()))
    components["headers"] = HEADERS
    components["responses"] = {part.name: part.response() for part in PROBLEMS.values()}
    return result


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}
