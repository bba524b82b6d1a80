"""Answers that are typed dictionaries, in the OpenAPI document: such a class is the one place that says its shape.

What a hint alone cannot say stands beside it: `Annotated[str, Also(format="date"), "The first day."]`, where a text is
the description.
"""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import resolve_type_hint

from finops.api.fields import DECIMAL

Json = dict[str, Any]


class Also:
    """More of the schema of a value."""

    def __init__(self, **parts: Any) -> None:
        self.parts: Json = parts


#: An exact amount in the unit of its currency.
AmountText = Annotated[str, Also(format="decimal", pattern=DECIMAL)]
Day = Annotated[str, Also(format="date")]
Instant = Annotated[str, Also(format="date-time")]
Address = Annotated[str, Also(format="uri")]
SCALARS: dict[Any, str] = {str: "string", int: "integer", bool: "boolean"}


class TypedAnswer(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Every class a component, named without `Json`; its docstring is the description."""

    @classmethod
    def _matches(cls, target: Any) -> bool:
        return is_typeddict(target)

    def get_name(self, auto_schema: AutoSchema, direction: Any) -> str:
        return str(self.target.__name__).removesuffix("Json")

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Json:
        hints = get_type_hints(self.target, include_extras=True)
        return {
            "type": "object",
            "description": inspect.getdoc(self.target) or "",
            "properties": {name: schema_of(hint, auto_schema) for name, hint in hints.items()},
            "required": [name for name in hints if name in self.target.__required_keys__],
        }


def schema_of(hint: Any, auto_schema: AutoSchema) -> Json:
    """The schema of a value of this type. A description beside another class's name is a sibling of its `$ref`."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema = schema_of(parts[0], auto_schema)
        for more in parts[1:]:
            schema |= more.parts if isinstance(more, Also) else {"description": more}
        return schema
    if origin in (Union, UnionType):
        return _any_of([schema_of(part, auto_schema) for part in parts if part is not NoneType], parts)
    if origin is list:
        return {"type": "array", "items": schema_of(parts[0], auto_schema)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(parts[1], auto_schema)}
    if is_typeddict(hint):
        return dict(auto_schema.resolve_serializer(hint, "response").ref)
    if hint is Any:
        return {}
    if hint in SCALARS:
        return {"type": SCALARS[hint]}
    known: Json = resolve_type_hint(hint)  # type: ignore[no-untyped-call]
    return known


def _any_of(schemas: list[Json], parts: tuple[Any, ...]) -> Json:
    is_optional = NoneType in parts
    if len(schemas) > 1 or "type" not in schemas[0]:
        return {"anyOf": [*schemas, {"type": "null"}] if is_optional else schemas}
    [schema] = schemas
    if is_optional:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema
