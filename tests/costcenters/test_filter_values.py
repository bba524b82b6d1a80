"""The values a filter offers: what costs most in view first, whatever the filter itself says already."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.explorer_page.filter_values import FilterValues, values_of
from costcenters.query_form import CostQueryForm
from tests.costcenters.conftest import NOW, SPAN
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory

pytestmark = pytest.mark.django_db


def values(text: str, key: str, **options) -> FilterValues:
    catalog = Catalog(today=NOW.date())
    form = CostQueryForm(QueryDict(f"{SPAN}&{text}"), catalog=catalog)
    assert form.is_valid(), form.errors
    return values_of(form.query(), key, catalog=catalog, now=NOW, **options)


def listed(found: FilterValues) -> list[tuple[str, Decimal | int, int]]:
    return [(each.value, each.figure, each.events) for each in found.values]


@pytest.fixture
def rows() -> None:
    prod = TagSetFactory(tags={"env": "prod"})
    DailyCostFactory(user="ann", model="claude-4", billed_cost=Decimal(5), line_items=2)
    DailyCostFactory(user="ann", model="gpt-5", billed_cost=Decimal(1), tag_set=prod)
    DailyCostFactory(user="Bob", model="gpt-5", billed_cost=Decimal(7), input_tokens=40)
    DailyCostFactory(user="", charge_type="credit", billed_cost=Decimal(-3))
    DailyCostFactory(user="past", day=date(2026, 10, 1))
    euro = CostCenterFactory(name="Euro", currency="EUR", provider="aws")
    DailyCostFactory(user="eve", cost_center=euro)


def test_values_come_with_their_amount_and_line_items_largest_first(rows):
    assert listed(values("", "user")) == [("Bob", 7, 1), ("ann", 6, 3), ("", -3, 1)]
    assert [each.label for each in values("", "user").values] == ["Bob", "ann", "No user"]


def test_the_measure_of_the_query_is_told(rows):
    assert listed(values("measure=tokens", "user"))[0] == ("Bob", 40, 1)


def test_all_filters_narrow_the_values_but_those_on_the_dimension_itself(rows):
    assert listed(values("model=gpt-5&user=ann&user!=Bob", "user")) == [("Bob", 7, 1), ("ann", 1, 1)]


def test_chosen_values_come_first_even_without_cost(rows):
    found = values("user=past&user=ann&user!=nobody", "user")
    assert [each.value for each in found.values] == ["ann", "nobody", "past", "Bob", ""]


@pytest.mark.parametrize("search, found", [("BO", "Bob"), ("no us", ""), ("  ann ", "ann")])
def test_the_search_finds_value_and_label_in_any_case(rows, search, found):
    assert [each.value for each in values("", "user", search=search).values] == [found]


def test_a_search_without_match_finds_nothing(rows):
    assert (values("", "user", search="%").values, values("", "user", search="_").total) == ((), 0)


def test_values_are_paged(rows):
    first, second = values("", "user", limit=2), values("", "user", offset=2, limit=2)
    assert ([v.value for v in first.values], first.total, first.has_more) == (["Bob", "ann"], 3, True)
    assert ([v.value for v in second.values], second.total, second.has_more) == ([""], 3, False)


@pytest.mark.parametrize(
    "key, expected",
    [
        ("cost_center", [("Cursor", 10)]),
        ("provider", [("cursor", 10)]),
        ("model_family", [("GPT", 8), ("Claude", 5), ("", -3)]),
        ("tag:env", [("", 9), ("prod", 1)]),
        ("charge_type", [("usage", 13), ("credit", -3)]),
        ("seat_activity", [("", 10)]),
    ],
)
def test_every_dimension_has_values(rows, key, expected):
    assert [(value, figure) for value, figure, _ in listed(values("", key))] == expected


def test_the_currency_is_the_reports(rows):
    assert values("", "cost_center").currency == "USD"
    assert listed(values("currency=EUR", "cost_center")) == [("Euro", 1, 1)]
    assert listed(values("cost_center=Euro", "cost_center")) == [("Euro", 1, 1)]


def test_only_complete_periods_are_counted_where_they_are_asked_for(rows):
    DailyCostFactory(user="today", day=date(2026, 11, 21))
    assert "today" not in [each.value for each in values("complete=1", "user").values]
