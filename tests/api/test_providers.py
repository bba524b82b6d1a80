"""What can be connected, and what each provider asks for."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from integrations.providers import PROVIDERS
from integrations.providers.base import COMMON_FIELDS
from tests.api.answers import answer, problem, script_of

pytestmark = pytest.mark.django_db
PROVIDERS_URL = "/api/v1/providers/"


@pytest.fixture
def script():
    return script_of("Viewer", "read")


def schema_of(script, slug):
    schema = answer(script.get(f"{PROVIDERS_URL}{slug}/"))["connect_schema"]
    Draft202012Validator.check_schema(schema)
    return schema


def accepts(schema, **body):
    return Draft202012Validator(schema).is_valid(body)


def test_all_that_can_be_connected_is_listed(script):
    page = answer(script.get(PROVIDERS_URL))
    assert [each["slug"] for each in page["results"]] == ["cursor", "aws", "gcp", "azure", "focus_files"]
    assert (page["next"], page["previous"]) == (None, None)
    cursor = page["results"][0]
    assert cursor == answer(script.get(f"{PROVIDERS_URL}cursor/"))
    assert (cursor["name"], cursor["known_by"], cursor["has_seats"]) == ("Cursor", "key", True)
    assert cursor["reads"] == "Reads usage events, members, spend."
    assert [each["name"] for each in cursor["streams"]] == ["usage", "members", "spend"]


@pytest.mark.parametrize("slug", ["subscriptions", "nobody"])
def test_what_cannot_be_connected_is_not_there(slug, script):
    problem(script.get(f"{PROVIDERS_URL}{slug}/"), 404)


def test_a_form_can_be_built_for_cursor(script):
    schema = schema_of(script, "cursor")
    key = schema["properties"]["credentials"]["properties"]["admin_api_key"]
    assert (key["title"], key["format"], key["writeOnly"]) == ("Admin API Key", "password", True)
    assert key["description"] == "Read-only is enough. Stored encrypted, never shown again."
    assert schema["properties"]["name"]["examples"] == ["Cursor"]

    credentials = {"admin_api_key": "crsr_1"}
    whole = {"name": "Cursor", "provider": "cursor", "credentials": credentials}
    assert accepts(schema, **whole)
    assert accepts(schema, **whole, monthly_seat_price="40.00", currency="USD")
    assert accepts(schema, **whole, monthly_seat_price=None)
    for wrong in (
        {"provider": "aws"},
        {"name": " "},
        {"credentials": {}},
        {"credentials": {"admin_api_key": ""}},
        {"credentials": {"admin_api_key": "k" * 501}},
        {"credentials": {**credentials, "more": "x"}},
        {"monthly_seat_price": "-1"},
        {"monthly_seat_price": 1_000_001},
        {"currency": "EUR"},
        {"more": "x"},
    ):
        assert not accepts(schema, **{**whole, **wrong}), wrong


def test_files_need_a_location_where_none_can_be_uploaded(script):
    location = {"location": "s3://bucket/prefix"}
    for slug in ("aws", "focus_files"):
        schema = schema_of(script, slug)
        asked = schema["properties"]["credentials"]
        assert asked["required"] == (["location"] if slug == "aws" else [])
        secrets = {name for name, field in asked["properties"].items() if field.get("writeOnly")}
        assert secrets == {"access_key_id", "secret_access_key"}
        assert "monthly_seat_price" not in schema["properties"]
        assert accepts(schema, name="Bill", provider=slug, credentials=location, currency="EUR")
        assert not accepts(schema, name="Bill", provider=slug, credentials=location, currency="Euro")


def test_every_field_of_every_form_is_in_its_schema(script):
    for each in answer(script.get(PROVIDERS_URL))["results"]:
        form = PROVIDERS[each["slug"]].form()
        properties = each["connect_schema"]["properties"]
        credentials = properties["credentials"]["properties"]
        assert {*properties, *credentials} == {*form.fields, "provider", "credentials", "currency"}
        assert not set(credentials) & set(COMMON_FIELDS)
        assert all(properties[name]["title"] for name in ("name", "currency"))
