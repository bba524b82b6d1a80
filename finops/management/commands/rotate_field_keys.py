"""`manage.py rotate_field_keys`: after a new key was put first in FIELD_ENCRYPTION_KEYS."""

from __future__ import annotations

from enum import Enum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from finops.secrets import SecretUnreadable, fingerprints, is_encrypted_with_first_key
from integrations.models import Integration
from integrations.providers import PROVIDERS


class Outcome(Enum):
    ROTATED = "rotated"
    CURRENT = "current"
    GONE = "gone"


class Command(BaseCommand):
    help = (
        "Encrypt every stored credential with the first of FIELD_ENCRYPTION_KEYS. Safe while everything runs; "
        "exit status 1 when a credential cannot be read with any of the keys."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes: list[Outcome] = []
        unreadable: list[str] = []
        held = Integration.objects.filter(credentials__isnull=False).order_by("pk")
        for pk, name in list(held.values_list("pk", "cost_center__name")):
            try:
                outcomes.append(rotate(pk))
            except SecretUnreadable:
                unreadable.append(name)
        self.stdout.write(
            f"{outcomes.count(Outcome.ROTATED)} re-encrypted, {outcomes.count(Outcome.CURRENT)} already current."
        )
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} cannot be read with any of FIELD_ENCRYPTION_KEYS: {', '.join(unreadable)}. "
                "Add the key that encrypted them and run this again, or replace their API keys in "
                "Settings > Cost Centers."
            )


def rotate(pk: int) -> Outcome:
    """Re-encrypt one connection's credential and renew its fingerprint, in one conditional UPDATE.

    A credential that somebody replaces at the same moment is never overwritten: it is looked at again. Raises
    SecretUnreadable.
    """
    while True:
        integration = Integration.objects.filter(pk=pk, credentials__isnull=False).first()
        if integration is None or integration.credentials is None:
            return Outcome.GONE
        sealed = integration.credentials
        credentials = sealed.open()
        fingerprint = fingerprints(PROVIDERS[integration.provider].secret(credentials))[0]
        if is_encrypted_with_first_key(sealed.token) and integration.key_fingerprint == fingerprint:
            return Outcome.CURRENT
        unchanged = Integration.objects.filter(pk=pk, credentials=sealed)
        if unchanged.update(credentials=credentials, key_fingerprint=fingerprint):
            return Outcome.ROTATED
