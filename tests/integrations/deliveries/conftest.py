from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.http import Runtime
from integrations.models import Integration
from tests.integrations.deliveries.bills import bill, connect, read, row
from tests.integrations.deliveries.buckets import Store


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Store]:
    store = Store()
    store.start()
    yield store
    store.stop()


@pytest.fixture
def s3(s3_server: Store, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty bucket, at the address that new connections are given; this machine has no identity of its own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    s3_server.empty()
    settings.S3_ENDPOINT_URL = s3_server.url
    return s3_server


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    place = tmp_path / "aws"
    place.mkdir()
    return place


@pytest.fixture
def aws(folder: Path, runtime: Runtime) -> Integration:
    """A cost center that is set up, with a bill of 10.00 in October."""
    bill(folder / "2026-10" / "a.csv", row(billed="6"), row("2026-10-06", billed="4"))
    integration = connect(folder, runtime)
    read(integration, runtime)
    integration.refresh_from_db()
    integration.cost_center.refresh_from_db()
    return integration
