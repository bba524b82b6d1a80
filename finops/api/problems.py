"""Errors of the API, all in one shape (RFC 9457)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict

from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import is_valid_path
from django.views import defaults
from rest_framework import exceptions

from finops.logs import request_id
from finops.middleware import longest_body

API_PATH = "/api/"
MEDIA_TYPE = "application/problem+json"
#: The type of a problem that its status says in full.
BLANK = "about:blank"
TOO_LARGE = "The body is larger than anything here has need of."
INVALID = "urn:onebill:problem:invalid-parameters"
INVALID_BODY = "urn:onebill:problem:invalid-body"
CONFLICT = "urn:onebill:problem:conflict"
SCOPE = "urn:onebill:problem:token-scope"
TOO_MANY = "urn:onebill:problem:too-many-requests"


class FieldError(TypedDict):
    """`field` names the parameter, or the path of a value in the body (`credentials.admin_api_key`)."""

    field: str
    detail: str


class ProblemDetails(TypedDict):
    """The body of every error. `errors` is there when fields are to blame; an empty `field` is all of them."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: NotRequired[list[FieldError]]


class Problem(exceptions.APIException):
    """An error with a type of its own, or with fields that are to blame."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        type: str = BLANK,
        title: str = "",
        errors: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status_code, self.type, self.title = status.value, type, title
        self.errors = tuple(errors)


class InvalidParameters(Problem):
    """`problems` are pairs of a parameter's name (empty for all of them) and a sentence."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            "Some parameters cannot be understood; `errors` says which and why.",
            type=INVALID,
            title="Invalid parameters",
            errors=problems,
        )


class InvalidBody(Problem):
    """`problems` are pairs of the path of a value in the body (empty for all of it) and a sentence."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            "Some values cannot be accepted, and nothing was changed; `errors` says which and why.",
            type=INVALID_BODY,
            title="Invalid body",
            errors=problems,
        )


class Conflict(Problem):
    """What is asked for is understood, but the state of things does not allow it; nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.CONFLICT, detail, type=CONFLICT, title="Not possible now")


def problem_response(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """REST framework's EXCEPTION_HANDLER. None for what is nobody's fault but ours."""
    known = _as_api_exception(error)
    if known is None:
        return None
    errors = known.errors if isinstance(known, Problem) else tuple(field_errors(known.detail))
    if errors and not isinstance(known, Problem):
        known = InvalidBody(errors)
    response = problem(
        known.status_code,
        _sentence(known, context),
        type=getattr(known, "type", BLANK),
        title=getattr(known, "title", ""),
        errors=errors,
    )
    if header := getattr(known, "auth_header", None):
        response["WWW-Authenticate"] = header
    if wait := getattr(known, "wait", None):
        response["Retry-After"] = str(int(wait))
    return response


def problem(
    status: int,
    detail: str,
    *,
    type: str = BLANK,
    title: str = "",
    errors: Iterable[tuple[str, str]] = (),
) -> JsonResponse:
    """An answer of type `application/problem+json`."""
    body: ProblemDetails = {
        "type": type,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id.get(),
    }
    if listed := [FieldError(field=field, detail=message) for field, message in errors]:
        body["errors"] = listed
    return JsonResponse(
        body,
        status=status,
        content_type=MEDIA_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    match error:
        case exceptions.APIException():
            return error
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case TooManyFieldsSent():
            return Problem(HTTPStatus.BAD_REQUEST, "There are more parameters than can be read.")
        case RequestDataTooBig():
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        case SuspiciousOperation() | BadRequest():
            return Problem(HTTPStatus.BAD_REQUEST, "The request is malformed.")
    return None


def field_errors(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What serializers found wrong, flat: `{"a": {"b": ["No."]}}` is `("a.b", "No.")`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "nonfield_errors" else str(name)
            yield from field_errors(inner, ".".join(part for part in (path, own) if part))
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            is_nested = isinstance(inner, Mapping | list)
            yield from field_errors(inner, f"{path}.{position}".strip(".") if is_nested else path)
    elif path or not isinstance(detail, exceptions.ErrorDetail):
        yield path, str(detail)


def _sentence(error: exceptions.APIException, context: Mapping[str, Any]) -> str:
    match error:
        case exceptions.NotAuthenticated():
            return "Send a token as `Authorization: Bearer TOKEN`, or log in."
        case exceptions.NotAcceptable():
            offered = " or ".join(renderer.media_type for renderer in context["view"].renderer_classes)
            return f"This is answered as {offered} only: ask for that in the Accept header."
        case exceptions.UnsupportedMediaType():
            return "Send JSON, and say so: `Content-Type: application/json`."
        case exceptions.MethodNotAllowed():
            allowed = ", ".join(context["view"].allowed_methods)
            return f"This method is not answered here, only {allowed}."
        case exceptions.PermissionDenied() if error.detail == error.default_detail:
            return "Your account may not do this. Somebody who manages people can give it a role that may."
        case exceptions.NotFound() if error.detail == error.default_detail:
            return "There is nothing at this address."
    return str(error.detail)


# Django's own error pages, which under /api/ are problems as well ----------------------------------------------------


class ApiProblemsMiddleware:
    """Under `/api/` every error is a problem, also where Django answers with a page: with DEBUG it asks no handler."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.status_code >= 400 and response.get("Content-Type") != MEDIA_TYPE
        if is_page and request.path.startswith(API_PATH):
            response.content = own_problem(request, response.status_code).content
            response["Content-Type"] = MEDIA_TYPE
            # That of the page was set already.
            response["Content-Length"] = str(len(response.content))
        return response


def own_problem(request: HttpRequest, status: int, error: Exception | None = None) -> HttpResponse:
    """What is said of an error that no endpoint has seen."""
    match status:
        case HTTPStatus.BAD_REQUEST if isinstance(error, DisallowedHost):
            detail = "The Host header is none of the names that ALLOWED_HOSTS lists."
        case HTTPStatus.BAD_REQUEST:
            detail = "The request is malformed."
        case HTTPStatus.FORBIDDEN:
            detail = "This was refused."
        case HTTPStatus.NOT_FOUND:
            detail = "There is nothing at this address."
            if is_valid_path(f"{request.path_info}/"):
                detail += f" Every address ends with a slash: ask for {request.path}/"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = "This method is not answered here."
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = TOO_LARGE
        case HTTPStatus.SERVICE_UNAVAILABLE:
            detail = "The database does not answer, or is too busy. Try again in a moment."
        case _:
            detail = "Something went wrong here. It was recorded under this id; try again in a moment."
    response = problem(status, detail)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "5"
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return too_large(request)
    if request.path.startswith(API_PATH):
        return own_problem(request, HTTPStatus.BAD_REQUEST, exception)
    return defaults.bad_request(request, exception)


def too_large(request: HttpRequest) -> HttpResponse:
    """413 for a body that is larger than any form or call has need of."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if request.path.startswith(API_PATH):
        return own_problem(request, status)
    return render(request, "413.html", {"most": filesizeformat(longest_body(request))}, status=status)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PATH):
        return own_problem(request, HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API_PATH):
        is_database = isinstance(sys.exception(), OperationalError | InterfaceError)
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_database else HTTPStatus.INTERNAL_SERVER_ERROR
        return own_problem(request, status)
    return defaults.server_error(request)
