"""The edit page of a cost center and its buttons, as Viewer, Editor and Admin, over a real sandbox."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter
from finops.money import display, units_from_nanos
from integrations import life
from integrations.claims import Claim
from integrations.http import Runtime
from integrations.models import SyncRun
from integrations.providers import PROVIDERS
from tests.connecting import connect, work
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
BUTTONS = ("sync", "test", "pause", "resume")


@pytest.fixture
def editor(client):
    client.user = UserFactory(role="Editor")
    client.force_login(client.user)
    return client


@pytest.fixture
def integration(editor, api):
    found = connect(editor, api)
    work(found)
    return found


def url(integration, name="edit", *more):
    return reverse(f"cost-center-{name}", args=[integration.cost_center_id, *more])


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def press(client, integration, name):
    """What the cost center's page says after a button was pressed."""
    response = client.post(url(integration, name))
    assert response["Location"] == integration.cost_center.get_absolute_url()
    return said(response)[-1]


def status(integration):
    return CostCenter.objects.get(pk=integration.cost_center_id).status


# Name -----------------------------------------------------------------------------------------------------------------


def test_a_new_name_is_followed_by_saved_views(editor, integration):
    view = SavedViewFactory(query="cost_center=Cursor&group_by=model")

    response = editor.post(url(integration), {"name": "  Cursor – Platform & Data "}, follow=True)

    assert "It is called “Cursor – Platform &amp; Data” now." in response.content.decode()
    assert CostCenter.objects.get().name == "Cursor – Platform & Data"
    view.refresh_from_db()
    assert "Platform" in view.query


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "This field is required."),
        ("Taken", "There is a cost center of this name already."),
        ("(none)", "stands for no value"),
        ("x" * 101, "at most 100 characters"),
        ("a\x00b", "Null characters are not allowed."),
    ],
)
def test_a_name_that_cannot_be_is_refused_beside_its_field_and_stays_typed(editor, integration, name, why):
    CostCenterFactory(name="Taken", provider="aws")

    response = editor.post(url(integration), {"name": name})

    assert response.status_code == 200
    assert why in " ".join(response.context["form"].errors["name"])
    assert response.context["form"]["name"].value() == name
    assert integration.cost_center.name == CostCenter.objects.get(pk=integration.cost_center_id).name
    assert "Edit Cursor</h1>" in response.content.decode()


def test_example_lines_can_be_renamed_and_nothing_else(editor):
    center = CostCenterFactory(name="AWS (example)", provider="aws")
    page = editor.get(reverse("cost-center-edit", args=[center.pk])).content.decode()

    assert "Rename" in page
    for absent in ("Sync now", "Update the key", "Change the seat price", "Read days again"):
        assert absent not in page
    assert "no connection to remove" in page


def test_names_are_escaped(editor, integration):
    CostCenter.objects.update(name="<script>alert(1)</script>")

    for name in ("edit", "key", "seats", "read-again"):
        assert "<script>alert" not in editor.get(url(integration, name)).content.decode()


# Who may --------------------------------------------------------------------------------------------------------------


def test_editors_are_told_who_can_remove_it(editor, integration):
    UserFactory(role="Admin", username="ada@example.com")
    UserFactory(role="Admin", username="gone@example.com", is_active=False)

    page = editor.get(url(integration)).content.decode()

    assert "Only an Admin can remove a cost center" in page
    assert "ada@example.com" in page
    assert "gone@example.com" not in page
    assert url(integration, "remove") not in page


def test_admins_are_led_to_the_removal(client, integration):
    client.force_login(UserFactory(role="Admin"))

    assert url(integration, "remove") in client.get(url(integration)).content.decode()


def test_viewers_change_nothing(client, integration):
    client.force_login(UserFactory(role="Viewer"))

    for name in ("edit", "key", "seats", "read-again", "remove"):
        assert client.get(url(integration, name)).status_code == 403
        assert client.post(url(integration, name), {"name": "Mine"}).status_code == 403
    for name in BUTTONS:
        assert client.post(url(integration, name)).status_code == 403
    assert (CostCenter.objects.get().name, status(integration)) == ("Cursor", "active")


def test_buttons_are_not_links(editor, integration):
    for name in BUTTONS:
        assert editor.get(url(integration, name)).status_code == 405


# Buttons --------------------------------------------------------------------------------------------------------------


def test_sync_now_reads_at_once(editor, integration, api):
    asked = len(api.requests)

    assert press(editor, integration, "sync").startswith("Reading now")
    work(integration)

    assert len(api.requests) > asked


def test_sync_now_of_what_is_being_read_says_so(editor, integration):
    for stream in integration.streams.all():
        assert Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=Runtime()) is not None

    assert press(editor, integration, "sync") == "It is being read at this moment."


def test_the_test_says_how_many_members_answered(editor, integration):
    active = integration.members.filter(is_active=True).count()

    assert (
        press(editor, integration, "test") == f"The key works: Cursor answered with {active} active members."
    )


def test_a_test_with_a_revoked_key_says_why_and_stops_the_connection(editor, integration, api):
    api.revoke()

    assert "Cursor refused this key (401" in press(editor, integration, "test")
    assert status(integration) == "needs attention"
    assert api.api_key not in editor.get(url(integration)).content.decode()
    assert "Paste a new key" in editor.get(url(integration)).content.decode()


def test_a_test_that_works_again_ends_the_trouble(editor, integration, api):
    api.revoke()
    press(editor, integration, "test")
    api.add_key(api.api_key)

    assert press(editor, integration, "test").startswith("The key works")
    assert status(integration) == "active"


def test_pause_and_resume_are_harmless_when_pressed_twice(editor, integration):
    assert press(editor, integration, "pause").startswith("Paused: nothing is read")
    assert press(editor, integration, "pause") == "It is paused already."
    assert status(integration) == "paused"
    assert press(editor, integration, "sync") == "It is paused: resume it first."

    page = editor.get(url(integration)).content.decode()
    assert "The seats of these days repeat the team as it was last known." in page
    assert ("Resume</button>" in page, "Pause</button>" in page) == (True, False)

    assert press(editor, integration, "resume").startswith("Resumed: what was missed")
    assert press(editor, integration, "resume") == "It is not paused."
    assert status(integration) == "active"


def test_nothing_is_asked_of_a_provider_while_it_is_paused(editor, integration, api):
    press(editor, integration, "pause")
    asked = len(api.requests)

    work(integration)

    assert len(api.requests) == asked


def test_buttons_of_a_cost_center_without_a_provider_say_so(editor):
    center = CostCenterFactory(name="AWS (example)", provider="aws")

    for name in BUTTONS:
        response = editor.post(reverse(f"cost-center-{name}", args=[center.pk]))
        assert said(response)[-1] == "Nothing is read from a provider here."


def test_buttons_of_a_removed_connection_say_so(editor, integration):
    life.remove(integration, with_history=False, now=timezone.now())

    assert "disconnected" in press(editor, integration, "sync")
    assert "There is no key any more" in press(editor, integration, "test")
    assert "disconnected" in press(editor, integration, "pause")
    assert press(editor, integration, "resume") == "It is not paused."
    assert status(integration) == "disconnected"


def test_the_pages_ask_the_database_a_bounded_number_of_times(
    editor, integration, django_assert_max_num_queries
):
    for name in ("edit", "key", "seats", "read-again"):
        with django_assert_max_num_queries(15):
            assert editor.get(url(integration, name)).status_code == 200


# Reading again --------------------------------------------------------------------------------------------------------


def days(api):
    return sorted({row["day"] for row in api.truth()["rows"]})


def test_what_is_known_is_told(editor, integration):
    page = editor.get(url(integration, "read-again")).content.decode()

    stream = integration.streams.get(name="usage")
    assert f"{stream.backfilled_from:%b %Y}" in page
    assert "A first day before that extends the history" in page


def test_days_are_read_again(editor, integration, api):
    first, last = days(api)[1], days(api)[3]

    response = editor.post(url(integration, "read-again"), {"first": first, "last": last})

    assert response["Location"] == integration.cost_center.get_absolute_url()
    assert "is being read again" in said(response)[0]
    stream = integration.streams.get(name="usage")
    assert stream.reread_from.date().isoformat() == first
    assert stream.reread_may_shrink is False
    work(integration)
    assert integration.streams.get(name="usage").reread_from is None


def test_only_the_box_lets_fewer_events_replace_what_is_stored(editor, integration, api):
    day = days(api)[1]
    address = f"{url(integration, 'read-again')}?first={day}&last={day}&replace=1&may_shrink=on"

    page = editor.get(address)
    assert page.context["form"]["may_shrink"].value() in (False, None)
    editor.post(address, {"first": day, "last": day, "replace": "1", "may_shrink": "on"})

    assert integration.streams.get(name="usage").reread_may_shrink is True


def test_what_is_stored_of_the_days_is_told_before_it_is_replaced(editor, integration, api):
    day = days(api)[2]
    rows = [row for row in api.truth()["rows"] if row["day"] == day]
    events, billed = sum(int(row["events"]) for row in rows), sum(int(row["billed_nano"]) for row in rows)
    address = url(integration, "read-again")

    for response in (
        editor.get(f"{address}?first={day}&last={day}&replace=1"),
        editor.post(address, {"first": day, "last": day, "replace": "1", "look": "1"}),
        editor.post(address, {"first": day, "last": day, "look": "1"}, HTTP_HX_REQUEST="true"),
    ):
        stored = response.context["stored"]
        assert stored.events == events
        assert stored.amount == display(units_from_nanos(billed), "USD")
        assert f"{events:,} event" in response.content.decode()
    assert integration.streams.get(name="usage").reread_from is None


def test_days_that_were_kept_are_offered_for_replacement(editor, integration):
    def run(outcome):
        SyncRun.objects.create(
            integration=integration,
            stream="usage",
            window_start=datetime(2026, 8, 1, tzinfo=UTC),
            window_end=datetime(2026, 8, 31, tzinfo=UTC),
            started_at=timezone.now(),
            outcome=outcome,
            message="No longer returned by Cursor, kept: 2026-08-03.",
        )

    run(SyncRun.Outcome.KEPT)
    page = editor.get(url(integration, "read-again")).content.decode()
    assert "?first=2026-08-01&amp;last=2026-08-30&amp;replace=1" in page
    assert "kept: 2026-08-03" in page

    run(SyncRun.Outcome.DONE)
    assert "2026-08-03" not in editor.get(url(integration, "read-again")).content.decode()


@pytest.mark.parametrize(
    ("first", "last", "field", "why"),
    [
        ("2026-01-02", "2026-01-01", "first", "after the last one"),
        ("1999-01-01", "2026-01-01", "first", "Choose a day from 1 Jan 2020 on."),
        ("2026-01-01", "9999-12-31", "last", "lies in the future"),
        ("yesterday", "2026-01-01", "first", "Enter a day such as 2026-11-21."),
        ("", "2026-01-01", "first", "required"),
    ],
)
def test_days_that_cannot_be_read_are_refused_beside_their_field(
    editor, integration, first, last, field, why
):
    response = editor.post(url(integration, "read-again"), {"first": first, "last": last, "may_shrink": "on"})

    assert why in " ".join(response.context["form"].errors[field])
    assert response.context["form"]["first"].value() == first
    assert integration.streams.get(name="usage").reread_from is None


@pytest.mark.parametrize(
    "query",
    [
        "first=x&last=y",
        "first=2026-01-01",
        "last=2026-01-01",
        "replace=1&first=",
        "first=0001-01-01&last=9999-12-31",
    ],
)
def test_odd_days_in_the_address_are_no_trouble(editor, integration, query):
    assert editor.get(f"{url(integration, 'read-again')}?{query}").status_code == 200


def test_a_second_span_waits_for_the_first(editor, integration, api):
    day = days(api)[1]
    editor.post(url(integration, "read-again"), {"first": day, "last": day})

    response = editor.post(url(integration, "read-again"), {"first": day, "last": day})

    assert "Another span is being read again." in response.content.decode()


def test_a_paused_connection_reads_nothing_again(editor, integration, api):
    press(editor, integration, "pause")
    day = days(api)[1]

    assert "resume it" in editor.get(url(integration, "read-again")).content.decode()
    response = editor.post(url(integration, "read-again"), {"first": day, "last": day})

    assert response.status_code == 200
    assert integration.streams.get(name="usage").reread_from is None
