"""A report as the explorer page shows it: a sentence, a chart with its legend, and a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from costcenters.catalog import Catalog
from costcenters.charts import Series, chart_data, drilled, other_label, series_of, with_all
from costcenters.cost_query import Compare, Measure
from costcenters.dimensions import dimension, value_label
from costcenters.figures import Shown, difference, direction, percent, percent_text, share, shown, tokens
from costcenters.links import csv_url, explorer_url
from costcenters.periods import Granularity
from costcenters.report import Amounts, Report

MOST_NAMED_VALUES = 3


@dataclass(frozen=True, slots=True)
class TableRow:
    """`meter` is the share of the largest row in whole percents, for the bar beside the figure."""

    label: str
    url: str
    swatch: str
    measure: Shown
    meter: int
    share: str
    before: Shown
    change: Shown
    direction: str
    percent: str
    tokens: Shown
    events: str
    is_child: bool = False
    is_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One charge type's part of the total; the link filters by it."""

    label: str
    amount: Shown
    share: str
    url: str


@dataclass(frozen=True, slots=True)
class CurrencyLink:
    currency: str
    url: str


@dataclass(frozen=True, slots=True)
class ExplorerPage:
    sentence: str
    notes: tuple[str, ...]
    first_column: str
    measure: str
    shows_tokens: bool
    shows_events: bool
    compares: bool
    rows: tuple[TableRow, ...]
    total: TableRow
    split: tuple[Part, ...]
    estimated: Shown | None
    currencies: tuple[CurrencyLink, ...]
    chart: dict[str, Any]
    legend: tuple[Series, ...]
    csv_url: str
    is_empty: bool


def explorer_page(report: Report, catalog: Catalog) -> ExplorerPage:
    query = report.query
    series = series_of(report, catalog, explorer_url)
    measure = query.measure
    return ExplorerPage(
        sentence=sentence(report),
        notes=tuple(notes(report)),
        first_column=" and ".join(dimension(key).label for key in query.group_by) or "Period",
        measure=str(measure.label),
        shows_tokens=measure != Measure.TOKENS,
        shows_events=measure != Measure.EVENTS,
        compares=query.compare_span is not None,
        rows=tuple(grouped_rows(report, series) if query.group_by else period_rows(report)),
        total=table_row(report, report.total, label="Total"),
        split=tuple(
            Part(
                label=value_label("charge_type", key),
                amount=shown(amount, measure, report.currency),
                share=share_text(report, amount),
                url=explorer_url(query.narrowed("charge_type", key)),
            )
            for key, amount in report.split.items()
        ),
        estimated=shown(report.estimated, measure, report.currency)
        if report.estimated and measure.is_money
        else None,
        currencies=tuple(
            CurrencyLink(code, explorer_url(query.in_currency(code)))
            for code in report.currencies
            if code != report.currency
        ),
        chart=chart_data(report, series),
        legend=tuple(series),
        csv_url=csv_url(query),
        is_empty=report.is_empty,
    )


def sentence(report: Report) -> str:
    """Such as `Billed, Cursor, by model, 23 Oct – 21 Nov 2026 UTC`."""
    query = report.query
    parts = [str(query.measure.label)]
    for each in query.filters:
        labels = [value_label(each.dimension, value) for value in each.values]
        if len(labels) > MOST_NAMED_VALUES:
            labels = [f"{len(labels)} values of {dimension(each.dimension).noun}"]
        parts.append(("without " if each.exclude else "") + " or ".join(labels))
    if query.group_by:
        parts.append("by " + ", then ".join(dimension(key).noun for key in query.group_by))
    parts.append(f"{query.span} UTC")
    if query.compare_span:
        parts.append(f"against {query.compare_span}")
    if {*report.currencies} - {report.currency} and query.measure.is_money:
        parts.append(f"in {report.currency}")
    return ", ".join(parts)


def notes(report: Report) -> list[str]:
    found = []
    if report.granularity != report.query.granularity:
        asked, drawn = Granularity(report.query.granularity), Granularity(report.granularity)
        found.append(
            f"So long a span is shown by {drawn.label.lower()} here; the CSV has every {asked.label.lower()}."
        )
    incomplete = [period.label for period in report.periods if period.is_incomplete]
    if incomplete and not report.is_empty:
        which = incomplete[0] if len(incomplete) == 1 else f"{incomplete[0]} – {incomplete[-1]}"
        found.append(f"Not complete yet, drawn lighter: {which}.")
    return found


def grouped_rows(report: Report, series: list[Series]) -> list[TableRow]:
    query = report.query
    first = query.group_by[0]
    rows = []
    for place, row in enumerate(report.rows):
        inside = drilled(query, row.value)
        rows.append(
            table_row(
                report,
                row.amounts,
                label=value_label(first, row.value),
                url=explorer_url(inside),
                swatch=series[place].swatch if place < len(series) else "other",
            )
        )
        for child in row.children:
            second = query.group_by[1]
            deeper = inside.narrowed(second, child.value).grouped_by()
            label = value_label(second, child.value)
            line = table_row(report, child.amounts, label=label, url=explorer_url(deeper))
            rows.append(replace(line, is_child=True))
    if report.other:
        url = explorer_url(with_all(query))
        label = other_label(report.other_count)
        rows.append(table_row(report, report.other.amounts, label=label, url=url, swatch="other"))
    return rows


def period_rows(report: Report) -> list[TableRow]:
    return [
        replace(table_row(report, period.amounts, label=period.label), is_incomplete=period.is_incomplete)
        for period in report.periods
    ]


def table_row(report: Report, amounts: Amounts, *, label: str, url: str = "", swatch: str = "") -> TableRow:
    measure, currency = report.query.measure, report.currency
    compared = report.query.compare != Compare.NONE
    largest = max((row.amounts.measure for row in report.rows), default=report.total.measure)
    of_largest = share(amounts.measure, largest)
    return TableRow(
        label=label,
        url=url,
        swatch=swatch,
        measure=shown(amounts.measure, measure, currency),
        meter=max(0, min(100, round(of_largest))) if of_largest and report.query.group_by else 0,
        share=share_text(report, amounts.measure),
        before=shown(amounts.before, measure, currency) if amounts.before is not None else Shown(""),
        change=difference(amounts, measure, currency),
        direction=direction(amounts, measure),
        percent=percent(amounts) if compared else "",
        tokens=tokens(amounts.tokens),
        events=f"{amounts.events:,}",
    )


def share_text(report: Report, part: Any) -> str:
    of_total = share(part, report.total.measure)
    return "–" if of_total is None else percent_text(of_total)
