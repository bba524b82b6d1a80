"""The reconciliation in a real browser: no flaw for axe, read on a small screen and by keyboard, its links work."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from costcenters.models import CostCenter
from integrations.models import Integration, ProviderTotal, Stream
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory
from tests.pages.accessibility import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "somebody.with.a.very.long.name.indeed@subsidiary.of.a.holding.example.com"
OTHERS = 40


@pytest.fixture
def center() -> CostCenter:
    """A team of which each kind of row and badge is to be seen, in two cycles."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    center = CostCenterFactory(name="Cursor, engineering and everybody else", complete_through=now)
    integration = Integration.objects.create(
        cost_center=center, provider="cursor", api_url="https://api.cursor.com"
    )
    start = (now - timedelta(days=9)).replace(hour=6, minute=2, second=25)
    Stream.objects.create(
        integration=integration,
        name="usage",
        due_at=now,
        synced_through=now,
        backfilled_from=start - timedelta(days=90),
        backfill_target=start - timedelta(days=90),
    )
    Stream.objects.create(integration=integration, name="spend", due_at=now, last_error="Access was refused.")
    day = (now - timedelta(days=4)).date()
    totals: dict[str, tuple[str | None, str]] = {
        LONG: ("1200", ""),
        "odd@example.com": (None, "Ambiguous. The amount: 5.00."),
    }
    totals |= {f"user{n:02}@example.com": ("1", "") for n in range(OTHERS)}
    for user, (on_demand, note) in totals.items():
        ProviderTotal.objects.create(
            integration=integration,
            period_start=start,
            read_at=now + timedelta(minutes=3),
            user=user,
            on_demand_cost=None if on_demand is None else Decimal(on_demand),
            included_cost=None if on_demand is None else Decimal(0),
            note=note,
        )
    ProviderTotal.objects.create(
        integration=integration,
        period_start=start - timedelta(days=30),
        read_at=start,
        user=LONG,
        on_demand_cost=Decimal(0),
        included_cost=Decimal(0),
    )
    for user in (*totals, "Nightly build"):
        amount = Decimal("1234567.89") if user == LONG else Decimal(1)
        DailyCostFactory(cost_center=center, user=user, day=day, billed_cost=amount)
    return center


def test_axe_finds_nothing_and_nothing_overflows(page, logged_in, center):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"/settings/cost-centers/{center.pk}/reconciliation/")
    expect(page.get_by_role("rowheader", name=LONG)).to_be_visible()

    assert_readable(page)


def test_the_head_and_the_total_stay_in_sight_while_the_table_scrolls_by_keyboard(page, logged_in, center):
    logged_in(page, UserFactory(role="Viewer"))
    page.set_viewport_size({"width": 1000, "height": 600})
    page.goto(f"/settings/cost-centers/{center.pk}/reconciliation/")
    table = page.get_by_role("region", name="Totals by user")
    table.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("rowheader", name=f"user{OTHERS - 1}@example.com")).to_be_in_viewport()

    box = table.bounding_box()
    assert box
    for part in (
        page.get_by_role("columnheader", name="Difference").first,
        page.get_by_role("rowheader", name="Total"),
    ):
        at = part.bounding_box()
        assert at
        assert box["y"] - 1 <= at["y"]
        assert at["y"] + at["height"] <= box["y"] + box["height"] + 1


def test_ours_leads_to_that_users_days_in_the_explorer(page, logged_in, center):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"/settings/cost-centers/{center.pk}/reconciliation/")
    page.get_by_role("row", name=LONG).get_by_role("link").first.click()
    page.wait_for_url("**/explorer/?**")

    expect(page.locator("main")).to_contain_text("1,234,567.89")


def test_another_cycle_is_chosen_without_a_script(page, logged_in, center):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"/settings/cost-centers/{center.pk}/reconciliation/")
    page.get_by_label("Billing cycle since").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"cycle=\d"))

    expect(page.get_by_text("This cycle has ended.")).to_be_visible()
    assert_readable(page)


def test_the_table_can_be_downloaded(page, logged_in, center):
    logged_in(page, UserFactory(role="Viewer"))
    page.goto(f"/settings/cost-centers/{center.pk}/reconciliation/")
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()

    assert started.value.suggested_filename.startswith("onebill_reconciliation_")
    assert LONG in started.value.path().read_text()
