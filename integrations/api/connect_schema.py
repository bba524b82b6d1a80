"""The body that connects a provider, as a JSON schema made from the provider's own connect form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.forms.fields import Field

from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, credential_names, secret_names

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: What a bill is in where the form does not ask.
CURRENCY = "USD"
#: Digits before the point of any amount.
WHOLE_DIGITS = 10


def connectable() -> dict[str, Provider]:
    """What people can connect, by its slug."""
    return {slug: provider for slug, provider in PROVIDERS.items() if provider.is_connectable}


def connect_schema(provider: Provider) -> Json:
    """Of the whole body of `POST /api/v1/integrations/`; a client can build a form of it."""
    form = provider.form()
    names, secrets = credential_names(form), secret_names(form)
    return {
        "type": "object",
        "title": f"Connect {provider.name}",
        "required": ["name", "provider", "credentials"],
        "additionalProperties": False,
        "properties": {
            "name": _property(form.fields["name"]),
            "provider": {"type": "string", "const": provider.slug},
            "credentials": {
                "type": "object",
                "title": "Credentials",
                "required": [name for name in names if form.fields[name].required],
                "additionalProperties": False,
                "properties": {
                    name: _property(form.fields[name], is_secret=name in secrets) for name in names
                },
            },
            **_price(form),
            "currency": _currency(form),
        },
    }


def _price(form: forms.Form) -> Json:
    field = form.fields.get("monthly_seat_price")
    if not isinstance(field, forms.DecimalField):
        return {}
    text = rf"^[0-9]{{1,{WHOLE_DIGITS}}}(\.[0-9]{{1,{field.decimal_places}}})?$"
    number: Json = {"type": "number", "minimum": 0}
    if isinstance(field.max_value, int | Decimal):
        number["maximum"] = int(field.max_value)
    schema = {"anyOf": [{"type": "string", "pattern": text}, number, {"type": "null"}], "default": None}
    return {"monthly_seat_price": {**_about(field), **schema}}


def _currency(form: forms.Form) -> Json:
    """Where it is not asked for there is but one, which may be named."""
    field = form.fields.get("currency")
    if field is None:
        return {"type": "string", "title": "Currency", "const": CURRENCY, "default": CURRENCY}
    return {**_about(field), "type": "string", "pattern": "^[A-Z]{3}$", "default": CURRENCY}


def _property(field: Field, *, is_secret: bool = False) -> Json:
    """A field that is sent as text."""
    schema: Json = {**_about(field), "type": "string"}
    if field.required:
        # White space around it does not count.
        schema |= {"minLength": 1, "pattern": r"\S"}
    if (longest := getattr(field, "max_length", None)) is not None:
        schema["maxLength"] = longest
    if isinstance(field, forms.ChoiceField):
        schema["enum"] = [str(value) for value, _ in field.choices]  # type: ignore[misc, union-attr]
    if is_secret:
        return {**schema, "format": "password", "writeOnly": True}
    examples = [text for text in (field.initial, field.widget.attrs.get("placeholder")) if text]
    return {**schema, "examples": examples[:1]} if examples else schema


def _about(field: Field) -> Json:
    """What a form shows beside it."""
    told = {"title": field.label, "description": field.help_text}
    return {name: str(text) for name, text in told.items() if text}
