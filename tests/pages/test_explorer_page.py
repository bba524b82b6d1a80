"""The explorer in a real browser, under the real Content-Security-Policy."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from costcenters.models import DailyCost
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def bill() -> None:
    """Two cost centers and eleven people over the last days."""
    now = datetime.now(UTC)
    today = now.date()
    cursor = CostCenterFactory(complete_through=now.replace(minute=0, second=0, microsecond=0))
    cloud = CostCenterFactory(name="AWS", provider="aws", complete_through=cursor.complete_through)
    for ago in range(10):
        day = today - timedelta(days=ago)
        DailyCost.objects.bulk_create(
            DailyCostFactory.build(
                cost_center=cursor,
                day=day,
                user=f"user{n:02}@example.com",
                model=["claude-4.5-sonnet", "gpt-5.5-high", "composer-2.5-fast"][n % 3],
                billed_cost=Decimal(n + 1) / 3 // Decimal("0.000000001") / 10**9,
                input_tokens=1000 * n,
            )
            for n in range(11)
        )
        DailyCostFactory(
            cost_center=cloud, day=day, service="Amazon EC2", tag_set=TagSetFactory(tags={"env": "prod"})
        )
    DailyCostFactory(
        cost_center=cursor, day=today, charge_type="seat", is_estimated=True, user="user00@example.com"
    )


def drawn_pixels(page) -> int:
    """How many pixels of the chart are coloured."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector("canvas[data-chart]");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let count = 0;
            for (let at = 3; at < data.length; at += 4) if (data[at] > 0) count += 1;
            return count;
        }"""
    )


def test_choosing_in_the_form_swaps_the_report_and_keeps_the_address(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/")
    page.get_by_role("link", name="Explorer", exact=True).click()
    page.wait_for_load_state()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Billed,")
    assert drawn_pixels(page) > 1000

    page.get_by_label("Group by").select_option("user")
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
    page.wait_for_url(lambda url: urlsplit(url).query == "preset=30d&group_by=user")
    expect(page.locator("#report")).to_contain_text("Other (3 more)")
    assert drawn_pixels(page) > 1000

    page.get_by_label("Compare with").select_option("previous")
    expect(page.get_by_role("columnheader", name="Before")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Group by")).to_have_value("user")
    expect(page.get_by_role("columnheader", name="Before")).to_be_visible()

    page.go_back()
    expect(page.get_by_role("columnheader", name="Before")).to_have_count(0)


def test_a_row_leads_into_its_details(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?group_by=cost_center")
    page.get_by_role("table").get_by_role("link", name="Cursor").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Billed, Cursor, by model")
    page.locator(".legend").get_by_role("link", name="gpt-5.5-high").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")


def test_days_appear_when_no_preset_is_chosen(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/")
    expect(page.locator("[name=start]")).to_be_hidden()
    page.get_by_label("Period", exact=True).select_option("")
    today = datetime.now(UTC).date()
    expect(page.locator("[name=start]")).to_be_focused()
    expect(page.locator("[name=start]")).to_have_value(str(today - timedelta(days=29)))
    page.locator("[name=start]").fill(today.isoformat())
    expect(page.locator("[name=start]")).to_be_visible()
    page.wait_for_url(lambda url: f"start={today}&end={today}" in url)
    page.get_by_label("Period", exact=True).select_option("7d")
    expect(page.locator("[name=start]")).to_be_hidden()
    page.wait_for_url(lambda url: url.endswith("?preset=7d"))


def test_a_mistake_is_shown_beside_the_form(page, logged_in, bill, expected_errors):
    expected_errors.append("status of 400")
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?group_by=model&granularity=hour")
    expect(page.get_by_role("alert")).to_contain_text("granularity")
    expect(page.get_by_label("Granularity")).to_have_value("hour")
    page.get_by_label("Granularity").select_option("day")
    expect(page.get_by_role("heading", level=2)).to_contain_text("by model")

    page.goto("/explorer/?start=2026-11-01&end=2026-11-05&group_by=model")
    page.locator("[name=end]").fill("2026-10-05")
    expect(page.get_by_role("alert")).to_contain_text("Is before the start, 2026-11-01.")
    expect(page.locator("[name=end]")).to_have_value("2026-10-05")
    expect(page.locator("[name=end]")).to_have_attribute("aria-invalid", "true")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Is before the start")
    page.locator("[name=end]").fill("2026-11-02")
    expect(page.get_by_role("heading", level=2)).to_contain_text("1 – 2 Nov 2026")
    expect(page.locator("[name=end]")).not_to_have_attribute("aria-invalid", "true")


def test_the_csv_button_downloads_what_is_shown(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?group_by=model&provider=cursor&preset=7d")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(downloading.value.path()).read_text())))
    total = sum(Decimal(row["billed_cost"]) for row in rows)
    assert f"${total:,.2f}" == page.locator(".summary .figure").inner_text()
    assert downloading.value.suggested_filename.startswith("onebill_")


def test_a_value_has_one_colour_in_every_chart(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    colours = set()
    for query in ("group_by=model", "group_by=model&measure=tokens", "group_by=model&model=gpt-5.5-high"):
        page.goto(f"/explorer/?{query}")
        swatch = page.locator(".legend li", has_text="gpt-5.5-high").locator(".swatch")
        colours.add(swatch.evaluate("element => getComputedStyle(element).backgroundColor"))
    assert len(colours) == 1


def test_names_that_look_like_code_stay_text(page, logged_in):
    hostile = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
    DailyCostFactory(user=hostile, model=hostile, day=datetime.now(UTC).date())
    logged_in(page, UserFactory(role="Viewer"))
    for path in ("/", "/explorer/?group_by=user&group_by=model"):
        page.goto(path)
        page.mouse.move(700, 500)
        expect(page.get_by_role("link", name=hostile).first).to_be_visible()
        assert "hacked" not in page.title()


def test_the_theme_is_switched_and_remembered(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?group_by=model")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark theme").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    assert drawn_pixels(page) > 1000
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_the_explorer_works_without_scripts(browser, live_server, bill):
    user = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/?next=/explorer/")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", "correct horse battery")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Group by").select_option("user")
    page.locator("[name=start]").fill((datetime.now(UTC).date() - timedelta(days=3)).isoformat())
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
    expect(page.get_by_role("table")).to_contain_text("user10@example.com")
    context.close()


@pytest.mark.parametrize("path", ["/", "/explorer/?group_by=user&group_by=model&compare=previous&user!=x"])
def test_pages_fit_and_are_accessible(page, logged_in, bill, path):
    logged_in(page, UserFactory(role="Admin"))
    page.goto(path)
    expect(page.locator("canvas[data-chart]")).to_be_visible()
    assert_readable(page)
    expect(page.locator("canvas[data-chart]")).to_be_visible()


def test_the_log_in_is_accessible(page):
    page.goto("/accounts/login/")
    assert_readable(page)
