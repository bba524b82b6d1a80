"""`manage.py sync` with connections that read files: its exit status says whether all of the bill is in."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from integrations.deliveries import changes
from integrations.http import utc_now
from integrations.models import ImportedFile
from tests.integrations.deliveries.bills import bill, row

pytestmark = pytest.mark.django_db


def sync() -> str:
    out = StringIO()
    call_command("sync", stdout=out)
    return out.getvalue()


def test_it_succeeds_when_all_files_are_in(aws):
    assert "NOT" not in sync()


def test_it_fails_and_names_a_file_that_was_refused(aws, folder: Path):
    bill(folder / "2026-11" / "bad.csv", row(billed="much"))
    out = StringIO()
    with pytest.raises(CommandError, match="Not everything is complete"):
        call_command("sync", stdout=out)
    assert "NOT imported" in out.getvalue()
    assert "bad.csv" in out.getvalue()


def test_it_fails_as_long_as_a_delivery_waits_for_an_answer(aws, folder: Path):
    bill(folder / "2026-10" / "a.csv", row(billed="1"))
    for _ in range(2):
        out = StringIO()
        with pytest.raises(CommandError):
            call_command("sync", stdout=out)
        assert "NOT imported. a.csv: " in out.getvalue()

    changes.import_anyway(ImportedFile.objects.get(state=ImportedFile.State.ASKS), now=utc_now())
    assert "NOT" not in sync()
