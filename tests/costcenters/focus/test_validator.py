"""FOCUS's own validator (PyPI `focus-validator`, rules of version 1.2, offline) finds nothing wrong in an export.

It needs Python 3.12 or newer, and other versions of what we depend on: so it has an environment of its own, made once
and kept below pytest's cache. Without such a Python its test is skipped, and the reason says so.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from costcenters.examples import BILLS, write
from costcenters.focus.export_files import Format
from finops.demo_bills import add_subscriptions
from tests.conftest import IN_CI
from tests.costcenters.focus.exported import a_ledger, delivered, event, export, seat, store
from tests.factories import CostCenterFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]

NEEDED = (3, 12)
NAMES = ("python3.12", "python3.13", "python3.14")
PACKAGE = "focus-validator>=2.2.1,<3"
REQUIREMENTS = """
from importlib.metadata import requires
for each in requires("focus-validator"):
    print("numpy" if each.startswith("numpy") else each)
"""
#: One says that InvoiceId must be null, the other that it must not be: whatever a file holds, one of them fails.
CONTRADICTORY = {"InvoiceId-C-004-C", "InvoiceId-C-005-C"}
#: Fail when both of them do, since they hold nothing but them.
FOLLOWING = {"InvoiceId-C-003-C", "InvoiceId-C-000-O"}


@dataclass(frozen=True)
class Verdict:
    """How many rules passed, and the names of those that failed."""

    passed: int
    failed: frozenset[str]


Validate = Callable[[bytes, Format], Verdict]


def find_python() -> str | None:
    """A Python that is new enough and really runs: this one, or one on the PATH (some are only stand-ins)."""
    if sys.version_info[:2] >= NEEDED:
        return sys.executable
    question = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < {NEEDED})"
    for name in NAMES:
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", question], capture_output=True).returncode == 0:
            return path
    return None


def install(python: str, home: Path) -> Path:
    """The environment's folder of programs, made where it is not yet there; one process at a time."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = home / "ready"
        if not ready.exists():
            shutil.rmtree(home / "venv", ignore_errors=True)
            try:
                fill(python, home / "venv")
            except subprocess.CalledProcessError as error:
                reason = f"FOCUS's validator could not be installed: {error.stderr.strip()[-300:]}"
                if IN_CI:
                    pytest.fail(reason)
                pytest.skip(reason)
            ready.touch()
    return home / "venv" / "bin"


def fill(python: str, venv: Path) -> None:
    """It asks for a numpy that Python 3.13 would have to compile, and runs with any: what it needs comes by itself."""

    def run(*command: object) -> str:
        return subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, text=True
        ).stdout

    run(python, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "install", "--quiet")
    run(*pip, "--no-deps", PACKAGE)
    needed = run(venv / "bin" / "python", "-c", REQUIREMENTS).splitlines()
    run(*pip, "--only-binary", "duckdb,numpy,pandas,polars,pyarrow,pydantic-core", *needed)


@pytest.fixture
def validate(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Validate:
    python = find_python()
    if python is None:
        pytest.skip(
            f"FOCUS's validator needs Python 3.12 or newer: this is {sys.version_info[0]}.{sys.version_info[1]}, "
            f"and none of {', '.join(NAMES)} on the PATH runs"
        )
    made_of = repr((str(Path(python).resolve()), PACKAGE)).encode()
    name = f"focus-validator-{blake2b(made_of, digest_size=6).hexdigest()}"
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    programs = install(python, Path(cache.mkdir(name)) if cache else tmp_path_factory.getbasetemp())
    # It looks for its lists in the directory in which it is started.
    (package,) = programs.parent.glob("lib/python3*/site-packages/focus_validator")
    (tmp_path / "focus_validator").symlink_to(package)

    def run(content: bytes, wanted: Format) -> Verdict:
        file = tmp_path / f"export.{wanted.value}"
        file.write_bytes(content)
        done = subprocess.run(
            [
                programs / "focus-validator",
                *("--data-file", file, "--validate-version", "1.2", "--block-download"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
        )
        # Its exit status is 0 whatever it finds.
        total = re.search(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: \d+$", done.stdout, re.M)
        assert total, (done.stdout + done.stderr)[-2000:]
        failed = frozenset(re.findall(r"^❌ (\S+): FAIL", done.stdout, re.M))
        assert len(failed) == int(total[3])
        return Verdict(int(total[2]), failed)

    return run


@pytest.mark.parametrize("wanted", [Format.CSV, Format.PARQUET], ids=lambda each: each.value)
class TestTheValidator:
    def test_finds_nothing_but_its_contradiction(self, validate, wanted):
        a_ledger()
        verdict = validate(export(wanted=wanted), wanted)

        assert verdict.failed - CONTRADICTORY - FOLLOWING == set()
        assert verdict.passed > 100

    def test_finds_nothing_but_its_contradiction_in_the_bills_of_the_demo(
        self, validate, wanted, tmp_path, settings
    ):
        """No line of them has an invoice's number, so that even the rules which follow from the two are content."""
        settings.FOCUS_FOLDERS = [str(tmp_path)]
        for bill in BILLS:
            write(bill, tmp_path / bill.provider, date(2026, 10, 1), date(2026, 12, 1))
            call_command(
                "import_focus", str(tmp_path / bill.provider), cost_center=bill.name, stdout=StringIO()
            )
        add_subscriptions(date(2026, 10, 1), UserFactory(role="Admin"), datetime(2026, 11, 21, tzinfo=UTC))
        store(CostCenterFactory(name="Cursor"), [*map(event, range(1, 9)), *map(seat, range(1, 9))])

        verdict = validate(export(wanted=wanted), wanted)

        assert verdict.failed <= CONTRADICTORY
        assert verdict.passed > 100

    def test_takes_ids_that_are_all_digits_for_text(self, validate, wanted):
        """As when all there is are AWS's accounts: no other row tells that they are none."""
        center = CostCenterFactory(name="AWS", provider="aws")
        digits = {"InvoiceId": "1234567890", "SkuId": "42", "SkuPriceId": "43", "ResourceName": "44"}
        same = {"account": "7", "resource": "0099", "user": "8", "model": "9", "service": "10"}
        store(center, [delivered(day, delivered=dict(digits), **same) for day in (1, 2)])

        assert validate(export(wanted=wanted), wanted).failed <= CONTRADICTORY

    def test_does_find_what_is_wrong(self, validate, wanted):
        """Or the other tests would prove nothing."""
        store(CostCenterFactory(), [event(), delivered(details='{"InvoiceIssuerName":"Somebody else"}')])
        failed = validate(export(wanted=wanted), wanted).failed

        assert "BilledCost-C-005-C" in failed
