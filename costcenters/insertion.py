"""How rows get into the line items, as fast as each database takes them. Used by `costcenters.line_items` alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from django.db import connection

from costcenters.models import CostLineItem
from costcenters.records import COLUMNS, LIMITS, Row

LINE_ITEMS = CostLineItem._meta.db_table
_QUOTED = ", ".join(f'"{name}"' for name in COLUMNS)
COPY_BLOCK = 2000


class Insertion:
    """Puts rows of a cost center into the line items: by COPY on PostgreSQL, by `executemany` on SQLite.

    While rows come, a COPY stays open: the server works on some while the next ones are made. Nothing else can be asked
    of the connection until it is paused, or left.
    """

    def __init__(self, cost_center_id: int) -> None:
        self._cost_center_id = cost_center_id
        self._opened = ExitStack()
        self._copy: Any = None

    def __enter__(self) -> Insertion:
        return self

    def __exit__(self, *error: Any) -> None:
        self._copy = None
        self._opened.__exit__(*error)

    def pause(self) -> None:
        """Finish what was begun."""
        self._copy = None
        self._opened.close()

    def add(self, statement_id: int | None, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if connection.vendor == "postgresql":
            self._write(statement_id, rows)
        else:
            self._execute_many(statement_id, rows)

    def _write(self, statement_id: int | None, rows: Sequence[Row]) -> None:
        constants = (self._cost_center_id, r"\N" if statement_id is None else statement_id)
        copy = self._copy or self._open()
        for begin in range(0, len(rows), COPY_BLOCK):
            block = io.StringIO(newline="")
            # Ending in CRLF, the writer quotes a lone carriage return too, which COPY would refuse.
            csv.writer(block, lineterminator="\r\n").writerows(
                [
                    (*constants, *row[:-2], r"\N" if row[-2] is None else row[-2], row[-1])
                    for row in rows[begin : begin + COPY_BLOCK]
                ]
            )
            copy.write(block.getvalue())

    def _open(self) -> Any:
        # CSV written by the standard library is the fastest way to spell a COPY; \N stands for NULL.
        texts = ", ".join(f'"{name}"' for name in LIMITS)
        options = f"FORMAT csv, NULL '\\N', FORCE_NOT_NULL ({texts})"
        statement = f"COPY {LINE_ITEMS} (cost_center_id, statement_id, {_QUOTED}) FROM STDIN WITH ({options})"
        cursor = self._opened.enter_context(connection.cursor())
        # Django does not do so itself here: the driver's errors become those that the callers know.
        self._opened.enter_context(connection.wrap_database_errors)
        self._copy = self._opened.enter_context(cursor.copy(statement))
        return self._copy

    def _execute_many(self, statement_id: int | None, rows: Sequence[Row]) -> None:
        places = ", ".join(["%s"] * len(COLUMNS))
        statement = "NULL" if statement_id is None else str(int(statement_id))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {LINE_ITEMS} (cost_center_id, statement_id, {_QUOTED}) "  # noqa: S608
                f"VALUES ({int(self._cost_center_id)}, {statement}, {places})",
                rows,
            )
