"""What is done to a connection by API: changed, its key replaced, tested, read, removed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from auditlog.models import LogEntry
from django.urls import reverse

from costcenters.models import CostCenter, CostLineItem, SavedView, SeatPrice
from integrations import notices
from integrations.models import Integration, Stream, SyncRun
from integrations.subscriptions.cost_center import found_or_made
from tests.api.answers import answer, fields, problem, script_of
from tests.connecting import connect, work
from tests.factories import IntegrationFactory, SavedViewFactory

pytestmark = pytest.mark.django_db(transaction=True)
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
FOREIGN_KEY = "crsr_foreign_0123456789abcdef0123456789ab"
Status = CostCenter.Status


@pytest.fixture
def editor():
    return script_of("Editor", "write")


@pytest.fixture
def admin():
    return script_of("Admin")


@pytest.fixture
def integration(client, api, editor):
    """Connected and read."""
    api.add_key(NEW_KEY)
    api.add_key(FOREIGN_KEY, team="other")
    client.force_login(editor.user)
    integration = connect(client, api)
    work(integration)
    return integration


@pytest.fixture
def url(integration):
    return f"/api/v1/integrations/{integration.pk}/"


def status():
    return CostCenter.objects.get().status


def today():
    return datetime.now(UTC).date()


# Changing -------------------------------------------------------------------------------------------------------------


def test_a_new_name_is_followed_by_saved_views(editor, integration, url):
    SavedViewFactory(query="cost_center=Cursor&group_by=user")
    assert answer(editor.patch(url, {"name": " Cursor EU "}))["name"] == "Cursor EU"
    assert SavedView.objects.get().query == "cost_center=Cursor+EU&group_by=user"
    entry = LogEntry.objects.filter(object_repr="Cursor EU").latest("pk")
    assert entry.actor == editor.user


def test_a_price_holds_from_today_on_and_null_ends_it(editor, integration, url):
    known = answer(editor.patch(url, {"monthly_seat_price": "36.50", "committed_seats": 20}))
    assert (known["monthly_seat_price"], known["committed_seats"]) == ("36.50", 20)
    price = SeatPrice.objects.latest("pk")
    assert (price.created_by, price.effective_from) == (editor.user, today())
    assert CostLineItem.objects.filter(charge_type="seat").exists()

    # What is left out stays, and what is so already is no change.
    assert answer(editor.patch(url, {"monthly_seat_price": "40"}))["committed_seats"] == 20
    assert answer(editor.patch(url, {"committed_seats": None}))["monthly_seat_price"] == "40.00"
    prices = SeatPrice.objects.count()
    answer(editor.patch(url, {"monthly_seat_price": 40}))
    assert SeatPrice.objects.count() == prices

    answer(editor.patch(url, {"monthly_seat_price": None}))
    assert not CostLineItem.objects.filter(charge_type="seat").exists()
    assert SeatPrice.objects.latest("pk").monthly_price is None


def test_a_price_can_begin_later(editor, integration, url):
    later = today() + timedelta(days=30)
    known = answer(editor.patch(url, {"monthly_seat_price": "1", "effective_from": str(later)}))
    assert known["monthly_seat_price"] == "40.00"
    assert SeatPrice.objects.latest("pk").effective_from == later


def test_a_change_is_made_whole_or_not_at_all(editor, integration, url):
    before = answer(editor.get(url))
    for body, blamed in (
        ({"monthly_seat_price": "1", "effective_from": "2026-01-01"}, "effective_from"),
        ({"monthly_seat_price": "1", "effective_from": "2999-01-01"}, "effective_from"),
        ({"monthly_seat_price": "1", "effective_from": "tomorrow"}, "effective_from"),
        ({"monthly_seat_price": "1", "effective_from": None}, "effective_from"),
        ({"monthly_seat_price": 1_000_001}, "monthly_seat_price"),
        ({"committed_seats": 10**30}, "committed_seats"),
        ({"committed_seats": -1}, "committed_seats"),
        ({"is_paused": "yes"}, "is_paused"),
        ({"is_paused": None}, "is_paused"),
        ({"name": "(none)"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"status": "active"}, "status"),
    ):
        whole = {"name": "Other", "monthly_seat_price": "99", "is_paused": True, **body}
        assert fields(editor.patch(url, whole)) == [blamed], body
    # A day, or seats, of no price.
    assert fields(editor.patch(url, {"name": "Other", "effective_from": str(today())})) == ["effective_from"]
    assert answer(editor.get(url)) == before


def test_what_the_state_does_not_allow_undoes_the_rest_of_the_change(editor, integration, url):
    notices.needs_attention(integration, "refused", datetime.now(UTC))
    told = problem(editor.patch(url, {"name": "Other", "monthly_seat_price": "9", "is_paused": True}), 409)
    assert told["type"] == "urn:onebill:problem:conflict"
    assert (CostCenter.objects.get().name, SeatPrice.objects.count()) == ("Cursor", 1)
    # It is not paused, which is what is asked for.
    assert answer(editor.patch(url, {"is_paused": False}))["status"] == "needs attention"


def test_it_is_paused_and_resumed_and_to_say_so_twice_is_harmless(editor, integration, url):
    for paused, after in (
        (True, "paused"),
        (True, "paused"),
        (False, "active"),
        (False, "active"),
        (None, "active"),
    ):
        body = {} if paused is None else {"is_paused": paused}
        assert answer(editor.patch(url, body))["status"] == after
    changes = LogEntry.objects.filter(object_repr="Cursor", changes__has_key="status")
    assert changes.count() >= 2


def test_without_a_team_seats_have_no_price(editor):
    files = IntegrationFactory(provider="aws")
    url = f"/api/v1/integrations/{files.pk}/"
    for wish in ({"monthly_seat_price": "1"}, {"committed_seats": 2}, {"effective_from": "2199-01-01"}):
        assert fields(editor.patch(url, wish)) == [*wish]
    answer(editor.patch(url, {"monthly_seat_price": None}))
    assert not SeatPrice.objects.exists()


# The key --------------------------------------------------------------------------------------------------------------


def rotate(script, url, key, **more):
    return script.post(f"{url}rotate-key/", {"credentials": {"admin_api_key": key}, **more})


def test_a_key_is_replaced_and_what_is_missing_read_with_it(editor, integration, url, api):
    said = answer(rotate(editor, url, NEW_KEY))
    assert (said["key_hint"], said["status"], said["warning"]) == (f"…{NEW_KEY[-4:]}", "active", "")
    assert said["run"]["outcome"] == "running"
    api.revoke(api.api_key)
    work(integration)
    run = answer(editor.get(reverse("api-sync-runs-detail", args=[said["run"]["id"]])))
    assert run["outcome"] == "done"


def test_a_wrong_key_leaves_the_old_one_working(editor, integration, url):
    told = problem(rotate(editor, url, "crsr_wrong_wrong_wrong"), 400)
    assert [error["field"] for error in told["errors"]] == ["credentials.admin_api_key"]
    assert answer(editor.post(f"{url}verify/"))["active_members"] > 0


def test_another_team_has_to_be_confirmed(editor, integration, url):
    assert fields(rotate(editor, url, FOREIGN_KEY)) == ["other_team_confirmed"]
    assert (
        answer(rotate(editor, url, FOREIGN_KEY, other_team_confirmed=True))["key_hint"]
        == f"…{FOREIGN_KEY[-4:]}"
    )


def test_while_it_is_paused_a_new_key_has_nothing_read(editor, integration, url):
    editor.patch(url, {"is_paused": True})
    said = answer(rotate(editor, url, NEW_KEY))
    assert (said["status"], said["run"]) == ("paused", None)


def test_of_files_what_is_left_out_stays(editor, settings, tmp_path):
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    body = {"name": "AWS", "provider": "aws", "credentials": {"location": str(tmp_path)}}
    made = answer(editor.post("/api/v1/integrations/", body), 201)
    url = f"/api/v1/integrations/{made['id']}/"
    answer(editor.post(f"{url}rotate-key/", {"credentials": {}}))
    stored = Integration.objects.get().credentials.open()
    assert stored["location"] == str(tmp_path)
    elsewhere = {"credentials": {"location": "/etc"}}
    assert fields(editor.post(f"{url}rotate-key/", elsewhere)) == ["credentials.location"]


def test_a_test_tells_what_the_provider_answered(editor, integration, url, api):
    said = answer(editor.post(f"{url}verify/"))
    active = said["active_members"]
    assert said["answer"] == f"The key works: Cursor answered with {active} active members."
    assert active == len(api.company.team_on(today()))

    Integration.objects.update(api_url="http://127.0.0.1:9")
    silent = problem(editor.post(f"{url}verify/"), 409)
    assert silent["type"] == "urn:onebill:problem:provider-silent"
    assert status() == Status.ACTIVE

    Integration.objects.update(api_url=api.url)
    api.revoke()
    assert problem(editor.post(f"{url}verify/"), 409)["type"] == "urn:onebill:problem:conflict"
    assert answer(editor.get(url))["status"] == "needs attention"


def test_what_has_no_key_is_neither_tested_nor_given_one(editor):
    center = found_or_made("USD", user=None, now=datetime.now(UTC))
    url = f"/api/v1/integrations/{center.integration.pk}/"
    problem(editor.post(f"{url}verify/"), 409)
    problem(editor.post(f"{url}rotate-key/", {"credentials": {}}), 409)


# Reading --------------------------------------------------------------------------------------------------------------


def test_everything_is_read_and_asked_for_twice_it_is_the_same_run(editor, integration, url):
    response = editor.post(f"{url}sync/")
    run = answer(response, 202)["run"]
    assert response["Location"] == f"/api/v1/sync-runs/{run['id']}/"
    assert (run["stream"], run["window_start"], run["outcome"]) == (None, None, "running")
    assert answer(editor.post(f"{url}sync/"), 202)["run"] == run
    work(integration)
    done = answer(editor.get(response["Location"]))
    assert (done["outcome"], done["amount_before"]) == ("done", done["amount_after"])
    assert done["requests"] > 0
    assert answer(editor.post(f"{url}sync/"), 202)["run"]["id"] > run["id"]


def test_days_are_read_again(editor, integration, url):
    day = str(today() - timedelta(days=4))
    response = editor.post(f"{url}read-again/", {"first": day, "last": day})
    run = answer(response, 202)["run"]
    assert response["Location"] == f"/api/v1/sync-runs/{run['id']}/"
    assert (run["window_start"], run["stream"]) == (f"{day}T00:00:00Z", None)
    assert not Stream.objects.get(name="usage").reread_may_shrink
    problem(editor.post(f"{url}read-again/", {"first": day, "last": day}), 409)
    work(integration)
    assert answer(editor.get(response["Location"]))["outcome"] == "done"


def test_days_that_cannot_be_are_refused(editor, integration, url):
    for body, blamed in (
        ({"first": "2019-12-31", "last": "2026-11-01"}, ["first"]),
        ({"first": "2026-11-02", "last": "2026-11-01"}, ["first"]),
        ({"first": "2026-11-01", "last": "9999-12-31"}, ["last"]),
        ({"first": "2026-11-31", "last": 5}, ["first", "last"]),
        ({}, ["first", "last"]),
        ({"first": "2026-11-01", "last": "2026-11-01", "may_shrink": "on"}, ["may_shrink"]),
    ):
        assert fields(editor.post(f"{url}read-again/", body)) == blamed, body
    assert SyncRun.objects.asked_for().count() == 1


@pytest.mark.parametrize("state", ["paused", "needs attention", "removed"])
def test_what_does_not_work_is_not_read(state, editor, admin, integration, url):
    if state == "paused":
        editor.patch(url, {"is_paused": True})
    elif state == "removed":
        admin.delete(url)
    else:
        notices.needs_attention(integration, "refused", datetime.now(UTC))
    asked = {"first": str(date(2026, 11, 1)), "last": str(date(2026, 11, 1))}
    for action, body in (("sync", None), ("read-again", asked)):
        assert problem(editor.post(f"{url}{action}/", body), 409)["type"] == "urn:onebill:problem:conflict"
    if state == "removed":
        for action, body in (("verify", None), ("rotate-key", {"credentials": {"admin_api_key": NEW_KEY}})):
            problem(editor.post(f"{url}{action}/", body), 409)
        problem(editor.patch(url, {"is_paused": True}), 409)
        problem(editor.patch(url, {"monthly_seat_price": "1"}), 409)
    assert not SyncRun.objects.filter(outcome="running").exists()


# Removing -------------------------------------------------------------------------------------------------------------


def test_removed_its_history_stays(admin, integration, url):
    lines = CostLineItem.objects.count()
    for query in ("", "?history=keep", ""):
        response = admin.delete(f"{url}{query}")
        assert (response.status_code, response.content) == (204, b"")
    assert CostLineItem.objects.count() == lines > 0
    known = answer(admin.get(url))
    assert (known["status"], known["key_hint"], known["deletion"]) == ("disconnected", "", None)
    assert Integration.objects.get().credentials is None


def test_its_history_is_deleted_in_the_background_until_it_is_gone(admin, integration, url):
    for _ in range(2):
        known = answer(admin.delete(f"{url}?history=delete"), 202)
        assert (known["status"], known["deletion"]) == ("disconnected", {"percent": 0})
    work(integration)
    problem(admin.delete(f"{url}?history=delete"), 404)
    problem(admin.get(url), 404)
    assert not CostLineItem.objects.exists()


def test_a_removal_says_what_becomes_of_the_history_in_words_that_are_known(admin, editor, integration, url):
    for query in ("history=all", "history=keep&history=delete", "keep=1"):
        problem(admin.delete(f"{url}?{query}"), 400)
    problem(editor.delete(url), 403)
    assert status() == Status.ACTIVE
