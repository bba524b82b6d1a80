"""The query strings of reports, told to the OpenAPI document by the very forms that read them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import DEFAULT_PRESET, DEFAULT_TOP
from costcenters.dimensions import (
    DIMENSIONS,
    MODEL_FAMILIES,
    NO_VALUE,
    SEAT_ACTIVITIES,
    TAG_PREFIX,
    Dimension,
)
from costcenters.line_item_page.form import PositionField
from costcenters.models import ChargeType
from costcenters.periods import FIRST_DAY
from costcenters.query_form import (
    MOST_CHARACTERS,
    MOST_TOP,
    PROVIDER_SLUG,
    CostQueryForm,
    CurrencyField,
    DayField,
    GroupByField,
    NumberField,
    OneOfField,
    SingleField,
    TopField,
)
from finops.api.parameters import MOST_ROWS, ROWS

Json = dict[str, Any]
#: A parameter's name, or a dimension.
DIMENSION: Json = {
    "anyOf": [
        {"type": "string", "enum": [*DIMENSIONS]},
        {"type": "string", "pattern": f"^{TAG_PREFIX}.", "maxLength": MOST_CHARACTERS},
    ]
}
#: Dimensions whose values are always the same.
VALUES = {"charge_type": ChargeType.values, "model_family": MODEL_FAMILIES, "seat_activity": SEAT_ACTIVITIES}
IS_FOR_THE_PAGE = (
    "How the explorer's page shows it: has no effect here, so that its addresses can be used as they are."
)
DESCRIPTIONS = {
    "preset": f"A span that moves with today (UTC). `{DEFAULT_PRESET}` when no days are given either. `12m` is the "
    "current month and the eleven before it.",
    "start": "The first UTC day. Given days beat a preset; only a start means up to today.",
    "end": "The last UTC day, itself included. Only an end means the 30 days up to it.",
    "granularity": "The length of a period. Weeks start on Monday, `total` is the whole span. What would make more "
    "than 400 periods is answered by the next longer ones; CSV is not.",
    "group_by": f"Up to two dimensions, the outer one first; `{TAG_PREFIX}<key>` is a tag.",
    "measure": "What is summed. `events` counts line items, `savings` is list minus effective cost.",
    "top": f"How many values of the first dimension are told one by one, {DEFAULT_TOP} unless said; the others "
    "together are `other`. 0 is all of them. CSV always has all.",
    "compare": "What the figures are set against: as many days right before, or the same days a year ago.",
    "currency": "ISO 4217. Currencies are never added up: without this parameter it is the only one there is, else "
    "that of the largest bill.",
    "complete": "`1` ends the report before the first period of which cost may still come in.",
    "sort": "The figure that ranks the rows, largest first; a minus turns the shown rows round.",
    "chart": IS_FOR_THE_PAGE,
    "page": IS_FOR_THE_PAGE,
    "view": IS_FOR_THE_PAGE,
    "resource": "Exactly this resource; of Cursor usage, this conversation.",
    "after": "What follows in the list, which is older: the address `next` has it.",
    "before": "What stands above in the list, which is newer: the address `previous` has it.",
    "q": "A part of a value or of its label, in upper or lower case.",
    "limit": "How many there are in one answer at most.",
    "offset": "How many are passed over.",
}


class LimitField(SingleField):
    """How many rows an answer has at most; ROWS when it is not given."""

    least, most, default = 1, MOST_ROWS, ROWS

    def parsed(self, values: list[str]) -> int:
        given = super().parsed(values)
        return self.default if given is None else int(given)

    def one(self, value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) < 10
        if not is_number or not self.least <= int(value) <= self.most:
            raise forms.ValidationError(f"Must be a whole number from {self.least} to {self.most}.")
        return int(value)


class OffsetField(LimitField):
    least, most, default = 0, 1_000_000, 0


def parameters_of(kind: type[CostQueryForm], *left_out: str) -> list[Json]:
    """The parameters of a form, as OpenAPI has them: its own, those of every dimension, and those of tags.

    Any of them may be empty, which is as if it were left out: those that are given once say so by `allowEmptyValue`,
    the others by an empty text among their values.
    """
    form = kind(QueryDict(), catalog=Catalog(cost_centers={}, today=FIRST_DAY))
    own = [
        parameter(name, schema_of(field), DESCRIPTIONS[name])
        for name, field in form.fields.items()
        if name not in left_out
    ]
    filters = [each for known in DIMENSIONS.values() for each in filters_of(known)]
    return [*own, *filters, tag_filters()]


def parameter(name: str, schema: Json, description: str, **more: Any) -> Json:
    if schema["type"] not in ("array", "object"):
        more["allowEmptyValue"] = True
    return {"in": "query", "name": name, "description": description, "schema": schema, **more}


def schema_of(field: forms.Field) -> Json:
    match field:
        case OneOfField():
            default = {"default": field.default} if field.default else {}
            return {"type": "string", "enum": field.choices, **default}
        case DayField():
            return {"type": "string", "format": "date", "pattern": "^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})-"}
        case TopField():
            return {"type": "integer", "minimum": 0, "maximum": MOST_TOP, "default": DEFAULT_TOP}
        case NumberField():
            return {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        case LimitField():
            return {
                "type": "integer",
                "minimum": field.least,
                "maximum": field.most,
                "default": field.default,
            }
        case CurrencyField():
            return {"type": "string", "pattern": "^[A-Z]{3}$"}
        case GroupByField():
            return {
                "type": "array",
                "items": {"anyOf": [*DIMENSION["anyOf"], {"type": "string", "enum": [""]}]},
            }
        case PositionField():
            return {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 60}
        case _:
            return {"type": "string", "maxLength": MOST_CHARACTERS}


def filters_of(known: Dimension) -> list[Json]:
    """Of one dimension: only some of its values, or all but some."""
    values: Json = {"type": "string", "maxLength": MOST_CHARACTERS}
    spelled = {"cost_center": ", by name", "provider": ", by short name such as `cursor`"}.get(known.key, "")
    if known.key in VALUES:
        values = {"type": "string", "enum": [*VALUES[known.key], NO_VALUE, ""]}
    elif known.key == "provider":
        values["pattern"] = rf"^({PROVIDER_SLUG.pattern}|\(none\)|)$"
    many = {"type": "array", "items": values}
    return [
        parameter(
            known.key,
            many,
            f"Only these values of {known.noun}{spelled}; `{NO_VALUE}` is {known.none_label.lower()}.",
        ),
        parameter(f"{known.key}!", many, f"All but these values of {known.noun}."),
    ]


def tag_filters() -> Json:
    """Their names are only known to who asks: as members of an object, which stand in the address one by one."""
    return parameter(
        "tags",
        {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": MOST_CHARACTERS},
            "examples": [{"tag:team": "platform", "tag:env!": "dev"}],
        },
        f"Filters of tags, each a parameter of its own: `{TAG_PREFIX}team=platform` is only that value, "
        f"`{TAG_PREFIX}env!=dev` all but that one, `{NO_VALUE}` no such tag. They can be repeated as well.",
        style="form",
        explode=True,
    )
