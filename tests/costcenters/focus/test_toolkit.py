"""Files as AWS, GCP and Azure make them, by PyPI's focus-data-toolkit: totals equal those of an independent reader."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from costcenters.focus.delivery import read_delivery
from costcenters.records import COLUMNS
from finops.money import EXACT

PROVIDERS, VERSIONS = ("aws", "gcp", "azure"), ("1.2", "1.3")
MEASURES = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
NANO = Decimal("1e-9")


class File:
    """See `delivery.Source`."""

    def __init__(self, path: Path) -> None:
        self.path, self.name, self.size = path, path.name, path.stat().st_size

    def open(self):
        return self.path.open("rb")


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory):
    """A folder of files by provider and version, made when it is first asked for."""
    made: dict[tuple[str, str], list[Path]] = {}

    def folder(provider: str, version: str) -> list[Path]:
        if (provider, version) not in made:
            out = tmp_path_factory.mktemp(f"{provider}-{version}")
            command = [sys.executable, "-m", "focus_data_toolkit", "generate", "--provider", provider]
            command += ["--focus-version", version, "--rows", "1500", "--seed", "7", "--out", str(out)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            made[provider, version] = sorted(out.iterdir())
        return made[provider, version]

    return folder


def of_file(path: Path, column: str, measure: str) -> dict[str, Decimal]:
    """Sums by the value of a column, read by the csv module."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            totals[row[column]] = EXACT.add(totals[row[column]], Decimal(row[measure]))
    return dict(totals)


def of_delivery(delivery, field: str, measure: str) -> tuple[dict[str, Decimal], int]:
    totals: dict[str, int] = defaultdict(int)
    by, what, rows = COLUMNS.index(field), COLUMNS.index(measure), 0
    for part in delivery.parts:
        for unit in part.units:
            for day in unit.days:
                for block in delivery.blocks(part, unit, day):
                    rows += len(block)
                    for row in block:
                        totals[row[by]] += row[what]
    return {value: Decimal(nanos).scaleb(-9) for value, nanos in totals.items()}, rows


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_totals_equal_those_of_an_independent_reader(generated, provider, version, tmp_path):
    paths = generated(provider, version)
    costs = next(path for path in paths if "cost_and_usage" in path.name)
    with read_delivery([File(path) for path in paths], scratch=tmp_path) as delivery:
        assert delivery.rows == 1500
        assert delivery.questions == ()
        assert [note for note in delivery.notes if "contract commitments" not in note] == []
        for column, measure in MEASURES.items():
            services, rows = of_delivery(delivery, "service", measure)
            assert rows == 1500
            exact = of_file(costs, "ServiceName", column)
            assert services.keys() == exact.keys()
            for service, total in exact.items():
                assert abs(services[service] - total) <= NANO / 2, (service, column)
            # What is finer than a nano-unit is carried within a service, so an account may be one off for each.
            accounts, _ = of_delivery(delivery, "account", measure)
            exact = of_file(costs, "SubAccountName", column)
            assert accounts.keys() == exact.keys()
            for account, total in exact.items():
                assert abs(accounts[account] - total) <= NANO * len(services), (account, column)


def test_contract_commitments_lie_beside_the_costs_of_version_1_3(generated, tmp_path):
    with read_delivery([File(path) for path in generated("aws", "1.3")], scratch=tmp_path) as delivery:
        assert any("contract commitments" in note for note in delivery.notes)
