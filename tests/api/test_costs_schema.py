"""The report by API is what its part of the OpenAPI document says, to each parameter and each value."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from costcenters.api.line_items import LineItemApiForm
from costcenters.catalog import Catalog
from costcenters.dimensions import DIMENSIONS
from costcenters.periods import FIRST_DAY
from costcenters.query_form import CostQueryForm
from tests.api.answers import answer, fields, script_of
from tests.api.documented import assert_as_documented, assert_valid, operation
from tests.costcenters.conftest import SPAN
from tests.factories import DailyCostFactory

pytestmark = pytest.mark.django_db
COSTS = "/api/v1/costs/"


@pytest.fixture
def script(at_now):
    return script_of("Viewer", "read")


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{SPAN}&group_by=user&group_by=tag:team&granularity=week&top=2&compare=previous",
        f"{SPAN}&group_by=model_family&measure=tokens&compare=year&user!=(none)&sort=-percent",
        "start=2026-11-21&end=2026-11-21&complete=1",
    ],
)
def test_every_answer_is_as_documented(script, some_rows, text):
    assert_as_documented(script.get(f"{COSTS}?{text}"), COSTS)


def test_the_examples_are_as_documented():
    for path in (COSTS, "/api/v1/line-items/", "/api/v1/dimensions/", "/api/v1/dimensions/{key}/"):
        content = operation(path)["responses"]["200"]["content"]["application/json"]
        for example in content["examples"].values():
            assert_valid(example["value"], content["schema"])


def test_the_columns_of_csv_are_named(script):
    DailyCostFactory(user="ann@example.com")
    response = script.get(f"{COSTS}?group_by=user", accept="text/csv")
    header = b"".join(response.streaming_content).decode().splitlines()[0]

    found = operation(COSTS)
    assert all(f"`{column}`" in found["description"] for column in header.split(",") if column != "user")
    [example] = found["responses"]["200"]["content"]["text/csv"]["examples"].values()
    assert example["value"].splitlines()[0] == header


@pytest.mark.parametrize(("path", "form"), [(COSTS, CostQueryForm), ("/api/v1/line-items/", LineItemApiForm)])
def test_every_parameter_of_the_form_is_documented_and_may_be_empty(script, path, form):
    known = [*form(QueryDict(), catalog=Catalog(cost_centers={}, today=FIRST_DAY)).fields]
    documented = {each["name"]: each for each in operation(path)["parameters"]}

    assert set(documented) == {*known, *DIMENSIONS, *(f"{key}!" for key in DIMENSIONS), "tags"}
    for each in documented.values():
        assert each["description"]
        if each["schema"]["type"] == "array":
            assert_valid([""], each["schema"])
        else:
            assert each.get("allowEmptyValue") or each["name"] == "tags"
    answer(script.get(f"{path}?" + "&".join(f"{name}=" for name in documented)))


def test_values_outside_the_documented_ones_are_refused(script):
    for each in operation(COSTS)["parameters"]:
        schema = each["schema"].get("items", each["schema"])
        wrong = {"enum": "nonsense", "pattern": "?", "minimum": str(schema.get("minimum", 0) - 1)}
        for keyword, value in wrong.items():
            if keyword in schema:
                assert fields(script.get(f"{COSTS}?{each['name']}={value}")) == [each["name"]]
        if "maximum" in schema:
            assert fields(script.get(f"{COSTS}?{each['name']}={schema['maximum'] + 1}")) == [each["name"]]
