"""A sandbox of Cursor's API over real HTTP, a connection to it, and the comparison with its truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from costcenters.models import CostLineItem, DailyCost
from integrations import connections, engine
from integrations.http import Runtime
from integrations.models import Integration
from integrations.providers import PROVIDERS
from integrations.sandbox import Company, FaultPlan, SandboxServer
from integrations.session import Result

NOW = datetime(2026, 11, 20, 14, 25, 30, tzinfo=UTC)

#: A faulty API is slow on purpose; the tests need not be.
QUICK = FaultPlan(slow_seconds=0.05, stall_seconds=3.0)


class Clock:
    """A UTC clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runtime(clock: Clock) -> Runtime:
    """Real HTTP; time stands still and nobody really waits."""
    return Runtime(clock=clock, sleep=lambda seconds: None, random=lambda: 0.5, read_seconds=1.0)


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Callable[..., SandboxServer]]:
    """Starts sandbox servers on free ports and ends them after the test."""
    servers: list[SandboxServer] = []

    def start(*, faults: tuple[str, ...] = (), plan: FaultPlan = QUICK, **company: Any) -> SandboxServer:
        knobs = {"seed": 7, "users": 12, "days": 40, "events": 3000, "anchor": clock().date(), **company}
        server = SandboxServer(Company(**knobs), faults=faults, clock=clock, requests_per_minute=0, plan=plan)
        servers.append(server.__enter__())
        return server

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def connect(runtime: Runtime) -> Callable[..., Integration]:
    """Connects a sandbox through the same code path as the form."""

    def connect_to(
        server: SandboxServer, *, name: str = "Cursor", price: str | None = "40", **options: Any
    ) -> Integration:
        return connections.connect(
            PROVIDERS["cursor"],
            name=name,
            credentials={"admin_api_key": server.api_key},
            monthly_seat_price=None if price is None else Decimal(price),
            user=None,
            runtime=options.pop("runtime", runtime),
            api_url=server.url,
            **options,
        ).integration

    return connect_to


def sync(integration: Integration, runtime: Runtime, **options: Any) -> dict[str, Result]:
    """Every stream once, as `manage.py sync` does."""
    results = {}
    for stream in integration.streams.order_by("pk"):
        result = engine.sync_stream(stream.pk, runtime=runtime, thorough=True, **options)
        assert result is not None
        results[stream.name] = result
    return results


Key = tuple[str, str, str, str]


def truth(server: SandboxServer) -> dict[Key, tuple[int, int, int]]:
    """(events, billed nano, list nano) by day, user, model and kind, as the sandbox itself counts."""
    found: Counter[tuple[Key, int]] = Counter()
    for row in server.truth()["rows"]:
        key = (row["day"], row["user"], row["model"], row["kind"])
        for position, name in enumerate(("events", "billed_nano", "list_nano")):
            found[key, position] += int(row[name])
    return {key: (found[key, 0], found[key, 1], found[key, 2]) for key, _ in found}


def ledger(
    integration: Integration, *, model: type[CostLineItem] | type[DailyCost] = DailyCost
) -> dict[Key, tuple[int, int, int]]:
    """The same, as stored: from the roll-up, or from the line items."""
    found: dict[Key, list[int]] = {}
    rows = model.objects.filter(cost_center=integration.cost_center, charge_type="usage")
    columns = ["day", "user", "model", "kind", "billed_cost", "list_cost"]
    for row in rows.values_list(*columns, *(["line_items"] if model is DailyCost else [])):
        day, user, name, kind, billed, listed = row[:6]
        total = found.setdefault((day.isoformat(), user, name, kind), [0, 0, 0])
        total[0] += row[6] if model is DailyCost else 1
        total[1] += int(billed.scaleb(9))
        total[2] += int(listed.scaleb(9))
    return {key: (total[0], total[1], total[2]) for key, total in found.items()}


def assert_equals_truth(integration: Integration, server: SandboxServer) -> None:
    """To the nano-dollar, by day × user × model × kind, in the line items and in the roll-up."""
    expected = truth(server)
    assert expected
    for model in (CostLineItem, DailyCost):
        stored = ledger(integration, model=model)
        differing = {
            key: (stored.get(key), expected.get(key))
            for key in stored.keys() | expected.keys()
            if stored.get(key) != expected.get(key)
        }
        assert not differing, (
            f"{model.__name__}: {len(differing)} differ, such as {list(differing.items())[:5]}"
        )
