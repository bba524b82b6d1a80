"""Cost centers by API."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection

from tests.api.answers import answer, fields, problem, script_of
from tests.api.documented import assert_as_documented
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db
ALL = "/api/v1/cost-centers/"


@pytest.fixture
def script(at_now):
    return script_of("Viewer", "read")


def test_a_cost_center_is_shown_with_what_it_costs_this_month(script):
    center = CostCenterFactory(name="Clouds & co", provider="focus_files", currency="EUR")
    DailyCostFactory(cost_center=center, day=date(2026, 11, 1), billed_cost=Decimal("0.000000001"))
    DailyCostFactory(cost_center=center, day=date(2026, 11, 21), billed_cost=Decimal(12))
    DailyCostFactory(cost_center=center, day=date(2026, 10, 31), billed_cost=Decimal(100))
    DailyCostFactory()

    response = script.get(f"{ALL}{center.pk}/")

    assert_as_documented(response, f"{ALL}{{id}}/")
    found = answer(response)
    costs_url, page_url = found.pop("costs_url"), found.pop("page_url")
    assert found == {
        "id": center.pk,
        "name": "Clouds & co",
        "provider": "focus_files",
        "provider_label": "FOCUS files",
        "currency": "EUR",
        "status": "active",
        "connected_on": "2026-01-01",
        "complete_through": "2026-11-21T14:00:00Z",
        "billed_this_month": "12.000000001",
    }
    assert answer(script.get(costs_url))["total"]["measure"] == "12.000000001"
    assert page_url == f"http://testserver/settings/cost-centers/{center.pk}/"


def test_they_are_listed_in_as_many_queries_however_many_there_are(script, django_assert_max_num_queries):
    named = [CostCenterFactory(name=f"Team {n}", complete_through=None) for n in range(30)]
    CostCenterFactory(name="AWS", provider="aws", currency="EUR", status="disconnected", connected_on=None)

    with django_assert_max_num_queries(14):
        response = script.get(f"{ALL}?limit=30")
    assert_as_documented(response, ALL)
    page = answer(response)
    assert [each["name"] for each in page["results"]] == [center.name for center in named]
    assert [each["name"] for each in answer(script.get(page["next"]))["results"]] == ["AWS"]


def test_they_are_found_by_name_provider_status_and_currency(script):
    CostCenterFactory()
    CostCenterFactory(name="AWS", provider="aws", currency="EUR", status="needs attention")
    for text in ("name=AWS", "provider=aws", "status=needs%20attention", "currency=EUR&provider=aws"):
        assert [each["name"] for each in answer(script.get(f"{ALL}?{text}"))["results"]] == ["AWS"], text
    assert answer(script.get(f"{ALL}?provider=gcp"))["results"] == []
    for text in ("provider=No!", "status=gone", "currency=eur", "q=AWS"):
        assert fields(script.get(f"{ALL}?{text}")) == [text.partition("=")[0]]


def test_a_number_beyond_all_is_no_cost_center(script):
    for number in (0, 10**18, 10**30):
        problem(script.get(f"{ALL}{number}/"), 404)


def test_a_sum_that_sqlite_cannot_hold_hides_no_cost_center(script):
    for user in "ab":
        DailyCostFactory(user=user, billed_cost=Decimal(5 * 10**9))
    response = script.get(ALL)
    assert_as_documented(response, ALL)
    [found] = answer(response)["results"]
    assert found["billed_this_month"] == (None if connection.vendor == "sqlite" else "10000000000.00")
