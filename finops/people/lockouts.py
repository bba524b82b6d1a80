"""Names whose log-in is closed for a while after too many wrong passwords (django-axes), and opening it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max, Sum

from finops.audit_log import record

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class LockOut:
    """`person` cannot log in from `addresses` network addresses; from the last of them again at `until`."""

    person: User
    addresses: int
    until: datetime


def locked_out(now: datetime) -> list[LockOut]:
    """By name. Only of people who are here: among other names that strangers tried may be anything, even passwords."""
    names = User.objects.filter(is_active=True).values("username")
    closed = (
        AccessAttempt.objects.filter(attempt_time__gte=now - settings.AXES_COOLOFF_TIME, username__in=names)
        .order_by()
        .values("username", "ip_address")
        .annotate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
        .filter(failures__gte=settings.AXES_FAILURE_LIMIT)
    )
    last: dict[str, list[datetime]] = {}
    for row in closed:
        last.setdefault(str(row["username"]), []).append(row["last"])
    people = User.objects.filter(username__in=sorted(last)[:MOST_SHOWN]).order_by("username")
    return [
        LockOut(
            person=person,
            addresses=len(last[person.username]),
            until=max(last[person.username]) + settings.AXES_COOLOFF_TIME,
        )
        for person in people
    ]


def open_again(person: User) -> bool:
    """Forget the wrong passwords tried for `person`; whether there were any."""
    # Without a name the library would forget everybody's.
    if not person.get_username() or not reset(username=person.get_username()):
        return False
    record.happened(person, f"opened the log-in of {person} again")
    return True
