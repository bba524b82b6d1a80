"""Instants and windows of time as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.pages.instants import ago, ahead, length, window_label

NOW = datetime(2026, 11, 20, 14, 25, tzinfo=UTC)
END = datetime(2026, 11, 20, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "label"),
    [
        (datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), "18 – 20 Nov 2026"),
        (datetime(2026, 11, 20, tzinfo=UTC), END, "20 Nov 2026, 00:00 – 14:00"),
        (datetime(2026, 11, 19, tzinfo=UTC), END, "19 Nov, 00:00 – 20 Nov 2026, 14:00"),
        (datetime(2025, 12, 31, 3, tzinfo=UTC), END, "31 Dec 2025, 03:00 – 20 Nov 2026, 14:00"),
    ],
)
def test_a_window_is_told_in_days_where_it_is_days(start, end, label):
    assert window_label(start, end) == label


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=47), "47 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=4000), "4,000 days ago"),
    ],
)
def test_an_age_is_rounded_down(age, text):
    assert ago(NOW - age, NOW) == text


def test_what_is_to_come_has_a_day_only_when_it_is_another_one():
    assert ahead(NOW, NOW) == "now"
    assert ahead(NOW + timedelta(minutes=5), NOW) == "14:30 UTC"
    assert ahead(NOW + timedelta(hours=10), NOW) == "21 Nov 2026, 00:25 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_a_length_is_told_in_two_units_at_most(seconds, text):
    assert length(NOW, NOW + timedelta(seconds=seconds)) == text
