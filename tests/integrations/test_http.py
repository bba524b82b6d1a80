"""The one HTTP client: what it retries, how long it waits, and that it gives nothing away."""

from __future__ import annotations

import logging
import socket
import threading
import time
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from integrations.errors import ContractBroken, KeyRefused, Unreachable
from integrations.http import ApiClient, Runtime, ShortGuard

from .conftest import Clock

KEY = "crsr_very_secret_0123456789"


class Patient:
    """A guard that lets everything through and remembers the waits."""

    def __init__(self):
        self.waits = []
        self.requests = 0

    def before_request(self, path):
        self.requests += 1

    def wait(self, seconds):
        self.waits.append(seconds)


def client(handler, guard=None, **runtime):
    runtime = Runtime(transport=httpx.MockTransport(handler), random=lambda: 1.0, **runtime)
    return ApiClient(
        base_url="http://cursor.test",
        auth=(KEY, ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=guard or Patient(),
    )


def answers(*responses):
    queue = list(responses)

    def answer(request):
        response = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(response, Exception):
            raise response
        return response

    return answer


OK = httpx.Response(200, json={"ok": 1})


def test_the_key_is_the_user_name_of_basic_auth():
    def answer(request):
        assert httpx.BasicAuth(KEY, "")._auth_header == request.headers["Authorization"]
        return httpx.Response(200, json={"cents": 0.1})

    with client(answer) as api:
        assert api.get("/teams/members") == {"cents": Decimal("0.1")}


def test_a_429_is_waited_out_as_retry_after_says():
    guard = Patient()
    with client(
        answers(httpx.Response(429, headers={"Retry-After": "7"}, text="slow down"), OK), guard
    ) as api:
        assert api.get("/x") == {"ok": 1}
    assert guard.waits == [7.0]


def test_a_429_with_a_date_is_waited_out_until_then():
    clock = Clock()
    guard = Patient()
    later = (clock() + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with client(answers(httpx.Response(429, headers={"Retry-After": later}), OK), guard, clock=clock) as api:
        api.get("/x")
    assert guard.waits == [20.0]


def test_a_429_without_retry_after_backs_off_ever_longer():
    guard = Patient()
    with client(answers(*[httpx.Response(429, text="Too many")] * 5, OK), guard) as api:
        api.get("/x")
    assert guard.waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, json={"error": "Internal Server Error"}),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(200, text="<html>Maintenance</html>"),
        httpx.Response(200, text='{"usageEvents": ['),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("closed"),
    ],
    ids=str,
)
def test_a_transient_fault_is_tried_again(trouble):
    guard = Patient()
    with client(answers(trouble, trouble, OK), guard) as api:
        assert api.get("/x") == {"ok": 1}
    assert len(guard.waits) == 2


def test_a_lasting_outage_ends_in_an_error_that_says_it_is_tried_again():
    with (
        client(answers(httpx.Response(503))) as api,
        pytest.raises(Unreachable, match="problem of its own"),
    ):
        api.get("/x")


def test_what_is_never_json_breaks_the_contract_with_a_sample():
    with (
        client(answers(httpx.Response(200, text="<html>hello</html>"))) as api,
        pytest.raises(ContractBroken) as broken,
    ):
        api.get("/x")
    assert broken.value.sample == "<html>hello</html>"


@pytest.mark.parametrize(
    ("response", "reason", "words"),
    [
        (
            httpx.Response(401, json={"code": "error", "message": "Invalid Team API Key"}),
            "key",
            "Invalid Team API Key",
        ),
        (httpx.Response(401, json={"error": "Unauthorized", "message": "Invalid API key"}), "key", "revoked"),
        (
            httpx.Response(
                401, json={"message": "You must be a member of an enterprise team to access this resource"}
            ),
            "plan",
            "enterprise team",
        ),
        (
            httpx.Response(403, json={"error": "Forbidden", "message": "Enterprise access required"}),
            "plan",
            "scope",
        ),
    ],
)
def test_a_refusal_tells_the_key_from_the_plan(response, reason, words):
    guard = Patient()
    with client(answers(response), guard) as api, pytest.raises(KeyRefused, match=words) as refused:
        api.get("/x")
    assert refused.value.reason == reason
    assert guard.requests == 1


@pytest.mark.parametrize("status", [400, 404, 301, 302])
def test_other_answers_are_not_retried_nor_followed(status):
    guard = Patient()
    response = httpx.Response(status, headers={"Location": "http://elsewhere.test/"}, json={"message": "no"})
    with client(answers(response), guard) as api, pytest.raises(ContractBroken, match=str(status)):
        api.get("/x")
    assert guard.requests == 1


def test_an_echoed_key_is_masked_in_messages_and_samples():
    echo = httpx.Response(400, json={"message": f"bad key {KEY}"})
    with client(answers(echo)) as api, pytest.raises(ContractBroken) as broken:
        api.get("/x")
    assert KEY not in str(broken.value)
    assert KEY not in broken.value.sample


@pytest.mark.parametrize("status", [401, 403, 400])
def test_what_a_provider_says_is_one_line_that_any_database_holds(status):
    said = "no\0\n2026-11-22 00:00:00 INFO onebill all is well\x1b[31m \u202egnp"
    with pytest.raises((KeyRefused, ContractBroken)) as caught:
        client(answers(httpx.Response(status, json={"message": said}))).get("/teams/members")
    assert str(caught.value).isprintable()
    assert "no 2026-11-22 00:00:00 INFO onebill all is well[31m gnp" in str(caught.value)


def test_a_key_across_the_end_of_a_sample_is_masked_too():
    key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    body = "x" * (600 - len(key) // 2) + key
    runtime = Runtime(transport=httpx.MockTransport(answers(httpx.Response(400, text=body))))
    asking = ApiClient(
        base_url="http://cursor.test",
        auth=(key, ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=Patient(),
    )
    with pytest.raises(ContractBroken) as caught:
        asking.get("/teams/members")
    assert key[:8] not in caught.value.sample
    assert len(caught.value.sample) <= 600


def test_nothing_logged_at_debug_level_holds_the_key(caplog):
    caplog.set_level(logging.DEBUG)
    with (
        client(answers(httpx.Response(500), httpx.Response(401, json={"message": "no"}))) as api,
        pytest.raises(KeyRefused),
    ):
        api.get("/x")
    assert KEY not in caplog.text


def test_a_verify_does_not_wait_longer_than_ten_seconds_in_all():
    slept = []
    runtime = Runtime(
        transport=httpx.MockTransport(answers(httpx.Response(429, headers={"Retry-After": "4"}))),
        sleep=slept.append,
    )
    api = ApiClient(
        base_url="http://cursor.test",
        auth=(KEY, ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=ShortGuard(runtime),
    )
    with api, pytest.raises(Unreachable, match="Try again in a minute"):
        api.get("/x")
    assert sum(slept) <= 10


@pytest.mark.parametrize(
    ("greeting", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: yes\r\n"),
    ],
    ids=["body", "headers"],
)
def test_a_reply_that_trickles_is_cut_off_at_the_total_deadline(greeting, drop):
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(greeting)
                    for _ in range(1000):
                        connection.sendall(drop)
                        time.sleep(0.05)
                except OSError:
                    continue

    threading.Thread(target=trickle, daemon=True).start()
    runtime = Runtime(request_seconds=0.3, read_seconds=0.2)
    guard = Patient()
    api = ApiClient(
        base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        auth=(KEY, ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=guard,
    )
    began = time.monotonic()
    with api, pytest.raises(Unreachable):
        api.get("/x")
    listener.close()
    assert time.monotonic() - began < guard.requests * 0.6
