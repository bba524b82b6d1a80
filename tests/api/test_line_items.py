"""Line items by API: each once, in pages that lead on, as exact as they are stored."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from costcenters.line_item_page import listing
from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostLineItem
from costcenters.records import LineItem, Window
from tests.api.answers import answer, fields, script_of
from tests.api.documented import assert_as_documented
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db
ITEMS = "/api/v1/line-items/"
FIRST, LAST = datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def script(at_now):
    return script_of("Viewer", "read")


@pytest.fixture
def ledger() -> None:
    """Two hundred line items of each of three cost centers, half of them at ten instants; one bills in euros."""
    chance = random.Random(3)
    crowded = [FIRST + timedelta(days=chance.randrange(28), hours=12) for _ in range(10)]
    for name, provider, currency in (
        ("Cursor", "cursor", "USD"),
        ("AWS", "aws", "USD"),
        ("Euro", "gcp", "EUR"),
    ):
        center = CostCenterFactory(name=name, provider=provider, currency=currency)
        items = [
            LineItem(
                chance.choice(crowded)
                if n % 2
                else FIRST + timedelta(milliseconds=chance.randrange(28 * 86_400_000)),
                "usage",
                service="Cursor",
                user=chance.choice(["ann@example.com", "ben@example.com"]),
                model="rare" if n % 60 == 0 else "gpt-5",
                billed_nano=(2 if currency == "USD" else 1) * 10**9 + n,
            )
            for n in range(200)
        ]
        replace_window(Window(center.pk, FIRST, LAST, tuple(ChargeType.values)), items)


@pytest.fixture
def walk(script) -> Callable[..., list[dict[str, Any]]]:
    """All pages from an address on, by its `next` or `previous`."""

    def pages(address: str, onward: str = "next") -> list[dict[str, Any]]:
        found = [answer(script.get(address))]
        while (following := found[-1][onward]) is not None:
            found.append(answer(script.get(following)))
            assert len(found) < 200
        return found

    return pages


def ids(pages: list[dict[str, Any]]) -> list[int]:
    return [item["id"] for page in pages for item in page["results"]]


def stored(**condition: Any) -> list[int]:
    found = CostLineItem.objects.filter(**condition).order_by("-started_at", "-pk")
    return list(found.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("", {"cost_center__currency": "USD"}),
        ("currency=EUR", {"cost_center__currency": "EUR"}),
        ("user=ann@example.com&cost_center=AWS", {"user": "ann@example.com", "cost_center__name": "AWS"}),
        ("model=rare&provider!=aws", {"model": "rare", "cost_center__name": "Cursor"}),
    ],
)
@pytest.mark.parametrize("most_read", [listing.MOST_READ, 30])
def test_a_walk_gives_every_line_item_once_and_the_same_back(
    monkeypatch, walk, ledger, text, condition, most_read
):
    monkeypatch.setattr(listing, "MOST_READ", most_read)
    limit = 3 if "rare" in text else 7
    pages = walk(f"{ITEMS}?{text}&limit={limit}")

    assert ids(pages) == stored(**condition)
    assert {page["count"] for page in pages} == {len(stored(**condition))}
    assert all(len(page["results"]) <= limit for page in pages)
    back = walk(pages[-1]["previous"], "previous")[::-1]
    assert ids([*back, pages[-1]]) == stored(**condition)


def test_a_walk_stays_the_same_when_a_day_or_another_bill_comes_in_between(script, ledger):
    expected = stored(cost_center__currency="USD")
    first = answer(script.get(f"{ITEMS}?limit=300&preset=30d"))
    replace_window(
        Window(CostCenterFactory(name="Euro").pk, LAST - timedelta(hours=1), LAST, ("purchase",)),
        [LineItem(LAST - timedelta(minutes=1), "purchase", billed_nano=10**18)],
    )
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        second = answer(script.get(first["next"]))
    assert ids([first, second]) == expected


def test_a_line_item_is_told_in_full(script):
    center = CostCenterFactory(name="AWS", provider="aws", currency="EUR")
    moment = datetime(2026, 11, 20, 8, 5, 1, 234_000, tzinfo=UTC)
    item = LineItem(
        moment,
        "credit",
        service="Amazon EC2",
        model="SKU-1",
        kind="Promotion",
        surface="",
        user="ann@example.com",
        account="production",
        region="eu-west-1",
        resource="i-1",
        quantity="3.90",
        unit="Hours",
        input_tokens=1,
        output_tokens=2,
        cache_write_tokens=3,
        cache_read_tokens=4,
        billed_nano=-1,
        effective_nano=12 * 10**9,
        list_nano=10**17 + 1,
        is_estimated=True,
        tags=(("env", "prod"), ("team", "")),
        details='{"SkuId": "1", "nested": {"a": [1, null]}}',
    )
    replace_window(Window(center.pk, FIRST, LAST, ("credit",)), [item])

    response = script.get(ITEMS)

    assert_as_documented(response, ITEMS)
    [found] = answer(response)["results"]
    assert found == {
        "id": CostLineItem.objects.get().pk,
        "cost_center": {"id": center.pk, "name": "AWS"},
        "provider": "aws",
        "currency": "EUR",
        "day": "2026-11-20",
        "started_at": "2026-11-20T08:05:01.234000Z",
        "charge_type": "credit",
        "service": "Amazon EC2",
        "model": "SKU-1",
        "kind": "Promotion",
        "surface": "",
        "user": "ann@example.com",
        "account": "production",
        "region": "eu-west-1",
        "resource": "i-1",
        "quantity": "3.90",
        "unit": "Hours",
        "is_estimated": True,
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_write_tokens": 3,
        "cache_read_tokens": 4,
        "billed_cost": "-0.000000001",
        "effective_cost": "12.00",
        "list_cost": "100000000.000000001",
        "tags": {"env": "prod", "team": ""},
        "details": {"SkuId": "1", "nested": {"a": [1, None]}},
    }


def test_a_thousand_come_in_few_queries_and_add_up_to_the_report(script, django_assert_max_num_queries):
    center = CostCenterFactory()
    items = [
        LineItem(LAST - timedelta(minutes=n + 1), "usage", billed_nano=n, tags=(("n", str(n % 50)),))
        for n in range(1000)
    ]
    replace_window(Window(center.pk, FIRST, LAST, ("usage",)), items)

    with django_assert_max_num_queries(16):
        page = answer(script.get(f"{ITEMS}?limit=1000"))

    assert (len(page["results"]), page["next"], page["previous"], page["count"]) == (1000, None, None, 1000)
    total = answer(script.get("/api/v1/costs/"))["total"]["measure"]
    assert sum(Decimal(item["billed_cost"]) for item in page["results"]) == Decimal(total)


def test_what_it_does_not_understand_is_named(script):
    CostCenterFactory()
    for text, named in (
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        ("cursor=x", "cursor"),
        ("cost_center=Nobody", "cost_center"),
        ("resource=%00", "resource"),
    ):
        assert fields(script.get(f"{ITEMS}?{text}")) == [named], text
    top = str(listing.Position(NOW, 1))
    assert fields(script.get(f"{ITEMS}?after={top}&before={top}")) == ["before"]


def test_nothing_is_an_empty_page(script):
    response = script.get(f"{ITEMS}?preset=7d&group_by=user&measure=list&chart=lines")
    assert_as_documented(response, ITEMS)
    assert answer(response) == {"results": [], "next": None, "previous": None, "count": 0}
