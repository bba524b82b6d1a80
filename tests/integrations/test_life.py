"""What people do to a connection while it is read: rotate, remove, pause. Nothing is lost or doubled."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django_q.models import OrmQ

from costcenters.models import CostCenter, CostLineItem, DailyCost
from integrations import connections, engine, life, notices, tasks
from integrations.http import Runtime
from integrations.life import NotPossible
from integrations.models import Integration, Notice, SeatSnapshot, Stream, SyncRun
from tests.processes import manage

from .conftest import NOW, QUICK, assert_equals_truth, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = "/teams/filtered-usage-events"
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
Status = CostCenter.Status


@pytest.fixture
def server(sandbox):
    """Long enough for a backfill of several windows."""
    server = sandbox(days=100, events=900)
    server.add_key(NEW_KEY)
    return server


def current() -> Integration:
    return Integration.objects.select_related("cost_center").get()


def status() -> str:
    return CostCenter.objects.get().status


def usage() -> Stream:
    return Stream.objects.get(name="usage")


def read_usage(runtime, **options):
    return engine.sync_stream(usage().pk, runtime=runtime, **options)


def stored():
    """All that a sync writes."""
    models = (CostLineItem, DailyCost, Stream, SyncRun, SeatSnapshot)
    return {model: list(model.objects.order_by("pk").values()) for model in models}


def windows_asked(server, after=0):
    return Counter(
        (request.body["startDate"], request.body["endDate"], request.body["page"])
        for request in server.requests[after:]
        if request.path == USAGE and request.body["pageSize"] > 1
    )


def rotate(runtime, secret=NEW_KEY):
    return connections.rotate(current(), {"admin_api_key": secret}, runtime=runtime)


# A new key -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_key_rotated_in_the_middle_of_a_backfill_leaves_no_gap_and_no_double(
    is_revoked, server, connect, runtime, clock
):
    connect(server)

    def replace():
        rotate(runtime)
        if is_revoked:
            server.revoke()

    cut_short = read_usage(while_asking(clock, replace, USAGE, nth=4))

    assert cut_short.lost
    assert not cut_short.complete
    assert (status(), current().attention) == (Status.CONNECTING, "")
    unfinished = [SyncRun.Outcome.RUNNING, SyncRun.Outcome.FAILED]
    assert not SyncRun.objects.of_windows().filter(outcome__in=unfinished).exists()
    assert read_usage(runtime, only_if_due=True).complete
    sync(current(), runtime)
    assert_equals_truth(current(), server)
    assert status() == Status.ACTIVE
    assert [notice.event for notice in Notice.objects.all()] == [Notice.Event.SET_UP]


def test_after_a_rotation_only_the_window_that_was_cut_short_is_asked_for_again(
    server, connect, runtime, clock
):
    connect(server)
    read_usage(while_asking(clock, lambda: rotate(runtime), USAGE, nth=4))
    read_usage(runtime)
    assert sorted(windows_asked(server).values())[-2:] == [1, 2]


def test_a_key_rotated_while_paused_is_not_used_before_it_is_resumed(server, connect, runtime, clock):
    sync(connect(server), runtime)
    life.pause(current(), now=clock())

    rotate(runtime)

    server.revoke()
    asked = len(server.requests)
    assert status() == Status.PAUSED
    assert not Stream.objects.due(clock()).exists()
    assert read_usage(runtime) is None
    assert len(server.requests) == asked
    life.resume(current(), now=clock())
    assert all(result.complete for result in sync(current(), runtime).values())


def test_a_key_rotated_before_the_history_is_there_leaves_it_connecting(server, connect, runtime):
    connect(server)
    rotate(runtime)
    assert status() == Status.CONNECTING
    sync(current(), runtime)
    assert status() == Status.ACTIVE
    assert_equals_truth(current(), server)


# Removing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 4])
@pytest.mark.parametrize("with_history", [False, True])
def test_nothing_is_written_after_a_removal_in_the_middle_of_a_request(
    with_history, nth, server, connect, clock
):
    connect(server)
    after = []

    def remove():
        life.remove(current(), with_history=with_history, now=clock())
        after.append(stored())

    result = read_usage(while_asking(clock, remove, USAGE, nth))

    assert result.lost
    assert [stored()] == after
    assert status() == Status.DISCONNECTED
    assert current().credentials is None
    assert not SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING).exists()
    assert Stream.objects.filter(name=Stream.PURGE).exists() == with_history


def test_between_two_windows_a_removal_opens_no_run_and_asks_for_nothing(server, connect, runtime, clock):
    connect(server)
    after = []

    def remove(*_):
        life.remove(current(), with_history=False, now=clock())
        after.append((stored(), len(server.requests)))

    read_usage(runtime, progress=remove)

    assert [(stored(), len(server.requests))] == after


def test_a_process_at_work_writes_nothing_once_the_connection_is_removed(sandbox, connect, clock):
    clock.now = datetime.now(UTC)
    plan = type(QUICK)(slow_seconds=0.5, every=1)
    server = sandbox(days=90, events=900, anchor=clock.now.date(), faults=("slow",), plan=plan)
    connect(server, runtime=Runtime())
    verified = len(server.requests)
    process = manage("sync")
    until = time.monotonic() + 60
    while len(server.requests) < verified + 3 and time.monotonic() < until:
        time.sleep(0.02)

    life.remove(current(), with_history=False, now=clock())

    after = stored()
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output
    assert process.returncode == 0, output
    assert stored() == after
    assert status() == Status.DISCONNECTED


def test_a_removal_that_comes_after_a_revival_takes_nothing_away(server, connect, runtime, clock):
    sync(connect(server), runtime)
    life.remove(current(), with_history=False, now=clock())
    page = current()
    connect(server)

    with pytest.raises(NotPossible, match="connected again a moment ago"):
        life.remove(page, with_history=True, now=clock())

    assert status() == Status.CONNECTING
    assert not Stream.objects.filter(name=Stream.PURGE).exists()
    sync(current(), runtime)
    assert_equals_truth(current(), server)


def test_a_second_removal_changes_nothing(server, connect, runtime, clock):
    sync(connect(server), runtime)
    life.remove(current(), with_history=False, now=clock())
    before = stored()
    life.remove(current(), with_history=False, now=clock())
    assert stored() == before


def test_a_revival_fills_the_gap_and_counts_no_seats_for_the_days_between(server, connect, runtime, clock):
    sync(connect(server), runtime)
    life.remove(current(), with_history=False, now=clock())
    clock.now += timedelta(days=40)

    connect(server)
    assert not Stream.objects.exclude(claim_token="").exists()
    sync(current(), runtime)

    assert_equals_truth(current(), server)
    assert seat_days() == [NOW.date(), clock.now.date()]


def seat_days():
    found = CostLineItem.objects.filter(charge_type="seat").values_list("day", flat=True)
    assert all(times == Counter(found)[NOW.date()] for times in Counter(found).values())
    return sorted(set(found))


# Pausing -------------------------------------------------------------------------------------------------------------


def test_a_pause_stops_a_running_sync_and_nothing_is_asked_for(server, connect, runtime, clock):
    connect(server)
    after = []

    def pause():
        life.pause(current(), now=clock())
        after.append(stored())

    result = read_usage(while_asking(clock, pause, USAGE, nth=3))

    assert result.lost
    assert [stored()] == after
    assert not SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING).exists()
    asked = len(server.requests)
    clock.now += timedelta(hours=3)
    assert not Stream.objects.due(clock()).exists()
    assert [tasks.sync(stream.pk) for stream in Stream.objects.all()] == ["not due, or somebody else's"] * 3
    assert read_usage(runtime, thorough=True) is None
    assert len(server.requests) == asked


def test_what_was_paused_goes_on_fills_the_gap_and_repeats_the_team(server, connect, runtime, clock):
    sync(connect(server), runtime)
    life.pause(current(), now=clock())
    clock.now += timedelta(days=5)
    Stream.objects.update(attempts=3, failing_since=NOW)
    OrmQ.objects.all().delete()

    life.resume(current(), now=clock())

    assert status() == Status.ACTIVE
    assert OrmQ.objects.count() == 3
    assert not Stream.objects.exclude(failing_since=None).exists()
    for stream in Stream.objects.due(clock()):
        assert engine.sync_stream(stream.pk, runtime=runtime, only_if_due=True).complete
    assert_equals_truth(current(), server)
    assert seat_days() == [date(2026, 11, day) for day in range(20, 26)]


def test_a_set_up_that_is_paused_goes_on_as_one(server, connect, runtime, clock):
    connect(server)
    life.pause(current(), now=clock())
    page = current()
    life.resume(page, now=clock())
    assert status() == Status.CONNECTING
    sync(current(), runtime)

    life.pause(current(), now=clock())
    page.set_up_at = None  # as somebody saw it who opened the page before
    life.resume(page, now=clock())
    assert status() == Status.ACTIVE


def test_only_what_is_paused_is_resumed_and_only_what_works_is_paused(server, connect, clock):
    connect(server)
    before = stored()
    with pytest.raises(NotPossible, match="not paused"):
        life.resume(current(), now=clock())
    assert stored() == before
    notices.needs_attention(current(), "refused", clock())
    with pytest.raises(NotPossible, match="needs attention"):
        life.pause(current(), now=clock())
    life.remove(current(), with_history=False, now=clock())
    for act in (life.pause, life.resume, life.sync_now):
        with pytest.raises(NotPossible):
            act(current(), now=clock())
    assert status() == Status.DISCONNECTED


def test_a_command_that_is_at_work_does_not_go_on_with_what_was_paused(
    server, connect, clock, monkeypatch, capsys
):
    from django.core.management import call_command

    from integrations.management.commands import sync as command

    connect(server)
    runtime = while_asking(clock, lambda: life.pause(current(), now=clock()), USAGE, nth=3)
    monkeypatch.setattr(command, "Runtime", lambda: runtime)

    call_command("sync")

    assert "paused" in capsys.readouterr().out
    assert status() == Status.PAUSED
    assert max(windows_asked(server).values()) == 1
    assert not Stream.objects.exclude(claim_token="").exists()
