"""Every address of the product × everybody who may ask for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
ROLES = ("Viewer", "Editor", "Admin")
#: What stands for each part of an address.
PARTS = {"pk": "1", "provider": "cursor", "uidb64": "MQ", "token": "set-password", "key": "user"}

#: Addresses open to everybody.
OPEN = {
    "healthz",
    "readyz",
    "login",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
}
#: Of the others, by name: the least role that may see it; "" for anybody with an account.
LEAST = {
    "overview": "Viewer",
    "explorer": "Viewer",
    "explorer-csv": "Viewer",
    "explorer-values": "Viewer",
    "line-items": "Viewer",
    "saved-views": "Viewer",
    "saved-view-new": "Viewer",
    "saved-view-rename": "Viewer",
    "saved-view-change": "Viewer",
    "saved-view-update": "Viewer",
    "saved-view-delete": "Viewer",
    "saved-view-tile": "Viewer",
    "help-cursor": "Viewer",
    "cost-centers": "Viewer",
    "cost-center": "Viewer",
    "cost-center-progress": "Viewer",
    "connect": "Editor",
    "admin:index": "Admin",
    "logout": "",
    "password_change": "",
    "password_change_done": "",
}
#: Of these, what only takes what is sent.
POST_ONLY = {"saved-view-rename", "saved-view-change", "saved-view-update"}
#: Addresses of the API, which answers by status alone; the least role likewise.
API = {
    "api-costs": "Viewer",
}


def addresses(resolver: Any = None, prefix: str = "/", namespace: str = "") -> dict[str, str]:
    """All addresses by name; of the Django admin its index, which stands for its pages."""
    found = {}
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            found |= addresses(
                entry, prefix + str(entry.pattern), f"{entry.namespace}:" if entry.namespace else namespace
            )
        elif isinstance(entry, URLPattern) and (not namespace or entry.name == "index"):
            path = prefix + str(entry.pattern)
            for name, converter in entry.pattern.converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower()
                path = path.replace(f"<{kind}:{name}>", PARTS[name]).replace(f"<{name}>", PARTS[name])
            found[f"{namespace}{entry.name}"] = path
    return found


@pytest.fixture
def center():
    return CostCenterFactory(pk=1)


def test_the_tables_above_name_every_address():
    assert set(addresses()) == OPEN | set(LEAST) | set(API)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_strangers_are_led_to_the_log_in(client: Client, center, name):
    url = addresses()[name]

    for response in (client.get(url), client.post(url)):
        assert response.status_code == 302, name
        assert "/login/" in response["Location"]


@pytest.mark.parametrize("name", sorted(API))
def test_strangers_are_refused_by_the_api(client: Client, name):
    url = addresses()[name]

    for response in (client.get(url), client.post(url), client.options(url)):
        assert response.status_code == 401, name
        assert response["WWW-Authenticate"].startswith("Bearer"), name


@pytest.mark.parametrize("name", sorted(OPEN))
def test_some_addresses_are_open(client: Client, name):
    assert client.get(addresses()[name]).status_code in (200, 503), name


@pytest.mark.parametrize("role", ["", *ROLES])
@pytest.mark.parametrize("name", sorted(LEAST | API))
def test_people_see_what_their_role_allows(client: Client, center, name, role):
    user = UserFactory(role=role)
    client.force_login(user)
    SavedViewFactory(pk=1, owner=user)
    least = (LEAST | API)[name]
    may = not least or (bool(role) and ROLES.index(role) >= ROLES.index(least))
    ask = client.post if name in POST_ONLY else client.get

    status = ask(addresses()[name]).status_code

    # What is sent empty is refused by its form or changes nothing.
    allowed = {302, 400} if name in POST_ONLY else {200, 405}
    assert status in (allowed if may else {403}), (name, role, status)


@pytest.mark.parametrize("role", ["", "Viewer"])
def test_who_may_not_connect_may_not_post_either(client: Client, role):
    client.force_login(UserFactory(role=role))

    assert client.post("/settings/cost-centers/connect/cursor/", {"name": "x"}).status_code == 403
