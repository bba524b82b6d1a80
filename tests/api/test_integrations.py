"""Connections by API: listed, shown, made; what is refused, and that no key is ever repeated."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.models import CostCenter, SeatPrice
from integrations.models import Integration
from tests.api.answers import answer, fields, problem, script_of
from tests.connecting import work
from tests.factories import (
    CostCenterFactory,
    IntegrationFactory,
    MemberFactory,
    StreamFactory,
    SyncRunFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
INTEGRATIONS = "/api/v1/integrations/"
Status = CostCenter.Status


@pytest.fixture
def editor():
    return script_of("Editor", "write")


def cursor(api, **changed):
    """What is sent to connect it."""
    credentials = {"admin_api_key": api.api_key}
    return {"name": "Cursor", "provider": "cursor", "credentials": credentials, **changed}


def errors(response):
    return {error["field"]: error["detail"] for error in problem(response, 400)["errors"]}


# Connecting -----------------------------------------------------------------------------------------------------------


def test_a_provider_is_connected_and_read_until_the_run_is_done(editor, api):
    response = editor.post(INTEGRATIONS, cursor(api, monthly_seat_price="40.00"))

    made = answer(response, 201)
    assert response["Location"] == f"{INTEGRATIONS}{made['id']}/"
    assert (made["name"], made["provider"], made["currency"]) == ("Cursor", "cursor", "USD")
    assert (made["status"], made["warning"], made["connected_by"]) == ("connecting", "", editor.user.username)
    assert made["key_hint"] == f"…{api.api_key[-4:]}"
    assert (made["monthly_seat_price"], made["committed_seats"], made["seats"]) == ("40.00", None, 0)
    assert made["history"] == {"percent": 0, "days_read": 0, "days_known": 21}
    assert made["activities"][0] == "Usage events: waiting for the background worker."
    assert {each["state"] for each in made["streams"]} == {"not complete yet"}
    run = made["run"]
    assert (run["outcome"], run["stream"], run["integration"]) == ("running", None, made["id"])

    work(Integration.objects.get())

    run = answer(editor.get(f"/api/v1/sync-runs/{run['id']}/"))
    assert (run["outcome"], run["currency"], run["message"]) == ("done", "USD", "")
    assert run["events"] > 600
    assert Decimal(run["amount_after"]) > 0
    known = answer(editor.get(response["Location"]))
    assert (known["status"], known["freshness"], known["last_error"]) == ("active", "current", "")
    assert known["history"]["percent"] == 100
    assert known["seats"] == len(api.truth()["members"])
    assert (known["activities"], known["deletion"]) == ([], None)
    assert known["complete_through"] == known["streams"][0]["synced_through"]
    assert known["set_up_at"].endswith("Z")
    assert answer(editor.get(INTEGRATIONS))["results"] == [known]
    # What was made is the very same as on the page.
    assert SeatPrice.objects.get().created_by == editor.user


def test_who_wants_no_seats_sends_no_price(editor, api):
    made = answer(editor.post(INTEGRATIONS, cursor(api, monthly_seat_price=None, currency="USD")), 201)
    assert made["monthly_seat_price"] is None
    assert not SeatPrice.objects.exists()


def test_files_are_connected_with_a_warning_while_none_is_there(editor, settings, tmp_path):
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    body = {"name": "AWS", "provider": "aws", "credentials": {"location": str(tmp_path)}, "currency": "eur"}
    made = answer(editor.post(INTEGRATIONS, body), 201)
    assert made["currency"] == "EUR"
    assert made["warning"].startswith("There is no file in")
    assert (made["seats"], made["history"], made["key_hint"]) == (None, None, "")


def test_under_the_name_of_one_that_was_removed_that_one_goes_on(editor, api):
    made = answer(editor.post(INTEGRATIONS, cursor(api)), 201)
    admin = script_of("Admin")
    assert admin.delete(f"{INTEGRATIONS}{made['id']}/").status_code == 204
    again = answer(editor.post(INTEGRATIONS, cursor(api)), 201)
    assert (again["id"], again["status"]) == (made["id"], "connecting")
    assert again["run"]["id"] > made["run"]["id"]


# Refusals -------------------------------------------------------------------------------------------------------------

WRONG = "Wm2pLr58-wrong-B6nE1f"


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "(none)"}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"name": "a\0b"}, ["name"]),
        ({"provider": "nobody"}, ["provider"]),
        ({"provider": "subscriptions"}, ["provider"]),
        ({"provider": "aws"}, ["credentials", "credentials.location"]),
        ({"credentials": {}}, ["credentials.admin_api_key"]),
        ({"credentials": WRONG}, ["credentials"]),
        ({"credentials": None}, ["credentials"]),
        ({"credentials": {"admin_api_key": 5}}, ["credentials.admin_api_key"]),
        ({"credentials": {"admin_api_key": f"{WRONG} {WRONG}"}}, ["credentials.admin_api_key"]),
        ({"credentials": {"admin_api_key": f"{WRONG}\0"}}, ["credentials.admin_api_key"]),
        ({"credentials": {"admin_api_key": WRONG * 1000}}, ["credentials.admin_api_key"]),
        ({"credentials": {WRONG: WRONG}}, ["credentials", "credentials.admin_api_key"]),
        ({"monthly_seat_price": "-1"}, ["monthly_seat_price"]),
        ({"monthly_seat_price": "1e3000"}, ["monthly_seat_price"]),
        ({"monthly_seat_price": "1000000.01"}, ["monthly_seat_price"]),
        ({"monthly_seat_price": {}}, ["monthly_seat_price"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"admin_api_key": WRONG}, ["admin_api_key"]),
        ({"api_url": "http://127.0.0.1:9"}, ["api_url"]),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_in_the_body(changed, blamed, editor, api):
    asked = len(api.requests)
    response = editor.post(INTEGRATIONS, cursor(api, **changed))
    assert fields(response) == blamed
    assert WRONG not in response.content.decode()
    assert not CostCenter.objects.exists()
    assert len(api.requests) == asked


def test_seats_have_a_price_only_where_somebody_tells_who_is_in_the_team(editor):
    body = {"name": "AWS", "provider": "aws", "credentials": {}, "monthly_seat_price": "1"}
    assert fields(editor.post(INTEGRATIONS, body)) == ["monthly_seat_price", "credentials.location"]


def test_a_wrong_key_is_refused_as_on_the_page(editor, api, client):
    told = errors(editor.post(INTEGRATIONS, cursor(api, credentials={"admin_api_key": WRONG})))
    assert list(told) == ["credentials.admin_api_key"]
    assert told["credentials.admin_api_key"].startswith("Cursor refused")
    client.force_login(editor.user)
    page = client.post("/settings/cost-centers/connect/cursor/", {"name": "Cursor", "admin_api_key": WRONG})
    assert told["credentials.admin_api_key"].partition(". ")[0] in page.content.decode()
    assert not Integration.objects.exists()


def test_a_name_or_a_key_that_is_taken_is_refused(editor, api):
    answer(editor.post(INTEGRATIONS, cursor(api)), 201)
    assert errors(editor.post(INTEGRATIONS, cursor(api, name="Other"))) == {
        "credentials.admin_api_key": "This key is already connected, as “Cursor”. Connecting it twice would count "
        "everything twice."
    }
    CostCenterFactory(name="By hand")
    api.add_key("crsr_second_0123456789abcdef0123456789abcdef")
    second = {"admin_api_key": "crsr_second_0123456789abcdef0123456789abcdef"}
    assert list(errors(editor.post(INTEGRATIONS, cursor(api, name="By hand", credentials=second)))) == [
        "name"
    ]
    assert Integration.objects.count() == 1


def test_most_members_in_common_with_another_is_a_warning(editor, api):
    answer(editor.post(INTEGRATIONS, cursor(api)), 201)
    work(Integration.objects.get())
    api.add_key("crsr_second_0123456789abcdef0123456789abcdef")
    second = {"admin_api_key": "crsr_second_0123456789abcdef0123456789abcdef"}
    made = answer(editor.post(INTEGRATIONS, cursor(api, name="Twice", credentials=second)), 201)
    assert made["warning"].startswith("Most members of this team are in “Cursor” too.")


def test_a_provider_that_is_silent_is_no_fault_of_the_key_nor_of_ours(editor, api, settings):
    settings.CURSOR_API_URL = "http://127.0.0.1:9"
    told = problem(editor.post(INTEGRATIONS, cursor(api)), 409)
    assert told["type"] == "urn:onebill:problem:provider-silent"
    assert told["detail"].endswith("Try again in a moment.")
    assert not CostCenter.objects.exists()


@pytest.mark.parametrize("debug", [False, True])
def test_a_key_is_found_in_no_answer_and_in_no_log_line(debug, editor, api, settings, caplog):
    """Whatever is done with it: well sent, misspelled, cut short, in the wrong place, or while we crash."""
    caplog.set_level(logging.DEBUG)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).propagate = True
    key = "Zq7vXk93-good-T4hG0d"
    api.add_key(key)
    settings.DEBUG = debug
    editor.client.raise_request_exception = False
    whole = cursor(api, credentials={"admin_api_key": key})

    def raw(text, kind="application/json"):
        headers = {"Authorization": f"Bearer {editor.token}"}
        return editor.client.generic("POST", INTEGRATIONS, text, content_type=kind, headers=headers)

    seen = [
        editor.post(INTEGRATIONS, {**whole, "credentials": {"admin_api_kye": key}}),
        editor.post(INTEGRATIONS, {**whole, "credentials": {key: key}}),
        editor.post(INTEGRATIONS, {**whole, "credentials": key}),
        editor.post(INTEGRATIONS, {**whole, "credentials": [key]}),
        editor.post(INTEGRATIONS, {**whole, "credentials": {"admin_api_key": [key]}}),
        editor.post(INTEGRATIONS, {**whole, "admin_api_key": key}),
        editor.post(INTEGRATIONS, {**whole, "provider": key}),
        editor.post(INTEGRATIONS, {**whole, "monthly_seat_price": key}),
        editor.post(INTEGRATIONS, {**whole, "currency": key}),
        editor.post(INTEGRATIONS, [key]),
        raw(json.dumps(whole)[:-3]),
        raw(json.dumps(whole).encode("utf-16")),
        raw(f'{{"credentials": {{"admin_api_key": "{key}", "admin_api_key": "{key}"}}}}'),
        raw(json.dumps(whole), "text/plain"),
        raw(f"admin_api_key={key}", "application/x-www-form-urlencoded"),
    ]
    assert {response.status_code for response in seen} == {400, 415}
    api.set_faults("server_errors")
    settings.CURSOR_API_URL = "http://[::1"
    seen.append(editor.post(INTEGRATIONS, whole))
    assert seen[-1].status_code == 500
    settings.CURSOR_API_URL = api.url
    api.set_faults("")
    made = editor.post(INTEGRATIONS, whole)
    pk = answer(made, 201)["id"]
    seen += [
        made,
        editor.post(INTEGRATIONS, whole),
        editor.post(f"{INTEGRATIONS}{pk}/rotate-key/", {"credentials": {"admin_api_key": key}}),
        editor.post(f"{INTEGRATIONS}{pk}/rotate-key/", {"credentials": {key: key}}),
        editor.post(f"{INTEGRATIONS}{pk}/rotate-key/", {"other_team_confirmed": key}),
        editor.post(f"{INTEGRATIONS}{pk}/verify/"),
        editor.get(f"{INTEGRATIONS}{pk}/"),
        editor.get(INTEGRATIONS),
    ]
    texts = [response.content.decode() for response in seen]
    assert not [text for text in texts if key in text or key[:-4] in text]
    assert key[:-4] not in caplog.text
    assert "/api/v1/integrations/" in caplog.text


# Showing --------------------------------------------------------------------------------------------------------------


def test_the_list_can_be_filtered_and_is_paged(editor):
    for name in "abc":
        IntegrationFactory(cost_center=CostCenterFactory(name=name))
    paused = IntegrationFactory(
        provider="aws", cost_center=CostCenterFactory(name="d", provider="aws", status=Status.PAUSED)
    )
    assert [each["name"] for each in answer(editor.get(INTEGRATIONS))["results"]] == ["a", "b", "c", "d"]
    for query in ("provider=aws", "status=paused"):
        assert [each["id"] for each in answer(editor.get(f"{INTEGRATIONS}?{query}"))["results"]] == [
            paused.pk
        ]
    first = answer(editor.get(f"{INTEGRATIONS}?limit=3"))
    assert [each["name"] for each in answer(editor.get(first["next"]))["results"]] == ["d"]
    assert fields(editor.get(f"{INTEGRATIONS}?provider=nobody&state=1")) == ["state", "provider"]


def test_as_many_queries_for_one_as_for_twenty(editor):
    def make(number):
        center = CostCenterFactory(name=f"Cursor {number}", status=Status.CONNECTING)
        integration = IntegrationFactory(cost_center=center)
        for name in ("usage", "members"):
            StreamFactory(integration=integration, name=name)
        MemberFactory(integration=integration)
        SyncRunFactory(integration=integration, outcome="running", finished_at=None)
        SeatPrice.objects.create(
            cost_center=center, monthly_price=40, effective_from=datetime(2026, 1, 1, tzinfo=UTC).date()
        )

    def queries():
        with CaptureQueriesContext(connection) as seen:
            page = answer(editor.get(INTEGRATIONS))
        assert {each["monthly_seat_price"] for each in page["results"]} == {"40.00"}
        assert {each["seats"] for each in page["results"]} == {1}
        return len(seen)

    make(0)
    queries()
    before = queries()
    for number in range(1, 20):
        make(number)
    assert queries() == before <= 10


def test_trouble_is_told(editor):
    center = CostCenterFactory(status=Status.NEEDS_ATTENTION)
    integration = IntegrationFactory(cost_center=center, attention="Cursor refused this key (401).")
    StreamFactory(integration=integration, last_error="old")
    known = answer(editor.get(f"{INTEGRATIONS}{integration.pk}/"))
    assert (known["status"], known["freshness"]) == ("needs attention", "broken")
    assert known["attention"] == known["last_error"] == "Cursor refused this key (401)."
    (stream,) = known["streams"]
    assert (stream["state"], stream["due_at"], stream["last_error"]) == ("stopped", None, "")

    CostCenter.objects.update(status=Status.ACTIVE)
    Integration.objects.update(attention="")
    known = answer(editor.get(f"{INTEGRATIONS}{integration.pk}/"))
    (stream,) = known["streams"]
    assert (known["last_error"], stream["state"]) == ("old", "failing")


@pytest.mark.parametrize("pk", ["0", "900001", "9" * 30, "-1", "x"])
def test_what_is_not_there_is_not_found(pk, editor):
    problem(editor.get(f"{INTEGRATIONS}{pk}/"), 404)
    for action in ("sync", "verify", "rotate-key", "read-again"):
        body = (
            {"credentials": {}} if action == "rotate-key" else {"first": "2026-11-01", "last": "2026-11-01"}
        )
        problem(editor.post(f"{INTEGRATIONS}{pk}/{action}/", body), 404)
    problem(editor.get(f"{INTEGRATIONS}{pk}/runs/"), 404)
    problem(editor.patch(f"{INTEGRATIONS}{pk}/", {"name": "x"}), 404)
    problem(script_of("Admin").delete(f"{INTEGRATIONS}{pk}/"), 404)
