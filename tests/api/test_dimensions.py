"""Dimensions and their values by API."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from urllib.parse import quote

import pytest

from costcenters.dimensions import DIMENSIONS
from tests.api.answers import answer, fields, problem, script_of
from tests.api.documented import assert_as_documented
from tests.costcenters.conftest import SPAN
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory

pytestmark = pytest.mark.django_db
ALL = "/api/v1/dimensions/"


@pytest.fixture
def script(at_now):
    return script_of("Viewer", "read")


def test_every_dimension_is_listed_and_leads_to_its_values(script, some_rows):
    TagSetFactory(tags={"cost/unit": "a"})
    response = script.get(ALL)

    assert_as_documented(response, ALL)
    found = answer(response)["results"]
    assert [each["name"] for each in found] == [*DIMENSIONS, "tag:cost/unit", "tag:team"]
    for each in found:
        body = script.get(f"{each['values_url']}?{SPAN}")
        assert_as_documented(body, f"{ALL}{{key}}/")
        assert answer(body)["name"] == each["name"]
        assert {row["value"] for row in answer(body)["results"]} - {""} <= set(
            each["fixed_values"] or [row["value"] for row in answer(body)["results"]]
        )


@pytest.mark.parametrize("key", ["user", "model", "tag:team", "cost_center", "charge_type"])
@pytest.mark.parametrize("measure", ["billed", "events"])
def test_the_values_are_those_of_the_report(script, some_rows, key, measure):
    asked = f"{SPAN}&measure={measure}&model!=gpt-5"
    rows = answer(script.get(f"/api/v1/costs/?{asked}&group_by={key}&top=0"))["rows"]
    if key == "model":
        # What is asked of the dimension itself is left aside, and comes first.
        rows = answer(script.get(f"/api/v1/costs/?{SPAN}&measure={measure}&group_by=model&top=0"))["rows"]
        rows.sort(key=lambda row: row["value"] != "gpt-5")

    values = answer(script.get(f"{ALL}{key}/?{asked}"))["results"]

    told = ("value", "label", "measure", "events")
    assert [[each[name] for name in told] for each in values] == [
        [row[name] for name in told] for row in rows
    ]
    assert [each["parameter"] for each in values] == [row["value"] or "(none)" for row in rows]


def test_they_are_searched_and_paged(script):
    center = CostCenterFactory()
    for n in range(7):
        DailyCostFactory(cost_center=center, user=f"ann{n}@example.com", billed_cost=Decimal(n + 1))
    DailyCostFactory(cost_center=center, user="ben@example.com", day=date(2026, 11, 1))

    page = answer(script.get(f"{ALL}user/?q=ANN&limit=3&preset=30d"))
    seen = [page]
    while page["next"]:
        page = answer(script.get(page["next"]))
        seen.append(page)
    assert [[each["value"][3] for each in page["results"]] for page in seen] == [
        ["6", "5", "4"],
        ["3", "2", "1"],
        ["0"],
    ]
    assert {page["count"] for page in seen} == {7}
    assert answer(script.get(seen[2]["previous"]))["results"] == seen[1]["results"]
    assert answer(script.get(seen[1]["previous"]))["previous"] is None
    # Beyond the end there is a way back.
    beyond = answer(script.get(f"{ALL}user/?q=ann&limit=3&offset=1000"))
    assert (beyond["results"], beyond["next"]) == ([], None)
    assert [each["value"][3] for each in answer(script.get(beyond["previous"]))["results"]] == ["2", "1", "0"]


def test_without_any_cost_there_are_no_values(script):
    response = script.get(f"{ALL}user/")
    assert_as_documented(response, f"{ALL}{{key}}/")
    assert answer(response)["results"] == []


@pytest.mark.parametrize("key", ["nonsense", "tag:", "User", "users/", "tag:" + "x" * 400, "\x00", "user!"])
def test_another_dimension_is_not_there(script, key):
    problem(script.get(f"{ALL}{quote(key, safe='')}/"), 404)


@pytest.mark.parametrize("key", ["tag:\x00", "tag:a/b", "tag:é%", "tag:?&#"])
def test_any_tag_can_be_asked_for(script, some_rows, key):
    [found] = answer(script.get(f"{ALL}{quote(key, safe='')}/?{SPAN}"))["results"]
    assert (found["value"], found["parameter"]) == ("", "(none)")


def test_what_it_does_not_understand_is_named(script):
    for text, named in (
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("q=a&q=b", "q"),
        ("q=%00", "q"),
        ("search=a", "search"),
        ("start=x", "start"),
    ):
        assert fields(script.get(f"{ALL}user/?{text}")) == [named], text
    assert fields(script.get(f"{ALL}?limit=5")) == ["limit"]
