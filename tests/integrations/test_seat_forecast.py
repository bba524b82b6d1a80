"""What seats will cost: to the nano-unit what the engine then writes, whatever is changed and whenever."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costcenters.models import CostCenter, DailyCost, SeatPrice
from costcenters.periods import months_before
from integrations import life, seats
from integrations.models import Integration, Stream
from integrations.providers.base import Member as Record
from integrations.seat_forecast import forecast, seat_day_cost

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NANO = 10**9


def team_of(size):
    return [Record(f"{number}", f"p{number}@example.com", "", "member", True, True) for number in range(size)]


@pytest.fixture
def integration():
    return connection()


def connection():
    center = CostCenter.objects.create(name="Forecast", provider="cursor", status=CostCenter.Status.ACTIVE)
    integration = Integration.objects.create(
        cost_center=center, provider="cursor", api_url="http://cursor.test"
    )
    Stream.objects.create(integration=integration, name="members", due_at=noon(date(2026, 1, 1)))
    return integration


def noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def read(integration, day, size):
    """What the engine does with the members of a day."""
    stream = integration.streams.get(name="members")
    last = stream.synced_through
    seats.record_members(
        integration, team_of(size), today=day, last_read=None if last is None else last.date()
    )
    stream.synced_through = noon(day)
    stream.save()


def price(integration, monthly, day, committed=None, *, saved=True):
    made = SeatPrice(
        cost_center=integration.cost_center,
        monthly_price=None if monthly is None else Decimal(monthly),
        committed_seats=committed,
        effective_from=day,
    )
    if saved:
        made.save()
    return made


def written(integration, first):
    """Nano-units of seat lines in the month that begins with `first`."""
    total = DailyCost.objects.filter(
        cost_center=integration.cost_center,
        charge_type="seat",
        day__gte=first,
        day__lt=months_before(first, -1),
    ).aggregate(total=Sum("billed_cost"))["total"]
    return int((total or Decimal(0)).scaleb(9))


prices = st.one_of(st.none(), st.decimals("0", "5000", places=9))
committed = st.one_of(st.none(), st.integers(0, 9))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    connected_on=st.dates(date(2026, 1, 1), date(2026, 4, 1)),
    days_until_read=st.integers(0, 9),
    days_unread=st.integers(0, 12),
    days_ahead=st.integers(0, 40),
    size=st.integers(0, 3),
    first_price=prices,
    new_price=prices,
    scheduled=st.one_of(st.none(), st.tuples(st.integers(1, 60), prices)),
    held=committed,
    wanted=committed,
)
def test_the_months_that_were_foretold_are_what_the_engine_writes_for_an_unchanged_team(
    connected_on,
    days_until_read,
    days_unread,
    days_ahead,
    size,
    first_price,
    new_price,
    scheduled,
    held,
    wanted,
):
    with transaction.atomic():
        integration = connection()
        price(integration, first_price, connected_on, held)
        read(integration, connected_on, size)
        last_read = connected_on + days_until_read * DAY
        read(integration, last_read, size)
        today = last_read + days_unread * DAY
        if scheduled is not None:
            price(integration, scheduled[1], today + scheduled[0] * DAY)
        change = price(integration, new_price, today + days_ahead * DAY, wanted, saved=False)

        foretold = forecast(integration, change, today=today)
        unchanged = forecast(integration, None, today=today)
        with transaction.atomic():
            months = {month.first: month.before for month in unchanged.months}
            run(integration, today, months_before(max(months), -1), size)
            assert {first: written(integration, first) for first in months} == months
            transaction.set_rollback(True)
        life.set_seat_price(
            integration,
            monthly_price=change.monthly_price,
            committed_seats=change.committed_seats,
            effective_from=change.effective_from,
            user=None,
            now=noon(today),
        )
        months = {month.first: month.after for month in foretold.months}
        run(integration, today, months_before(max(months), -1), size)

        assert foretold.team == size
        assert {first: written(integration, first) for first in months} == months
        transaction.set_rollback(True)


def run(integration, today, end, size):
    """The engine's days `[today, end)`: it misses some, and reads the last one."""
    for number in range((end - today).days):
        day = today + number * DAY
        if number % 5 == 0 or day == end - DAY:
            read(integration, day, size)


def test_a_price_from_the_middle_of_a_month_splits_it_by_days(integration):
    price(integration, "30", date(2026, 11, 1))
    for number in range(1, 11):
        read(integration, date(2026, 11, number), 2)

    foretold = forecast(
        integration, price(integration, "60", date(2026, 11, 21), saved=False), today=date(2026, 11, 10)
    )

    november, december = foretold.months
    # 9 days are past; 20 days at 30 and 10 at 60, for two.
    assert (november.so_far, november.before, november.after) == (18 * NANO, 60 * NANO, 80 * NANO)
    assert (december.before, december.after, december.difference) == (60 * NANO, 120 * NANO, 60 * NANO)
    assert (november.is_full, december.is_full) == (False, True)


def test_a_change_that_begins_later_shows_the_first_month_it_fills(integration):
    read(integration, date(2026, 11, 10), 1)
    change = price(integration, "31", date(2027, 1, 15), saved=False)

    months = forecast(integration, change, today=date(2026, 11, 10)).months

    assert [(month.first, month.is_full) for month in months] == [
        (date(2026, 11, 1), False),
        (date(2026, 12, 1), False),
        (date(2027, 1, 1), False),
        (date(2027, 2, 1), True),
    ]
    assert [month.after for month in months] == [0, 0, 17 * NANO, 31 * NANO]


def test_committed_seats_cost_whether_they_are_taken_or_not(integration):
    read(integration, date(2026, 11, 1), 3)
    change = price(integration, "10", date(2026, 11, 1), 5, saved=False)

    november = forecast(integration, change, today=date(2026, 11, 1)).months[0]

    assert november.after == 50 * NANO


def test_a_scheduled_price_goes_on_to_hold_after_the_change(integration):
    read(integration, date(2026, 11, 1), 1)
    price(integration, "90", date(2026, 12, 1))

    months = forecast(
        integration, price(integration, "30", date(2026, 11, 1), saved=False), today=date(2026, 11, 1)
    ).months

    assert [month.after for month in months] == [30 * NANO, 90 * NANO]


def test_nothing_is_foretold_before_the_team_was_read(integration):
    assert forecast(integration, None, today=date(2026, 11, 1)) is None


def test_no_price_costs_nothing():
    assert seat_day_cost(None, 7, date(2026, 11, 1)) == 0
    assert seat_day_cost(SeatPrice(monthly_price=None, committed_seats=9), 7, date(2026, 11, 1)) == 0
