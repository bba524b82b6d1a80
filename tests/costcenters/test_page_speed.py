"""With as much data as the demo has, every page comes fast, of few queries, and light."""

from __future__ import annotations

import random
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from costcenters.models import CostCenter, DailyCost
from tests.factories import CostCenterFactory, TagSetFactory

pytestmark = [pytest.mark.alone, pytest.mark.django_db]

#: The aim is 0.1 s; machines on which tests are run differ by a factor of two.
MOST_SECONDS, MOST_QUERIES, MOST_BYTES = 0.2, 15, 100_000
PAGES = (
    "/",
    "/explorer/?preset=30d",
    "/explorer/?group_by=model&compare=previous",
    "/explorer/?granularity=week&group_by=user&chart=lines",
    "/explorer/?group_by=user&group_by=model&sort=tokens",
    "/explorer/?group_by=model&chart=table",
    "/explorer/line-items/?preset=90d",
    "/explorer/views/",
    "/explorer/values/user/?preset=30d",
    "/help/cursor/",
    "/settings/cost-centers/",
    "/settings/cost-centers/{pk}/",
    "/api/v1/costs/?group_by=user&top=0",
)


def amount(chance: random.Random, largest: int) -> Decimal:
    return Decimal(chance.randrange(largest * 10**9)) / 10**9


def usage(cost_center: CostCenter, day: date, **columns: Any) -> DailyCost:
    return DailyCost(cost_center=cost_center, day=day, charge_type="usage", **columns)


@pytest.fixture
def demo_sized_bill(at_now: datetime) -> None:
    """As many rows of the roll-up as the demo has, over as many days, people, models and services."""
    chance = random.Random(4)
    kinds = ["Included in Business", "Usage-based", "USAGE_EVENT_KIND_USAGE_BASED"]
    cursor = CostCenterFactory(name="Cursor (sandbox)", connected_on=at_now.date())
    clouds = [CostCenterFactory(name=name, provider=name.lower()) for name in ("AWS", "GCP")]
    tags = [TagSetFactory(tags={"team": team, "env": env}) for team in "abcd" for env in ("prod", "dev")]
    today = at_now.date()
    rows = [
        DailyCost(
            cost_center=cursor,
            day=today,
            charge_type="seat",
            user=f"user{n}@example.com",
            is_estimated=True,
            billed_cost=Decimal("1.333333333"),
            line_items=1,
        )
        for n in range(60)
    ]
    for day in (today - timedelta(days=ago) for ago in range(91)):
        rows += [
            usage(
                cursor,
                day,
                user=f"user{n % 60}@example.com",
                model=f"model-{chance.randrange(11)}",
                kind=kinds[n % 3],
                surface=["editor", "headless"][n % 2],
                billed_cost=amount(chance, 2),
                list_cost=amount(chance, 3),
                input_tokens=n * 1000,
                line_items=2,
            )
            for n in range(455)
        ]
        rows += [
            usage(
                cloud,
                day,
                service=f"{cloud.name} {n % 9}",
                model=f"SKU {n % 20}",
                region=f"region-{n % 3}",
                tag_set=tags[n % 8],
                billed_cost=amount(chance, 9),
                line_items=1,
            )
            for cloud in clouds
            for n in range(67)
        ]
    DailyCost.objects.bulk_create(rows, batch_size=1000)
    assert len(rows) > 53_000
    with connection.cursor() as cursor_:
        cursor_.execute("ANALYZE costcenters_dailycost")


def test_every_page_is_fast_and_light(viewer: Client, demo_sized_bill: None) -> None:
    pk = CostCenter.objects.get(provider="cursor").pk
    for page in PAGES:
        path = page.format(pk=pk)
        response = viewer.get(path)
        assert response.status_code == 200, path
        assert len(response.content) < MOST_BYTES, path
        with CaptureQueriesContext(connection) as captured:
            viewer.get(path)
        assert len(captured) <= MOST_QUERIES, path
        assert best_seconds(viewer, path) <= MOST_SECONDS, path


def best_seconds(viewer: Client, path: str, *, enough: float = MOST_SECONDS) -> float:
    """The best of a few times: what the page takes when nobody disturbs."""
    # SQLite runs in this process, whose own time no busy neighbour lengthens.
    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    best = float("inf")
    for _ in range(20):
        start = clock()
        viewer.get(path)
        best = min(best, clock() - start)
        if best <= enough:
            break
    return best
