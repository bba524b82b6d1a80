"""Exports in a browser: choosing, seeing what there is, downloading, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from costcenters.models import CostLineItem
from tests.costcenters.focus.exported import a_ledger, parsed, parsed_parquet
from tests.factories import UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
EVERYTHING = "/settings/exports/?start=2026-10-01&end=2026-11-21"


@pytest.fixture
def exports(page: Page, logged_in: Callable[..., None]) -> Page:
    a_ledger()
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(EVERYTHING)
    return page


def test_every_choice_tells_at_once_what_the_file_holds(exports: Page):
    size = exports.locator(".export-size .value")
    expect(size).to_have_text(f"{CostLineItem.objects.count()} line items")

    exports.get_by_label("Cursor").check()
    expect(size).to_have_text("10 line items")
    exports.get_by_label("Through").fill("2026-11-02")
    expect(size).to_have_text("4 line items")
    expect(exports.locator("#export-answer")).to_contain_text("end=2026-11-02&cost_center=Cursor")


def test_downloads_what_is_chosen(exports: Page, tmp_path: Path):
    exports.get_by_label("Subscriptions").check()
    expect(exports.locator(".export-size")).to_contain_text("22 line items")
    exports.get_by_label("Parquet").check()
    expect(exports.locator(".export-size")).to_contain_text("about 2.4 kB")
    with exports.expect_download() as download:
        exports.get_by_role("button", name="Download").click()
    file = tmp_path / "file"
    download.value.save_as(file)

    assert download.value.suggested_filename == "onebill_focus-1.2_2026-10-01_2026-11-21.parquet"
    assert parsed_parquet(file.read_bytes()).num_rows == 22


def test_days_in_the_wrong_order_are_said_where_one_looks(exports: Page, expected_errors: list[str]):
    expected_errors.append("400")
    exports.get_by_label("Through").fill("2026-09-01")
    expect(exports.locator("#export-problems")).to_contain_text("Is before the start")

    exports.get_by_label("Through").fill("2026-11-21")
    expect(exports.locator("#export-problems")).to_be_empty()
    expect(exports.locator(".export-size")).to_be_visible()


def test_a_month_is_a_click_away(exports: Page):
    exports.get_by_role("link", name="Everything").click()
    exports.wait_for_url("**/settings/exports/?start=2026-10-01**")
    expect(exports.get_by_role("link", name="Everything")).to_have_attribute("aria-current", "true")


def test_without_javascript_it_is_a_plain_form(
    browser: Browser, live_server: Any, logged_in: Callable[..., None], tmp_path: Path
):
    a_ledger()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(EVERYTHING)
    page.get_by_label("Cursor").check()
    page.get_by_role("button", name="See what it holds").click()
    page.wait_for_url("**cost_center=Cursor**")
    expect(page.locator(".export-size .value")).to_have_text("10 line items")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / "file"
    download.value.save_as(file)
    assert len(parsed(file.read_bytes())) == 10
    context.close()


def test_it_can_be_read_by_everybody(exports: Page):
    assert_readable(exports)


def test_the_dates_are_those_of_the_ledger():
    """The other tests count on it."""
    a_ledger()
    days = CostLineItem.objects.values_list("day", flat=True)
    assert (min(days), max(days)) == (date(2026, 10, 1), date(2026, 11, 21))
