"""The worker's entry points: the tick rings once, a task does what is due and goes on when out of time."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django_q.models import OrmQ

from costcenters.models import CostLineItem
from finops.models import Heartbeat
from integrations import notices, tasks
from integrations.http import Runtime
from integrations.models import Notice, Stream
from tests.connecting import MailServer
from tests.factories import UserFactory

from .conftest import assert_equals_truth

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def real(clock):
    """The worker looks at the real clock; the sandbox's stands still at this moment."""
    clock.now = datetime.now(UTC)
    return clock


def rung():
    return sorted(task.task["args"][0] for task in OrmQ.objects.all())


def ids(integration):
    return sorted(integration.streams.values_list("pk", flat=True))


def later(**span):
    return datetime.now(UTC) + timedelta(**span)


def test_a_tick_rings_once_for_what_is_due_however_often_it_ticks(real, sandbox, connect):
    integration = connect(sandbox(days=3, events=50), runtime=Runtime())
    resting = integration.streams.get(name="spend")
    Stream.objects.filter(pk=resting.pk).update(due_at=later(hours=1))
    OrmQ.objects.all().delete()

    said = [tasks.tick() for _ in range(4)]

    assert [text.split(",")[0] for text in said] == ["2 streams due", *["0 streams due"] * 3]
    assert rung() == [pk for pk in ids(integration) if pk != resting.pk]


def test_a_bell_that_seems_to_be_lost_is_rung_again(real, sandbox, connect):
    integration = connect(sandbox(days=3, events=50), runtime=Runtime())
    tasks.tick()
    OrmQ.objects.all().delete()
    usage = integration.streams.get(name="usage")
    Stream.objects.filter(pk=usage.pk).update(rung_at=later(minutes=-11))

    tasks.tick()

    assert rung() == [usage.pk]


def test_a_stream_that_was_worked_on_is_rung_for_when_it_is_due_again(real, sandbox, connect):
    integration = connect(sandbox(days=3, events=50), runtime=Runtime())
    tasks.tick()
    for pk in ids(integration):
        tasks.sync(pk)
    OrmQ.objects.all().delete()
    tasks.tick()
    assert rung() == []

    Stream.objects.update(due_at=later(seconds=-1))
    tasks.tick()
    assert rung() == ids(integration)


def test_a_tick_beats_the_heartbeat_even_when_there_is_nothing_to_do():
    before = datetime.now(UTC)
    assert tasks.tick() == "0 streams due, 0 e-mails sent"
    assert before <= Heartbeat.objects.get(name=Heartbeat.WORKER).beat_at <= datetime.now(UTC)


def test_a_task_for_a_stream_that_is_not_due_does_nothing(real, sandbox, connect):
    server = sandbox(days=3, events=50)
    integration = connect(server, runtime=Runtime())
    Stream.objects.update(due_at=later(hours=1))
    OrmQ.objects.all().delete()
    before, asked = list(Stream.objects.order_by("pk").values()), len(server.requests)

    assert [tasks.sync(pk) for pk in ids(integration)] == ["not due, or somebody else's"] * 3

    assert list(Stream.objects.order_by("pk").values()) == before
    assert len(server.requests) == asked
    assert rung() == []
    assert not CostLineItem.objects.exists()


def test_a_task_for_a_stream_that_is_gone_does_nothing():
    assert tasks.sync(4711) == "not due, or somebody else's"


def test_a_task_out_of_time_hands_the_rest_to_the_next_one(real, sandbox, connect, monkeypatch):
    monkeypatch.setattr(tasks, "TASK_TIME", timedelta(milliseconds=80))
    server = sandbox(days=150, events=1500, faults=("slow",))
    integration = connect(server, runtime=Runtime())
    usage = integration.streams.get(name="usage")
    said = []
    while not said or said[-1] == "goes on":
        OrmQ.objects.all().delete()
        said.append(tasks.sync(usage.pk))
        assert rung() == ([usage.pk] if said[-1] == "goes on" else [])
        assert len(said) < 100

    assert said[-1].endswith("requests")
    assert len(said) > 2
    assert_equals_truth(integration, server)


class SlowMailServer(MailServer):
    """Holds the first message until the second one is there, and that one for a moment."""

    def __init__(self, settings):
        super().__init__(settings)
        self.first, self.second = threading.Event(), threading.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if not self.first.is_set():
            self.first.set()
            await asyncio.to_thread(self.second.wait, 10)
        else:
            self.second.set()
            await asyncio.sleep(0.5)
        return await super().handle_DATA(server, session, envelope)


def test_two_deliveries_at_once_send_each_message_once(real, sandbox, connect, settings):
    """One has two messages before it and comes to the second while the other is sending that."""
    UserFactory(role="Admin", username="boss@example.com")
    integration = connect(sandbox(days=3, events=50), runtime=Runtime())
    for event in (Notice.Event.KEY_REFUSED, Notice.Event.SET_UP):
        Notice.objects.create(integration=integration, event=event, not_before=real.now)
    sent = []

    def deliver():
        try:
            sent.append(notices.deliver(later(seconds=1)))
        finally:
            connection.close()

    mail = SlowMailServer(settings)
    mail.start()
    try:
        threads = [threading.Thread(target=deliver) for _ in range(2)]
        threads[0].start()
        assert mail.first.wait(10)
        threads[1].start()
        for thread in threads:
            thread.join()
    finally:
        mail.stop()

    assert sent == [1, 1]
    assert len({message["Subject"] for message in mail.messages}) == len(mail.messages) == 2
    assert not Notice.objects.exists()
