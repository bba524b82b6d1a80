"""The report by API: the explorer's numbers, exactly."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from decimal import Decimal
from itertools import product

import pytest
from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.links import api_url
from costcenters.models import DailyCost
from tests.costcenters.api_answers import answer, as_csv
from tests.costcenters.conftest import SPAN
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


class TestNumbers:
    @pytest.mark.parametrize(
        ("group_by", "granularity", "rest"),
        [
            (group_by, granularity, rest)
            for (group_by, granularity), rest in zip(
                product(
                    ["", "user", "model,charge_type", "tag:team,user", "cost_center,model_family"],
                    ["day", "week", "month", "total"],
                ),
                [
                    "top=0",
                    "top=2",
                    "top=3&measure=tokens",
                    "user!=a@example.com&measure=list",
                    "model=(none)&measure=events&compare=previous",
                    "charge_type=usage&charge_type=credit&compare=year&measure=effective",
                    "complete=1&measure=savings&sort=-value",
                ]
                * 3,
                strict=False,
            )
        ],
    )
    def test_are_those_of_the_report(self, viewer, ask, some_rows, group_by, granularity, rest):
        groups = "".join(f"&group_by={key}" for key in group_by.split(",") if key)
        text = f"{SPAN}&granularity={granularity}{groups}&{rest}"
        report, body = ask(text), answer(viewer, text)

        assert figure(body["total"]["measure"]) == report.total.measure
        assert [row["value"] for row in body["rows"]] == [row.value for row in report.rows]
        for found, row in zip(body["rows"], report.rows, strict=True):
            assert figure(found["measure"]) == row.amounts.measure
            assert (found["tokens"], found["events"]) == (row.amounts.tokens, row.amounts.events)
            assert optional(found["before"]) == row.amounts.before
            assert optional(found["change"]) == row.amounts.difference
            assert [figure(each) for each in found["by_period"]] == list(row.by_period)
            assert [figure(each) for each in found["before_by_period"]] == list(row.before_by_period)
            assert [(c["value"], figure(c["measure"])) for c in found["children"]] == [
                (child.value, child.amounts.measure) for child in row.children
            ]
        assert [
            (p["start"], figure(p["measure"]), p["events"], p["is_incomplete"]) for p in body["periods"]
        ] == [
            (p.start.isoformat(), p.amounts.measure, p.amounts.events, p.is_incomplete)
            for p in report.periods
        ]
        assert {s["charge_type"]: figure(s["measure"]) for s in body["split"]} == report.split
        assert figure(body["estimated"]) == report.estimated
        assert bool(body["other"]) == bool(report.other_count)
        if report.other:
            assert body["other"]["count"] == report.other_count
            assert figure(body["other"]["measure"]) == report.other.amounts.measure
        assert [row["value"] for row in body["risen"]] == [row.value for row in report.risen]
        assert [row["value"] for row in body["fallen"]] == [row.value for row in report.fallen]

    @pytest.mark.parametrize("measure", ["billed", "effective", "list"])
    def test_are_those_of_the_csv(self, viewer, some_rows, measure):
        text = f"{SPAN}&group_by=user&granularity=week&measure={measure}&top=0"
        body = answer(viewer, text)
        sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in csv.DictReader(io.StringIO(as_csv(viewer, text).decode())):
            sums[row["period"], row["user"].removeprefix("'")] += Decimal(row[f"{measure}_cost"])

        starts = [period["start"] for period in body["periods"]]
        found = {
            (start, row["value"]): Decimal(amount)
            for row in body["rows"]
            for start, amount in zip(starts, row["by_period"], strict=True)
        }
        assert {key: amount for key, amount in found.items() if amount} == {
            k: v for k, v in sums.items() if v
        }

    def test_are_exact_strings_of_decimals_and_whole_counts(self, viewer):
        DailyCostFactory(billed_cost=Decimal("0.000000001"), input_tokens=7)
        DailyCostFactory(billed_cost=Decimal(12))

        total = answer(viewer)["total"]

        assert total == {
            "measure": "12.000000001",
            "tokens": 7,
            "events": 2,
            "before": None,
            "change": None,
        }

    def test_counts_are_integers_as_a_measure_too(self, viewer):
        DailyCostFactory(input_tokens=10**15)

        body = answer(viewer, "measure=tokens&compare=previous&group_by=user")

        assert (body["unit"], body["total"]["measure"], body["rows"][0]["before"]) == ("tokens", 10**15, 0)

    def test_rows_with_the_rest_add_up_to_the_total(self, viewer):
        for n in range(12):
            DailyCostFactory(user=f"u{n:02}", billed_cost=Decimal(n + 1))

        body = answer(viewer, "group_by=user")

        assert (len(body["rows"]), body["other"]["count"], body["other"]["measure"]) == (9, 3, "6.00")
        assert sum(Decimal(row["measure"]) for row in [*body["rows"], body["other"]]) == 78

    def test_thousands_of_rows_are_answered(self, viewer):
        center = CostCenterFactory()
        DailyCost.objects.bulk_create(
            DailyCostFactory.build(cost_center=center, user=f"user{n}@example.com") for n in range(3000)
        )

        body = answer(viewer, "group_by=user&top=0&preset=90d")

        assert len(body["rows"]) == 3000
        assert body["total"]["measure"] == "3000.00"

    def test_take_few_queries(self, viewer, some_rows, django_assert_max_num_queries):
        text = f"{SPAN}&group_by=tag:team&group_by=model_family&model_family=Claude&compare=previous"
        with django_assert_max_num_queries(15):
            answer(viewer, text)
        with django_assert_max_num_queries(15):
            as_csv(viewer, text)


def test_the_explorers_link_leads_here(viewer, ask):
    DailyCostFactory(user="a b&c=d")
    report = ask("preset=7d&group_by=model&user=a b%26c%3Dd&compare=previous")

    url = api_url(report.query)

    assert url.startswith(reverse("api-costs"))
    assert viewer.get(url).json()["total"]["measure"] == "1.00"
    assert Catalog().names == ["Cursor"]


def figure(found: str | int) -> Decimal | int:
    """A count stays an integer; an amount must be a plain decimal string."""
    if isinstance(found, str):
        assert "E" not in found
        return Decimal(found)
    return found


def optional(found: str | int | None) -> Decimal | int | None:
    return None if found is None else figure(found)
