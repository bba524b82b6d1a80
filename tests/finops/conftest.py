from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User

from tests.factories import UserFactory


@pytest.fixture
def auditor(client) -> User:
    """Ann, an Admin who is logged in, before an empty audit log."""
    user: User = UserFactory(role="Admin", username="ann")
    client.force_login(user)
    LogEntry.objects.all().delete()
    return user
