"""Writes the lines of all subscriptions of a cost center: after a change on their pages, and each day by the worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from costcenters.line_items import replace_window, span_of
from costcenters.models import CostCenter
from costcenters.periods import ONE_DAY, midnight
from costcenters.records import Change, LineItem, Window
from integrations import windows
from integrations.models import HEALTHY, Integration, Stream, Subscription, SyncRun
from integrations.providers.base import Span
from integrations.session import Session, run_amount
from integrations.subscriptions.lines import CHARGE_TYPES, line_items, terms_of


def read_subscriptions(session: Session) -> None:
    """Everything from the first day of the earliest one to today, today included. Nobody is asked."""
    now = session.runtime.clock()
    session.open_run(_today(now))
    with transaction.atomic():
        # Whoever changes one locks the stream first: from here on they stay as they are until the end.
        session.claim.fence(synced_through=now)
        written = write(session.center, now.date())
        session.close_run(written.outcome, events=written.lines, change=written.change)
    session.tell_progress()


def write_at_once(integration: Integration, now: datetime, *, since: date | None) -> Change:
    """The same in the transaction of a change, on record as a run. To be called with the streams locked.

    No line before `since` has changed (None: nobody knows), so the days before are left alone, unread.
    Of a cost center that is paused or removed, what was counted before follows the change; no day is added.
    """
    center = integration.cost_center
    works = center.status in CostCenter.WORKING
    through = now.date()
    if not works and center.complete_through is not None:
        through = min(through, center.complete_through.date() - ONE_DAY)
    if since is not None and center.complete_through is not None:
        # Days that the worker has missed are filled.
        since = min(since, center.complete_through.date(), through)
    written = write(center, through, since=since)
    SyncRun.objects.create(
        integration=integration,
        stream=_stream_of(integration).name,
        window_start=written.span.start,
        window_end=written.span.end,
        started_at=now,
        finished_at=now,
        outcome=written.outcome,
        events=written.lines,
        amount_before=run_amount(written.change.amount_before),
        amount_after=run_amount(written.change.amount_after),
        message="Somebody changed a subscription.",
    )
    if works:
        integration.streams.exclude(name=Stream.PURGE).update(synced_through=now, finished_at=now, **HEALTHY)
    return written.change


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the lines, how many there are, and the span that was compared with what was stored."""

    change: Change
    lines: int
    span: Span

    @property
    def outcome(self) -> SyncRun.Outcome:
        return SyncRun.Outcome.UNCHANGED if self.change.is_empty else SyncRun.Outcome.DONE


def write(center: CostCenter, today: date, *, since: date | None = None) -> Written:
    """Make the cost center hold exactly the lines of its subscriptions up to `today`, inclusive, from `since` or else
    from its very first day on.

    Inside the transaction of whoever holds its stream. Raises WindowError when they do not fit.
    """
    items: list[LineItem] = []
    for subscription in Subscription.objects.filter(cost_center=center).prefetch_related("seat_changes"):
        items += line_items(subscription, terms_of(subscription), today, since=since)
    end = midnight(today) + windows.DAY
    starts = [midnight(today), *(item.started_at for item in items)]
    stored = span_of(center.pk)
    if stored is not None:
        # What is no longer any subscription's goes.
        starts.append(windows.floor_day(stored.start))
        end = max(end, windows.floor_day(stored.end) + windows.DAY)
    start = min(starts) if since is None else midnight(since)
    window = Window(center.pk, start, end, CHARGE_TYPES)
    change = replace_window(window, items)
    CostCenter.objects.filter(pk=center.pk).update(complete_through=midnight(today + ONE_DAY))
    return Written(change, len(items), Span(window.start, window.end))


def _stream_of(integration: Integration) -> Stream:
    return integration.streams.exclude(name=Stream.PURGE).get()


def _today(now: datetime) -> Span:
    start = windows.floor_day(now)
    return Span(start, start + windows.DAY)
