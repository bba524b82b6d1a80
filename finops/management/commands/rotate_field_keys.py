"""`manage.py rotate_field_keys`: after a new key was put first in FIELD_ENCRYPTION_KEYS."""

from __future__ import annotations

from enum import Enum
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from finops.secrets import SecretUnreadable, fingerprints, is_encrypted_with_first_key
from integrations.models import Integration
from integrations.providers import PROVIDERS

#: A process that still has the old order of keys may store one while this runs: what it wrote is found by looking
#: again, as often as this.
PASSES = 5


class Outcome(Enum):
    ROTATED = "rotated"
    CURRENT = "current"
    GONE = "gone"
    #: The same key is stored with another connection, whose fingerprint is renewed already.
    DOUBLE = "double"
    UNREADABLE = "unreadable"


class Command(BaseCommand):
    help = (
        "Encrypt every stored credential with the first of FIELD_ENCRYPTION_KEYS. Safe while everything runs, and "
        "safe to repeat; exit status 1, naming them, when some credentials could not be renewed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rotated: set[int] = set()
        for _ in range(PASSES):
            outcomes = {pk: self._rotate(pk) for pk in held()}
            anew = {pk for pk, outcome in outcomes.items() if outcome is Outcome.ROTATED}
            rotated |= anew
            if not anew:
                break
        current = sum(outcome is Outcome.CURRENT and pk not in rotated for pk, outcome in outcomes.items())
        self.stdout.write(f"{len(rotated)} re-encrypted, {current} already current.")
        self._complain(outcomes)
        if len(settings.FIELD_ENCRYPTION_KEYS) > 1:
            self.stdout.write(
                "Nothing needs the other keys of FIELD_ENCRYPTION_KEYS any more, provided that every process runs "
                "with the new order: they can be removed."
            )

    @staticmethod
    def _rotate(pk: int) -> Outcome:
        try:
            return rotate(pk)
        except SecretUnreadable:
            return Outcome.UNREADABLE

    @staticmethod
    def _complain(outcomes: dict[int, Outcome]) -> None:
        """Raises CommandError, which names the connections that keep an old key needed."""
        sentences = []
        if unreadable := names(outcomes, Outcome.UNREADABLE):
            sentences.append(
                f"{len(unreadable)} cannot be read with any of FIELD_ENCRYPTION_KEYS: {', '.join(unreadable)}. "
                "Add the key that encrypted them and run this again, or replace their API keys in "
                "Settings > Cost Centers."
            )
        if double := names(outcomes, Outcome.DOUBLE):
            sentences.append(
                f"{len(double)} hold the key of another connection: {', '.join(double)}. Everything of it is "
                "counted twice: remove one of the two."
            )
        if moving := names(outcomes, Outcome.ROTATED):
            sentences.append(
                f"{len(moving)} are still being stored with an old key: {', '.join(moving)}. Restart the processes "
                "that have the old order of FIELD_ENCRYPTION_KEYS and run this again."
            )
        if sentences:
            raise CommandError(" ".join(sentences))


def held() -> list[int]:
    """The connections that have a credential."""
    stored = Integration.objects.filter(credentials__isnull=False).order_by("pk")
    return list(stored.values_list("pk", flat=True))


def names(outcomes: dict[int, Outcome], wanted: Outcome) -> list[str]:
    keys = [pk for pk, outcome in outcomes.items() if outcome is wanted]
    found = Integration.objects.filter(pk__in=keys).order_by("pk")
    return list(found.values_list("cost_center__name", flat=True))


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
        secret = PROVIDERS[integration.provider].secret(credentials)
        fingerprint = fingerprints(secret)[0] if secret else None
        if is_encrypted_with_first_key(sealed.token) and integration.key_fingerprint == fingerprint:
            return Outcome.CURRENT
        unchanged = Integration.objects.filter(pk=pk, credentials=sealed)
        try:
            with transaction.atomic():
                done = unchanged.update(credentials=credentials, key_fingerprint=fingerprint)
        except IntegrityError:
            return Outcome.DOUBLE
        if done:
            return Outcome.ROTATED
