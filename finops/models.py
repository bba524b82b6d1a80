"""What both apps share: API tokens, the workers' heartbeat, who wants which e-mail."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Q
from knox.models import AbstractAuthToken, AuthTokenManager

logger = logging.getLogger(__name__)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def living(self, now: datetime) -> ApiTokenQuerySet:
        """Those that have not expired."""
        return self.filter(Q(expiry=None) | Q(expiry__gt=now))


class ApiToken(AbstractAuthToken):
    """A hashed, expiring API token: named, scoped, never more powerful than its owner.

    It is known by its `id` everywhere: the digest is for looking up what was sent, and is shown nowhere.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Read and change"
        ADMIN = "admin", "Everything"

    #: What begins every token, so that people and scanners of leaked secrets recognise one.
    PREFIX = str(settings.REST_KNOX["TOKEN_PREFIX"])
    HINT_LENGTH = 4
    #: The last use is kept this exactly, since every request is one.
    USE_KEPT_EVERY = timedelta(minutes=1)
    MOST_MS_TO_WAIT = 100

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=128, unique=True, editable=False)
    name = models.CharField(max_length=100, default="")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.READ)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = AuthTokenManager.from_queryset(ApiTokenQuerySet)()  # type: ignore[misc]

    class Meta(AbstractAuthToken.Meta):
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name or "API token"

    @property
    def hint(self) -> str:
        """How it begins, for people who look for it among their secrets: `onebill_1a2b…`."""
        known = len(self.PREFIX) if self.token_key.startswith(self.PREFIX) else 0
        return f"{self.token_key[: known + self.HINT_LENGTH]}…"

    def has_expired(self, now: datetime) -> bool:
        return self.expiry is not None and self.expiry <= now

    def used(self, now: datetime) -> None:
        """Remember that, at most once a minute. A database that cannot write at this moment is no reason to refuse."""
        stale = now - self.USE_KEPT_EVERY
        if self.last_used_at is not None and self.last_used_at > stale:
            return
        unknown = Q(last_used_at=None) | Q(last_used_at__lte=stale)
        try:
            with _hardly_waiting(), transaction.atomic():
                ApiToken.objects.filter(unknown, pk=self.pk).update(last_used_at=now)
        except DatabaseError as error:
            logger.warning("the use of token %s could not be kept: %s", self.pk, error)

    def get_additional_data(self) -> dict[str, Any]:
        """For the audit log: whose it is, since an Admin may revoke anybody's."""
        return {"owner": self.user.get_username()}


@contextmanager
def _hardly_waiting() -> Iterator[None]:
    """SQLite has one writer at a time: within it nobody waits long for their turn. PostgreSQL locks but the row."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        (patience,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {ApiToken.MOST_MS_TO_WAIT}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")


class Heartbeat(models.Model):
    """When a background process was last seen alive. The web process reads it for /readyz."""

    WORKER = "worker"
    STALE_AFTER = timedelta(minutes=5)

    name = models.CharField(max_length=50, unique=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.beat_at:%Y-%m-%d %H:%M:%S} UTC"

    @classmethod
    def beat(cls, name: str, now: datetime) -> None:
        cls.objects.update_or_create(name=name, defaults={"beat_at": now})

    @classmethod
    def is_fresh(cls, name: str, now: datetime) -> bool:
        return cls.objects.filter(name=name, beat_at__gte=now - cls.STALE_AFTER).exists()


class NotificationSetting(models.Model):
    """Which e-mails a person receives. No row means: all of them."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_setting"
    )
    setup_finished = models.BooleanField(default=True)
    key_refused = models.BooleanField(default=True)
    sync_failing = models.BooleanField(default=True)
    recovered = models.BooleanField(default=True)
    delivery_stuck = models.BooleanField(default=True)
    renewal_ahead = models.BooleanField(default=True)
    every_cost_center = models.BooleanField(
        default=False, help_text="Also of cost centers that somebody else connected."
    )

    def __str__(self) -> str:
        return f"E-mails to {self.user}"
