from __future__ import annotations

from datetime import date
from decimal import Decimal
from html import unescape

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from costcenters.catalog import Catalog
from costcenters.overview import overview_page
from costcenters.query_form import CostQueryForm
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


def cards(at_now) -> dict[str, str]:
    return {card.label: str(card.value) for card in overview_page(Catalog(), now=at_now).cards}


def test_the_parts_of_the_month_add_up(at_now):
    DailyCostFactory(billed_cost=Decimal("10.01"), user="a")
    DailyCostFactory(billed_cost=Decimal("2.02"), user="a", charge_type="seat", is_estimated=True)
    DailyCostFactory(billed_cost=Decimal("-0.5"), charge_type="credit")
    DailyCostFactory(billed_cost=Decimal(30), cost_center=CostCenterFactory(name="AWS", provider="aws"))
    DailyCostFactory(day=date(2026, 10, 31), billed_cost=Decimal(1000))
    assert cards(at_now) == {
        "Month to date, 1 – 21 Nov 2026": "$41.53",
        "Cursor usage": "$10.01",
        "Cursor seats": "$2.02",
        "Everything else": "$29.50",
    }


def test_the_month_is_compared_with_the_same_days_of_the_last_one(at_now):
    DailyCostFactory(billed_cost=Decimal(3))
    DailyCostFactory(day=date(2026, 10, 21), billed_cost=Decimal(2))
    DailyCostFactory(day=date(2026, 10, 22), billed_cost=Decimal(100))
    month = overview_page(Catalog(), now=at_now).cards[0]
    assert (str(month.change), month.percent, month.note, month.direction) == (
        "+$1.00",
        "+50 %",
        "on 1 – 21 Oct",
        "up",
    )


def test_only_seats_that_are_estimated_have_the_badge(at_now):
    DailyCostFactory(charge_type="seat", is_estimated=True)
    assert [c.is_estimated for c in overview_page(Catalog(), now=at_now).cards] == [False, False, True, False]


def test_rankings_list_people_and_their_models_only(at_now):
    DailyCostFactory(user="a", model="gpt-5", billed_cost=Decimal(1))
    DailyCostFactory(user="b", model="gpt-5", billed_cost=Decimal(2))
    DailyCostFactory(model="BoxUsage", cost_center=CostCenterFactory(name="AWS", provider="aws"))
    people, models = overview_page(Catalog(), now=at_now).rankings
    assert [row.label for row in people.rows] == ["b", "a"]
    assert [row.label for row in models.rows] == ["gpt-5"]


def test_every_link_is_a_question_the_explorer_understands(at_now, viewer):
    DailyCostFactory(user="a", model="gpt-5")
    DailyCostFactory(user="a", charge_type="seat", is_estimated=True)
    text = unescape(viewer.get("/").text)
    links = {part.split('"')[0] for part in text.split('href="/explorer/')[1:]}
    assert len(links) > 12
    for link in links:
        form = CostQueryForm(QueryDict(link.removeprefix("?")), today=at_now.date(), catalog=Catalog())
        assert form.is_valid(), (link, form.errors)


def test_a_fresh_install_leads_to_the_cost_centers(viewer):
    text = viewer.get("/").text
    assert "There is no cost here yet" in text
    assert 'href="/settings/cost-centers/"' in text


def test_old_cost_alone_leads_to_the_history(viewer):
    DailyCostFactory(day=date(2026, 2, 1))
    text = unescape(viewer.get("/").text)
    assert "There is no cost in this month and the last one" in text
    assert 'href="/explorer/?preset=12m&granularity=month&group_by=cost_center&currency=USD"' in text


def test_one_currency_is_shown_at_a_time(viewer):
    DailyCostFactory(billed_cost=Decimal(3))
    DailyCostFactory(billed_cost=Decimal(1), cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    assert "$3.00" in viewer.get("/").text
    euros = viewer.get("/?currency=EUR").text
    assert "€1.00" in euros
    assert "$3.00" not in euros
    assert viewer.get("/?currency=%00nonsense").status_code == 200


def test_the_number_of_queries_is_fixed(at_now):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            overview_page(Catalog(), now=at_now)
        return len(captured)

    DailyCostFactory(user="a", model="m")
    few = count()
    for n in range(25):
        DailyCostFactory(user=f"u{n}", model=f"m{n}")
    assert count() == few <= 12
