from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costcenters.periods import (
    Granularity,
    Span,
    complete_part,
    count_periods,
    is_incomplete,
    period_start,
    periods,
    preset_span,
    readable_granularity,
    same_days_of_last_month,
    spans_of,
)

days = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 12, 31))
spans = st.builds(
    lambda start, length: Span(start, start + timedelta(days=length)), days, st.integers(0, 800)
)


@pytest.mark.parametrize(
    "preset, start, end",
    [
        ("7d", date(2026, 11, 15), date(2026, 11, 21)),
        ("30d", date(2026, 10, 23), date(2026, 11, 21)),
        ("90d", date(2026, 8, 24), date(2026, 11, 21)),
        ("mtd", date(2026, 11, 1), date(2026, 11, 21)),
        ("last-month", date(2026, 10, 1), date(2026, 10, 31)),
        ("12m", date(2025, 12, 1), date(2026, 11, 21)),
    ],
)
def test_a_preset_ends_today_or_with_last_month(preset, start, end):
    assert preset_span(preset, date(2026, 11, 21)) == Span(start, end)


@given(spans, st.sampled_from(Granularity.values))
def test_every_day_of_a_span_lies_in_exactly_one_of_its_periods(span, granularity):
    starts = list(periods(span, granularity))
    assert len(starts) == count_periods(span, granularity)
    assert starts == sorted(set(starts))
    for offset in range(span.days):
        assert period_start(span.start + timedelta(days=offset), granularity, span) in starts


@given(days)
def test_weeks_start_on_monday_and_months_on_their_first(day):
    span = Span(day, day)
    assert period_start(day, "week", span).weekday() == 0
    assert day - period_start(day, "week", span) < timedelta(days=7)
    assert period_start(day, "month", span) == day.replace(day=1)


@given(spans)
def test_the_span_before_is_as_long_and_touches(span):
    before = span.right_before()
    assert before.days == span.days
    assert before.end + timedelta(days=1) == span.start


def test_a_leap_day_has_a_year_before():
    assert Span(date(2028, 2, 29), date(2028, 2, 29)).a_year_before() == Span(
        date(2027, 2, 28), date(2027, 2, 28)
    )


def test_the_same_days_of_a_shorter_month_end_with_it():
    march = Span(date(2026, 3, 1), date(2026, 3, 31))
    assert same_days_of_last_month(march) == Span(date(2026, 2, 1), date(2026, 2, 28))


def test_a_long_span_is_shown_by_coarser_periods():
    assert readable_granularity(Span(date(2025, 1, 1), date(2025, 12, 31)), "day", 400) == "day"
    assert readable_granularity(Span(date(2024, 1, 1), date(2025, 12, 31)), "day", 400) == "week"
    assert readable_granularity(Span(date(1970, 1, 1), date(2199, 12, 31)), "day", 400) == "total"


NOVEMBER = Span(date(2026, 11, 1), date(2026, 11, 30))  # a Sunday to a Monday


@pytest.mark.parametrize(
    "granularity, through, last_day",
    [
        ("day", "2026-11-21T14:00", 20),
        ("day", "2026-11-21T00:00", 20),
        ("day", "2026-11-20T23:59", 19),
        ("total", "2026-11-21T14:00", 20),
        ("week", "2026-11-21T14:00", 15),
        ("week", "2026-11-16T00:00", 15),
        ("week", "2026-11-15T23:00", 8),
        ("week", "2026-11-30T12:00", 29),
        ("week", "2026-12-01T00:00", 30),
        ("month", "2026-11-30T23:00", None),
        ("month", "2026-12-01T00:00", 30),
        ("day", "2026-11-01T23:00", None),
        ("total", "2026-10-01T00:00", None),
        ("week", "2026-11-01T12:00", None),
        ("day", "2027-05-01T00:00", 30),
    ],
)
def test_the_complete_part_ends_before_the_first_incomplete_period(granularity, through, last_day):
    before = datetime.fromisoformat(f"{through}:00+00:00")
    expected = Span(NOVEMBER.start, date(2026, 11, last_day)) if last_day else None
    assert complete_part(NOVEMBER, granularity, before) == expected


def test_the_complete_part_is_told_in_utc():
    through = datetime.fromisoformat("2026-11-21T01:00:00+02:00")  # 23:00 UTC the day before
    assert complete_part(NOVEMBER, "day", through) == Span(NOVEMBER.start, date(2026, 11, 19))


@given(spans, st.sampled_from(Granularity.values), st.integers(-40, 840), st.integers(0, 23))
def test_no_period_of_the_complete_part_is_incomplete_and_the_next_one_is(span, granularity, day, hour):
    before = datetime(span.start.year, span.start.month, span.start.day, hour, tzinfo=UTC) + timedelta(
        days=day
    )
    part = complete_part(span, granularity, before)
    starts = list(periods(part, granularity)) if part else []
    assert not any(is_incomplete(start, granularity, part, before) for start in starts)
    if part != span and granularity != "total":
        following = part.end + timedelta(days=1) if part else span.start
        start = period_start(following, granularity, span)
        assert start not in starts
        assert is_incomplete(start, granularity, span, before)


def test_a_period_is_incomplete_while_data_ends_inside_it():
    span = Span(date(2026, 11, 1), date(2026, 11, 30))
    through = datetime(2026, 11, 21, 14, tzinfo=UTC)
    assert is_incomplete(date(2026, 11, 21), "day", span, through)
    assert not is_incomplete(date(2026, 11, 20), "day", span, through)
    assert is_incomplete(date(2026, 11, 1), "month", span, through)
    assert not is_incomplete(date(2026, 11, 21), "day", span, datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    "start, end, text",
    [
        (date(2026, 11, 21), date(2026, 11, 21), "21 Nov 2026"),
        (date(2026, 11, 1), date(2026, 11, 21), "1 – 21 Nov 2026"),
        (date(2026, 10, 23), date(2026, 11, 21), "23 Oct – 21 Nov 2026"),
        (date(2025, 12, 31), date(2026, 1, 1), "31 Dec 2025 – 1 Jan 2026"),
    ],
)
def test_a_span_reads_short(start, end, text):
    assert str(Span(start, end)) == text


def test_days_next_to_each_other_are_told_as_one_span():
    kept = [date(2026, 10, 31), date(2026, 11, 1), date(2026, 10, 3), date(2026, 11, 1)]
    assert [str(span) for span in spans_of(kept)] == ["3 Oct 2026", "31 Oct – 1 Nov 2026"]
    assert spans_of([]) == []
