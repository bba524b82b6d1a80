"""Which seats are used and which are idle."""

from __future__ import annotations

from datetime import date

import pytest

from costcenters.catalog import Catalog, Seats
from costcenters.models import ChargeType
from tests.costcenters.conftest import SPAN, amounts
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats() -> None:
    seat, usage = ChargeType.SEAT, ChargeType.USAGE
    euro = CostCenterFactory(name="Euro", currency="EUR")
    for user, day, charge_type, center in (
        ("active", 21, seat, None),
        ("active", 5, usage, None),
        ("elsewhere", 21, seat, None),
        ("elsewhere", 21, usage, euro),
        ("idle", 21, seat, None),
        ("other team", 19, seat, euro),
        ("gone", 20, seat, None),
        ("gone", 20, usage, None),
        ("no seat", 21, usage, None),
        ("", 21, seat, None),
        ("", 21, usage, None),
    ):
        DailyCostFactory(
            cost_center=center or CostCenterFactory(),
            user=user,
            day=date(2026, 11, day),
            charge_type=charge_type,
        )
    DailyCostFactory(user="idle", day=date(2026, 10, 22), charge_type=usage)  # 31 days ago


def test_a_seat_is_held_on_the_newest_day_and_used_within_30_days(seats):
    found = Catalog(today=date(2026, 11, 21)).seats
    assert found.active == {"active", "elsewhere"}
    assert found.idle == {"idle", "other team"}


def test_the_last_of_the_30_days_counts(seats):
    DailyCostFactory(user="idle", day=date(2026, 10, 23))
    assert "idle" in Catalog(today=date(2026, 11, 21)).seats.active


def test_seats_of_more_than_30_days_ago_are_held_no_more(seats):
    assert Catalog(today=date(2026, 12, 18)).seats.idle == {"other team", "idle", "active"}
    assert Catalog(today=date(2026, 12, 20)).seats.idle == {"idle", "active"}
    assert Catalog(today=date(2026, 12, 21)).seats == Seats(frozenset(), frozenset())


def test_seats_are_grouped_and_filtered_by_their_activity(ask, seats):
    def users(text: str) -> str:
        return ", ".join(sorted(amounts(ask(f"{SPAN}&currency=USD&group_by=user&{text}"))))

    assert amounts(ask(f"{SPAN}&currency=USD&group_by=seat_activity")) == {"active": 3, "idle": 1, "": 5}
    assert users("seat_activity=idle") == "idle"
    assert users("seat_activity!=idle") == ", active, elsewhere, gone, no seat"
    assert users("seat_activity=(none)") == ", gone, no seat"
    assert users("seat_activity=(none)&seat_activity=active") == ", active, elsewhere, gone, no seat"
    assert users("seat_activity!=(none)") == "active, elsewhere, idle"
