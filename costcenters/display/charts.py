"""A report as the data of a chart: its series with their looks, and where a click on them leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import localcontext
from itertools import accumulate
from typing import Any

from costcenters.catalog import Catalog
from costcenters.cost_query import Compare, CostQuery
from costcenters.dimensions import value_label
from costcenters.display.drill import drilled, pinned, with_all
from costcenters.display.figures import Shown, percent_text, share, short_label, shown
from costcenters.display.looks import OTHER, look
from costcenters.periods import Granularity, in_another_year, long_day
from costcenters.presentation import ChartKind
from costcenters.report import Figure, Period, Report
from finops.money import EXACT, MINOR_DIGITS, SYMBOLS, plain

#: More bars on top of each other cannot be told apart; the table still lists every row.
MOST_SERIES = 20
#: Lines of what was before are drawn for this many series; of more, for the total alone.
MOST_LINES_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Series:
    """`swatch` is the CSS classes of its look, `url` where a click leads. `before` is empty without comparison."""

    label: str
    swatch: str
    amount: Shown
    url: str
    values: tuple[Figure, ...]
    before: tuple[Figure, ...] = ()
    share: str = ""

    @property
    def short(self) -> str:
        return short_label(self.label)


def series_of(report: Report, catalog: Catalog, url_of: Callable[[CostQuery], str]) -> list[Series]:
    """The report's rows as series, in their order, the rest as a grey one; without grouping a single one."""
    query, measure, currency = report.query, report.query.measure, report.currency
    if not query.group_by:
        return [
            Series(
                label=str(measure.label),
                swatch="s1",
                amount=shown(report.total.measure, measure, currency),
                url="",
                values=tuple(period.amounts.measure for period in report.periods),
                before=totals_before(report),
            )
        ]
    key, asked = query.group_by[0], pinned(report)

    def series(label: str, swatch: str, url: str, rows: list[Any]) -> Series:
        amount = added(row.amounts.measure for row in rows)
        return Series(
            label=label,
            swatch=swatch,
            amount=shown(amount, measure, currency),
            url=url,
            values=added_by_period(row.by_period for row in rows),
            before=added_by_period(row.before_by_period for row in rows),
            share=share_text(report, amount),
        )

    rows, rest = report.rows[:MOST_SERIES], list(report.rows[MOST_SERIES:])
    found = [
        series(
            value_label(key, row.value),
            look(key, row.value, catalog),
            url_of(drilled(asked, row.value)),
            [row],
        )
        for row in rows
    ]
    count = len(rest) + report.other_count
    rest += [report.other] if report.other else []
    if rest:
        found.append(series(other_label(count), OTHER, url_of(with_all(asked)), rest))
    return found


def chart_data(report: Report, series: list[Series], kind: str = ChartKind.BARS) -> dict[str, Any]:
    """For the page's script, numbers as exact text. `isIncomplete` periods may still grow.

    Of a cumulative chart each number is the sum up to and including its period.
    """
    sums = cumulated if kind == ChartKind.CUMULATIVE else tuple
    is_money = report.query.measure.is_money
    before = totals_before(report)
    return {
        "kind": str(kind),
        "measure": report.query.measure.value,
        "currency": report.currency if is_money else "",
        "symbol": SYMBOLS.get(report.currency, f"{report.currency} ") if is_money else "",
        "digits": MINOR_DIGITS.get(report.currency, 2) if is_money else 0,
        "beforeAs": before_as(kind, series),
        "periods": [
            {
                "label": p.label,
                "start": p.start.isoformat(),
                "isIncomplete": p.is_incomplete,
                "before": label_before(report, p),
            }
            for p in report.periods
        ],
        "totals": texts(sums(period.amounts.measure for period in report.periods)),
        "totalsBefore": texts(sums(before)),
        "series": [
            {
                "label": s.label,
                **({"short": s.short} if s.short != s.label else {}),
                "url": s.url,
                "isOther": s.swatch == OTHER,
                "values": texts(sums(s.values)),
                "before": texts(sums(s.before)),
            }
            for s in series
        ],
    }


def before_as(kind: str, series: list[Series]) -> str:
    """How the compared span is drawn: `bars` beside those of now, a line of each `series`, one of the `total`."""
    if not any(each.before for each in series):
        return ""
    if kind == ChartKind.BARS:
        return "bars"
    return "series" if kind == ChartKind.LINES and len(series) <= MOST_LINES_BEFORE else "total"


def totals_before(report: Report) -> tuple[Figure, ...]:
    """The compared span's measure at each period; empty without comparison."""
    return tuple(p.amounts.before for p in report.periods if p.amounts.before is not None)


def label_before(report: Report, period: Period) -> str:
    """The day that a day is compared with; empty for longer periods, whose days the sentence tells."""
    if report.compare_span is None or report.span is None or report.granularity != Granularity.DAY:
        return ""
    if report.query.compare == Compare.YEAR:
        return long_day(in_another_year(period.start, -1))
    return long_day(report.compare_span.start + (period.start - report.span.start))


def added(figures: Iterable[Figure]) -> Figure:
    with localcontext(EXACT):
        return sum(figures)


def added_by_period(parts: Iterable[tuple[Figure, ...]]) -> tuple[Figure, ...]:
    return tuple(added(figures) for figures in zip(*parts, strict=True))


def cumulated(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    with localcontext(EXACT):
        return tuple(accumulate(figures))


def texts(figures: Iterable[Figure]) -> list[str]:
    return [exact(figure) for figure in figures]


def exact(figure: Figure) -> str:
    return str(figure) if isinstance(figure, int) else plain(figure)


def share_text(report: Report, part: Figure) -> str:
    of_total = share(part, report.total.measure)
    return "–" if of_total is None else percent_text(of_total)


def other_label(count: int) -> str:
    return f"Other ({count:,} more)"
