"""Which spans a pass reads, in which order, and how a full one is cut. Pure arithmetic on UTC instants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from integrations.providers.base import Span

DAY = timedelta(days=1)
SHORTEST = timedelta(minutes=1)


def floor_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def floor_day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def trailing_start(synced_through: datetime | None, end: datetime, reread_days: int) -> datetime:
    """Where the trailing re-read begins: so many days before the day up to which everything had been read."""
    return floor_day(min(synced_through or end, end)) - reread_days * DAY


def forward_spans(start: datetime, end: datetime, *, through: datetime, longest: timedelta) -> Iterator[Span]:
    """`[start, end)` newest first: yesterday and today (seen from `through`) as one span, then `longest` ones."""
    recent = max(start, floor_day(through) - DAY)
    if recent < end:
        yield Span(recent, end)
    yield from backward_spans(start, min(recent, end), longest=longest)


def backward_spans(start: datetime, end: datetime, *, longest: timedelta) -> Iterator[Span]:
    """`[start, end)` newest first in spans of `longest`, the oldest one shorter."""
    while start < end:
        begin = max(start, end - longest)
        yield Span(begin, end)
        end = begin


def cut(span: Span, count: int, part_size: int) -> list[Span]:
    """`span` of `count` events in ⌈count / part_size⌉ equal parts, newest first, on whole minutes, none empty."""
    parts = -(-count // part_size)
    edges = [span.start]
    for part in range(1, parts):
        edge = (span.start + span.length * part / parts).replace(second=0, microsecond=0)
        if edges[-1] < edge < span.end:
            edges.append(edge)
    edges.append(span.end)
    return [Span(begin, end) for begin, end in zip(reversed(edges[:-1]), reversed(edges[1:]), strict=True)]
