"""Connecting through the form: what is asked, what is refused and why; a refusal stores and echoes nothing."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from costcenters.models import CostCenter, SeatPrice
from integrations.models import Integration
from tests.connecting import answers, connect, cursor_api, work
from tests.factories import CostCenterFactory, UserFactory

pytestmark = pytest.mark.django_db
WRONG_KEY = "crsr_thisKeyWasRevokedYesterday00"


@pytest.fixture
def editor(client):
    client.user = UserFactory(role="Editor")
    client.force_login(client.user)
    return client


@pytest.fixture
def url():
    return reverse("connect", args=["cursor"])


def test_the_form_asks_for_name_key_and_price_and_nothing_else(editor, api, url):
    response = editor.get(url)

    page = response.content.decode()
    assert list(response.context["form"].fields) == ["name", "admin_api_key", "monthly_seat_price"]
    for text in (
        "Cost Center Name",
        "Admin API Key",
        "Monthly Seat Price in USD",
        "Complete Setup",
        "Leave empty",
    ):
        assert text in page
    assert "no-store" in response["Cache-Control"]


def test_a_good_key_is_stored_encrypted_and_leads_to_the_page(
    editor, api, url, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        response = editor.post(url, answers(api, name="Cursor – R&D", admin_api_key=f"\t {api.api_key} \n"))

    integration = Integration.objects.get()
    center = integration.cost_center
    assert response["Location"] == f"/settings/cost-centers/{center.pk}/"
    assert (center.name, center.status, center.currency) == ("Cursor – R&D", "connecting", "USD")
    assert integration.connected_by == editor.user
    assert integration.key_hint == f"…{api.api_key[-4:]}"
    assert integration.credentials.open()["admin_api_key"] == api.api_key
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM integrations_integration")
        assert api.api_key not in cursor.fetchone()[0]
    assert SeatPrice.objects.get().monthly_price == Decimal("40.00")
    assert OrmQ.objects.count() == integration.streams.count()


def test_without_a_price_seats_are_not_tracked(editor, api):
    connect(editor, api, monthly_seat_price="")

    assert not SeatPrice.objects.exists()


def test_a_wrong_key_is_refused_with_the_reason_and_only_the_key_is_forgotten(editor, api, url):
    response = editor.post(
        url, answers(api, name="Cursor – R&D", admin_api_key=WRONG_KEY, monthly_seat_price="41.5")
    )

    page = response.content.decode()
    assert response.status_code == 200
    for cause in ("Cursor refused this key (401", "revoked", "admin", "white space", "plan"):
        assert cause in page
    assert 'value="Cursor – R&amp;D"' in page
    assert 'value="41.5"' in page
    assert WRONG_KEY not in page
    assert not CostCenter.objects.exists()
    assert not Integration.objects.exists()
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize(
    ("fault", "said"),
    [("plan_refusal", "member of an enterprise team"), ("scope_refusal", "403")],
)
def test_when_the_plan_or_scope_is_refused_the_page_says_what_cursor_said(settings, editor, url, fault, said):
    with cursor_api(settings, faults=fault) as api:
        page = editor.post(url, answers(api)).content.decode()

    assert said in page
    assert "knows this key" in page
    assert api.api_key not in page
    assert not Integration.objects.exists()


def test_a_key_is_connected_once_and_the_second_press_leads_to_what_the_first_one_made(editor, api, url):
    first = connect(editor, api)

    page = editor.post(url, answers(api)).content.decode()

    assert "This key is already connected" in page
    assert f'href="{first.cost_center.get_absolute_url()}"' in page
    assert api.api_key not in page
    assert Integration.objects.count() == 1


def test_a_name_that_is_taken_is_refused_before_cursor_is_asked(editor, api, url):
    CostCenterFactory(name="Cursor")

    response = editor.post(url, answers(api))

    assert "There is a cost center of this name already." in response.content.decode()
    assert response.context["form"].errors.keys() == {"name"}
    assert api.requests == []


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("admin_api_key", ""),
        ("admin_api_key", "crsr_two words"),
        ("admin_api_key", "crsr_ümlaut_0123456789"),
        ("admin_api_key", "crsr_" + "x" * 500),
        ("monthly_seat_price", "forty"),
        ("monthly_seat_price", "-1"),
        ("monthly_seat_price", "1e9"),
        ("monthly_seat_price", "NaN"),
        ("monthly_seat_price", "0.0000000001"),
    ],
)
def test_what_cannot_be_right_is_told_at_its_field(editor, api, url, field, typed):
    response = editor.post(url, answers(api, **{field: typed}))

    assert response.status_code == 200
    assert response.context["form"].errors.keys() == {field}
    assert "Nothing was stored." in response.content.decode()
    assert api.requests == []


def test_another_key_of_the_same_team_is_connected_with_a_warning(editor, api):
    work(connect(editor, api))
    api.add_key("crsr_second_key_of_the_same_team")

    response = editor.post(
        reverse("connect", args=["cursor"]),
        answers(api, name="Cursor again", admin_api_key="crsr_second_key_of_the_same_team"),
        follow=True,
    )

    assert "Most members of this team are in “Cursor” too" in response.content.decode()


def test_an_unknown_provider_is_not_found(editor):
    assert editor.get(reverse("connect", args=["nobody"])).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_connect_once(settings):
    editor = UserFactory(role="Editor")
    together = threading.Barrier(2)
    statuses, pages = [], []

    def press(api):
        try:
            client = Client()
            client.force_login(editor)
            together.wait(timeout=20)
            response = client.post(reverse("connect", args=["cursor"]), answers(api))
            statuses.append(response.status_code)
            pages.append(response.content.decode())
        finally:
            connection.close()

    with cursor_api(settings) as api:
        presses = [threading.Thread(target=press, args=[api]) for _ in range(2)]
        for one in presses:
            one.start()
        for one in presses:
            one.join(timeout=60)

    assert sorted(statuses) == [200, 302]
    assert any("connected" in page and "Open “Cursor”" in page for page in pages)
    assert Integration.objects.count() == CostCenter.objects.count() == SeatPrice.objects.count() == 1
