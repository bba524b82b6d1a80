"""Pages without a browser test of their own: no flaw for axe, no sideways scrolling, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOR_ALL = [
    "/accounts/login/",
    "/accounts/password_reset/",
    "/accounts/password_reset/done/",
    "/accounts/reset/x/y/",
]
OF_AN_EDITOR = [
    "/settings/cost-centers/",
    "/settings/cost-centers/{pk}/",
    "/settings/cost-centers/connect/cursor/",
    "/accounts/password_change/",
    "/accounts/password_change/done/",
    "/explorer/views/new/?preset=7d&group_by=model",
]
WITH_ERRORS = {"/explorer/?preset=never": 400, "/explorer/line-items/?preset=never": 400, "/nowhere/": 404}


def test_pages_before_the_log_in(page: Page) -> None:
    for path in FOR_ALL:
        page.goto(path)
        assert_readable(page)


def test_pages_of_an_editor(page: Page, logged_in: Any) -> None:
    row = DailyCostFactory()
    logged_in(page, UserFactory(role="Editor"))
    for path in OF_AN_EDITOR:
        page.goto(path.format(pk=row.cost_center.pk))
        assert_readable(page)


def test_pages_that_refuse(page: Page, logged_in: Any, expected_errors: list[str]) -> None:
    CostCenterFactory()
    logged_in(page, UserFactory(role="Viewer"))
    for path, status in {**WITH_ERRORS, "/settings/cost-centers/connect/cursor/": 403}.items():
        expected_errors.append(f"status of {status}")
        response = page.goto(path)
        assert response
        assert response.status == status, path
        assert_readable(page)
