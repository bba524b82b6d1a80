"""What is asked of the bill, as one sentence: above a report, and of a saved view."""

from __future__ import annotations

from costcenters.cost_query import Compare, CostQuery, Sort
from costcenters.dimensions import dimension, value_label
from costcenters.display.figures import short_label
from costcenters.periods import Granularity, Preset, Span
from costcenters.report import Report

MOST_NAMED_VALUES = 3
#: How people put a period of each granularity; of the total, days are what is complete or not.
PERIODS = {"day": "days", "week": "weeks", "month": "months", "total": "days"}


def subject(query: CostQuery) -> list[str]:
    """What is asked, its days apart: the measure, each filter, the grouping."""
    parts = [str(query.measure.label)]
    for each in query.filters:
        labels = [short_label(value_label(each.dimension, value)) for value in each.values]
        if len(labels) > MOST_NAMED_VALUES:
            labels = [f"{len(labels)} values of {dimension(each.dimension).noun}"]
        parts.append(("without " if each.exclude else "") + " or ".join(labels))
    if query.group_by:
        parts.append("by " + ", then ".join(dimension(key).noun for key in query.group_by))
    return parts


def report_sentence(report: Report) -> str:
    """Such as `Billed, Cursor, by model, 23 Oct – 21 Nov 2026 UTC, against 23 Sep – 22 Oct 2026`."""
    query = report.query
    parts = subject(query)
    parts.append(f"{report.span or query.span} UTC")
    if report.compare_span:
        parts.append(f"against {report.compare_span}")
    if {*report.currencies} - {report.currency} and query.measure.is_money:
        parts.append(f"in {report.currency}")
    if query.only_complete:
        parts.append(f"complete {PERIODS[report.granularity]} only")
    if report.granularity == Granularity.WEEK:
        parts.append("weeks start on Monday")
    if query.sort:
        parts.append(sorted_by(report))
    return ", ".join(parts)


def question_sentence(query: CostQuery, shown: Span | None = None) -> str:
    """Such as `Billed, Cursor, by model, last 30 days (23 Oct – 21 Nov 2026 UTC)`.

    `shown` are the days that were reported, where they are fewer than the days asked for.
    """
    parts = subject(query)
    span = f"{shown or query.span} UTC"
    parts.append(f"{in_a_sentence(Preset(query.preset))} ({span})" if query.preset else span)
    if query.compare != Compare.NONE:
        parts.append(f"against {in_a_sentence(Compare(query.compare)).removeprefix('the ')}")
    if query.granularity == Granularity.TOTAL:
        parts.append("in total")
    elif query.granularity != Granularity.DAY:
        parts.append(f"each {query.granularity}")
    if query.only_complete:
        parts.append("only complete periods")
    if query.currency:
        parts.append(f"in {query.currency}")
    return ", ".join(parts)


def in_a_sentence(choice: Preset | Compare) -> str:
    text = str(choice.label)
    return text[0].lower() + text[1:]


def incomplete_periods(report: Report) -> str:
    """Such as `21 Nov` or `20 Nov – 21 Nov`; empty where all periods are complete."""
    labels = [period.label for period in report.incomplete]
    return " – ".join([*labels[:1], *labels[1:][-1:]])


def sorted_by(report: Report) -> str:
    query = report.query
    match query.sort:
        case Sort.VALUE:
            name = dimension(query.group_by[0]).noun if query.group_by else "period"
            return f"sorted by {name}{', backwards' if query.is_reversed else ''}"
        case Sort.MEASURE:
            name = str(query.measure.label).lower()
        case sort:
            name = str(Sort(sort).label).lower()
    return f"sorted by {name}, {'smallest' if query.is_reversed else 'largest'} first"
