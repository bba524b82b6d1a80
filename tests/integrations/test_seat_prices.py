"""A new seat price: exact by the day from its first day on, today's lines at once, past days never."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.context import set_actor
from auditlog.models import LogEntry
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costcenters.models import CostLineItem, DailyCost, SeatPrice
from integrations import connections, engine, life, seats
from integrations.life import NotPossible
from integrations.models import Integration, Stream
from integrations.providers import PROVIDERS
from tests.factories import UserFactory

from .conftest import NOW, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = NOW.date()
DAY = timedelta(days=1)
MEMBERS = "/teams/members"


@pytest.fixture
def server(sandbox):
    return sandbox(days=4, events=60)


@pytest.fixture
def integration(server, connect, runtime, clock):
    """Connected yesterday at 40 a month; today's team is read."""
    clock.now -= DAY
    integration = connect(server)
    sync(integration, runtime)
    clock.now += DAY
    read_members(runtime)
    return integration


def read_members(runtime):
    stream = Stream.objects.get(name="members")
    return engine.sync_stream(stream.pk, runtime=runtime)


def set_price(monthly, day=TODAY, *, committed=None, now=NOW, user=None):
    return life.set_seat_price(
        Integration.objects.get(),
        monthly_price=None if monthly is None else Decimal(monthly),
        committed_seats=committed,
        effective_from=day,
        user=user,
        now=now,
    )


def lines(day=None):
    found = CostLineItem.objects.filter(charge_type="seat").order_by("day", "user")
    return found if day is None else found.filter(day=day)


def share(monthly, day=TODAY):
    return Decimal(seats.day_share(int(Decimal(monthly) * 10**9), day)).scaleb(-9)


def total(day, model=CostLineItem):
    found = model.objects.filter(charge_type="seat", day=day).aggregate(total=Sum("billed_cost"))["total"]
    return found or Decimal(0)


def test_a_price_from_today_changes_todays_lines_at_once_and_no_past_day(integration, clock):
    yesterday, team = list(lines(TODAY - DAY).values()), lines(TODAY).count()
    assert team

    set_price("60")

    assert {line.billed_cost for line in lines(TODAY)} == {share("60")}
    assert total(TODAY) == total(TODAY, DailyCost) == team * share("60")
    assert list(lines(TODAY - DAY).values()) == yesterday


def test_committed_seats_from_today_show_at_once(integration):
    team = lines(TODAY).count()
    set_price("60", committed=team + 3)
    assert total(TODAY) == (team + 3) * share("60")
    assert lines(TODAY).get(user="").quantity == "3"


def test_tracking_is_turned_off_today_and_on_again(integration, runtime):
    team = lines(TODAY).count()
    set_price(None)
    assert not lines(TODAY).exists()
    assert lines(TODAY - DAY).count() == team
    set_price("50")
    read_members(runtime)
    assert total(TODAY) == team * share("50")


def test_a_price_from_tomorrow_changes_nothing_before(integration, runtime, clock):
    before, team = list(lines().values()), lines(TODAY).count()
    set_price("90", TODAY + DAY)
    assert list(lines().values()) == before
    clock.now += DAY
    read_members(runtime)
    assert total(TODAY + DAY) == team * share("90", TODAY + DAY)
    assert list(lines().exclude(day=TODAY + DAY).values()) == before


def test_before_todays_team_is_read_the_missed_days_keep_their_price(integration, runtime, clock):
    clock.now += 3 * DAY
    today = clock.now.date()
    set_price("90", today, now=clock.now)
    assert not lines(today).exists()
    read_members(runtime)
    team = lines(TODAY).count()
    assert [total(TODAY + n * DAY) for n in range(3)] == [
        team * share("40", TODAY + n * DAY) for n in range(3)
    ]
    assert total(today) == team * share("90", today)


def test_a_reading_of_the_team_that_runs_at_that_moment_uses_the_new_price(integration, clock):
    reading = while_asking(clock, lambda: set_price("75"), MEMBERS)
    assert read_members(reading).complete
    assert {line.billed_cost for line in lines(TODAY)} == {share("75")}


def test_the_past_takes_no_price_and_a_removed_connection_neither(integration, clock):
    with pytest.raises(NotPossible, match="stays as it is") as refused:
        set_price("50", TODAY - DAY)
    assert refused.value.field == "effective_from"
    life.remove(Integration.objects.get(), with_history=False, now=clock())
    with pytest.raises(NotPossible, match="disconnected"):
        set_price("50")
    assert SeatPrice.objects.count() == 1


@pytest.mark.parametrize(
    ("monthly", "committed", "field"),
    [("-1", None, "monthly_price"), ("40", -3, "committed_seats"), ("9000000000", 1000, "monthly_price")],
)
def test_impossible_prices_are_refused_with_their_field(monthly, committed, field, integration):
    with pytest.raises(NotPossible) as refused:
        set_price(monthly, committed=committed)
    assert refused.value.field == field
    assert SeatPrice.objects.count() == 1


def test_a_future_price_can_be_withdrawn_and_one_in_effect_cannot(integration, runtime, clock):
    planned = set_price("90", TODAY + 2 * DAY)
    life.withdraw_seat_price(planned, now=clock())
    clock.now += 2 * DAY
    read_members(runtime)
    assert {line.billed_cost for line in lines(TODAY + 2 * DAY)} == {share("40", TODAY + 2 * DAY)}
    held = SeatPrice.objects.get()
    with pytest.raises(NotPossible, match="in effect"):
        life.withdraw_seat_price(held, now=clock())
    assert SeatPrice.objects.get() == held


def test_what_was_planned_before_a_removal_does_not_come_into_effect_after_a_revival(
    integration, server, connect, runtime, clock
):
    set_price("90", TODAY + 10 * DAY)
    life.remove(Integration.objects.get(), with_history=False, now=clock())
    clock.now += 2 * DAY
    connect(server, price="20")
    clock.now += 10 * DAY
    read_members(runtime)
    assert {line.billed_cost for line in lines(clock.now.date())} == {share("20", clock.now.date())}


def test_it_is_in_the_log_who_changed_a_price(integration, clock):
    boss = UserFactory(role="Admin")
    with set_actor(boss):
        price = set_price("90", TODAY + DAY, user=boss)
        identity = price.pk
        life.withdraw_seat_price(price, now=clock())
    entries = LogEntry.objects.filter(object_pk=str(identity), content_type__model="seatprice")
    assert [(entry.get_action_display(), entry.actor) for entry in entries.order_by("pk")] == [
        ("create", boss),
        ("delete", boss),
    ]


# A whole month, whatever happens in it --------------------------------------------------------------------------------

MONTH = date(2026, 11, 1)
LENGTH = monthrange(MONTH.year, MONTH.month)[1]
prices = st.none() | st.integers(0, 10**13).map(lambda nano: Decimal(nano).scaleb(-9))
#: Day of the change, of the first day it holds for (as days later), price, committed seats.
changes = st.lists(
    st.tuples(st.integers(1, LENGTH), st.integers(0, 12), prices, st.none() | st.integers(0, 9)), max_size=6
)
#: The team's size when it is read that day, or None: nobody reads it.
teams = st.lists(st.none() | st.integers(0, 5), min_size=LENGTH, max_size=LENGTH)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes, teams=teams, first=prices)
def test_a_month_is_exactly_the_sum_of_its_days_whatever_changes_when(changes, teams, first, db):
    """Every day is priced at what held on it; each change is made after that day's reading, if there is one."""
    from costcenters.models import CostCenter
    from integrations.providers.base import Member

    CostLineItem.objects.all().delete()
    DailyCost.objects.all().delete()
    CostCenter.objects.filter(integration=None).delete()
    Integration.objects.all().delete()
    CostCenter.objects.all().delete()
    center = CostCenter.objects.create(name="Cursor", provider="cursor", status="active")
    integration = Integration.objects.create(
        cost_center=center, provider="cursor", api_url="http://cursor.test"
    )
    stream = Stream.objects.create(integration=integration, name="members", due_at=NOW)
    SeatPrice.objects.create(cost_center=center, monthly_price=first, effective_from=MONTH)
    #: By day: (order of typing, price, committed seats), the last one at or before a day holds on it.
    typed = [(MONTH, 0, first, None)]
    known, team_of, last = 0, {}, None
    for number, size in enumerate([1, *teams[1:-1], 2], start=1):
        day = MONTH.replace(day=number)
        if size is not None:
            people = [
                Member(
                    external_id=f"u{n}",
                    email=f"u{n}@x.test",
                    name="",
                    role="member",
                    is_active=True,
                    is_paid=True,
                )
                for n in range(size)
            ]
            seats.record_members(integration, people, today=day, last_read=last)
            last, now = day, datetime(2026, 11, number, 12, tzinfo=UTC)
            Stream.objects.filter(pk=stream.pk).update(synced_through=now)
            known = size
        team_of[day] = known
        for order, (made, later, price, committed) in enumerate(changes, start=1):
            if made == number:
                first_day = day + later * DAY
                set_price(
                    price, first_day, committed=committed, now=datetime(2026, 11, number, 15, tzinfo=UTC)
                )
                typed.append((first_day, order + number * 100, price, None if price is None else committed))

    expected = 0
    for day, size in team_of.items():
        _, _, price, committed = max((one for one in typed if one[0] <= day), key=lambda one: one[:2])
        if price is not None:
            expected += seats.day_share(int(price.scaleb(9)), day) * max(size, committed or 0)
    for model in (CostLineItem, DailyCost):
        found = model.objects.filter(charge_type="seat").aggregate(total=Sum("billed_cost"))["total"]
        assert (found or Decimal(0)) == Decimal(expected).scaleb(-9)


def test_a_new_price_in_the_middle_of_a_month_leaves_both_halves_exact(server, connect, runtime, clock):
    clock.now = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
    connections.connect(
        PROVIDERS["cursor"],
        name="Cursor",
        credentials={"admin_api_key": server.api_key},
        monthly_seat_price=Decimal("33.333333333"),
        user=None,
        runtime=runtime,
        api_url=server.url,
    )
    while clock.now.month == 11:
        read_members(runtime)
        if clock.now.day == 16:
            set_price("66.666666667", clock.now.date(), now=clock.now)
        clock.now += DAY
    by_user = (
        CostLineItem.objects.filter(charge_type="seat").values("user").annotate(total=Sum("billed_cost"))
    )
    halves = sum(share("33.333333333", date(2026, 11, n)) for n in range(1, 16)) + sum(
        share("66.666666667", date(2026, 11, n)) for n in range(16, 31)
    )
    assert by_user
    assert {row["total"] for row in by_user if lines().filter(user=row["user"]).count() == 30} == {halves}
