"""The example bills as files: one a month, in a folder of its own, as AWS and others deliver their exports."""

from __future__ import annotations

import csv
import io
import os
from datetime import date
from pathlib import Path

from costcenters.examples.bills import Bill
from costcenters.examples.charges import DAY, FocusRow, rows


def write(bill: Bill, folder: Path, first: date, end: date) -> list[Path]:
    """Write the days `[first, end)` below `folder`; the files that were new or have changed, the oldest first.

    A file that would be the same is not touched, so that nobody need read it again; one that grows is replaced whole.
    """
    written = []
    while first < end:
        until = min((first.replace(day=1) + 31 * DAY).replace(day=1), end)
        path = folder / f"{first:%Y-%m}" / f"{bill.provider}-focus-{first:%Y-%m}.csv"
        content = _content(bill, first, until)
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_suffix(".new")
            scratch.write_bytes(content)
            os.replace(scratch, path)
            written.append(path)
        first = until
    return written


def _content(bill: Bill, first: date, end: date) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(FocusRow._fields)
    table.writerows(rows(bill, first, end))
    return text.getvalue().encode()
