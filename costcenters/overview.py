"""The overview: this month, the last 30 days, who and what costs most. Asks only the explorer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from costcenters.catalog import Catalog
from costcenters.charts import Series, chart_data, series_of
from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.dimensions import value_label
from costcenters.explorer import report
from costcenters.explorer_page import TableRow, grouped_rows
from costcenters.figures import Shown, difference, direction, percent, percent_text, share, shown
from costcenters.links import explorer_url
from costcenters.models import ChargeType
from costcenters.periods import Granularity, Preset, preset_span, same_days_of_last_month, short_day
from costcenters.report import Amounts, Figure, Report

#: The provider whose usage and seats have figures of their own; the rest is "everything else".
SEATED_PROVIDER = "cursor"
TOP = 5


@dataclass(frozen=True, slots=True)
class Card:
    label: str
    value: Shown
    url: str
    note: str = ""
    is_estimated: bool = False
    change: Shown | None = None
    percent: str = ""
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    title: str
    url: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    cards: tuple[Card, ...]
    chart: dict[str, Any]
    legend: tuple[Series, ...]
    chart_url: str
    rankings: tuple[Ranking, ...]
    questions: tuple[Link, ...]
    currency: str
    currencies: tuple[str, ...]
    is_empty: bool
    is_new: bool
    history: Link


def overview_page(catalog: Catalog, *, now: datetime, currency: str = "") -> OverviewPage:
    """In `currency`, else in the one the explorer picks. Raises SumTooLargeError (SQLite only)."""
    today = now.date()
    wanted = currency if currency in catalog.currencies else ""
    recent = CostQuery(
        preset_span(Preset.DAYS_30, today), Preset.DAYS_30.value, group_by=("cost_center",), currency=wanted
    )
    last_days = report(recent, now=now, catalog=catalog)
    recent = recent.in_currency(last_days.currency)
    month = replace(
        recent,
        span=preset_span(Preset.MONTH_TO_DATE, today),
        preset=Preset.MONTH_TO_DATE.value,
        granularity=Granularity.TOTAL.value,
        group_by=("provider", "charge_type"),
        top=0,
    )
    year = replace(recent, preset=Preset.MONTHS_12.value, granularity=Granularity.MONTH.value)
    named = (Filter("user", ("",), exclude=True),)
    people = replace(month, group_by=("user",), filters=named, top=TOP)
    models = replace(people, group_by=("model",), filters=(Filter("model", ("",), exclude=True), *named))
    this_month = report(month, now=now, catalog=catalog)
    before = report(
        replace(month, span=same_days_of_last_month(month.span), preset=""), now=now, catalog=catalog
    )
    series = series_of(last_days, catalog, explorer_url)
    return OverviewPage(
        cards=cards(this_month, before),
        chart=chart_data(last_days, series),
        legend=tuple(series),
        chart_url=explorer_url(recent),
        rankings=(
            ranking("People, this month", report(people, now=now, catalog=catalog), catalog),
            ranking("Models, this month", report(models, now=now, catalog=catalog), catalog),
        ),
        questions=questions(recent, month),
        currency=last_days.currency,
        currencies=tuple(catalog.currencies),
        is_empty=last_days.is_empty and this_month.is_empty and before.is_empty,
        is_new=not catalog.cost_centers,
        history=Link("The last 12 months", explorer_url(year)),
    )


def cards(month: Report, before: Report) -> tuple[Card, ...]:
    """The month to date and its three parts; the parts add up to it."""
    query, currency, total = month.query, month.currency, month.total.measure
    against = Amounts(total, 0, 0, before.total.measure)
    parts = {(row.value, child.value): child.amounts.measure for row in month.rows for child in row.children}
    usage = parts.get((SEATED_PROVIDER, ChargeType.USAGE), Decimal(0))
    seats = parts.get((SEATED_PROVIDER, ChargeType.SEAT), Decimal(0))
    others = [row.value for row in month.rows if row.value != SEATED_PROVIDER]
    own = query.narrowed("provider", SEATED_PROVIDER)
    name = value_label("provider", SEATED_PROVIDER)

    def part(label: str, figure: Figure, link: CostQuery, *, note: str = "", estimated: bool = False) -> Card:
        of_total = share(figure, total)
        note = note or (f"{percent_text(of_total)} of this month" if of_total is not None else "")
        return Card(label, shown(figure, Measure.BILLED, currency), explorer_url(link), note, estimated)

    return (
        Card(
            label=f"Month to date, {month.query.span}",
            value=shown(total, Measure.BILLED, currency),
            url=explorer_url(replace(query.grouped_by("provider"), granularity=Granularity.DAY.value)),
            note=f"on {short_span(before)}",
            change=difference(against, Measure.BILLED, currency),
            percent=percent(against),
            direction=direction(against, Measure.BILLED),
        ),
        part(f"{name} usage", usage, own.narrowed("charge_type", ChargeType.USAGE).grouped_by("model")),
        part(
            f"{name} seats",
            seats,
            own.narrowed("charge_type", ChargeType.SEAT).grouped_by("user"),
            estimated=bool(month.estimated and seats),
        ),
        part(
            "Everything else",
            total - usage - seats,
            query,
            note=", ".join(value_label("provider", slug) for slug in others[:4]),
        ),
    )


def short_span(past: Report) -> str:
    span = past.query.span
    return f"{span.start.day} – {short_day(span.end)}" if span.days > 1 else short_day(span.end)


def ranking(title: str, answer: Report, catalog: Catalog) -> Ranking:
    rows = grouped_rows(answer, series_of(answer, catalog, explorer_url))
    return Ranking(title, explorer_url(answer.query), tuple(rows[:TOP]))


def questions(recent: CostQuery, month: CostQuery) -> tuple[Link, ...]:
    week = replace(recent, span=recent.span, preset=Preset.DAYS_7.value)
    named = (Filter("user", ("",), exclude=True),)
    asked = (
        ("Who spent the most this week?", replace(week, group_by=("user",), filters=named)),
        ("Claude or GPT?", replace(recent, group_by=("model_family",), filters=named)),
        ("Which kind costs most?", replace(recent, group_by=("kind",), filters=named)),
        ("Which surface is used?", replace(recent, group_by=("surface",), filters=named)),
        ("Usage or seats?", replace(month, group_by=("charge_type",), granularity=Granularity.DAY.value)),
    )
    return tuple(Link(text, explorer_url(query)) for text, query in asked)
