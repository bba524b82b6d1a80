"""From "Connect Now" to the bill, in a real browser, as somebody would who has just installed Onebill."""

from __future__ import annotations

import csv
import re
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import expect

from integrations.models import Integration
from tests.connecting import part, work
from tests.factories import UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def in_background(integration: Integration) -> threading.Thread:
    """The worker's work, while the browser looks on."""

    def run() -> None:
        try:
            work(integration)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_from_connect_now_to_the_bill(page, log_in, api, mail):
    log_in(page, UserFactory(role="Editor", username="eve@example.com"))
    page.get_by_role("link", name="Cost centers", exact=True).click()
    page.get_by_role("link", name=re.compile("Connect Now.*Cursor")).click()

    # A wrong key says why and keeps the rest.
    page.get_by_label("Cost Center Name").fill("Cursor – engineering")
    page.get_by_label("Admin API Key").fill("crsr_revoked0123456789abcdef")
    page.get_by_label("Monthly Seat Price in USD").fill("40.00")
    page.get_by_role("button", name="Complete Setup").click()
    expect(page.get_by_role("alert")).to_contain_text("Cursor refused this key (401")
    expect(page.get_by_label("Cost Center Name")).to_have_value("Cursor – engineering")
    expect(page.get_by_label("Admin API Key")).to_have_value("")
    expect(page.get_by_label("Admin API Key")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Monthly Seat Price in USD")).to_have_value("40.00")

    # The right one leads to the page of the cost center, which fills while the worker works.
    page.get_by_label("Admin API Key").fill(f" {api.api_key} ")
    page.get_by_role("button", name="Complete Setup").click()
    page.wait_for_url(re.compile(r"/settings/cost-centers/\d+/$"))
    expect(page.get_by_text("History is being loaded.")).to_be_visible()
    page.evaluate("window.neverReloaded = true")
    working = in_background(Integration.objects.get())
    expect(page.get_by_text("Set-up is complete.")).to_be_visible(timeout=30_000)
    expect(page.locator("#status")).to_contain_text("Active")
    expect(page.locator("#status")).to_contain_text("Complete through")
    expect(page.locator("#runs tbody tr").first).to_be_visible()
    expect(page.locator("#team")).to_contain_text("active in a paid seat")
    assert page.evaluate("window.neverReloaded")
    working.join()

    # The e-mail.
    (message,) = mail.messages
    assert message["To"] == "eve@example.com"
    assert "is connected, and its history is loaded" in part(message, "plain")

    # The bill, to the nano-dollar.
    totals = api.truth()["totals"]
    page.get_by_role("link", name="See them in the explorer").click()
    expect(page.get_by_role("heading", name="Explorer")).to_be_visible()
    page.goto("/explorer/?preset=90d&charge_type=usage&group_by=model&group_by=kind")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert sum(Decimal(row["billed_cost"]) for row in rows) == Decimal(int(totals["billed_nano"])).scaleb(-9)
    assert sum(Decimal(row["list_cost"]) for row in rows) == Decimal(int(totals["list_nano"])).scaleb(-9)
    assert sum(int(row["line_items"]) for row in rows) == totals["events"]


def test_polling_ends_when_there_is_nothing_to_wait_for(page, logged_in, api):
    user = UserFactory(role="Editor")
    logged_in(page, user)
    page.goto("/settings/cost-centers/connect/cursor/")
    page.get_by_label("Admin API Key").fill(api.api_key)
    with page.expect_response(re.compile("/progress/")):
        page.get_by_role("button", name="Complete Setup").click()
    with page.expect_response(re.compile("/progress/")):
        in_background(Integration.objects.get()).join()
    expect(page.get_by_text("Set-up is complete.")).to_be_visible()

    polled: list[str] = []
    page.on("request", lambda request: polled.append(request.url))
    page.wait_for_timeout(3000)

    assert polled == []


def test_the_pages_are_accessible_and_fit_the_screen(page, logged_in, api):
    logged_in(page, UserFactory(role="Admin"))
    addresses = ["/settings/cost-centers/", "/settings/cost-centers/connect/cursor/"]
    page.goto(addresses[1])
    page.get_by_role("button", name="Complete Setup").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert_readable(page)
    page.get_by_label("Admin API Key").fill(api.api_key)
    page.get_by_role("button", name="Complete Setup").click()
    expect(page.get_by_text("History is being loaded.")).to_be_visible()
    assert_readable(page)
    in_background(Integration.objects.get()).join()
    addresses.append(Integration.objects.get().cost_center.get_absolute_url())
    for address in addresses:
        page.goto(address)
        assert_readable(page)


def test_the_administration_runs_under_the_content_security_policy(page, logged_in, api):
    logged_in(page, UserFactory(role="Admin"))
    page.goto("/")
    page.locator("nav a[href='/admin/']").click()
    expect(page.get_by_role("link", name="Onebill administration")).to_be_visible()
    page.get_by_role("link", name="Cost line items").first.click()
    expect(page.get_by_role("heading", name="Select cost line item to view")).to_be_visible()
