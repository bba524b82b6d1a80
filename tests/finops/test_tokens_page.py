"""Settings → API tokens: a token is made and shown once, listed without it, and revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from finops.models import ApiToken
from finops.tokens.changes import MOST_TOKENS
from tests.api.answers import answer, bearer, token_of
from tests.factories import UserFactory
from tests.finops.audited import newest

pytestmark = pytest.mark.django_db
PAGE = "/settings/tokens/"
WISH = {"name": "Nightly export", "scope": "read", "days": "90"}


@pytest.fixture
def editor(client):
    user = UserFactory(role="Editor", username="rin")
    client.force_login(user)
    return user


def shown_in(response):
    return re.search(r'<code id="token"[^>]*>(onebill_[0-9a-f]{64})</code>', response.text)


def test_a_token_is_shown_once_with_an_example_that_works(client, editor):
    response = client.post(PAGE, WISH)
    assert response.status_code == 200
    token = shown_in(response)[1]
    assert f'curl -H "Authorization: Bearer {token}" http://testserver/api/v1/me/'.replace('"', "&quot;") in (
        response.text.replace('"', "&quot;")
    )
    assert "no-store" in response["Cache-Control"]
    assert answer(Client().get("/api/v1/me/", headers=bearer(token)))["username"] == "rin"

    made = ApiToken.objects.get()
    assert (made.name, made.scope) == ("Nightly export", "read")
    assert abs(made.expiry - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    assert newest().startswith("added the API token Nightly export (last day ")
    kept = str(list(Session.objects.values())) + str(list(LogEntry.objects.values())) + str(mail.outbox)
    for text in (client.get(PAGE).text, client.cookies.output(), kept):
        assert token[12:] not in text
        assert made.digest not in text


def test_the_same_form_sent_once_more_makes_nothing_and_shows_nothing(client, editor):
    client.post(PAGE, WISH)
    response = client.post(PAGE, WISH)
    assert response.status_code == 400
    assert not shown_in(response)
    assert "A token is shown only once" in response.text
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("role", "scopes"),
    [("", []), ("Viewer", ["read"]), ("Editor", ["read", "write"]), ("Admin", ["read", "write", "admin"])],
)
def test_only_scopes_of_the_role_are_offered_and_taken(client, role, scopes):
    client.force_login(UserFactory(role=role))
    assert re.findall(r'name="scope" value="(\w+)"', client.get(PAGE).text) == scopes
    for scope in ApiToken.Scope.values:
        response = client.post(PAGE, {**WISH, "name": scope, "scope": scope})
        assert bool(shown_in(response)) is (scope in scopes)
    assert ApiToken.objects.count() == len(scopes)


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "x" * 101}, {"name": "a\0b"}, {"scope": "root"}, {"scope": ""}, {"days": "31"}],
)
def test_what_cannot_be_is_said_beside_its_field_and_what_was_typed_stays(client, editor, changes):
    response = client.post(PAGE, {**WISH, "scope": "write", "days": "7", **changes})
    assert response.status_code == 400
    assert 'class="error"' in response.text
    kept = {
        "name": 'value="Nightly export"',
        "scope": 'value="write" id="scope-write"',
        "days": 'value="7" selected',
    }
    for field in set(kept) - set(changes):
        assert kept[field] in response.text
    assert not ApiToken.objects.exists()


def test_with_fifty_tokens_one_has_to_go_first(client, editor):
    for number in range(MOST_TOKENS):
        token_of(editor, name=f"{number}")
    assert "Revoke one first" in client.get(PAGE).text
    assert client.post(PAGE, WISH).status_code == 400


def test_the_list_tells_how_each_is_doing(client, editor, django_assert_max_num_queries):
    now = timezone.now()
    token_of(editor, "read", name="fresh")
    token_of(editor, "write", name="soon over", expiry=timedelta(days=3))
    token_of(editor, "write", name="over", expiry=timedelta(days=-3))
    ApiToken.objects.filter(name="fresh").update(last_used_at=now)
    token_of(UserFactory(role="Viewer"), name="somebody's")

    with django_assert_max_num_queries(10):
        text = client.get(PAGE).text

    rows = {
        re.search(r'<th scope="row">(.*?)</th>', row)[1]: " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL)[1:]
    }
    assert list(rows) == ["over", "soon over", "fresh"]
    assert f"Read {now:%-d %b %Y}" in rows["fresh"]
    assert f"{now:%-d %b %Y, %H:%M} Revoke" in rows["fresh"]
    assert "Soon Never" in rows["soon over"]
    assert "Expired Never Remove" in rows["over"]


def test_nobody_has_any_yet(client, editor):
    assert "You have no tokens yet." in client.get(PAGE).text


def test_everybodys_are_for_admins(client, editor):
    token_of(UserFactory(username="ada"), name="Ada’s")
    for query in ("", "?owner=all", "?owner=all&page=x"):
        assert "Ada’s" not in client.get(f"{PAGE}{query}").text
    client.force_login(UserFactory(role="Admin"))
    assert "Ada’s" not in client.get(PAGE).text
    assert re.search(r"Ada’s.*ada", client.get(f"{PAGE}?owner=all").text, re.DOTALL)


def test_revoking_asks_first_and_is_told(client, editor):
    sent = token_of(editor, name="Old cron")
    url = f"{PAGE}{ApiToken.objects.get().pk}/revoke/"
    assert "It has never been used." in client.get(url).text
    assert ApiToken.objects.exists()

    response = client.post(url, follow=True)
    assert "“Old cron” is revoked" in response.text
    assert Client().get("/api/v1/me/", headers=bearer(sent)).status_code == 401
    assert newest().startswith("removed the API token Old cron (")
    assert "There is no such token any more." in client.post(url, follow=True).text


def test_somebody_elses_is_as_good_as_none_except_for_admins(client, editor):
    token_of(UserFactory(username="ada", role="Admin"), name="Terraform")
    url = f"{PAGE}{ApiToken.objects.get().pk}/revoke/"
    for method in (client.get, client.post):
        assert "There is no such token any more." in method(url, follow=True).text
    client.force_login(UserFactory(role="Admin", username="bo"))
    assert "The token of ada" in client.get(url).text
    assert "“Terraform” of ada is revoked" in client.post(url, follow=True).text
    assert newest().startswith("removed the API token Terraform of ada (")


def test_the_administration_names_a_token_by_its_id(client):
    client.force_login(UserFactory(role="Admin"))
    token_of(UserFactory(role="Viewer"), name="Terraform")
    token = ApiToken.objects.get()
    change = f"/admin/finops/apitoken/{token.pk}/change/"
    texts = [
        client.get(url).text
        for url in ("/admin/finops/apitoken/", change, change.replace("change", "delete"))
    ]
    assert change in texts[0]
    assert all(
        "Terraform" in text and token.digest not in text and token.token_key not in text for text in texts
    )
    client.post(change.replace("change", "delete"), {"post": "yes"})
    assert not ApiToken.objects.exists()


def test_names_are_text_whatever_they_hold(client, editor):
    assert "<script>alert" not in client.post(PAGE, {**WISH, "name": "<script>alert(1)</script>"}).text
    url = f"{PAGE}{ApiToken.objects.get().pk}/revoke/"
    assert "<script>alert" not in client.get(url).text + client.get(PAGE).text
