"""Usage between two exact instants: the roll-up and the cut days' line items add up to every line item between."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costcenters.exact_span import Used, usage_by_user
from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostCenter
from costcenters.records import LineItem, Window
from costcenters.scope import SumTooLargeError
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db
FIRST, AFTER = datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
INCLUDED, CHARGED, OWN_KEY = "Included in Business", "Usage-based", "USAGE_EVENT_KIND_USER_API_KEY"


def line(
    at: datetime, user: str = "ann@example.com", billed: int = 0, listed: int = 0, **more: str
) -> LineItem:
    return LineItem(
        at,
        ChargeType.USAGE.value,
        user=user,
        **{"kind": CHARGED if billed else INCLUDED, **more},
        billed_nano=billed,
        effective_nano=billed,
        list_nano=listed,
    )


def store(center: CostCenter, lines: Iterable[LineItem]) -> None:
    replace_window(Window(center.pk, FIRST, AFTER, (ChargeType.USAGE.value,)), list(lines))


def added_up(lines: Iterable[LineItem], start: datetime, end: datetime) -> dict[str, Used]:
    """By hand, from the line items alone."""
    inside = sorted((each for each in lines if start <= each.started_at < end), key=lambda each: each.user)
    return {
        user: Used(
            sum(each.billed_nano for each in its),
            sum(each.list_nano for each in its),
            sum(each.list_nano - each.billed_nano for each in its if "included" not in each.kind.lower()),
        )
        for user, group in groupby(inside, key=lambda each: each.user)
        for its in [list(group)]
    }


#: Often right at a midnight or a microsecond beside it, where a day could be counted twice or not at all.
instants = st.one_of(
    st.datetimes(FIRST.replace(tzinfo=None), (AFTER - timedelta(microseconds=1)).replace(tzinfo=None)),
    st.builds(
        lambda day, off: (FIRST + timedelta(days=day, microseconds=off)).replace(tzinfo=None),
        st.integers(1, 4),
        st.integers(-1, 1),
    ),
).map(lambda naive: naive.replace(tzinfo=UTC))
charges = st.integers(0, 10**12).flatmap(
    lambda listed: st.tuples(st.sampled_from([0, listed]), st.just(listed))
)
lines = st.builds(
    lambda at, user, kind, charge: line(at, user, *charge, kind=kind),
    instants,
    st.sampled_from(["", "ann@example.com", "bob@example.com", "Nightly build"]),
    st.sampled_from([INCLUDED, CHARGED, OWN_KEY, "INCLUDED_IN_PRO", ""]),
    charges,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, max_size=25), st.lists(st.tuples(instants, instants), min_size=1, max_size=3))
def test_any_span_is_the_sum_of_its_line_items(items, spans):
    center = CostCenterFactory()
    store(center, items)

    found = usage_by_user(center.pk, spans)

    assert found == [added_up(items, start, end) for start, end in spans]


def test_it_is_one_statement_however_many_spans():
    center = CostCenterFactory()
    store(center, [line(FIRST + timedelta(hours=h), billed=h, listed=2 * h) for h in range(100)])
    spans = [(FIRST + timedelta(hours=n, seconds=1), AFTER - timedelta(hours=3)) for n in range(3)]

    with CaptureQueriesContext(connection) as captured:
        usage_by_user(center.pk, spans)

    assert len(captured) == 1


def test_only_the_usage_of_the_one_cost_center_counts():
    center, other = CostCenterFactory(), CostCenterFactory(name="Labs")
    store(center, [line(FIRST, billed=1, listed=3)])
    store(other, [line(FIRST, billed=5, listed=5)])
    seat = line(FIRST, billed=7, listed=7)._replace(charge_type=ChargeType.SEAT.value)
    replace_window(Window(center.pk, FIRST, AFTER, (ChargeType.SEAT.value,)), [seat])

    assert usage_by_user(center.pk, [(FIRST, AFTER)]) == [{"ann@example.com": Used(1, 3, 2)}]


def test_another_time_zone_means_the_same_instants():
    center = CostCenterFactory()
    store(center, [line(FIRST + timedelta(hours=h), billed=1, listed=1) for h in range(48)])
    east = (FIRST + timedelta(hours=5)).astimezone(ZoneInfo("Asia/Tokyo"))

    [found] = usage_by_user(center.pk, [(east, east + timedelta(hours=30))])

    assert found["ann@example.com"].billed == 30


def test_nobody_used_anything_in_no_time():
    center = CostCenterFactory()
    store(center, [line(FIRST)])

    assert usage_by_user(center.pk, []) == []
    assert usage_by_user(center.pk, [(FIRST, FIRST), (AFTER, FIRST)]) == [{}, {}]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's sums have no such limit")
def test_a_sum_too_large_for_the_database_is_refused():
    center = CostCenterFactory()
    huge = 2**62
    # Each day fits; the days together do not.
    store(center, [line(FIRST + timedelta(days=n), billed=huge, listed=huge) for n in range(3)])

    with pytest.raises(SumTooLargeError):
        usage_by_user(center.pk, [(FIRST, AFTER)])
