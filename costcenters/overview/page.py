"""The overview: this month against the last one, the last 90 days, what the plan buys, what changed, what to ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from costcenters.catalog import Catalog, Freshness, freshness
from costcenters.display.charts import Series, chart_data, series_of
from costcenters.display.sentences import incomplete_periods
from costcenters.links import Link, explorer_url
from costcenters.models import CostCenter
from costcenters.overview.cursor import Plan, plan
from costcenters.overview.figures import SEATED_PROVIDER, Bill
from costcenters.overview.months import MonthCard, Part, last_month, parts, this_month
from costcenters.overview.questions import questions
from costcenters.overview.rankings import Changes, Ranking, changes_by_kind, rankings
from costcenters.periods import Granularity, Preset, periods, short_day
from costcenters.report import Fold, Report, Tally


@dataclass(frozen=True, slots=True)
class FreshnessRow:
    """How far one cost center is complete; `state` is a word (empty when all is well), `tone` its colour."""

    name: str
    url: str
    through: str
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    freshness: Freshness
    months: tuple[MonthCard, ...]
    parts: tuple[Part, ...]
    chart: dict[str, Any]
    legend: tuple[Series, ...]
    chart_url: str
    incomplete: str
    plan: Plan | None
    changes: tuple[Changes, ...]
    changes_days: tuple[str, str]
    rankings: tuple[Ranking, ...]
    questions: tuple[Link, ...]
    sources: tuple[FreshnessRow, ...]
    gaps: tuple[FreshnessRow, ...]
    currency: str
    currencies: tuple[str, ...]
    is_empty: bool
    is_new: bool
    is_loading: bool
    has_seated: bool
    history: Link


def overview_page(catalog: Catalog, *, now: datetime, currency: str = "") -> OverviewPage:
    """In `currency`, else in that of the largest bill. Raises SumTooLargeError (SQLite only)."""
    bill = Bill.read(catalog, now=now, currency=currency)
    last_days = chart_report(bill)
    series = series_of(last_days, catalog, explorer_url)
    year = replace(
        bill.preset(Preset.MONTHS_12), granularity=Granularity.MONTH.value, group_by=("cost_center",)
    )
    recent, bought = bill.recent_span, plan(bill)
    loading = bool(bill.freshness.loading)
    return OverviewPage(
        freshness=bill.freshness,
        months=(this_month(bill), last_month(bill)),
        parts=tuple(parts(bill, tracks_seats=bought is None or bought.value.tracks_seats)),
        chart=chart_data(last_days, series),
        legend=tuple(series),
        chart_url=explorer_url(last_days.query),
        incomplete=incomplete_periods(last_days),
        plan=bought,
        changes=() if loading else tuple(changes_by_kind(bill)),
        changes_days=(str(recent), recent.right_before().short),
        rankings=tuple(rankings(bill)),
        questions=questions(bill),
        sources=tuple(source(center, now) for center in catalog.cost_centers.values()),
        gaps=tuple(source(center, now) for center in bill.cost_centers if may_lack_cost(center, bill)),
        currency=bill.currency,
        currencies=tuple(catalog.currencies),
        is_empty=not bill.days,
        is_new=not catalog.cost_centers,
        is_loading=loading,
        has_seated=any(c.provider == SEATED_PROVIDER for c in catalog.cost_centers.values()),
        history=Link("The last 12 months", explorer_url(year)),
    )


# The chart ---------------------------------------------------------------------------------------------


def chart_report(bill: Bill) -> Report:
    """The last 90 days by cost center and day as the explorer tells them, folded from the days already read.

    Without tokens, line items and the split by charge type, which no chart shows.
    """
    query = replace(bill.preset(Preset.DAYS_90), group_by=("cost_center",))
    span, day = query.span, Granularity.DAY.value
    names = {center.pk: center.name for center in bill.cost_centers}
    starts = list(periods(span, day))
    total, in_day = Tally(), {start: Tally() for start in starts}
    for row in bill.days:
        if row.day >= span.start:
            center = total.child(names[row.cost_center])
            center.add_in(row.day, row.billed)
            for tally in (total, in_day[row.day], center):
                tally.measure += row.billed
    fold = Fold(query, starts, compared=False)
    rows, other, other_count = fold.rows(total.children)
    return Report(
        query=query,
        span=span,
        compare_span=None,
        granularity=day,
        currency=bill.currency,
        currencies=tuple(bill.catalog.currencies),
        freshness=bill.freshness,
        periods=fold.periods(in_day, day, span, bill.complete_before),
        rows=rows,
        other=other,
        other_count=other_count,
        total=fold.amounts(total),
        split={},
        estimated=bill.estimated(span),
    )


# How far it is complete --------------------------------------------------------------------------------


def may_lack_cost(center: CostCenter, bill: Bill) -> bool:
    """Whether days that are compared may lack its cost: it is not read any more, others are."""
    through = center.complete_through
    is_read = center.status in (*CostCenter.WORKING, CostCenter.Status.DISCONNECTED)
    return not is_read and (through is None or through < bill.complete_before)


def source(center: CostCenter, now: datetime) -> FreshnessRow:
    own = freshness([center], now)
    through = center.complete_through
    status = CostCenter.Status
    match center.status:
        case status.NEEDS_ATTENTION:
            state, tone = "needs attention", "bad"
        case status.CONNECTING:
            state, tone = "loading history", ""
        case status.PAUSED:
            state, tone = "paused", "warn"
        case status.DISCONNECTED:
            state, tone = "disconnected", ""
        case _:
            state, tone = ("late", "warn") if own.is_late else ("", "")
    return FreshnessRow(
        name=center.name,
        url=center.get_absolute_url(),
        through=f"complete through {through:%H:%M} UTC · {short_day(through.date())}" if through else "",
        state=state,
        tone=tone,
    )
