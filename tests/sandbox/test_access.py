from __future__ import annotations

import base64

import httpx
import pytest

from integrations.sandbox import DEFAULT_KEY, FaultPlan

from . import reader


@pytest.fixture(scope="module")
def server():
    with reader.serve() as running:
        yield running


def test_a_good_key_gets_in(server):
    with reader.client(server) as http:
        assert http.get("/teams/members").status_code == 200


@pytest.mark.parametrize("auth", [("crsr_wrong", ""), (DEFAULT_KEY, "password"), ("", "")])
def test_any_other_key_is_refused(server, auth):
    response = httpx.get(f"{server.url}/teams/members", auth=auth)
    assert response.status_code == 401
    assert response.json() == {"code": "error", "message": "Invalid Team API Key"}


def test_no_key_at_all_is_refused(server):
    response = httpx.get(f"{server.url}/teams/members")
    assert response.status_code == 401
    assert response.json() == {"error": "Unauthorized", "message": "Invalid API key"}


@pytest.mark.parametrize("header", ["Bearer " + DEFAULT_KEY, "Basic %%%", "Basic " + "/w==", "Basic"])
def test_a_malformed_header_is_refused(server, header):
    assert httpx.get(f"{server.url}/teams/members", headers={"Authorization": header}).status_code == 401


def test_an_unknown_path_is_not_found(server):
    with reader.client(server) as http:
        assert http.get("/teams/nothing").status_code == 404
        assert http.get(reader.EVENTS).status_code == 404
        assert http.post("/sandbox/nothing").status_code == 404


def test_it_listens_on_loopback_only(server):
    assert server.url.startswith("http://127.0.0.1:")


def test_a_revoked_key_is_refused_and_a_new_one_of_the_same_team_gets_in():
    with reader.serve() as server, reader.client(server) as http:
        before = http.get("/teams/members").json()
        assert http.post("/sandbox/keys", json={"add": "crsr_new"}).status_code == 200
        assert http.post("/sandbox/revoke", json={}).status_code == 200
        assert http.get("/teams/members").status_code == 401
        with reader.client(server, "crsr_new") as rotated:
            assert rotated.get("/teams/members").json() == before
            http.post("/sandbox/revoke", json={"key": "crsr_new"})
            assert rotated.get("/teams/members").status_code == 401


def test_a_key_of_another_team_sees_nobody_of_the_first():
    with reader.serve() as server, reader.client(server) as http:
        http.post("/sandbox/keys", json={"add": "crsr_other", "team": "other"})
        with reader.client(server, "crsr_other") as stranger:
            theirs = stranger.get("/teams/members").json()["teamMembers"]
            assert reader.post(stranger)["totalUsageEventsCount"] > 0
        ours = http.get("/teams/members").json()["teamMembers"]
        assert theirs
        assert not {m["email"].lower() for m in ours} & {m["email"].lower() for m in theirs}
        assert not {m["id"] for m in ours} & {m["id"] for m in theirs}


def test_requests_are_recorded_without_keys():
    with reader.serve() as server, reader.client(server) as http:
        reader.post(http, page=2, pageSize=10)
        http.post(reader.EVENTS, content=b"no json")
        http.post("/sandbox/keys", json={"add": "crsr_secret"})
        first, second = server.requests
        assert (first.method, first.path, first.body, first.status) == (
            "POST",
            reader.EVENTS,
            {"page": 2, "pageSize": 10},
            200,
        )
        assert first.time == reader.NOW
        assert (second.body, second.status) == (None, 400)
        told = http.get("/sandbox/requests").text
        encoded = base64.b64encode(f"{server.api_key}:".encode()).decode()
        assert '"status": 200' in told
        assert not any(secret in told for secret in ("crsr_", encoded))


def test_nothing_is_logged(capfd):
    with reader.serve() as server, reader.client(server) as http:
        http.get("/teams/members")
        http.get("/teams/nothing")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "body", [{"faults": ["typo"]}, {"faults": 3}, {"faults": [3]}], ids=["unknown", "number", "numbers"]
)
def test_wrong_fault_names_are_a_clear_error(body):
    with reader.serve() as server, reader.client(server) as http:
        response = http.post("/sandbox/faults", json=body)
        assert response.status_code == 400
        if body["faults"] == ["typo"]:
            assert "'typo'" in response.json()["message"]
            assert "late_events" in response.json()["message"]


def test_a_key_to_add_must_be_named(server):
    with reader.client(server) as http:
        response = http.post("/sandbox/keys", json={})
        assert response.status_code == 400
        assert response.json()["message"] == "add is required"


def test_key_revoked_refuses_after_some_requests_until_the_faults_are_replaced():
    with reader.serve("key_revoked", plan=FaultPlan(revoke_after=3)) as server, reader.client(server) as http:
        statuses = [http.get("/teams/members").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 401, 401]
        http.post("/sandbox/faults", json={"faults": []})
        assert http.get("/teams/members").status_code == 200


def test_plan_refusal_tells_of_the_plan():
    with reader.serve("plan_refusal") as server, reader.client(server) as http:
        response = http.get("/teams/members")
    assert response.status_code == 401
    assert response.json() == {
        "message": "You must be a member of an enterprise team to access this resource"
    }


def test_scope_refusal_is_forbidden():
    with reader.serve("scope_refusal") as server, reader.client(server) as http:
        response = http.get("/teams/members")
    assert response.status_code == 403
    assert response.json() == {"error": "Forbidden", "message": "Enterprise access required"}
