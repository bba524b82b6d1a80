"""Whether an answer is what the OpenAPI document says of it: nothing missing, nothing besides."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


@cache
def _components() -> Any:
    return closed(document()["components"])


def operation(path: str, method: str = "get") -> dict[str, Any]:
    """Of an address as the document spells it, such as `/api/v1/views/{id}/`."""
    found: dict[str, Any] = document()["paths"][path][method]
    return found


def assert_as_documented(response: Any, path: str, method: str = "get") -> None:
    answers = operation(path, method)["responses"]
    content = answers[str(response.status_code)]["content"]
    assert_valid(json.loads(response.content), content["application/json"]["schema"])


def assert_valid(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": _components()}
    checker = Draft202012Validator.FORMAT_CHECKER
    errors = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(whole, format_checker=checker).iter_errors(value)
    ]
    assert errors == []


def closed(schema: Any) -> Any:
    """The same, but an object holds nothing beyond what is written there. The document itself leaves that open, since
    fields may be added to an answer; here one that it does not know is a mistake."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found
