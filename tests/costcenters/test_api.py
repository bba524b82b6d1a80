"""The report by API: what its body says, and in which formats."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from tests.costcenters.api_answers import COSTS, answer, problem
from tests.costcenters.conftest import SPAN
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


class TestBody:
    def test_echoes_the_question_in_full_and_at_its_shortest(self, viewer):
        CostCenterFactory()
        text = (
            "granularity=day&top=9&measure=list&user!=a@b.c&user=(none)&group_by=model"
            "&preset=7d&compare=previous&sort=-change"
        )
        query = answer(viewer, text)["query"]

        assert query == {
            "parameters": "preset=7d&group_by=model&user=(none)&user!=a@b.c&measure=list&compare=previous&sort=-change",
            "preset": "7d",
            "granularity": "day",
            "group_by": ["model"],
            "filters": [
                {"dimension": "user", "values": [""], "exclude": False},
                {"dimension": "user", "values": ["a@b.c"], "exclude": True},
            ],
            "measure": "list",
            "top": 9,
            "compare": "previous",
            "currency": None,
            "only_complete": False,
            "sort": "-change",
        }
        assert answer(viewer, query["parameters"])["query"] == query

    def test_says_span_currency_and_granularity(self, viewer):
        DailyCostFactory(cost_center=CostCenterFactory(name="Europe", currency="EUR"), billed_cost=Decimal(5))
        DailyCostFactory()

        body = answer(viewer, "start=2024-01-01&end=2026-11-21&compare=year")

        assert body["span"] == {"start": "2024-01-01", "end": "2026-11-21"}
        assert body["compare_span"] == {"start": "2023-01-01", "end": "2025-11-21"}
        assert (body["query"]["granularity"], body["granularity"]) == ("day", "week")
        assert (body["currency"], body["currencies"], body["unit"]) == ("EUR", ["EUR", "USD"], "EUR")
        assert answer(viewer, "currency=USD")["total"]["measure"] == "1.00"

    def test_says_how_far_it_is_complete(self, viewer):
        DailyCostFactory()

        body = answer(viewer, "preset=7d")

        assert body["freshness"]["complete_through"] == "2026-11-21T14:00:00Z"
        assert body["freshness"]["state"] == "current"
        assert [period["start"] for period in body["periods"] if period["is_incomplete"]] == ["2026-11-21"]

    def test_calls_no_value_empty_and_names_it(self, viewer):
        DailyCostFactory(user="", model="default")

        row = answer(viewer, "group_by=user&group_by=model")["rows"][0]

        assert (row["value"], row["label"]) == ("", "No user")
        assert (row["children"][0]["value"], row["children"][0]["label"]) == ("default", "Auto (default)")

    def test_says_what_rose_and_fell(self, viewer):
        DailyCostFactory(user="up", day=date(2026, 11, 20), billed_cost=Decimal(3))
        DailyCostFactory(user="down", day=date(2026, 11, 10), billed_cost=Decimal(2))

        body = answer(viewer, "preset=7d&group_by=user&compare=previous")

        assert [(row["value"], row["change"]) for row in body["risen"]] == [("up", "3.00")]
        assert [(row["value"], row["change"]) for row in body["fallen"]] == [("down", "-2.00")]

    def test_has_no_span_when_no_period_is_complete(self, viewer):
        DailyCostFactory()

        body = answer(viewer, "start=2026-11-21&end=2026-11-21&complete=1")

        assert (body["span"], body["periods"], body["total"]["measure"]) == (None, [], "0.00")

    def test_is_there_before_anything_is_connected(self, viewer):
        body = answer(viewer, "group_by=model&compare=previous")

        assert (body["total"]["measure"], body["rows"], body["other"]) == ("0.00", [], None)
        assert body["freshness"]["complete_through"] is None

    def test_ignores_how_the_page_shows_it(self, viewer):
        DailyCostFactory()
        shown = answer(viewer, "group_by=user&chart=lines&page=3&view=1")
        assert shown == answer(viewer, "group_by=user")

    def test_passes_on_hostile_text_unharmed(self, viewer):
        name = '<script>alert("x")</script>\u2028'
        DailyCostFactory(user=name)

        response = viewer.get(f"{COSTS}?group_by=user")

        assert json.loads(response.content)["rows"][0]["value"] == name
        assert response["X-Content-Type-Options"] == "nosniff"


class TestFormat:
    @pytest.mark.parametrize(
        "accept",
        [
            "",
            "*/*",
            "application/json",
            "application/*",
            "text/html, */*;q=0.8",
            "application/json; indent=2",
        ],
    )
    def test_is_json_unless_asked(self, viewer, accept):
        response = viewer.get(COSTS, headers={"Accept": accept} if accept else {})
        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/json")
        assert "Accept" in response["Vary"]

    def test_csv_is_the_explorers_export(self, viewer, some_rows):
        text = f"{SPAN}&group_by=user&group_by=tag:team&granularity=week"
        page = viewer.get(f"/explorer/export.csv?{text}")
        api = viewer.get(f"{COSTS}?{text}", headers={"Accept": "text/csv"})

        assert b"".join(api.streaming_content) == b"".join(page.streaming_content)
        for name in ("Content-Type", "Content-Disposition"):
            assert api[name] == page[name]

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "\x00", "nonsense", "a/b/c;;;=", ";"])
    def test_nothing_else_is_offered(self, viewer, accept):
        body = problem(viewer.get(COSTS, headers={"Accept": accept}), 406)
        assert "application/json or text/csv" in body["detail"]

    def test_format_is_no_parameter(self, viewer):
        body = problem(viewer.get(f"{COSTS}?format=csv"), 400)
        assert body["errors"] == [{"field": "format", "detail": "There is no such parameter."}]

    def test_head_has_the_headers_alone(self, viewer):
        DailyCostFactory()
        for accept in ("application/json", "text/csv"):
            response = viewer.head(COSTS, headers={"Accept": accept})
            assert response.status_code == 200
            assert response["Content-Type"].startswith(accept)
            assert b"".join(response) == b""

    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_options_says_what_is_allowed(self, viewer, accept):
        response = viewer.options(COSTS, headers={"Accept": accept})
        assert (response.status_code, response["Allow"], response.content) == (204, "GET, HEAD, OPTIONS", b"")
