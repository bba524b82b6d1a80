"""The report in a real browser: the chart by pointer, touch and keyboard, its kinds, the table, paper."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from costcenters.models import DailyCost
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MODELS = ("claude-4.5-sonnet", "gpt-5.5", "composer-2.5-fast")


@pytest.fixture
def bill() -> None:
    """Three models by twelve people on each of the last twenty days; today is not complete."""
    now = datetime.now(UTC)
    cursor = CostCenterFactory(complete_through=now.replace(hour=0, minute=0, second=0, microsecond=0))
    DailyCost.objects.bulk_create(
        DailyCostFactory.build(
            cost_center=cursor,
            day=now.date() - timedelta(days=ago),
            user=f"user{n:02}@example.com",
            model=MODELS[n % 3],
            billed_cost=Decimal(n + 1 + ago) / 4,
            input_tokens=1000 * n,
        )
        for ago in range(20)
        for n in range(12)
    )


@pytest.fixture
def explorer(page: Page, logged_in: Any, bill: None) -> Any:
    """Opens the explorer with a query."""
    logged_in(page, UserFactory(role="Viewer"))

    def opened(query: str) -> Page:
        page.goto(f"/explorer/?{query}")
        return page

    return opened


def middle_of(page: Page, period: int, of: int) -> tuple[float, float]:
    """A point in the column of a period (from 0), low in the plot."""
    box = page.locator("canvas[data-chart]").bounding_box()
    assert box
    left = box["x"] + 55
    return left + (box["x"] + box["width"] - left) * (period + 0.5) / of, box["y"] + box["height"] - 45


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


# The chart -----------------------------------------------------------------------------------------------


def test_the_pointer_reads_a_period_anywhere_in_its_column(explorer):
    page = explorer("preset=7d&group_by=model")
    x, low = middle_of(page, 2, 7)
    tip = page.locator(".chart-tip")
    page.mouse.move(x, low - 170)
    expect(tip).to_be_visible()
    day = datetime.now(UTC).date() - timedelta(days=4)
    expect(tip.locator("p")).to_have_text(f"{day.day} {day:%b}")
    names = tip.locator("tr:not(.total) td:first-child").all_inner_texts()
    assert names == ["composer-2.5-fast", "gpt-5.5", "claude-4.5-sonnet"]
    # Twelve people with n + 1 + 4 quarters each.
    expect(tip.locator("tr.total")).to_contain_text("$31.50")
    expect(tip.locator("tr").first).to_contain_text("37 %")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()


def test_arrow_keys_read_the_periods_aloud(explorer):
    page = explorer("preset=7d&group_by=model")
    chart = page.get_by_role("application")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    voice = chart.get_by_role("status")
    expect(voice).to_contain_text(
        re.compile(r", not complete yet: total \$19\.50; composer-2\.5-fast \$7\.50, 38 %")
    )
    expect(page.locator(".chart-tip")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(voice).to_contain_text("total $22.50")
    page.keyboard.press("Home")
    expect(voice).to_contain_text("total $37.50")
    page.keyboard.press("Escape")
    expect(page.locator(".chart-tip")).to_be_hidden()
    assert page.url.endswith("preset=7d&group_by=model")


def test_a_comparison_tells_what_was_before(explorer):
    page = explorer("preset=7d&group_by=model&compare=previous")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator(".chart-tip")
    expect(tip.locator("p")).to_contain_text("against")
    expect(tip.locator("tr").first).to_have_text("NowShareBeforeChange")
    expect(tip.locator("tr").nth(1)).to_have_text("composer-2.5-fast$13.5036 %$20.50−$7.00")
    expect(tip.locator("tr.total")).to_have_text("Total$37.50$58.50−$21.00 (−36 %)")
    expect(page.locator(".legend .key").first).to_contain_text("paler: before")
    page.set_viewport_size({"width": 360, "height": 800})
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_be_visible()
    assert tip.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_click_on_a_bar_drills_in_without_leaving(explorer):
    page = explorer("preset=7d&group_by=model")
    page.evaluate("window.still = true")
    page.mouse.click(*middle_of(page, 1, 7))
    expect(page.get_by_role("heading", level=2)).to_contain_text("Billed, composer-2.5-fast, by user")
    assert asked(page.url) == {"preset": ["7d"], "group_by": ["user"], "model": ["composer-2.5-fast"]}
    assert page.evaluate("window.still")
    expect(page.locator(".chart-tip")).to_be_hidden()


@pytest.mark.parametrize("kind", ["lines", "cumulative"])
def test_lines_and_sums_are_drawn_and_drilled_into(explorer, kind):
    page = explorer(f"preset=7d&group_by=model&compare=previous&chart={kind}")
    x, low = middle_of(page, 5, 7)
    page.mouse.move(x, low)
    expect(page.locator(".chart-tip tr.total")).to_be_visible()
    first = page.locator(".chart-tip p").inner_text()
    assert first.startswith("Through") == (kind == "cumulative")
    expect(page.locator(".legend")).to_contain_text("dotted: ")
    if kind == "cumulative":
        page.mouse.click(x, low)
        expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
        assert asked(page.url)["chart"] == ["cumulative"]


def test_a_finger_reads_first_and_goes_on_second(browser, live_server, bill, logged_in):
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 360, "height": 740}, has_touch=True
    )
    page = context.new_page()
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?preset=7d&group_by=user&top=0&compare=previous")
    page.locator("canvas[data-chart]").scroll_into_view_if_needed()
    point = middle_of(page, 3, 7)
    page.touchscreen.tap(*point)
    tip = page.locator(".chart-tip")
    expect(tip).to_be_visible()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 740
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
    page.locator("h1").evaluate(
        "element => element.dispatchEvent(new PointerEvent('pointerdown', {bubbles: true}))"
    )
    expect(tip).to_be_hidden()
    context.close()


def test_a_name_that_looks_like_code_stays_text_in_the_chart(page, logged_in):
    hostile = "<img src=x onerror=\"document.title='hacked'\">"
    DailyCostFactory(user=hostile, day=datetime.now(UTC).date())
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?preset=7d&group_by=user")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart-tip")).to_contain_text("<img src=x")
    assert page.locator(".chart-tip img").count() == 0
    assert "hacked" not in page.title()


def test_a_value_looks_the_same_in_chart_legend_and_table(explorer):
    colours = set()
    for query in ("group_by=model", "group_by=model&sort=value&chart=lines", "group_by=model&model=gpt-5.5"):
        page = explorer(query)
        for place in (
            page.locator(".legend li", has_text="gpt-5.5"),
            page.locator(".rows tr", has_text="gpt-5.5"),
        ):
            swatch = place.locator(".swatch")
            colours.add(
                swatch.evaluate(
                    "each => getComputedStyle(each).background + getComputedStyle(each).backgroundImage"
                )
            )
    assert len(colours) == 1


def test_every_look_is_a_look_of_its_own(page, logged_in, bill):
    from costcenters.display.looks import LOOKS

    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/")
    found = page.evaluate(
        """looks => looks.map((look) => {
            const swatch = document.body.appendChild(document.createElement("span"));
            swatch.className = `swatch ${look}`;
            const { backgroundColor, backgroundImage } = getComputedStyle(swatch);
            return backgroundColor + backgroundImage.replace(/rgba?\\([^)]*\\)/g, "");
        })""",
        [*LOOKS, "other"],
    )
    assert len(set(found)) == len(LOOKS) + 1


# The report ----------------------------------------------------------------------------------------------


def test_the_link_is_copied(explorer, page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = explorer("preset=7d&group_by=model")
    page.get_by_text("Share", exact=True).first.click()
    copy = page.locator("[data-copy=copy-curl]")
    copy.click()
    expect(copy).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('curl -H "Authorization: Bearer $ONEBILL_TOKEN" ')
    assert copied.endswith("/api/v1/costs/?preset=7d&group_by=model'")
    page.keyboard.press("Escape")
    expect(copy).to_be_hidden()
    expect(page.locator(".share-menu summary")).to_be_focused()


def test_the_table_is_sorted_by_its_head_and_keeps_the_focus(explorer):
    page = explorer("preset=7d&group_by=model")
    head = page.locator(".rows").get_by_role("columnheader", name="Events")
    head.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(head.get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert asked(page.url)["sort"] == ["-events"]
    expect(page.get_by_role("heading", level=2)).to_contain_text("sorted by events, smallest first")


def test_the_next_page_of_a_table_is_read_from_its_top(explorer):
    for n in range(205):
        DailyCostFactory(user=f"person{n}", model="o3", day=datetime.now(UTC).date())
    page = explorer("preset=7d&group_by=user&top=0")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".paging")).to_contain_text("rows 201–217 of 217")
    expect(page.locator(".rows thead th").first).to_be_in_viewport()
    expect(page.locator(".rows tbody tr").first).to_be_in_viewport()


def test_the_head_of_a_long_table_stays_in_sight(explorer):
    page = explorer("preset=30d&group_by=user&group_by=model&top=0")
    last = page.locator(".rows tbody tr").last
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    assert page.locator(".rows thead th").first.bounding_box()["y"] >= 0
    page.set_viewport_size({"width": 700, "height": 500})
    box = page.locator(".rows .scroll")
    box.evaluate("each => { each.scrollTop = 600; }")
    top = box.bounding_box()["y"]
    assert abs(page.locator(".rows thead th").first.bounding_box()["y"] - top) < 2


def test_the_events_of_a_row_are_a_click_away(explorer):
    page = explorer("preset=7d&group_by=model")
    row = page.locator(".rows tr", has_text="gpt-5.5")
    row.get_by_role("link", name="line items").click()
    page.wait_for_url("**/explorer/line-items/**")
    assert asked(page.url)["model"] == ["gpt-5.5"]


def test_a_chart_as_a_table_needs_no_script(browser, live_server, bill):
    user = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/?next=/explorer/%3Fpreset%3D7d%26group_by%3Dmodel%26chart%3Dtable")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", "correct horse battery")
    page.get_by_role("button", name="Log in").click()
    figures = page.get_by_role("region", name="Figures by period")
    expect(figures.get_by_role("row")).to_have_count(9)
    expect(figures.get_by_role("row").last).to_contain_text("$199.50")
    page.get_by_text("Share", exact=True).first.click()
    expect(page.locator("#copy-curl")).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    context.close()


def test_paper_gets_the_report_alone_in_light_colours(explorer, page):
    page.emulate_media(color_scheme="dark")
    page = explorer("preset=30d&group_by=model&compare=previous")
    page.emulate_media(color_scheme="dark", media="print")
    for gone in (".rail", ".question", "#filters", ".report-actions", ".saved-views"):
        expect(page.locator(gone).first).to_be_hidden()
    for kept in ("#stamp", "#report h2", ".summary .figure", "canvas[data-chart]", ".legend", ".rows table"):
        expect(page.locator(kept)).to_be_visible()
    assert (
        page.locator(".rows tbody a").first.evaluate("each => getComputedStyle(each).color") == "rgb(0, 0, 0)"
    )
    paper = page.pdf(format="A4", print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1


def test_nothing_moves_when_the_report_is_swapped(explorer):
    page = explorer("preset=7d&group_by=model")
    top = "document.querySelector('.rows').getBoundingClientRect().top + scrollY"
    before = page.evaluate(top)
    page.evaluate(
        """() => { window.shift = 0;
            new PerformanceObserver((list) => { for (const each of list.getEntries()) window.shift += each.value; })
                .observe({ type: "layout-shift" }); }"""
    )
    page.locator(".rows").get_by_role("columnheader", name="Tokens").get_by_role("link").click()
    expect(page.locator(".rows th[aria-sort]")).to_contain_text("Tokens")
    page.wait_for_timeout(200)
    assert page.evaluate(top) == before
    assert page.evaluate("window.shift") < 0.01


@pytest.mark.parametrize(
    "query",
    [
        "group_by=user&group_by=model&compare=previous",
        "group_by=model&chart=table&compare=year",
        "group_by=model&chart=cumulative&measure=savings",
        "user=nobody",
    ],
)
def test_reports_fit_and_are_accessible(explorer, query):
    page = explorer(query)
    page.get_by_text("Share", exact=True).first.click()
    assert_readable(page)
