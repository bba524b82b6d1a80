"""The list of line items: pages neither skip nor double, and its totals are the report's."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from costcenters.catalog import Catalog, tag_text
from costcenters.cost_query import Filter
from costcenters.dimensions import model_family
from costcenters.explorer import report
from costcenters.line_item_page import listing as module
from costcenters.line_item_page.form import LineItemForm
from costcenters.line_item_page.listing import LineItemList, line_item_list
from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostCenter, CostLineItem
from costcenters.records import LineItem, Window
from costcenters.scope import Scope
from finops.paging import Position
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db
SPAN = "start=2026-10-25&end=2026-11-21"
FIRST, LAST = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)


def store(center: CostCenter, items: list[LineItem]) -> None:
    replace_window(Window(center.pk, FIRST, LAST, tuple(ChargeType.values)), items)


def usage(when: datetime, **more: object) -> LineItem:
    return LineItem(when, "usage", **{"service": "Cursor", "billed_nano": 10**9, **more})  # type: ignore[arg-type]


def a_month_of(chance: random.Random, count: int) -> list[LineItem]:
    """Line items of which some share an instant, many of them midnight, and some days have none."""
    days = [FIRST + timedelta(days=n) for n in range(33) if n % 5]
    items = []
    for _ in range(count):
        moment = chance.choice(days)
        if chance.random() < 0.6:
            moment += timedelta(milliseconds=chance.choice([chance.randrange(86_400_000), 1, 86_399_999]))
        charge_type = chance.choice(["usage", "usage", "usage", "seat", "tax"])
        nominal = chance.randrange(10**10)
        items.append(
            LineItem(
                moment,
                charge_type,
                service=chance.choice(["Cursor", "Amazon EC2"]),
                model=chance.choice(["", "gpt-5", "gpt-5", "claude-4-opus", "Claude-4.5"]),
                kind=chance.choice(["", "Included in Business", "Usage-based"]),
                user=chance.choice(["", "ann@example.com", "ben@example.com", "rare@example.com"])
                if chance.random() < 0.9
                else "",
                region=chance.choice(["", "eu"]),
                resource=chance.choice(["", "talk-1", "talk-2"]),
                input_tokens=chance.randrange(1000),
                cache_read_tokens=chance.randrange(10**6),
                billed_nano=chance.choice([0, nominal]),
                effective_nano=nominal // 2,
                list_nano=nominal,
                is_estimated=charge_type == "seat",
                tags=chance.choice([(), (("env", "prod"),), (("env", "dev"), ("team", "a"))]),
            )
        )
    return items


@pytest.fixture
def ledger() -> None:
    """Three cost centers, one of them in euros, in the month before now."""
    chance = random.Random(7)
    for name, provider, currency in (
        ("Cursor", "cursor", "USD"),
        ("AWS", "aws", "USD"),
        ("Euro", "gcp", "EUR"),
    ):
        center = CostCenterFactory(name=name, provider=provider, currency=currency)
        store(center, a_month_of(chance, 140))


@pytest.fixture
def listed() -> Callable[..., LineItemList]:
    """The page of the list that a query string asks for."""

    def answer(text: str, size: int = module.PAGE_SIZE) -> LineItemList:
        catalog = Catalog(today=NOW.date())
        form = LineItemForm(QueryDict(text), catalog=catalog)
        assert form.is_valid(), form.errors
        return line_item_list(replace(form.wanted(), size=size), Scope.of(form.query(), catalog, now=NOW))

    return answer


def naive(found: LineItemList) -> list[int]:
    """The ids that the list should hold, told from the line items alone by plain Python."""
    query, resource = found.wanted.query, found.wanted.resource
    span = found.scope.span

    def value(item: CostLineItem, key: str) -> str:
        match key:
            case "cost_center":
                return item.cost_center.name
            case "provider":
                return item.cost_center.provider
            case "model_family":
                return model_family(item.model)
        if key.startswith("tag:"):
            return tag_text(item.tag_set.tags.get(key[4:])) if item.tag_set else ""
        return str(getattr(item, key))

    def passes(item: CostLineItem, each: Filter) -> bool:
        return (value(item, each.dimension) in each.values) != each.exclude

    every = CostLineItem.objects.select_related("cost_center", "tag_set")
    kept = [
        item
        for item in every
        if span is not None
        and span.start <= item.started_at.date() <= span.end
        and item.cost_center.currency == found.scope.currency
        and (not resource or item.resource == resource)
        and all(passes(item, each) for each in query.filters)
    ]
    return [item.pk for item in sorted(kept, key=lambda item: (item.started_at, item.pk), reverse=True)]


def walked(listed: Callable[[str], LineItemList], text: str) -> list[LineItemList]:
    """All pages from the newest to the oldest, by following the links."""
    pages = [listed(text)]
    while (position := pages[-1].older) is not None:
        pages.append(listed(f"{text}&after={position}"))
        assert len(pages) < 500
    return pages


def walked_back(listed: Callable[[str], LineItemList], text: str, last: LineItemList) -> list[LineItemList]:
    """From the last page up to the newest line item."""
    pages = [last]
    while (position := pages[-1].newer) is not None:
        pages.append(listed(f"{text}&before={position}"))
        assert len(pages) < 500
    return pages[::-1]


def ids(pages: list[LineItemList]) -> list[int]:
    return [item.pk for page in pages for item in page.rows]


QUESTIONS = [
    "",
    "currency=EUR",
    "cost_center=AWS",
    "provider!=aws",
    "user=rare@example.com",
    "user=(none)",
    "user!=(none)&model=gpt-5",
    "model_family=Claude",
    "model_family!=GPT&kind=(none)",
    "tag:env=prod",
    "tag:env!=prod&charge_type=usage",
    "tag:team=(none)",
    "charge_type=seat&charge_type=tax",
    "region=eu&user=rare@example.com&charge_type=seat",
    "user=nobody",
    "complete=1&granularity=week",
    "resource=talk-1",
    "resource=talk-2&user=rare@example.com",
    "resource=unheard-of",
    "seat_activity=idle",
]


@pytest.mark.parametrize("text", QUESTIONS)
@pytest.mark.parametrize("most_read", [10**6, 40])
def test_walking_gives_exactly_the_matching_rows_in_order_and_back(
    monkeypatch, ledger, listed, text, most_read
):
    monkeypatch.setattr(module, "MOST_READ", most_read)
    listed = partial(listed, size=7)
    pages = walked(listed, f"{SPAN}&{text}")
    expected = (
        naive(pages[0]) if "seat_activity" not in text else ids(pages)
    )  # that filter's own meaning is tested with the catalog
    assert ids(pages) == expected
    assert ids(walked_back(listed, f"{SPAN}&{text}", pages[-1])) == expected
    if pages[0].figures is not None:
        assert [page.skipped for page in pages] == [
            sum(len(page.rows) for page in pages[:place]) for place in range(len(pages))
        ]
        assert pages[0].figures[-1] == len(expected)


@pytest.mark.parametrize("text", [each for each in QUESTIONS if "resource" not in each])
def test_count_and_totals_are_the_reports(ledger, listed, text):
    found = listed(f"{SPAN}&{text}")
    for measure, place in (("billed", 0), ("effective", 1), ("list", 2)):
        catalog = Catalog(today=NOW.date())
        form = LineItemForm(QueryDict(f"{SPAN}&{text}&measure={measure}"), catalog=catalog)
        assert form.is_valid()
        answer = report(form.query(), now=NOW, catalog=catalog)
        assert Decimal(found.figures[place]).scaleb(-9) == answer.total.measure
        assert found.figures[-1] == answer.total.events
        assert sum(found.figures[3:-1]) == answer.total.tokens
        assert found.scope.currency == answer.currency


def test_the_totals_of_a_resource_are_those_of_its_line_items(ledger, listed):
    found = listed(f"{SPAN}&resource=talk-1&user=ann@example.com")
    items = CostLineItem.objects.filter(pk__in=naive(found))
    assert found.figures[-1] == len(items) > 10
    assert found.figures[0] == sum(item.billed_cost for item in items) * 10**9


def test_a_days_sums_are_those_of_the_whole_day(ledger, listed):
    found = listed(f"{SPAN}&cost_center=Cursor")
    day = found.rows[0].day
    assert found.by_day[day][-1] == CostLineItem.objects.filter(cost_center__name="Cursor", day=day).count()


def test_line_items_that_come_in_meanwhile_neither_skip_nor_double_others(ledger, listed):
    first = listed(SPAN)
    before = naive(first)
    center = CostCenter.objects.get(name=first.rows[0].cost_center.name)
    stored = CostLineItem.objects.count()
    replace_window(
        Window(center.pk, LAST - timedelta(hours=1), LAST, ("credit",)),
        [LineItem(LAST - timedelta(minutes=n), "credit") for n in range(1, 60)],
    )
    assert CostLineItem.objects.count() > stored
    second = listed(f"{SPAN}&after={first.older}")
    assert ids([first, second]) == before[:100]
    now = naive(second)
    start = now.index(second.rows[0].pk)
    assert ids([listed(f"{SPAN}&before={second.newer}")]) == now[start - 50 : start]


def test_only_the_days_that_match_are_read(ledger, listed):
    center = CostCenter.objects.get(name="Cursor")
    replace_window(
        Window(center.pk, FIRST, LAST, ("credit",)),
        [LineItem(datetime(2026, 10, 27, 8, tzinfo=UTC), "credit", user="once@example.com")],
    )
    with CaptureQueriesContext(connection) as captured:
        assert len(listed(f"{SPAN}&user=once@example.com").rows) == 1
    [reading] = [q["sql"] for q in captured if "LIMIT 51" in q["sql"] and "costlineitem" in q["sql"].lower()]
    assert re.findall(r"\d{4}-\d\d-\d\d 00:00:00", reading) == ["2026-10-27 00:00:00", "2026-10-28 00:00:00"]


@pytest.mark.parametrize(
    "text", ["user=ann@example.com", "model_family=GPT", "resource=talk-1", "provider=aws"]
)
def test_the_databases_reads_go_through_the_index(ledger, listed, text):
    """Stated for SQLite; PostgreSQL would read so small a table at once."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole")
    with CaptureQueriesContext(connection) as captured:
        listed(f"{SPAN}&{text}&after={Position(datetime(2026, 11, 10, 3, tzinfo=UTC), 0)}")
    readings = [q["sql"] for q in captured if 'FROM "costcenters_costlineitem"' in q["sql"]]
    assert len(readings) >= 2
    for sql in readings:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}")
            plan = " ".join(row[3] for row in cursor.fetchall())
        assert "SCAN costcenters_costlineitem" not in plan, (sql, plan)


def test_a_page_stops_after_as_much_as_may_be_read_and_offers_to_go_on(monkeypatch, listed):
    monkeypatch.setattr(module, "MOST_READ", 10)
    crowd = [
        usage(LAST - timedelta(days=d, minutes=m), user="many") for d in range(1, 9) for m in range(1, 5)
    ]
    rare = [usage(LAST - timedelta(days=d, minutes=30), user="rare", resource="r") for d in (2, 4, 6)]
    store(CostCenterFactory(), crowd + rare)
    first = listed(f"{SPAN}&user=rare")
    assert (len(first.rows), first.figures[-1], first.older is not None) == (2, 3, True)
    assert str(first.searched) == "17 – 19 Nov 2026"
    second = listed(f"{SPAN}&user=rare&after={first.older}")
    assert (len(second.rows), second.older, second.skipped, second.searched) == (1, None, 2, None)
    found = listed(f"{SPAN}&resource=r")
    assert (found.figures, found.skipped, found.older is not None) == (None, None, True)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    st.integers(0, 2**63 - 1),
)
def test_positions_survive_the_address(moment, identity):
    position = Position(moment, identity)
    assert Position.parse(str(position)) == position
