"""What every answer carries, which host names count, and how much may be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
LOG_IN = "/accounts/login/"


@pytest.fixture
def over_https(settings) -> None:
    """As with an https SITE_URL behind its proxy."""
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://onebill.example.com", ["onebill.example.com"]
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"


# What every answer carries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (LOG_IN, 200),
        ("/", 200),
        ("/explorer/export.csv", 200),
        ("/api/v1/costs/", 200),
        ("/admin/", 200),
        ("/settings/audit-log/", 200),
        ("/nowhere/", 404),
        ("/explorer/?start=nonsense", 400),
        ("/healthz", 200),
    ],
)
def test_every_answer_tells_the_browser_to_be_strict(client, path, status):
    client.force_login(UserFactory(role="Admin"))

    response = client.get(path)

    assert response.status_code == status
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for directive in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert directive in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "Strict-Transport-Security" not in response


def test_over_https_cookies_are_secure_and_browsers_remember_it(client, over_https):
    UserFactory(role="Viewer", username="rin")
    ask = {"headers": {"host": "onebill.example.com", "x-forwarded-proto": "https"}}
    client.get(LOG_IN, **ask)
    response = client.post(LOG_IN, {"username": "rin", "password": "correct horse battery"}, **ask)

    assert response.status_code == 302
    session, csrf = response.cookies["__Host-sessionid"], response.cookies["csrftoken"]
    assert (session["secure"], session["httponly"], session["path"], session["domain"]) == (
        True,
        True,
        "/",
        "",
    )
    assert csrf["secure"]
    assert "max-age=31536000" in response["Strict-Transport-Security"].replace(" ", "")


def test_plain_http_is_led_to_https_but_probes_are_answered(client, over_https):
    ask = {"headers": {"host": "onebill.example.com"}}

    response = client.get("/explorer/?preset=7d", **ask)
    assert (response.status_code, response["Location"]) == (
        301,
        "https://onebill.example.com/explorer/?preset=7d",
    )
    assert client.get("/healthz", **ask).status_code == 200


def test_a_form_that_is_too_old_is_explained():
    client = Client(enforce_csrf_checks=True)

    response = client.post(LOG_IN, {"username": "rin", "password": "x"})

    assert response.status_code == 403
    assert "The form was too old" in response.content.decode()


# Host names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "a b"])
@pytest.mark.parametrize("path", ["/", LOG_IN, "/api/v1/costs/", "/accounts/password_reset/"])
def test_a_host_name_that_is_not_ours_is_refused(client, host, path):
    response = client.get(path, headers={"host": host})

    assert response.status_code == 400
    assert "evil" not in response.content.decode() + str(response.headers)


def test_a_mail_names_the_site_whatever_host_was_asked(client, settings):
    """Not even one that is allowed, as `*` allows all."""
    cache.clear()
    settings.ALLOWED_HOSTS, settings.SITE_URL, settings.HTTPS = ["*"], "https://bill.example.com", True
    UserFactory(role="Viewer", email="rin@example.com")

    for header in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example"}):
        cache.clear()
        client.post("/accounts/password_reset/", {"email": "rin@example.com"}, headers=header)

    assert len(mail.outbox) == 2
    for message in mail.outbox:
        text = message.message().as_string()
        assert "https://bill.example.com/accounts/reset/" in text
        assert "evil" not in text


# How much may be sent -------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(client) -> Callable[..., Any]:
    """Sends a body as it is; an error that is not an answer fails the test."""
    client.force_login(UserFactory(role="Admin"))

    def post(path: str, body: bytes, kind: str, **more: Any) -> Any:
        return client.generic("POST", path, body, content_type=kind, **more)

    return post


def explained(response: Any, status: int, title: str) -> None:
    text = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{title}</h1>" in text
    assert "Traceback" not in text
    assert "Content-Security-Policy" in response


MULTIPART = "multipart/form-data; boundary=edge"


def part(headers: str, body: str = "x") -> str:
    return f"--edge\r\n{headers}\r\n\r\n{body}\r\n"


def test_a_body_larger_than_any_form_is_refused(sent, settings):
    body = b"name=" + b"x" * settings.REQUEST_BODY_MAX

    response = sent(LOG_IN, body, "application/x-www-form-urlencoded")

    explained(response, 413, "That is too large")
    assert "2.0" in response.content.decode()


def test_a_huge_body_is_refused_before_it_is_read(sent):
    """Of a terabyte only the announcement is there: reading would end in an error."""
    response = sent(LOG_IN, b"", MULTIPART, CONTENT_LENGTH=str(2**40))

    explained(response, 413, "That is too large")


def test_a_file_that_nobody_asked_for_is_bounded_too(client, settings):
    client.force_login(UserFactory(role="Admin"))
    file = SimpleUploadedFile("a.bin", b"x" * (settings.REQUEST_BODY_MAX + 1))

    explained(client.post("/explorer/views/new/", {"file": file}), 413, "That is too large")


def test_the_api_says_it_in_its_own_way(sent, settings):
    response = sent("/api/v1/costs/", b"x" * (settings.REQUEST_BODY_MAX + 1), "application/json")

    assert (response.status_code, response["Content-Type"]) == (413, "application/problem+json")
    assert json.loads(response.content)["status"] == 413


@pytest.mark.parametrize(
    "body",
    [
        "".join(part(f'Content-Disposition: form-data; name="f{n}"; filename="{n}"') for n in range(102)),
        "".join(part(f'Content-Disposition: form-data; name="f{n}"') for n in range(10_001)),
        part(f'Content-Disposition: form-data; name="{"x" * 5000}"'),
        part('Content-Disposition: form-data; name="x"\r\nX-More: ' + "y" * 100_000),
    ],
    ids=["files", "fields", "long name", "huge header"],
)
def test_a_malformed_form_is_refused_with_a_page(sent, body):
    explained(sent(LOG_IN, f"{body}--edge--\r\n".encode(), MULTIPART), 400, "That request cannot be read")


def test_a_form_without_a_boundary_is_refused_with_a_page(sent):
    explained(sent(LOG_IN, b"x", "multipart/form-data"), 400, "That request cannot be read")


def test_more_fields_than_any_form_has_are_refused_with_a_page(sent):
    body = "&".join(f"f{n}=1" for n in range(10_001)).encode()

    explained(sent(LOG_IN, body, "application/x-www-form-urlencoded"), 400, "That request cannot be read")


@pytest.mark.parametrize("length", ["", "-5", "nonsense", "9" * 400])
def test_an_odd_announcement_of_the_length_is_no_error_of_ours(sent, length):
    assert sent(LOG_IN, b"", MULTIPART, CONTENT_LENGTH=length).status_code in (200, 302, 400, 413)
