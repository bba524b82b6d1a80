"""The Django admin under the product's strict Content-Security-Policy, driven as people do.

The `page` fixture fails a test on any console error, and a violation of the policy is one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import reverse
from playwright.sync_api import Page, expect

from costcenters.models import SeatPrice
from finops.models import NotificationSetting
from finops.secrets import Secrets
from integrations.models import Integration, Member, Stream, SyncRun
from tests.factories import CostCenterFactory, DailyCostFactory, SavedViewFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Told by the browser itself, whatever the page does with its console.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture
def filled() -> Integration:
    """Something in every kind of table."""
    center = CostCenterFactory(name="Cursor Team")
    integration = Integration.objects.create(
        cost_center=center,
        provider="cursor",
        credentials=Secrets({"admin_api_key": "k"}),
        api_url="https://api.example.com",
    )
    now = datetime.now(UTC)
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=date(2026, 1, 1))
    Stream.objects.create(integration=integration, name="usage", due_at=now)
    SyncRun.objects.create(
        integration=integration, stream="usage", window_start=now, window_end=now, started_at=now
    )
    Member.objects.create(
        integration=integration, key="a@example.com", first_seen=now.date(), last_seen=now.date()
    )
    DailyCostFactory(cost_center=center)
    SavedViewFactory(owner=UserFactory(role="Viewer", username="rin", email="rin@example.com"))
    return integration


@pytest.fixture
def inside(page: Page, logged_in: Any) -> Page:
    """Logged in as a superuser, with an ear for violations."""
    page.add_init_script(WATCH)
    logged_in(page, UserFactory(role="Admin", username="ann", is_superuser=True))
    return page


def visit(page: Page, path: str) -> None:
    response = page.goto(path)
    assert response
    assert response.status == 200, path
    assert "default-src 'self'" in response.headers["content-security-policy"], path
    assert page.evaluate("window.violations") == [], path


def models() -> list[Any]:
    return sorted(admin.site._registry, key=lambda model: str(model._meta.label))


def address(model: Any, page: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def test_every_list_form_and_history_opens_without_a_violation(inside, filled):
    visit(inside, "/admin/")
    for model in models():
        visit(inside, address(model, "changelist"))
        if admin.site._registry[model].has_add_permission(_request_of("ann")):
            visit(inside, address(model, "add"))
        first = model._default_manager.order_by("-pk").first()
        if first is not None:
            visit(inside, address(model, "change", first.pk))
            visit(inside, address(model, "history", first.pk))


def _request_of(username: str) -> Any:
    from django.test import RequestFactory

    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username=username)
    return request


def test_filters_and_search_narrow_a_list(inside, filled):
    UserFactory(role="Editor", username="kim")
    visit(inside, address(User, "changelist"))
    expect(inside.locator("#result_list tbody tr")).to_have_count(3)
    inside.fill("#searchbar", "kim")
    inside.keyboard.press("Enter")
    inside.wait_for_url("**q=kim**")
    expect(inside.locator("#result_list tbody tr")).to_have_count(1)
    visit(inside, address(User, "changelist"))
    inside.locator("#changelist-filter").get_by_role("link", name="Viewer").click()
    inside.wait_for_url("**groups__id__exact=**")
    expect(inside.locator("#result_list")).to_contain_text("rin")
    expect(inside.locator("#result_list")).not_to_contain_text("kim")
    assert inside.evaluate("window.violations") == []


def test_the_calendar_and_clock_of_a_date_field_work(inside, filled):
    visit(inside, address(User, "change", User.objects.get(username="rin").pk))
    inside.locator(".field-last_login .datetimeshortcuts a").first.click()
    assert inside.input_value("#id_last_login_0") != ""
    inside.locator("#calendarlink0").click()
    inside.locator("#calendarbox0 td a", has_text="15").first.click()
    assert inside.input_value("#id_last_login_0").endswith("-15")
    inside.locator("#clocklink0").click()
    inside.locator("#clockbox0 a", has_text="Noon").click()
    assert inside.input_value("#id_last_login_1") == "12:00:00"
    assert inside.evaluate("window.violations") == []


def test_the_two_lists_of_a_many_to_many_field_work(inside, filled):
    rin = User.objects.get(username="rin")
    Group.objects.create(name="Finance")
    visit(inside, address(User, "change", rin.pk))
    inside.locator("#id_groups_from").select_option(label="Finance")
    inside.locator("#id_groups_add, #id_groups_add_link").first.click()
    inside.get_by_role("button", name="Save", exact=True).click()
    inside.locator(".messagelist .success").wait_for()
    assert set(rin.groups.values_list("name", flat=True)) == {"Viewer", "Finance"}


def test_a_person_is_found_by_typing_their_name(inside, filled):
    visit(inside, address(NotificationSetting, "add"))
    inside.locator(".field-user .select2-selection").click()
    inside.locator(".select2-search__field").fill("rin")
    inside.locator(".select2-results__option", has_text="rin").click()
    inside.get_by_role("button", name="Save", exact=True).click()
    inside.wait_for_url("**/admin/finops/notificationsetting/")
    assert NotificationSetting.objects.get().user.username == "rin"


def test_actions_count_what_is_selected(inside, filled):
    visit(inside, address(User, "changelist"))
    inside.locator("#action-toggle").click()
    expect(inside.locator(".action-counter")).to_contain_text("of 2 selected")
    assert inside.evaluate("window.violations") == []


def test_an_inline_takes_another_row(inside, filled):
    """On every form that has inlines to which rows may be added."""
    tried = 0
    for model in models():
        first = model._default_manager.order_by("pk").first()
        if first is None or not admin.site._registry[model].inlines:
            continue
        visit(inside, address(model, "change", first.pk))
        for link in inside.locator(".add-row a").all():
            before = inside.locator(".inline-related, .form-row.has_original, tr.form-row").count()
            link.click()
            after = inside.locator(".inline-related, .form-row.has_original, tr.form-row").count()
            assert after > before, model
            tried += 1
        assert inside.evaluate("window.violations") == []
    if not tried:
        pytest.skip("no admin page here has an inline to add to")


def test_the_theme_is_switched_and_kept(inside):
    visit(inside, "/admin/")
    seen = set()
    for _ in range(3):
        inside.locator("button.theme-toggle").first.click()
        seen.add(inside.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"auto", "light", "dark"}
    while inside.evaluate("document.documentElement.dataset.theme") != "dark":
        inside.locator("button.theme-toggle").first.click()
    visit(inside, address(User, "changelist"))
    assert inside.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_side_bar_folds_and_filters(inside):
    visit(inside, address(User, "changelist"))
    inside.fill("#nav-filter", "token")
    expect(inside.locator("#nav-sidebar tr.model-apitoken")).to_be_visible()
    expect(inside.locator("#nav-sidebar tr.model-user")).to_be_hidden()
    inside.locator("#toggle-nav-sidebar").click()
    assert inside.evaluate("window.violations") == []


def test_the_policy_does_forbid_inline_scripts_and_styles(inside, expected_errors):
    """The nets are not torn: a violation is seen where there is one."""
    expected_errors += ["Content Security Policy"]
    visit(inside, "/admin/")
    inside.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        " document.body.setAttribute('style', 'color: red'); }"
    )
    assert inside.evaluate("window.ran") is None
    assert len(inside.evaluate("window.violations")) == 2
