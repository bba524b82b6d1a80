"""The rail, the pages around logging in, and the pages for what goes wrong."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def test_somebody_logs_in_and_out(client):
    user = UserFactory(role="Viewer")
    response = client.post(
        "/accounts/login/?next=/explorer/", {"username": user.username, "password": PASSWORD}
    )
    assert response.url == "/explorer/"
    assert client.post("/accounts/logout/").url == "/accounts/login/"
    assert client.get("/explorer/").status_code == 302


def test_a_wrong_password_is_told_and_the_name_kept(client):
    response = client.post("/accounts/login/", {"username": 'a"b', "password": "x"})
    assert "Please enter a correct username and password" in response.text
    assert 'value="a&quot;b"' in response.text


def test_too_many_wrong_passwords_close_the_log_in(client):
    for _ in range(10):
        response = client.post("/accounts/login/", {"username": "ada", "password": "x"})
    assert response.status_code == 429
    assert "Too many attempts" in response.text


@pytest.mark.parametrize("role, sees", [("Viewer", False), ("Editor", False), ("Admin", True)])
def test_only_admins_are_shown_the_administration(client, role, sees):
    client.force_login(UserFactory(role=role))
    assert ('href="/admin/"' in client.get("/").text) is sees


def test_the_rail_marks_where_one_is(client):
    client.force_login(UserFactory(role="Viewer"))
    assert re.search(r'href="/explorer/" aria-current="page"', client.get("/explorer/").text)
    assert re.search(r'href="/" aria-current="page"', client.get("/").text)


def test_a_password_is_changed(client):
    client.force_login(UserFactory(role="Viewer"))
    fields = {
        "old_password": PASSWORD,
        "new_password1": "a new long one 7",
        "new_password2": "a new long one 7",
    }
    assert "Change your password" in client.get("/accounts/password_change/").text
    assert "Your old password was entered incorrectly" in (
        client.post("/accounts/password_change/", fields | {"old_password": "no"}).text
    )
    assert "Password changed" in client.post("/accounts/password_change/", fields, follow=True).text


def test_a_forgotten_password_is_set_by_a_link_in_a_mail(client):
    user = UserFactory(role="Viewer")
    client.post("/accounts/password_reset/", {"email": user.email})
    [message] = mail.outbox
    assert message.subject == "Set a new password for Onebill"
    path = re.search(r"http://localhost:8000(/accounts/reset/\S+)", message.body)[1]
    response = client.get(path, follow=True)
    page = response.redirect_chain[-1][0]
    fields = {"new_password1": "a new long one 7", "new_password2": "a new long one 7"}
    assert "Your password is set" in client.post(page, fields, follow=True).text
    assert "used already" in client.get(path, follow=True).text


def test_an_unknown_address_is_answered_like_a_known_one(client):
    response = client.post("/accounts/password_reset/", {"email": "nobody@example.com"}, follow=True)
    assert "Look into your mail" in response.text
    assert mail.outbox == []


def test_a_form_without_its_token_is_explained():
    client = Client(enforce_csrf_checks=True)
    response = client.post("/accounts/login/", {"username": "ada", "password": "x"})
    assert response.status_code == 403
    assert "The form was too old" in response.text


def test_what_goes_wrong_has_pages_of_its_own(client):
    client.force_login(UserFactory())
    assert "There is no such page" in client.get("/nowhere/").text
    assert "You may not see this" in client.get("/explorer/").text
