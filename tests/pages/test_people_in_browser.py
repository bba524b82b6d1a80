"""From the invitation to the first page, with a mail server and two browsers' worth of people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from finops.people.invitations import invite
from finops.people.roles import Role
from tests.connecting import part
from tests.factories import PASSWORD, UserFactory, role_group
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHOSEN = "a quite-long one 7"


def test_somebody_is_invited_by_hand_and_comes_in(
    page: Page, logged_in: Any, live_server: Any, mail: Any, settings: Any
) -> None:
    settings.SITE_URL = live_server.url
    for role in Role:
        role_group(role)
    logged_in(page, UserFactory(role="Admin", first_name="Ada"))
    page.goto("/")
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("E-mail address").fill("Rin@Example.com")
    page.get_by_label("Editor").check()
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_role("status")).to_contain_text("a mail with a link is on its way")
    expect(page.get_by_role("row", name="rin@example.com")).to_contain_text("Invited, waiting")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("referer", "")))
    link = re.search(r"http://\S+/invitation/\S+", part(mail.messages[0], "plain"))
    assert link
    page.goto(link[0])
    expect(page.get_by_text("is logged in. Coming in as rin@example.com logs")).to_be_visible()
    assert_readable(page)
    page.get_by_label("Your name").fill("Rin Tanaka")
    page.get_by_label("New password", exact=True).fill(CHOSEN)
    page.get_by_label("New password confirmation").fill(CHOSEN)
    page.get_by_role("button", name="Come in").click()

    page.wait_for_url(f"{live_server.url}/")
    expect(page.locator(".rail .who")).to_have_text("rin@example.com")
    token = link[0].rstrip("/").rpartition("/")[2]
    assert not [address for address in asked if token in address]
    assert User.objects.get(username="rin@example.com").check_password(CHOSEN)


def test_a_person_is_deactivated_and_reactivated_with_the_keyboard(page: Page, logged_in: Any) -> None:
    user = UserFactory(role="Viewer", first_name="Rin")
    logged_in(page, UserFactory(role="Admin"))
    page.goto(f"/settings/people/{user.pk}/")
    page.get_by_role("link", name="Deactivate…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Deactivate Rin?")).to_be_visible()
    page.get_by_role("button", name="Deactivate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("logged out everywhere")
    page.get_by_role("button", name="Reactivate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is reactivated")
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


def test_the_pages_about_people_are_readable_by_everybody(page: Page, logged_in: Any, client: Any) -> None:
    for role in Role:
        role_group(role)
    admin = UserFactory(role="Admin")
    user = UserFactory(
        role="Editor",
        first_name="Somebody With a Really Rather Long Name of Many Words and Titles Besides",
        username="a.very.long.name.of.somebody@subsidiary-of-a-large-company.example.com",
    )
    waiting = invite(admin, "new@example.com", Role.VIEWER)
    gone = UserFactory(role="Viewer", is_active=False)
    for _ in range(10):
        client.post("/accounts/login/", {"username": user.username, "password": "wrong"})
    logged_in(page, admin)
    for path in (
        "",
        "?q=nobody-is-called-so",
        "invite/",
        f"{admin.pk}/",
        f"{user.pk}/",
        f"{user.pk}/deactivate/",
        f"{waiting.pk}/",
        f"{gone.pk}/",
    ):
        page.goto(f"/settings/people/{path}")
        assert_readable(page)


def test_an_empty_install_and_a_dead_link_are_readable(page: Page) -> None:
    page.goto("/accounts/login/")
    expect(page.get_by_text("Nobody can log in yet.")).to_be_visible()
    assert_readable(page)
    page.goto("/invitation/MQ/a-b/")
    expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()
    assert_readable(page)
