"""How often the API may be asked: counted for each token and each person, told by every answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache

from finops.api.throttling import _count
from tests.api.answers import Script, answer, problem, script_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ME, COSTS = "/api/v1/me/", "/api/v1/costs/"
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def three_a_minute(settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    cache.clear()


@pytest.fixture
def clock():
    with time_machine.travel(NOON + timedelta(seconds=18), tick=False) as travelled:
        yield travelled


def told(response):
    return tuple(response.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))


def test_each_answer_tells_what_is_left_also_a_refusal_and_a_file(clock):
    script = script_of("Viewer")
    answers = [script.get(f"{ME}?x=1"), script.get(COSTS, accept="text/csv"), script.post(COSTS, {})]
    assert [response.status_code for response in answers] == [400, 200, 405]
    assert [told(response) for response in answers] == [("3", "2", "42"), ("3", "1", "42"), ("3", "0", "42")]


def test_beyond_it_the_answer_is_429_until_the_minute_is_over(clock):
    script = script_of("Viewer")
    for left in "210":
        assert told(script.get(ME)) == ("3", left, "42")
    assert answer(Script(script.user).get(ME))["rate_limit"] == {
        "requests_per_minute": 3,
        "remaining": 2,
        "reset_seconds": 42,
    }

    clock.shift(timedelta(seconds=41))
    refused = script.get(ME)
    body = problem(refused, 429)
    assert body["type"] == "urn:onebill:problem:too-many-requests"
    assert "1 second." in body["detail"]
    assert refused["Retry-After"] == "1"
    assert told(refused) == ("3", "0", "1")

    clock.shift(timedelta(seconds=1))
    assert told(script.get(ME)) == ("3", "2", "60")


def test_a_person_is_counted_apart_from_their_tokens(client, clock):
    user = UserFactory(role="Viewer")
    client.force_login(user)
    for _ in range(3):
        answer(client.get(ME))
    problem(client.get(ME), 429)
    answer(Script(user).get(ME))


def test_strangers_are_asked_who_they_are_and_not_counted(client, clock):
    for _ in range(5):
        assert told(client.get(ME)) == (None, None, None)


def test_zero_is_no_limit(settings):
    settings.API_REQUESTS_PER_MINUTE = 0
    script = script_of("Viewer")
    for _ in range(5):
        assert told(script.get(ME)) == (None, None, None)


def test_threads_lose_no_request():
    with ThreadPoolExecutor(8) as threads:
        counted = list(threads.map(lambda _: _count("somebody"), range(400)))
    assert sorted(counted) == list(range(1, 401))
