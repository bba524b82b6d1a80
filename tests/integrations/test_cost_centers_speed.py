"""With as much as a large company has, the pages of the cost centers come fast and of few queries."""

from __future__ import annotations

import gc
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from costcenters.models import CostCenter, DailyCost, SeatPrice
from finops.paging import Position
from integrations.models import Integration, Member, Stream, SyncRun
from tests.factories import CostCenterFactory, IntegrationFactory, UserFactory

pytestmark = [pytest.mark.alone, pytest.mark.django_db]
#: The aim is 0.1 s; machines on which tests are run differ by a factor of two.
MOST_SECONDS, MOST_QUERIES = 0.2, 15


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(UserFactory(role="Admin"))
    return client


def assert_fast(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200, path
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    assert len(captured) <= MOST_QUERIES, path
    # SQLite runs in this process, whose own time no busy neighbour lengthens.
    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    best = float("inf")
    gc.collect()  # what the test itself has made is not the page's to tidy up
    for _ in range(30):
        start = clock()
        client.get(path)
        best = min(best, clock() - start)
        if best <= MOST_SECONDS:
            break
    assert best <= MOST_SECONDS, (path, best)


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def test_two_hundred_cost_centers(admin):
    now = timezone.now()
    centers = CostCenter.objects.bulk_create(
        CostCenter(name=f"Team {n:03}", provider="cursor", status="active", complete_through=now)
        for n in range(200)
    )
    integrations = Integration.objects.bulk_create(
        Integration(
            cost_center=center,
            provider="cursor",
            key_hint="…9f3a",
            set_up_at=now - timedelta(days=9),
        )
        for center in centers
    )
    Stream.objects.bulk_create(
        Stream(integration=each, name=name, due_at=now, synced_through=now, recent_requests=[1.5] * 60)
        for each in integrations
        for name in ("usage", "members", "spend")
    )
    Member.objects.bulk_create(
        Member(integration=each, key=f"{n}@x.io", first_seen=now.date(), last_seen=now.date())
        for each in integrations
        for n in range(25)
    )
    SyncRun.objects.bulk_create(
        SyncRun(
            integration=each,
            stream="usage",
            window_start=now - timedelta(days=3),
            window_end=now,
            started_at=now - timedelta(hours=hours),
            finished_at=now - timedelta(hours=hours),
            outcome="done",
            amount_before=Decimal(10),
            amount_after=Decimal("10.01"),
        )
        for each in integrations
        for hours in range(100)
    )
    SeatPrice.objects.bulk_create(
        SeatPrice(
            cost_center=center, monthly_price=Decimal(40), committed_seats=30, effective_from=now.date()
        )
        for center in centers
    )
    DailyCost.objects.bulk_create(
        DailyCost(
            cost_center=center,
            day=now.date() - timedelta(days=ago),
            charge_type="usage",
            billed_cost=Decimal("1.25"),
            line_items=1,
        )
        for center in centers
        for ago in range(31)
    )
    analyze()

    page = admin.get("/settings/cost-centers/").content.decode()
    assert page.count("+$0.25 since yesterday") + page.count("+$0.24 since yesterday") == 200
    assert page.count("25 of 30") == 200
    assert_fast(admin, "/settings/cost-centers/")


def test_five_thousand_members(admin):
    today = timezone.now().date()
    integration = IntegrationFactory(cost_center=CostCenterFactory())
    Member.objects.bulk_create(
        Member(
            integration=integration,
            key=f"person{n}@example.com",
            name=f"Person {n}",
            role="member",
            is_active=n % 10 > 0,
            first_seen=today - timedelta(days=n % 300),
            last_seen=today,
        )
        for n in range(5000)
    )
    DailyCost.objects.bulk_create(
        DailyCost(
            cost_center=integration.cost_center,
            day=today - timedelta(days=n % 30),
            charge_type=charge_type,
            user=f"person{n}@example.com",
            billed_cost=Decimal(n) / 100,
            line_items=1,
        )
        for n in range(5000)
        for charge_type in ("usage", "seat")
    )
    analyze()
    path = f"/settings/cost-centers/{integration.cost_center_id}/members/"

    for query in ("", "?q=person1&sort=-cost", "?state=left&sort=-first_seen&page=2"):
        assert_fast(admin, path + query)


def double(integration: Integration) -> None:
    """Each of its runs once more: many rows in little time."""
    table = SyncRun._meta.db_table
    columns = ", ".join(field.column for field in SyncRun._meta.concrete_fields if not field.primary_key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE integration_id = %s",
            [integration.pk],
        )


def test_a_hundred_thousand_runs(admin):
    now = timezone.now()
    integrations = [IntegrationFactory(cost_center=CostCenterFactory(name=name)) for name in ("A", "B")]
    SyncRun.objects.bulk_create(
        (
            SyncRun(
                integration=integration,
                stream="usage" if n % 3 else "members",
                window_start=now - timedelta(hours=1),
                window_end=now,
                started_at=now - timedelta(minutes=32 * n),
                finished_at=now,
                outcome="failed" if n % 2_000 == 0 else "done",
            )
            for integration in integrations
            for n in range(3_125)
        ),
        batch_size=2_000,
    )
    for _ in range(5):
        double(integrations[0])
    assert integrations[0].runs.count() == 100_000
    analyze()

    for integration in integrations:
        path = f"/settings/cost-centers/{integration.cost_center_id}/runs/"
        for query in ("", "?outcome=failed", "?outcome=kept", "?stream=members&outcome=failed"):
            assert_fast(admin, path + query)
    deep = SyncRun.objects.filter(integration=integrations[0]).order_by("started_at")[500]
    path = f"/settings/cost-centers/{integrations[0].cost_center_id}/runs/"
    assert_fast(admin, f"{path}?after={Position(deep.started_at, deep.pk)}")
    assert_fast(admin, f"{path}?before={Position(deep.started_at, deep.pk)}")
    assert_fast(admin, integrations[0].cost_center.get_absolute_url())
