"""A million line items: how fast they are written, and that memory does not grow with them."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from costcenters.focus.export import FocusExport, recorded_days
from costcenters.focus.export_files import Format
from costcenters.models import CostLineItem, DailyCost
from tests.costcenters.focus.exported import at, delivered, event, store
from tests.factories import CostCenterFactory

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.django_db, pytest.mark.timeout(900)]

#: Of the first day; each doubling copies all days there are to as many days after them.
LINES_OF_A_DAY, DOUBLINGS = 15_625, 6
LINES_A_SECOND = 8_000
MORE_MEMORY = 250 * 2**20


def memory() -> int:
    """What this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def copy_days(model: type, days: int) -> None:
    """All rows of a table once more, so many days later."""
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    if connection.vendor == "postgresql":
        shifted = {"day": f"day + {days}", "started_at": f"started_at + INTERVAL '{days} days'"}
    else:
        shifted = {"day": f"DATE(day, '+{days} days')", "started_at": f"DATETIME(started_at, '+{days} days')"}
    quoted = ", ".join(f'"{column}"' for column in columns)
    chosen = ", ".join(shifted.get(column, f'"{column}"') for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({quoted}) SELECT {chosen} FROM {model._meta.db_table}"
        )


@pytest.fixture
def a_million_lines():
    cursor = CostCenterFactory()
    aws = CostCenterFactory(name="AWS", provider="aws")
    start, end = at(1, month=10), at(2, month=10)
    lines = range(LINES_OF_A_DAY * 4 // 5)
    step = timedelta(days=1) / len(lines)
    store(
        cursor,
        (
            event(started_at=start + step * n, user=f"person{n % 60}", billed_nano=n * 1013, input_tokens=n)
            for n in lines
        ),
        start=start,
        end=end,
    )
    store(
        aws,
        (delivered(started_at=start, resource=f"i-{n}", billed_nano=n) for n in range(LINES_OF_A_DAY // 5)),
        start=start,
        end=end,
    )
    for doubling in range(DOUBLINGS):
        copy_days(CostLineItem, 2**doubling)
        copy_days(DailyCost, 2**doubling)
    return [aws, cursor]


def test_a_million_line_items_take_little_memory_in_every_format(a_million_lines):
    centers = tuple(a_million_lines)
    for wanted in Format:
        whole = FocusExport(recorded_days(centers), centers, wanted)
        began, before, most, size = time.process_time(), memory(), 0, 0
        for piece in whole.chunks():
            size += len(piece)
            most = max(most, memory() - before)
        # Of this process: on a busy machine a clock on the wall would tell how busy it is.
        rate = whole.line_items / (time.process_time() - began)
        sys.stdout.write(
            f"{wanted.value}: {whole.line_items:,} line items, {rate:,.0f} a second, "
            f"{size / whole.line_items:.0f} bytes each, {most / 2**20:.0f} MB more\n"
        )
        assert whole.line_items == LINES_OF_A_DAY * 2**DOUBLINGS
        assert most <= MORE_MEMORY
        assert rate >= LINES_A_SECOND
