"""Changing a cost center in a real browser: its key, its seat price, pausing, reading again, removing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from costcenters.models import CostCenter, SeatPrice
from integrations.models import Integration
from tests.connecting import connect, work
from tests.factories import UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
FOREIGN_KEY = "crsr_foreign_0123456789abcdef0123456789ab"


@pytest.fixture
def center(client, api):
    """A connected cost center, read once."""
    client.force_login(UserFactory(role="Admin", username="ada@example.com"))
    integration = connect(client, api)
    work(integration)
    return integration.cost_center


def address(center, page=""):
    return f"/settings/cost-centers/{center.pk}/{page}"


def test_a_wrong_key_then_a_good_one(page, logged_in, api, center):
    api.add_key(NEW_KEY)
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "edit/"))
    page.get_by_role("link", name="Update the key").click()

    page.get_by_label("Admin API Key").fill("crsr_revoked0123456789abcdef")
    page.get_by_role("button", name="Test and replace the key").click()
    expect(page.get_by_role("alert")).to_contain_text("Cursor refused this key (401")
    expect(page.get_by_role("alert")).to_contain_text("stays in use")
    expect(page.get_by_label("Admin API Key")).to_have_value("")
    expect(page.get_by_label("Admin API Key")).to_have_attribute("aria-invalid", "true")
    assert_readable(page)

    page.get_by_label("Admin API Key").fill(NEW_KEY)
    page.get_by_role("button", name="Test and replace the key").click()
    page.wait_for_url(re.compile(r"/settings/cost-centers/\d+/$"))
    expect(page.get_by_text("The new key (…cdef) works and is in use.")).to_be_visible()
    expect(page.get_by_text(f"Now revoke the old key (…{api.api_key[-4:]})")).to_be_visible()


def test_a_key_of_another_team_asks_first(page, logged_in, api, center):
    api.add_key(FOREIGN_KEY, team="other")
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "key/"))
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.get_by_label("Admin API Key").fill(FOREIGN_KEY)
    page.get_by_role("button", name="Test and replace the key").click()

    expect(page.get_by_role("alert")).to_contain_text("another Cursor team")
    assert_readable(page)
    page.get_by_label("It is the same Cursor team").check()
    page.get_by_label("Admin API Key").fill(FOREIGN_KEY)
    page.get_by_role("button", name="Test and replace the key").click()

    expect(page.get_by_text("works and is in use.")).to_be_visible()


def test_a_seat_price_is_previewed_while_it_is_typed_and_then_saved(page, logged_in, center):
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "seats/"))
    preview = page.locator("#preview")
    expect(preview.get_by_role("button", name="Save")).to_have_count(0)

    page.get_by_label("Price of a seat a month in USD").fill("60")
    expect(preview).to_contain_text("With the change")
    before = preview.inner_text()
    page.get_by_label("Committed seats").fill("500")
    expect(preview).to_contain_text("of the committed seats are taken by nobody")
    assert preview.inner_text() != before
    page.get_by_label("Price of a seat a month in USD").fill("sixty")
    expect(preview).to_contain_text("It cannot be saved like this")
    page.get_by_label("Price of a seat a month in USD").fill("60")
    next_month = (timezone.now().date().replace(day=28) + timedelta(days=5)).replace(day=1)
    page.get_by_label("From (UTC day)").fill(next_month.isoformat())
    expect(preview.get_by_text("the change holds all month")).to_be_visible()
    assert_readable(page)
    preview.get_by_role("button", name="Save").click()

    expect(page.get_by_role("status")).to_contain_text("a seat costs $60.00 a month, with 500 committed.")
    expect(page.locator("#prices")).to_contain_text("Scheduled")
    page.set_viewport_size({"width": 360, "height": 800})
    assert_readable(page)
    assert SeatPrice.objects.count() == 2
    page.get_by_role("button", name="Delete the price from").click()
    expect(page.locator("#prices")).not_to_contain_text("Scheduled")


def test_tracking_is_stopped_with_the_keyboard(page, logged_in, center):
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "seats/"))
    page.get_by_label("Track seats at this price").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Price of a seat a month in USD")).to_be_hidden()
    save = page.locator("#preview").get_by_role("button", name="Save")
    expect(save).to_be_visible()
    save.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("From today on seats are not tracked.")


def test_without_javascript_a_price_takes_two_steps(browser, live_server, logged_in, center):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "seats/"))
    page.get_by_label("Price of a seat a month in USD").fill("60")
    page.get_by_role("button", name="Show what it will cost").click()
    expect(page.locator("#preview")).to_contain_text("With the change")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("From today on a seat costs $60.00 a month.")).to_be_visible()

    page.goto(address(center, "read-again/"))
    page.get_by_role("button", name="Show what is stored").click()
    expect(page.locator("#stored")).to_contain_text("Stored of")
    context.close()


def test_paused_and_resumed(page, logged_in, center):
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "edit/"))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: nothing is read until you resume it.")).to_be_visible()
    assert CostCenter.objects.get().status == CostCenter.Status.PAUSED

    page.goto(address(center, "edit/"))
    assert_readable(page)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Resumed: what was missed is being read now.")).to_be_visible()
    page.goto(address(center, "edit/"))
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The key works: Cursor answered with")).to_be_visible()
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE


def test_days_are_read_again_after_a_look_at_what_is_stored(page, logged_in, api, center):
    day = sorted({row["day"] for row in api.truth()["rows"]})[2]
    logged_in(page, UserFactory(role="Editor"))
    page.goto(address(center, "read-again/"))
    page.get_by_label("First day (UTC)").fill(day)
    page.get_by_label("Last day (UTC)").fill(day)
    expect(page.locator("#stored")).to_contain_text(re.compile(r"\d+ events?, \$[\d.]+ billed"))
    page.get_by_label("Fewer events may replace").check()
    page.get_by_role("button", name="Read these days again").click()

    expect(page.get_by_text("is being read again. This page shows")).to_be_visible()
    assert Integration.objects.get().streams.get(name="usage").reread_may_shrink


def test_removed_only_after_its_name_was_typed(page, logged_in, api, center):
    logged_in(page, UserFactory(role="Admin"))
    page.goto(address(center, "edit/"))
    page.get_by_role("link", name="Remove…").click()
    page.get_by_label("Name of the cost center").fill("Cursro")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This is not its name.")).to_be_visible()
    expect(page.get_by_label("Name of the cost center")).to_have_value("Cursro")
    assert_readable(page)

    page.get_by_label("Name of the cost center").fill("Cursor")
    page.get_by_role("button", name="Remove").click()

    page.wait_for_url("**/settings/cost-centers/")
    expect(page.get_by_text("“Cursor” is removed: its key is deleted.")).to_be_visible()
    expect(page.get_by_text(f"Now revoke the key (…{api.api_key[-4:]})")).to_be_visible()
    assert Integration.objects.get().credentials is None
    page.goto(address(center, "remove/"))
    expect(page.get_by_role("heading", name="Delete the history of Cursor?")).to_be_visible()
    assert_readable(page)


def test_the_pages_are_accessible_and_fit_the_screen(page, logged_in, center):
    logged_in(page, UserFactory(role="Admin"))
    CostCenter.objects.update(name="Cursor-" + "ÄverylongNamewithoutanyspace" * 3)
    for name in ("edit/", "key/", "seats/", "read-again/?first=2026-01-05&last=2026-01-01", "remove/"):
        page.goto(address(center, name))
        assert_readable(page)
    page.goto(address(center, "seats/"))
    page.get_by_label("Price of a seat a month in USD").fill("123456")
    expect(page.locator("#preview")).to_contain_text("With the change")
    assert_readable(page)
