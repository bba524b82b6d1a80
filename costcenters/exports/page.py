"""What the page of exports shows: the form as it was filled in, and what the file will hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.cost_query import Measure
from costcenters.display.figures import Shown, counted, shown
from costcenters.exports.form import FocusExportForm
from costcenters.focus.columns import COLUMNS_1_2
from costcenters.focus.export import FocusExport, recorded_days
from costcenters.focus.export_files import Format
from costcenters.focus.export_lines import rolled_up
from costcenters.models import CostCenter
from costcenters.periods import ONE_DAY, months_before
from costcenters.scope import summed, sums_in_range
from finops.money import units_from_nanos

#: Months that have a link of their own.
MONTHS_OFFERED = 4
#: What a line takes, as measured on ledgers of different make. In bytes.
BYTES_A_LINE = {Format.CSV: 640, Format.GZIP: 65, Format.PARQUET: 110}


@dataclass(frozen=True, slots=True)
class SpanLink:
    """Days to choose with one click, keeping what else was filled in."""

    text: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    is_chosen: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class CenterSize:
    """What the file holds of one cost center, in its currency."""

    name: str
    line_items: str
    billed: Shown


@dataclass(frozen=True, slots=True)
class Size:
    """`days` is the span in words."""

    line_items: str
    days: str
    bytes: str
    centers: tuple[CenterSize, ...]


@dataclass(frozen=True, slots=True)
class ExportsPage:
    """`start` and `end` as typed, ISO when they were days. `size` is None when what was typed cannot be understood."""

    start: str
    end: str
    spans: tuple[SpanLink, ...]
    cost_centers: tuple[Choice, ...]
    formats: tuple[Choice, ...]
    size: Size | None
    columns: int
    api_path: str
    api_query: str
    command: str


def exports_page(
    form: FocusExportForm, export: FocusExport | None, catalog: Catalog, *, today: date
) -> ExportsPage:
    """Raises SumTooLargeError (SQLite only)."""
    start, end = (form.data.get(name, "") for name in ("start", "end"))
    chosen = form.data.getlist("cost_center")  # type: ignore[attr-defined]
    wanted_format = form.data.get("format") or Format.CSV.value
    kept = [("cost_center", name) for name in chosen] + [("format", wanted_format)]
    centers = list(catalog.cost_centers.values())
    parameters = [(name, value) for name, value in (("start", start), ("end", end)) if value] + kept
    return ExportsPage(
        start=start,
        end=end,
        spans=tuple(_spans(centers, kept, (start, end), today)),
        cost_centers=tuple(
            Choice(center.name, center.name, center.name in chosen, center.currency) for center in centers
        ),
        formats=tuple(Choice(each.value, each.label, each.value == wanted_format) for each in Format),
        size=None if export is None else _size(export),
        columns=len(COLUMNS_1_2),
        api_path=reverse("api-export-focus"),
        api_query=urlencode(parameters),
        command=_command(start, end),
    )


def _spans(
    centers: Sequence[CostCenter], kept: list[tuple[str, str]], typed: tuple[str, str], today: date
) -> list[SpanLink]:
    this_month = today.replace(day=1)
    offered = [
        (f"{first:%b %Y}", first.isoformat(), (min(_last_of_month(first), today)).isoformat())
        for first in (months_before(this_month, number) for number in range(MONTHS_OFFERED))
    ]
    offered.append(("Last 12 months", months_before(this_month, 11).isoformat(), today.isoformat()))
    recorded = recorded_days(centers)
    if recorded:
        offered.append(("Everything", recorded.start.isoformat(), recorded.end.isoformat()))
    address = reverse("exports")
    return [
        SpanLink(
            text, f"{address}?{urlencode([('start', start), ('end', end), *kept])}", (start, end) == typed
        )
        for text, start, end in offered
    ]


def _last_of_month(first: date) -> date:
    return months_before(first, -1) - ONE_DAY


def _size(export: FocusExport) -> Size:
    if export.span is None:
        return Size("No line items", "nothing is recorded yet", _bytes(0), ())
    by_center = {center.pk: center for center in export.cost_centers}
    with sums_in_range():
        sums = list(
            summed(
                rolled_up(export.span, export.cost_centers), ["cost_center_id"], ["line_items", "billed_cost"]
            )
        )
    held = sorted((by_center[pk].name, pk, count, billed) for pk, count, billed in sums)
    total = sum(count for _, _, count, _ in held)
    return Size(
        line_items=counted(total, "line item") if total else "No line items",
        days=str(export.span),
        bytes=_bytes(total * BYTES_A_LINE[export.format]),
        centers=tuple(
            CenterSize(
                name,
                f"{count:,}",
                shown(units_from_nanos(billed), Measure.BILLED, by_center[pk].currency),
            )
            for name, pk, count, billed in held
        ),
    )


def _bytes(count: int) -> str:
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return (
                f"about {count / size:.0f} {unit}"
                if count >= 10 * size
                else f"about {count / size:.1f} {unit}"
            )
    return "less than 1 kB"


def _command(start: str, end: str) -> str:
    days = " ".join(f"--{name} {value}" for name, value in (("start", start), ("end", end)) if value)
    return f"manage.py export_focus {days} --output bill.parquet".replace("  ", " ")
