"""Instants and windows of time as people read them, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from costcenters.display.figures import counted
from costcenters.periods import Span, long_day

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


def utc(instant: datetime) -> str:
    """Such as `21 Nov 2026, 14:00 UTC`."""
    return f"{long_day(instant.date())}, {instant:%H:%M} UTC"


def ago(instant: datetime, now: datetime) -> str:
    """Such as `25 minutes ago`, rounded down; hours up to two days."""
    age = now - instant
    if age < MINUTE:
        return "just now"
    if age < HOUR:
        return f"{counted(age // MINUTE, 'minute')} ago"
    if age < 2 * DAY:
        return f"{counted(age // HOUR, 'hour')} ago"
    return f"{counted(age // DAY, 'day')} ago"


def ahead(instant: datetime, now: datetime) -> str:
    """When something is to come: `now`, `14:03 UTC`, on another day with the day."""
    if instant <= now:
        return "now"
    return f"{instant:%H:%M} UTC" if instant.date() == now.date() else utc(instant)


def length(start: datetime, end: datetime) -> str:
    """How long something took: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = max(round((end - start).total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def days_of(start: datetime, end: datetime) -> Span:
    """The UTC days that `[start, end)` touches."""
    return Span(start.date(), max(end - MICROSECOND, start).date())


def window_label(start: datetime, end: datetime) -> str:
    """`[start, end)` in UTC: whole days as days, else with the hours."""
    midnight = time(0, tzinfo=UTC)
    if start.timetz() == end.timetz() == midnight and start < end:
        return str(days_of(start, end))
    if start.date() == end.date():
        return f"{start.day} {start:%b %Y, %H:%M} – {end:%H:%M}"
    year = "" if start.year == end.year else f" {start.year}"
    return f"{start.day} {start:%b}{year}, {start:%H:%M} – {end.day} {end:%b %Y, %H:%M}"
