"""The audit log in a browser: filtered, paged, read on a phone and by a screen reader, downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from finops.audit_log import record
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def admin(page: Page, logged_in: Any) -> Any:
    user = UserFactory(role="Admin", username="ann")
    logged_in(page, user)
    return user


@pytest.fixture
def history(admin: Any) -> None:
    center = CostCenterFactory(name="Cursor Team")
    for turn in range(60):
        record.happened(center, f"read again, time {turn}")
    SavedViewFactory(owner=admin, name="A view", query="preset=12m&user=" + "somebody.long@example.com" * 8)


def test_an_admin_filters_pages_and_downloads(page, history, tmp_path):
    page.goto("/settings/cost-centers/")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator(".audit-log tbody tr")).to_have_count(50)

    page.get_by_role("link", name="Older →").click()
    expect(page.get_by_role("link", name="← Newer")).to_be_visible()
    expect(page.locator(".audit-log")).to_contain_text("read again, time 0")

    page.get_by_label("Kind").select_option("Saved view")
    page.get_by_role("button", name="Show").click()
    rows = page.locator(".audit-log tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("added the saved view A view")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 2
    assert "A view" in lines[1]
    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".audit-log tbody tr")).to_have_count(50)


def test_the_object_leads_to_its_page(page, history):
    page.goto("/settings/audit-log/?kind=cost-center")
    page.locator(".audit-log tbody").get_by_role("link", name="Cursor Team").first.click()
    page.wait_for_url("**/settings/cost-centers/*/")


def test_it_is_readable_for_everybody(page, history, expected_errors):
    expected_errors += ["400 (Bad Request)"]
    for path in ("/settings/audit-log/", "/settings/audit-log/?q=nobody", "/settings/audit-log/?kind=stream"):
        page.goto(path)
        assert_readable(page)
