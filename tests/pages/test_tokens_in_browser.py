"""A token is made, copied, tried and revoked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from finops.models import ApiToken
from tests.api.answers import token_of
from tests.factories import UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_token_is_made_copied_and_revoked(page: Page, logged_in: Any, live_server: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    logged_in(page, UserFactory(role="Editor"))
    page.goto("/settings/cost-centers/")
    page.get_by_role("link", name="API tokens").click()
    expect(page.get_by_text("You have no tokens yet.")).to_be_visible()
    assert_readable(page)
    page.get_by_label("Name").fill("Nightly export")
    page.get_by_label("Read and change").check()
    page.get_by_label("Good for").select_option("30 days")
    page.get_by_role("button", name="Make the token").click()

    expect(page.get_by_role("heading", name="“Nightly export” is made")).to_be_visible()
    assert_readable(page)
    page.get_by_role("button", name="Copy the token").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    token = page.evaluate("navigator.clipboard.readText()")
    asked = page.request.get("/api/v1/me/", headers={"Authorization": f"Bearer {token}", "Cookie": ""})
    assert asked.json()["token"]["name"] == "Nightly export"
    page.get_by_role("button", name="Copy the example").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()") == (
        f'curl -H "Authorization: Bearer {token}" {live_server.url}/api/v1/me/'
    )

    page.reload()
    expect(page.get_by_role("row", name="Nightly export")).to_be_visible()
    assert token not in page.content()
    assert ApiToken.objects.count() == 1
    page.go_back()
    page.go_forward()
    expect(page.get_by_role("row", name="Nightly export")).to_be_visible()
    assert token not in page.content()

    page.get_by_role("link", name="Revoke… Nightly export").click()
    expect(page.get_by_role("heading", name="Revoke “Nightly export”?")).to_be_visible()
    assert_readable(page)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("“Nightly export” is revoked")).to_be_visible()
    assert not ApiToken.objects.exists()


def test_everybodys_tokens_are_readable(page: Page, logged_in: Any, expected_errors: list[str]) -> None:
    expected_errors.append("status of 400")
    admin = UserFactory(role="Admin")
    owner = UserFactory(
        username="a.very.long.name.of.somebody@subsidiary-of-a-large-company.example.com", is_active=False
    )
    token_of(owner, name="A very long name of a token for a script that does a lot of things " + "x" * 30)
    token_of(admin, name="script", expiry=None)
    logged_in(page, admin)
    page.goto("/settings/tokens/?owner=all")
    assert_readable(page)
    page.goto("/settings/tokens/")
    page.get_by_label("Name").fill("script")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_text("There is a token called “script” already.")).to_be_visible()
    assert_readable(page)
