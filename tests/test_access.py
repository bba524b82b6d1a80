"""Every address of the product × everybody who may ask for it × reading and sending.

A new address needs a row in one of the tables below: until it has one, the first test names it. Those of the API are in
a table of their own, `tests/api/access_table.py`, which `tests/api/test_access.py` goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core import serializers, signing
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from costcenters.access import MANAGE_PEOPLE
from costcenters.models import CostCenter, SavedView, SeatPrice
from finops.models import ApiToken
from finops.notifications import STOP_SALT
from integrations.models import ImportedFile, Integration, Stream, Subscription, SubscriptionSeats
from tests.api.access_table import API, LEAST_ROLE
from tests.factories import CostCenterFactory, IntegrationFactory, SavedViewFactory, UserFactory, role_group

pytestmark = pytest.mark.django_db
ROLES = ("Viewer", "Editor", "Admin")
EVERYBODY = ("", *ROLES)
#: What stands for each part of an address; the fixture `rows` makes what they name.
PARTS: dict[str, Any] = {
    "pk": 900_002,
    "provider": "cursor",
    "uidb64": "MQ",
    "token": signing.dumps([900_001, "key_refused"], salt=STOP_SALT),
    "key": "user",
    "price": 900_001,
    # A cost center that takes files, and one of these.
    "center": 900_001,
    "file": 900_001,
    "person": 900_001,
    "change": 900_001,
    "api_token": UUID("5b0c6a52-8f0e-4a57-9d3f-0d6c6f3f6f11"),
    # The Django admin's
    "id": 900_001,
    "object_id": "900002",
    "content_type_id": "1",
    "app_label": "auth",
}
#: What has to be asked of an address for an answer.
QUERY = {
    "admin:autocomplete": {
        "app_label": "finops",
        "model_name": "notificationsetting",
        "field_name": "user",
        "term": "a",
    },
}

#: Addresses open to everybody.
OPEN = {
    "healthz",
    "readyz",
    "login",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
    "invitation",
    "notifications-stop",
}
#: Of these, what mail programs post to by themselves; the address is the proof.
ONE_CLICK = {"notifications-stop"}
#: Of the others, by name: the least role that may see it; "" for anybody with an account.
LEAST = {
    "overview": "Viewer",
    "explorer": "Viewer",
    "explorer-csv": "Viewer",
    "explorer-values": "Viewer",
    "line-items": "Viewer",
    "exports": "Viewer",
    "export-focus": "Viewer",
    "saved-views": "Viewer",
    "saved-view-new": "Viewer",
    "saved-view-rename": "Viewer",
    "saved-view-change": "Viewer",
    "saved-view-update": "Viewer",
    "saved-view-delete": "Viewer",
    "saved-view-tile": "Viewer",
    "help-cursor": "Viewer",
    "notifications": "Viewer",
    "notifications-test": "Viewer",
    "cost-centers": "Viewer",
    "cost-center": "Viewer",
    "cost-center-progress": "Viewer",
    "cost-center-members": "Viewer",
    "cost-center-runs": "Viewer",
    "cost-center-files": "Viewer",
    "delivery": "Viewer",
    "reconciliation": "Viewer",
    "reconciliation-csv": "Viewer",
    "subscriptions": "Viewer",
    "subscription": "Viewer",
    "subscription-add": "Editor",
    "subscription-edit": "Editor",
    "subscription-terms": "Editor",
    "subscription-seats": "Editor",
    "subscription-seats-withdraw": "Editor",
    "subscription-end": "Editor",
    "subscriptions-count-again": "Editor",
    "subscription-delete": "Admin",
    "connect": "Editor",
    "cost-center-edit": "Editor",
    "cost-center-key": "Editor",
    "cost-center-seats": "Editor",
    "cost-center-seat-price-delete": "Editor",
    "cost-center-read-again": "Editor",
    "cost-center-files-upload": "Editor",
    "delivery-import": "Editor",
    "delivery-leave": "Editor",
    "delivery-again": "Editor",
    "cost-center-sync": "Editor",
    "cost-center-test": "Editor",
    "cost-center-pause": "Editor",
    "cost-center-resume": "Editor",
    "cost-center-remove": "Admin",
    "audit-log": "Admin",
    "audit-log-csv": "Admin",
    "people": "Admin",
    "person": "Admin",
    "person-invite": "Admin",
    "person-role": "Admin",
    "person-deactivate": "Admin",
    "person-reactivate": "Admin",
    "person-invite-again": "Admin",
    "person-withdraw": "Admin",
    "person-unlock": "Admin",
    "admin:index": "Admin",
    "admin:app_list": "Admin",
    "admin:autocomplete": "Admin",
    "admin:jsi18n": "Admin",
    "admin:logout": "Admin",
    "admin:password_change": "Admin",
    "admin:password_change_done": "Admin",
    "admin:view_on_site": "Admin",
    "admin:auth_user_password_change": "Admin",
    "api-docs": "",
    "tokens": "",
    "token-revoke": "",
    "logout": "",
    "password_change": "",
    "password_change_done": "",
}
#: Of these, what only takes what is sent.
POST_ONLY = {
    "notifications-test",
    "saved-view-rename",
    "saved-view-change",
    "saved-view-update",
    "cost-center-seat-price-delete",
    "subscriptions-count-again",
    "cost-center-files-upload",
    "delivery-import",
    "delivery-leave",
    "delivery-again",
    "cost-center-sync",
    "cost-center-test",
    "cost-center-pause",
    "cost-center-resume",
    "person-role",
    "person-reactivate",
    "person-invite-again",
    "person-withdraw",
    "person-unlock",
    "admin:logout",
    "logout",
}
#: Every model of the Django admin, and what an Admin may do to its rows beside looking at them.
ADMIN_MODELS: dict[str, set[str]] = {
    "auditlog.logentry": set(),
    # The rows there are, are the roles: they stay as they are.
    "auth.group": {"add"},
    "auth.user": {"add", "change", "delete"},
    "costcenters.annotation": set(),
    "costcenters.costcenter": {"change"},
    "costcenters.costlineitem": set(),
    "costcenters.savedview": {"delete"},
    "costcenters.seatprice": set(),
    "costcenters.tagset": set(),
    "finops.apitoken": {"delete"},
    "finops.notificationsetting": {"add", "change", "delete"},
    "integrations.integration": {"change"},
    "integrations.member": set(),
    "integrations.notice": set(),
    "integrations.providertotal": set(),
    "integrations.seatsnapshot": set(),
    "integrations.stream": set(),
    "integrations.subscription": set(),
    "integrations.subscriptionseats": set(),
    "integrations.syncrun": set(),
}
#: The actions of the Django admin on chosen rows.
ADMIN_ACTIONS: dict[str, set[str]] = {
    "auth.user": {"delete_selected"},
    "costcenters.costcenter": {"pause", "resume", "sync_now", "test_connection"},
    "finops.notificationsetting": {"delete_selected"},
    "integrations.integration": {"pause", "resume", "sync_now", "test_connection"},
}
#: The pages of a model, and what an Admin must be able to do for them. Looking is free.
MODEL_PAGES = {"changelist": "", "history": "", "change": "", "add": "add", "delete": "delete"}
#: Leads on to the one log-in, whoever asks.
TO_THE_LOG_IN = "admin:login"


@cache
def addresses() -> dict[str, str]:
    """All addresses by name."""
    return dict(sorted(_named(get_resolver(), "", ())))


def _named(resolver: URLResolver, namespace: str, parts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        needed = (*parts, *entry.pattern.regex.groupindex)
        if isinstance(entry, URLResolver):
            yield from _named(entry, f"{entry.namespace}:" if entry.namespace else namespace, needed)
        elif isinstance(entry, URLPattern) and entry.name:
            name = f"{namespace}{entry.name}"
            yield name, reverse(name, kwargs={part: PARTS[part] for part in needed})


def admin_pages(model: str) -> dict[str, str]:
    """The addresses of a model's pages in the Django admin."""
    stem = "admin:" + model.replace(".", "_")
    return {page: addresses()[f"{stem}_{page}"] for page in MODEL_PAGES}


def may(role: str, least: str) -> bool:
    return not least or (bool(role) and ROLES.index(role) >= ROLES.index(least))


def as_stored(path: str) -> str:
    """`path` with the numbers that this database gave to rows that a migration or Django itself has made."""
    kind = ContentType.objects.get_for_model(CostCenter).pk
    return path.replace("/admin/r/1/", f"/admin/r/{kind}/").replace(
        "/admin/auth/group/900002/", f"/admin/auth/group/{role_group('Viewer').pk}/"
    )


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


def test_the_tables_above_name_every_address():
    models = {f"admin:{model.replace('.', '_')}_{page}" for model in ADMIN_MODELS for page in MODEL_PAGES}
    assert set(addresses()) == OPEN | set(LEAST) | set(API) | models | {TO_THE_LOG_IN}


def test_the_tables_above_name_every_model_and_action_of_the_django_admin():
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
