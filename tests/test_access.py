"""Every address of the product × everybody who may ask for it × reading and sending.

A new address needs a row in one of the tables of `access_table.py`: until it has one, the first test names it. Those of
the API are in a table of their own, `tests/api/access_table.py`, which `tests/api/test_access.py` goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core import serializers
from django.db import transaction
from django.test import Client, RequestFactory

from costcenters.access import MANAGE_PEOPLE
from costcenters.models import SavedView, SeatPrice
from finops.models import ApiToken
from integrations.models import ImportedFile, Integration, Stream, Subscription, SubscriptionSeats
from tests.access_table import (
    ADMIN_ACTIONS,
    ADMIN_MODELS,
    EVERYBODY,
    LEAST,
    MODEL_PAGES,
    ONE_CLICK,
    OPEN,
    PARTS,
    POST_ONLY,
    QUERY,
    TO_THE_LOG_IN,
    addresses,
    admin_pages,
    as_stored,
    may,
)
from tests.api.access_table import API, LEAST_ROLE
from tests.factories import CostCenterFactory, IntegrationFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is asked in between has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def rows() -> None:
    """What the parts of the addresses name."""
    center = CostCenterFactory(pk=PARTS["pk"])
    integration = Integration.objects.create(
        pk=PARTS["pk"], cost_center=center, provider="cursor", api_url="http://127.0.0.1:9"
    )
    Stream.objects.create(integration=integration, name="usage", due_at=datetime(2026, 11, 21, tzinfo=UTC))
    SeatPrice.objects.create(
        pk=PARTS["price"],
        cost_center=center,
        monthly_price=Decimal(40),
        effective_from=date.today() + timedelta(days=40),
    )
    known = Subscription.objects.create(
        pk=PARTS["pk"],
        cost_center=CostCenterFactory(name="Subscriptions", provider="subscriptions"),
        name="ChatGPT",
        seats=5,
        price=Decimal(30),
        starts_on=date(2026, 10, 1),
    )
    SubscriptionSeats.objects.create(
        pk=PARTS["change"], subscription=known, seats=9, effective_from=date(2026, 11, 1)
    )
    invoices = IntegrationFactory(
        cost_center=CostCenterFactory(pk=PARTS["center"], name="Invoices", provider="focus_files"),
        provider="focus_files",
    )
    ImportedFile.objects.create(
        pk=PARTS["file"], integration=invoices, location="a.csv", seen_at=datetime(2026, 11, 21, tzinfo=UTC)
    )
    SavedViewFactory(pk=PARTS["pk"])
    person = UserFactory(pk=PARTS["person"], role="Viewer")
    ApiToken.objects.create(pk=PARTS["api_token"], user=person, name="script")


Ask = Callable[..., Any]


@pytest.fixture
def ask(rows: None) -> Ask:
    """Asks as a stranger (None) or as somebody with a role ("": none); what it did is undone."""
    people = {role: UserFactory(role=role) for role in EVERYBODY}
    sessions = {}
    for role, user in people.items():
        client = Client()
        client.force_login(user)
        sessions[role] = client.cookies

    def answer(who: str | None, method: str, name: str, path: str = "", **data: Any) -> Any:
        client = Client()
        with undone():
            if who is not None:
                client.cookies.load(sessions[who].output(header=""))
                SavedView.objects.filter(pk=PARTS["pk"]).update(owner=people[who])
                ApiToken.objects.update(user=people[who])
            return getattr(client, method)(as_stored(path or addresses()[name]), data or QUERY.get(name))

    return answer


def test_the_tables_name_every_address():
    models = {f"admin:{model.replace('.', '_')}_{page}" for model in ADMIN_MODELS for page in MODEL_PAGES}
    assert set(addresses()) == OPEN | set(LEAST) | set(API) | models | {TO_THE_LOG_IN}


def test_the_tables_name_every_model_and_action_of_the_django_admin():
    request = RequestFactory().get("/")
    request.user = UserFactory(is_superuser=True)
    registered = {model._meta.label_lower: page for model, page in admin.site._registry.items()}

    assert set(registered) == set(ADMIN_MODELS)
    actions = {model: set(page.get_actions(request)) for model, page in registered.items()}
    assert {model: names for model, names in actions.items() if names} == ADMIN_ACTIONS


@pytest.mark.parametrize("name", sorted(LEAST))
def test_strangers_are_led_to_the_log_in_and_people_get_what_their_role_allows(ask: Ask, name):
    assert_table(ask, name, LEAST[name])


@pytest.mark.parametrize("model", sorted(ADMIN_MODELS))
def test_the_pages_of_the_django_admin_are_for_admins(ask: Ask, model):
    for page, path in admin_pages(model).items():
        for method in ("get", "post"):
            for who in (None, "", "Viewer", "Editor"):
                assert_refused(ask(who, method, page, path), who, (model, page, method, who))
            needed = "change" if (page, method) == ("change", "post") else MODEL_PAGES[page]
            allowed = not needed or needed in ADMIN_MODELS[model]
            status = ask("Admin", method, page, path).status_code
            assert (status != 403) is allowed, (model, page, method, status)
            assert status < 500, (model, page, method, status)


@pytest.mark.parametrize("model", sorted(ADMIN_ACTIONS))
def test_the_actions_of_the_django_admin_are_for_admins(ask: Ask, model):
    path = admin_pages(model)["changelist"]
    for action in sorted(ADMIN_ACTIONS[model]):
        chosen = {"action": action, "_selected_action": [PARTS["person"]], "post": "yes"}
        for who in (None, "", "Viewer", "Editor"):
            assert_refused(ask(who, "post", model, path, **chosen), who, (model, action, who))
        assert ask("Admin", "post", model, path, **chosen).status_code in (200, 302), (model, action)


@pytest.mark.parametrize("path", ["/admin/nowhere/", "/admin/auth/user/900001/", "/admin/auth/nowhere/"])
def test_unnamed_addresses_of_the_django_admin_are_for_admins_too(ask: Ask, path):
    for method in ("get", "post"):
        for who in (None, "", "Viewer", "Editor"):
            assert_refused(ask(who, method, path, path), who, (path, method, who))


@pytest.mark.parametrize("who", [None, *EVERYBODY])
def test_the_django_admin_has_no_log_in_of_its_own(ask: Ask, who):
    for method in ("get", "post"):
        response = ask(who, method, TO_THE_LOG_IN)
        assert (response.status_code, response.url.partition("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("name", sorted(OPEN))
def test_some_addresses_are_open(ask: Ask, name):
    for who in (None, *EVERYBODY):
        assert ask(who, "get", name).status_code in (200, 503), (name, who)


def assert_table(ask: Ask, name: str, least: str) -> None:
    for method in ("get", "post"):
        assert_refused(ask(None, method, name), None, (name, method))
    assert_roles(ask, name, least)


def assert_roles(ask: Ask, name: str, least: str) -> None:
    for method in ("get", "post"):
        allowed = ask("Admin", method, name).status_code
        for role in EVERYBODY:
            status = ask(role, method, name).status_code
            if may(role, least):
                # What is sent empty is refused by its form, changes nothing, or does what its button does.
                answers = {200, 302, 400, 404, 405} if method == "post" else {200, 302}
                expected = {405} if method == "get" and name in POST_ONLY else answers
            else:
                # Some addresses say of a method that they do not take it before they look at who asks.
                expected = {403, 405} if allowed == 405 else {403}
            assert status in expected, (name, method, role, status)


def assert_refused(response: Any, who: str | None, what: object) -> None:
    """A stranger is led to the log-in, anybody else gets a 403."""
    if who is None:
        assert response.status_code == 302, what
        assert "/login/" in response["Location"], what
    else:
        assert response.status_code == 403, what


def everything_stored() -> str:
    """All rows but those of the sessions."""
    models = [model for model in apps.get_models() if model._meta.label_lower != "sessions.session"]
    return "".join(serializers.serialize("json", model._base_manager.order_by("pk")) for model in models)


FORGED = {
    # As strong as a form can be made for anything that might listen.
    "action": "delete_selected",
    "_selected_action": [900_001],
    "post": "yes",
    "role": "Admin",
    "is_superuser": "on",
    "email": "mallory@example.com",
    "username": "mallory",
    "name": "Mine",
    "confirm": "Cursor",
    "admin_api_key": "crsr_" + "0" * 64,
    "monthly_price": "0.00",
}


def beyond_a_viewer() -> dict[str, str]:
    """Addresses that a Viewer may not use."""
    own = {name for name, least in LEAST.items() if may("Viewer", least)}
    own |= {
        name for name, needs in API.items() if may("Viewer", LEAST_ROLE[needs.get("POST", MANAGE_PEOPLE)])
    }
    return {name: path for name, path in addresses().items() if name not in own | OPEN | {TO_THE_LOG_IN}}


def test_a_viewers_forged_posts_are_all_refused_and_change_nothing(rows):
    viewer = UserFactory(role="Viewer")
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)
    # The cookie of a page of their own: with it, only the role stands in the way.
    client.get("/")
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    before = everything_stored()

    for name, path in beyond_a_viewer().items():
        status = client.post(path, FORGED, headers=token).status_code
        assert status in (403, 405), (name, status)

    assert everything_stored() == before


def test_a_post_without_the_token_of_a_form_is_refused_everywhere(rows):
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(is_superuser=True))
    before = everything_stored()

    for name, path in addresses().items():
        if name not in {TO_THE_LOG_IN, *ONE_CLICK}:
            status = client.post(path, FORGED).status_code
            assert status in (403, 405), (name, status)

    assert everything_stored() == before
