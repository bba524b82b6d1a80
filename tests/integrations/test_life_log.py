"""Who did what to a connection is in the audit log, and no secret is."""

from __future__ import annotations

import json

import pytest
from auditlog.context import set_actor
from auditlog.models import LogEntry

from integrations import connections, life, notices
from integrations.models import Integration
from tests.factories import UserFactory

from .conftest import NOW, sync

pytestmark = pytest.mark.django_db(transaction=True)

NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"


def current():
    return Integration.objects.select_related("cost_center").get()


@pytest.fixture
def server(sandbox):
    server = sandbox(days=4, events=60)
    server.add_key(NEW_KEY)
    return server


def test_each_change_is_recorded_with_its_author_and_without_a_secret(server, connect, runtime, clock):
    boss = UserFactory(role="Admin")
    told = {}

    def by_boss(what, change):
        before = LogEntry.objects.count()
        with set_actor(boss):
            change()
        fresh = list(LogEntry.objects.order_by("pk")[before:])
        assert fresh, what
        assert {entry.actor for entry in fresh} == {boss}, what
        told[what] = [(entry.changes, entry.additional_data) for entry in fresh]

    by_boss("connected", lambda: connect(server))
    sync(current(), runtime)
    by_boss("paused", lambda: life.pause(current(), now=clock()))
    by_boss("resumed", lambda: life.resume(current(), now=clock()))
    by_boss(
        "read again",
        lambda: life.read_again(current(), NOW.date(), NOW.date(), may_shrink=True, now=clock()),
    )
    notices.needs_attention(current(), "refused", clock())
    by_boss("healed", lambda: life.test_connection(current(), runtime=runtime))
    by_boss("rotated", lambda: connections.rotate(current(), {"admin_api_key": NEW_KEY}, runtime=runtime))
    by_boss("removed", lambda: life.remove(current(), with_history=False, now=clock()))
    by_boss("revived", lambda: connect(server))
    by_boss("removed for good", lambda: life.remove(current(), with_history=True, now=clock()))

    assert told["paused"] == [({"status": ["active", "paused"]}, None)]
    assert told["resumed"] == [({"status": ["paused", "active"]}, None)]
    assert "fewer events" in told["read again"][0][1]["happened"]
    assert ({"status": ["needs attention", "active"]}, None) in told["healed"]
    assert any("key_hint" in changes for changes, _ in told["rotated"])
    assert ({"status": ["active", "disconnected"]}, None) in told["removed"]
    assert ({"status": ["disconnected", "connecting"]}, None) in told["revived"]
    assert any(data for _, data in told["removed for good"])
    everything = json.dumps(list(LogEntry.objects.values("changes", "additional_data", "object_repr")))
    for secret in (server.api_key, NEW_KEY):
        assert secret not in everything
        assert secret[5:-4] not in everything
