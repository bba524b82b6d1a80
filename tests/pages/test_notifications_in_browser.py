"""Choosing e-mails in a real browser, and what the link of an e-mail leads to."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from finops.models import NotificationSetting
from finops.notifications import KINDS, stop_url
from tests.factories import PASSWORD, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def flags(user):
    return NotificationSetting.objects.values_list("key_refused", "recovered", "every_cost_center").get(
        user=user
    )


def test_wishes_are_chosen_by_keyboard_and_a_test_e_mail_is_sent(page, logged_in, mail):
    cache.clear()
    user = UserFactory(role="Viewer")
    logged_in(page, user)
    page.goto("/")
    page.get_by_role("link", name="Notifications").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Notifications")
    expect(page.get_by_role("link", name="Notifications")).to_have_attribute("aria-current", "page")
    key = page.get_by_role("checkbox", name="A key is refused")
    expect(key).to_have_accessible_description(
        "The provider no longer accepts it: nothing new is read until somebody replaces it."
    )

    key.focus()
    page.keyboard.press("Space")
    page.get_by_text("Also for cost centers that others connected").click()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Saved.")).to_be_visible()
    assert flags(user) == (False, True, True)
    expect(key).not_to_be_checked()

    page.get_by_role("button", name="Send me a test e-mail").click()
    expect(page.get_by_text("was handed to the mail server")).to_be_visible()
    assert [message["To"] for message in mail.messages] == [user.email]


def test_the_link_of_an_e_mail_works_without_scripts_and_without_a_session(browser, live_server):
    user = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(stop_url(user, KINDS["key_refused"]).partition("8000")[2])
    assert not NotificationSetting.objects.exists()

    page.get_by_role("button", name="Stop these e-mails").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("These e-mails are stopped")
    assert flags(user) == (False, True, False)

    page.get_by_role("link", name="Choose your e-mails").click()
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("checkbox", name="A key is refused").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert flags(user) == (True, True, False)
    context.close()


def test_the_pages_fit_and_are_accessible(page, logged_in, expected_errors):
    expected_errors.append("404 (Not Found)")
    user = UserFactory(role="Admin", email=f"{'somebody.' * 20}indeed@example.com")
    stopped = NotificationSetting.objects.create(user=UserFactory(role="Viewer"), recovered=False).user
    logged_in(page, user)
    for path in (
        "/settings/notifications/",
        stop_url(user, KINDS["recovered"]).partition("8000")[2],
        stop_url(stopped, KINDS["recovered"]).partition("8000")[2],
        "/notifications/stop/nonsense/",
    ):
        page.goto(path)
        assert_readable(page)
