"""End to end from a CSV file to the roll-up: rows a second, and the memory of the importing process.

Machines differ: CI asserts a floor that only a change of kind (work by row, a file or a day in memory) would break; the
figures that count are those of the slow cases, run by hand on PostgreSQL and two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from django.db import connection

from costcenters.models import CostLineItem, DailyCost, StatementDay
from tests.processes import ROOT, environment

from . import focus_bill

pytestmark = [pytest.mark.alone, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def measure(tmp_path):
    """Writes a bill of so many rows and imports it in a process of its own."""

    def run(rows):
        path = tmp_path / "large.csv"
        truth = focus_bill.write(path, rows)
        probe = subprocess.run(
            [sys.executable, "-m", "tests.integrations.deliveries.import_probe", str(path)],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(probe.stdout)
        found["rate"] = rows / found["seconds"]
        print(connection.vendor, found)  # noqa: T201  the figures are what this is run for
        stored = Counter()
        for service, cost in DailyCost.objects.values_list("service", "billed_cost"):
            stored[service] += int(cost.scaleb(9))
        assert stored == truth.billed
        assert CostLineItem.objects.count() == rows
        assert StatementDay.objects.count() == focus_bill.DAYS * focus_bill.BILLING_ACCOUNTS
        path.unlink()
        return found

    return run


def test_an_import_is_not_work_by_row_and_more_rows_take_no_more_memory(measure):
    few = measure(10_000)
    many = measure(60_000)
    assert many["rate"] >= 2_000
    assert many["peak_mb"] <= 300
    assert many["peak_mb"] - few["peak_mb"] <= 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_rows_come_in_within_a_minute(measure):
    found = measure(1_000_000)
    assert found["peak_mb"] <= 400
    if connection.vendor == "postgresql":
        assert found["seconds"] <= 60


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_million_rows_take_no_more_memory_than_one(measure):
    assert measure(3_000_000)["peak_mb"] <= 400
