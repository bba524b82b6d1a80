"""A cost center that takes files, and files sent to it as a browser sends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from costcenters.models import CostCenter
from finops.secrets import Secrets
from integrations.models import ImportedFile, Integration
from tests.factories import CostCenterFactory, IntegrationFactory, StreamFactory

#: Not yet. (What is due in more than a day was written by a clock that was wrong.)
FAR = datetime.now(UTC) + timedelta(hours=20)
ROWS = b"BilledCost,ChargePeriodStart\n1.25,2026-10-01T00:00:00Z\n"


def files_center(name: str = "Invoices", **center: Any) -> Integration:
    """A connection without a location: its files are uploaded. Its stream is not due."""
    center.setdefault("provider", "focus_files")
    integration = IntegrationFactory(
        cost_center=CostCenterFactory(name=name, **center),
        provider=center["provider"],
        api_url="",
        key_hint="",
        credentials=Secrets({"location": ""}),
    )
    StreamFactory(
        integration=integration, name="files", due_at=FAR, finished_at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    return integration


def file(name: str = "october.csv", content: bytes = ROWS) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def address(integration: Integration, page: str = "cost-center-files") -> str:
    return reverse(page, args=[integration.cost_center_id])


def upload(client: Client, integration: Integration, *files: Any, script: bool = False, **fields: str) -> Any:
    """What the form sends, or the page's script."""
    headers = {"Accept": "application/json"} if script else {"Accept": "text/html,*/*;q=0.8"}
    sent = {"files": list(files), "whole": "1", **fields}
    return client.post(address(integration, "cost-center-files-upload"), sent, headers=headers)


def kept() -> list[Path]:
    """Every file and folder below UPLOADS_DIR."""
    root = Path(settings.UPLOADS_DIR)
    return sorted(path.relative_to(root) for path in root.rglob("*"))


def imported_file(integration: Integration, **fields: Any) -> ImportedFile:
    """A file that was found in a folder."""
    number = ImportedFile.objects.count() + 1
    given = {
        "location": f"exports/2026-10/part-{number}.csv",
        "version": f"etag-{number}",
        "size": 2048,
        "delivery": f"delivery-{number}",
        "seen_at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        **fields,
    }
    return ImportedFile.objects.create(integration=integration, **given)


def set_status(integration: Integration, status: CostCenter.Status) -> None:
    CostCenter.objects.filter(pk=integration.cost_center_id).update(status=status)


def shown(client: Client, integration: Integration, **asked: str) -> str:
    """The page of files."""
    response = client.get(address(integration), asked)
    assert response.status_code == 200
    return response.content.decode()
