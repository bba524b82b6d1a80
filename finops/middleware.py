"""What every request passes through: its id, who is asking, and what a part of a page answers without a session."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address

from auditlog.middleware import AuditlogMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

request_id: ContextVar[str] = ContextVar("request_id", default="-")
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Takes `X-Request-ID` from a proxy when it is harmless, else makes one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex[:16])
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.get()
            # Figures of a company are for nobody's shared cache.
            response.headers.setdefault("Cache-Control", "private, no-store")
            return response
        finally:
            request_id.reset(token)


def client_address(request: HttpRequest) -> str:
    """Who is asking: behind a proxy (an https SITE_URL) the address it saw, the last of X-Forwarded-For."""
    seen = str(request.META.get("REMOTE_ADDR", ""))
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not settings.HTTPS or not forwarded:
        return seen
    text = forwarded.rpartition(",")[2].strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return seen


class AuditMiddleware(AuditlogMiddleware):
    """The audit log's own, which would believe any X-Forwarded-For."""

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str:
        return client_address(request)


class PartialLoginMiddleware:
    """A part of a page that finds its session ended has the whole page loaded anew, which leads to the log-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        to_login = response.headers.get("Location", "").startswith(resolve_url(settings.LOGIN_URL))
        if "HX-Request" in request.headers and response.status_code == 302 and to_login:
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return response


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
