from __future__ import annotations

import http.client
import json
from collections import Counter

import pytest

from . import reader


@pytest.fixture(scope="module")
def server():
    with reader.serve() as running:
        yield running


@pytest.fixture
def http_client(server):
    with reader.client(server) as client:
        yield client


def test_pages_cover_the_window_once_newest_first(server, http_client):
    now = server.now_ms()
    rows = []
    for page in range(1, 100):
        reply = reader.post(http_client, startDate=now - 5 * reader.DAY, endDate=now, page=page, pageSize=50)
        rows += reply["usageEvents"]
        pagination = reply["pagination"]
        assert (pagination["currentPage"], pagination["pageSize"]) == (page, 50)
        assert pagination["hasPreviousPage"] == (page > 1)
        assert pagination["hasNextPage"] == (page < pagination["numPages"])
        if not pagination["hasNextPage"]:
            break
    assert len(rows) == reply["totalUsageEventsCount"]
    stamps = [reader.instant(row) for row in rows]
    assert stamps == sorted(stamps, reverse=True)
    assert rows == reader.walk(http_client, now - 5 * reader.DAY, now + 1)


def test_the_page_after_the_last_is_empty(server, http_client):
    pages = reader.post(http_client)["pagination"]["numPages"]
    reply = reader.post(http_client, page=pages + 1)
    assert reply["usageEvents"] == []
    assert reply["pagination"]["hasNextPage"] is False


def test_defaults_are_a_hundred_events_of_the_last_thirty_days(server, http_client):
    reply = json.loads(http_client.post(reader.EVENTS).text)
    assert len(reply["usageEvents"]) == reply["pagination"]["pageSize"] == 100
    assert reply["period"] == {"startDate": server.now_ms() - 30 * reader.DAY, "endDate": server.now_ms()}


def test_both_ends_of_the_range_are_inclusive(http_client):
    stamps = [reader.instant(row) for row in reader.post(http_client)["usageEvents"]]
    newest, oldest = stamps[0], stamps[-1]
    count = stamps.count(newest)
    assert reader.post(http_client, startDate=newest, endDate=newest)["totalUsageEventsCount"] == count
    assert reader.post(http_client, startDate=newest + 1, endDate=newest + 1)["totalUsageEventsCount"] == 0
    inside = reader.post(http_client, startDate=oldest, endDate=newest)["totalUsageEventsCount"]
    assert reader.post(http_client, startDate=oldest + 1, endDate=newest)["totalUsageEventsCount"] < inside
    assert reader.post(http_client, startDate=oldest, endDate=newest - 1)["totalUsageEventsCount"] < inside


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"pageSize": 1001}, "pageSize must be between 1 and 1000"),
        ({"pageSize": 0}, "pageSize must be between 1 and 1000"),
        ({"page": 0}, "page must be at least 1"),
        ({"page": "1"}, "page must be an integer"),
        ({"page": True}, "page must be an integer"),
        ({"startDate": "2026-09-01"}, "startDate must be an integer"),
        ({"endDate": 1.5}, "endDate must be an integer"),
        ({"endDate": -1}, "endDate is out of range"),
        ({"email": 3}, "email must be a string"),
        ({"userId": "x"}, "userId must be an integer"),
        ({"startDate": 2, "endDate": 1}, "endDate must not be before startDate"),
        ({"startDate": 0, "endDate": 30 * reader.DAY + 1}, "Date range cannot exceed 30 days"),
        ([], "Request body must be a JSON object"),
    ],
)
def test_a_bad_body_is_refused_with_the_reason(http_client, body, message):
    response = http_client.post(reader.EVENTS, json=body)
    assert response.status_code == 400
    assert response.json() == {"error": "Bad Request", "message": message}


def test_a_body_that_is_no_json_is_refused(http_client):
    assert http_client.post(reader.EVENTS, content=b"{").status_code == 400


def test_exactly_thirty_days_and_a_thousand_events_are_allowed(http_client):
    reply = reader.post(http_client, startDate=0, endDate=30 * reader.DAY, pageSize=1000)
    assert reply["usageEvents"] == []


def test_a_body_without_a_length_is_refused(server, http_client):
    assert http_client.post(reader.EVENTS, content=iter([b"{}"])).status_code == 411


def test_events_can_be_filtered_by_address_or_user_number(server, http_client):
    person = server.company.team_on(reader.ANCHOR)[0]
    everything = reader.walk(http_client, server.now_ms() - 30 * reader.DAY, server.now_ms())
    mine = [row for row in everything if reader.user(row) == person.email]
    by_mail = reader.post(http_client, email=f" {person.email.upper()} ", pageSize=1000)
    by_number = reader.post(http_client, userId=person.number, pageSize=1000)
    assert by_mail["usageEvents"] == by_number["usageEvents"] == mine
    assert by_mail["totalUsageEventsCount"] == len(mine) > 0
    assert reader.post(http_client, email="nobody@example.com")["totalUsageEventsCount"] == 0


def test_an_event_appears_when_its_hour_is_over():
    clock = reader.Clock()
    with (
        reader.serve(clock=clock, company=reader.company(events=30_000)) as server,
        reader.client(server) as http,
    ):
        hour = clock.ms() // reader.HOUR * reader.HOUR
        assert reader.post(http, startDate=hour)["totalUsageEventsCount"] == 0
        assert reader.post(http, startDate=hour - reader.HOUR)["totalUsageEventsCount"] > 0
        clock.advance(minutes=25, seconds=3)
        assert reader.post(http, startDate=hour)["totalUsageEventsCount"] == 0
        clock.advance(seconds=1)
        rows = reader.post(http, startDate=hour)["usageEvents"]
        assert rows
        assert all(hour <= reader.instant(row) < hour + reader.HOUR for row in rows)


def test_new_days_appear_as_time_passes():
    clock = reader.Clock()
    with reader.serve(clock=clock) as server, reader.client(server) as http:
        before = server.truth()["totals"]["events"]
        clock.advance(days=3)
        assert server.truth()["totals"]["events"] > before + 60
        recent = reader.post(http, startDate=clock.ms() - reader.DAY, endDate=clock.ms())
        assert recent["totalUsageEventsCount"] > 10


def test_amounts_follow_the_documented_formula(server, http_client):
    rows = reader.walk(http_client, server.now_ms() - 30 * reader.DAY, server.now_ms())
    priced = [row for row in rows if "tokenUsage" in row]
    assert len(priced) > len(rows) * 0.85
    for row in priced:
        tokens = row["tokenUsage"]
        expected = tokens["totalCents"] * (100 - tokens.get("discountPercentOff", 0)) / 100
        expected += row.get("cursorTokenFee", 0)
        assert abs(row["chargedCents"] - expected) < 1e-6
    assert any("discountPercentOff" in row["tokenUsage"] for row in priced)


def test_the_mix_of_kinds_surfaces_and_people_is_believable():
    with reader.serve(company=reader.company(users=60, events=9000)) as server, reader.client(server) as http:
        rows = reader.walk(http, server.now_ms() - 30 * reader.DAY, server.now_ms())
    kinds = Counter(row["kind"] for row in rows)
    assert 0.5 < kinds["Included in Business"] / len(rows) < 0.6
    assert 0.3 < kinds["Usage-based"] / len(rows) < 0.4
    assert {"Errored, Not Charged", "Aborted, Not Charged"} <= set(kinds)
    assert any(kind.startswith("USAGE_EVENT_KIND_") for kind in kinds)
    errored = [row for row in rows if row["kind"] == "Errored, Not Charged"]
    assert all(row["chargedCents"] > 0 and row["isChargeable"] is False for row in errored)
    assert {reader.surface(row) for row in rows} == {"automation", "cloud agent", "headless", "editor"}
    users = Counter(reader.user(row) for row in rows)
    assert sum(count for _, count in users.most_common(6)) > len(rows) * 0.3
    assert {"Nightly build", "Release notes (Zürich)", "sa_triage"} <= set(users)
    assert any(row.get("userEmail", "").strip().lower() != row.get("userEmail", "") for row in rows)
    assert {"default", None} < {row["model"] for row in rows}
    assert any(len(str(row["chargedCents"]).partition(".")[2]) > 10 for row in rows)
    assert any("conversationId" not in row for row in rows)


def test_a_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    auth = reader.client(server).auth
    request = next(auth.auth_flow(reader.httpx.Request("GET", server.url)))
    for _ in range(3):
        connection.request(
            "GET", "/teams/members", headers={"Authorization": request.headers["Authorization"]}
        )
        socket = connection.sock
        response = connection.getresponse()
        assert response.read()
        assert connection.sock is socket is not None
    connection.close()
