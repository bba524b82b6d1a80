"""Seat prices by API: set from a day on, never edited, withdrawn while they have not begun."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from costcenters.models import CostCenter, SeatPrice
from tests.api.answers import answer, fields, problem, script_of
from tests.factories import CostCenterFactory, IntegrationFactory

pytestmark = pytest.mark.django_db
ALL = "/api/v1/seat-prices/"
TODAY = timezone.now().date()
DAY = timedelta(days=1)


@pytest.fixture
def center() -> CostCenter:
    return IntegrationFactory().cost_center


@pytest.fixture
def script():
    return script_of("Editor", "write")


def price(center: CostCenter, monthly: int | None, since: date) -> SeatPrice:
    amount = None if monthly is None else Decimal(monthly)
    return SeatPrice.objects.create(cost_center=center, monthly_price=amount, effective_from=since)


def test_a_price_is_set_from_today_on_and_says_by_whom(script, center):
    response = script.post(ALL, {"cost_center": center.pk, "monthly_price": "32.5", "committed_seats": 20})

    shown = answer(response, 201)
    assert response["Location"] == f"{ALL}{shown['id']}/"
    assert shown.pop("created_at").endswith("Z")
    assert shown == {
        "id": SeatPrice.objects.get().pk,
        "cost_center": center.pk,
        "monthly_price": "32.50",
        "committed_seats": 20,
        "effective_from": TODAY.isoformat(),
        "is_in_effect": True,
        "created_by": script.user.username,
    }


def test_tracking_is_turned_off_with_null_on_a_day_to_come(script, center):
    sent = {"cost_center": center.pk, "monthly_price": None, "effective_from": (TODAY + DAY).isoformat()}
    shown = answer(script.post(ALL, sent), 201)
    assert (shown["monthly_price"], shown["is_in_effect"]) == (None, False)


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"monthly_price": "-1"}, "monthly_price"),
        ({"monthly_price": "1000001"}, "monthly_price"),
        ({"monthly_price": "NaN"}, "monthly_price"),
        ({"committed_seats": -1}, "committed_seats"),
        ({"monthly_price": None, "committed_seats": 5}, "committed_seats"),
        ({"effective_from": (TODAY - DAY).isoformat()}, "effective_from"),
        ({"effective_from": "9999-12-31"}, "effective_from"),
        ({"cost_center": 2**63 - 1}, "cost_center"),
        ({"cost_center": 2**63}, "cost_center"),
        ({"price": "40"}, "price"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(script, center, changed, blamed):
    assert fields(script.post(ALL, {"cost_center": center.pk, "monthly_price": "40", **changed})) == [blamed]
    assert not SeatPrice.objects.exists()


def test_the_price_must_be_said(script, center):
    assert fields(script.post(ALL, {"cost_center": center.pk})) == ["monthly_price"]


def test_a_cost_center_without_seats_or_connection_has_no_price(script, center):
    aws = CostCenterFactory(name="AWS", provider="aws")
    assert fields(script.post(ALL, {"cost_center": aws.pk, "monthly_price": "40"})) == ["cost_center"]
    CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.DISCONNECTED)
    refusal = problem(script.post(ALL, {"cost_center": center.pk, "monthly_price": "40"}), 409)
    assert "disconnected" in refusal["detail"]


def test_the_one_that_holds_is_the_latest_from_the_latest_day(script, center, django_assert_max_num_queries):
    old = price(center, 30, TODAY - 90 * DAY)
    replaced, now = price(center, 35, TODAY - 9 * DAY), price(center, 40, TODAY - 9 * DAY)
    price(center, 50, TODAY + DAY)
    elsewhere = price(IntegrationFactory(cost_center__name="Other").cost_center, None, TODAY - DAY)

    with django_assert_max_num_queries(12):
        shown = answer(script.get(ALL))["results"]
    assert {each["id"] for each in shown if each["is_in_effect"]} == {now.pk, elsewhere.pk}

    def on(day: date, more: str = "") -> list[int]:
        return [each["id"] for each in answer(script.get(f"{ALL}?in_effect_on={day}{more}"))["results"]]

    assert on(TODAY) == [elsewhere.pk, now.pk]
    assert on(TODAY - 10 * DAY) == [old.pk]
    assert on(TODAY, f"&cost_center={center.pk}") == [now.pk]
    assert not answer(script.get(f"{ALL}{replaced.pk}/"))["is_in_effect"]


def test_only_a_price_that_has_not_begun_is_withdrawn_and_none_is_edited(script, center):
    begun, to_come = price(center, 30, TODAY), price(center, 35, TODAY + DAY)

    assert "in effect already" in problem(script.delete(f"{ALL}{begun.pk}/"), 409)["detail"]
    assert script.delete(f"{ALL}{to_come.pk}/").status_code == 204
    problem(script.patch(f"{ALL}{begun.pk}/", {"monthly_price": "1"}), 405)
    assert list(SeatPrice.objects.all()) == [begun]
