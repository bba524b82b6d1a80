from __future__ import annotations

import json
import time

import httpx
import pytest

from integrations.sandbox import FaultPlan
from integrations.sandbox.faults import TRANSPORT, Trouble, UnknownFaultError, named

from . import reader

QUICK = FaultPlan(slow_seconds=0.2, stall_seconds=5)


def troubled(fault, plan=QUICK):
    server = reader.serve(fault, plan=plan)
    return server, reader.client(server, timeout=0.4)


def first_replies(fault, count=3):
    """The same request again and again: what each try brought."""
    server, http = troubled(fault)
    with server, http:
        return [http.get("/teams/members") for _ in range(count)]


def test_rate_limit_says_when_to_come_back():
    refused, again, good = first_replies("rate_limit")
    assert [refused.status_code, again.status_code, good.status_code] == [429, 429, 200]
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["error"] == "Too Many Requests"


def test_rate_limit_bare_says_nothing_more():
    refused, _, good = first_replies("rate_limit_bare")
    assert (refused.status_code, good.status_code) == (429, 200)
    assert "Retry-After" not in refused.headers
    assert refused.headers["Content-Type"] == "text/plain"


def test_server_errors_come_in_bursts():
    replies = first_replies("server_errors")
    assert [reply.status_code for reply in replies] == [500, 500, 200]
    assert replies[0].json()["error"] == "Internal Server Error"


def test_html_errors_come_even_with_status_200():
    server, http = troubled("html_errors", FaultPlan(every=1))
    with server, http:
        tries = [
            (reply.status_code, reply.text[:6]) for reply in (http.get("/teams/members") for _ in range(6))
        ]
    assert [status for status, text in tries if text == "<html>"] == [502, 503, 200, 502]
    assert [status for status, text in tries if text != "<html>"] == [200, 200]


def test_truncated_json_is_a_complete_reply_of_half_a_document():
    broken, _, good = first_replies("truncated_json")
    assert broken.status_code == 200
    assert int(broken.headers["Content-Length"]) == len(broken.content) > 0
    with pytest.raises(ValueError):
        broken.json()
    assert good.text.startswith(broken.text)
    assert good.json()


def test_slow_trickles_and_gets_through():
    server, http = troubled("slow")
    with server, http:
        started = time.monotonic()
        assert http.get("/teams/members").json()["teamMembers"]
        assert time.monotonic() - started > 0.15


def test_stalled_stops_half_way_with_the_connection_open():
    server, http = troubled("stalled")
    with server, http:
        with pytest.raises(httpx.ReadTimeout):
            http.get("/teams/members")
        assert http.get("/teams/members").status_code == 200


def test_a_stalled_connection_ends_with_the_server():
    server, http = troubled("stalled", FaultPlan(stall_seconds=60))
    with http:
        with server, pytest.raises(httpx.ReadTimeout):
            http.get("/teams/members")
        started = time.monotonic()
    assert time.monotonic() - started < 1


def test_dropped_breaks_off_half_way_and_then_before_any_reply():
    server, http = troubled("dropped")
    with server, http:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                http.get("/teams/members")
        assert http.get("/teams/members").status_code == 200
        assert [request.status for request in server.requests] == [200, 0, 200]
        assert [request.fault for request in server.requests] == ["dropped", "dropped", ""]


@pytest.mark.parametrize("fault", TRANSPORT)
def test_a_patient_client_gets_every_page_through(fault):
    plan = FaultPlan(slow_seconds=0.05, stall_seconds=5, every=2)
    server = reader.serve(fault, plan=plan)
    with server, reader.client(server, timeout=0.1) as http:
        for page in range(1, 6):
            assert patiently(http, {"pageSize": 20, "page": page})["usageEvents"]
    assert any(request.fault == fault for request in server.requests)


def test_all_transport_faults_take_turns_and_let_everything_through():
    plan = FaultPlan(slow_seconds=0.05, stall_seconds=5, every=1)
    server = reader.serve("all-transport", plan=plan)
    with server, reader.client(server, timeout=0.1) as http:
        for page in range(1, 11):
            assert patiently(http, {"pageSize": 20, "page": page})["usageEvents"]
    assert set(TRANSPORT) <= {request.fault for request in server.requests}


def patiently(http, body, tries=4):
    for _ in range(tries):
        try:
            response = http.post(reader.EVENTS, json=body)
            if response.status_code == 200:
                return response.json()
        except (httpx.TransportError, json.JSONDecodeError):
            continue
    raise AssertionError("never got through")


def test_a_request_that_was_cut_off_does_not_count_as_served():
    with reader.serve("truncated_json", "history_forgotten") as server, reader.client(server) as http:
        old = server.now_ms() - 25 * reader.DAY
        assert server.truth(0, old)["totals"]["events"] > 0
        http.post(reader.EVENTS, json={"startDate": old - 5 * reader.DAY, "endDate": old, "pageSize": 1000})
        server.mutate()
        assert server.truth(0, old)["totals"]["events"] == 0


def test_trouble_comes_back_with_the_next_round_of_requests():
    trouble = Trouble({"server_errors"}, FaultPlan(every=2, burst=1))
    assert [trouble.strike("a") for _ in range(6)] == ["server_errors", "", "", "server_errors", "", ""]


def test_faults_can_be_replaced_while_running():
    with reader.serve("server_errors") as server, reader.client(server) as http:
        assert http.get("/teams/members").status_code == 500
        assert http.post("/sandbox/faults", json={"faults": []}).json() == {"faults": []}
        assert http.get("/teams/members").status_code == 200
        assert http.post("/sandbox/faults", json={"faults": ["rate_limit"]}).json() == {
            "faults": ["rate_limit"]
        }
        assert http.get("/teams/members").status_code == 429


def test_groups_and_comma_lists_name_faults():
    assert named("slow, dropped") == {"slow", "dropped"}
    assert named(["all-transport"]) == set(TRANSPORT)
    assert named("") == frozenset()
    with pytest.raises(UnknownFaultError, match=r"Unknown fault 'snow'. Known: rate_limit, .*all-transport"):
        named(["slow", "snow"])
