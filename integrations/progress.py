"""How far a new connection has come: what its page and the list of cost centers show while history is read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations import windows
from integrations.claims import SHARE_OF_LIMIT
from integrations.models import Stream
from integrations.providers.base import Provider, RecordKind, StreamSpec

#: Line items that come with one request.
EVENTS_A_REQUEST = 1000
NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class History:
    """The span a stream of line items is to hold, and what of it has not been read yet."""

    length: timedelta
    unread: timedelta

    @property
    def days_known(self) -> int:
        return math.ceil(self.length / windows.DAY)

    @property
    def days_read(self) -> int:
        return self.days_known - math.ceil(self.unread / windows.DAY)

    @property
    def percent(self) -> int:
        """Whole percents, rounded down: 100 means all of it."""
        return 100 * self.days_read // self.days_known if self.days_known else 0


def history_of(stream: Stream, now: datetime) -> History:
    """How much of the span from the backfill's target to the end of the current pass has been read."""
    end = stream.pass_through or windows.floor_hour(now)
    target = stream.backfill_target or end
    if stream.synced_through is None:
        # The very first pass: one span, read backwards.
        return History(max(end - target, NOTHING), max((stream.pass_from or end) - target, NOTHING))
    end = max(end, stream.synced_through)
    ahead = (stream.pass_from or end) - stream.synced_through
    behind = (stream.backfilled_from or stream.synced_through) - target
    return History(max(end - target, NOTHING), max(ahead, NOTHING) + max(behind, NOTHING))


def history_streams(provider: Provider, streams: Iterable[Stream]) -> list[tuple[StreamSpec, Stream]]:
    """The streams that have a history to load, with what the provider says of them."""
    by_name = {stream.name: stream for stream in streams}
    return [
        (spec, by_name[spec.name])
        for spec in provider.streams
        if spec.kind is RecordKind.LINE_ITEM and spec.name in by_name
    ]


def overall(histories: Iterable[History]) -> History | None:
    """All histories as one; None when there is none."""
    known = list(histories)
    if not known:
        return None
    return History(sum((one.length for one in known), NOTHING), sum((one.unread for one in known), NOTHING))


def minutes_left(
    history: History, *, events: int, spec: StreamSpec, requests_per_minute: int | None
) -> float | None:
    """How long the rest takes when the provider's limit is used, at as many events a day as so far.

    None when nothing can be said: no limit is known, or nothing has been read yet.
    """
    read = history.length - history.unread
    if not requests_per_minute or not history.unread or not events or read < windows.DAY:
        return None
    requests = math.ceil(events * (history.unread / read) / EVENTS_A_REQUEST)
    requests += math.ceil(history.unread / spec.longest_span)
    return requests / (requests_per_minute * SHARE_OF_LIMIT)


def in_words(minutes: float) -> str:
    """Such as `about 2 minutes`."""
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        whole = round(minutes)
        return "about a minute" if whole == 1 else f"about {whole} minutes"
    return f"about {round(minutes / 60)} hours"
