"""What is read from a provider: each stream with what it holds, when it is read next, and what keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from costcenters.models import CostCenter
from integrations.claims import MINUTE
from integrations.models import FARTHEST_DUE, FARTHEST_LEASE, Stream
from integrations.pages.badges import Badge
from integrations.pages.heading import Heading
from integrations.pages.instants import ahead, utc, window_label
from integrations.providers.base import Provider, RecordKind, StreamSpec

#: Most troubles pass within minutes; one that lasts is told on top of the page.
TROUBLE_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """`holds`, `due` and `requests` (of the last minute, "3 of 60") are empty where there is nothing to say.

    `trouble` is what has kept it for long, for the top of the page.
    """

    label: str
    badge: Badge
    holds: str
    due: str
    requests: str
    notes: tuple[str, ...]
    trouble: str


def stream_rows(heading: Heading, streams: Iterable[Stream], now: datetime) -> tuple[StreamRow, ...]:
    provider = heading.provider
    specs = {} if provider is None else {spec.name: spec for spec in provider.streams}
    return tuple(
        _row(stream, specs.get(stream.name), provider, heading.center, now)
        for stream in streams
        if stream.name != Stream.PURGE
    )


def is_held(stream: Stream, now: datetime) -> bool:
    """Whether somebody works on it. A lease that ends too far ahead was written by a clock that was wrong."""
    return stream.claimed_until is not None and now < stream.claimed_until <= now + FARTHEST_LEASE


def is_waiting(stream: Stream, now: datetime) -> bool:
    """Whether its time has come and nobody has begun."""
    return not is_held(stream, now) and (stream.due_at <= now or stream.due_at > now + FARTHEST_DUE)


def next_try(stream: Stream, now: datetime) -> str:
    return "Next try in a moment." if is_waiting(stream, now) else f"Next try at {ahead(stream.due_at, now)}."


def _row(
    stream: Stream, spec: StreamSpec | None, provider: Provider | None, center: CostCenter, now: datetime
) -> StreamRow:
    works = center.status in CostCenter.WORKING
    notes, trouble = [], ""
    if works and stream.last_error:
        since = "" if stream.failing_since is None else f"Failing since {utc(stream.failing_since)}. "
        if stream.failing_since is not None and now - stream.failing_since >= TROUBLE_LASTS:
            trouble = f"{since}{stream.last_error}"
        # What is told on top of the page is not told twice.
        notes.append(f"{since}{'' if trouble else f'{stream.last_error} '}{next_try(stream, now)}")
    if stream.reread_from is not None and stream.reread_to is not None:
        notes.append(_reread(stream.reread_from, stream.reread_to, may_shrink=stream.reread_may_shrink))
    return StreamRow(
        label=stream.name if spec is None else spec.label,
        badge=stream_badge(stream, works=works, now=now),
        holds=_holds(stream, spec),
        due=_due(stream, now) if works else "",
        requests="" if spec is None or provider is None else _requests(stream, spec, provider, now),
        notes=tuple(notes),
        trouble=trouble,
    )


def stream_badge(stream: Stream, *, works: bool, now: datetime) -> Badge:
    if not works:
        return Badge("Stopped")
    if is_held(stream, now):
        return Badge("Reading")
    if stream.last_error:
        return Badge("Failing", "bad")
    if stream.finished_at is None:
        return Badge("Not complete yet")
    return Badge("Complete", "good")


def _holds(stream: Stream, spec: StreamSpec | None) -> str:
    """A history's span; of what has none, when it was read last."""
    if spec is not None and spec.kind is RecordKind.LINE_ITEM:
        start = stream.backfilled_from or stream.pass_from
        end = stream.synced_through or stream.pass_through
        return (
            f"{window_label(start, end)} UTC" if start is not None and end is not None and start < end else ""
        )
    return "" if stream.synced_through is None else f"as of {utc(stream.synced_through)}"


def _due(stream: Stream, now: datetime) -> str:
    if is_held(stream, now):
        return "being read"
    return "now" if is_waiting(stream, now) else ahead(stream.due_at, now)


def _requests(stream: Stream, spec: StreamSpec, provider: Provider, now: datetime) -> str:
    limit = provider.requests_per_minute(spec.path)
    if limit is None:
        return "no limit" if spec.path else ""
    instant = now.timestamp()
    recent = [asked for asked in stream.recent_requests if instant - MINUTE < float(asked) <= instant]
    return f"{len(recent):,} of {limit:,}"


def _reread(start: datetime, end: datetime, *, may_shrink: bool) -> str:
    shrinks = " Fewer events may replace fuller days." if may_shrink else ""
    return f"Still to be read again, as asked for: {window_label(start, end)}.{shrinks}"
