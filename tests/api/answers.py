"""Asking the API as scripts do, and the shape of what it answers."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from finops.models import ApiToken
from tests.factories import UserFactory

PROBLEM = "application/problem+json"


def token_of(user: User, scope: str = "admin", **fields: Any) -> str:
    """A new token of `user`, as it is sent."""
    return ApiToken.objects.create(user=user, **{"name": "script", "scope": scope, **fields})[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Script:
    """Sends a token and JSON with each request, and no cookie: `script.post("/api/v1/…/", {"name": "Cursor"})`.

    Keyword arguments are further headers, as in `accept="text/csv"`.
    """

    def __init__(self, user: User, scope: str = "admin") -> None:
        self.user, self.token = user, token_of(user, scope)
        # Also what is refused without a token of a form would show.
        self.client = Client(enforce_csrf_checks=True)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, path, headers={**bearer(self.token), **named}, **sent)

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, **headers)

    def head(self, path: str, **headers: str) -> Any:
        return self.ask("HEAD", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("PATCH", path, body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("DELETE", path, body, **headers)


def script_of(role: str, scope: str = "admin") -> Script:
    """A script with a token of a new person of this role."""
    return Script(UserFactory(role=role), scope)


def answer(response: Any, status: int = 200) -> Any:
    """What a JSON answer says. No amount is ever a float."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content, parse_float=_no_float)


def problem(response: Any, status: int) -> dict[str, Any]:
    """The body of an error, whose shape is always the same."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    body: dict[str, Any] = json.loads(response.content)
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert all(set(error) == {"field", "detail"} and error["detail"] for error in body.get("errors", []))
    return body


def fields(response: Any, status: int = 400) -> list[str]:
    """The parameters, or the paths of values in the body, that a problem blames."""
    return [error["field"] for error in problem(response, status).get("errors", [])]


def _no_float(text: str) -> None:
    raise AssertionError(f"{text} is a float")
