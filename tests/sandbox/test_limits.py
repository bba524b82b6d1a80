from __future__ import annotations

from collections import Counter

import pytest

from . import reader


def statuses(http, path, count):
    return Counter(http.post(path, json={"pageSize": 1}).status_code for _ in range(count))


def test_the_documented_limits_are_sixty_for_events_and_twenty_for_the_rest():
    with reader.serve(requests_per_minute=None) as server, reader.client(server) as http:
        assert statuses(http, reader.EVENTS, 63) == {200: 60, 429: 3}
        assert statuses(http, "/teams/spend", 22) == {200: 20, 429: 2}
        assert http.get("/teams/members").status_code == 200


def test_a_refusal_tells_when_to_come_back():
    with reader.serve(requests_per_minute=1) as server, reader.client(server) as http:
        http.get("/teams/members")
        response = http.get("/teams/members")
    assert response.status_code == 429
    assert response.json()["error"] == "Too Many Requests"
    assert 55 <= int(response.headers["Retry-After"]) <= 61


@pytest.mark.parametrize(("limit", "accepted"), [(3, 3), (0, 10)])
def test_a_limit_can_be_set_or_lifted(limit, accepted):
    with reader.serve(requests_per_minute=limit) as server, reader.client(server) as http:
        assert statuses(http, reader.EVENTS, 10)[200] == accepted


def test_there_is_room_again_after_a_minute():
    clock = reader.Clock()
    with reader.serve(requests_per_minute=2, clock=clock) as server, reader.client(server) as http:
        assert statuses(http, reader.EVENTS, 3) == {200: 2, 429: 1}
        clock.advance(seconds=59)
        assert statuses(http, reader.EVENTS, 1) == {429: 1}
        clock.advance(seconds=1)
        assert statuses(http, reader.EVENTS, 3) == {200: 2, 429: 1}


def test_teams_have_limits_of_their_own():
    with reader.serve(requests_per_minute=1) as server, reader.client(server) as http:
        server.add_key("crsr_second")
        server.add_key("crsr_other", team="other")
        http.get("/teams/members")
        with reader.client(server, "crsr_second") as same, reader.client(server, "crsr_other") as other:
            assert same.get("/teams/members").status_code == 429
            assert other.get("/teams/members").status_code == 200


def test_the_sandbox_endpoints_have_no_limit():
    with reader.serve(requests_per_minute=1) as server, reader.client(server) as http:
        assert {http.get("/sandbox/requests").status_code for _ in range(5)} == {200}
