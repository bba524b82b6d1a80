"""What both apps share: API tokens, the workers' heartbeat, who wants which e-mail."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):
    """A hashed, expiring API token: named, scoped, never more powerful than its owner."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Read and change"
        ADMIN = "admin", "Everything"

    name = models.CharField(max_length=100, default="")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.READ)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractAuthToken.Meta):
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name or "API token"


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
