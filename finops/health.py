"""`/healthz`: this process answers. `/readyz`: database, migrations, heartbeat of the worker, lag by cost center."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from costcenters.models import CostCenter
from finops.models import Heartbeat


@never_cache
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503. Names of cost centers only for people who are logged in."""
    now = datetime.now(UTC)
    checks: dict[str, str] = {}
    centers: list[dict[str, Any]] = []
    try:
        checks["database"] = "ok"
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        checks["migrations"] = f"{len(missing)} not applied: run `manage.py migrate`" if missing else "ok"
        if not missing:
            checks["worker"] = (
                "ok"
                if Heartbeat.is_fresh(Heartbeat.WORKER, now)
                else "no sign of life for 5 minutes: is `manage.py qcluster` running?"
            )
            if request.user.is_authenticated:
                centers = [
                    {
                        "name": center.name,
                        "status": center.status,
                        "lag_seconds": center.complete_through
                        and round((now - center.complete_through).total_seconds()),
                    }
                    for center in CostCenter.objects.exclude(status=CostCenter.Status.DISCONNECTED)
                ]
    except DatabaseError:
        checks["database"] = "not reachable"
    ready = all(state == "ok" for state in checks.values())
    body: dict[str, Any] = {"status": "ready" if ready else "not ready", "checks": checks}
    if centers:
        body["cost_centers"] = centers
    return JsonResponse(body, status=200 if ready else 503)
