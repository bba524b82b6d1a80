"""`manage.py sync`: what it says, and that its exit status is 0 only when all is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from costcenters.models import CostCenter, CostLineItem
from integrations import connections, notices
from integrations.http import Runtime
from integrations.management.commands import sync as command
from integrations.providers import PROVIDERS
from tests.processes import manage

from .conftest import assert_equals_truth

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_KEY = "crsr_other_0123456789abcdef0123456789abcdef"


@pytest.fixture
def server(clock, sandbox, monkeypatch):
    """On the real clock, which the command looks at; only its waits between tries are left out."""
    clock.now = datetime.now(UTC)
    monkeypatch.setattr(command, "Runtime", partial(Runtime, sleep=lambda seconds: None))
    server = sandbox(days=6, events=200)
    server.add_key(OTHER_KEY, team="other")
    return server


@pytest.fixture
def integration(server, connect):
    return connect(server, runtime=Runtime())


@pytest.fixture
def other(server):
    """A second connection, to another team."""
    connected = connections.connect(
        PROVIDERS["cursor"],
        name="Other",
        credentials={"admin_api_key": OTHER_KEY},
        monthly_seat_price=None,
        user=None,
        runtime=Runtime(),
        api_url=server.url,
    )
    return connected.integration


def run(*arguments):
    """Exit status and what was printed."""
    out = StringIO()
    try:
        call_command("sync", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def about(text, stream):
    (line,) = [line for line in text.splitlines() if f": {stream}: " in line]
    return line


def paths(server, after=0):
    return [request.path for request in server.requests[after:]]


def test_everything_is_read_and_the_repetition_changes_nothing(server, integration):
    status, text = run()
    assert status == 0, text
    assert "lines added" in about(text, "usage")
    assert about(text, "spend")
    assert_equals_truth(integration, server)
    before = list(CostLineItem.objects.order_by("pk").values())

    status, text = run()

    assert status == 0, text
    assert about(text, "usage").endswith("nothing changed")
    assert about(text, "members").endswith("nothing changed")
    assert list(CostLineItem.objects.order_by("pk").values()) == before


def test_the_exit_status_of_the_process_tells_whether_all_is_complete(server, integration):
    done = manage("sync")
    output, _ = done.communicate(timeout=60)
    assert done.returncode == 0, output

    server.revoke()
    refused = manage("sync")
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode == 1, output
    assert "Traceback" not in output
    assert server.api_key not in output


def test_an_api_that_cannot_be_reached_is_a_failure(server, integration):
    server.close()

    status, text = run()

    assert status == 1
    assert "could not be reached" in about(text, "usage")
    assert "NOT complete" in about(text, "members")
    assert CostCenter.objects.get().status == CostCenter.Status.CONNECTING


def test_after_a_refused_key_the_other_streams_are_not_asked(server, integration):
    server.revoke()
    asked = len(server.requests)

    status, text = run()

    assert status == 1
    assert "refused this key" in about(text, "usage")
    assert set(paths(server, asked)) == {"/teams/filtered-usage-events"}
    assert len(paths(server, asked)) == 1
    assert CostCenter.objects.get().status == CostCenter.Status.NEEDS_ATTENTION


def test_a_cost_center_that_needs_attention_is_named_and_not_asked(server, integration, other):
    notices.needs_attention(integration, "Its key was refused.", datetime.now(UTC))
    asked = len(server.requests)

    status, text = run()

    assert status == 1
    assert "Cursor: needs attention. Its key was refused." in text
    assert {request.team for request in server.requests[asked:]} == {"other"}
    assert other.streams.filter(finished_at=None).count() == 0


@pytest.mark.parametrize("status", [CostCenter.Status.PAUSED, CostCenter.Status.DISCONNECTED])
def test_what_is_paused_or_removed_is_left_alone_and_no_failure(status, server, integration):
    CostCenter.objects.update(status=status)
    asked = len(server.requests)
    assert run()[0] == 0
    assert len(server.requests) == asked


def test_one_connection_alone_can_be_read(server, integration, other):
    asked = len(server.requests)

    status, text = run("--integration", str(other.pk))

    assert status == 0, text
    assert {request.team for request in server.requests[asked:]} == {"other"}
    assert "Cursor: " not in text


def test_trouble_of_one_connection_does_not_keep_the_others_from_being_read(server, integration, other):
    server.revoke()
    status, text = run()
    assert status == 1
    assert "Other: usage: " in text
    assert other.streams.filter(finished_at=None).count() == 0


def test_an_unknown_connection_is_an_error(integration):
    status, text = run("--integration", "4711")
    assert status == 1
    assert "There is no connection 4711." in text


def test_when_nothing_is_connected_it_says_so():
    status, text = run()
    assert status == 0
    assert "Nothing is connected yet" in text
