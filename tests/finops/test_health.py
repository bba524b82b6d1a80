"""/healthz and /readyz: open to probes, silent about names to strangers, honest about database and worker."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costcenters.models import CostCenter
from finops.models import Heartbeat
from finops.secrets import Secrets
from integrations.models import Integration
from tests.factories import CostCenterFactory, UserFactory
from tests.processes import ROOT, environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def beating():
    Heartbeat.beat(Heartbeat.WORKER, datetime.now(UTC))


def connected(name: str, behind: timedelta | None = None, **given: Any) -> CostCenter:
    """A cost center whose bill is complete up to so long ago."""
    through = None if behind is None else datetime.now(UTC) - behind
    center = CostCenterFactory(name=name, complete_through=through, **given)
    Integration.objects.create(
        cost_center=center,
        provider="cursor",
        credentials=Secrets({"admin_api_key": "k"}),
        api_url="https://api.example.com",
    )
    return center


# The process ----------------------------------------------------------------------------------------------------------


def test_healthz_is_open_and_needs_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_healthz_asks_nothing_of_the_database_for_somebody_logged_in_either(
    client, django_assert_num_queries
):
    client.force_login(UserFactory(role="Admin"))

    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200


# The database ---------------------------------------------------------------------------------------------------------

#: A browser with a session asks both while the database of DATABASE_URL is as it is.
ASK = """
import json, sys, time, django
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost"})
client.cookies["sessionid"] = "x" * 32
answers = []
for path in ("/healthz", "/readyz"):
    began = time.monotonic()
    response = client.get(path)
    answers.append([response.status_code, response.json(), time.monotonic() - began])
print(json.dumps(answers))
"""


def ask_with_database(url: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=environment(DATABASE_URL=url, SITE_URL="http://localhost:8000", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def test_a_process_without_a_database_is_alive_but_not_ready():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    alive, ready = ask_with_database(f"postgres://app:word@127.0.0.1:{port}/bill")

    assert alive[:2] == [200, {"status": "ok"}]
    assert ready[:2] == [503, {"status": "not ready", "checks": {"database": "not reachable"}}]


def test_a_database_that_hangs_is_given_up_in_seconds(silent_server):
    alive, ready = ask_with_database(f"postgres://app:word@127.0.0.1:{silent_server}/bill")

    assert alive[0] == 200
    assert ready[:2] == [503, {"status": "not ready", "checks": {"database": "not reachable"}}]
    assert ready[2] < 25


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_statement_that_waits_for_a_lock_is_given_up_in_seconds(client):
    from django.db import connections

    blocker = connections.create_connection("default")
    try:
        blocker.set_autocommit(False)
        with blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE finops_heartbeat IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        response = client.get("/readyz")
        took = time.monotonic() - began
    finally:
        blocker.rollback()
        blocker.close()

    assert (response.status_code, response.json()["checks"]) == (503, {"database": "not reachable"})
    assert took < 25
    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


# Readiness ------------------------------------------------------------------------------------------------------------


def test_readyz_is_ready_with_a_worker(client, beating):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
        "lag": "no cost center is connected",
    }
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("age", [None, timedelta(minutes=6)])
def test_readyz_misses_a_worker_without_a_sign_of_life(client, age):
    if age is not None:
        Heartbeat.beat(Heartbeat.WORKER, datetime.now(UTC) - age)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "qcluster" in response.json()["checks"]["worker"]


def test_a_late_cost_center_is_told_but_does_not_take_the_pages_away(client, beating):
    connected("In time", timedelta(hours=2))
    connected("Late", timedelta(hours=7))
    connected("Standing still", timedelta(days=7), status=CostCenter.Status.PAUSED)

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["lag"] == "1 of 3 cost centers is more than 6 h behind"


def test_a_cost_center_whose_first_days_never_come_is_late_too(client, beating):
    center = connected("New")
    assert client.get("/readyz").json()["lag"] == "none of 1 cost centers is more than 6 h behind"

    CostCenter.objects.filter(pk=center.pk).update(created_at=datetime.now(UTC) - timedelta(hours=7))
    assert client.get("/readyz").json()["lag"] == "1 of 1 cost centers is more than 6 h behind"


def test_what_nobody_reads_by_itself_is_never_late(client, beating):
    CostCenterFactory(name="Files", complete_through=datetime.now(UTC) - timedelta(days=40))
    gone = connected("Gone", timedelta(days=40), status=CostCenter.Status.DISCONNECTED)
    Integration.objects.filter(cost_center=gone).update(credentials=None)

    assert client.get("/readyz").json()["lag"] == "no cost center is connected"


def test_strangers_learn_no_names_and_people_learn_how_late_each_is(client, beating):
    connected("Secret Project", timedelta(hours=2))
    connected("Brand new")
    assert "Secret" not in client.get("/readyz").content.decode()
    assert "cost_centers" not in client.get("/readyz").json()

    client.force_login(UserFactory(role="Viewer"))
    new, known = client.get("/readyz").json()["cost_centers"]

    assert new == {"name": "Brand new", "status": "active", "lag_seconds": None, "is_late": False}
    assert (known["name"], known["status"], known["is_late"]) == ("Secret Project", "active", False)
    assert known["lag_seconds"] == pytest.approx(7200, abs=60)
