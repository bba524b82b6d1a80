"""Subscriptions in a real browser: added with a preview while typing, seats changed, ended, beside everything else."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations.models import Subscription
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory
from tests.integrations.subscriptions.conftest import add as add_on_a_clock
from tests.pages.accessibility import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DAY = timedelta(days=1)
ONE = re.compile(r"/settings/subscriptions/\d+/$")


def add(*changes, **fields):
    return add_on_a_clock(*changes, now=timezone.now(), **fields)


def assert_fine(page) -> None:
    """Axe finds nothing in either scheme, and nothing makes the page wider than the screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_one_is_added_with_its_payments_shown_while_it_is_typed(page, logged_in):
    logged_in(page, UserFactory(role="Editor"))
    page.goto("/settings/cost-centers/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Subscriptions").click()
    page.get_by_role("link", name="Add the first one").click()
    preview = page.locator("#preview")
    expect(page.get_by_role("button", name="Add it")).to_have_count(0)

    page.get_by_label("Name", exact=True).fill("ChatGPT")
    page.get_by_label("Seats", exact=True).fill("5")
    page.get_by_label("Price", exact=True).fill("30")
    expect(preview).to_contain_text("$150.00 a month")
    expect(preview.get_by_role("region", name="Next payments").get_by_role("row")).to_have_count(5)
    assert_fine(page)
    page.get_by_label("A flat fee, whoever uses it").check()
    expect(preview).to_contain_text("$30.00 a month")
    expect(page.get_by_label("Seats", exact=True)).to_be_hidden()
    page.get_by_label("Seats, at a price for each").check()
    expect(preview).to_contain_text("$150.00 a month")
    page.get_by_role("button", name="Add it").click()

    page.wait_for_url(ONE)
    expect(page.get_by_role("status")).to_contain_text("“ChatGPT” is added.")
    assert_fine(page)


def test_what_cannot_be_is_told_while_typing_and_at_its_field(page, logged_in):
    logged_in(page, UserFactory(role="Editor"))
    page.goto("/settings/subscriptions/add/")
    page.get_by_label("Name", exact=True).fill("ChatGPT")
    page.get_by_label("Price", exact=True).fill("free")

    preview = page.locator("#preview")
    expect(preview).to_contain_text("It cannot be saved like this:")
    expect(preview).to_contain_text("Price: Enter an amount such as 30.00.")
    expect(page.get_by_role("button", name="Add it")).to_have_count(0)


def test_seats_are_changed_and_taken_back_by_keyboard_alone(page, logged_in):
    known = add(starts_on=timezone.now().date() - DAY)
    logged_in(page, UserFactory(role="Editor"))
    page.goto(f"/settings/subscriptions/{known.pk}/")
    page.get_by_role("link", name="Change the seats").press("Enter")
    page.get_by_label("Seats", exact=True).fill("9")
    expect(page.locator("#preview")).to_contain_text("4 seats more")
    page.get_by_role("button", name="Save").press("Enter")

    page.wait_for_url(ONE)
    expect(page.get_by_role("region", name="Changes of seats").get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name=re.compile("Withdraw")).press("Enter")
    expect(page.locator("#preview")).to_contain_text("Days that are counted already change")
    assert_fine(page)
    page.get_by_role("button", name="Withdraw").press("Enter")

    page.wait_for_url(ONE)
    expect(page.get_by_role("region", name="Changes of seats").get_by_role("row")).to_have_count(2)


def test_a_correction_of_the_past_asks_first(page, logged_in):
    known = add(starts_on=timezone.now().date() - 3 * DAY)
    logged_in(page, UserFactory(role="Editor"))
    page.goto(f"/settings/subscriptions/{known.pk}/edit/")
    page.get_by_label("Price", exact=True).fill("20")
    box = page.get_by_label("It was wrong from the beginning")
    expect(box).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#preview").get_by_role("alert")).to_contain_text("or give it new terms")
    assert_fine(page)
    page.get_by_label("It was wrong from the beginning").check()
    page.get_by_role("button", name="Save").click()

    page.wait_for_url(ONE)
    known.refresh_from_db()
    assert known.price == Decimal(20)


def test_it_all_works_without_javascript(browser, live_server, logged_in):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    logged_in(page, UserFactory(role="Admin"))
    page.goto("/settings/subscriptions/add/")
    page.get_by_label("Name", exact=True).fill("Figma")
    page.get_by_label("Seats", exact=True).fill("2")
    page.get_by_label("Price", exact=True).fill("45")
    page.get_by_role("button", name="Show what it will cost").click()
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url(ONE)

    page.get_by_role("link", name="End", exact=True).click()
    page.get_by_label("Last day (UTC)").fill((timezone.now().date() + DAY).isoformat())
    page.get_by_role("button", name="Show what it will cost").click()
    expect(page.locator("#preview")).to_contain_text("cuts a paid period short")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(ONE)
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("Name of the subscription").fill("Figma")
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/settings/subscriptions/")
    context.close()
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("width", [360, 1440])
def test_the_pages_fit_and_are_accessible(page, logged_in, width):
    today = timezone.now().date()
    known = add(
        (today - 3 * DAY, 7),
        starts_on=today - 40 * DAY,
        owner="somebody.with.a.long.name@an-even-longer-domain.example.com",
        tags={"a-long-key-of-a-tag": "and a value that is no shorter"},
        renews_on=today + 12 * DAY,
    )
    add(name="DeepL " * 15, currency="EUR", seats=None, ends_on=today, starts_on=today - DAY)
    logged_in(page, UserFactory(role="Admin"))
    page.set_viewport_size({"width": width, "height": 900})

    for path in ("", f"{known.pk}/", f"{known.pk}/edit/", f"{known.pk}/terms/", f"{known.pk}/delete/"):
        page.goto(f"/settings/subscriptions/{path}")
        assert_fine(page)


def test_the_explorer_shows_them_beside_everything_else(page, logged_in):
    today = timezone.now().date()
    DailyCostFactory(cost_center=CostCenterFactory(), day=today, service="Cursor")
    known = add(starts_on=today - 5 * DAY)
    logged_in(page, UserFactory(role="Viewer"))
    page.goto("/explorer/?preset=7d&group_by=service&measure=effective")

    rows = page.locator("#table, .rows").get_by_role("rowheader")
    expect(rows.filter(has_text="ChatGPT").first).to_be_visible()
    expect(rows.filter(has_text="Cursor").first).to_be_visible()

    page.goto(f"/settings/subscriptions/{known.pk}/")
    page.get_by_role("link", name="See it in the explorer").click()
    expect(page.locator(".rows").get_by_role("rowheader").filter(has_text="Seats").first).to_be_visible()
