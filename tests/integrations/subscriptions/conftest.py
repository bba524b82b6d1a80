"""Subscriptions as people record them, on a clock that stands still."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from costcenters.models import CostCenter, CostLineItem, DailyCost
from integrations.models import Subscription
from integrations.subscriptions import changes
from integrations.subscriptions.amortisation import SeatChange
from integrations.subscriptions.changes import Draft
from tests.factories import UserFactory

NOW = datetime(2026, 11, 20, 14, 25, 30, tzinfo=UTC)
TODAY = NOW.date()


def subscription(**changed: Any) -> Subscription:
    """Five seats of a chat tool at 30 a month since 1 October; not stored."""
    fields: dict[str, Any] = {
        "name": "ChatGPT",
        "plan": "Team",
        "seats": 5,
        "price": Decimal(30),
        "period": "monthly",
        "currency": "USD",
        "starts_on": date(2026, 10, 1),
        **changed,
    }
    return Subscription(**fields)


def add(*seat_changes: tuple[date, int], now: datetime = NOW, **changed: Any) -> Subscription:
    """Record one, as the page does."""
    draft = Draft(subscription(**changed), tuple(SeatChange(day, seats) for day, seats in seat_changes))
    return changes.add(draft, user=None, now=now)


def sums(model: Any = DailyCost, **which: Any) -> tuple[Decimal, Decimal, Decimal]:
    """Billed, effective and list."""
    columns = ("billed_cost", "effective_cost", "list_cost")
    found = model.objects.filter(**which).aggregate(**{name: Sum(name) for name in columns})
    return tuple(found[name] or Decimal(0) for name in columns)  # type: ignore[return-value]


def lines(**which: Any) -> list[CostLineItem]:
    return list(CostLineItem.objects.filter(**which).order_by("day", "charge_type", "pk"))


@pytest.fixture
def center() -> CostCenter:
    """The cost center that the first subscription made."""
    return add().cost_center


@pytest.fixture
def today():
    return timezone.now().date()


@pytest.fixture
def editor(client):
    client.user = UserFactory(role="Editor", username="eve@example.com")
    client.force_login(client.user)
    return client
