"""/healthz and /readyz: open to probes, silent about names to strangers, honest about the worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from costcenters.models import CostCenter
from finops.models import Heartbeat
from tests.factories import CostCenterFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def beating():
    Heartbeat.beat(Heartbeat.WORKER, datetime.now(UTC))


def test_healthz_is_open_and_needs_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_is_ready_with_a_worker(client, beating):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
    }
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("age", [None, timedelta(minutes=6)])
def test_readyz_misses_a_worker_without_a_sign_of_life(client, age):
    if age is not None:
        Heartbeat.beat(Heartbeat.WORKER, datetime.now(UTC) - age)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "qcluster" in response.json()["checks"]["worker"]


def test_strangers_learn_no_names_and_people_learn_how_late_each_is(client, beating):
    CostCenterFactory(name="Cursor", complete_through=datetime.now(UTC) - timedelta(hours=2))
    CostCenterFactory(name="Gone", status=CostCenter.Status.DISCONNECTED)
    assert "Cursor" not in client.get("/readyz").content.decode()

    client.force_login(UserFactory(role="Viewer"))
    (center,) = client.get("/readyz").json()["cost_centers"]

    assert (center["name"], center["status"]) == ("Cursor", "active")
    assert center["lag_seconds"] == pytest.approx(7200, abs=60)
