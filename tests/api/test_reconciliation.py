"""The provider's totals beside ours, by API."""

from __future__ import annotations

import csv

import pytest

from integrations.pages.reconciliation import reconciliation_csv
from tests.api.answers import answer, fields, problem, script_of
from tests.factories import CostCenterFactory, IntegrationFactory
from tests.integrations.conftest import NOW
from tests.integrations.reconciled import ANN, BOB, NOON, connected, tell, use

pytestmark = pytest.mark.django_db


def address(integration) -> str:
    return f"/api/v1/integrations/{integration.pk}/reconciliation/"


def test_the_numbers_are_those_of_the_csv():
    integration = connected()
    use(integration, (ANN, NOON, "10.123456789", "10"), (BOB, NOON, "0", "3.004"))
    tell(integration, (ANN, "9", "0"), (BOB, "0", "3"))

    shown = answer(script_of("Viewer", "read").get(f"{address(integration)}?cycle=2026-11-13T13:37"))

    _, chunks = reconciliation_csv(integration.cost_center, NOW)
    rows = list(csv.DictReader(b"".join(chunks).decode().splitlines()))
    assert [
        {
            **{name: row[name] or "" for name in rows[0] if name not in ("user", "explanation")},
            "user": " + ".join(row["users"]),
            "explanation": " ".join(row["explanations"]),
        }
        for row in shown["rows"]
    ] == rows
    assert [row["standing"] for row in shown["rows"]] == ["differs", "agrees"]
    assert (shown["is_compared"], shown["verdict"]) == (True, "Differs by $1.12 (9.4 %): 1 person")
    assert shown["cycle"] == shown["cycles"][0]
    assert shown["cycle"]["start"] == "2026-11-13T13:37:42.123000Z"


def test_an_unknown_cycle_is_refused_and_what_cannot_be_compared_is_said():
    script, integration = script_of("Viewer", "read"), connected()
    assert fields(script.get(f"{address(integration)}?cycle=2026-11-13")) == ["cycle"]
    aws = IntegrationFactory(cost_center=CostCenterFactory(name="AWS", provider="aws"), provider="aws")
    shown = answer(script.get(address(aws)))
    assert (shown["is_compared"], shown["cycle"], shown["rows"]) == (False, None, [])
    problem(script.get("/api/v1/integrations/999999/reconciliation/"), 404)
