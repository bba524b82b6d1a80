"""Query strings and bodies of the API: what is not known is refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from finops.api.problems import InvalidBody, InvalidParameters, field_errors

#: Of one answer.
MOST_ROWS = 1000
ROWS = 100


class Query(serializers.Serializer[Any]):
    """The parameters of an endpoint, each a field. Of itself it has none."""

    @classmethod
    def read(cls, parameters: QueryDict) -> dict[str, Any]:
        """What they say. Raises InvalidParameters."""
        form = cls(data={})
        given: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name in parameters:
            values = parameters.getlist(name)
            field = form.fields.get(name)
            if field is None:
                known = ", ".join(form.fields) or "none"
                problems.append((name, f"There is no such parameter here; known are: {known}."))
            elif isinstance(field, serializers.ListField | serializers.MultipleChoiceField):
                given[name] = values
            elif len(values) > 1:
                problems.append((name, "Can be given once only."))
            else:
                given[name] = values[0]
        form = cls(data=given)
        if not form.is_valid():
            problems += field_errors(form.errors)
        if problems:
            raise InvalidParameters(problems)
        found: dict[str, Any] = form.validated_data
        return found


class PagedQuery(Query):
    """A list's parameters. `cursor` stands in the addresses of the pages before and after."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_ROWS, default=ROWS, help_text="Rows of one answer at most."
    )
    cursor = serializers.CharField(
        required=False, max_length=500, help_text="Where the page begins: follow `next` and `previous`."
    )


class Body(serializers.Serializer[Any]):
    """What is sent to an endpoint, each value a field."""

    @classmethod
    def read(cls, data: Any, **context: Any) -> dict[str, Any]:
        """What it says. Raises InvalidBody."""
        if not isinstance(data, Mapping):
            raise InvalidBody([("", "Send a JSON object.")])
        form = cls(data=data, context=context)
        problems = [
            (str(name), f"There is no such field; known are: {', '.join(form.fields) or 'none'}.")
            for name in data
            if name not in form.fields
        ]
        mistyped = dict(_mistyped(form, data, ""))
        problems += mistyped.items()
        if not form.is_valid():
            problems += [(name, said) for name, said in field_errors(form.errors) if name not in mistyped]
        if problems:
            raise InvalidBody(problems)
        found: dict[str, Any] = form.validated_data
        return found


def _mistyped(field: Any, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Values of another type than their field's: REST framework would take 5 for text, and "yes" for true."""
    match field, value:
        case serializers.Serializer(), Mapping():
            for name, inner in field.fields.items():
                if name in value:
                    yield from _mistyped(inner, value[name], f"{path}.{name}".lstrip("."))
        case serializers.ListField() | serializers.ListSerializer(), list():
            for position, each in enumerate(value):
                yield from _mistyped(field.child, each, f"{path}.{position}")
        case serializers.DictField(), Mapping():
            for name, each in value.items():
                yield from _mistyped(field.child, each, f"{path}.{name}")
        case _, None | list() | dict():
            # Said by the fields themselves.
            return
        case serializers.CharField(), _ if not isinstance(value, str):
            yield path, "Must be a text."
        case serializers.BooleanField(), _ if not isinstance(value, bool):
            yield path, "Must be true or false."
        case serializers.IntegerField(), _ if isinstance(value, str | bool):
            yield path, "Must be a whole number."
