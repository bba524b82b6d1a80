"""Whatever goes wrong under /api/, the answer is a problem: also where no endpoint is asked, and with DEBUG."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops.api.access import ANYBODY
from finops.api.parameters import Body
from finops.api.views import ApiView
from tests.api.answers import Script, answer, bearer, fields, problem, script_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ME = "/api/v1/me/"


class EchoBody(Body):
    text = serializers.CharField(max_length=10)
    amount = serializers.DecimalField(max_digits=19, decimal_places=9, required=False)


class Echo(ApiView):
    """Reads a body as every endpoint does."""

    permission = ANYBODY

    def post(self, request: Request) -> Response:
        return Response({name: str(value) for name, value in self.body(EchoBody).items()})


class Broken(ApiView):
    permission = ANYBODY
    error: Exception = ZeroDivisionError("a secret of ours")

    def get(self, request: Request) -> Response:
        raise self.error


def broken_page(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [
    path("api/v1/echo/", Echo.as_view()),
    path("api/v1/broken/", Broken.as_view()),
    path("api/v1/locked/", Broken.as_view(error=OperationalError("database is locked"))),
    path("api/page/", broken_page),
    path("", include("finops.urls")),
]
handler400 = "finops.api.problems.bad_request"
handler404 = "finops.api.problems.page_not_found"
handler500 = "finops.api.problems.server_error"


@pytest.fixture(params=[False, True], ids=["", "debug"])
def debug(request: pytest.FixtureRequest, settings: Any) -> bool:
    settings.DEBUG = request.param
    return settings.DEBUG


@pytest.fixture
def script(settings: Any) -> Script:
    settings.ROOT_URLCONF = __name__
    script = script_of("Viewer")
    script.client.raise_request_exception = False
    return script


ECHO = "/api/v1/echo/"


def sent(script: Script, body: bytes | str, content_type: str = "application/json") -> Any:
    return script.client.generic("POST", ECHO, body, content_type, headers=bearer(script.token))


NOWHERE = [
    "/api/",
    "/api/v1/nowhere/",
    "/api/v2/me/",
    "/api/v1/me/x/",
    "/api/v1/%00/",
    "/api/v1/%ff%fe/",
    "/api/v1/%zz/",
    "/api/v1/" + "a" * 5000,
    "/api/v1/..%2f..%2fetc/passwd",
]


def test_an_address_that_is_not_there(script, debug):
    for address in NOWHERE:
        for method in ("GET", "POST", "DELETE", "TRACE"):
            assert "nothing at this address" in problem(script.ask(method, address), 404)["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_address_without_its_slash_is_named_with_it(script, debug, method):
    body = problem(script.ask(method, "/api/v1/me?limit=3"), 404)
    assert body["detail"].endswith("ask for /api/v1/me/")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_answered(script, debug, method):
    response = script.ask(method, ME)
    assert "only GET, HEAD, OPTIONS" in problem(response, 405)["detail"]
    assert response["Allow"] == "GET, HEAD, OPTIONS"


NO_JSON = [
    b"{",
    b"nonsense",
    b"\xff\xfe",
    b'{"text": "\xff"}',
    b'{"text": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"text": "a", "text": "b"}',
    b'{"amount": NaN}',
    b'{"amount": -Infinity}',
    b'{"amount": ' + b"1" * 5000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    '{"text": "ä"}'.encode("utf-16"),
]


def test_a_body_that_is_not_json(script, debug):
    for body in NO_JSON:
        assert "The body" in problem(sent(script, body), 400)["detail"]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"true"])
def test_a_body_that_is_no_object(script, body):
    assert fields(sent(script, body)) == [""]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "\0"}, "text"),
        ({"text": "a" * 11}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": {"a": 1}}, "text"),
        ({}, "text"),
        ({"text": "a", "amount": 1e400}, None),
        ({"text": "a", "amount": "1e400"}, "amount"),
        ({"text": "a", "amount": "sNaN"}, "amount"),
        ({"text": "a", "nobody\0knows": 1}, "nobody\0knows"),
    ],
)
def test_a_value_that_cannot_be_accepted_is_named(script, body, field):
    response = script.post(ECHO, body)
    if field is None:
        problem(response, 400)
    else:
        assert fields(response) == [field]


def test_a_number_means_what_is_written(script):
    response = sent(script, '{"text": "a", "amount": 1234567890.123456789}')
    assert answer(response)["amount"] == "1234567890.123456789"


OTHER_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "nonsense",
    ";",
    "\0",
]


def test_a_body_of_another_type(script, debug):
    for content_type in OTHER_TYPES:
        assert "Content-Type: application/json" in problem(sent(script, "a=b", content_type), 415)["detail"]


@pytest.mark.parametrize("charset", ["base64", "bz2", "rot13", "undefined"])
def test_a_body_in_no_text_encoding(script, charset):
    problem(sent(script, '{"text": "\\u00fc"}', f"application/json; charset={charset}"), 400)


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape"])
def test_a_body_in_an_encoding_that_can_spell_what_is_no_text(script, charset):
    half = {"utf-7": "+2AA-", "unicode_escape": "\\ud800"}[charset]
    body = problem(sent(script, f'{{"{half}": 1}}', f"application/json; charset={charset}"), 400)
    assert "surrogate" in body["detail"]


def test_a_body_that_is_too_large(script, settings):
    body = problem(sent(script, b" " * (settings.REQUEST_BODY_MAX + 1)), 413)
    assert "larger than" in body["detail"]


def test_a_format_that_is_not_offered(script, debug):
    assert "application/json only" in problem(script.get(ME, accept="text/html"), 406)["detail"]


def test_a_change_in_a_session_without_the_token_of_a_form(script, debug):
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="Admin"))
    body = problem(client.post(ECHO, {"text": "a"}, content_type="application/json"), 403)
    assert "CSRF" in body["detail"]


def test_a_session_reads_without_the_token_of_a_form():
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="Viewer"))
    assert [method(ME).status_code for method in (client.get, client.head, client.options)] == [200, 200, 204]


def test_a_host_that_is_not_ours(script, debug):
    assert "ALLOWED_HOSTS" in problem(script.get(ME, host="evil.example"), 400)["detail"] or debug
    problem(script.get("/api/v1/nowhere/", host="evil.example"), 400)


HOSTILE_QUERIES = ["%00=1", "a=%ff", "%zz", "&&&=&", "a[]=1", "a=1&a=2", "a" * 100_000, "%F0%9F"]


def test_a_hostile_query_string(script, debug):
    for query in HOSTILE_QUERIES:
        problem(script.get(f"{ME}?{query}"), 400)


def test_more_parameters_than_can_be_read(script, settings):
    problem(script.get(f"{ME}?{'a=1&' * (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}"), 400)


@pytest.mark.parametrize("address", ["/api/v1/broken/", "/api/page/"])
def test_an_error_of_ours_is_logged_under_the_id_that_is_answered(script, debug, address, caplog):
    script.client.force_login(script.user)
    with caplog.at_level(logging.ERROR, "django.request"):
        response = script.get(address, X_Request_ID="from-a-script.7")

    body = problem(response, 500)
    assert body["request_id"] == response["X-Request-ID"] == "from-a-script.7"
    assert b"secret" not in response.content
    (record,) = [each for each in caplog.records if each.name == "django.request"]
    assert "ZeroDivisionError" in str(record.exc_text)
    assert record.request.request_id == "from-a-script.7"  # type: ignore[attr-defined]


def test_a_database_that_does_not_answer(script):
    response = script.get("/api/v1/locked/")
    assert "database" in problem(response, 503)["detail"]
    assert response["Retry-After"] == "5"


@pytest.mark.parametrize("given", ["", "a b", "ä", "x" * 65, "a\r\nb"])
def test_a_request_id_that_could_do_harm_is_replaced(script, given):
    response = script.get("/api/v1/nowhere/", X_Request_ID=given)
    made = problem(response, 404)["request_id"]
    assert made == response["X-Request-ID"] != given
    assert made.isalnum()


def test_head_has_the_headers_of_a_problem_alone(script, debug):
    for address, status in (("/api/v1/nowhere/", 404), (f"{ME}?x=1", 400), ("/api/v1/broken/", 500)):
        response = script.head(address)
        assert (response.status_code, response.content) == (status, b"")
        assert response["Content-Type"] == "application/problem+json"


def test_other_pages_keep_their_own(client, settings):
    response = client.get("/nowhere/")
    assert response["Content-Type"].startswith("text/html")
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)


def test_a_token_with_hostile_bytes(script, debug):
    for text in ("\0", "ÿ" * 20, "a" * 10_000, "%00" * 10, "a b"):
        response = script.client.get(ME, headers={"Authorization": f"Bearer {text}"})
        assert response["WWW-Authenticate"].startswith("Bearer")
        problem(response, 401)
