"""The page on which people read the API and try it out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.api.answers import token_of
from tests.factories import UserFactory

pytestmark = pytest.mark.browser
DOCS = "/api/docs/"
#: Where the page shows `GET /api/v1/me/`.
ME = "[id^=operations-][id$=-me]"
LogIn = Callable[[Page, User], None]


def test_lists_the_operations_and_leads_back(page: Page, logged_in: LogIn):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(DOCS)

    expect(page.get_by_role("heading", name="Onebill")).to_be_visible()
    expect(page.locator(ME)).to_be_visible()
    page.locator("header").get_by_role("link", name="Onebill").click()
    page.wait_for_url("**/")


def test_asks_with_the_session(page: Page, logged_in: LogIn):
    user = UserFactory(role="Viewer")
    logged_in(page, user)
    assert try_out(page)["username"] == user.username


def test_asks_with_a_token_that_is_typed(page: Page, logged_in: LogIn):
    logged_in(page, UserFactory(role="Viewer"))
    somebody = UserFactory()
    token = token_of(somebody)
    page.goto(DOCS)
    page.get_by_role("button", name="Authorize").first.click()
    form = page.locator(".auth-container", has_text="http, Bearer")
    form.get_by_role("textbox").fill(token)
    form.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()

    assert try_out(page, is_open=True)["username"] == somebody.username


def test_a_session_may_change_things(page: Page, logged_in: LogIn):
    """What it sends carries the token that is asked of a session."""
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(DOCS)
    sent = page.locator("#swagger-ui").get_attribute("data-csrf")
    assert sent
    response = page.request.post("/api/v1/me/", headers={"X-CSRFToken": sent, "Referer": page.url})
    assert response.status == 405


def try_out(page: Page, *, is_open: bool = False) -> Any:
    """What `GET /api/v1/me/` answers when its button is pressed."""
    if not is_open:
        page.goto(DOCS)
    page.locator(f"{ME} .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(f"{ME} .live-responses-table .highlight-code pre").first
    expect(shown).to_contain_text("username")
    return json.loads(shown.inner_text())
