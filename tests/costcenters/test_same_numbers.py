"""Every number is the same number: report, chart, table, CSV and API against a slow computation over line items."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
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
from costcenters.line_items import replace_window
from costcenters.links import api_url, explorer_url
from costcenters.models import ChargeType, CostCenter
from costcenters.presentation import Presentation
from costcenters.query_form import CostQueryForm
from costcenters.records import LineItem, Window
from costcenters.report import Amounts, Report, ReportRow
from tests.costcenters.conftest import NOW
from tests.costcenters.slow_bill import Answer, Center, Line, Question, Row, SlowBill, Sums
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db
BATCHES, STATES_A_BATCH = 4, 130
FIRST_DAY, LAST_DAY = date(2026, 6, 25), date(2026, 11, 21)
NANO = Decimal("0.000000001")

CENTERS = [
    Center("Cursor – R&D", "cursor", "USD", datetime(2026, 11, 21, 14, tzinfo=UTC)),
    Center("Cursor, late", "cursor", "USD", datetime(2026, 11, 17, 9, 30, tzinfo=UTC)),
    Center("AWS", "aws", "USD", datetime(2026, 11, 21, tzinfo=UTC)),
    Center("Cursor Berlin", "cursor", "EUR", datetime(2026, 11, 20, tzinfo=UTC)),
    Center("Being loaded", "aws", "EUR", None),
]
USERS = ["", "Ann", "bob", "ćele", "=1+1", *(f"u{n:02}@example.com" for n in range(11))]
MODELS = [
    "",
    *("claude-4.5-sonnet", "Claude-4-opus", "gpt-5.5", "o3-pro", "gemini-3-pro", "default", "composer-2.5"),
    *("BoxUsage:m7g", "o365-licence", '"quoted", model', "Zeta", "alpha"),
]
KINDS = ["", "Included in Business", "USAGE_EVENT_KIND_USAGE_BASED"]
SURFACES = ["", "editor", "cloud agent"]
TAGS = [{}, {"team": "core"}, {"team": "web", "env": "prod"}, {"env": "-dev"}]
VALUES = {
    "cost_center": [center.name for center in CENTERS],
    "provider": ["aws", "cursor", "unheard-of"],
    "charge_type": ["usage", "seat", "credit", "tax"],
    "service": ["Cursor", "EC2", "nothing such"],
    "model": MODELS,
    "model_family": ["Claude", "GPT", "Other", "Auto", ""],
    "kind": KINDS,
    "surface": SURFACES,
    "user": [*USERS, "nobody"],
    "seat_activity": ["active", "idle", ""],
    "account": ["", "1234"],
    "region": ["", "eu-central-1"],
    "tag:team": ["core", "web", ""],
    "tag:env": ["prod", "-dev", "", "x"],
    "tag:unheard-of": ["", "x"],
}


def amount(pick: random.Random) -> int:
    """Nano-units: many that tie, some below a cent, some large, some negative."""
    return pick.choice(
        [
            *(0, 0, 1, 10**9, 10**9, 2 * 10**9, -(10**9)),
            *(pick.randrange(10**7), pick.randrange(10**12), -pick.randrange(10**10)),
        ]
    )


def a_line(pick: random.Random, center: Center, day: date) -> Line:
    is_cursor = center.provider == "cursor"
    charge_type = pick.choice(["usage"] * 6 + (["seat"] * 2 if is_cursor else ["credit", "tax"]))
    # Some have seats and no usage, some usage and no seat.
    users = USERS[:9] if charge_type == "seat" else USERS[4:]
    costs = amount(pick), amount(pick), amount(pick)
    return Line(
        center=center,
        day=day,
        texts={
            "charge_type": charge_type,
            "service": "Cursor" if is_cursor else pick.choice(["EC2", "S3"]),
            "model": pick.choice(MODELS),
            "kind": pick.choice(KINDS) if is_cursor else "",
            "surface": pick.choice(SURFACES) if is_cursor else "",
            "user": pick.choice(users),
            "account": "" if is_cursor else pick.choice(["", "1234"]),
            "region": "" if is_cursor else "eu-central-1",
        },
        tags={} if is_cursor else pick.choice(TAGS),
        is_estimated=charge_type == "seat",
        costs=costs,
        tokens=(
            pick.randrange(10**9),
            pick.randrange(10**4),
            pick.choice([0, 5]),
            pick.choice([0, 0, 10**12]),
        ),
    )


def the_lines() -> list[Line]:
    """On every day of five months, and on some of the year before."""
    pick = random.Random(11)
    lines = []
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        for center in CENTERS:
            for _ in range(pick.choice([0, 1, 2, 4])):
                lines.append(a_line(pick, center, FIRST_DAY + timedelta(days=offset)))
    for center in CENTERS[:2]:
        template = a_line(pick, center, LAST_DAY - timedelta(days=1))
        for user in USERS[:7]:
            texts = {**template.texts, "charge_type": "seat", "user": user}
            lines.append(replace(template, texts=texts, is_estimated=True))
    for _ in range(250):
        day = date(2025, 7, 1) + timedelta(days=pick.randrange(200))
        lines.append(a_line(pick, pick.choice(CENTERS), day))
    return lines


def stored(center: CostCenter, line: Line, pick: random.Random) -> LineItem:
    started_at = datetime(line.day.year, line.day.month, line.day.day, tzinfo=UTC)
    return LineItem(
        started_at + timedelta(milliseconds=pick.randrange(86_400_000)),
        **line.texts,
        input_tokens=line.tokens[0],
        output_tokens=line.tokens[1],
        cache_write_tokens=line.tokens[2],
        cache_read_tokens=line.tokens[3],
        billed_nano=line.costs[0],
        effective_nano=line.costs[1],
        list_nano=line.costs[2],
        is_estimated=line.is_estimated,
        tags=tuple(sorted(line.tags.items())),
    )


@pytest.fixture
def bill() -> SlowBill:
    """The same line items in a list and in the database."""
    pick, lines = random.Random(12), the_lines()
    for center in CENTERS:
        row = CostCenterFactory(
            name=center.name,
            provider=center.provider,
            currency=center.currency,
            complete_through=center.complete_through,
            status="active" if center.complete_through else "connecting",
        )
        window = Window(
            row.pk,
            datetime(2025, 1, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
            tuple(ChargeType.values),
        )
        replace_window(window, [stored(row, line, pick) for line in lines if line.center == center])
    return SlowBill(CENTERS, lines, NOW)


def a_question(pick: random.Random) -> Question:
    preset, start, end = pick.choice(["", "mtd", "last-month", "7d", "30d", "90d", "12m"]), None, None
    if pick.random() < 0.5:
        start = date(2025, 6, 1) + timedelta(days=pick.randrange(560))
        if pick.random() < 0.7:
            start = FIRST_DAY + timedelta(days=pick.randrange(150))
        preset, end = "", start + timedelta(days=pick.choice([0, 1, 6, 13, 29, 30, pick.randrange(550)]))
    keys = pick.sample(sorted(VALUES), pick.choice([0, 1, 1, 2, 2]))
    filters = {}
    for key in pick.choices(sorted(VALUES), k=pick.choice([0, 0, 0, 1, 1, 2, 3])):
        exclude = pick.random() < 0.4
        values = pick.sample(VALUES[key], min(len(VALUES[key]), pick.choice([1, 1, 2, 5])))
        if not (key == "cost_center" and "" in values):
            filters[key, exclude] = (key, exclude, tuple(values))
    return Question(
        start=start,
        end=end,
        preset=preset,
        granularity=pick.choice(["day", "day", "week", "month", "total"]),
        group_by=tuple(keys),
        filters=tuple(filters.values()),
        measure=pick.choice(["billed", "billed", "effective", "list", "savings", "tokens", "events"]),
        top=pick.choice([9, 9, 1, 2, 3, 0, 1000]),
        compare=pick.choice(["none", "previous", "previous", "year"]),
        currency=pick.choice(["", "", "", "USD", "EUR"]),
        complete=pick.random() < 0.3,
        sort=pick.choice(["", "value", "measure", "before", "change", "percent", "tokens", "events"]),
        is_reversed=pick.random() < 0.3,
    )


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
    text = b"".join(Export.of(query, catalog, now=NOW).chunks()).decode()
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
