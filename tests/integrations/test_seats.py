"""Seat cost: shares that sum exactly, prices by day, missed days, committed seats."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from costcenters.models import CostCenter, CostLineItem, SeatPrice
from integrations import seats
from integrations.models import Integration, Member, SeatSnapshot
from integrations.providers.base import Member as Record

DAY = timedelta(days=1)


@given(st.integers(0, 10**15), st.dates(min_value=date(2023, 1, 1), max_value=date(2030, 12, 31)))
def test_the_shares_of_a_month_sum_to_exactly_its_price(monthly_nano, day):
    days = monthrange(day.year, day.month)[1]
    shares = [seats.day_share(monthly_nano, day.replace(day=number)) for number in range(1, days + 1)]
    assert sum(shares) == monthly_nano
    assert max(shares) - min(shares) <= 1


def person(name, *, role="member", active=True, email=None, identity=None):
    return Record(
        external_id=name if identity is None else identity,
        email=f"{name}@example.com" if email is None else email,
        name=name,
        role=role,
        is_active=active,
        is_paid=role != "free-owner",
    )


@pytest.fixture
def team():
    """A connection whose members are read as the test says."""
    center = CostCenter.objects.create(name="Cursor", provider="cursor", connected_on=date(2026, 11, 3))
    return Integration.objects.create(cost_center=center, provider="cursor", api_url="http://cursor.test")


def price(team, monthly, start, committed=None):
    return SeatPrice.objects.create(
        cost_center=team.cost_center,
        monthly_price=None if monthly is None else Decimal(monthly),
        committed_seats=committed,
        effective_from=start,
    )


def lines(team, day=None):
    found = CostLineItem.objects.filter(cost_center=team.cost_center, charge_type="seat").order_by(
        "day", "user"
    )
    return list(found.filter(day=day) if day else found)


def read(team, day, *people, last=None):
    return seats.record_members(team, people, today=day, last_read=last)


pytestmark = pytest.mark.django_db


def test_every_active_paid_member_has_one_line_a_day_from_the_day_of_connection(team):
    price(team, "40", date(2026, 11, 3))
    day = date(2026, 11, 3)

    read(
        team,
        day,
        person("rin"),
        person("teo", role="owner"),
        person("ana", role="free-owner"),
        person("lee", active=False),
    )

    assert [(line.user, line.is_estimated, line.quantity, line.unit) for line in lines(team)] == [
        ("rin@example.com", True, "1", "seats"),
        ("teo@example.com", True, "1", "seats"),
    ]
    assert {line.billed_cost for line in lines(team)} == {
        Decimal(seats.day_share(40 * 10**9, day)).scaleb(-9)
    }
    assert lines(team)[0].started_at == datetime(2026, 11, 3, tzinfo=UTC)


def test_a_month_of_readings_sums_to_exactly_the_price(team):
    price(team, "33.333333333", date(2026, 11, 1))
    day = date(2026, 11, 1)
    while day.month == 11:
        read(team, day, person("rin"), last=day - DAY if day.day > 1 else None)
        day += DAY
    total = CostLineItem.objects.aggregate(total=Sum("billed_cost"))["total"]
    assert total == Decimal("33.333333333")


def test_a_price_from_the_middle_of_the_month_holds_from_its_first_day_on(team):
    price(team, "30", date(2026, 11, 1))
    price(team, "60", date(2026, 11, 16))
    day = date(2026, 11, 1)
    while day.month == 11:
        read(team, day, person("rin"), last=day - DAY if day.day > 1 else None)
        day += DAY
    by_half = CostLineItem.objects.aggregate(
        first=Sum("billed_cost", filter=~_from(16)), second=Sum("billed_cost", filter=_from(16))
    )
    # 15 of 30 days at 30, 15 of 30 at 60.
    assert (by_half["first"], by_half["second"]) == (Decimal(15), Decimal(30))


def _from(day):
    from django.db.models import Q

    return Q(day__gte=date(2026, 11, day))


def test_without_a_price_there_are_no_lines_but_the_team_is_known(team):
    read(team, date(2026, 11, 3), person("rin"))
    assert lines(team) == []
    assert SeatSnapshot.objects.count() == 1
    price(team, "40", date(2026, 11, 4))
    price(team, None, date(2026, 11, 5))
    read(team, date(2026, 11, 4), person("rin"), last=date(2026, 11, 3))
    read(team, date(2026, 11, 5), person("rin"), last=date(2026, 11, 4))
    assert [line.day.day for line in lines(team)] == [4]


def test_today_is_replaced_at_each_reading_and_past_days_never(team):
    price(team, "40", date(2026, 11, 3))
    read(team, date(2026, 11, 3), person("rin"), person("teo"))
    read(team, date(2026, 11, 3), person("rin"), person("kim"), last=date(2026, 11, 3))
    assert [line.user for line in lines(team)] == ["kim@example.com", "rin@example.com"]

    read(team, date(2026, 11, 4), person("rin"), last=date(2026, 11, 3))

    assert [line.user for line in lines(team, date(2026, 11, 3))] == ["kim@example.com", "rin@example.com"]
    assert [line.user for line in lines(team, date(2026, 11, 4))] == ["rin@example.com"]


def test_a_missed_day_repeats_the_last_known_team_at_that_days_price(team):
    price(team, "30", date(2026, 11, 1))
    price(team, "60", date(2026, 11, 5))
    read(team, date(2026, 11, 3), person("rin"), person("teo"))

    read(team, date(2026, 11, 6), person("rin"), last=date(2026, 11, 3))

    assert [(line.day.day, line.user, line.billed_cost) for line in lines(team)] == [
        (3, "rin@example.com", 1),
        (3, "teo@example.com", 1),
        (4, "rin@example.com", 1),
        (4, "teo@example.com", 1),
        (5, "rin@example.com", 2),
        (5, "teo@example.com", 2),
        (6, "rin@example.com", 2),
    ]


def test_days_without_a_connection_have_no_seats(team):
    price(team, "30", date(2026, 11, 1))
    read(team, date(2026, 11, 3), person("rin"))
    read(team, date(2026, 11, 10), person("rin"), last=None)
    assert [line.day.day for line in lines(team)] == [3, 10]


def test_committed_seats_above_the_active_ones_are_one_line_of_their_own(team):
    price(team, "30", date(2026, 11, 1), committed=5)
    read(team, date(2026, 11, 3), person("rin"), person("teo"))
    unused = next(line for line in lines(team) if not line.user)
    assert (unused.resource, unused.quantity, unused.billed_cost) == ("unused committed seats", "3", 3)
    assert sum(line.billed_cost for line in lines(team)) == 5


def test_more_members_than_committed_leave_no_unused_line(team):
    price(team, "30", date(2026, 11, 1), committed=1)
    read(team, date(2026, 11, 3), person("rin"), person("teo"))
    assert [line.user for line in lines(team)] == ["rin@example.com", "teo@example.com"]


def test_somebody_missing_from_the_list_has_left_and_may_come_back(team):
    read(team, date(2026, 11, 3), person("rin"), person("teo"))
    read(team, date(2026, 11, 4), person("rin"), last=date(2026, 11, 3))
    teo = Member.objects.get(key="teo@example.com")
    assert (teo.is_active, teo.first_seen, teo.last_seen) == (False, date(2026, 11, 3), date(2026, 11, 3))
    read(team, date(2026, 11, 9), person("rin"), person("teo"), last=date(2026, 11, 4))
    teo.refresh_from_db()
    assert (teo.is_active, teo.first_seen, teo.last_seen) == (True, date(2026, 11, 3), date(2026, 11, 9))


def test_a_new_e_mail_of_the_same_person_is_not_a_second_person(team):
    read(team, date(2026, 11, 3), person("rin", identity="user_1"))
    read(team, date(2026, 11, 4), person("rin-okafor", identity="user_1"), last=date(2026, 11, 3))
    assert [member.key for member in Member.objects.all()] == ["rin-okafor@example.com"]


def test_a_member_without_e_mail_is_known_by_the_providers_id(team):
    price(team, "30", date(2026, 11, 1))
    read(team, date(2026, 11, 3), person("bot", email="", identity="user_9"))
    assert [line.user for line in lines(team)] == ["user_9"]


def test_a_seat_price_is_never_edited(team):
    from django.core.exceptions import ValidationError

    row = price(team, "30", date(2026, 11, 1))
    row.monthly_price = Decimal(1)
    with pytest.raises(ValidationError, match="never edited"):
        row.save()


def test_a_new_price_for_today_holds_at_the_next_reading_and_leaves_the_past(team):
    price(team, "30", date(2026, 11, 1))
    read(team, date(2026, 11, 3), person("rin"))
    read(team, date(2026, 11, 4), person("rin"), last=date(2026, 11, 3))
    price(team, "60", date(2026, 11, 4))
    read(team, date(2026, 11, 4), person("rin"), last=date(2026, 11, 4))
    assert [line.billed_cost for line in lines(team)] == [1, 2]


def test_of_two_prices_from_the_same_day_the_later_entered_holds(team):
    price(team, "30", date(2026, 11, 3))
    price(team, "60", date(2026, 11, 3))
    read(team, date(2026, 11, 3), person("rin"))
    assert [line.billed_cost for line in lines(team)] == [2]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "later",
    [
        # Somebody left and lost the e-mail, and was invited again.
        [
            person("", email="", identity="user_1", active=False),
            person("rin", identity="user_2"),
        ],
        # Somebody has a new e-mail, and somebody else took the old one.
        [person("rin-okafor", identity="user_1"), person("rin", identity="user_3")],
    ],
    ids=["invited again", "e-mail passed on"],
)
def test_nobody_is_taken_for_two(team, later, backwards):
    price(team, "30", date(2026, 11, 1))
    read(team, date(2026, 11, 3), person("rin", identity="user_1"))
    people = later[::-1] if backwards else later

    read(team, date(2026, 11, 4), *people, last=date(2026, 11, 3))

    active = sorted(one.key for one in later if one.is_active)
    assert [line.user for line in lines(team, date(2026, 11, 4))] == active
