"""The page of line items: what it refuses, that every field is there and explained, and where it leads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from time import perf_counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostCenter
from costcenters.records import LineItem, Window, canonical_details
from finops.paging import Position
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db
SPAN = "start=2026-10-25&end=2026-11-21"
PATH = "/explorer/line-items/"
DETAILS = canonical_details(
    {
        "chargedCents": "12.9222",
        "isChargeable": False,
        "maxMode": True,
        "new<b>field": {"deep": [1, {"er": "<script>alert(1)</script>"}], "none": None},
        "list": ["a", "b"],
    }
)


def store(center: CostCenter, items: list[LineItem]) -> None:
    start, end = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    replace_window(Window(center.pk, start, end, tuple(ChargeType.values)), items)


def usage(when: datetime, **more: object) -> LineItem:
    return LineItem(when, "usage", **{"service": "Cursor", "billed_nano": 10**9, **more})  # type: ignore[arg-type]


@pytest.fixture
def ledger() -> None:
    """A hundred and twenty line items each of two cost centers, one of them in euros."""
    for name, currency in (("Cursor", "USD"), ("Euro", "EUR")):
        items = [
            usage(
                NOW - timedelta(hours=n),
                user=f"user{n % 7}@example.com",
                model="claude-4-opus",
                resource=f"talk-{n % 2}",
                input_tokens=10**6 + n,
                kind="USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS",
                tags=(("env", "prod"),),
                details=DETAILS,
            )
            for n in range(1, 121)
        ]
        store(CostCenterFactory(name=name, currency=currency), items)


@pytest.mark.parametrize(
    "text",
    ["x", "é", "....", "MTIz", "MS4x=", "OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "MTAwLjk5OTk5OTk5OTk5OTk5OTk5OTk="],
)
@pytest.mark.parametrize("name", ["after", "before"])
def test_a_bad_position_is_refused_by_name(viewer, name, text):
    response = viewer.get(PATH, {name: text})
    assert response.status_code == 400
    assert f"<code>{name}</code>: Is no position in the list" in unescape(response.text)


@pytest.mark.parametrize(
    "text, name",
    [
        (f"after={Position(NOW, 1)}&before={Position(NOW, 1)}", "before"),
        ("start=x", "start"),
        ("nothing=1", "nothing"),
        ("resource=a&resource=b", "resource"),
    ],
)
def test_other_bad_parameters_are_refused_by_name(viewer, text, name):
    response = viewer.get(f"{PATH}?{text}")
    assert response.status_code == 400
    assert f"<code>{name}</code>" in response.text


@pytest.mark.parametrize("text", [f"after={Position(NOW, 1)}", f"before={Position(NOW, 1)}", "resource=a"])
def test_the_explorer_itself_knows_none_of_these(viewer, text):
    assert viewer.get(f"/explorer/?{text}").status_code == 400


@pytest.fixture
def one_event() -> None:
    store(
        CostCenterFactory(),
        [
            usage(
                datetime(2026, 11, 20, 8, 32, 12, 345000, tzinfo=UTC),
                model="gpt-5",
                kind="USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS",
                surface="headless",
                user="nia@example.com",
                resource="talk<1>",
                input_tokens=1234,
                output_tokens=5,
                cache_read_tokens=7,
                quantity="3.9",
                unit="requests",
                billed_nano=0,
                list_nano=129_222_001,
                tags=(("env", "prod"),),
                details=DETAILS,
            )
        ],
    )


def fields_of(text: str) -> dict[str, str]:
    pairs = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(?:<a [^>]*>)?(.*?)(?:</a>)?</dd>", text, re.DOTALL)
    return {unescape(label): unescape(value) for label, value in pairs}


def test_every_field_of_an_event_is_shown(viewer, one_event):
    page = viewer.get(f"{PATH}?{SPAN}")
    shown = fields_of(page.text)
    assert shown["Time"] == "20 Nov 2026, 08:32:12.345 UTC"
    expected = {
        "Cost center": "Cursor",
        "Charge type": "Usage",
        "Service": "Cursor",
        "Model": "gpt-5",
        "Kind": "Included in business (USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS)",
        "Surface": "Headless",
        "User": "nia@example.com",
        "Account": "No account",
        "Region": "No region",
        "Conversation": "talk<1>",
        "Quantity": "3.9 requests",
        "Tag env": "prod",
        "Estimated": "No",
        "Billed": "0.00 USD",
        "Effective": "0.00 USD",
        "List": "0.129222001 USD",
        "Input tokens": "1,234",
        "Output tokens": "5",
        "Cache write tokens": "0",
        "Cache read tokens": "7",
        "All tokens": "1,246",
        "Cursor charged (cents)": "12.9222",
        "Chargeable": "No",
        "Max mode": "Yes",
        "new<b>field › deep › 1": "1",
        "new<b>field › deep › 2 › er": "<script>alert(1)</script>",
        "new<b>field › none": "–",
        "list": "a, b",
    }
    assert {label: shown[label] for label in expected} == expected
    assert "<script>alert" not in page.text
    assert "talk<1>" not in page.text


def test_it_says_why_included_usage_is_billed_nothing(viewer, one_event):
    assert "Included: list value $0.13, billed $0.00." in viewer.get(f"{PATH}?{SPAN}").text


@pytest.mark.parametrize(
    "item, words",
    [
        (usage(NOW, kind="Usage-based", list_nano=10**9), "On demand: billed $1.00"),
        (usage(NOW, kind="Errored, Not Charged", billed_nano=0), "Not charged: it ended in an error"),
        (usage(NOW, kind="USAGE_EVENT_KIND_USER_API_KEY", billed_nano=0, list_nano=10**9), "own API key"),
        (usage(NOW, kind="USAGE_EVENT_KIND_FREE_CREDIT", billed_nano=0, list_nano=10**9), "free credit"),
        (
            usage(NOW, billed_nano=0, effective_nano=9 * 10**9, list_nano=10**10),
            "Covered by a commitment: effective cost $9.00, list value $10.00, billed $0.00.",
        ),
        (LineItem(NOW, "purchase", billed_nano=10**9, list_nano=10**9), "Bought ahead"),
        (LineItem(NOW, "credit", billed_nano=-(10**9)), "lowers the bill by $1.00"),
        (
            LineItem(
                NOW,
                "seat",
                user="a",
                billed_nano=10**9,
                is_estimated=True,
                details='{"monthlyPrice":"40.00"}',
            ),
            "One day's share of 40.00 USD a month for a seat; estimated",
        ),
        (LineItem(NOW, "seat", billed_nano=10**9, is_estimated=True), "committed seats that nobody holds"),
        (LineItem(NOW, "tax", billed_nano=10**9), "Tax"),
    ],
)
def test_a_line_item_is_explained(viewer, item, words):
    store(CostCenterFactory(), [item])
    assert words in unescape(viewer.get(f"{PATH}?{SPAN}").text)


def test_the_page_says_what_it_shows_and_leads_back(viewer, one_event):
    text = unescape(
        viewer.get(f"{PATH}?{SPAN}&user=nia@example.com&group_by=model&sort=tokens&chart=lines&top=5").text
    )
    assert "Line items, nia@example.com, 25 Oct – 21 Nov 2026 UTC" in text
    assert "User is nia@example.com" in text
    assert (
        f'href="/explorer/?{SPAN}&group_by=model&user=nia@example.com&top=5&sort=tokens&chart=lines"' in text
    )
    assert f'href="{PATH}?{SPAN}&group_by=model&top=5&sort=tokens&chart=lines" aria-label="Remove' in text
    assert "Complete through 21 Nov 2026, 14:00 UTC" in text
    assert "1 – 1 of 1" in text


def test_a_conversation_narrows_the_list(viewer, one_event):
    text = unescape(viewer.get(f"{PATH}?{SPAN}").text)
    assert f'href="{PATH}?{SPAN}&resource=talk%3C1%3E"' in text
    narrowed = viewer.get(f"{PATH}?{SPAN}&resource=talk%3C1%3E")
    assert "1 – 1 of 1" in narrowed.text
    assert "Resource is talk&lt;1&gt;" in narrowed.text


def test_many_values_of_a_filter_are_one_chip_that_removes_them_all(viewer):
    CostCenterFactory()
    users = "&".join(f"user!=person{n}@example.com" for n in range(150))
    response = viewer.get(f"{PATH}?{SPAN}&model=gpt-5&{users}")
    text = unescape(response.text)
    assert "User is none of 150" in text
    assert f'href="{PATH}?{SPAN}&model=gpt-5" aria-label="Remove filter User is none of 150"' in text
    assert len(response.content) < 50_000


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no such limit")
@pytest.mark.parametrize("text", ["", "&currency=USD", "&resource=r"])
def test_sums_that_sqlite_cannot_hold_are_a_clear_error_in_several_currencies_too(viewer, text):
    for center in (CostCenterFactory(), CostCenterFactory(name="EU", currency="EUR")):
        for user in "ab":
            DailyCostFactory(cost_center=center, user=user, billed_cost=Decimal(9_000_000_000))
    response = viewer.get(f"{PATH}?{SPAN}{text}")
    assert response.status_code == 400
    assert "larger than SQLite can hold" in response.text


def test_out_of_a_long_span_a_conversation_is_looked_for_around_its_day(viewer, one_event):
    text = unescape(viewer.get(f"{PATH}?preset=12m").text)
    assert f'href="{PATH}?start=2026-11-05&end=2026-11-21&resource=talk%3C1%3E"' in text


def test_of_one_day_the_neighbours_are_one_click_away(viewer, one_event):
    text = unescape(viewer.get(f"{PATH}?start=2026-11-20&end=2026-11-20&user=nia@example.com").text)
    assert "start=2026-11-19&end=2026-11-19&user=nia@example.com" in text
    assert "start=2026-11-21&end=2026-11-21&user=nia@example.com" in text
    today = viewer.get(f"{PATH}?start=2026-11-21&end=2026-11-21").text
    assert "2026-11-20" in today
    assert "2026-11-22" not in today


def test_an_empty_list_says_so(viewer):
    CostCenterFactory()
    response = viewer.get(f"{PATH}?{SPAN}&user=nobody")
    assert response.status_code == 200
    assert "No line items here." in response.text
    assert "or remove a filter" in response.text


def test_another_currency_is_named_not_added(viewer, ledger):
    text = unescape(viewer.get(f"{PATH}?{SPAN}").text)
    assert re.search(r"There is cost in <a href=[^>]*currency=(EUR|USD)", text)


@pytest.mark.parametrize(
    "text",
    ["", "user!=(none)&model_family=Claude&tag:env=prod", "resource=talk-1&tag:env=prod"],
)
def test_a_page_is_light_and_takes_few_queries(viewer, ledger, text):
    url = f"{PATH}?{SPAN}&{text}"
    viewer.get(url)
    middle = re.search(r'rel="next" href="([^"]*)"', viewer.get(url).text)
    if middle:
        url = unescape(middle[1])
    with CaptureQueriesContext(connection) as captured:
        began = perf_counter()
        response = viewer.get(url)
        took = perf_counter() - began
    assert len(captured) <= 15
    assert len(response.content) < 150_000
    assert took < 2  # seconds; a bound that even a loaded machine keeps


def test_without_a_complete_period_the_list_is_empty_and_says_so(viewer):
    CostCenterFactory()
    response = viewer.get(f"{PATH}?preset=mtd&granularity=month&complete=1")
    assert response.status_code == 200
    assert "no complete period in 1 – 21 Nov 2026 UTC" in response.text
