"""Deleting the history of a removed cost center: all of it, nothing else, whatever interrupts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.apps import apps

from costcenters import line_items
from costcenters.models import Annotation, CostCenter, CostLineItem, DailyCost, SeatPrice
from integrations import connections, life, purge, tasks
from integrations.claims import Claim
from integrations.connections import NotConnected
from integrations.http import Runtime
from integrations.models import (
    ImportedFile,
    Integration,
    Member,
    ProviderTotal,
    Stream,
    Subscription,
    SyncRun,
)
from integrations.providers import PROVIDERS
from tests.factories import CostCenterFactory, DailyCostFactory
from tests.processes import ROOT, environment

from .conftest import NOW, assert_equals_truth, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_KEY = "crsr_other_0123456789abcdef0123456789abcdef"


@pytest.fixture
def server(sandbox):
    server = sandbox(days=8, events=500)
    server.add_key(OTHER_KEY, team="other")
    return server


@pytest.fixture
def other(server, runtime):
    """Another team's connection, which nobody touches."""
    connected = connections.connect(
        PROVIDERS["cursor"],
        name="Other",
        credentials={"admin_api_key": OTHER_KEY},
        monthly_seat_price=Decimal(20),
        user=None,
        runtime=runtime,
        api_url=server.url,
    )
    sync(connected.integration, runtime)
    return connected.integration


@pytest.fixture
def integration(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    return integration


def remove(integration, clock):
    life.remove(integration, with_history=True, now=clock())
    return Stream.objects.get(name=Stream.PURGE)


#: The log and the queue keep what happened; nobody's data.
KEEP = {"auditlog.LogEntry", "django_q.OrmQ", "django_q.Task", "django_q.Success", "django_q.Failure"}


def everything():
    """All rows of all tables."""
    return {
        model._meta.label: [str(row) for row in model._default_manager.order_by("pk").values_list()]
        for model in apps.get_models()
        if model._meta.label not in KEEP and not model._meta.proxy
    }


def test_no_row_of_any_table_is_left_and_nothing_else_is_touched(server, other, connect, runtime, clock):
    before = everything()
    integration = connect(server)
    sync(integration, runtime)
    center = integration.cost_center
    Annotation.objects.create(cost_center=center, day=NOW.date(), text="A new price")
    Annotation.objects.create(cost_center=None, day=NOW.date(), text="Everybody's")
    Subscription.objects.create(cost_center=center, name="Flat", price=Decimal(10), starts_on=NOW.date())
    ImportedFile.objects.create(integration=integration, location="a.csv", version="1", seen_at=NOW)
    assert ProviderTotal.objects.filter(integration=integration).exists()

    assert purge.purge(remove(integration, clock).pk, runtime=runtime)

    Annotation.objects.get(cost_center=None).delete()
    assert everything() == before
    assert connect(server).cost_center.name == "Cursor"


def test_the_reports_lose_it_and_the_name_is_free_for_any_team(integration, server, connect, runtime, clock):
    assert purge.purge(remove(integration, clock).pk, runtime=runtime)
    assert not DailyCost.objects.exists()
    again = connect(server)
    sync(again, runtime)
    assert again.pk != integration.pk
    assert_equals_truth(again, server)


def test_what_was_kept_at_the_removal_can_be_deleted_later(integration, runtime, clock):
    life.remove(integration, with_history=False, now=clock())
    assert CostLineItem.objects.exists()
    clock.now += timedelta(days=9)
    integration.refresh_from_db()

    assert purge.purge(remove(integration, clock).pk, runtime=runtime)

    assert not CostCenter.objects.exists()


def test_a_connection_that_never_read_anything_is_gone_at_once(server, connect, runtime, clock):
    stream = remove(connect(server), clock)
    assert purge.progress_of(stream).percent == 0
    assert purge.purge(stream.pk, runtime=runtime)
    assert not CostCenter.objects.exists()


def test_a_roll_up_without_line_items_does_not_keep_it(integration, runtime, clock):
    DailyCostFactory(cost_center=integration.cost_center, day=date(2020, 1, 1))
    assert purge.purge(remove(integration, clock).pk, runtime=runtime)
    assert not CostCenter.objects.exists()


def test_the_worker_does_it_in_pieces_and_tells_how_far_it_is(integration, runtime, clock, monkeypatch):
    monkeypatch.setattr(purge, "BATCH", 20)
    stream, percents, rests = remove(integration, clock), [], []

    class Ticking:
        """A clock that moves with every look at it."""

        def __call__(self):
            clock.now += timedelta(seconds=0.25)
            return clock.now

    slow = Runtime(clock=Ticking(), sleep=rests.append)
    while not purge.purge(stream.pk, runtime=slow, deadline=clock.now + timedelta(seconds=5)):
        stream.refresh_from_db()
        assert (stream.claim_token, stream.claimed_until) == ("", None)
        percents.append(purge.progress_of(stream).percent)
        lines, rolled_up = CostLineItem.objects.count(), DailyCost.objects.count()
        assert lines or not rolled_up

    assert percents == sorted(percents)
    assert len(set(percents)) > 2
    assert max(percents) < 100
    assert rests
    assert max(rests) <= purge.LONGEST_REST_SECONDS
    assert not CostCenter.objects.exists()


def test_a_day_in_pieces_leaves_the_reports_with_its_first_piece(integration):
    center, newest = integration.cost_center_id, NOW.date()
    of_today = CostLineItem.objects.filter(day=newest).count()
    assert line_items.erase_some(center, at_most=5) == 5
    assert not DailyCost.objects.filter(day=newest).exists()
    assert DailyCost.objects.filter(day=newest - timedelta(days=1)).exists()
    assert CostLineItem.objects.filter(day=newest).count() == of_today - 5


def test_while_it_runs_the_connection_is_neither_revived_nor_read(
    integration, server, connect, runtime, clock
):
    stream = remove(integration, clock)
    with pytest.raises(NotConnected, match="being deleted") as refused:
        connect(server)
    assert refused.value.field == "name"
    assert Stream.objects.wanted().get() == stream
    life.remove(Integration.objects.get(), with_history=True, now=clock())
    life.remove(Integration.objects.get(), with_history=False, now=clock())
    assert Stream.objects.filter(name=Stream.PURGE).get() == stream


def test_a_deletion_that_begins_while_a_key_is_tried_for_a_revival_wins(
    integration, server, connect, runtime, clock
):
    life.remove(integration, with_history=False, now=clock())

    def begin():
        life.remove(Integration.objects.get(), with_history=True, now=clock())

    with pytest.raises(NotConnected, match="being deleted"):
        connect(server, runtime=while_asking(clock, begin))

    assert CostCenter.objects.get().status == CostCenter.Status.DISCONNECTED
    assert purge.purge(Stream.objects.get(name=Stream.PURGE).pk, runtime=runtime)
    assert not CostCenter.objects.exists()


def test_a_deletion_that_ends_while_a_key_is_tried_for_a_revival_leaves_nothing(
    integration, server, connect, runtime, clock
):
    life.remove(integration, with_history=False, now=clock())

    def all_of_it():
        purge.purge(remove(Integration.objects.get(), clock).pk, runtime=runtime)

    with pytest.raises(NotConnected):
        connect(server, runtime=while_asking(clock, all_of_it))

    assert not CostCenter.objects.exists()
    assert connect(server)


def test_whoever_lost_it_deletes_nothing_more(integration, runtime, clock):
    stream = remove(integration, clock)
    claim = Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=runtime)
    lines = CostLineItem.objects.count()
    assert purge.purge(stream.pk, runtime=runtime)  # somebody else does it
    assert CostLineItem.objects.count() == lines
    clock.now += timedelta(seconds=61)
    assert purge.purge(stream.pk, runtime=runtime)
    assert not claim.release(due_at=clock())
    assert not CostCenter.objects.exists()
    assert purge.purge(stream.pk, runtime=runtime)  # a bell that was rung twice


def test_trouble_is_told_on_the_row_and_it_is_tried_again(integration, runtime, clock, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the disk is full")

    stream = remove(integration, clock)
    with monkeypatch.context() as broken:
        broken.setattr(line_items, "erase_some", fail)
        purge.purge(stream.pk, runtime=runtime)
    stream.refresh_from_db()
    assert (stream.attempts, stream.claim_token) == (1, "")
    assert "tried again by itself" in stream.last_error
    assert "disk" not in stream.last_error
    clock.now = stream.due_at
    assert purge.purge(stream.pk, runtime=runtime)
    assert not CostCenter.objects.exists()


def test_a_sync_of_everything_beside_it_reads_the_others_only(
    sandbox, clock, connect, runtime, other, server
):
    from io import StringIO

    from django.core.management import call_command

    removed = connect(server)
    stream = remove(removed, clock)
    asked = len(server.requests)
    out = StringIO()
    call_command("sync", stdout=out)
    assert {request.team for request in server.requests[asked:]} == {"other"}
    assert "Cursor:" not in out.getvalue()
    stream.refresh_from_db()
    assert stream.attempts == 0


def test_the_worker_goes_on_until_it_is_done(sandbox, connect, clock, monkeypatch):
    clock.now = datetime.now(UTC)
    integration = connect(sandbox(days=4, events=100, anchor=clock.now.date()), runtime=Runtime())
    sync(integration, Runtime())
    stream = remove(integration, clock)
    monkeypatch.setattr(tasks, "TASK_TIME", timedelta(0))
    monkeypatch.setattr(purge, "BATCH", 60)
    said = [tasks.sync(stream.pk) for _ in range(25)]
    assert said[0] == "goes on"
    assert "deleted" in said
    assert said[-1] == "not due, or somebody else's"
    assert not CostCenter.objects.exists()


def test_it_is_in_the_log_who_asked_for_it(integration, runtime, clock, django_user_model):
    from auditlog.context import set_actor

    boss = django_user_model.objects.create_user("boss")
    with set_actor(boss):
        stream = remove(integration, clock)
    asked = LogEntry.objects.filter(additional_data__happened="deletion of its history was asked for").get()
    assert asked.actor == boss
    purge.purge(stream.pk, runtime=runtime)
    done = LogEntry.objects.filter(additional_data__happened="its history was deleted").get()
    assert done.actor is None
    assert "Cursor" in done.object_repr


# Killed --------------------------------------------------------------------------------------------------------------

PURGE = """
import django, sys
django.setup()
from integrations import purge
from integrations.http import Runtime
purge.BATCH = int(sys.argv[2])
purge.purge(int(sys.argv[1]), runtime=Runtime())
"""


def start_process(stream, batch):
    return subprocess.Popen(
        [sys.executable, "-c", PURGE, str(stream.pk), str(batch)],
        cwd=ROOT,
        env=environment(SYNC_LEASE_SECONDS="1"),
    )


def test_killed_over_and_over_it_ends_all_the_same(sandbox, connect, clock, settings):
    clock.now = datetime.now(UTC)
    settings.SYNC_LEASE_SECONDS = 1
    server = sandbox(days=8, events=600, anchor=clock.now.date())
    integration = connect(server, runtime=Runtime())
    sync(integration, Runtime())
    other = CostCenterFactory(name="Other")
    DailyCostFactory(cost_center=other)
    stream = remove(integration, clock)
    left = [CostLineItem.objects.count()]
    for _ in range(2):
        process = start_process(stream, batch=4)
        until = time.monotonic() + 30
        while CostLineItem.objects.count() > left[-1] - 40 and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(CostLineItem.objects.count())
        rolled_up = set(DailyCost.objects.exclude(cost_center=other).values_list("day", flat=True))
        assert rolled_up <= set(CostLineItem.objects.values_list("day", flat=True))
        time.sleep(1.1)
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[1] < left[0]

    process = start_process(stream, batch=5000)
    assert process.wait(timeout=60) == 0

    assert list(CostCenter.objects.all()) == [other]
    assert not CostLineItem.objects.exists()
    assert DailyCost.objects.count() == 1
    for model in (Integration, Member, SyncRun, SeatPrice):
        assert not model.objects.exists()
