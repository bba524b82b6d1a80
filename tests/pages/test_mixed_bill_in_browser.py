"""One bill: Cursor, AWS, GCP and subscriptions side by side in the explorer, each from its own real source."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum
from playwright.sync_api import Page, expect

from costcenters.dimensions import value_label
from costcenters.examples import AWS, GCP, write
from costcenters.models import CostCenter, DailyCost
from finops.demo_bills import add_subscriptions, connected_files
from finops.money import display
from tests.connecting import connect, work
from tests.factories import UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DAYS = 12


@pytest.fixture
def bill(api: Any, client: Any, settings: Any, tmp_path: Any) -> Any:
    """A team in the sandbox of Cursor's API, FOCUS files of two clouds, two subscriptions: connected and read."""
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    admin = UserFactory(role="Admin")
    client.force_login(admin)
    work(connect(client, api))
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS)
    for each in (AWS, GCP):
        write(each, tmp_path / each.provider, first, today)
        call_command("sync", integration=connected_files(each, tmp_path / each.provider, admin).pk)
    add_subscriptions(first, admin, datetime.now(UTC))
    return admin


@pytest.fixture
def ask(page: Page, logged_in: Any, bill: Any) -> Callable[[str], Page]:
    logged_in(page, bill)

    def explorer(question: str) -> Page:
        page.goto(f"/explorer/?preset=7d&granularity=day&measure=effective&{question}")
        return page

    return explorer


def costs(key: str) -> dict[str, Decimal]:
    """Effective cost of the last seven days by the label of a dimension's value, straight from the roll-up."""
    since = datetime.now(UTC).date() - timedelta(days=6)
    rows = DailyCost.objects.filter(day__gte=since).values_list(key).annotate(Sum("effective_cost"))
    return {str(value): amount for value, amount in rows.order_by()}


def table(page: Page) -> dict[str, str]:
    """The report's table: each row's name and what it costs."""
    found = {}
    for row in page.locator(".rows tbody tr").all():
        found[row.locator("th").inner_text().strip()] = row.inner_text()
    return found


def assert_shows(page: Page, expected: dict[str, Decimal]) -> None:
    shown = table(page)
    assert len(shown) == len(expected)
    for name, amount in expected.items():
        (text,) = (text for row, text in shown.items() if name in row)
        assert display(amount, "USD") in text, (name, text)
    total = sum(expected.values(), Decimal(0))
    expect(page.locator(".summary .figure").first).to_have_text(re.compile(re.escape(display(total, "USD"))))


def test_by_provider_all_four_are_there_and_add_up(ask):
    by_provider = costs("cost_center__provider")
    assert set(by_provider) == {"cursor", "aws", "gcp", "subscriptions"}
    assert all(amount > 0 for amount in by_provider.values())
    page = ask("group_by=provider")
    assert_shows(page, {value_label("provider", slug): amount for slug, amount in by_provider.items()})
    expect(page.locator("canvas[data-chart]")).to_be_visible()
    for name in ("Cursor", "AWS", "GCP", "Subscriptions"):
        expect(page.locator(".legend")).to_contain_text(name)
    assert_readable(page)


def test_by_cost_center(ask):
    by_center = costs("cost_center__name")
    assert set(by_center) == {"Cursor", "AWS (example)", "GCP (example)", "Subscriptions"}
    assert_shows(ask("group_by=cost_center"), by_center)


def test_by_charge_type_seats_of_cursor_and_of_subscriptions_are_one_row(ask):
    by_type = costs("charge_type")
    assert {"usage", "seat"} <= set(by_type)
    providers = DailyCost.objects.filter(charge_type="seat").values_list("cost_center__provider", flat=True)
    assert set(providers) == {"cursor", "subscriptions"}
    page = ask("group_by=charge_type")
    expect(page.locator(".rows tbody")).to_contain_text("Seats")
    for kind, amount in by_type.items():
        row = page.locator(".rows tbody tr").filter(has_text=value_label("charge_type", kind))
        expect(row.first).to_contain_text(display(amount, "USD"))


def test_models_of_cursor_and_of_a_cloud_are_one_family(ask):
    page = ask("group_by=model_family&group_by=provider")
    claude = page.locator(".rows tbody tr").filter(has_text="Claude")
    expect(claude.first).to_be_visible()
    names = DailyCost.objects.filter(model__startswith="claude").values_list(
        "cost_center__provider", flat=True
    )
    assert set(names) == {"aws", "cursor"}


def test_a_provider_leads_to_what_it_is_made_of(ask):
    page = ask("group_by=provider")
    page.locator(".rows tbody").get_by_role("link", name="AWS").first.click()
    page.wait_for_url(re.compile("provider=aws"))
    expect(page.locator(".chip")).to_contain_text("AWS")
    expect(page.locator(".rows tbody")).not_to_contain_text("GCP")


def test_the_overview_and_the_list_show_all_of_them(page, logged_in, bill):
    logged_in(page, bill)
    page.goto("/")
    expect(page.get_by_role("heading", name="Month to date")).to_be_visible()
    page.goto("/settings/cost-centers/")
    for center in CostCenter.objects.all():
        row = page.get_by_role("row", name=center.name)
        expect(row).to_contain_text("Active")
        expect(row).to_contain_text("$")
    assert_readable(page)
