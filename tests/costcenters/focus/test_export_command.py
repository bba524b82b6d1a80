"""`manage.py export_focus`: a file or standard output, whole or not at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from costcenters.focus.export import FocusExport
from costcenters.focus.export_files import Format
from costcenters.models import CostLineItem
from tests.costcenters.focus.exported import (
    a_ledger,
    delivered,
    event,
    export,
    parsed,
    parsed_parquet,
    store,
    unpacked,
)
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export_focus", *arguments, stdout=out)
    return out.getvalue()


def test_the_suffix_says_the_format(tmp_path):
    a_ledger()
    read = {
        "bill.csv": lambda content: len(parsed(content)),
        "bill.CSV.gz": lambda content: len(parsed(unpacked(content))),
        "bill.parquet": lambda content: parsed_parquet(content).num_rows,
    }
    for name, lines in read.items():
        said = run("--output", str(tmp_path / name))
        assert lines((tmp_path / name).read_bytes()) == CostLineItem.objects.count()
        held = f"{CostLineItem.objects.count()} line items of 5 cost centers"
        assert said.startswith(f"{tmp_path / name}: {held}, 2026-10-01 to 2026-11-21 (UTC), ")


def test_a_format_beats_the_suffix(tmp_path):
    a_ledger()
    run("--output", str(tmp_path / "bill.bin"), "--format", "parquet")
    assert (tmp_path / "bill.bin").read_bytes()[:4] == b"PAR1"


def test_days_are_inclusive_and_cost_centers_can_be_chosen(tmp_path):
    a_ledger()
    path = tmp_path / "bill.csv"
    days = ("--start", "2026-11-02", "--end", "2026-11-03")
    run(*days, "--cost-center", "Cursor", "--cost-center", "Subscriptions", "--output", str(path))

    found = parsed(path.read_bytes())
    assert {row["x_CostCenter"] for row in found} == {"Cursor", "Subscriptions"}
    assert {row["ChargePeriodStart"][:10] for row in found} == {"2026-11-02", "2026-11-03"}


def test_from_a_script_days_may_be_dates(tmp_path):
    a_ledger()
    path = tmp_path / "bill.csv"
    call_command("export_focus", start=date(2026, 11, 7), output=str(path), stdout=io.StringIO())
    assert min(row["ChargePeriodStart"] for row in parsed(path.read_bytes())) >= "2026-11-07"


def test_a_dash_is_standard_output_with_nothing_but_the_file():
    a_ledger()
    assert run("--output", "-").encode() == export()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--start", "yesterday"), "--start: Must be a day such as 2026-11-21"),
        (("--start", "2026-11-02", "--end", "2026-11-01"), "--end: Is before the start"),
        (("--cost-center", "Nobody"), "--cost-center: There is no cost center named “Nobody”"),
        (("--cost-center", "a\0b"), "--cost-center: Contains a NUL byte"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, what):
    CostCenterFactory()
    with pytest.raises(CommandError, match=what):
        run(*arguments, "--output", str(tmp_path / "bill.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(CommandError, match=r"none of the suffixes .csv, .csv.gz and .parquet"):
        run("--output", str(tmp_path / "bill.xlsx"))


def test_standard_output_is_csv_only():
    with pytest.raises(CommandError, match="Standard output is CSV"):
        run("--output", "-", "--format", "parquet")


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"bill\.csv cannot be written: No such file or directory"):
        run("--output", str(tmp_path / "nowhere" / "bill.csv"))


def test_what_fails_leaves_the_former_file_as_it_was(tmp_path):
    path = tmp_path / "bill.parquet"
    store(CostCenterFactory(), [event(1)])
    run("--output", str(path))
    before = path.read_bytes()
    store(CostCenterFactory(), [delivered(2, quantity="9" * 30)])

    with pytest.raises(CommandError, match=r"ConsumedQuantity of 9+.0 does not fit into Parquet: take CSV"):
        run("--output", str(path))

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["bill.parquet"]


def test_an_empty_ledger_makes_a_file_with_columns_only(tmp_path):
    said = run("--output", str(tmp_path / "bill.csv"))
    assert parsed((tmp_path / "bill.csv").read_bytes()) == []
    assert "0 line items of 0 cost centers, " in said


def test_a_reader_that_has_had_enough_is_no_traceback():
    """With a real pipe, as in `… | head`."""
    root = Path(__file__).parents[3]
    writer = subprocess.Popen(
        [sys.executable, "-c", PIPED], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    complaint = writer.stderr.read()

    assert writer.wait() == 1
    assert complaint.splitlines() == ["CommandError: Nobody reads on: the output is not complete."]


#: Writes more than a pipe holds, without a database.
PIPED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from costcenters.management.commands import export_focus
class Endless:
    def chunks(self):
        while True:
            yield b"x" * 65536
export_focus._export = lambda *_: Endless()
export_focus.Command().run_from_argv(["manage.py", "export_focus", "--output", "-"])
"""


def test_formats_and_suffixes_are_the_same_words():
    assert {each.value for each in Format} == {"csv", "csv.gz", "parquet"}
    assert FocusExport(None, (), Format.PARQUET).filename == "onebill_focus-1.2_nothing.parquet"
