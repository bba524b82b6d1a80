"""`/healthz`: this process answers. `/readyz`: database, migrations, heartbeat of the worker, lag by cost center."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from costcenters.catalog import FROM_FILES, LATE_AFTER_FROM_FILES
from costcenters.models import CostCenter
from finops.models import Heartbeat

#: Cost is read every hour; after so many hours somebody should look.
LATE = timedelta(hours=6)
LONGEST_STATEMENT = timedelta(seconds=5)


@never_cache
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503. Names of cost centers only for people who are logged in.

    A cost center that is late does not make this process unready: no restart here and no other process mends a
    provider that is down, and a load balancer that asks would take every page away because of it.
    """
    now = datetime.now(UTC)
    checks: dict[str, str] = {}
    body: dict[str, Any] = {"checks": checks}
    try:
        with impatient_database():
            checks["database"] = "ok"
            missing = not_applied()
            checks["migrations"] = f"{missing} not applied: run `manage.py migrate`" if missing else "ok"
            if not missing:
                checks["worker"] = (
                    "ok"
                    if Heartbeat.is_fresh(Heartbeat.WORKER, now)
                    else "no sign of life for 5 minutes: is `manage.py qcluster` running?"
                )
                lags = [Lag.of(center, now) for center in connected_cost_centers()]
                body["lag"] = summary(lags)
                if request.user.is_authenticated:
                    body["cost_centers"] = [lag.told() for lag in lags]
    except Error:
        body = {"checks": {"database": "not reachable"}}
    ready = all(state == "ok" for state in body["checks"].values())
    return JsonResponse({"status": "ready" if ready else "not ready", **body}, status=200 if ready else 503)


@contextmanager
def impatient_database() -> Iterator[None]:
    """A database that hangs is reported, not waited for: a connection kept from an earlier request would wait for
    ever, while a new one is given up after `connect_timeout`, and each statement on it after LONGEST_STATEMENT."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {LONGEST_STATEMENT // timedelta(milliseconds=1)}")
        yield
    finally:
        connection.close()


def not_applied() -> int:
    """How many migrations the database lacks."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the clock a cost center's bill is; `seconds` is None until its newest days are in."""

    name: str
    status: str
    seconds: int | None
    is_late: bool

    @classmethod
    def of(cls, center: CostCenter, now: datetime) -> Lag:
        through = center.complete_through
        behind = now - (through or center.created_at)
        return cls(
            name=center.name,
            status=center.status,
            seconds=None if through is None else round(behind.total_seconds()),
            # Who paused it knows that it stands still.
            is_late=behind > _late_after(center) and center.status != CostCenter.Status.PAUSED,
        )

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "lag_seconds": self.seconds,
            "is_late": self.is_late,
        }


def _late_after(center: CostCenter) -> timedelta:
    """Clouds deliver their bill a day or two late."""
    return LATE_AFTER_FROM_FILES if center.provider in FROM_FILES else LATE


def connected_cost_centers() -> list[CostCenter]:
    """Those with a provider that is asked by itself. Without a location, files are uploaded when somebody has some."""
    centers = CostCenter.objects.exclude(status=CostCenter.Status.DISCONNECTED)
    uploaded = Q(integration__provider__in=FROM_FILES, integration__key_fingerprint=None)
    return list(centers.filter(integration__credentials__isnull=False).exclude(uploaded))


def summary(lags: list[Lag]) -> str:
    """For everybody: a count without a name."""
    late, hours = sum(lag.is_late for lag in lags), LATE // timedelta(hours=1)
    if not lags:
        return "no cost center is connected"
    if not late:
        return f"none of {len(lags)} cost centers is more than {hours} h behind"
    return f"{late} of {len(lags)} cost centers {'is' if late == 1 else 'are'} more than {hours} h behind"
