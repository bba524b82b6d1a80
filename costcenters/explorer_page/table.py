"""The table of a report: its columns, its rows page by page, and the figures of a chart by period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Filter, Measure, Sort
from costcenters.dimensions import dimension, value_label
from costcenters.display.charts import Series, added, other_label, share_text
from costcenters.display.drill import drilled, pinned, with_all
from costcenters.display.figures import (
    Shown,
    difference,
    direction,
    meter,
    percent,
    short_label,
    shown,
    tokens,
)
from costcenters.display.looks import OTHER, look
from costcenters.links import explorer_url, line_items_url
from costcenters.periods import ONE_DAY, Granularity, Span, next_period
from costcenters.presentation import Presentation
from costcenters.report import Amounts, Figure, Period, Report, ReportRow

ROWS_A_PAGE = 200
#: The line items of "Other" are those of none of the rows shown; with more rows the address would grow too long.
MOST_EXCLUDED = 50


@dataclass(frozen=True, slots=True)
class Column:
    """`order` is the value of aria-sort, empty unless the rows are sorted by this column; `url` sorts by it."""

    label: str
    url: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    """`meter` is the share of the largest row in whole percents; `items_url` leads to the row's line items."""

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
    items_url: str = ""
    is_child: bool = False
    is_continued: bool = False
    is_incomplete: bool = False

    @property
    def short(self) -> str:
        return short_label(self.label)


@dataclass(frozen=True, slots=True)
class Paging:
    """`first` and `last` count rows from 1; an address is empty where there is no such page."""

    first: int
    last: int
    count: int
    before_url: str
    after_url: str

    def __str__(self) -> str:
        return f"rows {self.first:,}–{self.last:,} of {self.count:,}"


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: the first one of names, then those of figures. `paging` is None where one page holds all rows."""

    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    total: TableRow
    paging: Paging | None


@dataclass(frozen=True, slots=True)
class ValueLine:
    """A value of the first grouping, one of the second within it, or "Other"."""

    row: ReportRow
    child: ReportRow | None = None
    is_other: bool = False


#: What a row may show.
Line = ValueLine | Period


def table(report: Report, catalog: Catalog, presentation: Presentation) -> Table:
    """The page of rows that is asked for; a page after the last one is the last one."""
    lines = list(lines_of(report))
    pages = max(1, -(-len(lines) // ROWS_A_PAGE))
    page = min(presentation.page, pages)
    first = (page - 1) * ROWS_A_PAGE
    chosen = lines[first : first + ROWS_A_PAGE]
    rows = Rows(report, catalog, replace(presentation, page=1))
    found = [rows.of(line) for line in chosen]
    if chosen and isinstance(chosen[0], ValueLine) and chosen[0].child:
        found.insert(0, replace(rows.value(chosen[0].row), is_continued=True))

    def page_url(number: int) -> str:
        return explorer_url(report.query, replace(presentation, page=number)) if 1 <= number <= pages else ""

    return Table(
        columns=tuple(columns(report, replace(presentation, page=1))),
        rows=tuple(found),
        total=rows.total(),
        paging=Paging(first + 1, first + len(chosen), len(lines), page_url(page - 1), page_url(page + 1))
        if pages > 1
        else None,
    )


def lines_of(report: Report) -> Iterator[Line]:
    if not report.query.group_by:
        yield from report.period_rows
        return
    for row in report.rows:
        yield ValueLine(row)
        yield from (ValueLine(row, child) for child in row.children)
    if report.other:
        yield ValueLine(report.other, is_other=True)


class Rows:
    """Makes the rows of one report."""

    def __init__(self, report: Report, catalog: Catalog, presentation: Presentation) -> None:
        self.report, self.catalog, self.presentation = report, catalog, presentation
        self.asked = pinned(report)
        sizes = [row.amounts.measure for row in report.rows]
        self.largest: Figure = max(sizes, default=report.total.measure)

    def of(self, line: Line) -> TableRow:
        if isinstance(line, Period):
            return self.period(line)
        if line.is_other:
            return self.other(line.row)
        return self.child(line.row, line.child) if line.child else self.value(line.row)

    def value(self, row: ReportRow) -> TableRow:
        key = self.asked.group_by[0]
        return self.made(
            row.amounts,
            value_label(key, row.value),
            link=drilled(self.asked, row.value),
            items=self.asked.narrowed(key, row.value),
            swatch=look(key, row.value, self.catalog),
            metered=True,
        )

    def child(self, row: ReportRow, child: ReportRow) -> TableRow:
        first, second = self.asked.group_by
        inside = self.asked.narrowed(first, row.value).narrowed(second, child.value)
        made = self.made(
            child.amounts, value_label(second, child.value), link=inside.grouped_by(), items=inside
        )
        return replace(made, is_child=True)

    def other(self, row: ReportRow) -> TableRow:
        values = tuple(each.value for each in self.report.rows)
        key = self.asked.group_by[0]
        rest = replace(self.asked, filters=(*self.asked.filters, Filter(key, values, exclude=True)))
        is_short = 0 < len(values) <= MOST_EXCLUDED and not any(
            f.dimension == key and f.exclude for f in self.asked.filters
        )
        return self.made(
            row.amounts,
            other_label(self.report.other_count),
            link=with_all(self.asked),
            items=rest if is_short else None,
            swatch=OTHER,
            metered=True,
        )

    def period(self, period: Period) -> TableRow:
        """Leads to the period's days: by day, or of a day by model."""
        days = period_days(self.report, period)
        own = replace(self.asked.on_days(days), only_complete=False)
        by_day = days.days > 1
        inside = replace(
            own,
            granularity=Granularity.DAY.value,
            group_by=() if by_day else ("model",),
            compare=self.asked.compare if by_day else "none",
            sort="",
            is_reversed=False,
        )
        return replace(
            self.made(period.amounts, period.label, link=inside, items=own),
            is_incomplete=period.is_incomplete,
        )

    def total(self) -> TableRow:
        return self.made(self.report.total, "Total", items=self.asked)

    def made(
        self,
        amounts: Amounts,
        label: str,
        *,
        link: CostQuery | None = None,
        items: CostQuery | None = None,
        swatch: str = "",
        metered: bool = False,
    ) -> TableRow:
        report = self.report
        measure, currency = report.query.measure, report.currency
        compared = report.compare_span is not None
        return TableRow(
            label=label,
            url=explorer_url(link, self.presentation) if link else "",
            swatch=swatch,
            measure=shown(amounts.measure, measure, currency),
            meter=meter(amounts.measure, self.largest) if metered else 0,
            share=share_text(report, amounts.measure),
            before=shown(amounts.before, measure, currency) if amounts.before is not None else Shown(""),
            change=difference(amounts, measure, currency),
            direction=direction(amounts, measure),
            percent=percent(amounts) if compared else "",
            tokens=tokens(amounts.tokens),
            events=f"{amounts.events:,}",
            items_url=line_items_url(self.settled(items)) if items and amounts.events else "",
        )

    def settled(self, items: CostQuery) -> CostQuery:
        """Complete periods as the days they are: with fewer cost centers others would be complete."""
        span = self.report.span
        if not items.only_complete or span is None:
            return items
        return replace(items.on_days(span), only_complete=False)


def period_days(report: Report, period: Period) -> Span:
    """The period's days within the report's span."""
    span = report.span or report.query.span
    last = next_period(period.start, report.granularity, span) - ONE_DAY
    return Span(max(period.start, span.start), min(last, span.end))


def columns(report: Report, presentation: Presentation) -> Iterator[Column]:
    """Each but the share sorts: largest first (names: A to Z, periods: in time's order), then the other way."""
    query, measure = report.query, report.query.measure
    natural = Sort.MEASURE if query.group_by else Sort.VALUE

    def column(sort: Sort, label: str) -> Column:
        is_current = (query.sort or natural) == sort
        is_reversed = is_current and not (query.is_reversed and query.sort)
        wanted = query.sorted_by("" if sort == natural and not is_reversed else sort, is_reversed=is_reversed)
        ascends = (sort == Sort.VALUE) != (query.is_reversed and bool(query.sort))
        order = ("ascending" if ascends else "descending") if is_current else ""
        return Column(label, explorer_url(wanted, presentation), order)

    yield column(Sort.VALUE, " and ".join(dimension(key).label for key in query.group_by) or "Period")
    yield column(Sort.MEASURE, str(measure.label))
    yield Column("Share")
    if report.compare_span is not None:
        yield column(Sort.BEFORE, "Before")
        yield column(Sort.CHANGE, "Change")
        yield column(Sort.PERCENT, "%")
    if measure != Measure.TOKENS:
        yield column(Sort.TOKENS, "Tokens")
    if measure != Measure.EVENTS:
        yield column(Sort.EVENTS, "Events")


# The figures of a chart by period -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeriodRow:
    label: str
    url: str
    is_incomplete: bool
    total: Shown
    before: Shown
    change: Shown
    direction: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class PeriodTable:
    """A row a period, a column a series; `total` adds up all periods."""

    series: tuple[Series, ...]
    rows: tuple[PeriodRow, ...]
    total: PeriodRow


def period_table(report: Report, series: list[Series], presentation: Presentation) -> PeriodTable:
    measure, currency = report.query.measure, report.currency
    asked = pinned(report)

    def row(
        label: str, url: str, amounts: Amounts, cells: tuple[Shown, ...], is_incomplete: bool
    ) -> PeriodRow:
        return PeriodRow(
            label=label,
            url=url,
            is_incomplete=is_incomplete,
            total=shown(amounts.measure, measure, currency),
            before=shown(amounts.before, measure, currency) if amounts.before is not None else Shown(""),
            change=difference(amounts, measure, currency),
            direction=direction(amounts, measure),
            cells=cells,
        )

    def url(period: Period) -> str:
        inside = replace(asked.on_days(period_days(report, period)), only_complete=False)
        return explorer_url(inside, replace(presentation, page=1))

    return PeriodTable(
        series=tuple(series),
        rows=tuple(
            row(
                period.label,
                url(period),
                period.amounts,
                tuple(shown(each.values[place], measure, currency) for each in series),
                period.is_incomplete,
            )
            for place, period in enumerate(report.periods)
        ),
        total=row(
            "Total",
            "",
            report.total,
            tuple(shown(added(each.values), measure, currency) for each in series),
            False,
        ),
    )
