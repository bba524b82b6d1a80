"""A first load while it runs, and what a bill that is new adds up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Min

from costcenters import line_items
from costcenters.catalog import is_late
from costcenters.cost_query import CostQuery, Filter
from costcenters.explorer import SumTooLargeError, report
from costcenters.links import explorer_url
from costcenters.models import ChargeType, CostCenter, DailyCost
from costcenters.overview.questions import USAGE
from costcenters.periods import Granularity, Span, midnight
from finops.money import display
from integrations.models import Integration, Stream, SyncRun
from integrations.pages.instants import window_label
from integrations.pages.streams import is_held, next_try
from integrations.progress import History, history_streams, in_words, minutes_left
from integrations.providers.base import Provider, RecordKind


@dataclass(frozen=True, slots=True)
class Bill:
    """What the history so far adds up to: usage only, or all that files brought."""

    events: int
    amount: str
    since: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Loading:
    """The backfill while it runs. `time_left` is empty when nothing can be said; `newest_are_in` is False too while the
    gap of one that was connected again is filled."""

    history: History
    newest_are_in: bool
    windows: int
    time_left: str
    limit: int | None
    activities: tuple[str, ...]


def bill_since(center: CostCenter, since: datetime, now: datetime) -> Bill | None:
    """From the first usage on, `since` when there is none. None where that is more than can be added up."""
    since = line_items.earliest(center.pk, ChargeType.USAGE) or since
    question = CostQuery(
        Span(since.date(), now.date()),
        granularity=Granularity.TOTAL.value,
        filters=(Filter("cost_center", (center.name,)), USAGE),
        currency=center.currency,
    )
    try:
        total = report(question, now=now).total
    except SumTooLargeError:
        return None
    link = CostQuery(
        question.span, granularity=Granularity.MONTH.value, group_by=("model",), filters=question.filters[:1]
    )
    return Bill(total.events, display(Decimal(total.measure), center.currency), since, explorer_url(link))


def bill_of_files(center: CostCenter, now: datetime) -> Bill | None:
    """All that is in the bill. None while that is nothing, and where it is more than can be added up."""
    days = DailyCost.objects.filter(cost_center=center).aggregate(first=Min("day"), last=Max("day"))
    if days["first"] is None:
        return None
    question = CostQuery(
        Span(days["first"], days["last"]),
        granularity=Granularity.TOTAL.value,
        filters=(Filter("cost_center", (center.name,)),),
        currency=center.currency,
    )
    try:
        total = report(question, now=now).total
    except SumTooLargeError:
        return None
    link = replace(question, granularity=Granularity.MONTH.value, group_by=("service",))
    amount = display(Decimal(total.measure), center.currency)
    return Bill(total.events, amount, midnight(days["first"]), explorer_url(link))


def loading(
    integration: Integration,
    provider: Provider,
    streams: list[Stream],
    runs: list[SyncRun],
    history: History,
    bill: Bill | None,
    now: datetime,
    *,
    through: datetime | None,
) -> Loading:
    loaded = history_streams(provider, streams)
    limit, minutes = None, None
    if len(loaded) == 1 and bill is not None:
        spec, _ = loaded[0]
        limit = provider.requests_per_minute(spec.path)
        minutes = minutes_left(history, events=bill.events, spec=spec, requests_per_minute=limit)
    return Loading(
        history=history,
        newest_are_in=through is not None and not is_late(through, now, provider.slug),
        windows=integration.runs.filter(
            stream__in=[spec.name for spec, _ in loaded], outcome__in=SyncRun.STORED
        ).count(),
        time_left="" if minutes is None else in_words(minutes),
        limit=limit,
        activities=tuple(activities(provider, streams, runs, now)),
    )


def activities(provider: Provider, streams: list[Stream], runs: list[SyncRun], now: datetime) -> list[str]:
    """What each unfinished stream is doing, or what keeps it."""
    running = {run.stream: run for run in runs if run.outcome == SyncRun.Outcome.RUNNING}
    by_name = {stream.name: stream for stream in streams}
    turn = "its turn" if any(is_held(stream, now) for stream in streams) else "the background worker"
    sentences = []
    for spec in provider.streams:
        stream = by_name.get(spec.name)
        if stream is None or (stream.finished_at is not None and not stream.last_error):
            continue
        if is_held(stream, now) and spec.name in running:
            run = running[spec.name]
            what = window_label(run.window_start, run.window_end)
            sentences.append(
                f"{spec.label}: reading{'' if spec.kind is RecordKind.DELIVERY else f' {what}'}."
            )
        elif stream.last_error:
            sentences.append(f"{spec.label}: {stream.last_error} {next_try(stream, now)}")
        elif stream.due_at > now:
            sentences.append(
                f"{spec.label}: waiting for {provider.name}'s rate limit. {next_try(stream, now)}"
            )
        elif not is_held(stream, now):
            sentences.append(f"{spec.label}: waiting for {turn}.")
    return sentences
