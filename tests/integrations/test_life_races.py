"""Two people, or a person and a worker, at the very same moment: one order of locks, so nobody waits for ever."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from costcenters.models import CostCenter
from integrations import engine, life, notices, purge
from integrations.claims import Claim
from integrations.connections import NotConnected
from integrations.life import NotPossible
from integrations.models import Integration, Stream, SyncRun
from integrations.providers import PROVIDERS

from .conftest import assert_equals_truth, sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(sandbox):
    return sandbox(days=4, events=60)


def current():
    return Integration.objects.select_related("cost_center").get()


def at_once(*acts):
    """Run all at the same moment; what each of them raised, None for nothing."""
    barrier, outcomes = threading.Barrier(len(acts)), {}

    def run(number, act):
        try:
            barrier.wait(10)
            act()
            outcomes[number] = None
        except Exception as error:
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return [outcomes[number] for number in range(len(acts))]


def test_a_revival_and_a_deletion_at_once_end_with_one_of_them(server, connect, runtime, clock):
    sync(connect(server), runtime)
    for _ in range(4):
        page = current()
        if page.credentials is not None:
            life.remove(page, with_history=False, now=clock())
            page = current()
        outcomes = at_once(
            lambda: connect(server), lambda page=page: life.remove(page, with_history=True, now=clock())
        )
        assert sum(outcome is None for outcome in outcomes) == 1, outcomes
        if outcomes[0] is None:
            assert isinstance(outcomes[1], NotPossible)
            assert CostCenter.objects.get().status == CostCenter.Status.CONNECTING
            assert not Stream.objects.filter(name=Stream.PURGE).exists()
        else:
            assert isinstance(outcomes[0], NotConnected)
            assert purge.purge(Stream.objects.get(name=Stream.PURGE).pk, runtime=runtime)
            assert not CostCenter.objects.exists()
            sync(connect(server), runtime)


def test_two_removals_at_once_begin_one_deletion(server, connect, runtime, clock):
    sync(connect(server), runtime)
    page = current()
    removal = [lambda: life.remove(page, with_history=True, now=clock())] * 2
    outcomes = at_once(*removal)
    assert outcomes == [None, None]
    assert Stream.objects.filter(name=Stream.PURGE).count() == 1


@pytest.mark.parametrize("only_if_due", [True, False])
def test_a_worker_that_waited_for_a_pause_to_be_stored_gets_nothing(
    only_if_due, server, connect, runtime, clock
):
    stream = connect(server).streams.get(name="usage")
    is_locked = threading.Event()

    def pause_slowly():
        with transaction.atomic():
            life.pause(current(), now=clock())
            is_locked.set()
            time.sleep(0.5)
        connection.close()

    pausing = threading.Thread(target=pause_slowly)
    pausing.start()
    assert is_locked.wait(10)
    claim = Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=runtime, only_if_due=only_if_due)
    pausing.join()
    assert claim is None
    stream.refresh_from_db()
    assert (stream.claim_token, stream.claimed_until) == ("", None)


def test_everybody_at_once_waits_for_nobody_for_ever(server, connect, runtime, clock):
    """Syncs, pauses, resumptions, presses and refusals in four threads: each is done or politely refused."""
    sync(connect(server), runtime)
    streams = list(Stream.objects.order_by("pk").values_list("pk", flat=True))
    clock.now += timedelta(hours=1)

    def worker():
        for _ in range(4):
            for pk in streams:
                engine.sync_stream(pk, runtime=runtime, thorough=True)

    def person(*acts):
        def act():
            for _ in range(10):
                for one in acts:
                    try:
                        one()
                    except NotPossible:
                        continue

        return act

    outcomes = at_once(
        worker,
        person(
            lambda: life.pause(current(), now=clock()),
            lambda: life.resume(current(), now=clock()),
        ),
        person(
            lambda: life.sync_now(current(), now=clock()),
            lambda: life.test_connection(current(), runtime=runtime),
        ),
        person(lambda: notices.needs_attention(current(), "refused", clock())),
    )

    assert outcomes == [None] * 4
    if CostCenter.objects.get().status == CostCenter.Status.PAUSED:
        life.resume(current(), now=clock())
    life.test_connection(current(), runtime=runtime)
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE
    results = sync(current(), runtime)
    assert all(result.complete for result in results.values())
    assert not SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING).exists()
    assert_equals_truth(current(), server)
