"""Dollars and euros are never added, wherever a sum is shown or exported; each answer says which one it is in."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from itertools import combinations
from urllib.parse import urlencode

import pytest
from django.test import Client

from costcenters import line_items
from costcenters.dimensions import DIMENSIONS
from costcenters.models import ChargeType, CostCenter
from costcenters.records import LineItem, Window
from integrations.models import Subscription
from integrations.subscriptions import changes as subscriptions
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory, SavedViewFactory

pytestmark = pytest.mark.django_db

#: A day of each cost center, alike in everything but its currency and its amount.
CENTERS = {"Dollars": ("USD", "1000.01"), "More dollars": ("USD", "200.02"), "Euros": ("EUR", "40.40")}
DAYS = 2
#: Effective cost is half, list cost three times the billed one.
FACTORS = {"billed": Decimal(1), "effective": Decimal("0.5"), "list": Decimal(3)}
BOTH = "cost_center=Dollars&cost_center=Euros"


@pytest.fixture(autouse=True)
def bill(at_now: datetime) -> dict[str, CostCenter]:
    made = {}
    for name, (currency, amount) in CENTERS.items():
        center = made[name] = CostCenterFactory(name=name, provider="aws", currency=currency)
        nanos = int(Decimal(amount) * 10**9)
        midnight = NOW.replace(hour=0, minute=0)
        days = [midnight - timedelta(days=age) for age in range(1, DAYS + 1)]
        line_items.replace_window(
            Window(center.pk, days[-1], midnight, tuple(ChargeType.values)),
            [
                LineItem(
                    started_at=day,
                    charge_type=ChargeType.USAGE.value,
                    service="Storage",
                    model="gpt-5",
                    kind="Standard",
                    surface="editor",
                    user="ada@example.com",
                    account="production",
                    region="eu-central-1",
                    billed_nano=nanos,
                    effective_nano=nanos // 2,
                    list_nano=nanos * 3,
                    tags=(("team", "core"),),
                )
                for day in days
            ],
        )
    return made


def sums(*, mixed: bool) -> set[Decimal]:
    """What some cost centers together cost on a day or on all of them, those with or without two currencies."""
    found = set()
    for number in range(1, len(CENTERS) + 1):
        for some in combinations(CENTERS.values(), number):
            if (len({currency for currency, _ in some}) > 1) is mixed:
                for factor in FACTORS.values():
                    amount = sum((Decimal(each) for _, each in some), Decimal(0)) * factor
                    found |= {amount * days for days in range(1, DAYS + 1)}
    return found


def spellings(amount: Decimal) -> set[str]:
    return {f"{amount:.2f}", f"{amount:,.2f}", f"{amount.normalize():f}"}


FORBIDDEN = {text for amount in sums(mixed=True) for text in spellings(amount)}


def assert_not_added(text: str, where: str) -> None:
    assert text, where
    assert [each for each in FORBIDDEN if each in text] == [], where


def content(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return unescape(answer.getvalue().decode())


def test_the_amounts_of_these_tests_tell_sums_of_two_currencies_from_others():
    allowed = {text for amount in sums(mixed=False) for text in spellings(amount)}
    assert len(FORBIDDEN) > 20
    assert [(one, each) for one in FORBIDDEN for each in allowed if one in each] == []


# Reports --------------------------------------------------------------------------------------------------------------

KEYS = [key for key in DIMENSIONS if not key.startswith("tag:")]
QUESTIONS = [
    *(f"preset=7d&granularity=total&measure=list&group_by={key}" for key in [*KEYS, "tag:team"]),
    "preset=7d&group_by=service&group_by=cost_center&measure=effective",
    "preset=7d&group_by=provider&compare=previous&granularity=week",
    "preset=30d&measure=savings&group_by=account",
    "preset=30d&measure=tokens&group_by=charge_type",
    "preset=30d&measure=events&group_by=provider",
    "preset=7d&currency=EUR",
    f"preset=7d&granularity=day&{BOTH}",
    f"preset=7d&granularity=total&top=0&currency=EUR&{BOTH}&group_by=user",
    "preset=7d&cost_center!=Dollars&group_by=cost_center",
]
PAGES = ("/explorer/", "/explorer/export.csv", "/explorer/line-items/", "/api/v1/costs/")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("page", PAGES)
def test_no_answer_adds_them(viewer, page, question):
    if page == "/explorer/line-items/":
        question = "&".join(
            part for part in question.split("&") if not part.startswith(("group_by", "compare"))
        )
    assert_not_added(content(viewer, f"{page}?{question}"), f"{page}?{question}")


@pytest.mark.parametrize("currency, total", [("USD", "2400.06"), ("EUR", "80.8")])
def test_the_page_the_csv_and_the_api_name_the_currency_and_agree(viewer, currency, total):
    asked = urlencode({"preset": "7d", "granularity": "total", "currency": currency, "group_by": "service"})
    page = content(viewer, f"/explorer/?{asked}")
    symbol = {"USD": "$", "EUR": "€"}[currency]
    assert f"{symbol}{Decimal(total):,.2f}" in page
    other = {"USD": "€", "EUR": "$"}[currency]
    assert not re.search(rf"{re.escape(other)}\d", page)
    (row,) = csv.DictReader(io.StringIO(content(viewer, f"/explorer/export.csv?{asked}")))
    assert Decimal(row["billed_cost"]) == Decimal(total)
    answer = json.loads(content(viewer, f"/api/v1/costs/?{asked}"))
    assert (answer["unit"], answer["currency"], answer["currencies"]) == (currency, currency, ["EUR", "USD"])
    assert Decimal(answer["total"]["measure"]) == Decimal(total)


def test_without_a_currency_the_larger_bill_is_shown_and_the_other_one_offered(viewer):
    page = content(viewer, "/explorer/?preset=7d")
    assert "$2,400.06" in page
    assert "currency=EUR" in page


def test_a_filter_that_leaves_euros_only_is_answered_in_euros(viewer):
    assert "€80.80" in content(viewer, "/explorer/?preset=7d&cost_center=Euros")


@pytest.mark.parametrize("key", [*KEYS, "tag:team"])
def test_the_amounts_beside_the_values_of_a_filter(viewer, key):
    for question in ("preset=7d", f"preset=7d&{BOTH}", "preset=7d&currency=EUR"):
        address = f"/explorer/values/{key}/?{question}"
        assert_not_added(content(viewer, address), address)


# Overview, lists, tiles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address, total", [("/", "$2,400.06"), ("/?currency=EUR", "€80.80")])
def test_the_overview_is_in_one_of_them(viewer, address, total):
    page = content(viewer, address)
    assert_not_added(page, address)
    assert total in page


def test_the_list_of_cost_centers_shows_each_in_its_own(viewer):
    page = content(viewer, "/settings/cost-centers/")
    assert_not_added(page, "the list")
    for amount in ("$2,000.02", "$400.04", "€80.80"):
        assert amount in page


def test_each_cost_centers_own_pages(viewer, bill):
    for center in bill.values():
        for page in ("", "members/", "runs/", "reconciliation/"):
            assert_not_added(content(viewer, f"{center.get_absolute_url()}{page}"), page)


@pytest.mark.parametrize(
    "query, total",
    [("preset=7d&group_by=service", "$2,400.06"), ("preset=7d&currency=EUR", "€80.80"), (BOTH, "$2,000.02")],
)
def test_a_saved_views_tile(viewer, me, query, total):
    view = SavedViewFactory(owner=me, query=query, is_pinned=True)
    tile = content(viewer, f"/explorer/views/{view.pk}/tile/")
    assert_not_added(tile, query)
    assert total in tile


# What leaves the house ------------------------------------------------------------------------------------------------


def test_each_row_of_a_focus_export_has_the_currency_of_its_cost_center(viewer):
    days = "start=2026-11-01&end=2026-11-21&format=csv"
    rows = list(csv.DictReader(io.StringIO(content(viewer, f"/settings/exports/focus/?{days}"))))
    billed = {(row["x_CostCenter"], row["BillingCurrency"]): Decimal(row["BilledCost"]) for row in rows}
    assert billed == {(name, code): Decimal(amount) for name, (code, amount) in CENTERS.items()}
    assert len(rows) == DAYS * len(CENTERS)


def test_the_page_of_exports_tells_each_cost_center_apart(viewer):
    page = content(viewer, "/settings/exports/?start=2026-11-01&end=2026-11-21")
    assert_not_added(page, "exports")
    assert "€80.80" in page


# Subscriptions --------------------------------------------------------------------------------------------------------


def test_subscriptions_in_two_currencies_have_a_cost_center_and_a_total_each(viewer):
    for currency, price in (("USD", "1000.01"), ("EUR", "40.40")):
        draft = subscriptions.Draft(
            Subscription(
                name=f"Tool in {currency}",
                price=Decimal(price),
                currency=currency,
                starts_on=NOW.date().replace(day=1),
            )
        )
        subscriptions.add(draft, user=None, now=datetime.now(UTC))
    made = CostCenter.objects.filter(provider="subscriptions").values_list("name", "currency")
    assert sorted(made) == [("Subscriptions", "USD"), ("Subscriptions (EUR)", "EUR")]
    page = content(viewer, "/settings/subscriptions/")
    assert_not_added(page, "subscriptions")
    assert "$1,000.01" in page
    assert "€40.40" in page
