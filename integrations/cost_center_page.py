"""One cost center's page: how far it has come, what happens right now, what was read and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Count, Q

from costcenters import line_items
from costcenters.catalog import is_late
from costcenters.cost_query import CostQuery, Filter
from costcenters.explorer import SumTooLargeError, report
from costcenters.links import explorer_url
from costcenters.models import ChargeType, CostCenter, SeatPrice
from costcenters.overview.questions import USAGE
from costcenters.periods import Granularity, Span
from finops.models import Heartbeat
from finops.money import display
from integrations.badges import Badge, outcome_badge, status_badge
from integrations.models import Integration, Stream, SyncRun
from integrations.progress import History, history_of, history_streams, in_words, minutes_left, overall
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider

RUNS_SHOWN = 25
SET_UP_IS_NEWS_FOR = timedelta(hours=24)
STORED = (SyncRun.Outcome.DONE, SyncRun.Outcome.UNCHANGED, SyncRun.Outcome.KEPT)


@dataclass(frozen=True, slots=True)
class Bill:
    """What the history so far adds up to, usage only."""

    events: int
    amount: str
    since: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Loading:
    """The backfill while it runs. `time_left` is empty when nothing can be said."""

    history: History
    windows: int
    time_left: str
    limit: int | None
    activities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamRow:
    label: str
    stream: Stream
    badge: Badge
    note: str


@dataclass(frozen=True, slots=True)
class RunRow:
    run: SyncRun
    stream: str
    window: str
    badge: Badge
    revised_by: str


@dataclass(frozen=True, slots=True)
class Team:
    """How many of the members ever seen are active in a paid seat, active without one, or gone."""

    paid: int
    unpaid: int
    left: int


@dataclass(frozen=True, slots=True)
class CostCenterPage:
    """`is_live`: something changes by the second, so the page asks again."""

    center: CostCenter
    integration: Integration | None
    provider_name: str
    badge: Badge
    stamp_state: str
    loading: Loading | None
    bill: Bill | None
    set_up_is_news: bool
    worker_is_missing: bool
    streams: tuple[StreamRow, ...]
    runs: tuple[RunRow, ...]
    prices: tuple[tuple[SeatPrice, str], ...]
    team: Team | None

    @property
    def is_live(self) -> bool:
        return self.center.status == CostCenter.Status.CONNECTING


def cost_center_page(center: CostCenter, now: datetime) -> CostCenterPage:
    integration: Integration | None = (
        Integration.objects.filter(cost_center=center).select_related("connected_by").first()
    )
    provider = PROVIDERS.get(center.provider)
    streams = [] if integration is None else list(integration.streams.order_by("pk"))
    runs = [] if integration is None else list(integration.runs.all()[:RUNS_SHOWN])
    labels = {} if provider is None else {spec.name: spec.label for spec in provider.streams}
    history = None
    if provider is not None:
        history = overall(history_of(stream, now) for _, stream in history_streams(provider, streams))
    is_connecting = center.status == CostCenter.Status.CONNECTING
    set_up_at = None if integration is None else integration.set_up_at
    set_up_is_news = (
        center.status == CostCenter.Status.ACTIVE
        and set_up_at is not None
        and now - set_up_at < SET_UP_IS_NEWS_FOR
    )
    bill = None
    if history is not None and (is_connecting or set_up_is_news):
        bill = _bill(center, now - history.length, now)
    loading = None
    if integration is not None and provider is not None and history is not None and is_connecting:
        loading = _loading(integration, provider, streams, runs, history, bill, now)
    return CostCenterPage(
        center=center,
        integration=integration,
        provider_name=provider.name if provider is not None else center.provider_label,
        badge=status_badge(center, history),
        stamp_state=_stamp_state(center, now),
        loading=loading,
        bill=bill,
        set_up_is_news=set_up_is_news,
        worker_is_missing=_worker_is_missing(center, streams, now),
        streams=tuple(_stream_row(stream, labels, center, now) for stream in streams),
        runs=tuple(_run_row(run, labels, center.currency) for run in runs),
        prices=tuple(
            (price, "" if price.monthly_price is None else display(price.monthly_price, center.currency))
            for price in center.seat_prices.select_related("created_by")
        ),
        team=None if integration is None else _team(integration),
    )


def _bill(center: CostCenter, since: datetime, now: datetime) -> Bill | None:
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


def _loading(
    integration: Integration,
    provider: Provider,
    streams: list[Stream],
    runs: list[SyncRun],
    history: History,
    bill: Bill | None,
    now: datetime,
) -> Loading:
    loaded = history_streams(provider, streams)
    limit, minutes = None, None
    if len(loaded) == 1 and bill is not None:
        spec, _ = loaded[0]
        limit = provider.requests_per_minute(spec.path)
        minutes = minutes_left(history, events=bill.events, spec=spec, requests_per_minute=limit)
    return Loading(
        history=history,
        windows=integration.runs.filter(
            stream__in=[spec.name for spec, _ in loaded], outcome__in=STORED
        ).count(),
        time_left="" if minutes is None else in_words(minutes),
        limit=limit,
        activities=tuple(_activities(provider, streams, runs, now)),
    )


def _activities(provider: Provider, streams: list[Stream], runs: list[SyncRun], now: datetime) -> list[str]:
    """What each unfinished stream is doing, or what keeps it."""
    running = {run.stream: run for run in runs if run.outcome == SyncRun.Outcome.RUNNING}
    by_name = {stream.name: stream for stream in streams}
    turn = "its turn" if any(_is_held(stream, now) for stream in streams) else "the background worker"
    sentences = []
    for spec in provider.streams:
        stream = by_name.get(spec.name)
        if stream is None or (stream.finished_at is not None and not stream.last_error):
            continue
        if _is_held(stream, now) and spec.name in running:
            run = running[spec.name]
            sentences.append(f"{spec.label}: reading {window_label(run.window_start, run.window_end)}.")
        elif stream.last_error:
            sentences.append(f"{spec.label}: {stream.last_error} {_next(stream, now)}")
        elif stream.due_at > now:
            sentences.append(f"{spec.label}: waiting for {provider.name}'s rate limit. {_next(stream, now)}")
        elif not _is_held(stream, now):
            sentences.append(f"{spec.label}: waiting for {turn}.")
    return sentences


def _is_held(stream: Stream, now: datetime) -> bool:
    return stream.claimed_until is not None and stream.claimed_until > now


def _next(stream: Stream, now: datetime) -> str:
    if stream.due_at <= now:
        return "Next try in a moment."
    return f"Next try at {stream.due_at:%H:%M} UTC."


def _stream_row(stream: Stream, labels: dict[str, str], center: CostCenter, now: datetime) -> StreamRow:
    label = labels.get(stream.name, stream.name)
    if center.status not in CostCenter.WORKING:
        return StreamRow(label, stream, Badge("Stopped"), "")
    if _is_held(stream, now):
        return StreamRow(label, stream, Badge("Reading"), "")
    if stream.last_error:
        return StreamRow(label, stream, Badge("Failing", "bad"), f"{stream.last_error} {_next(stream, now)}")
    if stream.finished_at is None:
        return StreamRow(label, stream, Badge("Not complete yet"), "")
    return StreamRow(label, stream, Badge("Complete", "good"), "")


def _run_row(run: SyncRun, labels: dict[str, str], currency: str) -> RunRow:
    revised = ""
    if run.amount_before is not None and run.amount_after is not None:
        change = run.amount_after - run.amount_before
        revised = f"{'+' if change > 0 else ''}{display(change, currency)}"
    return RunRow(
        run=run,
        stream=labels.get(run.stream, run.stream),
        window=window_label(run.window_start, run.window_end),
        badge=outcome_badge(run),
        revised_by=revised,
    )


def window_label(start: datetime, end: datetime) -> str:
    """`[start, end)` in UTC: whole days as days, else with the hours."""
    midnight = time(0, tzinfo=UTC)
    if start.timetz() == end.timetz() == midnight and start < end:
        return str(Span(start.date(), (end - timedelta(days=1)).date()))
    if start.date() == end.date():
        return f"{start.day} {start:%b %Y, %H:%M} – {end:%H:%M}"
    return f"{start.day} {start:%b %Y, %H:%M} – {end.day} {end:%b %Y, %H:%M}"


def _team(integration: Integration) -> Team | None:
    """None before the members were read for the first time."""
    active = Q(is_active=True)
    found = integration.members.aggregate(
        paid=Count("pk", filter=active & Q(is_paid=True)),
        unpaid=Count("pk", filter=active & Q(is_paid=False)),
        left=Count("pk", filter=~active),
    )
    return Team(**found) if any(found.values()) else None


def _stamp_state(center: CostCenter, now: datetime) -> str:
    """The stamp's class: empty, `late` or `broken`."""
    if center.status == CostCenter.Status.NEEDS_ATTENTION:
        return "broken"
    if center.complete_through is None or is_late(center.complete_through, now):
        return "late"
    return "" if center.status == CostCenter.Status.ACTIVE else "late"


def _worker_is_missing(center: CostCenter, streams: list[Stream], now: datetime) -> bool:
    """Something is to be read, nobody reads, and the worker has given no sign of life."""
    if center.status not in CostCenter.WORKING or not streams:
        return False
    if any(_is_held(stream, now) for stream in streams):
        return False
    return not Heartbeat.is_fresh(Heartbeat.WORKER, now)
