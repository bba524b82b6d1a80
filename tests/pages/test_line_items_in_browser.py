"""The list of line items in a real browser: opened by keyboard, walked to its end and back, read without JavaScript."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from costcenters.line_items import replace_window
from costcenters.models import ChargeType
from costcenters.records import LineItem, Window, canonical_details
from tests.factories import PASSWORD, CostCenterFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/explorer/line-items/"


@pytest.fixture
def bill() -> None:
    """Of the last three days: 60 events a day, a seat, and a line of AWS."""
    today = datetime.combine(datetime.now(UTC).date(), time(), tzinfo=UTC)
    start = today - timedelta(days=2)
    cursor = CostCenterFactory(complete_through=today)
    cloud = CostCenterFactory(name="AWS", provider="aws", complete_through=today)
    window = Window(cursor.pk, start, today + timedelta(days=1), tuple(ChargeType.values))
    events = [
        LineItem(
            start + timedelta(days=n // 60, minutes=n % 60, milliseconds=345),
            "usage",
            service="Cursor",
            model=["claude-4.5-sonnet", "gpt-5.5-high"][n % 2],
            kind=["Included in Business", "Usage-based"][n % 2],
            surface="editor",
            user=f"user{n % 3}@example.com",
            resource=f"conversation-{n // 10}",
            input_tokens=1000 + n,
            billed_nano=0 if n % 2 == 0 else 123_456_789,
            list_nano=123_456_789,
            details=canonical_details({"chargedCents": "12.3456789", "isChargeable": n % 2 == 1}),
        )
        for n in range(180)
    ]
    seat = LineItem(
        today, "seat", service="Cursor", user="user0@example.com", billed_nano=10**9, is_estimated=True
    )
    replace_window(window, [*events, seat])
    replace_window(
        Window(cloud.pk, start, today + timedelta(days=1), ("usage",)),
        [
            LineItem(
                today,
                "usage",
                service="Amazon EC2",
                model="m7g.2xlarge",
                account="acme",
                region="eu",
                quantity="3.5",
                unit="Hrs",
                effective_nano=10**9,
                list_nano=2 * 10**9,
                tags=(("env", "prod"),),
            )
        ],
    )


def times(page) -> list[str]:
    return page.locator("summary time").evaluate_all("all => all.map(one => one.dateTime)")


def test_the_list_is_walked_to_its_end_and_back(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"{LIST}?preset=7d&group_by=user&chart=lines")
    expect(page.locator("nav[aria-label=Pages]")).to_contain_text("1 – 50 of 182")
    seen = [times(page)]
    for _ in range(3):
        page.get_by_role("link", name="Older").click()
        page.wait_for_load_state()
        seen.append(times(page))
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    expect(page.locator("nav[aria-label=Pages]")).to_contain_text("151 – 182 of 182")
    walked = [moment for part in seen for moment in part]
    assert len(walked) == 182
    assert walked == sorted(walked, reverse=True)

    for part in reversed(seen[:-1]):
        page.get_by_role("link", name="Newer").click()
        page.wait_for_load_state()
        assert times(page) == part
    expect(page.get_by_role("link", name="Newer")).to_have_count(0)

    page.get_by_role("link", name="Back to the explorer").click()
    page.wait_for_url("**/explorer/?**")
    assert urlsplit(page.url).path == "/explorer/"
    assert parse_qs(urlsplit(page.url).query) == {
        "preset": ["7d"],
        "group_by": ["user"],
        "chart": ["lines"],
    }


def test_a_line_item_opens_by_keyboard_and_leads_to_its_conversation(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"{LIST}?preset=7d&provider=cursor&charge_type=usage&kind=Included in Business")
    first = page.locator("details.line-item").first
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(first.get_by_text("Included: list value $0.12, billed $0.00.")).to_be_visible()
    expect(first.get_by_text("0.123456789 USD")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**resource=conversation-17**")
    expect(page.locator("details.line-item")).to_have_count(5)
    page.get_by_role("link", name="Remove filter Resource is conversation-17").click()
    expect(page.locator("details.line-item")).to_have_count(50)


def test_it_reads_without_javascript(browser, live_server, bill):
    person = UserFactory(role="Viewer")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/accounts/login/?next={LIST}")
    page.fill("[name=username]", person.get_username())
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("summary").nth(60 - 60).click()
    expect(page.locator("details.line-item").first.get_by_text("All tokens")).to_be_visible()
    context.close()


def test_nothing_is_wrong_for_assistive_technology_or_on_a_phone(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    today = datetime.now(UTC).date()
    for query in (f"start={today}&end={today}&model!=gpt-5", "user=nobody", "after=x"):
        response = page.goto(f"{LIST}?{query}")
        assert response is not None
        if page.locator("summary").count():
            page.locator("summary").first.click()
            page.locator("summary").last.click()
        assert_readable(page)


def test_on_a_phone_the_filter_of_a_long_address_can_be_removed(page, logged_in, bill):
    logged_in(page, UserFactory(role="Viewer"))
    page.set_viewport_size({"width": 360, "height": 900})
    page.goto(f"{LIST}?user=firstname.lastname-surname@engineering.example-company.com")
    box = page.get_by_role("link", name="Remove filter").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360
    page.get_by_role("link", name="Remove filter").click()
    page.wait_for_url(lambda url: "user=" not in url)


@pytest.fixture
def expected_errors() -> list[str]:
    """The refused position is asked for on purpose."""
    return ["400 (Bad Request)"]
