"""A cost center whose files people bring and answer for themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import Integration
from tests.factories import UserFactory
from tests.integrations.deliveries.uploading import files_center


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """An uploads directory that is not there yet."""
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    return tmp_path / "uploads"


@pytest.fixture
def integration() -> Integration:
    return files_center()


@pytest.fixture
def editor(client: Client) -> User:
    user = UserFactory(role="Editor", username="ada@example.com")
    client.force_login(user)
    return user
