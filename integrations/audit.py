"""What the audit log records of connections, prices, views and people. Never a credential, fingerprint or password."""

from __future__ import annotations

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Model

from costcenters.models import CostCenter, SavedView, SeatPrice
from finops.secrets import MASK, redact
from integrations.models import Integration

#: Fields of which only the change is recorded, whoever asks for it.
NEVER_SHOWN = frozenset({"credentials", "fingerprint", "key_fingerprint", "password", "digest", "token"})

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


def changed(obj: Model, **fields: tuple[object, object]) -> None:
    """What `QuerySet.update()` did to `obj`, which the audit log does not see: each field with (before, after).

    Fields that stayed the same are left out; nothing is recorded when all did.
    """
    changes = {
        name: _pair(name, before, after) for name, (before, after) in fields.items() if before != after
    }
    if changes:
        LogEntry.objects.log_create(obj, action=LogEntry.Action.UPDATE, changes=changes)


def happened(obj: Model, what: str) -> None:
    """An event of `obj` that changes no field: "read again 1–7 Nov". `what` completes "Ann …"."""
    LogEntry.objects.log_create(
        obj, force_log=True, action=LogEntry.Action.UPDATE, additional_data={"happened": redact(what)}
    )


def key_replaced(integration: Integration, *, before: str, after: str) -> None:
    """A key was rotated or deleted: recorded by its hints, even where they are the same."""
    LogEntry.objects.log_create(
        integration,
        force_log=True,
        action=LogEntry.Action.UPDATE,
        changes={"key_hint": [before, after]},
    )


def _pair(name: str, before: object, after: object) -> list[str]:
    if name in NEVER_SHOWN:
        return [MASK, MASK]
    return [redact(str(before)), redact(str(after))]
