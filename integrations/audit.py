"""What the audit log records of connections, prices, views and people. Never a credential, fingerprint or password."""

from __future__ import annotations

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from costcenters.models import CostCenter, SavedView, SeatPrice
from integrations.models import Integration


def register() -> None:
    """Fields are named one by one: what is not named here is not recorded."""
    auditlog.register(CostCenter, include_fields=["name", "provider", "currency", "status", "connected_on"])
    auditlog.register(
        SeatPrice,
        include_fields=["cost_center", "monthly_price", "committed_seats", "effective_from", "created_by"],
    )
    auditlog.register(SavedView, include_fields=["name", "query", "is_shared"])
    auditlog.register(
        Integration, include_fields=["cost_center", "provider", "api_url", "key_hint", "connected_by"]
    )
    auditlog.register(
        get_user_model(),
        include_fields=[
            "username",
            "email",
            "first_name",
            "last_name",
            "is_active",
            "is_staff",
            "is_superuser",
            "password",
        ],
        # That a password was changed is recorded, nothing of what it was.
        mask_fields=["password"],
        mask_callable="finops.secrets.masked",
        m2m_fields={"groups", "user_permissions"},
    )
    auditlog.register(Group, include_fields=["name"], m2m_fields={"permissions"})


def key_replaced(integration: Integration, *, before: str, after: str) -> None:
    """A key was rotated or deleted: recorded by its hints, even where they are the same."""
    LogEntry.objects.log_create(
        integration,
        force_log=True,
        action=LogEntry.Action.UPDATE,
        changes={"key_hint": [before, after]},
    )
