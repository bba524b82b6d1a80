"""Log-in sessions and API tokens that have expired are deleted once a day; and who can log in at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from finops.models import Heartbeat
from finops.tokens.changes import delete_long_expired

CLEARED = "expired sessions deleted"
EVERY = timedelta(days=1)


def clear_expired_daily(now: datetime) -> bool:
    """Delete them unless that was done less than a day ago, which costs one look at one row. Whether it was done."""
    if Heartbeat.objects.filter(name=CLEARED, beat_at__gt=now - EVERY).exists():
        return False
    Heartbeat.beat(CLEARED, now)
    SessionStore.clear_expired()
    delete_long_expired(now)
    return True


def nobody_yet() -> bool:
    """Whether this is a new install, without anybody who could log in."""
    return not User.objects.filter(is_active=True).exists()
