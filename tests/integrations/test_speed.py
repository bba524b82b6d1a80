"""End to end over loopback HTTP with the limits off: events a second, and the memory of the syncing process.

Machines differ: CI asserts a floor that only a change of kind (work by row) would break; the figures that count are
those of the slow cases, run by hand on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from costcenters.models import CostLineItem
from integrations.http import Runtime
from tests.processes import ROOT, environment

pytestmark = [pytest.mark.alone, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def measure(connect):
    """Starts a sandbox as a process of its own (it must not share our interpreter) and syncs it in another."""
    servers = []

    def run(*, events, days=90):
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "integrations.sandbox", "--port", "0", "--requests-per-minute", "0"),
                *("--events", str(events), "--days", str(days)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        servers.append(server)
        address = server.stdout.readline().split()[-1]
        key = server.stdout.readline().split()[-1]
        connect(Address(address, key), price=None, runtime=Runtime())
        probe = subprocess.run(
            [sys.executable, "-m", "tests.integrations.speed_probe"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(probe.stdout)
        assert found["complete"]
        assert found["events"] == CostLineItem.objects.filter(charge_type="usage").count()
        found["rate"] = found["events"] / found["seconds"]
        print(found)  # noqa: T201  the figures are what this is run for
        return found

    yield run
    for server in servers:
        server.kill()
        server.wait()


class Address:
    """Where a sandbox of another process listens."""

    def __init__(self, url, api_key):
        self.url, self.api_key = url, api_key


def test_ingest_is_not_work_by_row_and_stays_within_its_memory(measure):
    found = measure(events=30_000)
    assert found["rate"] >= 3_000
    assert found["peak_mb"] <= 150


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_thousand_events_come_in_at_fifteen_thousand_a_second(measure):
    found = measure(events=200_000)
    assert found["rate"] >= 15_000
    assert found["peak_mb"] <= 150


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_events_need_no_more_memory_than_twenty_thousand(measure):
    found = measure(events=1_000_000, days=365)
    assert found["peak_mb"] <= 150
