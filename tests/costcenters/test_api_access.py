"""The report by API: who is let in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from finops.models import ApiToken
from tests.costcenters.api_answers import COSTS, problem
from tests.factories import DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db


def token_of(user: Any, **kwargs: Any) -> str:
    return ApiToken.objects.create(user=user, name="script", **kwargs)[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class TestAccess:
    def test_a_token_of_its_owner_is_enough(self, client, at_now):
        DailyCostFactory()
        token = token_of(UserFactory(role="Viewer"))

        for scheme in ("Bearer", "bearer", "BEARER"):
            response = client.get(COSTS, headers={"Authorization": f"{scheme} {token}"})
            assert response.status_code == 200
            assert response.json()["total"]["measure"] == "1.00"
        assert not client.session.keys()

    def test_a_token_may_be_used_without_the_csrf_cookie(self):
        token = token_of(UserFactory(role="Viewer"))
        response = Client(enforce_csrf_checks=True).post(COSTS, headers=bearer(token))
        problem(response, 405)

    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_every_role_reads(self, client, role):
        assert client.get(COSTS, headers=bearer(token_of(UserFactory(role=role)))).status_code == 200

    @pytest.mark.parametrize("scope", ApiToken.Scope.values)
    def test_every_scope_reads(self, client, scope):
        token = token_of(UserFactory(role="Viewer"), scope=scope)
        assert client.get(COSTS, headers=bearer(token)).status_code == 200

    @pytest.mark.parametrize("scope", ApiToken.Scope.values)
    def test_no_token_may_more_than_its_owner(self, client, scope):
        body = problem(client.get(COSTS, headers=bearer(token_of(UserFactory(), scope=scope))), 403)
        assert "may not do this" in body["detail"]

    def test_a_session_without_a_role_is_refused(self, client):
        client.force_login(UserFactory())
        problem(client.get(COSTS), 403)

    def test_superusers_may(self, client):
        client.force_login(UserFactory(is_superuser=True))
        assert client.get(COSTS).status_code == 200

    def test_strangers_are_asked_for_a_token(self, client):
        for accept in ("application/json", "text/csv"):
            response = client.get(COSTS, headers={"Accept": accept})
            assert "Bearer TOKEN" in problem(response, 401)["detail"]
            assert response["WWW-Authenticate"] == 'Bearer realm="Onebill"'

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_strangers_are_asked_whatever_they_want(self, client, method):
        problem(getattr(client, method)(COSTS), 401)

    def test_the_account_must_be_active(self, client):
        user = UserFactory(role="Admin", is_active=False)
        problem(client.get(COSTS, headers=bearer(token_of(user))), 401)

    def test_an_account_that_went_is_refused(self, client):
        user = UserFactory(role="Admin")
        token = token_of(user)
        user.delete()
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_a_token_ends(self, client):
        token = token_of(UserFactory(role="Viewer"), expiry=timedelta(seconds=-1))
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_a_revoked_token_is_refused(self, client):
        token = token_of(UserFactory(role="Viewer"))
        ApiToken.objects.all().delete()
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_the_refusal_does_not_say_which_it_was(self, client):
        tokens = [
            "f" * 64,
            token_of(UserFactory(role="Admin", is_active=False)),
            token_of(UserFactory(role="Viewer"), expiry=timedelta(seconds=-1)),
        ]
        details = {problem(client.get(COSTS, headers=bearer(token)), 401)["detail"] for token in tokens}
        assert len(details) == 1

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer  ",
            "Bearer \x00",
            "Bearer " + "f" * 15 + "\x00" * 49,
            "Bearer " + "\xff\xfe" * 32,
            "Bearer " + "é" * 64,
            "Bearer ☃",
            "Bearer " + "f" * 64 + " " + "f" * 64,
            "Bearer\x00" + "f" * 64,
            "Bearer\x0b" + "f" * 64,
            "\x00Bearer " + "f" * 64,
            "Bearer " + "f" * 100_000,
            "Bearer '; DROP TABLE finops_apitoken; --",
            "Token " + "f" * 64,
            "Basic YTpi",
            "Basic \xff",
            "\x00",
            "☃",
            ", ,",
        ],
    )
    def test_a_hostile_header_is_no_log_in(self, client, header):
        ApiToken.objects.create(user=UserFactory(role="Admin"))
        problem(client.get(COSTS, headers={"Authorization": header}), 401)

    def test_a_wrong_token_is_refused_even_beside_a_session(self, viewer):
        problem(viewer.get(COSTS, headers=bearer("f" * 64)), 401)

    def test_a_log_in_of_the_proxy_does_not_hide_the_session(self, viewer):
        assert viewer.get(COSTS, headers={"Authorization": "Basic YTpi"}).status_code == 200

    def test_a_token_takes_few_queries(self, client, django_assert_max_num_queries):
        user = UserFactory(role="Viewer")
        tokens = [token_of(user) for _ in range(30)]
        with django_assert_max_num_queries(15):
            client.get(f"{COSTS}?group_by=user", headers=bearer(tokens[-1]))
