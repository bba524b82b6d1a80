"""A key is connected, refused, echoed by a broken server, rotated, synced with faults; then it is looked for."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from auditlog.models import LogEntry as AuditEntry
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.urls import reverse
from django_q.models import OrmQ

from integrations.models import Integration, Stream, SyncRun
from tests.connecting import answers, cursor_api, work
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

#: None of them looks like a key to a pattern: only what knows them can mask them.
GOOD, WRONG, NEXT = "Zq7vXk93-good-T4hG0d", "Wm2pLr58-wrong-B6nE1f", "Hs9dJc41-next-K3yU7a"
#: What must be found nowhere: the keys, their bodies without the hint, and what HTTP Basic makes of them.
NEEDLES = [
    needle
    for key in (GOOD, WRONG, NEXT)
    for needle in (key, key[:-4], base64.b64encode(f"{key}:".encode()).decode())
]


class Everything(logging.Handler):
    """Keeps all log lines as they are before any filter, with their tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logs() -> Iterator[list[str]]:
    """Every line of every logger at DEBUG level."""
    handler = Everything()
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    before = [(logger, logger.level, logger.disabled) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
        if not logger.propagate or logger is logging.root:
            logger.addHandler(handler)
    yield handler.lines
    for logger, level, disabled in before:
        logger.setLevel(level)
        logger.disabled = disabled
        logger.removeHandler(handler)


class Echo(BaseHTTPRequestHandler):
    """A server so broken that it repeats the key it was given, in three ways and with a status of the test's choice."""

    status = 200

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        given = self.headers["Authorization"]
        key = base64.b64decode(given.removeprefix("Basic ")).decode().removesuffix(":")
        body = json.dumps(
            {"message": f"bad key {key}", "sent": given, "key": key, "teamMembers": key}
        ).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - named by the base class

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def stored() -> dict[str, str]:
    """Every table of the database as text."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[f"table {table}"] = "\n".join(str(row) for row in cursor.fetchall())
    return found


def all_pages(client: Any, integration: Integration) -> dict[str, str]:
    center = integration.cost_center
    urls = ["/", "/explorer/", "/explorer/export.csv", "/readyz", "/settings/cost-centers/", "/admin/"]
    urls += [center.get_absolute_url(), reverse("cost-center-progress", args=[center.pk])]
    urls += [reverse("connect", args=["cursor"]), "/settings/cost-centers/connect/nobody/"]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        urls.append(reverse(f"{name}_changelist"))
        first = model._default_manager.order_by("-pk").first()
        if first is not None:
            urls += [reverse(f"{name}_{page}", args=[first.pk]) for page in ("change", "history")]
    pages = {}
    for url in urls:
        response = client.get(url)
        pages[url] = b"".join(response).decode() if response.streaming else response.content.decode()
    return pages


def test_a_key_is_found_nowhere(client, settings, logs):
    """One long story, so that whatever one step leaves behind is found after the last."""
    client.raise_request_exception = False
    client.force_login(UserFactory(role="Admin", is_superuser=True))
    connect_url = reverse("connect", args=["cursor"])
    seen: dict[str, str] = {}
    with cursor_api(settings) as api, echo() as echo_url:
        api.add_key(GOOD)
        api.add_key(NEXT)

        seen["refused"] = client.post(connect_url, answers(api, admin_api_key=WRONG)).content.decode()
        seen["malformed"] = client.post(
            connect_url, answers(api, admin_api_key=f"{WRONG} {GOOD}")
        ).content.decode()

        # A server that repeats the key, a crash with and one without DEBUG.
        for status in (200, 400, 401, 403):
            Echo.status = status
            settings.CURSOR_API_URL = echo_url
            seen[f"echo {status}"] = client.post(
                connect_url, answers(api, admin_api_key=GOOD)
            ).content.decode()
        settings.CURSOR_API_URL = "http://[::1"
        for debug in (False, True):
            settings.DEBUG = debug
            response = client.post(connect_url, answers(api, admin_api_key=GOOD))
            assert response.status_code == 500
            seen[f"crash {debug}"] = response.content.decode()
        assert "Traceback" in seen["crash True"]
        settings.DEBUG = False

        settings.CURSOR_API_URL = api.url
        assert client.post(connect_url, answers(api, admin_api_key=GOOD)).status_code == 302
        seen["again"] = client.post(connect_url, answers(api, admin_api_key=GOOD)).content.decode()
        integration = Integration.objects.get()
        queued = [str(task.task) for task in OrmQ.objects.all()]
        assert len(queued) == 3
        seen["queue"] = "\n".join(queued)

        api.set_faults("server_errors,html_errors,dropped")
        seen["work"] = str(work(integration))
        api.set_faults("")

        # The same server answers the worker.
        Integration.objects.update(api_url=echo_url)
        for status in (200, 400, 401):
            Echo.status = status
            Stream.objects.update(due_at="2026-01-01T00:00:00Z")
            seen[f"work {status}"] = str(work(integration))
        assert SyncRun.objects.exclude(sample="").exists()
        seen["pages of trouble"] = str(all_pages(client, integration))

        Integration.objects.update(api_url=api.url)
        change = reverse("admin:integrations_integration_change", args=[integration.pk])
        seen["not rotated"] = client.post(change, {"new_admin_api_key": WRONG}).content.decode()
        assert client.post(change, {"new_admin_api_key": NEXT}).status_code == 302
        seen["work after"] = str(work(integration))
        pages = all_pages(client, integration)

    integration.refresh_from_db()
    seen |= stored() | pages
    seen["logs"] = "\n".join(logs)
    seen["mail"] = "\n".join(message.message().as_string() for message in mail.outbox)
    seen["sessions"] = str([session.get_decoded() for session in Session.objects.all()])
    seen["queue after"] = "\n".join(str(task.task) for task in OrmQ.objects.all())
    seen["admin history"] = str(list(LogEntry.objects.values()))
    seen["audit"] = str(list(AuditEntry.objects.values()))
    seen["repr"] = f"{integration.credentials!r} {integration.credentials.open()!r} {integration.__dict__}"

    found = {(needle, where) for where, text in seen.items() for needle in NEEDLES if needle in text}
    assert not found
    # The nets are not torn: what may be seen is seen in each of them.
    assert integration.key_hint == f"…{NEXT[-4:]}"
    for where in (
        "table integrations_integration",
        "audit",
        "repr",
        connect_url.replace("connect/cursor/", ""),
    ):
        assert integration.key_hint in seen[where], where
    assert "HTTP Request: POST" in seen["logs"]
    assert "send_request_headers" in seen["logs"]
    assert "New Admin API Key" in seen["admin history"]
    assert len(mail.outbox) >= 2
