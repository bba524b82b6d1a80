"""The help page in a real browser: no flaw for axe, read on a small screen and by keyboard, led to from the rail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from costcenters.models import CostCenter, SeatPrice
from integrations.models import Integration, Member, ProviderTotal
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HELP = "/help/cursor/"
LONG = "somebody.with.a.very.long.name.indeed@subsidiary.of.a.holding.example.com"


@pytest.fixture
def team() -> None:
    """A team with every figure that the page can show."""
    now = datetime.now(UTC)
    center = CostCenterFactory(name="Cursor, engineering and everybody else", complete_through=now)
    CostCenterFactory(name="Cursor, labs")
    integration = Integration.objects.create(
        cost_center=center, provider="cursor", api_url="https://api.cursor.com"
    )
    SeatPrice.objects.create(
        cost_center=center, monthly_price=Decimal(40), committed_seats=9, effective_from=date(2026, 1, 1)
    )
    today = now.date()
    Member.objects.create(integration=integration, key="a@b.c", first_seen=today, last_seen=today)
    Member.objects.create(
        integration=integration, key=LONG, is_active=False, first_seen=today, last_seen=today
    )
    DailyCostFactory(cost_center=center, user=LONG, day=today, billed_cost=Decimal("1234567.89"))
    ProviderTotal.objects.create(
        integration=integration,
        period_start=now - timedelta(days=9),
        read_at=now,
        user=LONG,
        on_demand_cost=Decimal("1234567.88"),
    )


def test_axe_finds_nothing_and_nothing_overflows(page, logged_in, team):
    logged_in(page, UserFactory(role="Editor"))
    page.goto(HELP)
    page.locator("details summary").first.click()
    expect(page.get_by_role("link", name=LONG)).to_be_visible()

    assert_readable(page)


def test_axe_finds_nothing_before_cursor_is_connected(page, logged_in):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(HELP)
    expect(page.get_by_text("Cursor is not connected yet.")).to_be_visible()

    assert_readable(page)


def test_the_rail_and_the_contents_lead_to_a_section_by_keyboard(page, logged_in, team):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/")
    page.get_by_role("link", name="Help: Cursor").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{HELP}")
    page.get_by_role("link", name="Idle seats", exact=True).focus()
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{HELP}#idle")
    expect(page.get_by_role("heading", name="Idle seats")).to_be_in_viewport()
    assert page.get_by_role("link", name="Help: Cursor").get_attribute("aria-current") == "page"


def test_a_figure_leads_to_the_explorer_that_shows_it(page, logged_in, team):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(HELP)
    figure = page.locator("#month-usage").inner_text()
    page.get_by_role("link", name="On-demand usage").click()
    page.wait_for_url("**/explorer/?**")

    expect(page.locator("main")).to_contain_text(figure)


def test_it_prints_without_what_is_only_for_the_screen(page, logged_in, team):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(HELP)
    page.emulate_media(media="print")

    expect(page.get_by_role("navigation", name="On this page")).to_be_hidden()
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_role("heading", name="What is estimated")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "link", "section"),
    [
        ("/settings/cost-centers/connect/cursor/", "How seats are counted", "#seat-cost"),
        ("/settings/cost-centers/1/", "How seats are counted", "#seat-cost"),
        ("/settings/cost-centers/1/", "Why those who left still show", "#left"),
    ],
)
def test_it_is_linked_where_the_question_arises(page, logged_in, team, path, link, section):
    pk = CostCenter.objects.get(name__contains="engineering").pk
    logged_in(page, UserFactory(role="Editor"))
    page.goto(path.replace("/1/", f"/{pk}/"))

    href = page.get_by_role("link", name=link).get_attribute("href")

    assert href is not None
    assert href.startswith(HELP)
    assert href.endswith(section)
    page.goto(href)
    expect(page.locator(section)).to_be_in_viewport()
