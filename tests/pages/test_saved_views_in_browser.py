"""Saved views in a real browser: saving, changing and updating beside htmx, and all of it without scripts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from costcenters.models import SavedView
from tests.factories import PASSWORD, CostCenterFactory, DailyCostFactory, SavedViewFactory, UserFactory
from tests.pages.accessibility import assert_readable, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def bill() -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    center = CostCenterFactory(complete_through=now)
    for ago in range(40):
        for model in ("claude-4.5-sonnet", "gpt-5.5-high"):
            day = now.date() - timedelta(days=ago)
            DailyCostFactory(cost_center=center, day=day, model=model, billed_cost=Decimal("12.34"))


def menu(page, name: str):
    return page.locator("#saved-views summary", has_text=name)


def test_a_view_is_saved_changed_and_updated(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?preset=30d")
    page.get_by_label("Group by", exact=True).select_option("model")
    expect(page.get_by_role("heading", level=2)).to_contain_text("by model")
    menu(page, "Save as…").click()
    page.get_by_label("Name").fill("By model")
    page.get_by_label("Open the explorer with it").check()
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("status").filter(has_text="Saved as")).to_contain_text("Saved as “By model”.")
    view = SavedView.objects.get()
    assert urlsplit(page.url).query == f"preset=30d&group_by=model&view={view.pk}"
    expect(menu(page, "By model")).to_be_visible()
    expect(page.get_by_role("button", name="Update")).to_have_count(0)

    page.get_by_label("Measure", exact=True).select_option("tokens")
    page.get_by_role("button", name="Update “By model”").click()
    expect(page.get_by_text("“By model” is updated.")).to_be_visible()
    expect(page.get_by_role("button", name="Update")).to_have_count(0)
    view.refresh_from_db()
    assert view.query == "preset=30d&group_by=model&measure=tokens"

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Explorer").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Tokens, by model")
    expect(menu(page, "By model")).to_be_visible()

    page.get_by_label("Group by", exact=True).select_option("user")
    menu(page, "Save as a new view").click()
    page.get_by_label("Name").fill("By user")
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("Saved as “By user”.")).to_be_visible()
    assert SavedView.objects.get(name="By user").query == "preset=30d&group_by=user&measure=tokens"
    assert SavedView.objects.get(name="By model").query == view.query


def test_a_taken_name_is_told_and_mended(page, logged_in, bill, expected_errors):
    expected_errors.append("400 (Bad Request)")
    user = UserFactory(role="Viewer")
    SavedViewFactory(owner=user, name="Costs")
    logged_in(page, user)
    page.goto("/explorer/?group_by=kind")
    menu(page, "Save as…").click()
    page.get_by_label("Name").fill("costs")
    page.get_by_label("Pin to my overview").check()
    page.keyboard.press("Enter")
    page.wait_for_url("**/explorer/views/new/**")
    expect(page.get_by_label("Name")).to_have_value("costs")
    expect(page.get_by_label("Name")).to_have_accessible_description(re.compile("already have a view"))
    expect(page.get_by_label("Pin to my overview")).to_be_checked()
    assert violations(page) == []
    page.get_by_label("Name").fill("Costs by kind")
    page.get_by_role("button", name="Save view").click()
    page.wait_for_url("**/explorer/?preset=30d&group_by=kind&view=*")

    page.goto("/explorer/views/")
    row = page.get_by_role("listitem").filter(has_text="Costs by kind")
    row.locator("summary").click()
    row.get_by_label("Name").fill("COSTS")
    row.get_by_role("button", name="Rename").click()
    expect(row.get_by_label("Name")).to_have_value("COSTS")
    expect(row.get_by_label("Name")).to_be_focused()
    expect(row).to_contain_text("You already have a view named “COSTS”.")


def test_the_menu_works_by_keyboard_and_closes_on_escape(page, logged_in, bill):
    user = UserFactory(role="Viewer")
    view = SavedViewFactory(owner=user, name="Mine", query="preset=7d&group_by=model")
    logged_in(page, user)
    page.goto("/explorer/?preset=30d")
    summary = menu(page, "Views")
    summary.focus()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Mine")
    expect(link).to_be_visible()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    menu(page, "Save as…").click()
    expect(link).to_be_hidden()
    page.get_by_role("heading", level=1).click()
    expect(page.get_by_role("button", name="Save view")).to_be_hidden()
    summary.click()
    link.click()
    page.wait_for_url(f"**/explorer/?preset=7d&group_by=model&view={view.pk}")


def test_pinned_views_fill_their_places_on_the_overview(page, logged_in, bill):
    user = UserFactory(role="Viewer")
    SavedViewFactory(owner=user, name="Two models", is_pinned=True, query="preset=7d&group_by=model")
    SavedViewFactory(owner=user, name="Gone", is_pinned=True, query="cost_center=gone")
    logged_in(page, user)
    held: list = []
    page.route("**/tile/", lambda route: held.append(route))
    page.goto("/")
    below = page.locator(".pinned ~ *, section:has(.pinned) + *").first
    stand_in = page.locator(".saved-tile").first
    expect(stand_in).to_contain_text("Open it to see its figures.")
    before = below.bounding_box()
    for route in held:
        route.continue_()
    page.unroute("**/tile/")
    tile = page.locator(".saved-tile", has_text="Two models")
    expect(tile).to_contain_text("$172.76")
    expect(tile).to_contain_text("Billed, by model, last 7 days")
    expect(tile).to_contain_text("Complete through")
    expect(page.locator(".saved-tile", has_text="Gone")).to_contain_text(
        "There is no cost center named “gone”."
    )
    assert below.bounding_box() == before
    assert violations(page) == []
    tile.get_by_role("link", name="Two models").click()
    expect(page.locator("#report .summary .figure")).to_have_text("$172.76")


def test_a_link_is_copied(page, logged_in, bill, settings):
    user = UserFactory(role="Viewer")
    view = SavedViewFactory(owner=user, name="Mine")
    logged_in(page, user)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/explorer/views/")
    page.get_by_text("Change or copy the link").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{settings.SITE_URL}{view.get_absolute_url()}"


def test_everything_works_without_scripts(browser, live_server, bill):
    user = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/?next=/explorer/?group_by=model")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    menu(page, "Save as…").click()
    page.get_by_label("Name").fill("Mine")
    page.get_by_label("Pin to my overview").check()
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("Saved as “Mine”.")).to_be_visible()

    page.goto(page.url.replace("group_by=model", "group_by=kind"))
    page.get_by_role("button", name="Update “Mine”").click()
    expect(page.get_by_text("“Mine” is updated.")).to_be_visible()

    page.goto("/")
    page.locator(".saved-tile").get_by_role("link", name="Mine").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Billed, by kind")
    menu(page, "Mine").click()
    page.get_by_role("link", name="Manage views").click()
    page.get_by_text("Change or copy the link").click()
    page.get_by_label("Name").fill("Ours")
    page.get_by_role("button", name="Rename").click()
    page.get_by_text("Change or copy the link").click()
    page.get_by_role("button", name="Share with everybody here").click()
    page.get_by_text("Change or copy the link").click()
    expect(page.get_by_label("Link")).to_have_value(
        re.compile(r"^http.*/explorer/\?preset=30d&group_by=kind&view=")
    )
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete “Ours”?")
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_text("“Ours” is deleted.")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(0)
    context.close()


def test_the_pages_fit_and_are_accessible(page, logged_in, bill):
    user = UserFactory(role="Admin")
    SavedViewFactory(owner=user, name="Long " * 20, is_pinned=True, is_default=True, is_shared=True)
    SavedViewFactory(owner=user, name="x" * 100, query="preset=30d&user=" + "y" * 200)
    SavedViewFactory(owner=user, name="Gone", query="cost_center=gone")
    theirs = SavedViewFactory(name="Theirs", is_shared=True)
    logged_in(page, user)
    for path, opened in (
        (
            f"/explorer/?preset=7d&view={SavedView.objects.get(name='x' * 100).pk}",
            "#saved-views summary >> nth=0",
        ),
        (f"/explorer/?preset=7d&view={theirs.pk}", "#saved-views summary >> nth=1"),
        ("/explorer/views/", ".views summary >> nth=1"),
        (f"/explorer/views/{theirs.pk}/delete/", ""),
        ("/explorer/views/new/?preset=7d", ""),
    ):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(path)
        if opened:
            page.locator(opened).click()
        assert_readable(page)
