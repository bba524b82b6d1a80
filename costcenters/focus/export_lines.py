"""The line items of an export, read in blocks: whole days of one cost center, as many as make a block.

Each block is one statement, so that a day that is replaced meanwhile is read as it was before or as it is after, and
so that no transaction lasts as long as a slow download. Which days there are is told by the daily roll-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet

from costcenters.models import CostCenter, CostLineItem, DailyCost, TagSet
from costcenters.periods import ONE_DAY, Span
from costcenters.scope import summed

#: Days are read together up to about so many line items; one day may hold any number.
LINES_A_BLOCK = 50_000
#: So many are in memory at a time.
LINES_A_FETCH = 2_000


class Line(NamedTuple):
    """A line item as it is stored: amounts in nano-units, the instant as text in UTC, tags and details as JSON text."""

    cost_center_id: int
    statement_id: int | None
    started_at: str
    charge_type: str
    service: str
    model: str
    kind: str
    surface: str
    user: str
    account: str
    region: str
    resource: str
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    quantity: str
    unit: str
    billed_nano: int
    effective_nano: int
    list_nano: int
    is_estimated: int
    tags: str | None
    details: str


@dataclass(frozen=True, slots=True)
class Block:
    """Days of one cost center, both inclusive, and how many line items they hold."""

    cost_center_id: int
    start: date
    end: date
    line_items: int


def rolled_up(span: Span, centers: Iterable[CostCenter]) -> QuerySet[DailyCost]:
    """The roll-up of what is exported."""
    return DailyCost.objects.order_by().filter(
        day__gte=span.start, day__lte=span.end, cost_center_id__in=[center.pk for center in centers]
    )


def blocks(span: Span, centers: Sequence[CostCenter]) -> list[Block]:
    """All days with line items: by cost center in the order given, the earliest first."""
    days: dict[int, list[tuple[date, int]]] = {center.pk: [] for center in centers}
    for cost_center, day, count in summed(
        rolled_up(span, centers), ["cost_center_id", "day"], ["line_items"]
    ):
        days[cost_center].append((day, count))
    found: list[Block] = []
    for cost_center, counts in days.items():
        start: date | None = None
        held = 0
        for day, count in sorted(counts):
            if start is not None and held + count > LINES_A_BLOCK:
                found.append(Block(cost_center, start, day - ONE_DAY, held))
                start, held = None, 0
            start, held = start or day, held + count
        if start is not None:
            found.append(Block(cost_center, start, max(day for day, _ in counts), held))
    return found


def read(block: Block) -> Iterator[list[Line]]:
    """The block's line items by instant, some at a time."""
    is_postgresql = connection.vendor == "postgresql"
    # On PostgreSQL a cursor on the server lives in a transaction. SQLite steps through the result as it is asked for,
    # outside of one, since there a transaction would keep everybody else from writing.
    with (
        transaction.atomic() if is_postgresql else nullcontext(),
        connection.chunked_cursor() as cursor,
    ):
        cursor.execute(
            STATEMENT,
            [block.cost_center_id, f"{block.start} 00:00:00", f"{block.end + ONE_DAY} 00:00:00"],
        )
        while rows := cursor.fetchmany(LINES_A_FETCH):
            yield list(map(_line, rows))


def _line(row: Any) -> Line:
    return Line._make(row)


_COLUMNS = ", ".join(
    (
        *("item.cost_center_id", "item.statement_id", "CAST(item.started_at AS TEXT)", "item.charge_type"),
        *("item.service", "item.model", "item.kind", "item.surface", 'item."user"', "item.account"),
        *("item.region", "item.resource", "item.input_tokens", "item.output_tokens"),
        *("item.cache_write_tokens", "item.cache_read_tokens", "item.quantity", "item.unit"),
        *("item.billed_cost", "item.effective_cost", "item.list_cost"),
        *("CASE WHEN item.is_estimated THEN 1 ELSE 0 END", "CAST(tag_set.tags AS TEXT)"),
        "CAST(item.details AS TEXT)",
    )
)
STATEMENT = (
    f"SELECT {_COLUMNS} FROM {CostLineItem._meta.db_table} item "  # noqa: S608  names of our own
    f"LEFT JOIN {TagSet._meta.db_table} tag_set ON tag_set.id = item.tag_set_id "
    "WHERE item.cost_center_id = %s AND item.started_at >= %s AND item.started_at < %s "
    "ORDER BY item.started_at, item.id"
)
