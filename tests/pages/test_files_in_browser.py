"""Deliveries in a real browser: uploading with and without the page's script, what is asked, what is refused."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from costcenters.focus.delivery import Problem
from finops.models import Heartbeat
from integrations.deliveries import receiving
from integrations.deliveries.findings import BilledPeriod, Findings
from integrations.models import ImportedFile
from tests.connecting import work
from tests.factories import UserFactory
from tests.integrations.deliveries.uploading import (
    FAR,
    ROWS,
    address,
    files_center,
    imported_file,
    kept,
)
from tests.pages.accessibility import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
State = ImportedFile.State
#: As small as a FOCUS file can be.
FOCUS = "\n".join(
    [
        "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,BillingAccountName,"
        "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ProviderName",
        *(
            f"{day}.5,{day}.5,{day}.5,{day}.5,USD,4711,Acme <main>,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,"
            f"2026-10-{day:02}T00:00:00Z,2026-10-{day + 1:02}T00:00:00Z,Usage,Compute,Example Cloud"
            for day in range(1, 5)
        ),
        "",
    ]
).encode()


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.UPLOADS_DIR = str(tmp_path / "uploads")


@pytest.fixture
def integration():
    Heartbeat.beat(Heartbeat.WORKER, timezone.now())
    return files_center()


@pytest.fixture
def editor(page, logged_in):
    user = UserFactory(role="Editor", username="ada@example.com")
    logged_in(page, user)
    return user


def payload(name: str = "october.csv", content: bytes = ROWS) -> Any:
    return {"name": name, "mimeType": "text/csv", "buffer": content}


def assert_fine(page: Page) -> None:
    """Axe finds nothing, and nothing makes the page wider than the screen."""
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_a_file_is_uploaded_read_and_imported(page, editor, integration):
    page.goto(address(integration))
    expect(page.get_by_text("No files yet.")).to_be_visible()
    assert_fine(page)

    page.get_by_label("Files of one delivery").set_input_files([payload("october.csv", FOCUS)])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Uploaded 1 file.")).to_be_visible()
    delivery = page.get_by_role("article", name="october.csv")
    expect(delivery).to_contain_text("Waits to be read")
    expect(delivery).to_contain_text("by ada@example.com")
    assert_fine(page)

    # The worker reads it while the page is open.
    work(integration)
    expect(delivery.get_by_text("Imported", exact=True).first).to_be_visible()
    expect(delivery).to_contain_text("Acme <main> (4711)")
    expect(page.locator("#delivery-said")).to_have_text("october.csv: Imported")
    assert kept() == []
    assert_fine(page)


def test_a_bad_file_is_refused_with_a_table_of_its_problems(page, editor, integration):
    page.goto(address(integration))
    page.get_by_label("Files of one delivery").set_input_files(
        [payload("october.csv", FOCUS.replace(b"2.5,2.5", b"<i>2</i>,2.5", 1))]
    )
    page.get_by_role("button", name="Upload").click()
    delivery = page.get_by_role("article", name="october.csv")
    expect(delivery).to_be_visible()

    work(integration)
    table = delivery.get_by_role("table")
    expect(table).to_contain_text("<i>2</i>")
    expect(table.get_by_role("row").nth(1)).to_contain_text("BilledCost")
    expect(delivery.get_by_role("button", name="Try again")).to_be_visible()
    assert_fine(page)


def test_the_form_works_without_a_script(browser: Browser, live_server, integration):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    client, user = Client(), UserFactory(role="Editor")
    client.force_login(user)
    session = client.cookies[django_settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])
    page = context.new_page()
    page.goto(address(integration))

    page.get_by_label("Files of one delivery").set_input_files([payload("a.csv"), payload("b.xlsx")])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("b.xlsx is no .csv, .csv.gz or .parquet file.")
    assert not ImportedFile.objects.exists()

    page.get_by_label("Files of one delivery").set_input_files([payload("a.csv")])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("article", name="a.csv")).to_contain_text("Waits to be read")
    assert "Reload this page to see how far it has come." in page.content()
    context.close()


def test_what_is_wrong_is_said_before_anything_is_sent(page, editor, integration, settings):
    settings.UPLOAD_MAX_BYTES = 50_000
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 4
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(address(integration))

    page.get_by_label("Files of one delivery").set_input_files(
        [
            payload("<b>bill</b>.xlsx"),
            payload("empty.csv", b""),
            payload("a.csv"),
            payload("a.csv"),
            payload("large.csv", b"x" * 60_000),
        ]
    )
    page.get_by_role("button", name="Upload").click()

    alert = page.get_by_role("alert")
    for part in (
        "These are 5 files. Upload at most 4 at once.",
        "<b>bill</b>.xlsx is no .csv, .csv.gz or .parquet file.",
        "empty.csv is empty.",
        "and at most 48.8\xa0KB can be sent at once.",
    ):
        expect(alert).to_contain_text(part)
    assert sent == []
    assert_fine(page)


def test_what_the_server_refuses_is_said_in_place(page, editor, integration, expected_errors):
    expected_errors.append("400")
    page.goto(address(integration))
    page.get_by_label("Files of one delivery").set_input_files([payload("a.csv"), payload("b.csv")])
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("alert")).to_contain_text("a.csv and b.csv hold the same: upload one of them.")
    expect(page.get_by_role("button", name="Upload")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert_fine(page)


def test_an_upload_shows_how_far_it_is_and_can_be_cancelled(page, editor, integration, monkeypatch, tmp_path):
    """The server is slow, so that the browser waits with the rest."""
    goes_on = threading.Event()
    take = receiving.Receiving.receive_data_chunk

    def slowly(handler, data, start):
        if start > 100_000:
            goes_on.wait(10)
        take(handler, data, start)

    monkeypatch.setattr(receiving.Receiving, "receive_data_chunk", slowly)
    page.goto(address(integration))
    big = tmp_path / "big.csv"
    big.write_bytes(b"x" * 30_000_000)
    page.get_by_label("Files of one delivery").set_input_files(big)
    page.get_by_role("button", name="Upload").click()

    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_focused()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(re.compile(r"MB of 28\.6 MB, \d+ %"))).to_be_visible()
    expect(page.get_by_label("Files of one delivery")).to_be_disabled()
    assert_fine(page)
    cancel.press("Enter")

    expect(page.get_by_text("Cancelled. Nothing was kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Upload")).to_be_focused()
    goes_on.set()
    page.goto(address(integration))
    expect(page.get_by_text("No files yet.")).to_be_visible()
    assert not ImportedFile.objects.exists()


def test_a_log_in_that_ran_out_is_told(page, editor, integration):
    page.goto(address(integration))
    page.context.clear_cookies()
    page.get_by_label("Files of one delivery").set_input_files([payload()])
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("alert")).to_contain_text("You are not logged in any more")


def test_a_server_that_is_gone_is_told(page, editor, integration, expected_errors):
    expected_errors.append("ERR_FAILED")
    page.goto(address(integration))
    page.route("**/files/upload/", lambda route: route.abort())
    page.get_by_label("Files of one delivery").set_input_files([payload()])
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("alert")).to_contain_text("The connection broke")


def several(integration) -> None:
    """A delivery in every state."""
    hostile = "<img src=x onerror=alert(1)>" + "y" * 200
    asks = Findings(
        questions=("It would lower October from USD 9.00 to USD 4.00.",),
        notes=("Columns that are not kept: x_Foo.",),
        statements=(BilledPeriod("1 – 31 Oct 2026", hostile),),
    )
    refused = Findings.of_problems(
        [
            Problem(f"{hostile}.csv", 7, "BilledCost", hostile, "Is no number."),
            Problem("b", 0, "", "", "Empty."),
        ],
        30,
    )
    imported_file(integration, state=State.SUPERSEDED, rows=1)
    imported_file(integration, state=State.IMPORTED, rows=1234, location=f"s3://bucket/{'z' * 300}/a.csv")
    imported_file(integration, state=State.REFUSED, message=str(refused), location="x/refused.csv")
    for part in range(3):
        imported_file(
            integration, delivery="d", state=State.ASKS, message=str(asks), location=f"x/asks-{part}.csv"
        )
    imported_file(integration, location=f"upload/u/1-{'w' * 150}.csv", delivery="u")
    integration.streams.update(due_at=FAR)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_every_state_is_readable_on_every_screen(page, editor, integration, scheme, width):
    several(integration)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address(integration))

    expect(page.get_by_role("article")).to_have_count(5)
    page.get_by_text("3 files", exact=True).click()
    assert_fine(page)


def test_a_question_is_answered_by_keyboard(page, editor, integration):
    several(integration)
    page.goto(f"{address(integration)}?state=asks")
    page.get_by_role("button", name="Import anyway").press("Enter")

    expect(page.get_by_text("It is imported now, as you said.")).to_be_visible()
    assert ImportedFile.objects.filter(delivery="d", state=State.FOUND, is_confirmed=True).count() == 3


def test_open_details_stay_open_while_another_delivery_is_read(page, editor, integration):
    several(integration)
    integration.streams.update(due_at=timezone.now())
    page.goto(address(integration))
    page.get_by_text("3 files", exact=True).click()
    integration.streams.update(claimed_until=timezone.now() + timedelta(minutes=1), claim_token="x")

    expect(page.get_by_text("Being read", exact=True)).to_be_visible()
    expect(page.get_by_role("table", name="Files of this delivery")).to_be_visible()
