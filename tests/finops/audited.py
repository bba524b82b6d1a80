"""What the tests of the audit log share: how it is filled, and read back."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from costcenters.models import CostCenter
from finops.audit_log.words import sentence
from finops.secrets import Secrets, fingerprints, hint
from integrations.models import Integration
from tests.factories import CostCenterFactory

PAGE, CSV = "/settings/audit-log/", "/settings/audit-log/export.csv"
KEY = "crsr_audit_0123456789abcdef"


def newest() -> str:
    return sentence(LogEntry.objects.latest("pk"))


def connection_of(center: CostCenter) -> Integration:
    return Integration.objects.create(
        cost_center=center,
        provider="cursor",
        credentials=Secrets({"admin_api_key": KEY}),
        key_hint=hint(KEY),
        key_fingerprint=fingerprints(KEY)[0],
        api_url="https://api.example.com",
    )


def table(client: Any, **filters: str) -> list[dict[str, str]]:
    """The CSV, read back."""
    response = client.get(CSV, filters)
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(response).decode())))


def entries(number: int, *, began: datetime = datetime(2026, 11, 1, tzinfo=UTC)) -> None:
    """So many renames of one cost center, ten to the same instant."""
    center = CostCenterFactory(name="Busy")
    LogEntry.objects.all().delete()
    kind = ContentType.objects.get_for_model(CostCenter)
    LogEntry.objects.bulk_create(
        LogEntry(
            content_type=kind,
            object_pk=str(center.pk),
            object_id=center.pk,
            object_repr="Busy",
            action=LogEntry.Action.UPDATE,
            changes={"name": [f"name {n}", f"name {n + 1}"]},
            timestamp=began + timedelta(minutes=n // 10),
        )
        for n in range(number)
    )
