"""The cost centers in a real browser: their list, a purge that ends, members and runs; by keyboard, small and dark."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from costcenters.models import CostCenter, SeatPrice
from finops.models import Heartbeat
from integrations.models import Integration, Stream, SyncRun
from tests.factories import (
    CostCenterFactory,
    DailyCostFactory,
    IntegrationFactory,
    MemberFactory,
    StreamFactory,
    SyncRunFactory,
    UserFactory,
)
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
#: Milliseconds in which the page has asked again, on a busy machine too.
REFRESHED = 20_000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def hostile() -> Integration:
    """A cost center of which all is long, strange or failing."""
    now = timezone.now()
    Heartbeat.beat(Heartbeat.WORKER, now)
    center = CostCenterFactory(name="R&D <b>" + "W" * 92, complete_through=now - 5 * HOUR)
    integration = IntegrationFactory(
        cost_center=center,
        api_url="https://proxy.example.com/" + "x" * 200,
        connected_by=UserFactory(username="u" * 150),
    )
    StreamFactory(
        integration=integration,
        due_at=now + HOUR,
        synced_through=now - 5 * HOUR,
        backfilled_from=now - 300 * DAY,
        last_error="Cursor sent <script>. " + "x" * 2000,
        failing_since=now - 3 * HOUR,
        reread_from=now - 40 * DAY,
        reread_to=now - 20 * DAY,
    )
    StreamFactory(integration=integration, name="members", due_at=now + HOUR, synced_through=now)
    for outcome in SyncRun.Outcome.values:
        SyncRunFactory(
            integration=integration,
            outcome=outcome,
            started_at=now - HOUR,
            message="y" * 500,
            sample='{"<b>": "' + "z" * 900 + '"}',
            waited_seconds=4000,
            amount_before=Decimal("123456.78"),
            amount_after=Decimal("234567.89"),
        )
    MemberFactory(integration=integration, key="a" * 242 + "@example.com", name="N" * 200, role="r" * 50)
    MemberFactory(integration=integration, key="idle@example.com", name="<i>Ida</i>")
    MemberFactory(integration=integration, is_active=False)
    DailyCostFactory(cost_center=center, day=now.date(), user="svc <nightly>", billed_cost=Decimal("12.5"))
    for ahead, price in ((-9, "40"), (-3, None), (9, "9200000")):
        SeatPrice.objects.create(
            cost_center=center,
            monthly_price=None if price is None else Decimal(price),
            committed_seats=None if price is None else 1000,
            effective_from=now.date() + ahead * DAY,
        )
    return integration


def test_hostile_data_leaves_every_page_readable(page, logged_in, hostile):
    now = timezone.now()
    needs = CostCenterFactory(name="Needs", status=CostCenter.Status.NEEDS_ATTENTION)
    IntegrationFactory(cost_center=needs, attention="Refused. " + "x" * 2000)
    CostCenterFactory(name="AWS", provider="aws")
    gone = CostCenterFactory(name="Gone", status=CostCenter.Status.DISCONNECTED)
    StreamFactory(
        integration=IntegrationFactory(cost_center=gone, key_hint=""), name=Stream.PURGE, due_at=now
    )
    logged_in(page, UserFactory(role="Admin"))
    base = hostile.cost_center.get_absolute_url()
    for address in (
        "/settings/cost-centers/",
        base,
        f"{base}members/",
        f"{base}members/?sort=-cost&state=idle&q=ida",
        f"{base}runs/",
        f"{base}runs/?outcome=failed",
        needs.get_absolute_url(),
        gone.get_absolute_url(),
        f"{CostCenter.objects.get(name='AWS').get_absolute_url()}members/",
    ):
        page.goto(address)
        for summary in page.locator("details.sample summary").all():
            summary.click()
        assert_readable(page)


def test_a_purge_counts_up_by_itself_and_ends_at_the_list(page, logged_in):
    now = timezone.now()
    Heartbeat.beat(Heartbeat.WORKER, now)
    center = CostCenterFactory(name="Gone", status=CostCenter.Status.DISCONNECTED)
    integration = IntegrationFactory(cost_center=center, key_hint="")
    stream = StreamFactory(
        integration=integration,
        name=Stream.PURGE,
        due_at=now,
        backfill_target=now - 10 * DAY,
        pass_through=now,
        pass_from=now - 3 * DAY,
    )
    logged_in(page, UserFactory(role="Admin"))
    page.goto(center.get_absolute_url())
    expect(page.get_by_text("30 % is gone.")).to_be_visible()

    Stream.objects.filter(pk=stream.pk).update(pass_from=now - 8 * DAY)
    expect(page.get_by_text("80 % is gone.")).to_be_visible(timeout=REFRESHED)
    expect(page.locator("#status")).to_contain_text("Deleting history, 80 %")

    integration.delete()
    center.delete()
    page.wait_for_url("**/settings/cost-centers/")
    expect(page.get_by_text("all of its history is deleted")).to_be_visible()


def test_members_are_searched_sorted_and_chosen_with_the_keyboard(page, logged_in, hostile):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"{hostile.cost_center.get_absolute_url()}members/")
    expect(page.get_by_text("svc <nightly>")).to_be_visible()

    page.get_by_label("Name, e-mail or role").press_sequentially("example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_text("svc <nightly>")).to_be_hidden()
    page.get_by_role("link", name="Last 30 days").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Last 30 days")
    page.get_by_role("link", name="Idle seat").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_label("Name, e-mail or role")).to_have_value("example.com")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_text("<i>Ida</i>")).to_be_visible()


def test_runs_are_filtered_and_a_broken_reply_is_looked_into(page, logged_in, hostile):
    logged_in(page, UserFactory(role="Editor"))
    page.goto(hostile.cost_center.get_absolute_url())
    page.get_by_role("navigation", name="R&D").get_by_role("link", name="Runs").click()
    page.get_by_role("link", name="Only failures").click()
    expect(page.locator("td.outcome")).to_have_count(1)
    expect(page.get_by_label("Outcome")).to_have_value("failed")

    sample = page.locator("details.sample")
    expect(sample.locator("pre")).to_be_hidden()
    sample.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(sample.locator("pre")).to_contain_text('{"<b>"')


def test_after_sync_now_the_page_follows_what_happens(page, logged_in, hostile):
    """Something is being read: the page asks again by itself, and stops when it is done."""
    now = timezone.now()
    usage = Stream.objects.filter(integration=hostile, name="usage")
    usage.update(claimed_until=now + HOUR / 2, last_error="", failing_since=None)
    logged_in(page, UserFactory(role="Editor"))
    page.goto(hostile.cost_center.get_absolute_url())
    expect(page.locator("#streams")).to_contain_text("being read")

    usage.update(claimed_until=None, due_at=now + HOUR, finished_at=now)
    expect(page.locator("#streams")).to_contain_text("Complete", timeout=REFRESHED)
    expect(page.locator("#progress[hx-get]")).to_have_count(0)
    expect(page.get_by_role("button", name="Sync now")).to_be_visible()
