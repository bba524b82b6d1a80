"""The overview in a real browser: what people come for is at most two clicks away; readable by all, in both themes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from costcenters.line_items import replace_window
from costcenters.models import ChargeType, SeatPrice
from costcenters.records import LineItem, Window, canonical_details
from tests.factories import PASSWORD, CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def bill() -> Any:
    """Seventy days of a team of eight: ada spends most, eve has a seat and never used it; and a cloud bill."""
    now = datetime.now(UTC)
    today = datetime.combine(now.date(), time(), tzinfo=UTC)
    through = now.replace(minute=0, second=0, microsecond=0)
    cursor = CostCenterFactory(complete_through=through)
    SeatPrice.objects.create(cost_center=cursor, monthly_price=40, effective_from=today.date())
    lines = []
    for ago in range(70):
        day = today - timedelta(days=ago)
        for n, name in enumerate(["ada", "ben", "cyd", "dan", "fay", "gus", "hal"]):
            model = ["claude-4.5-opus", "gpt-5.5-high", "composer-2.5-fast"][n % 3]
            billed = (10 - n) * 10**9
            lines.append(
                LineItem(
                    day + timedelta(seconds=n),
                    "usage",
                    service="Cursor",
                    model=model,
                    kind="Usage-based",
                    surface="editor",
                    user=f"{name}@example.com",
                    resource=f"conversation-{ago}-{n}",
                    input_tokens=1000,
                    billed_nano=billed,
                    list_nano=2 * billed,
                    details=canonical_details({}),
                )
            )
    lines += [
        LineItem(
            today,
            "seat",
            service="Cursor",
            user=f"{name}@example.com",
            billed_nano=10**9,
            list_nano=10**9,
            is_estimated=True,
            details=canonical_details({}),
        )
        for name in ("ada", "ben", "cyd", "eve")
    ]
    window = Window(
        cursor.pk, today - timedelta(days=69), today + timedelta(days=1), tuple(ChargeType.values)
    )
    replace_window(window, sorted(lines, key=lambda line: line.started_at))
    cloud = CostCenterFactory(name="AWS", provider="aws", complete_through=through)
    tags = TagSetFactory(tags={"team": "platform"})
    for ago in range(20):
        DailyCostFactory(
            cost_center=cloud, day=now.date() - timedelta(days=ago), service="Amazon EC2", tag_set=tags
        )
    return cursor


@pytest.fixture
def overview(page: Page, logged_in: Any, bill: Any) -> Page:
    """The overview, as it opens after the log-in."""
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/")
    return page


def rows(page: Page) -> Locator:
    return page.get_by_role("table").locator("tbody").get_by_role("row")


def test_one_click_tells_the_weeks_top_spender(overview):
    overview.get_by_role("link", name="Who spent the most this week?").click()
    expect(overview.locator("#report")).to_contain_text("by user")
    expect(rows(overview).first).to_contain_text("ada@example.com")
    # Ten a day for a week, and a seat of one.
    assert "$71.00" in rows(overview).first.inner_text()


def test_one_click_sets_claude_beside_gpt_on_demand_last_month(overview):
    overview.get_by_role("link", name="Claude or GPT, last month?").click()
    expect(overview.locator("#report")).to_contain_text("by model family")
    asked = parse_qs(urlsplit(overview.url).query)
    assert (asked["preset"], asked["charge_type"]) == (["last-month"], ["usage"])
    first = datetime.now(UTC).date().replace(day=1)
    days = (first - timedelta(days=1)).day
    # Claude: ada, dan and hal spend 10 + 7 + 4 a day; GPT: ben and fay 9 + 6.
    assert f"${21 * days:,}.00" in rows(overview).filter(has_text="Claude").first.inner_text()
    assert f"${15 * days:,}.00" in rows(overview).filter(has_text="GPT").first.inner_text()


def test_one_click_lists_idle_seats(overview):
    overview.get_by_role("link", name="Who has a seat and no usage?").click()
    expect(overview.locator("#report")).to_contain_text("by user")
    expect(rows(overview)).to_have_count(1)
    expect(rows(overview).first).to_contain_text("eve@example.com")


def test_two_clicks_reach_a_days_events_of_one_user(overview):
    overview.get_by_role("link", name="Who used what yesterday?").click()
    expect(overview.locator("#report")).to_contain_text("by user")
    row = rows(overview).filter(has_text="ben@example.com")
    row.locator('a[href*="/explorer/line-items/"]').click()
    overview.wait_for_url("**/explorer/line-items/**")
    asked = parse_qs(urlsplit(overview.url).query)
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    assert (asked["start"], asked["end"], asked["user"]) == ([yesterday], [yesterday], ["ben@example.com"])
    expect(overview.get_by_text("gpt-5.5-high").first).to_be_visible()


def test_names_of_people_appear_on_a_click_by_keyboard_too(overview):
    top = overview.get_by_role("link", name="ada@example.com").first
    expect(top).to_be_hidden()
    overview.get_by_text("people on this month's bill").focus()
    overview.keyboard.press("Enter")
    expect(top).to_be_visible()
    idle = overview.get_by_role("link", name="eve@example.com")
    expect(idle.first).to_be_hidden()
    overview.get_by_text("Show the 1 idle").click()
    idle.first.click()
    expect(overview.locator("#report")).to_contain_text("eve@example.com")


def test_the_currency_is_switched_without_scripts(browser, live_server, bill):
    DailyCostFactory(
        cost_center=CostCenterFactory(name="GCP", provider="gcp", currency="EUR"),
        day=datetime.now(UTC).date(),
    )
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/?next=/")
    page.fill("[name=username]", UserFactory(role="Viewer").username)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Month to date")).to_be_visible()
    page.get_by_role("link", name="EUR").click()
    expect(page.get_by_label("Month to date").get_by_text("€1.00").first).to_be_visible()
    context.close()


def test_the_overview_fits_and_is_accessible_with_everything_open(overview):
    for summary in overview.locator("main details > summary").all():
        summary.click()
    expect(overview.locator("canvas[data-chart]")).to_be_visible()
    assert_readable(overview)


@pytest.mark.parametrize("role", ["Viewer", "Editor"])
def test_the_first_run_fits_and_is_accessible(page, logged_in, role):
    logged_in(page, UserFactory(role=role))
    page.goto("/")
    expect(page.get_by_text("There is no cost here yet.")).to_be_visible()
    assert_readable(page)
    if role == "Editor":
        page.get_by_role("link", name="Connect Cursor").click()
        expect(page.get_by_role("button", name="Complete Setup")).to_be_visible()


def test_a_seat_price_is_set_from_where_it_is_missing(page, logged_in):
    cursor = CostCenterFactory(complete_through=datetime.now(UTC))
    DailyCostFactory(cost_center=cursor, user="ada", day=datetime.now(UTC).date())
    logged_in(page, UserFactory(role="Editor"))
    page.goto("/")
    page.get_by_role("link", name="Set a seat price").click()
    page.wait_for_url(f"**{cursor.get_absolute_url()}")
