"""The chart's data and looks: what a value is drawn in, running sums, what was before, where a click leads."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import combinations
from types import SimpleNamespace

import pytest

from costcenters.catalog import Catalog
from costcenters.dimensions import MODEL_FAMILIES, model_family
from costcenters.display.charts import chart_data, series_of
from costcenters.display.drill import drilled
from costcenters.display.figures import percent_text, short_label
from costcenters.display.looks import KNOWN, LOOKS, NO_VALUE, look
from costcenters.links import explorer_url
from costcenters.models import ChargeType
from integrations.sandbox.activity import KINDS, MODELS
from integrations.sandbox.company import Company
from tests.factories import CostCenterFactory, DailyCostFactory

NOTHING = Catalog(cost_centers={})


def looks(key: str, values: list[str]) -> list[str]:
    return [look(key, value, NOTHING) for value in values]


# Looks ---------------------------------------------------------------------------------------------------


def test_a_look_depends_on_the_value_alone():
    models = [f"model-{n}" for n in range(100)]
    known = dict(zip(models, looks("model", models), strict=True))
    for some in (models[:9], models[5:12], list(reversed(models))):
        assert looks("model", some) == [known[value] for value in some]


def test_all_looks_are_used_and_none_is_grey():
    seen = {look("user", f"person {n}", NOTHING) for n in range(2000)}
    assert seen == set(LOOKS)
    assert len(LOOKS) == 81
    assert not any("other" in each for each in LOOKS)


@pytest.mark.parametrize(
    "key, values",
    [
        ("model", MODELS),
        ("model_family", MODEL_FAMILIES),
        ("kind", dict.fromkeys(kind for kind, _, _ in KINDS)),
        ("charge_type", ChargeType.values),
        ("surface", ["editor", "headless", "cloud agent", "automation", "bugbot", ""]),
        ("provider", ["cursor", "aws", "gcp", "azure"]),
    ],
)
def test_well_known_values_never_share_a_look(key, values):
    found = looks(key, list(values))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("key", KNOWN)
def test_looks_that_are_set_by_hand_are_looks_and_differ(key):
    assert set(KNOWN[key].values()) <= set(LOOKS)
    assert max(Counter(KNOWN[key].values()).values()) == 1


def test_models_of_one_family_have_related_hues():
    hues = {"Claude": {"s1", "s8"}, "GPT": {"s2", "s9"}, "Gemini": {"s7"}, "Grok": {"s3"}, "Composer": {"s4"}}
    for model, classes in KNOWN["model"].items():
        if model_family(model) in hues:
            assert classes.split()[0] in hues[model_family(model)], model


def test_no_value_looks_the_same_in_each_dimension():
    assert {look(key, "", NOTHING) for key in ("user", "model", "kind", "tag:team")} == {NO_VALUE}


def test_a_renamed_cost_center_keeps_its_look():
    before = Catalog(cost_centers={3: SimpleNamespace(name="Cursor")})  # type: ignore[dict-item]
    after = Catalog(cost_centers={3: SimpleNamespace(name="Cursor team")})  # type: ignore[dict-item]
    assert look("cost_center", "Cursor", before) == look("cost_center", "Cursor team", after) == "s3"


def test_few_people_of_the_sandbox_share_a_look():
    """Of 60 people in 81 looks 1.0 % of the pairs share one; chance alone would make 1.2 %."""
    today = date(2026, 11, 21)
    company = Company(anchor=today)
    people = [person.email for person in company.team_on(today)]
    pairs = list(combinations(looks("user", people), 2))
    assert len(people) == 60
    assert sum(a == b for a, b in pairs) / len(pairs) < 0.0105


# Labels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label, short",
    [
        ("gpt-5.5", "gpt-5.5"),
        ("x" * 40, "x" * 40),
        ("projects/acme-production/locations/us-central1/i-1", "projects/acme-production/…s-central1/i-1"),
        ("ada.lovelace@analytical.engines.example.com", "ada.lovelace@…ytical.engines.example.com"),
        ("a" * 45 + "@example.com", "a" * 25 + "…aa@example.com"),
    ],
)
def test_a_long_label_is_cut_in_its_middle(label, short):
    assert short_label(label) == short
    assert len(short) <= 40


@pytest.mark.parametrize(
    "value, text",
    [("9.94", "9.9 %"), ("9.96", "10 %"), ("-9.97", "−10 %"), ("364.2", "364 %"), ("0", "0.0 %")],
)
def test_percents_have_a_decimal_below_ten(value, text):
    assert percent_text(Decimal(value)) == text


# The chart's data ----------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestTheData:
    @pytest.fixture(autouse=True)
    def _now(self, at_now):
        """It is 21 November 2026."""

    def data(self, ask, text, kind="bars"):
        answer, catalog = ask(text), Catalog()
        return chart_data(answer, series_of(answer, catalog, explorer_url), kind)

    def test_running_sums_are_exact(self, ask):
        for day, amount in ((18, "0.1"), (20, "0.2"), (21, "0.000000001")):
            DailyCostFactory(day=date(2026, 11, day), billed_cost=Decimal(amount), user="a")
        data = self.data(ask, "start=2026-11-17&end=2026-11-21&group_by=user", "cumulative")
        assert data["series"][0]["values"] == ["0.00", "0.10", "0.10", "0.30", "0.300000001"]
        assert data["totals"] == data["series"][0]["values"]

    def test_other_adds_up_what_is_not_shown_and_what_was_before(self, ask):
        for n in range(5):
            DailyCostFactory(user=f"u{n}", billed_cost=Decimal(n + 1))
            DailyCostFactory(user=f"u{n}", billed_cost=Decimal(10), day=date(2026, 11, 19))
        data = self.data(ask, "start=2026-11-20&end=2026-11-20&group_by=user&top=2&compare=previous")
        assert [(s["label"], s["values"], s["before"]) for s in data["series"]] == [
            ("u4", ["5.00"], ["10.00"]),
            ("u3", ["4.00"], ["10.00"]),
            ("Other (3 more)", ["6.00"], ["30.00"]),
        ]
        assert (data["totals"], data["totalsBefore"]) == (["15.00"], ["50.00"])
        assert data["periods"][0]["before"] == "19 Nov 2026"

    def test_of_many_series_only_the_total_before_is_a_line(self, ask):
        for n in range(4):
            DailyCostFactory(user=f"u{n}")
        few, many = "group_by=user&top=2&compare=year", "group_by=user&compare=year"
        assert self.data(ask, few, "lines")["beforeAs"] == "series"
        assert self.data(ask, many, "lines")["beforeAs"] == "total"
        assert self.data(ask, few, "cumulative")["beforeAs"] == "total"
        assert self.data(ask, many)["beforeAs"] == "bars"
        assert self.data(ask, "group_by=user")["beforeAs"] == ""

    def test_a_link_keeps_the_currency_that_is_shown(self, ask):
        DailyCostFactory(user="a", billed_cost=Decimal(5))
        DailyCostFactory(
            user="a", billed_cost=Decimal(3), cost_center=CostCenterFactory(name="E", currency="EUR")
        )
        assert "currency=USD" in self.data(ask, "group_by=user")["series"][0]["url"]

    def test_drilling_in_groups_by_what_is_not_settled_yet(self, ask):
        query = ask("group_by=user").query
        inside = drilled(query, "a")
        assert inside.group_by == ("model",)
        further = drilled(inside, "gpt-5")
        assert further.group_by == ("service",)
        assert {f.dimension for f in further.filters} == {"user", "model"}
        assert drilled(ask("group_by=user&group_by=kind").query, "a").group_by == ("kind",)
