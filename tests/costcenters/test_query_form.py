"""The explorer's query string: what it may say, and what is said about mistakes."""

from __future__ import annotations

from datetime import date

import pytest
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Filter
from costcenters.periods import Span
from costcenters.query_form import CostQueryForm
from tests.factories import CostCenterFactory

TODAY = date(2026, 11, 21)
pytestmark = pytest.mark.django_db


def form(text: str) -> CostQueryForm:
    return CostQueryForm(QueryDict(text), catalog=Catalog(today=TODAY))


def query(text: str) -> CostQuery:
    bound = form(text)
    assert bound.is_valid(), bound.errors
    return bound.query()


def test_an_empty_query_string_means_billed_cost_of_the_last_30_days_by_day():
    asked = query("")
    assert asked.span == Span(date(2026, 10, 23), TODAY)
    assert (asked.granularity, asked.measure, asked.top, asked.compare) == ("day", "billed", 9, "none")
    assert asked.group_by == () == asked.filters
    assert asked.currency == ""


def test_empty_parameters_are_ignored():
    assert query("start=&end=&user=&user!=&group_by=&measure=&top=&currency=&tag:x=&foo=&preset=") == query(
        ""
    )


def test_days_beat_a_preset():
    asked = query("preset=7d&start=2026-01-01&end=2026-01-31")
    assert asked.span == Span(date(2026, 1, 1), date(2026, 1, 31))
    assert asked.preset == ""


def test_only_a_start_means_up_to_today():
    assert query("start=2026-11-01").span == Span(date(2026, 11, 1), TODAY)


def test_only_an_end_means_the_30_days_up_to_it():
    assert query("end=2026-03-30").span == Span(date(2026, 3, 1), date(2026, 3, 30))


def test_filters_repeat_exclude_and_ask_for_no_value():
    asked = query("user=a&user=b&user!=c&model=(none)&tag:env=prod&tag:env!=dev&charge_type=seat")
    assert set(asked.filters) == {
        Filter("user", ("a", "b")),
        Filter("user", ("c",), exclude=True),
        Filter("model", ("",)),
        Filter("tag:env", ("prod",)),
        Filter("tag:env", ("dev",), exclude=True),
        Filter("charge_type", ("seat",)),
    }


def test_a_query_survives_its_own_query_string():
    CostCenterFactory(name="Cursor – R&D")
    text = (
        "start=2026-01-01&end=2026-02-03&granularity=week&group_by=user&group_by=tag:team&measure=list&top=0"
        "&compare=year&currency=USD&complete=1&sort=-percent&seat_activity=idle&cost_center=Cursor%20%E2%80%93%20R%26D&user!=%3Dcmd&model=(none)"
    )
    asked = query(text)
    assert query(asked.query_string()) == asked
    assert query("preset=mtd&group_by=model").query_string() == "preset=mtd&group_by=model"


@pytest.mark.parametrize(
    "text, field",
    [
        ("granularity=hour", "granularity"),
        ("measure=cost", "measure"),
        ("compare=last", "compare"),
        ("preset=1y", "preset"),
        ("group_by=who", "group_by"),
        ("group_by=tag:", "group_by"),
        ("group_by=user&group_by=model&group_by=kind", "group_by"),
        ("top=-1", "top"),
        ("top=1.5", "top"),
        ("top=" + "9" * 5000, "top"),
        ("top=٣", "top"),
        ("start=yesterday", "start"),
        ("start=2026-02-30", "start"),
        ("start=20261101", "start"),
        ("start=0001-01-01&end=2026-01-01", "start"),
        ("start=2026-01-01&end=9999-12-31", "end"),
        ("start=2026-02-01&end=2026-01-01", "end"),
        ("start=2026-12-01", "start"),
        ("start=2026-01-01&start=2026-01-02", "start"),
        ("currency=usd", "currency"),
        ("currency=DOLLARS", "currency"),
        ("currency=JPY", "currency"),
        ("sort=cost", "sort"),
        ("sort=--measure", "sort"),
        ("sort=-", "sort"),
        ("complete=yes", "complete"),
        ("seat_activity=asleep", "seat_activity"),
        ("charge_type=fun", "charge_type"),
        ("model_family=Llama", "model_family"),
        ("provider=Not%20a%20slug", "provider"),
        ("cost_center=Nobody", "cost_center"),
        ("cost_center!=Nobody", "cost_center!"),
        ("foo=1", "foo"),
        ("users=a", "users"),
        ("tag:=a", "tag:"),
        ("user=a%00b", "user"),
        ("us%00er=a", "us\x00er"),
        ("user=" + "x" * 301, "user"),
        ("tag:" + "x" * 301 + "=a", "tag:" + "x" * 301),
    ],
)
def test_a_mistake_is_an_error_of_its_own_field(text, field):
    CostCenterFactory()
    bound = form(text)
    assert not bound.is_valid()
    assert [name for name, _ in bound.problems()] == [field]


def test_a_sort_by_what_is_not_compared_is_dropped():
    assert (query("sort=-change").sort, query("sort=-change").is_reversed) == ("", False)
    assert query("sort=-change&compare=previous").sort == "change"
    assert query("sort=-change&compare=previous").is_reversed


def test_a_currency_is_accepted_as_long_as_there_is_no_cost_center():
    assert query("currency=EUR").currency == "EUR"
