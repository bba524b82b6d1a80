"""What is paid when, and what each day costs: exact for any price, start, end and change of seats."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.subscriptions.amortisation import (
    SeatChange,
    Terms,
    cost_between,
    daily,
    later_by_months,
    monthly_nano_twelfths,
    moved_on,
    next_period_start,
    payments,
    period_starts,
)

DAY = timedelta(days=1)
NANO = 10**9


def starts(terms, count):
    found = period_starts(terms)
    return [next(found) for _ in range(count)]


def paid(terms, through):
    return [(each.day, each.amount_nano) for each in payments(terms, through)]


def span(first, last):
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


@st.composite
def any_terms(draw, ends=True):
    starts_on = draw(st.dates(date(2020, 1, 1), date(2028, 12, 31)))
    seats = draw(st.none() | st.integers(0, 500))
    days = draw(st.lists(st.integers(1, 900), unique=True, max_size=6)) if seats is not None else []
    changes = tuple(
        SeatChange(starts_on + timedelta(days=number), draw(st.integers(0, 500))) for number in sorted(days)
    )
    length = draw(st.none() | st.integers(0, 900)) if ends else None
    return Terms(
        price_nano=draw(st.integers(0, 10**15)),
        seats=seats,
        months=draw(st.sampled_from([1, 12])),
        starts_on=starts_on,
        ends_on=None if length is None else starts_on + timedelta(days=length),
        changes=changes,
    )


# Periods --------------------------------------------------------------------------------------------------------------


def test_a_period_begins_on_the_day_of_the_month_or_on_the_months_last():
    terms = Terms(NANO, None, 1, date(2027, 12, 31))
    assert starts(terms, 6) == [
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
        date(2028, 3, 31),
        date(2028, 4, 30),
        date(2028, 5, 31),
    ]


def test_a_year_that_began_on_29_february_is_paid_on_the_28th_until_the_next_leap_year():
    terms = Terms(NANO, None, 12, date(2024, 2, 29))
    assert starts(terms, 5) == [
        date(year, 2, 29 if year in (2024, 2028) else 28) for year in range(2024, 2029)
    ]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from([1, 12]))
def test_periods_follow_one_another_without_gap_or_drift(day, months):
    terms = Terms(NANO, None, months, day)
    found = starts(terms, 40)
    assert all(before < after for before, after in pairwise(found))
    assert {each.day for each in found} <= {*range(28, 32), day.day}
    assert all(each.day == day.day or (each + DAY).day == 1 for each in found)


def test_the_next_period_is_after_the_day_that_is_asked_about():
    terms = Terms(NANO, None, 1, date(2026, 1, 31))
    assert next_period_start(terms, date(2026, 1, 30)) == date(2026, 1, 31)
    assert next_period_start(terms, date(2026, 1, 31)) == date(2026, 2, 28)


# Payments and days ----------------------------------------------------------------------------------------------------


def test_a_month_of_seats_is_paid_on_its_first_day_and_spread_over_its_days():
    terms = Terms(30 * NANO, 5, 1, date(2026, 11, 15))
    assert paid(terms, date(2026, 12, 14)) == [(date(2026, 11, 15), 150 * NANO)]
    days = daily(terms, date(2026, 12, 14))
    assert list(days) == span(date(2026, 11, 15), date(2026, 12, 14))
    assert {cost.amount_nano for cost in days.values()} == {5 * NANO}
    assert {cost.seats for cost in days.values()} == {5}


def test_an_annual_fee_is_billed_once_and_costs_each_day_of_a_leap_year_alike():
    terms = Terms(366 * NANO, None, 12, date(2027, 3, 1))
    days = daily(terms, date(2028, 2, 29))
    assert paid(terms, date(2028, 2, 29)) == [(date(2027, 3, 1), 366 * NANO)]
    assert len(days) == 366
    assert {cost.amount_nano for cost in days.values()} == {NANO}
    assert {cost.seats for cost in days.values()} == {None}


def test_seats_added_within_a_period_pay_what_is_left_of_it_on_their_day():
    terms = Terms(30 * NANO, 5, 1, date(2026, 11, 1), changes=(SeatChange(date(2026, 11, 11), 8),))
    assert paid(terms, date(2026, 12, 1)) == [
        (date(2026, 11, 1), 150 * NANO),
        (date(2026, 11, 11), 3 * 20 * NANO),
        (date(2026, 12, 1), 240 * NANO),
    ]
    days = daily(terms, date(2026, 11, 30))
    assert (days[date(2026, 11, 10)].amount_nano, days[date(2026, 11, 10)].seats) == (5 * NANO, 5)
    assert (days[date(2026, 11, 11)].amount_nano, days[date(2026, 11, 11)].seats) == (8 * NANO, 8)


def test_seats_given_up_are_paid_until_the_period_ends_and_not_paid_again_when_taken_back():
    terms = Terms(
        30 * NANO,
        5,
        1,
        date(2026, 11, 1),
        changes=(
            SeatChange(date(2026, 11, 5), 2),
            SeatChange(date(2026, 11, 20), 4),
            SeatChange(date(2026, 11, 25), 6),
        ),
    )
    assert paid(terms, date(2026, 12, 1)) == [
        (date(2026, 11, 1), 150 * NANO),
        (date(2026, 11, 25), 6 * NANO),
        (date(2026, 12, 1), 180 * NANO),
    ]
    assert daily(terms, date(2026, 11, 30))[date(2026, 11, 6)].seats == 5


def test_a_change_on_the_first_day_of_a_period_counts_from_its_payment_on():
    terms = Terms(30 * NANO, 5, 1, date(2026, 11, 1), changes=(SeatChange(date(2026, 12, 1), 3),))
    assert paid(terms, date(2026, 12, 31))[1:] == [(date(2026, 12, 1), 90 * NANO)]


def test_an_end_within_a_period_keeps_its_payment_and_spreads_all_of_it_until_then():
    terms = Terms(30 * NANO, 1, 1, date(2026, 11, 1), date(2026, 11, 10))
    assert paid(terms, date(2027, 1, 1)) == [(date(2026, 11, 1), 30 * NANO)]
    days = daily(terms, date(2027, 1, 1))
    assert list(days) == span(date(2026, 11, 1), date(2026, 11, 10))
    assert {cost.amount_nano for cost in days.values()} == {3 * NANO}


def test_the_last_day_is_inclusive_a_period_that_begins_on_it_is_paid():
    terms = Terms(30 * NANO, 1, 1, date(2026, 11, 1), date(2026, 12, 1))
    assert [day for day, _ in paid(terms, date(2027, 1, 1))] == [date(2026, 11, 1), date(2026, 12, 1)]
    assert daily(terms, date(2027, 1, 1))[date(2026, 12, 1)].amount_nano == 30 * NANO


def test_before_its_first_day_nothing_is_paid():
    terms = Terms(30 * NANO, 1, 1, date(2026, 11, 1))
    assert paid(terms, date(2026, 10, 31)) == []
    assert daily(terms, date(2026, 10, 31)) == {}


@given(any_terms(ends=False), st.integers(1, 15))
def test_billed_and_effective_of_every_finished_period_are_equal_to_the_nano(terms, count):
    edges = starts(terms, count + 1)
    through = edges[-1] - DAY
    found, days = paid(terms, through), daily(terms, through)
    for start, after in pairwise(edges):
        billed = sum(amount for day, amount in found if start <= day < after)
        effective = sum(days[day].amount_nano for day in span(start, after - DAY))
        assert billed == effective


@given(any_terms())
def test_nothing_that_was_paid_is_lost_when_it_ends(terms):
    last = terms.ends_on or next_period_start(terms, terms.starts_on + timedelta(days=400)) - DAY
    for through in (last, last + timedelta(days=500) if terms.ends_on else last):
        found, days = paid(terms, through), daily(terms, through)
        assert sum(amount for _, amount in found) == sum(cost.amount_nano for cost in days.values())
        assert all(terms.starts_on <= day <= last for day in days)
        assert all(cost.amount_nano >= 0 for cost in days.values())


@given(any_terms(ends=False), st.integers(0, 800))
def test_an_end_never_changes_what_was_billed_before_it(terms, length):
    ends_on = terms.starts_on + timedelta(days=length)
    assert paid(replace(terms, ends_on=ends_on), ends_on) == paid(terms, ends_on)


@given(any_terms(ends=False), st.integers(0, 800), st.integers(0, 500))
def test_a_change_of_seats_never_changes_a_day_before_it(terms, length, seats):
    if terms.seats is None:
        return
    day = terms.starts_on + timedelta(days=length + 1)
    kept = tuple(change for change in terms.changes if change.day < day)
    changed = replace(terms, changes=(*kept, SeatChange(day, seats)))
    before = replace(terms, changes=kept)
    assert paid(changed, day - DAY) == paid(before, day - DAY)
    assert daily(changed, day - DAY) == daily(before, day - DAY)


@given(any_terms(), st.integers(0, 900), st.integers(0, 200))
def test_days_that_are_over_stay_as_they_were_written(terms, length, later):
    """What the worker writes each day only adds: the days before are the same tomorrow."""
    day = terms.starts_on + timedelta(days=length)
    today, tomorrow = daily(terms, day), daily(terms, day + timedelta(days=later))
    assert {each: cost for each, cost in tomorrow.items() if each <= day} == today


@given(any_terms(), st.integers(-40, 900), st.integers(0, 40))
def test_what_some_days_cost_together_is_the_sum_of_each(terms, begin, length):
    first = terms.starts_on + begin * DAY
    last = first + length * DAY
    each = daily(terms, last)
    assert cost_between(terms, first, last) == sum(
        each[day].amount_nano for day in span(first, last) if day in each
    )


@given(any_terms(ends=False))
def test_the_days_of_a_payment_differ_by_at_most_a_nano(terms):
    for payment in payments(terms, terms.starts_on + timedelta(days=400)):
        shares = [payment.share(day) for day in span(payment.day, payment.spread_to)]
        assert sum(shares) == payment.amount_nano
        assert max(shares) - min(shares) <= 1


def test_a_month_is_a_twelfth_of_a_year():
    assert monthly_nano_twelfths(Terms(100, 3, 12, date(2026, 1, 1)), date(2026, 2, 1)) == 300
    assert monthly_nano_twelfths(Terms(100, 3, 1, date(2026, 1, 1)), date(2026, 2, 1)) == 3600
    assert monthly_nano_twelfths(Terms(100, None, 1, date(2026, 1, 1)), date(2025, 12, 31)) == 0


# Renewals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("renewal", "starts_on", "months", "today", "expected"),
    [
        (date(2026, 11, 20), date(2026, 1, 20), 1, date(2026, 11, 20), date(2026, 11, 20)),
        (date(2026, 11, 20), date(2026, 1, 20), 1, date(2026, 11, 21), date(2026, 12, 20)),
        (date(2026, 2, 28), date(2026, 1, 31), 1, date(2026, 3, 1), date(2026, 3, 31)),
        (date(2027, 2, 28), date(2024, 2, 29), 12, date(2027, 3, 1), date(2028, 2, 29)),
        (date(2020, 6, 15), date(2020, 1, 1), 12, date(2026, 11, 21), date(2027, 6, 15)),
        (date(2026, 11, 28), date(2026, 1, 31), 1, date(2026, 12, 1), date(2026, 12, 28)),
    ],
)
def test_a_renewal_that_is_over_moves_on_by_its_period(renewal, starts_on, months, today, expected):
    assert moved_on(renewal, Terms(1, None, months, starts_on), today) == expected


def test_a_day_that_a_month_does_not_have_is_its_last():
    assert later_by_months(date(2026, 8, 31), 1) == date(2026, 9, 30)
    assert later_by_months(date(2026, 12, 31), 2) == date(2027, 2, 28)
    assert later_by_months(date(2026, 3, 31), 11) == date(2027, 2, 28)
