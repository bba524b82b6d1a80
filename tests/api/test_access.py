"""Every address of the API × method × everybody: strangers, each role in a session, each role × scope of a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, get_resolver
from drf_spectacular.generators import SchemaGenerator

from costcenters.models import CostCenter, SavedView, SeatPrice
from finops.models import ApiToken
from tests.access_table import EVERYBODY, PARTS, addresses, may
from tests.api.access_table import API, LEAST_ROLE, LEAST_SCOPE
from tests.api.answers import bearer, token_of
from tests.factories import MemberFactory, SyncRunFactory, UserFactory
from tests.test_access import rows, undone

__all__ = ["rows"]
pytestmark = pytest.mark.django_db
SCOPES = ("read", "write", "admin")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Who:
    """Somebody, and how they ask; `role` is None for strangers, `scope` for those in a session."""

    role: str | None
    scope: str | None
    user: User | None
    client: Client
    headers: dict[str, str]

    def __str__(self) -> str:
        if self.role is None:
            return "a stranger"
        return f"{self.role or 'nobody'} {'in a session' if self.scope is None else f'with {self.scope}'}"


def everybody() -> Iterator[Who]:
    yield Who(None, None, None, Client(), {})
    for role in EVERYBODY:
        user = UserFactory(role=role)
        session = Client()
        session.force_login(user)
        yield Who(role, None, user, session, {})
        for scope in SCOPES:
            yield Who(role, scope, user, Client(), bearer(token_of(user, scope)))


def expected(who: Who, needs: dict[str, str], method: str) -> str:
    """What the table has `who` be answered: `401`, `role`, `scope`, `405` or `yes`."""
    if who.role is None:
        return "401"
    if method not in needs:
        # Whoever may use nothing of an address hears that first; of one with several methods, either.
        return "405" if any(may(who.role, LEAST_ROLE[needed]) for needed in needs.values()) else "405 or role"
    needed = needs[method]
    if not may(who.role, LEAST_ROLE[needed]):
        return "role"
    scope = LEAST_SCOPE[needed]
    if scope == "read" and method not in ("GET", "HEAD"):
        scope = "write"
    if who.scope is not None and SCOPES.index(who.scope) < SCOPES.index(scope):
        return "scope"
    return "yes"


def told(response: Any) -> str:
    """What an answer comes to, in the same words."""
    status = response.status_code
    if status == 401:
        assert response["WWW-Authenticate"].startswith("Bearer")
    if status != 403:
        return str(status) if status in (401, 404, 405) or status >= 500 else "yes"
    is_scope = "insufficient_scope" in response.get("WWW-Authenticate", "")
    return "scope" if is_scope else "role"


@pytest.fixture
def more_rows(rows: None) -> None:
    """What only addresses of the API name."""
    integration = CostCenter.objects.get(pk=PARTS["pk"]).integration
    SyncRunFactory(pk=PARTS["pk"], integration=integration)
    MemberFactory(pk=PARTS["pk"], integration=integration)
    SeatPrice.objects.filter(pk=PARTS["price"]).update(id=PARTS["pk"])


def test_the_table_holds_as_it_is_and_of_the_whole_api(more_rows):
    people = list(everybody())
    wrong = []
    for name, needs in API.items():
        for who in people:
            # What they make their own is theirs, or it would not be there for them.
            with undone():
                if who.user is not None:
                    SavedView.objects.update(owner=who.user)
                    ApiToken.objects.filter(pk=PARTS["api_token"]).update(user=who.user)
                # What an address does not answer, no scope changes.
                for method in needs if who.scope else METHODS:
                    as_get = "GET" if method == "HEAD" else method
                    wanted = expected(who, needs, as_get)
                    with undone():
                        response = who.client.generic(
                            method, addresses()[name], "{}", "application/json", headers=who.headers
                        )
                    if told(response) not in wanted.split(" or "):
                        wrong.append((name, method, str(who), wanted, response.status_code))
    assert wrong == []


def test_the_table_names_every_address_and_method():
    found: dict[str, set[str]] = {}
    for entry in get_resolver("finops.api.urls").url_patterns:
        assert isinstance(entry, URLPattern)
        view = getattr(entry.callback, "cls", None)
        if view is not None:
            named = getattr(entry.callback, "actions", None) or [
                m for m in view.http_method_names if hasattr(view, m)
            ]
            found[str(entry.name)] = {method.upper() for method in named} - {"HEAD", "OPTIONS"}

    assert found == {name: set(needs) for name, needs in API.items()}


def address(route: object) -> str:
    """As the document spells it."""
    return "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(route)).replace("{pk}", "{id}")


def test_the_document_says_what_the_table_does():
    """Which role and which scope each operation takes."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    said = {
        (path, method.upper()): (operation.get("x-least-role", ""), operation["x-token-scope"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    patterns = {str(entry.name): entry.pattern for entry in get_resolver("finops.api.urls").url_patterns}
    wanted = {}
    for name, needs in API.items():
        for method, needed in needs.items():
            scope = LEAST_SCOPE[needed]
            scope = "write" if scope == "read" and method != "GET" else scope
            wanted[address(patterns[name]), method] = (LEAST_ROLE[needed], scope)
    del wanted["/api/schema/", "GET"]
    assert said == wanted
