"""A real browser for the pages: headless Chromium, in which any error of a page fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.conftest import find_chromium
from tests.factories import PASSWORD


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests. Without a Chromium the tests marked `browser` were skipped before (in CI: failed)."""
    path = find_chromium()
    assert path, "mark the test with `browser`: it needs a Chromium"
    # Playwright runs an event loop in this thread, which Django would take for an async view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def expected_errors() -> list[str]:
    """Parts of console messages that a test provokes on purpose."""
    return []


@pytest.fixture
def page(browser: Browser, live_server: Any, expected_errors: list[str]) -> Iterator[Page]:
    """A fresh tab whose relative addresses are the live server's. Console errors, CSP violations, uncaught exceptions
    and failed requests fail the test at its end."""
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 1000})
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    errors: list[str] = []
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("requestfailed", lambda request: errors.extend(failure(request)))
    yield tab
    context.close()
    unexpected = [error for error in errors if not any(part in error for part in expected_errors)]
    assert unexpected == []


def failure(request: Request) -> list[str]:
    """What is wrong with a request that failed: nothing when it was given up for a newer one, or is a download."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.failure}: {request.url}"]


@pytest.fixture
def logged_in(live_server: Any) -> Callable[[Page, User], None]:
    """Gives a tab the session of `user`, at once. It leads nowhere: the test goes to its page itself."""

    def with_a_session(page: Page, user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])

    return with_a_session


@pytest.fixture
def log_in() -> Callable[[Page, User], None]:
    """Logs `user` in through the form, as people do, and leads to the overview."""

    def through_the_form(page: Page, user: User) -> None:
        page.goto("/accounts/login/")
        page.fill("[name=username]", user.get_username())
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/")

    return through_the_form
