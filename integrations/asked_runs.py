"""The run of all that somebody asked for at once: begun with the wish, done when every stream it is about is complete.

The windows that are read for it are runs of their own, made by whoever reads them. Its row is locked after the streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q

from finops.money import EXACT
from integrations.models import Integration, SyncRun, SyncRunQuerySet
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, RecordKind, Span, StreamSpec
from integrations.session import run_amount

#: What a column of counts holds.
MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The run to follow. `has_begun`: something is read for it that was not being read already."""

    run: SyncRun
    has_begun: bool


def begin(integration: Integration, *, now: datetime, span: Span | None = None) -> SyncRun:
    """The run of everything, or of a `span` of the history; the one that is running where there is one.

    To be called with the streams locked, once those that it is about are due.
    """
    start, end = (now, now) if span is None else (span.start, span.end)
    same = Q(window_end=F("window_start")) if span is None else Q(window_start=start, window_end=end)
    running = _running(integration).filter(same).first()
    return running or SyncRun.objects.create(
        integration=integration,
        stream=SyncRun.EVERYTHING,
        window_start=start,
        window_end=end,
        started_at=now,
    )


def stream_complete(integration: Integration, now: datetime) -> None:
    """End the runs of which no other stream is left. To be called in the transaction that says so of the stream."""
    # Locked: of two streams that are complete at once, the second one sees the first.
    for run in _running(integration).select_for_update():
        left = Q(finished_at=None) | Q(finished_at__lt=run.started_at)
        if not integration.streams.filter(left, name__in=_names(run, integration)).exists():
            _end(run, SyncRun.Outcome.DONE, now=now)


def stream_failed(integration: Integration, spec: StreamSpec, why: str, now: datetime) -> None:
    """End the runs that the stream is part of: it is tried again by itself, they are not."""
    for run in _running(integration).select_for_update():
        if spec.name in _names(run, integration):
            _end(run, SyncRun.Outcome.FAILED, f"{spec.label}: {why}", now=now)


def stop(integration: Integration, outcome: SyncRun.Outcome, why: str, *, now: datetime) -> None:
    """End what is running: nobody reads for it any more. To be called with the streams locked."""
    for run in _running(integration).select_for_update():
        _end(run, outcome, why, now=now)


def _running(integration: Integration) -> SyncRunQuerySet:
    found = SyncRun.objects.filter(integration=integration, outcome=SyncRun.Outcome.RUNNING)
    return found.asked_for().order_by("pk")


def _names(run: SyncRun, integration: Integration) -> set[str]:
    """The streams that a run is about: those with a history for a span of it, else all that make the bill."""
    provider: Provider = PROVIDERS[integration.provider]
    return {
        spec.name
        for spec in provider.streams
        if (spec.kind is RecordKind.LINE_ITEM if run.has_window else spec.kind is not RecordKind.PERIOD_TOTAL)
    }


def _end(run: SyncRun, outcome: SyncRun.Outcome, message: str = "", *, now: datetime) -> None:
    """Close the run with the sums of the windows that were read meanwhile."""
    windows = SyncRun.objects.filter(integration=run.integration_id, pk__gt=run.pk).of_windows().order_by()
    columns = (
        "events",
        "requests",
        "waited_seconds",
        "amount_before",
        "amount_after",
        "kept_days",
        "outcome",
    )
    events = requests = waited = failed = 0
    before = after = Decimal(0)
    has_amount = False
    kept: set[str] = set()
    for row in windows.values_list(*columns, named=True):
        events, requests = events + row.events, requests + row.requests
        waited += row.waited_seconds
        kept.update(row.kept_days)
        failed += row.outcome == SyncRun.Outcome.FAILED
        if row.amount_before is not None and row.amount_after is not None:
            before, after = EXACT.add(before, row.amount_before), EXACT.add(after, row.amount_after)
            has_amount = True
    if not message and failed:
        message = "Some of what was found could not be read: the runs since say what and why."
    amounts = [run_amount(int(EXACT.scaleb(amount, 9))) if has_amount else None for amount in (before, after)]
    SyncRun.objects.filter(pk=run.pk).update(
        outcome=outcome,
        finished_at=now,
        events=min(events, MOST),
        requests=min(requests, MOST),
        waited_seconds=min(waited, MOST),
        amount_before=amounts[0],
        amount_after=amounts[1],
        kept_days=sorted(kept),
        message=message,
    )
