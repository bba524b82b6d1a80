"""Log lines: which request or sync they belong to, in both formats, and what they never hold."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as django_settings

from finops import logs
from finops.logs import request_id
from integrations.models import SyncRun
from tests.connecting import connect, cursor_api, work
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
KEY = "crsr_logs_0123456789abcdef"


class Captured:
    """The console handler as settings.py makes it, writing to a string."""

    def __init__(self, format: str) -> None:
        config = django_settings.LOGGING
        filters = [
            logging.config.DictConfigurator(config).configure_filter(config["filters"][name])
            for name in config["handlers"]["console"]["filters"]
        ]
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(
            logging.config.DictConfigurator(config).configure_formatter(dict(config["formatters"][format]))
        )
        for each in filters:
            self.handler.addFilter(each)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(params=["line", "json"])
def captured(request: Any) -> Iterator[Captured]:
    yield from capture(request.param)


@pytest.fixture
def as_json() -> Iterator[Captured]:
    yield from capture("json")


def capture(format: str) -> Iterator[Captured]:
    found = Captured(format)
    root = logging.getLogger()
    level = root.level
    root.addHandler(found.handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(found.handler)
    root.setLevel(level)


def test_a_request_leaves_one_line_with_its_id_status_and_time(as_json, client):
    client.force_login(UserFactory(role="Viewer"))
    response = client.get(
        "/explorer/?preset=7d&user=rin@example.com", headers={"X-Request-ID": "from-proxy.1"}
    )

    (line,) = [line for line in as_json.lines if line["logger"] == "onebill.requests"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/explorer/", response.status_code)
    assert line["request_id"] == response["X-Request-ID"] == "from-proxy.1"
    assert isinstance(line["ms"], int)
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    assert "rin@" not in as_json.text


def test_a_line_for_people_holds_the_same(client):
    for found in capture("line"):
        client.get("/accounts/login/", headers={"X-Request-ID": "abc"})
        assert "INFO onebill.requests [abc] GET /accounts/login/ 200 " in found.text


@pytest.mark.parametrize(("path", "status"), [("/settings/people/", 403), ("/nowhere/", 404)])
def test_a_refused_request_leaves_its_id_and_no_traceback(as_json, client, path, status):
    client.force_login(UserFactory(role="Viewer"))
    response = client.get(path)

    assert response.status_code == status
    refused = [line for line in as_json.lines if line["logger"] == "django.request"]
    assert [line["request_id"] for line in refused] == [response["X-Request-ID"]]
    assert not any("exc_info" in line for line in refused)


def test_probes_are_silent_unless_asked_for_everything(as_json, client):
    client.get("/healthz")

    assert [line["level"] for line in as_json.lines if line.get("path") == "/healthz"] == ["DEBUG"]


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/reset/MQ/abc123-0123456789abcdef/",
        "/accounts/reset/MQ/abc123-0123456789abcdef)",
        "/invitation/MQ/abc123-0123456789abcdef/",
        "/invitation/MQ/abc123-0123456789abcdef/odd",
        "/notifications/stop/abc123-0123456789abcdef/",
    ],
)
def test_an_address_that_lets_its_holder_act_is_not_logged(captured, client, path):
    client.get(path, {"x": "1"})

    assert "onebill.requests" in captured.text
    assert "abc123" not in captured.text


def test_a_key_is_in_no_line_argument_or_traceback(captured):
    log = logging.getLogger("anything")
    log.warning("given %s", KEY, extra={"request": f"<WSGIRequest {KEY}>", "path": "/x"})
    try:
        try:
            raise ValueError(f"inner {KEY}")
        except ValueError as error:
            raise RuntimeError(f"outer {KEY}") from error
    except RuntimeError:
        log.exception("failed with %(key)s", {"key": KEY}, stack_info=True)
    log.error({"message": KEY})

    assert "outer" in captured.text
    assert "RuntimeError" in captured.text
    assert KEY not in captured.text
    assert "WSGIRequest" not in captured.text


def test_a_line_of_json_is_one_line_whatever_it_holds(as_json):
    logging.getLogger("anything").warning("two\nlines “quoted” \x1b[31m")

    (line,) = as_json.lines
    assert line["message"] == "two\nlines “quoted” \x1b[31m"
    assert set(line) == {"time", "level", "logger", "message"}


def test_nothing_of_a_finished_request_or_sync_clings_to_later_lines(as_json, client):
    client.get("/accounts/login/")
    with logs.syncing(3, "usage"):
        logs.run_id.set(7)
        logging.getLogger("anything").warning("within")
    logging.getLogger("anything").warning("after")

    within, after = as_json.lines[-2:]
    assert (within["integration"], within["stream"], within["run"]) == (3, "usage", 7)
    assert not {"integration", "stream", "run", "request_id"} & set(after)
    assert request_id.get() == "-"


@pytest.mark.django_db(transaction=True)
def test_lines_of_a_sync_name_connection_stream_and_run(as_json, client, settings):
    client.force_login(UserFactory(role="Admin"))
    with cursor_api(settings, events=200) as api:
        integration = connect(client, api)
        work(integration)
        lines = [line for line in as_json.lines if line["logger"] == "integrations.session"]
        runs = {run.pk: run for run in SyncRun.objects.of_windows()}
        assert {line["run"] for line in lines} == set(runs)
        for line in lines:
            assert line["integration"] == integration.pk
            assert line["stream"] == runs[line["run"]].stream

        api.revoke()
        integration.streams.update(due_at="2026-01-01T00:00:00Z")
        work(integration)
    failed = SyncRun.objects.of_windows().filter(outcome=SyncRun.Outcome.FAILED).first()
    assert failed is not None
    warned = [line for line in as_json.lines if line["level"] == "WARNING" and line.get("run") == failed.pk]
    assert [line["message"] for line in warned] == [f"KeyRefused: {failed.message}"]
