"""The table below the chart: what its columns sort by, its pages, and where its rows lead."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils.html import escape

from costcenters.catalog import Catalog
from costcenters.explorer_page.table import table
from costcenters.presentation import Presentation
from tests.factories import DailyCostFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _now(at_now):
    """It is 21 November 2026."""


@pytest.fixture
def shown(ask):
    def made(text, page=1, chart="bars"):
        return table(ask(text), Catalog(), Presentation(page=page, chart=chart))

    return made


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


# Sorting -------------------------------------------------------------------------------------------------


def order(shown, text):
    return {column.label: column.order for column in shown(text).columns if column.order}


def test_the_column_that_is_sorted_by_says_so(shown):
    DailyCostFactory(user="a")
    assert order(shown, "group_by=user") == {"Billed": "descending"}
    assert order(shown, "group_by=user&sort=-measure") == {"Billed": "ascending"}
    assert order(shown, "group_by=user&sort=value") == {"User": "ascending"}
    assert order(shown, "group_by=user&sort=-value") == {"User": "descending"}
    assert order(shown, "group_by=user&sort=tokens") == {"Tokens": "descending"}
    assert order(shown, "") == {"Period": "ascending"}
    assert order(shown, "sort=measure") == {"Billed": "descending"}


@pytest.mark.parametrize(
    "before, column, after",
    [
        ("group_by=user", "Billed", "-measure"),
        ("group_by=user&sort=-measure", "Billed", None),
        ("group_by=user", "User", "value"),
        ("group_by=user&sort=value", "User", "-value"),
        ("group_by=user&sort=-value", "Billed", None),
        ("group_by=user&sort=events", "Events", "-events"),
        ("group_by=user&compare=previous", "Change", "change"),
        ("group_by=user&compare=previous&sort=percent", "%", "-percent"),
        ("", "Period", "-value"),
        ("sort=-value", "Period", None),
        ("", "Billed", "measure"),
    ],
)
def test_a_column_sorts_and_then_turns_round(shown, before, column, after):
    url = next(each.url for each in shown(before).columns if each.label == column)
    assert asked(url).get("sort", [None]) == [after]


def test_a_share_cannot_be_sorted_by(shown):
    assert next(column.url for column in shown("group_by=user").columns if column.label == "Share") == ""


def test_sorting_keeps_the_chart_and_goes_to_the_first_page(shown):
    url = shown("group_by=user", page=3, chart="lines").columns[0].url
    assert asked(url)["chart"] == ["lines"]
    assert "page" not in asked(url)


# Pages ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many():
    """Three people with 150 models each, and no fourth."""
    for person, amount in (("a", 3), ("b", 2), ("c", 1)):
        for n in range(150):
            DailyCostFactory(user=person, model=f"m{n:03}", billed_cost=Decimal(amount))


def test_two_hundred_rows_need_no_pages(shown):
    for n in range(199):
        DailyCostFactory(user=f"u{n:03}")
    assert shown("group_by=user&top=0").paging is None
    DailyCostFactory(user="more", billed_cost=Decimal(0))
    DailyCostFactory(user="yet more", billed_cost=Decimal(0))
    paging = shown("group_by=user&top=0").paging
    assert str(paging) == "rows 1–200 of 201"
    assert (paging.before_url, asked(paging.after_url)["page"]) == ("", ["2"])


def test_a_parent_whose_children_go_on_is_named_again(shown, many):
    first, second, third = (shown("group_by=user&group_by=model", page=n) for n in (1, 2, 3))
    assert [str(each.paging) for each in (first, second, third)] == [
        "rows 1–200 of 453",
        "rows 201–400 of 453",
        "rows 401–453 of 453",
    ]
    assert not any(row.is_continued for row in first.rows)
    assert (second.rows[0].label, second.rows[0].is_continued, second.rows[1].is_child) == ("b", True, True)
    assert len(second.rows) == 201
    assert third.rows[0].label == "c"
    labels = [row.label for each in (first, second, third) for row in each.rows if not row.is_continued]
    assert len(labels) == 453
    assert {str(each.total.measure) for each in (first, second, third)} == {"$900.00"}


def test_a_page_after_the_last_is_the_last(shown, many):
    last = shown("group_by=user&group_by=model", page=99)
    assert str(last.paging) == "rows 401–453 of 453"
    assert last.paging.after_url == ""
    assert asked(last.paging.before_url)["page"] == ["2"]


def test_the_page_tells_which_rows_it_shows(viewer, many):
    text = viewer.get("/explorer/?group_by=user&group_by=model&page=2").text
    assert "rows 201–400 of 453" in text
    assert "… (continued)" in text
    assert 'rel="prev"' in text
    assert 'rel="next"' in text


# Where rows lead -----------------------------------------------------------------------------------------


def test_the_events_of_a_row_lead_to_its_line_items(shown):
    DailyCostFactory(user="a", model="gpt-5")
    parent, child = shown("group_by=user&group_by=model&kind!=x").rows
    assert urlsplit(parent.items_url).path == "/explorer/line-items/"
    assert asked(parent.items_url)["user"] == ["a"]
    assert "model" not in asked(parent.items_url)
    assert (asked(child.items_url)["user"], asked(child.items_url)["model"]) == (["a"], ["gpt-5"])
    assert asked(child.items_url)["kind!"] == ["x"]
    total = asked(shown("group_by=user&kind!=x").total.items_url)
    assert (total["kind!"], "user" in total) == (["x"], False)


def test_who_is_nobody_can_be_asked_for(shown):
    DailyCostFactory(user="")
    row = shown("group_by=user").rows[0]
    assert row.label == "No user"
    assert asked(row.url)["user"] == asked(row.items_url)["user"] == ["(none)"]


def test_the_line_items_of_other_are_those_of_nobody_shown(shown):
    for n in range(4):
        DailyCostFactory(user=f"u{n}", billed_cost=Decimal(n))
    other = shown("group_by=user&top=2").rows[-1]
    assert other.label == "Other (2 more)"
    assert asked(other.items_url)["user!"] == ["u3", "u2"]
    assert asked(other.url)["top"] == ["0"]


def test_a_period_leads_to_its_days_within_the_span(shown):
    DailyCostFactory(day=date(2026, 11, 20))
    week = next(
        row for row in shown("start=2026-11-18&end=2026-11-20&granularity=week").rows if row.events != "0"
    )
    assert week.label == "week of 16 Nov"
    for url in (week.url, week.items_url):
        assert (asked(url)["start"], asked(url)["end"]) == (["2026-11-18"], ["2026-11-20"])
    assert "group_by" not in asked(week.url)
    day = next(row for row in shown("").rows if row.events != "0")
    assert (asked(day.url)["start"], asked(day.url)["group_by"]) == (["2026-11-20"], ["model"])


def test_line_items_of_complete_days_are_those_days(shown):
    DailyCostFactory(day=date(2026, 11, 20), user="a")
    url = shown("preset=7d&complete=1&group_by=user").rows[0].items_url
    assert (asked(url)["start"], asked(url)["end"]) == (["2026-11-15"], ["2026-11-20"])
    assert "complete" not in asked(url)


def test_a_row_without_events_has_no_line_items(shown):
    DailyCostFactory(day=date(2026, 10, 20), user="gone")
    row = shown("preset=30d&group_by=user&compare=previous").rows[0]
    assert (row.label, row.items_url) == ("gone", "")


# Figures by period ---------------------------------------------------------------------------------------


def test_a_chart_as_a_table_holds_every_period_and_series(viewer):
    DailyCostFactory(day=date(2026, 11, 20), user="a", billed_cost=Decimal("0.001"))
    DailyCostFactory(day=date(2026, 11, 21), user="b", billed_cost=Decimal(2))
    text = unescape(viewer.get("/explorer/?preset=7d&group_by=user&chart=table").text)
    assert "<canvas" not in text
    figures = text[text.index("Figures by period") : text.index("</tfoot>")]
    assert figures.count('<th scope="row">') == 8
    assert (
        '<td class="num" title="0.001 USD">< $0.01<span class="visually-hidden">, exactly 0.001 USD'
        in figures
    )
    assert figures.count("$0.00<") == 6 + 5 + 6
    assert 'title="2.001 USD">$2.00' in figures


def test_a_chart_as_a_table_without_grouping_is_the_table_below(viewer):
    DailyCostFactory()
    text = viewer.get("/explorer/?chart=table").text
    assert "<canvas" not in text
    assert "Figures by period" not in text
    assert escape("20 Nov") in text
