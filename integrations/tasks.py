"""The entry points of the background worker. Truth is in our rows; the queue is only a doorbell: tasks take ids."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django_q.tasks import async_task

from finops.models import Heartbeat
from finops.sessions import clear_expired_daily
from integrations import engine, notices, purge
from integrations.deliveries import uploads
from integrations.deliveries.uploads import delivery_streams
from integrations.http import Runtime
from integrations.models import Integration, Stream
from integrations.subscriptions import reminders

logger = logging.getLogger(__name__)

#: A task stops between two pages after this long; what is left goes on in the next one.
TASK_TIME = timedelta(seconds=120)
#: A delivery is checked and written as a whole: its task may go on for so long, and is ended by force after this.
DELIVERY_TIME, DELIVERY_SECONDS = timedelta(minutes=50), 3600


def tick() -> str:
    """Every minute: beat, ring for the streams whose time has come, notice what fails for a day, deliver e-mail."""
    runtime = Runtime()
    Heartbeat.beat(Heartbeat.WORKER, runtime.clock())
    uploads.wake(runtime.clock())
    due = Stream.objects.to_ring(runtime.clock())
    for stream in Stream.objects.filter(pk__in=due).order_by("due_at"):
        _knock(stream)
    notices.tell_failing(runtime.clock())
    reminders.tell_renewals(runtime.clock())
    sent = notices.deliver(runtime.clock())
    clear_expired_daily(runtime.clock())
    uploads.clean_up_daily(runtime.clock())
    return f"{len(due)} streams due, {sent} e-mails sent"


def sync(stream_id: int) -> str:
    """Work on one stream, if it is due and nobody else holds it."""
    runtime = Runtime()
    Heartbeat.beat(Heartbeat.WORKER, runtime.clock())
    stream = Stream.objects.due(runtime.clock()).filter(pk=stream_id).first()
    if stream is None:
        return "not due, or somebody else's"
    if stream.name == Stream.PURGE:
        if purge.purge(stream_id, runtime=runtime, deadline=runtime.clock() + TASK_TIME):
            return "deleted"
        _knock(stream)
        return "goes on"
    result = engine.sync_stream(
        stream_id, runtime=runtime, deadline=runtime.clock() + _time_of(stream), only_if_due=True
    )
    if result is None:
        return "somebody else's"
    if not result.complete and not result.error:
        _knock(stream)
        return "goes on"
    notices.deliver(runtime.clock())
    return result.error or f"{result.events} events, {result.requests} requests"


def ring(integration: Integration) -> None:
    """Ask the worker to look at all streams of an integration as soon as the transaction is committed."""
    streams = list(integration.streams.all())

    def now() -> None:
        for stream in streams:
            _knock(stream)

    # The tick rings too: a queue that is out of order now must not undo what was committed.
    transaction.on_commit(now, robust=True)


def _knock(stream: Stream) -> None:
    longer = {"timeout": DELIVERY_SECONDS} if _holds_deliveries(stream) else {}
    async_task("integrations.tasks.sync", stream.pk, **longer)


def _time_of(stream: Stream) -> timedelta:
    return DELIVERY_TIME if _holds_deliveries(stream) else TASK_TIME


def _holds_deliveries(stream: Stream) -> bool:
    return stream.name in delivery_streams()
