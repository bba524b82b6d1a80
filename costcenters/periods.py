"""Spans of UTC days and the periods they are cut into. A span's `start` and `end` are both inclusive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import models

#: Days outside these bounds are refused: no bill is that old, and arithmetic on days stays safe.
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)
ONE_DAY = timedelta(days=1)


class Granularity(models.TextChoices):
    """How long a period is. Weeks start on Monday; `total` is the whole span as one period."""

    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    TOTAL = "total", "Total"


class Preset(models.TextChoices):
    """A span that moves with today. `12m`: the current month up to today and the eleven before it."""

    DAYS_7 = "7d", "Last 7 days"
    DAYS_30 = "30d", "Last 30 days"
    DAYS_90 = "90d", "Last 90 days"
    MONTH_TO_DATE = "mtd", "Month to date"
    LAST_MONTH = "last-month", "Last month"
    MONTHS_12 = "12m", "Last 12 months"


@dataclass(frozen=True, slots=True)
class Span:
    """UTC days from `start` to `end`, both inclusive."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def right_before(self) -> Span:
        """As many days, ending the day before this span starts."""
        return Span(self.start - timedelta(days=self.days), self.start - ONE_DAY)

    def a_year_before(self) -> Span:
        """The same calendar days one year earlier; 29 February becomes 28 February."""
        return Span(in_another_year(self.start, -1), in_another_year(self.end, -1))

    @property
    def short(self) -> str:
        """Such as `1 – 21 Oct`; with the year where the span does not end in the year it began."""
        if self.start.year != self.end.year:
            return str(self)
        if self.start == self.end:
            return short_day(self.end)
        start = str(self.start.day) if self.start.month == self.end.month else short_day(self.start)
        return f"{start} – {short_day(self.end)}"

    def __str__(self) -> str:
        """Such as `23 Oct – 21 Nov 2026`."""
        if self.start == self.end:
            return long_day(self.start)
        if self.start.year != self.end.year:
            return f"{long_day(self.start)} – {long_day(self.end)}"
        if self.start.month != self.end.month:
            return f"{short_day(self.start)} – {long_day(self.end)}"
        return f"{self.start.day} – {long_day(self.end)}"


def preset_span(preset: str, today: date) -> Span:
    """The span that `preset` means on `today` (a UTC day)."""
    first_of_month = today.replace(day=1)
    match Preset(preset):
        case Preset.MONTH_TO_DATE:
            return Span(first_of_month, today)
        case Preset.LAST_MONTH:
            end = first_of_month - ONE_DAY
            return Span(end.replace(day=1), end)
        case Preset.MONTHS_12:
            return Span(months_before(first_of_month, 11), today)
        case days:
            return Span(today - timedelta(days=int(days.value.removesuffix("d")) - 1), today)


def period_start(day: date, granularity: str, span: Span) -> date:
    """The first day of the period that holds `day`: a Monday, a month's first, `span.start` for the total.

    The first period of a span may begin before the span does.
    """
    match granularity:
        case Granularity.DAY:
            return day
        case Granularity.WEEK:
            return day - timedelta(days=day.weekday())
        case Granularity.MONTH:
            return day.replace(day=1)
        case _:
            return span.start


def next_period(start: date, granularity: str, span: Span) -> date:
    """The first day after the period that begins on `start`."""
    match granularity:
        case Granularity.DAY:
            return start + ONE_DAY
        case Granularity.WEEK:
            return start + timedelta(days=7)
        case Granularity.MONTH:
            return months_before(start, -1)
        case _:
            return span.end + ONE_DAY


def periods(span: Span, granularity: str) -> Iterator[date]:
    """The first days of all periods that touch `span`, in order."""
    start = period_start(span.start, granularity, span)
    while start <= span.end:
        yield start
        start = next_period(start, granularity, span)


def count_periods(span: Span, granularity: str) -> int:
    """How many periods touch `span`, without listing them."""
    match granularity:
        case Granularity.DAY:
            return span.days
        case Granularity.WEEK:
            return (span.end - period_start(span.start, granularity, span)).days // 7 + 1
        case Granularity.MONTH:
            return (span.end.year - span.start.year) * 12 + span.end.month - span.start.month + 1
        case _:
            return 1


def readable_granularity(span: Span, granularity: str, most: int) -> str:
    """`granularity`, or the next coarser one that cuts `span` into at most `most` periods."""
    order = [choice.value for choice in Granularity]
    for candidate in order[order.index(granularity) :]:
        if count_periods(span, candidate) <= most:
            return candidate
    return Granularity.TOTAL.value


def is_incomplete(start: date, granularity: str, span: Span, complete_before: datetime) -> bool:
    """Whether cost may still be missing in the period's part of the span: it ends after `complete_before`."""
    first_day_after = min(next_period(start, granularity, span), span.end + ONE_DAY)
    return midnight(first_day_after) > complete_before


def complete_part(span: Span, granularity: str, complete_before: datetime) -> Span | None:
    """The span up to its first incomplete period, that one left out; None when nothing remains.

    The total is no period that could be left out: of it, the complete days remain.
    """
    first_open_day = complete_before.astimezone(UTC).date()
    if first_open_day > span.end:
        return span
    if granularity != Granularity.TOTAL:
        first_open_day = period_start(first_open_day, granularity, span)
    return Span(span.start, first_open_day - ONE_DAY) if first_open_day > span.start else None


def midnight(day: date) -> datetime:
    """The first instant of the UTC day."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def months_before(first_of_month: date, months: int) -> date:
    """The first day of the month `months` before (after, when negative)."""
    ordinal = first_of_month.year * 12 + first_of_month.month - 1 - months
    return date(ordinal // 12, ordinal % 12 + 1, 1)


def in_another_year(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def same_days_of_last_month(span: Span) -> Span:
    """For a month to date: the same days of the month before, as far as it has them."""
    start = months_before(span.start, 1)
    last = span.start - ONE_DAY
    return Span(start, min(start + timedelta(days=span.days - 1), last))


def spans_of(days: Iterable[date]) -> list[Span]:
    """Days as the spans that they form, the earliest first."""
    spans: list[Span] = []
    for day in sorted(set(days)):
        if spans and day - spans[-1].end == ONE_DAY:
            spans[-1] = Span(spans[-1].start, day)
        else:
            spans.append(Span(day, day))
    return spans


def short_day(day: date) -> str:
    return f"{day.day} {day:%b}"


def long_day(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


def period_label(start: date, granularity: str, span: Span) -> str:
    """What people call a period: `21 Nov`, `week of 16 Nov`, `Nov 2026`, or the span itself."""
    with_year = span.start.year != span.end.year
    match granularity:
        case Granularity.DAY:
            return long_day(start) if with_year else short_day(start)
        case Granularity.WEEK:
            return f"week of {long_day(start) if with_year else short_day(start)}"
        case Granularity.MONTH:
            return f"{start:%b %Y}"
        case _:
            return str(span)
