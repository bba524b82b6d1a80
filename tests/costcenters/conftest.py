from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from costcenters.catalog import Catalog
from costcenters.explorer import report
from costcenters.models import CostCenter, DailyCost
from costcenters.query_form import CostQueryForm
from costcenters.report import Report
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory

NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
#: The month so far, as explorers are asked for it.
SPAN = "start=2026-11-01&end=2026-11-21"


def amounts(answer: Report) -> dict[str, Decimal]:
    """What a report's rows measure, by their value."""
    return {row.value: row.amounts.measure for row in answer.rows}


@pytest.fixture
def at_now():
    """It is 21 November 2026, 15:20 UTC."""
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def ask() -> Callable[[str], Report]:
    """The report that a query string asks for."""

    def answer(text: str) -> Report:
        form = CostQueryForm(QueryDict(text), catalog=Catalog(today=NOW.date()))
        assert form.is_valid(), form.errors
        return report(form.query(), now=NOW)

    return answer


@pytest.fixture
def viewer(client: Client, at_now: datetime) -> Client:
    """A browser in which a Viewer is logged in."""
    client.force_login(UserFactory(role="Viewer"))
    return client


@pytest.fixture
def me(viewer: Client) -> User:
    """Whoever is logged in in `viewer`."""
    user = get_user(viewer)
    assert isinstance(user, User)
    return user


@pytest.fixture
def center() -> CostCenter:
    return CostCenterFactory()


@pytest.fixture
def some_rows() -> list[DailyCost]:
    """A few hundred rows with awkward values, from a fixed seed."""
    pick = random.Random(7)
    centers = [CostCenterFactory(), CostCenterFactory(name="AWS, production", provider="aws")]
    tags = [TagSetFactory(tags={"team": name}) for name in ("=1+1", "core")] + [None]
    rows = [
        DailyCostFactory.build(
            cost_center=pick.choice(centers),
            day=date(2026, 9, 20) + timedelta(days=pick.randrange(70)),
            user=pick.choice(["", "a@example.com", '"quoted", name', "=cmd|' /C calc'!A0", "naïve"]),
            model=pick.choice(["", "claude-4", "gpt-5", "-rf", "@x"]),
            charge_type=pick.choice(["usage", "seat", "credit"]),
            billed_cost=Decimal(pick.randrange(-(10**9), 10**12)) / 10**9,
            effective_cost=Decimal(pick.randrange(10**12)) / 10**9,
            list_cost=Decimal(pick.randrange(10**15)) / 10**9,
            input_tokens=pick.randrange(10**12),
            output_tokens=pick.randrange(10**6),
            cache_write_tokens=pick.randrange(3),
            cache_read_tokens=pick.randrange(10**9),
            line_items=pick.randrange(1, 99),
            tag_set=pick.choice(tags),
        )
        for _ in range(400)
    ]
    return DailyCost.objects.bulk_create(rows)
