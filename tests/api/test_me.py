"""Who asks, as the API tells it."""

from __future__ import annotations

import pytest

from finops.models import ApiToken
from tests.api.answers import answer, problem, script_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ME = "/api/v1/me/"
ALL = ["view_reports", "connect_cost_centers", "disconnect_cost_centers", "manage_people"]


@pytest.mark.parametrize(
    ("role", "scope", "may"),
    [
        ("Viewer", "admin", ALL[:1]),
        ("Editor", "write", ALL[:2]),
        ("Admin", "read", ALL[:1]),
        ("Admin", "write", ALL[:2]),
        ("Admin", "admin", ALL),
    ],
)
def test_what_a_token_may_is_its_owners_rights_within_its_scope(role, scope, may):
    script = script_of(role, scope)
    script.user.first_name, script.user.last_name = "Rin", "Tanaka"
    script.user.save()
    token = ApiToken.objects.get()

    told = answer(script.get(ME))

    assert told == {
        "id": script.user.pk,
        "username": script.user.username,
        "email": script.user.email,
        "name": "Rin Tanaka",
        "role": role,
        "permissions": may,
        "authenticated_by": "token",
        "token": {
            "id": str(token.pk),
            "name": "script",
            "scope": scope,
            "expires_at": f"{token.expiry:%Y-%m-%dT%H:%M:%S.%fZ}",
        },
        "rate_limit": None,
    }


def test_a_session_is_told_too(client):
    client.force_login(UserFactory(is_superuser=True))
    told = answer(client.get(ME))
    assert (told["role"], told["permissions"]) == ("Superuser", ALL)
    assert (told["authenticated_by"], told["token"]) == ("session", None)


def test_somebody_without_a_role_learns_that(client):
    client.force_login(UserFactory())
    told = answer(client.get(ME))
    assert (told["role"], told["permissions"]) == (None, [])


def test_strangers_learn_nothing(client):
    problem(client.get(ME), 401)
