"""Asking the explorer in a real browser: filters are picked, answers swap, the address and the focus follow."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from costcenters.models import DailyCost
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory
from tests.pages.accessibility import DESK, PHONE, TABLET, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOSTILE = "a\"b'c&d=e;<i>#?/ 名"


@pytest.fixture
def bill() -> None:
    """Sixty people with a model each, one of them with a hostile name; a tag; a line without user."""
    now = datetime.now(UTC)
    cursor = CostCenterFactory(complete_through=now.replace(minute=0, second=0, microsecond=0))
    tags = TagSetFactory(tags={"team": "platform"})
    DailyCost.objects.bulk_create(
        DailyCostFactory.build(
            cost_center=cursor,
            day=now.date() - timedelta(days=n % 5),
            user=f"user{n:02}@example.com" if n else HOSTILE,
            model=["claude-4.5-sonnet", "gpt-5.5-high"][n % 2],
            billed_cost=Decimal(100 - n),
            tag_set=tags if n % 3 else None,
        )
        for n in range(60)
    )
    DailyCostFactory(cost_center=cursor, day=now.date(), user="", model="", billed_cost=Decimal(7))


@pytest.fixture
def explorer(page, logged_in, bill) -> Page:
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?group_by=model")
    return page


def asked(page: Page, name: str) -> list[str]:
    return [value for key, value in parse_qsl(urlsplit(page.url).query) if key == name]


def picker(page: Page, label: str):
    return page.locator(".picker", has=page.locator(f"summary:text('{label}')")).first


def open_picker(page: Page, label: str):
    found = picker(page, label)
    found.locator("summary").click()
    expect(found.get_by_role("searchbox")).to_be_focused()
    return found


def total(page: Page) -> str:
    return page.locator(".summary .figure").inner_text()


def test_values_are_checked_excluded_and_removed(explorer):
    page, users = explorer, open_picker(explorer, "User")
    expect(users).to_contain_text("61 values")
    expect(users.get_by_role("checkbox")).to_have_count(50)

    users.get_by_role("checkbox", name="user01@example.com").check()
    expect(page.get_by_role("heading", level=2)).to_contain_text("user01@example.com, by model")
    expect(users).to_have_attribute("open", "")
    expect(users.get_by_role("checkbox", name="user01@example.com")).to_be_focused()
    assert total(page) == "$99.00"
    users.get_by_role("checkbox", name="user02@example.com").check()
    expect(page.locator(".summary .figure")).to_have_text("$197.00")
    assert asked(page, "user") == ["user01@example.com", "user02@example.com"]

    users.get_by_role("radio", name="is none of").check()
    expect(page.get_by_role("heading", level=2)).to_contain_text("without user01@example.com or user02")
    assert asked(page, "user!") == ["user01@example.com", "user02@example.com"]
    assert asked(page, "user") == []

    users.get_by_role("checkbox", name="user01@example.com").uncheck()
    expect(page.get_by_role("list", name="Filters in force")).to_have_text(
        "User is not user02@example.com ask for it ×", use_inner_text=True
    )
    page.get_by_role("link", name="ask for it").click()
    expect(page.locator(".summary .figure")).to_have_text("$98.00")
    expect(page.locator(".picker[open]")).to_have_count(0)
    page.get_by_role("link", name="Remove filter User is user02@example.com").click()
    expect(page.get_by_text("No filter: everything is counted.")).to_be_visible()
    assert urlsplit(page.url).query == "preset=30d&group_by=model"


def test_what_has_no_value_can_be_asked_for(explorer):
    users = open_picker(explorer, "User")
    users.get_by_role("searchbox").fill("no us")
    users.get_by_role("checkbox", name="No user").check()
    expect(explorer.locator(".summary .figure")).to_have_text("$7.00")
    assert asked(explorer, "user") == ["(none)"]


def test_values_are_searched_by_the_server_and_paged(explorer):
    users = open_picker(explorer, "User")
    users.get_by_role("button", name="Show more").click()
    expect(users.get_by_role("checkbox")).to_have_count(61)
    expect(users.get_by_role("checkbox").nth(50)).to_be_focused()
    users.get_by_role("searchbox").fill("USER5")
    expect(users.get_by_role("checkbox")).to_have_count(10)
    expect(users.get_by_role("searchbox")).to_be_focused()
    users.get_by_role("searchbox").fill("nobody at all")
    expect(users).to_contain_text("Nothing found.")


def test_a_tag_has_a_picker(explorer):
    open_picker(explorer, "Tag team").get_by_role("checkbox", name="platform").check()
    expect(explorer.get_by_role("heading", level=2)).to_contain_text("platform, by model")
    assert asked(explorer, "tag:team") == ["platform"]


def test_hostile_values_survive_every_way(explorer):
    page = explorer
    open_picker(page, "User").get_by_role("checkbox", name=HOSTILE).check()
    expect(page.locator(".summary .figure")).to_have_text("$100.00")
    for step, address in (
        (lambda: page.get_by_label("Measure").select_option("list"), "**measure=list"),
        (lambda: page.reload(), "**measure=list"),
        (lambda: page.get_by_role("columnheader").get_by_role("link").first.click(), "**sort=**"),
    ):
        step()
        page.wait_for_url(address)
        expect(page.get_by_role("heading", level=2)).to_contain_text(f"List, {HOSTILE}")
        assert asked(page, "user") == [HOSTILE]
    expect(open_picker(page, "User").get_by_role("checkbox", name=HOSTILE)).to_be_checked()


def test_the_whole_way_by_keyboard(explorer):
    page = explorer
    picker(page, "User").locator("summary").focus()
    page.keyboard.press("Enter")
    users = picker(page, "User")
    expect(users.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("user1")
    expect(users.get_by_role("checkbox")).to_have_count(10)
    page.keyboard.press("Tab")
    expect(users.get_by_role("radio", name="is one of")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(users.get_by_role("radio", name="is none of")).to_be_checked()
    page.keyboard.press("Tab")
    expect(users.get_by_role("checkbox").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", level=2)).to_contain_text("without user11@example.com")
    expect(users.get_by_role("checkbox").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(users).not_to_have_attribute("open", "")
    expect(users.locator("summary")).to_be_focused()

    page.get_by_role("link", name="Remove filter").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No filter: everything is counted.")).to_be_visible()
    expect(page.locator("#report")).to_be_focused()


def test_the_focus_leaving_a_picker_closes_it(explorer):
    users = open_picker(explorer, "User")
    explorer.keyboard.press("Shift+Tab")
    expect(users.locator("summary")).to_be_focused()
    expect(users).to_have_attribute("open", "")
    explorer.keyboard.press("Shift+Tab")
    expect(users).not_to_have_attribute("open", "")


def test_a_chip_opens_its_picker(explorer):
    page = explorer
    page.goto("/explorer/?" + "&".join(f"user=user{n:02}@example.com" for n in range(1, 9)))
    page.get_by_role("list", name="Filters in force").get_by_text("User is one of 8").click()
    expect(page.get_by_role("link", name="User is user08@example.com", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="User is user08@example.com", exact=True)).to_be_hidden()
    page.get_by_role("link", name="change").click()
    expect(picker(page, "User").get_by_role("searchbox")).to_be_focused()
    expect(picker(page, "User").locator("[data-value]:checked")).to_have_count(8)


def test_back_and_forward_restore_question_and_answer(explorer):
    page = explorer
    open_picker(page, "User").get_by_role("checkbox", name="user01@example.com").check()
    expect(page.locator(".summary .figure")).to_have_text("$99.00")
    page.get_by_label("Lines").check(force=True)
    page.wait_for_url("**chart=lines")
    page.get_by_label("Only complete periods").check()
    page.wait_for_url("**complete=1**")

    page.go_back()
    page.wait_for_url(lambda url: "complete" not in url)
    expect(page.get_by_label("Only complete periods")).not_to_be_checked()
    expect(page.get_by_label("Lines")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Bars")).to_be_checked()
    expect(page.locator(".chip")).to_have_count(1)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(0)
    assert urlsplit(page.url).query == "group_by=model"
    page.go_forward()
    expect(page.locator(".summary .figure")).to_have_text("$99.00")
    expect(page.locator(".chip")).to_have_count(1)


def test_links_swap_without_loading_the_page_anew(explorer):
    page = explorer
    page.evaluate("window.sameDocument = true")
    page.get_by_role("table").get_by_role("link", name="gpt-5.5-high").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("gpt-5.5-high, by user")
    expect(page.get_by_label("Group by")).to_have_value("user")
    expect(page.locator(".chip")).to_contain_text("Model is gpt-5.5-high")
    page.evaluate(
        """document.dispatchEvent(new CustomEvent("explorer:go",
             { detail: { url: "/explorer/?preset=7d&group_by=provider" }, cancelable: true }))"""
    )
    expect(page.get_by_role("heading", level=2)).to_contain_text("by provider")
    expect(page.get_by_label("Period", exact=True)).to_have_value("7d")
    page.wait_for_url("**/explorer/?preset=7d&group_by=provider")
    expect(page.get_by_role("status").first).to_contain_text("by provider")
    page.get_by_role("link", name="Start over").click()
    page.wait_for_url("**/explorer/?preset=30d")
    assert page.evaluate("window.sameDocument")


def test_sorting_keeps_the_focus_and_the_place(explorer):
    page = explorer
    page.goto("/explorer/?group_by=user&top=50")
    header = page.get_by_role("columnheader").get_by_role("link").nth(1)
    header.focus()
    header.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=**")
    expect(page.get_by_role("columnheader").get_by_role("link").nth(1)).to_be_focused()
    assert abs(page.evaluate("scrollY") - before) < 5
    page.get_by_label("Measure").select_option("list")
    page.wait_for_url("**measure=list**")
    assert asked(page, "sort"), "a change of the form keeps the order"


def test_an_older_answer_never_replaces_a_newer_one(explorer, expected_errors):
    expected_errors.append("htmx:")  # htmx reports the request that it gave up
    page = explorer

    def late(route):
        page.wait_for_timeout(700)
        with suppress(PlaywrightError):  # the browser may have given it up
            route.continue_()

    page.route("**/explorer/?*measure=tokens*", late)
    page.get_by_label("Measure").select_option("tokens")
    page.get_by_label("Measure").select_option("events")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Events")
    # A link may be overtaken too, and then nothing is left unhandled.
    page.route("**/explorer/?*sort=*", late)
    page.get_by_role("columnheader").get_by_role("link").first.click()
    page.get_by_label("Group by").select_option("user")
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
    page.wait_for_timeout(1000)
    expect(page.get_by_role("heading", level=2)).to_contain_text("by user")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Events")
    assert asked(page, "measure") == ["events"]


def test_a_slow_answer_shows_as_busy_and_one_that_fails_is_told(explorer, expected_errors):
    expected_errors += ["htmx:", "Failed to load", "net::"]
    page = explorer
    page.evaluate(
        """document.addEventListener("htmx:beforeRequest", () => setTimeout(() => {
             window.busy = [document.querySelector("#report").getAttribute("aria-busy"),
                            getComputedStyle(document.querySelector("#report")).opacity]; }, 600))"""
    )
    page.route("**/explorer/?*measure=tokens*", lambda route: (page.wait_for_timeout(900), route.continue_()))
    page.get_by_label("Measure").select_option("tokens")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Tokens")
    assert page.evaluate("window.busy") == ["true", "0.6"]
    expect(page.locator("#report")).not_to_have_attribute("aria-busy", "true")

    page.route("**/explorer/?*measure=events*", lambda route: route.abort())
    page.get_by_label("Measure").select_option("events")
    expect(page.get_by_role("alert")).to_contain_text("No answer came")
    page.unroute("**/explorer/?*measure=events*")
    page.get_by_role("link", name="try again").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Events")
    expect(page.locator("#unanswered")).to_be_hidden()


def test_nothing_moves_when_answers_swap(explorer):
    """What stays on the page stays where it is: controls, filters, the top of the report."""
    page = explorer
    page.goto("/explorer/?group_by=model")
    expect(page.locator("canvas[data-chart]").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => { window.shifts = [];
             new PerformanceObserver((list) => {
               for (const entry of list.getEntries()) window.shifts.push(
                 [entry.value, entry.sources.map((s) => s.node?.outerHTML?.slice(0, 80))]);
             }).observe({ type: "layout-shift", buffered: false }); }"""
    )
    for name, value in (
        ("Measure", "tokens"),
        ("Group by", "user"),
        ("Granularity", "month"),
        ("Compare with", "previous"),
    ):
        page.get_by_label(name).select_option(value)
        page.wait_for_url(f"**={value}**")
        expect(page.locator("#report")).not_to_have_attribute("aria-busy", "true")
    users = open_picker(page, "User")
    users.get_by_role("checkbox").nth(1).check()
    expect(page.locator(".chip")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Remove filter").click()
    expect(page.locator(".chip")).to_have_count(0)
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts") == []


@pytest.mark.parametrize("width", [DESK, TABLET, PHONE])
def test_an_open_picker_is_accessible_and_fits(explorer, width):
    page = explorer
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(
        "/explorer/?group_by=model&user=user01@example.com&" + "&".join(f"model!=m{n}" for n in range(9))
    )
    if width == PHONE:
        page.get_by_text("Change the question").click()
    for label in ("Cost center", "User", "Account", "Tag team"):
        found = open_picker(page, label)
        box = found.locator(".panel").bounding_box()
        assert box
        assert 0 <= box["x"] <= width - box["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if label == "User" and width != TABLET:
            page.emulate_media(color_scheme="light" if width == PHONE else "dark")
            assert violations(page) == []
        page.keyboard.press("Escape")


def test_on_a_phone_the_answer_is_in_the_first_screen(explorer):
    page = explorer
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/explorer/?group_by=user&compare=previous&user!=user01@example.com")
    expect(page.get_by_label("Group by")).to_be_hidden()
    expect(page.locator(".summary .figure")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_text("Change the question").click()
    page.get_by_label("Group by").select_option("model")
    expect(page.get_by_role("heading", level=2)).to_contain_text("by model")
    expect(page.get_by_label("Group by")).to_be_visible()


def test_filters_work_without_scripts(browser, live_server, bill):
    user = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/?next=/explorer/%3Fgroup_by%3Dmodel%26sort%3D-value")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", "correct horse battery")
    page.get_by_role("button", name="Log in").click()
    picker(page, "User").locator("summary").click()
    page.get_by_label("User", exact=True).fill(HOSTILE)
    picker(page, "Provider").locator("summary").click()
    page.locator("select[name=provider]").select_option("cursor")
    page.get_by_label("Cumulative").check()
    page.get_by_role("button", name="Show").first.click()
    expect(page.locator(".summary .figure")).to_have_text("$100.00")
    assert asked(page, "sort") == ["-value"]
    page.get_by_role("link", name=f"exclude: User is {HOSTILE}").click()
    expect(page.locator(".summary .figure")).not_to_have_text("$100.00")
    page.get_by_role("link", name="Remove all filters").click()
    expect(page.locator(".chip")).to_have_count(0)
    context.close()


def test_a_tag_with_a_long_name_does_not_widen_a_phone(page, logged_in, bill):
    DailyCostFactory(day=datetime.now(UTC).date(), tag_set=TagSetFactory(tags={"k" * 80: "x"}))
    logged_in(page, UserFactory(role="Viewer"))
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/explorer/?group_by=model")
    page.get_by_text("Change the question").click()
    expect(page.locator("summary", has_text="kkk")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
