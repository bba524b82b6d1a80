"""Tokens by API: who may make which, what is shown of them, how they are refused, and what using one costs."""

from __future__ import annotations

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from auditlog.models import LogEntry
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from finops.models import ApiToken, ApiTokenQuerySet
from finops.tokens.changes import KEPT, MOST_TOKENS, delete_long_expired
from tests.api.answers import Script, answer, bearer, fields, problem, script_of, token_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
TOKENS, ME = "/api/v1/tokens/", "/api/v1/me/"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def wish(**changes: Any) -> dict[str, Any]:
    return {"name": "Nightly export", "scope": "read", "expires_in_days": 30, **changes}


def detail(token: Any) -> str:
    return f"{TOKENS}{token}/"


@pytest.fixture
def admin() -> Script:
    return script_of("Admin")


class TestMaking:
    def test_a_token_is_told_once_and_works(self, admin):
        made = admin.post(TOKENS, wish())
        told = answer(made, 201)

        assert set(told) == {
            *("id", "name", "hint", "scope", "owner", "created_at", "expires_at", "last_used_at", "token")
        }
        assert made["Location"] == detail(told["id"])
        assert told["token"].startswith("onebill_")
        assert told["hint"] == f"{told['token'][:12]}…"
        assert told["owner"] == {"id": admin.user.pk, "username": admin.user.username}
        mine = answer(Client().get(ME, headers=bearer(told["token"])))
        assert (mine["id"], mine["token"]["id"]) == (admin.user.pk, told["id"])
        shown = answer(admin.get(detail(told["id"])))
        assert shown == {name: told[name] for name in shown} | {"last_used_at": shown["last_used_at"]}
        assert set(told) - set(shown) == {"token"}

    def test_neither_digest_nor_token_is_told_or_recorded(self, admin):
        sent = answer(admin.post(TOKENS, wish()), 201)["token"]
        made = ApiToken.objects.get(name="Nightly export")
        told = admin.get(TOKENS).text + admin.get(detail(made.pk)).text
        admin.delete(detail(made.pk))
        recorded = str(list(LogEntry.objects.values()))
        for secret in (sent, sent[12:], made.digest, made.digest[:16], made.token_key):
            assert secret not in told
            assert secret not in recorded

    @pytest.mark.parametrize(
        ("role", "allowed"),
        [("", 0), ("Viewer", 1), ("Editor", 2), ("Admin", 3)],
    )
    def test_no_scope_is_larger_than_the_role(self, client, role, allowed):
        client.force_login(UserFactory(role=role))
        statuses = [
            client.post(TOKENS, wish(name=scope, scope=scope), content_type="application/json").status_code
            for scope in ApiToken.Scope.values
        ]
        assert statuses == [201] * allowed + [400] * (3 - allowed)

    def test_a_token_makes_none_of_a_larger_scope(self):
        assert fields(script_of("Admin", "write").post(TOKENS, wish(scope="admin"))) == ["scope"]
        answer(script_of("Admin", "write").post(TOKENS, wish(scope="write")), 201)

    def test_a_token_makes_none_that_lives_longer(self):
        script = script_of("Editor", "write")
        ApiToken.objects.filter(user=script.user).update(expiry=timezone.now() + timedelta(days=30, hours=1))

        assert fields(script.post(TOKENS, wish(expires_in_days=31))) == ["expires_in_days"]
        answer(script.post(TOKENS, wish(expires_in_days=30)), 201)

    def test_a_token_that_reads_makes_none(self):
        body = problem(script_of("Editor", "read").post(TOKENS, wish()), 403)
        assert body["type"] == "urn:onebill:problem:token-scope"

    @pytest.mark.parametrize(
        ("changes", "blamed"),
        [
            ({"name": ""}, "name"),
            ({"name": " \n "}, "name"),
            ({"name": "a\0b"}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": None}, "name"),
            ({"scope": "root"}, "scope"),
            ({"scope": ["read"]}, "scope"),
            ({"expires_in_days": 0}, "expires_in_days"),
            ({"expires_in_days": 366}, "expires_in_days"),
            ({"expires_in_days": 10**30}, "expires_in_days"),
            ({"expires_in_days": "soon"}, "expires_in_days"),
            ({"user": 1}, "user"),
            ({"digest": "0" * 128}, "digest"),
        ],
    )
    def test_what_cannot_be_is_named(self, admin, changes, blamed):
        assert fields(admin.post(TOKENS, wish(**changes))) == [blamed]
        assert ApiToken.objects.count() == 1

    def test_no_two_living_tokens_of_a_person_have_one_name(self, admin):
        answer(admin.post(TOKENS, wish()), 201)
        assert fields(admin.post(TOKENS, wish(name=" Nightly  export "))) == ["name"]
        answer(script_of("Editor").post(TOKENS, wish()), 201)
        ApiToken.objects.filter(name="Nightly export", user=admin.user).update(expiry=timezone.now())
        answer(admin.post(TOKENS, wish()), 201)

    def test_nobody_has_more_than_fifty(self, admin):
        for number in range(MOST_TOKENS - 2):
            token_of(admin.user, name=f"{number}")
        answer(admin.post(TOKENS, wish(name="the last")), 201)
        assert "Revoke one first" in problem(admin.post(TOKENS, wish()), 409)["detail"]
        ApiToken.objects.filter(name="1").update(expiry=timezone.now())
        answer(admin.post(TOKENS, wish()), 201)


class TestListing:
    def test_ones_own_and_nobody_elses(self, admin):
        viewer = script_of("Viewer")
        assert [row["owner"]["id"] for row in answer(viewer.get(TOKENS))["results"]] == [viewer.user.pk]
        for method in ("GET", "DELETE"):
            problem(viewer.ask(method, detail(ApiToken.objects.get(user=admin.user).pk)), 404)
            problem(viewer.ask(method, detail(uuid.uuid4())), 404)

    def test_everybodys_is_for_admins_with_that_scope(self, admin):
        owners = {script_of("Viewer").user.pk, admin.user.pk}
        assert {row["owner"]["id"] for row in answer(admin.get(f"{TOKENS}?owner=all"))["results"]} == owners
        problem(script_of("Editor").get(f"{TOKENS}?owner=all"), 403)
        narrow = Script(admin.user, "write")
        assert problem(narrow.get(f"{TOKENS}?owner=all"), 403)["type"] == "urn:onebill:problem:token-scope"

    def test_pages_hold_each_token_once_newest_first(self, admin, django_assert_max_num_queries):
        with time_machine.travel(NOW, tick=False) as clock:
            for number in range(9):
                clock.shift(timedelta(seconds=number // 3))
                token_of(UserFactory(), name=f"{number}")
        answer(admin.get(ME))
        seen, url = [], f"{TOKENS}?owner=all&limit=2"
        while url:
            with django_assert_max_num_queries(4):
                page = answer(admin.get(url))
            seen += [row["name"] for row in page["results"]]
            url = page["next"]
        assert len(seen) == len(set(seen)) == 10
        assert [number // 3 for number in map(int, seen[1:])] == [2, 2, 2, 1, 1, 1, 0, 0, 0]

    @pytest.mark.parametrize(
        "place", ["0", "2026", "2026-13-01 00:00:00+00:00", "9999-01-01 00:00:00+00:00", "é"]
    )
    def test_a_forged_place_is_refused(self, admin, place):
        cursor = b64encode(urlencode({"p": place}).encode()).decode()
        assert fields(admin.get(f"{TOKENS}?{urlencode({'cursor': cursor})}")) == ["cursor"]

    @pytest.mark.parametrize("rest", ["cD0", "AAAA", "%"])
    def test_a_place_that_was_cut_off_is_refused(self, admin, rest):
        assert fields(admin.get(f"{TOKENS}?{urlencode({'cursor': rest})}")) == ["cursor"]


class TestRevoking:
    def test_ones_own_is_refused_at_once(self):
        script = script_of("Editor", "write")
        own = ApiToken.objects.get(user=script.user)
        assert script.delete(detail(own.pk)).status_code == 204
        problem(script.get(ME), 401)

    def test_an_admin_revokes_anybodys_and_the_audit_log_tells_both(self, admin):
        viewer = script_of("Viewer")
        token = ApiToken.objects.get(user=viewer.user)
        narrow = Script(admin.user, "write")
        assert problem(narrow.delete(detail(token.pk)), 403)["type"] == "urn:onebill:problem:token-scope"
        LogEntry.objects.all().delete()
        answer(admin.post(TOKENS, wish()), 201)
        assert admin.delete(detail(token.pk)).status_code == 204

        problem(viewer.get(ME), 401)
        entries = answer(admin.get("/api/v1/audit-log/?kind=token"))["results"]
        assert [entry["actor"]["name"] for entry in entries] == [admin.user.username] * 2
        assert entries[0]["changes"].startswith(f"removed the API token script of {viewer.user.username} (")
        assert entries[1]["changes"].startswith("added the API token Nightly export (last day ")

    def test_a_session_revokes_with_the_token_of_a_form_only(self, client):
        user = UserFactory(role="Viewer")
        token_of(user)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(user)
        problem(browser.delete(detail(ApiToken.objects.get().pk)), 403)
        assert ApiToken.objects.exists()


class TestUsing:
    def test_it_takes_one_query_and_two_for_its_permissions(self):
        script = script_of("Viewer")
        answer(script.get(ME))
        for number in range(30):
            token_of(script.user, name=f"{number}", expiry=timedelta(seconds=-1))
        with CaptureQueriesContext(connection) as asked:
            answer(script.get(TOKENS))
        assert len(asked) == 2, "the token with its owner, and the list"
        with CaptureQueriesContext(connection) as asked:
            problem(script.get("/api/v1/audit-log/"), 403)
        assert len(asked) == 3, "the token with its owner, the permissions of the person and of their groups"

    def test_the_last_use_is_kept_once_a_minute(self):
        with time_machine.travel(NOW, tick=False) as clock:
            script = script_of("Viewer")
            seen = []
            for seconds in (0, 30, 29, 1, 60):
                clock.shift(timedelta(seconds=seconds))
                with CaptureQueriesContext(connection) as asked:
                    answer(script.get(ME))
                writes = [query for query in asked if query["sql"].startswith("UPDATE")]
                seen.append((ApiToken.objects.get().last_used_at, len(writes)))
        minute = timedelta(minutes=1)
        assert seen == [(NOW, 1), (NOW, 0), (NOW, 0), (NOW + minute, 1), (NOW + 2 * minute, 1)]

    def test_a_database_that_cannot_write_refuses_nobody(self, monkeypatch, caplog):
        def locked(*_: Any, **__: Any) -> int:
            raise DatabaseError("database is locked")

        script = script_of("Viewer")
        monkeypatch.setattr(ApiTokenQuerySet, "update", locked)
        answer(script.get(ME))
        assert "could not be kept" in caplog.text
        assert ApiToken.objects.get().last_used_at is None

    def test_what_has_expired_is_refused_and_stays_for_a_while(self):
        script = script_of("Viewer")
        ApiToken.objects.update(expiry=timezone.now())
        problem(script.get(ME), 401)
        delete_long_expired(timezone.now() + KEPT - timedelta(minutes=1))
        assert ApiToken.objects.count() == 1
        delete_long_expired(timezone.now() + KEPT + timedelta(minutes=1))
        assert ApiToken.objects.count() == 0

    def test_its_owners_rights_are_those_of_the_moment(self):
        script = script_of("Admin")
        answer(script.get("/api/v1/audit-log/"))
        script.user.groups.clear()
        problem(script.get("/api/v1/audit-log/"), 403)
        script.user.is_active = False
        script.user.save()
        problem(script.get(ME), 401)

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer  {token}",
            "Bearer\t{token}",
            "Bearer {token} {token}",
            "Bearer {token},",
            "Bearer {token}\x00",
            "Bearer {token}\x85",
            "Bearer \xff{token}",
            "Bearer {token}" + "f" * 9000,
        ],
    )
    def test_a_header_that_is_not_quite_it_is_refused(self, header):
        token = token_of(UserFactory(role="Admin"))
        with CaptureQueriesContext(connection) as asked:
            response = Client().get(ME, headers={"Authorization": header.format(token=token)})
        assert problem(response, 401)
        assert response["WWW-Authenticate"] == 'Bearer realm="Onebill"'
        assert len(asked) == 0
