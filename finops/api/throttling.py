"""How often the API may be asked, and what its answers say of that."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from finops.api.problems import TOO_MANY, Problem

if TYPE_CHECKING:
    from rest_framework.views import APIView

WINDOW = 60
LIMIT, REMAINING, RESET = "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"


class TooManyRequests(Problem):
    """`wait`: whole seconds, 1 or more."""

    def __init__(self, most: int, wait: int) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"More than {most} requests came within a minute. Ask again in {wait} second{'s' if wait > 1 else ''}.",
            type=TOO_MANY,
            title="Too many requests",
        )
        self.wait = wait


class RequestsPerMinute(BaseThrottle):
    """API_REQUESTS_PER_MINUTE for each token, and for each person that is logged in; 0 is no limit.

    Counted by each web process for itself, in minutes of the clock. Every answer to a request that was counted says in
    its headers what is left: the most, the rest, and the seconds until it begins anew.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Raises TooManyRequests."""
        most: int = settings.API_REQUESTS_PER_MINUTE
        if not most:
            return True
        minute, elapsed = divmod(int(time.time()), WINDOW)
        asked = _count(f"api-requests-{_who(request)}-{minute}")
        left = WINDOW - elapsed
        # These are the headers of the answer, whatever becomes of the request.
        view.headers |= {LIMIT: str(most), REMAINING: str(max(0, most - asked)), RESET: str(left)}
        if asked > most:
            raise TooManyRequests(most, left)
        return True


def _who(request: Request) -> str:
    return f"user-{request.user.pk}" if request.auth is None else f"token-{request.auth.pk}"


def _count(key: str) -> int:
    """How often it was asked for, this time included. Both steps are atomic, so that no thread's request is lost."""
    cache.add(key, 0, timeout=2 * WINDOW)
    try:
        return cache.incr(key)
    except ValueError:
        # Crowded out in between, by very many others.
        return 1
