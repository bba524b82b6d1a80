"""The OpenAPI document: exact, valid, and the same as the one that is checked in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

import finops.api

CHECKED_IN = Path(finops.api.__file__).parent / "openapi.yaml"
REFRESH = f"manage.py spectacular --file {CHECKED_IN.relative_to(Path.cwd())}"


@cache
def generated() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in generated()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_generated_without_a_warning(capfd):
    generated.cache_clear()
    generated()
    assert (bool(GENERATOR_STATS), capfd.readouterr().err) == (False, "")


def test_it_is_valid_openapi_3_1():
    assert generated()["openapi"] == "3.1.1"
    validate_schema(generated())


def test_the_checked_in_document_says_what_the_code_does():
    rendered = OpenApiYamlRenderer().render(generated(), renderer_context={}).decode()
    assert CHECKED_IN.read_text() == rendered, f"They differ. If the change is meant: `{REFRESH}`"


def test_every_operation_is_described():
    named = {tag["name"] for tag in generated()["tags"]}
    incomplete = [
        (path, method)
        for path, method, operation in operations()
        if not (operation["operationId"] and operation.get("summary") and operation.get("description"))
        or not set(operation["tags"]) <= named
        # What is neither summary nor description of its own is the line about roles alone.
        or operation["description"].startswith("*For:*")
    ]
    assert incomplete == []


def test_every_group_of_operations_is_used():
    assert {tag["name"] for tag in generated()["tags"]} == {
        tag for _, _, operation in operations() for tag in operation["tags"]
    }


def test_every_answer_and_body_has_a_shape():
    shapeless = [
        (path, method, where)
        for path, method, operation in operations()
        for where, part in [("body", operation.get("requestBody", {})), *operation["responses"].items()]
        for content in part.get("content", {}).values()
        if not set(content["schema"]) & {"$ref", "type", "anyOf", "oneOf", "allOf"}
    ]
    assert shapeless == []


def test_answers_say_what_they_are_and_errors_are_problems():
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                answer = generated()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (path, method, status)
            assert answer["description"], (path, method, status)
            assert "X-Request-ID" in answer["headers"], (path, method, status)


def test_bodies_take_nothing_that_they_do_not_name():
    components = generated()["components"]["schemas"]
    open_ones = [
        name
        for name, schema in components.items()
        if name.endswith("Request")
        and schema.get("type") == "object"
        and "additionalProperties" not in schema
    ]
    assert open_ones == []


def test_every_shape_of_an_answer_and_every_parameter_is_explained():
    """A shape as a whole, or field by field apart from those whose name says it all."""
    plain = {
        "id",
        "name",
        "username",
        "results",
        "tags",
        "started_at",
        "created_at",
        "start",
        "end",
        "day",
        "integration",
        "cost_center",
    }
    unexplained = [
        f"{name}.{field}"
        for name, schema in generated()["components"]["schemas"].items()
        if not schema.get("description")
        for field, about in schema.get("properties", {}).items()
        if field not in plain and not described(about)
    ]
    unexplained += [
        f"{path} {parameter['name']}"
        for path, _, operation in operations()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query" and not parameter.get("description")
    ]
    assert unexplained == []


def described(about: dict[str, Any]) -> bool:
    return (
        "description" in about
        or "$ref" in about
        or any(described(each) for kind in ("allOf", "anyOf", "oneOf") for each in about.get(kind, []))
    )


def test_every_operation_takes_a_token_or_a_session():
    assert all(operation["security"] == [{"token": []}, {"session": []}] for _, _, operation in operations())


def test_no_amount_is_a_float():
    """Amounts are decimal strings; a body may spell them as numbers too."""
    floats = [
        name
        for name, schema in generated()["components"]["schemas"].items()
        if not name.endswith("Request")
        for about in schema.get("properties", {}).values()
        if about.get("type") == "number"
    ]
    assert floats == []
