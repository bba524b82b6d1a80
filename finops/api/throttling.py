"""How often the API may be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView


class RequestsPerMinute(SimpleRateThrottle):
    """API_REQUESTS_PER_MINUTE for each token, and for each person that is logged in; 0 is no limit.

    Counted by each web process.
    """

    scope = "api"

    def get_rate(self) -> str | None:
        most: int = settings.API_REQUESTS_PER_MINUTE
        return f"{most}/min" if most else None

    def get_cache_key(self, request: Request, view: APIView) -> str:
        who = f"user-{request.user.pk}" if request.auth is None else f"token-{request.auth.pk}"
        return f"api-requests-{who}"
