"""What is written into the audit log by hand: changes that it does not see by itself, and events that change no field.

Which fields of which models it watches by itself is said where the models are known: `integrations/audit.py`.
"""

from __future__ import annotations

from auditlog.models import LogEntry
from django.db.models import Model

from finops.secrets import MASK, redact

#: Fields of which only the change is recorded, and shown, whoever asks for it.
NEVER_SHOWN = frozenset(
    {"credentials", "fingerprint", "key_fingerprint", "password", "digest", "token", "token_key"}
)


def changed(obj: Model, **fields: tuple[object, object]) -> None:
    """What `QuerySet.update()` did to `obj`, which the audit log does not see by itself: each field's (before, after).

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


def key_replaced(connection: Model, *, before: str, after: str) -> None:
    """A key was rotated or deleted: recorded by its hints, even where they are the same."""
    LogEntry.objects.log_create(
        connection,
        force_log=True,
        action=LogEntry.Action.UPDATE,
        changes={"key_hint": [before, after]},
    )


def _pair(name: str, before: object, after: object) -> list[str]:
    if name in NEVER_SHOWN:
        return [MASK, MASK]
    return [str(before), str(after)]
