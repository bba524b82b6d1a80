"""Runs by API: listed, filtered, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import SyncRun
from tests.api.answers import answer, fields, problem, script_of
from tests.factories import CostCenterFactory, IntegrationFactory, SyncRunFactory

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/sync-runs/"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def script():
    return script_of("Viewer", "read")


def ids(script, query="", path=RUNS):
    return [run["id"] for run in answer(script.get(f"{path}?{query}"))["results"]]


def test_a_window_is_told_with_its_amounts(script):
    center = CostCenterFactory(currency="EUR")
    run = SyncRunFactory(
        integration=IntegrationFactory(cost_center=center),
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=61.4),
        outcome="kept",
        events=7,
        requests=2,
        waited_seconds=3,
        amount_before=Decimal("1.5"),
        amount_after=Decimal("1.000000001"),
        kept_days=["2026-11-19"],
        message="No longer returned by Cursor, kept: 19 Nov.",
        sample="what the provider sent",
    )
    told = answer(script.get(f"{RUNS}{run.pk}/"))
    assert told == {
        "id": run.pk,
        "integration": run.integration_id,
        "stream": "usage",
        "window_start": "2026-11-18T00:00:00Z",
        "window_end": "2026-11-21T00:00:00Z",
        "started_at": "2026-11-21T12:00:00Z",
        "finished_at": "2026-11-21T12:01:01.400000Z",
        "seconds": 61,
        "outcome": "kept",
        "events": 7,
        "requests": 2,
        "waited_seconds": 3,
        "currency": "EUR",
        "amount_before": "1.50",
        "amount_after": "1.000000001",
        "kept_days": ["2026-11-19"],
        "message": "No longer returned by Cursor, kept: 19 Nov.",
    }


def test_what_runs_has_no_end_and_what_was_asked_for_no_window(script):
    run = SyncRunFactory(
        stream=SyncRun.EVERYTHING, window_start=NOON, window_end=NOON, finished_at=None, outcome="running"
    )
    told = answer(script.get(f"{RUNS}{run.pk}/"))
    assert [told[name] for name in ("stream", "window_start", "window_end", "finished_at", "seconds")] == [
        None
    ] * 5


def test_the_list_is_filtered(script):
    first = IntegrationFactory()
    other = IntegrationFactory(cost_center=CostCenterFactory(name="Other"))
    old = SyncRunFactory(integration=first, started_at=NOON - timedelta(hours=2))
    failed = SyncRunFactory(integration=first, started_at=NOON, outcome="failed", stream="members")
    whole = SyncRunFactory(integration=other, started_at=NOON, stream=SyncRun.EVERYTHING)

    assert ids(script) == [whole.pk, failed.pk, old.pk]
    assert ids(script, f"integration={first.pk}") == [failed.pk, old.pk]
    assert ids(script, path=f"/api/v1/integrations/{first.pk}/runs/") == [failed.pk, old.pk]
    assert ids(script, "stream=members") == ids(script, "outcome=failed") == [failed.pk]
    assert ids(script, "stream=(none)") == [whole.pk]
    assert ids(script, "since=2026-11-21T12:00:00Z") == [whole.pk, failed.pk]
    assert ids(script, "since=2026-11-21T13:00:01%2B01:00&outcome=failed") == []
    assert ids(script, "integration=900001") == []
    page = answer(script.get(f"{RUNS}?limit=2"))
    assert [run["id"] for run in answer(script.get(page["next"]))["results"]] == [old.pk]


@pytest.mark.parametrize(
    ("query", "blamed"),
    [
        ("integration=0", "integration"),
        (f"integration={'9' * 30}", "integration"),
        ("outcome=odd", "outcome"),
        ("since=yesterday", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("stream=a%00b", "stream"),
        ("stream=a&stream=b", "stream"),
        ("state=done", "state"),
    ],
)
def test_what_cannot_be_asked_is_refused(query, blamed, script):
    assert fields(script.get(f"{RUNS}?{query}")) == [blamed]


def test_what_is_not_there_is_not_found(script):
    for pk in ("0", "900001", "9" * 30):
        problem(script.get(f"{RUNS}{pk}/"), 404)
    run = SyncRunFactory()
    assert fields(script.get(f"/api/v1/integrations/{run.integration_id}/runs/?integration=1")) == [
        "integration"
    ]


def test_a_thousand_cost_as_many_queries_as_one(script):
    integration = IntegrationFactory()
    SyncRunFactory(integration=integration)

    def queries():
        with CaptureQueriesContext(connection) as seen:
            answer(script.get(f"{RUNS}?limit=1000"))
        return len(seen)

    queries()
    before = queries()
    for _ in range(20):
        SyncRunFactory(integration=integration)
    assert queries() == before
