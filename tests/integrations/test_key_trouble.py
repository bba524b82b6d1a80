"""A key that stops working: the connection stops, says so once, and a test or a new key heals it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costcenters.models import CostCenter
from integrations import connections, engine, life, notices
from integrations.http import Runtime
from integrations.life import NotPossible
from integrations.models import Integration, Notice, Stream

from .conftest import assert_equals_truth, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
Status = CostCenter.Status


@pytest.fixture
def server(sandbox):
    server = sandbox(days=10, events=400)
    server.add_key(NEW_KEY)
    return server


@pytest.fixture
def integration(server, connect, runtime):
    """A connection whose history is there, a day later."""
    integration = connect(server)
    sync(integration, runtime)
    Notice.objects.all().delete()
    return integration


def current():
    return Integration.objects.select_related("cost_center").get()


def status():
    return CostCenter.objects.get().status


def events():
    return [notice.event for notice in Notice.objects.order_by("pk")]


def restore(server):
    server.add_key(server.api_key)


def rotate(runtime):
    return connections.rotate(current(), {"admin_api_key": NEW_KEY}, runtime=runtime)


def read_what_is_due(runtime, clock):
    return [
        engine.sync_stream(stream.pk, runtime=runtime, only_if_due=True)
        for stream in Stream.objects.due(clock())
    ]


def test_a_key_revoked_at_the_provider_stops_everything_with_one_notice(integration, server, runtime, clock):
    clock.now += timedelta(days=1)
    server.revoke()

    read_what_is_due(runtime, clock)
    clock.now += timedelta(hours=5)
    read_what_is_due(runtime, clock)

    assert status() == Status.NEEDS_ATTENTION
    assert "refused this key" in current().attention
    assert events() == [Notice.Event.KEY_REFUSED]


@pytest.mark.parametrize("how", ["test", "rotate"])
def test_a_key_that_works_again_heals_and_the_gap_is_filled(how, integration, server, runtime, clock):
    clock.now += timedelta(days=1)
    server.revoke()
    read_what_is_due(runtime, clock)
    clock.now += timedelta(days=6)

    if how == "test":
        restore(server)
        verified = life.test_connection(current(), runtime=runtime)
        assert verified.members
    else:
        rotate(runtime)

    assert (status(), current().attention) == (Status.ACTIVE, "")
    # The rest of the pass that was cut short, then what came since.
    for _ in range(2):
        assert not any(result.error for result in read_what_is_due(runtime, clock))
    assert not Stream.objects.due(clock()).exists()
    assert_equals_truth(current(), server)


def test_a_test_that_is_refused_stops_the_connection_and_says_why(integration, server, runtime):
    server.revoke()

    with pytest.raises(NotPossible, match="refused this key"):
        life.test_connection(current(), runtime=runtime)

    assert status() == Status.NEEDS_ATTENTION
    assert "refused this key" in current().attention
    assert events() == [Notice.Event.KEY_REFUSED]
    with pytest.raises(NotPossible, match="refused this key"):
        life.test_connection(current(), runtime=runtime)
    assert events() == [Notice.Event.KEY_REFUSED]


def test_a_refused_test_of_what_is_paused_leaves_it_paused(integration, server, runtime, clock):
    life.pause(current(), now=clock())
    server.revoke()
    with pytest.raises(NotPossible, match="refused this key"):
        life.test_connection(current(), runtime=runtime)
    restore(server)
    life.test_connection(current(), runtime=runtime)
    assert status() == Status.PAUSED
    assert events() == []


def test_the_refusal_of_a_key_that_was_replaced_meanwhile_stops_nothing(integration, server, runtime, clock):
    def replace():
        rotate(runtime)
        server.revoke()

    with pytest.raises(NotPossible, match="refused this key"):
        life.test_connection(current(), runtime=while_asking(clock, replace))

    assert (status(), current().attention, events()) == (Status.ACTIVE, "", [])


def test_a_good_test_of_a_connection_that_is_removed_meanwhile_revives_nothing(
    integration, server, runtime, clock
):
    def remove():
        life.remove(current(), with_history=False, now=clock())

    life.test_connection(current(), runtime=while_asking(clock, remove))

    assert (status(), current().credentials) == (Status.DISCONNECTED, None)
    with pytest.raises(NotPossible, match="no key any more"):
        life.test_connection(current(), runtime=runtime)


def test_a_provider_that_cannot_be_reached_says_nothing_about_the_key(integration, server, runtime):
    server.close()
    with pytest.raises(NotPossible, match="says nothing about the key"):
        life.test_connection(current(), runtime=runtime)
    assert (status(), events()) == (Status.ACTIVE, [])


def test_a_refusal_that_arrives_after_the_test_succeeded_stops_nothing(integration, server, clock, runtime):
    """Two workers ask while the key is refused; it is mended before the second one hears its refusal."""

    def mend():
        notices.needs_attention(current(), "refused", clock())
        life.test_connection(current(), runtime=runtime)
        server.revoke()

    clock.now += timedelta(hours=1)
    stream = Stream.objects.get(name="usage")
    result = engine.sync_stream(stream.pk, runtime=while_asking(clock, mend, "/teams/filtered"))

    assert result.lost
    assert status() == Status.ACTIVE


def test_a_test_counts_towards_the_limits_and_does_not_disturb_a_running_sync(
    integration, server, clock, runtime
):
    clock.now += timedelta(hours=1)
    stream = Stream.objects.get(name="usage")
    checked = while_asking(clock, lambda: life.test_connection(current(), runtime=runtime), "/teams/filtered")
    assert engine.sync_stream(stream.pk, runtime=checked).complete
    members = Stream.objects.get(name="members")
    assert members.recent_requests[-1] == clock().timestamp()


def test_the_key_is_in_no_message(integration, server, runtime):
    server.revoke()
    with pytest.raises(NotPossible) as refused:
        life.test_connection(current(), runtime=Runtime(clock=runtime.clock, sleep=runtime.sleep))
    assert server.api_key not in str(refused.value)
    assert server.api_key not in current().attention
