"""The seats of a cost center are estimated or typed, never both on one day: from either side, also at once."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costcenters.models import CostCenter, CostLineItem, SeatPrice
from integrations import life
from integrations.models import Integration, Subscription
from integrations.subscriptions import changes, typed_seats
from integrations.subscriptions.changes import Draft, NotPossible
from tests.connecting import answers, connect
from tests.factories import CostCenterFactory, IntegrationFactory, UserFactory
from tests.integrations.test_life_races import at_once

from .conftest import NOW, TODAY, add, subscription

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def cursor():
    return IntegrationFactory(cost_center=CostCenterFactory()).cost_center


def price(cursor, monthly, day, *, now=NOW):
    return life.set_seat_price(
        cursor.integration,
        monthly_price=None if monthly is None else Decimal(monthly),
        committed_seats=None,
        effective_from=day,
        user=None,
        now=now,
    )


def known_price(cursor, monthly, day):
    """As it was set some day in the past."""
    return SeatPrice.objects.create(
        cost_center=cursor, monthly_price=None if monthly is None else Decimal(monthly), effective_from=day
    )


def test_a_cost_center_without_a_seat_price_may_have_its_seats_typed(cursor):
    assert add(name="Cursor", seats_of=cursor).seats_of == cursor


def test_estimated_seats_cannot_be_typed_as_well(cursor):
    known_price(cursor, 40, date(2026, 10, 5))

    with pytest.raises(NotPossible) as refusal:
        add(seats_of=cursor)

    assert refusal.value.field == "seats_of"
    assert "$40.00 a month since 5 Oct 2026" in str(refusal.value)
    assert "Do not track seats" in str(refusal.value)
    assert not Subscription.objects.exists()


def test_typed_seats_begin_on_the_day_after_the_last_that_was_estimated(cursor):
    known_price(cursor, 40, date(2026, 9, 1))
    price(cursor, None, TODAY)

    with pytest.raises(NotPossible, match="Begin on 20 Nov 2026 or later"):
        add(seats_of=cursor, starts_on=TODAY - DAY)
    assert add(seats_of=cursor, starts_on=TODAY)


def test_typed_seats_cannot_be_estimated_as_well(cursor):
    add(name="Cursor seats", seats_of=cursor)

    with pytest.raises(life.NotPossible) as refusal:
        price(cursor, 40, TODAY)

    assert refusal.value.field == "monthly_price"
    assert "the subscription “Cursor seats” (Settings > Subscriptions)" in str(refusal.value)
    assert not SeatPrice.objects.exists()
    assert price(cursor, None, TODAY), "not tracking them is no contradiction"


def test_an_estimate_may_begin_when_what_is_typed_has_ended(cursor):
    add(seats_of=cursor, ends_on=TODAY + DAY)

    with pytest.raises(life.NotPossible, match="until 21 Nov 2026"):
        price(cursor, 40, TODAY + DAY)
    assert price(cursor, 40, TODAY + 2 * DAY)


def test_an_end_cannot_be_taken_back_once_an_estimate_follows(cursor):
    known = add(seats_of=cursor, ends_on=TODAY)
    price(cursor, 40, TODAY + DAY)
    known.ends_on = None

    with pytest.raises(NotPossible) as refusal:
        changes.save(Draft.of(known), now=NOW)

    assert refusal.value.field == "seats_of"
    assert Subscription.objects.get().ends_on == TODAY


def test_the_end_of_tracking_cannot_be_taken_back_once_seats_are_typed(cursor):
    known_price(cursor, 40, date(2026, 9, 1))
    stop = price(cursor, None, TODAY + 5 * DAY)
    add(seats_of=cursor, starts_on=TODAY + 5 * DAY)

    with pytest.raises(life.NotPossible, match="one or the other"):
        life.withdraw_seat_price(stop, now=NOW)

    assert SeatPrice.objects.filter(pk=stop.pk).exists()


def test_the_django_admin_refuses_it_too(client, cursor):
    known_price(cursor, 40, date(2026, 9, 1))
    stop = SeatPrice.objects.create(cost_center=cursor, effective_from=date.today() + 5 * DAY)
    add(seats_of=cursor, starts_on=date.today() + 5 * DAY)
    client.force_login(UserFactory(is_superuser=True, is_staff=True))

    response = client.post(reverse("admin:costcenters_seatprice_delete", args=[stop.pk]), {"post": "yes"})

    assert response.status_code == 403
    assert SeatPrice.objects.filter(pk=stop.pk).exists()


def test_a_flat_fee_cannot_stand_for_seats(cursor):
    with pytest.raises(NotPossible) as refusal:
        add(seats=None, seats_of=cursor)
    assert refusal.value.field == "seats_of"


def test_new_terms_of_typed_seats_are_held_to_the_same(cursor):
    known = add(seats_of=cursor, ends_on=TODAY)
    price(cursor, 40, TODAY + DAY)

    with pytest.raises(NotPossible):
        changes.new_terms(known, Draft(subscription(seats_of=cursor, starts_on=TODAY + 2 * DAY)), now=NOW)
    assert Subscription.objects.count() == 1


def test_a_deleted_cost_center_leaves_the_subscription(cursor):
    add(seats_of=cursor)
    Integration.objects.filter(cost_center=cursor).delete()
    cursor.delete()

    assert Subscription.objects.get().seats_of is None


def test_connecting_again_with_a_seat_price_is_refused_while_the_seats_are_typed(client, api):
    client.force_login(UserFactory(role="Admin"))
    integration = connect(client, api, monthly_seat_price="")
    add(seats_of=integration.cost_center, name="Typed", starts_on=date.today())
    life.remove(integration, with_history=False, now=timezone.now())

    response = client.post(reverse("connect", args=["cursor"]), answers(api))

    page = response.content.decode()
    assert response.status_code == 200
    assert "Its seats are typed as the subscription “Typed”" in page
    assert "monthly_seat_price" in response.context["form"].errors
    assert CostCenter.objects.get(pk=integration.cost_center_id).status == CostCenter.Status.DISCONNECTED
    assert connect(client, api, monthly_seat_price="").pk == integration.pk


@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=6),
    st.integers(0, 40),
    st.none() | st.integers(0, 40),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_allowed_is_exactly_what_shares_no_day(cursor, prices, begins, length):
    SeatPrice.objects.all().delete()
    origin = date(2026, 1, 1)
    for day, is_tracked in prices:
        known_price(cursor, 40 if is_tracked else None, origin + day * DAY)
    starts_on = origin + begins * DAY
    ends_on = None if length is None else starts_on + length * DAY
    days = [starts_on + DAY * number for number in range((length if length is not None else 100) + 1)]

    def is_estimated(day):
        held = SeatPrice.objects.filter(cost_center=cursor).in_effect_on(day)
        return held is not None and held.monthly_price is not None

    shared = any(is_estimated(day) for day in days)
    assert bool(typed_seats.against_subscription(cursor, starts_on, ends_on)) is shared


@pytest.mark.django_db(transaction=True)
def test_of_a_price_and_a_subscription_at_the_same_moment_one_is_stored():
    cursor = IntegrationFactory(cost_center=CostCenterFactory()).cost_center
    add(name="Other")
    for number in range(4):
        day = TODAY + (number + 1) * DAY
        outcomes = at_once(
            lambda day=day: price(cursor, 40, day),
            lambda day=day: add(seats_of=CostCenter.objects.get(pk=cursor.pk), starts_on=day),
        )
        assert sum(outcome is None for outcome in outcomes) == 1, outcomes
        assert all(each is None or isinstance(each, NotPossible | life.NotPossible) for each in outcomes), (
            outcomes
        )
        Subscription.objects.filter(seats_of=cursor).update(seats_of=None)
        SeatPrice.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_two_first_subscriptions_at_the_same_moment_share_one_cost_center():
    outcomes = at_once(*[lambda number=number: add(name=f"Tool {number}") for number in range(4)])

    assert outcomes == [None] * 4
    assert CostCenter.objects.get().name == "Subscriptions"
    assert Subscription.objects.count() == 4
    assert CostLineItem.objects.values("service").distinct().count() == 4
