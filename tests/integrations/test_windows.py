from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from integrations import windows
from integrations.providers.base import Span

instants = st.datetimes(
    min_value=datetime(2025, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC)
)
LONGEST = timedelta(days=30)


@given(instants, st.integers(1, 400), st.integers(0, 72))
def test_forward_spans_cover_the_span_once_newest_first_and_are_never_too_long(now, days, behind):
    through = windows.floor_hour(now)
    start, end = windows.floor_day(through) - timedelta(days=days), through - timedelta(hours=behind)
    assume(start < end)

    spans = list(windows.forward_spans(start, end, through=through, longest=LONGEST))

    assert [span.start for span in spans] == [*(span.end for span in spans[1:]), start]
    assert spans[0].end == end
    assert all(timedelta(0) < span.length <= LONGEST for span in spans)


@given(instants)
def test_yesterday_and_today_come_first_as_one_span(now):
    through = windows.floor_hour(now)
    first = next(
        windows.forward_spans(through - timedelta(days=9), through, through=through, longest=LONGEST)
    )
    assert first == Span(windows.floor_day(through) - timedelta(days=1), through)


@given(instants, st.integers(1, 60 * 24 * 30), st.integers(20_001, 5_000_000))
def test_parts_cover_the_span_once_newest_first_and_none_is_empty(start, minutes, count):
    span = Span(start, start + timedelta(minutes=minutes))

    parts = windows.cut(span, count, 16_000)

    assert parts[0].end == span.end
    assert parts[-1].start == span.start
    assert all(later.start == earlier.end for later, earlier in pairwise(parts))
    assert all(part.length > timedelta(0) for part in parts)
    assert len(parts) <= -(-count // 16_000)


def test_a_full_span_is_cut_into_as_many_equal_parts_as_it_needs():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    parts = windows.cut(Span(start, start + timedelta(days=30)), 40_001, 16_000)
    assert [part.length for part in parts] == [timedelta(days=10)] * 3


def test_a_span_of_more_than_a_minute_can_always_be_cut_further():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    assert len(windows.cut(Span(start, start + timedelta(minutes=2)), 20_001, 16_000)) == 2


def test_the_trailing_re_read_starts_some_days_before_the_day_that_was_reached():
    end = datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert windows.trailing_start(None, end, 3) == datetime(2026, 11, 17, tzinfo=UTC)
    assert windows.trailing_start(datetime(2026, 11, 9, 5, tzinfo=UTC), end, 3) == datetime(
        2026, 11, 6, tzinfo=UTC
    )
