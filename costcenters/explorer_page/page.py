"""A report as the explorer page shows it: a sentence, a chart with its legend, what changed, and a table."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Measure
from costcenters.dimensions import value_label
from costcenters.display.charts import Series, before_as, chart_data, series_of, share_text
from costcenters.display.drill import drilled, pinned
from costcenters.display.figures import Shown, difference, direction, percent, short_label, shown
from costcenters.display.sentences import PERIODS, incomplete_periods, report_sentence
from costcenters.explorer_page.table import Column, Paging, PeriodTable, TableRow, period_table, table
from costcenters.links import AS_EVER, Link, api_url, csv_url, explorer_url
from costcenters.periods import Granularity
from costcenters.presentation import ChartKind, Presentation
from costcenters.report import Report, ReportRow


@dataclass(frozen=True, slots=True)
class Part:
    """One charge type's part of the total; the link filters by it."""

    label: str
    amount: Shown
    share: str
    url: str


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below the chart, and what can be done about it."""

    text: str
    link: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """What a pattern in the chart means; `swatch` is the CSS class that shows it."""

    swatch: str
    label: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A text to take along; `id` names it in the page."""

    id: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Mover:
    """A value whose measure changed; `percent` is `new` where nothing was before."""

    label: str
    url: str
    change: Shown
    direction: str
    percent: str

    @property
    def short(self) -> str:
        return short_label(self.label)


@dataclass(frozen=True, slots=True)
class ExplorerPage:
    """`figures` takes the chart's place where it is asked for as a table."""

    sentence: str
    notes: tuple[Note, ...]
    measure: str
    shows_tokens: bool
    shows_events: bool
    compares: bool
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    total: TableRow
    paging: Paging | None
    split: tuple[Part, ...]
    estimated: Shown | None
    currencies: tuple[Link, ...]
    shows_chart: bool
    chart: dict[str, Any]
    figures: PeriodTable | None
    legend: tuple[Series, ...]
    keys: tuple[Key, ...]
    risen: tuple[Mover, ...]
    fallen: tuple[Mover, ...]
    copies: tuple[Copy, ...]
    csv_url: str
    is_empty: bool
    empty: Note


def explorer_page(report: Report, catalog: Catalog, presentation: Presentation = AS_EVER) -> ExplorerPage:
    query, measure = report.query, report.query.measure
    first_page = replace(presentation, page=1)

    def url_of(other: CostQuery) -> str:
        return explorer_url(other, first_page)

    asked = pinned(report)
    series = series_of(report, catalog, url_of)
    kind = presentation.chart
    rows = table(report, catalog, presentation)
    drawn = kind != ChartKind.TABLE
    return ExplorerPage(
        sentence=report_sentence(report),
        notes=tuple(notes(report, first_page)),
        measure=str(measure.label),
        shows_tokens=measure != Measure.TOKENS,
        shows_events=measure != Measure.EVENTS,
        compares=report.compare_span is not None,
        columns=rows.columns,
        rows=rows.rows,
        total=rows.total,
        paging=rows.paging,
        split=tuple(
            Part(
                label=value_label("charge_type", key),
                amount=shown(amount, measure, report.currency),
                share=share_text(report, amount),
                url=url_of(asked.narrowed("charge_type", key)),
            )
            for key, amount in report.split.items()
        ),
        estimated=shown(report.estimated, measure, report.currency)
        if report.estimated and measure.is_money
        else None,
        currencies=tuple(
            Link(code, url_of(query.in_currency(code)))
            for code in report.currencies
            if code != report.currency
        ),
        shows_chart=drawn,
        chart=chart_data(report, series, kind) if drawn else {},
        # Without grouping the table below has the same rows.
        figures=period_table(report, series, first_page) if query.group_by and not drawn else None,
        legend=tuple(series) if drawn else (),
        keys=tuple(keys(report, series, kind)) if drawn else (),
        risen=tuple(mover(report, row, url_of) for row in report.risen),
        fallen=tuple(mover(report, row, url_of) for row in report.fallen),
        copies=tuple(copies(query, first_page)),
        csv_url=csv_url(query),
        is_empty=report.is_empty,
        empty=empty(report, first_page),
    )


# What is said ------------------------------------------------------------------------------------------


def notes(report: Report, presentation: Presentation) -> list[Note]:
    query, found = report.query, []
    periods = PERIODS[report.granularity]
    if report.granularity != query.granularity:
        asked, drawn = Granularity(query.granularity), Granularity(report.granularity)
        found.append(
            Note(
                f"So long a span is shown by {drawn.label.lower()} here; "
                f"the CSV has every {asked.label.lower()}."
            )
        )
    which, incomplete = incomplete_periods(report), report.incomplete
    if query.only_complete:
        url = explorer_url(replace(query, only_complete=False), presentation)
        cut = report.span is not None and report.span.end < query.span.end
        reach = f", up to {report.span.end.day} {report.span.end:%b}" if report.span and cut else ""
        found.append(Note(f"Complete {periods} only{reach}.", "Show all", url))
    elif incomplete and not report.is_empty:
        mark = {ChartKind.LINES.value: "Dashed: ", ChartKind.TABLE.value: ""}.get(
            presentation.chart, "Hatched: "
        )
        be = "is" if len(incomplete) == 1 else "are"
        url = explorer_url(replace(query, only_complete=True), presentation)
        if report.compare_span is not None:
            text = f"{mark}{which} {be} not complete yet, but compared with complete {periods}."
            found.append(Note(text, f"Compare complete {periods} only", url))
        else:
            found.append(Note(f"{mark}{which} {be} not complete yet.", f"Show complete {periods} only", url))
    if query.measure == Measure.SAVINGS:
        found.append(
            Note(
                "Savings are list cost minus effective cost: discounts, and for Cursor what the usage included "
                "in the plan would have cost. The seats that buy it are not subtracted."
            )
        )
    return found


def empty(report: Report, presentation: Presentation) -> Note:
    """Why there is nothing, and what to try."""
    query = report.query
    if report.span is None:
        url = explorer_url(replace(query, only_complete=False), presentation)
        what = PERIODS[report.granularity].removesuffix("s")
        return Note(f"No {what} of {query.span} is complete yet.", "Show what is there", url)
    if query.filters:
        url = explorer_url(replace(query, filters=()), presentation)
        return Note(
            "Nothing was billed in this span with these filters. Try a longer span or remove a filter.",
            "Remove all filters",
            url,
        )
    return Note("Nothing was billed in this span. Try a longer one.")


def keys(report: Report, series: list[Series], kind: str) -> list[Key]:
    """What is drawn beside the series' own looks."""
    found = []
    match before_as(kind, series):
        case "bars":
            found.append(Key("key-before", f"paler: before, {report.compare_span}"))
        case "series":
            found.append(Key("key-dotted", f"dotted: before, {report.compare_span}"))
        case "total":
            if len(series) > 1:
                found.append(Key("key-total", "Total"))
            found.append(Key("key-dotted", f"dotted: total before, {report.compare_span}"))
    if report.incomplete:
        is_hatched = kind in (ChartKind.BARS, ChartKind.CUMULATIVE)
        found.append(
            Key(
                "key-hatched" if is_hatched else "key-dashed",
                f"{'hatched' if is_hatched else 'dashed'}: not complete yet",
            )
        )
    return found


def mover(report: Report, row: ReportRow, url_of: Any) -> Mover:
    query, key = pinned(report), report.query.group_by[0]
    return Mover(
        label=value_label(key, row.value),
        url=url_of(drilled(query, row.value)),
        change=difference(row.amounts, query.measure, report.currency),
        direction=direction(row.amounts, query.measure),
        percent=percent(row.amounts) if row.amounts.before else "new",
    )


def copies(query: CostQuery, presentation: Presentation) -> list[Copy]:
    """The question as texts to take along: with the scheme and host people know the product by."""
    link = settings.SITE_URL + explorer_url(query, replace(presentation, view=None))
    call = settings.SITE_URL + api_url(query)
    curl = f'curl -H "Authorization: Bearer $ONEBILL_TOKEN" {shlex.quote(call)}'
    return [
        Copy("copy-link", "Link", link),
        Copy("copy-api", "API call", call),
        Copy("copy-curl", "curl", curl),
    ]
