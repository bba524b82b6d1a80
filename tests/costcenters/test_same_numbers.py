"""Every number is the same number: report, chart, table, CSV and API against a slow computation over line items."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.display.charts import chart_data, series_of
from costcenters.display.figures import Shown
from costcenters.explorer import report
from costcenters.explorer_page.export import Export
from costcenters.explorer_page.filter_values import values_of
from costcenters.explorer_page.page import explorer_page
from costcenters.links import api_url, explorer_url
from costcenters.presentation import Presentation
from costcenters.query_form import CostQueryForm
from costcenters.report import Amounts, Report, ReportRow
from tests.costcenters.conftest import NOW
from tests.costcenters.question_and_answer import Answer, Question, Row, Sums
from tests.costcenters.random_bill import VALUES, a_bill, a_question
from tests.costcenters.slow_bill import SlowBill

pytestmark = pytest.mark.django_db
BATCHES, STATES_A_BATCH = 4, 130
NANO = Decimal("0.000000001")


@pytest.fixture
def bill() -> SlowBill:
    return a_bill()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_number_is_the_same_number_wherever_it_is_read(bill, viewer, batch):
    for number in range(STATES_A_BATCH):
        pick = random.Random(f"{batch} {number}")
        asked = a_question(pick)
        parameters = QueryDict(mutable=True)
        for name, value in asked.parameters():
            parameters.appendlist(name, value)
        expected = bill.answer(asked)
        try:
            query = the_query(parameters)
            check_round_trip(query, pick)
            catalog = Catalog(today=NOW.date())
            answer = report(query, now=NOW, catalog=catalog)
            check_report(answer, expected)
            check_chart(answer, expected, catalog)
            check_page(answer, expected, catalog)
            check_export(query, expected, catalog)
            check_api(viewer.get(api_url(query)), answer, expected)
            check_filter_values(query, bill, asked, expected, pick, catalog)
        except AssertionError as error:
            raise AssertionError(
                f"{parameters.urlencode()} (batch {batch}, state {number})\n{error}"
            ) from error


# The address ---------------------------------------------------------------------------------------------


def bound(parameters: QueryDict) -> CostQueryForm:
    form = CostQueryForm(parameters, catalog=Catalog(today=NOW.date()))
    assert form.is_valid(), form.errors
    return form


def the_query(parameters: QueryDict) -> CostQuery:
    return bound(parameters).query()


def check_round_trip(query: CostQuery, pick: random.Random) -> None:
    assert the_query(QueryDict(query.query_string())) == query
    shown = Presentation(
        chart=pick.choice(["bars", "lines", "cumulative", "table"]),
        page=pick.choice([1, 2, 17]),
        view=pick.choice([None, 3]),
    )
    form = bound(QueryDict(explorer_url(query, shown).partition("?")[2]))
    assert (form.query(), form.presentation()) == (query, shown)


# The report ----------------------------------------------------------------------------------------------


def units(nanos: int, answer: Report) -> Decimal | int:
    return nanos * NANO if answer.query.measure.is_money else nanos


def figures(sums: Sums, answer: Report) -> tuple[Any, ...]:
    before = units(sums.before, answer) if answer.compare_span else None
    return units(sums.now, answer), sums.tokens, sums.events, before


def of(amounts: Amounts) -> tuple[Any, ...]:
    return amounts.measure, amounts.tokens, amounts.events, amounts.before


def by_period(parts: dict[date, int], answer: Report) -> tuple[Any, ...]:
    return tuple(units(parts.get(period.start, 0), answer) for period in answer.periods)


def check_report(answer: Report, expected: Answer) -> None:
    assert (answer.currency, answer.currencies) == (expected.currency, expected.currencies)
    spans = [(span.start, span.end) if span else None for span in (answer.span, answer.compare_span)]
    assert spans == [expected.span, expected.before_span]
    assert [(p.start, p.is_incomplete, of(p.amounts)) for p in answer.periods] == [
        (start, is_open, figures(sums, answer)) for start, is_open, sums in expected.periods
    ]
    assert [period.start for period in answer.period_rows] == expected.period_order
    assert of(answer.total) == figures(expected.total, answer)
    assert [row.value for row in answer.rows] == [row.value for row in expected.rows]
    for row, slow in zip(answer.rows, expected.rows, strict=True):
        check_row(row, slow, answer)
    assert answer.other_count == expected.other_count
    assert (answer.other is None) == (expected.other is None)
    if answer.other and expected.other:
        check_row(answer.other, Row("", expected.other, []), answer)
    assert answer.split == {kind: units(nanos, answer) for kind, nanos in expected.split.items()}
    assert answer.estimated == units(expected.estimated, answer)
    for rows, slow_changes in ((answer.risen, expected.risen), (answer.fallen, expected.fallen)):
        changes = [(value, units(change, answer)) for value, change in slow_changes]
        assert [(row.value, row.amounts.difference) for row in rows] == changes
    check_sums(answer)


def check_row(row: ReportRow, slow: Row, answer: Report) -> None:
    assert of(row.amounts) == figures(slow.sums, answer)
    assert row.by_period == by_period(slow.sums.by_period, answer)
    before = by_period(slow.sums.before_by_period, answer) if answer.compare_span else ()
    assert row.before_by_period == before
    assert [(child.value, of(child.amounts)) for child in row.children] == [
        (value, figures(sums, answer)) for value, sums in slow.children
    ]


def check_sums(answer: Report) -> None:
    """Rows with Other, the periods and the split each add up to the total."""
    parts = [period.amounts.measure for period in answer.periods]
    assert sum(parts) == sum(answer.split.values()) == answer.total.measure
    if answer.query.group_by:
        rows = [*answer.rows, *([answer.other] if answer.other else [])]
        assert sum(row.amounts.measure for row in rows) == answer.total.measure


# What is drawn and shown -----------------------------------------------------------------------------------


def check_chart(answer: Report, expected: Answer, catalog: Catalog) -> None:
    chart = chart_data(answer, series_of(answer, catalog, explorer_url))
    totals = [units(sums.now, answer) for _, _, sums in expected.periods]
    assert [Decimal(text) for text in chart["totals"]] == totals
    series = [[Decimal(text) for text in each["values"]] for each in chart["series"]]
    if totals and series:
        assert [sum(parts) for parts in zip(*series, strict=True)] == totals
    if answer.query.group_by:
        for drawn, row in zip(chart["series"], expected.rows, strict=False):
            if not drawn["isOther"]:
                slow = [units(row.sums.by_period.get(start, 0), answer) for start, _, _ in expected.periods]
                assert [Decimal(text) for text in drawn["values"]] == slow


def read(shown: Shown, answer: Report) -> Decimal:
    """The exact figure, as somebody reads it: from the title, else from the text."""
    text = (shown.exact or shown.text).removesuffix(f" {answer.currency}")
    return Decimal(text.replace(",", "").replace("−", "-").replace("$", "").replace("€", "").lstrip("+"))


def check_page(answer: Report, expected: Answer, catalog: Catalog) -> None:
    page = explorer_page(answer, catalog)
    if answer.query.group_by:
        slow = []
        for row in expected.rows:
            slow += [row.sums, *(sums for _, sums in row.children)]
        slow += [expected.other] if expected.other else []
    else:
        by_start = {start: sums for start, _, sums in expected.periods}
        slow = [by_start[start] for start in expected.period_order]
    number, rows = 1, list(page.rows)
    while page.paging and page.paging.last < page.paging.count:
        number += 1
        page = explorer_page(answer, catalog, Presentation(page=number))
        rows += [row for row in page.rows if not row.is_continued]
    shown = [*rows, page.total]
    for row, sums in zip(shown, [*slow, expected.total], strict=True):
        now, tokens, events, before = figures(sums, answer)
        assert (read(row.measure, answer), read(row.tokens, answer)) == (now, tokens)
        assert int(row.events.replace(",", "")) == events
        if before is not None:
            assert (read(row.before, answer), read(row.change, answer)) == (before, now - before)
    assert [read(part.amount, answer) for part in page.split] == list(answer.split.values())


# The export ------------------------------------------------------------------------------------------------


def check_export(query: CostQuery, expected: Answer, catalog: Catalog) -> None:
    text = Export.of(query, catalog, now=NOW).response().getvalue().decode()
    header, *lines = list(csv.reader(io.StringIO(text)))
    width = 1 + len(query.group_by)
    assert header[:width] == ["period", *query.group_by]
    found = {
        tuple(cell.removeprefix("'") for cell in line[:width]): [
            *(int(Decimal(cell) / NANO) for cell in line[width : width + 3]),
            *(int(cell) for cell in line[width + 3 :]),
        ]
        for line in lines
    }
    assert len(found) == len(lines)
    assert found == expected.exported


# The API ----------------------------------------------------------------------------------------------------


def parsed(figure: str | int | None) -> Decimal | int | None:
    return Decimal(figure) if isinstance(figure, str) else figure


def check_api(response: Any, answer: Report, expected: Answer) -> None:
    assert response.status_code == 200, response.content
    found = response.json()
    assert found["currency"] == expected.currency
    for span, name in ((expected.span, "span"), (expected.before_span, "compare_span")):
        assert found[name] == (span and {"start": span[0].isoformat(), "end": span[1].isoformat()})
    check_json(found["total"], expected.total, answer)
    for each, row in zip(found["rows"], expected.rows, strict=True):
        assert each["value"] == row.value
        check_json(each, row.sums, answer)
        for child, (value, inner) in zip(each["children"], row.children, strict=True):
            assert child["value"] == value
            check_json(child, inner, answer)
    assert (found["other"] is None) == (expected.other is None)
    if expected.other:
        assert found["other"]["count"] == expected.other_count
        check_json(found["other"], expected.other, answer)
    for each, (start, is_open, sums) in zip(found["periods"], expected.periods, strict=True):
        assert (each["start"], each["is_incomplete"]) == (start.isoformat(), is_open)
        check_json(each, sums, answer)
    assert {each["charge_type"]: parsed(each["measure"]) for each in found["split"]} == {
        kind: units(nanos, answer) for kind, nanos in expected.split.items()
    }
    assert parsed(found["estimated"]) == units(expected.estimated, answer)
    for name, changes in (("risen", expected.risen), ("fallen", expected.fallen)):
        assert [(each["value"], parsed(each["change"])) for each in found[name]] == [
            (value, units(change, answer)) for value, change in changes
        ]


def check_json(found: dict[str, Any], sums: Sums, answer: Report) -> None:
    amounts = parsed(found["measure"]), found["tokens"], found["events"], parsed(found["before"])
    assert amounts == figures(sums, answer)
    for name, parts in (("by_period", sums.by_period), ("before_by_period", sums.before_by_period)):
        if name in found and (name == "by_period" or answer.compare_span):
            assert tuple(parsed(each) for each in found[name]) == by_period(parts, answer)


# The values a filter offers ----------------------------------------------------------------------------------


def check_filter_values(
    query: CostQuery, bill: SlowBill, asked: Question, expected: Answer, pick: random.Random, catalog: Catalog
) -> None:
    """As the report grouped by the dimension, without the filters on it."""
    key = pick.choice([*VALUES, *asked.group_by])
    others = tuple(each for each in asked.filters if each[0] != key)
    chosen = {value for each in asked.filters if each[0] == key for value in each[2]}
    open_question = replace(
        asked, filters=others, group_by=(key,), top=0, sort="", compare="none", currency=expected.currency
    )
    slow = {row.value: (row.sums.now, row.sums.events) for row in bill.answer(open_question).rows}
    slow |= {value: (0, 0) for value in chosen if value not in slow}
    found = values_of(query, key, catalog=catalog, limit=1000, now=NOW)
    in_units = NANO if query.measure.is_money else 1
    assert {each.value: (each.figure, each.events) for each in found.values} == {
        value: (now * in_units, events) for value, (now, events) in slow.items()
    }
    assert (found.total, found.has_more, found.currency) == (len(slow), False, expected.currency)
    assert {each.value for each in found.values[: len(chosen)]} == chosen
    sizes = [each.figure for each in found.values[len(chosen) :]]
    assert sizes == sorted(sizes, reverse=True)
