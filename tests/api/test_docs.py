"""The OpenAPI document, and who may read it."""

from __future__ import annotations

import json

import pytest

from tests.api.answers import answer, problem
from tests.factories import UserFactory

DOCS = "/api/docs/"
SCHEMA = "/api/schema/"


@pytest.mark.django_db
class TestDocument:
    def test_is_json_unless_yaml_is_asked_for(self, client):
        client.force_login(UserFactory())
        for accept in ("*/*", "application/json", "application/vnd.oai.openapi+json"):
            response = client.get(SCHEMA, headers={"Accept": accept})
            assert json.loads(response.content)["openapi"] == "3.1.1"
        for accept in ("application/yaml", "application/vnd.oai.openapi"):
            response = client.get(SCHEMA, headers={"Accept": accept})
            assert (response["Content-Type"], response.content[:8]) == (accept, b"openapi:")

    def test_is_made_once(self, client, django_assert_max_num_queries):
        client.force_login(UserFactory())
        first = client.get(SCHEMA)
        assert client.get(SCHEMA).content == first.content
        assert client.head(SCHEMA).content == b""

    def test_is_for_people_with_an_account(self, client):
        problem(client.get(SCHEMA), 401)
        client.force_login(UserFactory())
        assert answer(client.get(SCHEMA))["info"]["title"] == "Onebill"

    def test_takes_no_parameters(self, client):
        client.force_login(UserFactory())
        problem(client.get(f"{SCHEMA}?format=yaml"), 400)


@pytest.mark.django_db
def test_strangers_are_led_to_the_log_in(client):
    response = client.get(DOCS)
    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={DOCS}")
