"""Everything in the ledger as one FOCUS 1.2 file: of a span of days, of all cost centers or some.

One row a line item, each in the currency of its cost center (`BillingCurrency`). It is written as it is read, so that
memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Max, Min

from costcenters.focus.export_files import Format
from costcenters.focus.export_lines import Block, blocks, read
from costcenters.focus.export_rows import Rows
from costcenters.models import CostCenter, DailyCost
from costcenters.periods import Span

VERSION = "1.2"


@dataclass(frozen=True)
class FocusExport:
    """`span` is UTC days, both inclusive; None when nothing was ever recorded and no days were asked for."""

    span: Span | None
    cost_centers: tuple[CostCenter, ...]
    format: Format

    @cached_property
    def blocks(self) -> list[Block]:
        return [] if self.span is None else blocks(self.span, self.cost_centers)

    @property
    def line_items(self) -> int:
        """How many rows it will have, unless something is read in meanwhile. Told by the daily roll-up."""
        return sum(block.line_items for block in self.blocks)

    @property
    def filename(self) -> str:
        """Such as `onebill_focus-1.2_2026-11-01_2026-11-21.parquet`."""
        days = f"{self.span.start}_{self.span.end}" if self.span else "nothing"
        return f"onebill_focus-{VERSION}_{days}.{self.format.value}"

    def chunks(self) -> Iterator[bytes]:
        """The file. Whatever is refused was to be found out before."""
        return self.format.encode(self.rows())

    def rows(self) -> Iterator[list[list[str]]]:
        """By cost center in the order given, then by instant; some at a time."""
        rows = Rows(self.cost_centers, self.format.identity)
        for block in self.blocks:
            for lines in read(block):
                yield [rows.of(line) for line in lines]


def recorded_days(centers: Sequence[CostCenter]) -> Span | None:
    """The first and the last day on which these cost centers have line items."""
    days = DailyCost.objects.order_by().filter(cost_center_id__in=[center.pk for center in centers])
    # One look-up in the index for each end: SQLite would read all of it for both together.
    start = days.aggregate(day=Min("day"))["day"]
    end = days.aggregate(day=Max("day"))["day"]
    return None if start is None else Span(start, end)
