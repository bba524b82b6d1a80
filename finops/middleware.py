"""What every request passes through: its id, its size, who is asking, and what a part answers without a session."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from ipaddress import ip_address
from time import perf_counter
from typing import Any

from auditlog.middleware import AuditlogMiddleware
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.encoding import escape_uri_path

from finops.logs import request_id
from finops.secrets import hide_links, redact

requests_log = logging.getLogger("onebill.requests")
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Asked by probes every few seconds. They change nothing, so nobody need be known for the audit log: `/healthz`
#: answers, and `/readyz` can say what is wrong, while there is no database to read a session from.
PROBES = ("/healthz", "/readyz")
#: Nothing here needs the device of whoever looks.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "geolocation", "microphone", "payment", "usb", "serial", "display-capture")
)


class RequestIdMiddleware:
    """Takes `X-Request-ID` from a proxy when it is harmless, else makes one; logs one line a request, without its
    query string."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex[:16])
        request.request_id = request_id.get()  # type: ignore[attr-defined]
        began = perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.get()
            # Figures of a company are for nobody's shared cache.
            response.headers.setdefault("Cache-Control", "private, no-store")
            response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            self._log(request, response.status_code, round(1000 * (perf_counter() - began)))
            return response
        finally:
            request_id.reset(token)

    @staticmethod
    def _log(request: HttpRequest, status: int, ms: int) -> None:
        path = escape_uri_path(request.path)[:300]
        level = logging.DEBUG if request.path in PROBES else logging.INFO
        about = {"method": request.method, "path": hide_links(redact(path)), "status": status, "ms": ms}
        requests_log.log(level, "%(method)s %(path)s %(status)s %(ms)s ms", about, extra=about)


#: The addresses that take files: that of the page, and that of the API.
UPLOAD_ADDRESS = re.compile(
    r"/settings/cost-centers/[0-9]{1,19}/files/upload/|/api/v1/integrations/[0-9]{1,19}/files/"
)


def longest_body(request: HttpRequest) -> int:
    """How many bytes may be sent to the address that is asked."""
    takes_files = UPLOAD_ADDRESS.fullmatch(request.path_info)
    return settings.UPLOAD_MAX_BYTES if takes_files else settings.REQUEST_BODY_MAX


class BodySizeMiddleware:
    """Refuses with 413 what is larger than its address takes before a byte of it is read: Django itself bounds what is
    kept in memory, but would write files of any size to the disk."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        if length.isdecimal() and int(length[:19]) > longest_body(request):
            raise RequestDataTooBig("The body is larger than its address takes.")
        return self.get_response(request)


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
        # A zone (fe80::1%eth0) means something on its own machine only, and no database takes it for an address.
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return seen


class AuditMiddleware(AuditlogMiddleware):
    """The audit log's own, which would believe any X-Forwarded-For and X-Forwarded-Port."""

    def __call__(self, request: HttpRequest) -> Any:
        if request.path in PROBES:
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[no-untyped-call]

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str:
        return client_address(request)

    @staticmethod
    def _get_remote_port(request: HttpRequest) -> None:
        return None

    def get_extra_data(self, request: HttpRequest) -> dict[str, Any]:
        """With a name for whoever has no e-mail address, which outlives the account."""
        context: dict[str, Any] = super().get_extra_data(request)  # type: ignore[no-untyped-call]
        if actor := context["actor"]:
            context["actor_email"] = actor.email or actor.get_username()[:254]
        return context


class ClosedByDefaultMiddleware(LoginRequiredMiddleware):
    """Every page needs a log-in, as stock; but of who asks for an open one nothing is looked up."""

    def process_view(self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any) -> Any:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


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
