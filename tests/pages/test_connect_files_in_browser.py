"""From a tile to a bill that was read from files, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from integrations.models import Integration, Stream
from tests.connecting import work
from tests.factories import UserFactory
from tests.integrations.deliveries.bills import bill, row
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    place = tmp_path / "aws"
    place.mkdir()
    return place


def test_from_the_tile_to_the_bill(page, log_in, folder, mail):
    bill(folder / "2026-10" / "a.csv", row(billed="12.50"))
    log_in(page, UserFactory(role="Admin", username="ada@example.com"))
    page.get_by_role("link", name="Cost centers", exact=True).click()
    page.get_by_role("link", name=re.compile("Connect Now.*AWS")).click()
    assert_readable(page)

    # What cannot be is told where it stands; a secret has to be typed again.
    page.get_by_label("Location").fill("/etc")
    page.get_by_label("Secret Access Key").fill("something-secret")
    page.get_by_role("button", name="Complete Setup").click()
    expect(page.get_by_text("not among those that may be read")).to_be_visible()
    expect(page.get_by_label("Location")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Location")).to_have_value("/etc")
    expect(page.get_by_label("Secret Access Key")).to_have_value("")

    page.get_by_label("Location").fill(str(folder))
    page.get_by_role("button", name="Complete Setup").click()
    page.wait_for_url(re.compile(r"/settings/cost-centers/\d+/$"))
    expect(page.get_by_text("Files are looked for and read.")).to_be_visible()

    # The page fills by itself while the worker works.
    page.evaluate("window.neverReloaded = true")
    integration = Integration.objects.get()
    work(integration)
    expect(page.get_by_text("Set-up is complete.")).to_be_visible(timeout=10_000)
    expect(page.locator("#files-card")).to_contain_text("1 imported")
    assert page.evaluate("window.neverReloaded")

    # A file that is not right is told of, and leads to its page.
    bill(folder / "2026-11" / "bad.csv", row("2026-11-01", billed="12,5"))
    page.reload()
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("Looking for new and changed files now.")).to_be_visible()
    work(integration)
    expect(page.get_by_text("1 file is refused.")).to_be_visible(timeout=10_000)
    assert_readable(page)
    page.get_by_role("link", name="See why, and what to do").click()
    expect(page.get_by_text("bad.csv").first).to_be_visible()


@pytest.mark.parametrize("slug", ["gcp", "azure", "focus_files"])
def test_every_form_and_its_help_can_be_read(slug, page, log_in):
    log_in(page, UserFactory(role="Editor"))
    page.goto(page.url.partition("/accounts")[0].rstrip("/") + reverse("connect", args=[slug]))
    expect(page.get_by_role("heading", name="What happens then")).to_be_visible()
    assert_readable(page)


def test_the_pages_that_change_it_can_be_read(page, log_in, folder):
    bill(folder / "a.csv", row(billed="1"))
    log_in(page, UserFactory(role="Admin"))
    page.get_by_role("link", name="Cost centers", exact=True).click()
    page.get_by_role("link", name=re.compile("Connect Now.*AWS")).click()
    page.get_by_label("Location").fill(str(folder))
    page.get_by_role("button", name="Complete Setup").click()
    page.wait_for_url(re.compile(r"/settings/cost-centers/\d+/$"))
    address = page.url
    work(Integration.objects.get())
    assert Stream.objects.get().finished_at
    for part in ("", "edit/", "key/", "remove/", "read-again/", "runs/"):
        page.goto(address + part)
        assert_readable(page)
