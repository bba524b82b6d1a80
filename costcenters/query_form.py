"""The one way from a query string to a `CostQuery`. Every parameter is a field, so errors name their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import (
    COMPARED_SORTS,
    DEFAULT_PRESET,
    DEFAULT_TOP,
    Compare,
    CostQuery,
    Filter,
    Measure,
    Sort,
)
from costcenters.dimensions import DIMENSIONS, MODEL_FAMILIES, NO_VALUE, SEAT_ACTIVITIES, is_dimension
from costcenters.models import ChargeType
from costcenters.periods import FIRST_DAY, LAST_DAY, Granularity, Preset, Span, preset_span
from costcenters.presentation import ChartKind, Presentation

MOST_PARAMETERS = 1000
MOST_CHARACTERS = 300
MOST_TOP = 1000
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
PROVIDER_SLUG = re.compile(r"[a-z0-9_-]{1,50}", re.ASCII)


class ParameterField(forms.Field):
    """A query parameter as the list of its non-empty values. Refuses NUL bytes and overlong values."""

    widget = forms.SelectMultiple

    def __init__(self, *, name: str) -> None:
        super().__init__(required=False)
        self.name = name

    def clean(self, value: Sequence[str] | None) -> Any:
        values = list(dict.fromkeys(each for each in value or () if each.strip()))
        for each in values:
            if "\x00" in each:
                raise ValidationError("Contains a NUL byte.")
            if len(each) > MOST_CHARACTERS:
                raise ValidationError(f"Is longer than {MOST_CHARACTERS} characters.")
        return self.parsed(values)

    def parsed(self, values: list[str]) -> Any:
        return values


class SingleField(ParameterField):
    """A parameter that may be given once; empty when it is not."""

    def parsed(self, values: list[str]) -> Any:
        if len(values) > 1:
            raise ValidationError(f"Given more than once: {one_of(values)}.")
        return self.one(values[0]) if values else None

    def one(self, value: str) -> Any:
        return value


class OneOfField(SingleField):
    def __init__(self, *, name: str, choices: Iterable[str], default: str | None) -> None:
        super().__init__(name=name)
        self.choices, self.default = list(choices), default

    def parsed(self, values: list[str]) -> Any:
        return super().parsed(values) or self.default

    def one(self, value: str) -> str:
        if value not in self.choices:
            raise ValidationError(f"Must be one of {one_of(self.choices)}, not “{shortened(value)}”.")
        return value


class DayField(SingleField):
    """A UTC day as YYYY-MM-DD."""

    def one(self, value: str) -> date:
        try:
            if not ISO_DAY.fullmatch(value):
                raise ValueError
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError(f"Must be a day such as 2026-11-21, not “{shortened(value)}”.") from None
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValidationError(f"Must be between {FIRST_DAY} and {LAST_DAY}.")
        return day


class TopField(SingleField):
    def parsed(self, values: list[str]) -> int:
        given = super().parsed(values)
        return DEFAULT_TOP if given is None else int(given)

    def one(self, value: str) -> int:
        if not re.fullmatch(r"\d{1,6}", value, re.ASCII) or int(value) > MOST_TOP:
            raise ValidationError(
                f"Must be a whole number from 0 (all) to {MOST_TOP}, not “{shortened(value)}”."
            )
        return int(value)


class NumberField(SingleField):
    """A whole number from 1 on; None when it is not given."""

    def one(self, value: str) -> int:
        if not re.fullmatch(r"[1-9]\d{0,8}", value, re.ASCII):
            raise ValidationError(f"Must be a whole number from 1 on, not “{shortened(value)}”.")
        return int(value)


class CurrencyField(SingleField):
    def __init__(self, *, name: str, known: list[str]) -> None:
        super().__init__(name=name)
        self.known = known

    def one(self, value: str) -> str:
        if not re.fullmatch(r"[A-Z]{3}", value, re.ASCII):
            raise ValidationError(f"Must be a three-letter code such as USD, not “{shortened(value)}”.")
        if self.known and value not in self.known:
            raise ValidationError(f"No cost center is billed in {value}, only in {one_of(self.known)}.")
        return value


class GroupByField(ParameterField):
    def parsed(self, values: list[str]) -> tuple[str, ...]:
        for value in values:
            if not is_dimension(value):
                choices = one_of([*DIMENSIONS, "tag:<key>"])
                raise ValidationError(f"Must be one of {choices}, not “{shortened(value)}”.")
        if len(values) > 2:
            raise ValidationError("At most two dimensions can be grouped by.")
        return tuple(values)


class FilterField(ParameterField):
    """Values of one dimension; `(none)` becomes the empty value."""

    def __init__(self, *, name: str, dimension: str, catalog: Catalog) -> None:
        super().__init__(name=name)
        self.dimension, self.catalog = dimension, catalog

    def parsed(self, values: list[str]) -> tuple[str, ...]:
        for value in values:
            if value != NO_VALUE:
                self.check(value)
        return tuple("" if value == NO_VALUE else value for value in values)

    def check(self, value: str) -> None:
        match self.dimension:
            case "charge_type":
                known: Sequence[str] = ChargeType.values
            case "model_family":
                known = MODEL_FAMILIES
            case "seat_activity":
                known = SEAT_ACTIVITIES
            case "cost_center":
                if value not in self.catalog.names:
                    raise ValidationError(f"There is no cost center named “{shortened(value)}”.")
                return
            case "provider":
                if not PROVIDER_SLUG.fullmatch(value):
                    raise ValidationError(f"“{shortened(value)}” is no provider's short name such as cursor.")
                return
            case _:
                return
        if value not in known:
            raise ValidationError(f"Must be one of {one_of(known)}, not “{shortened(value)}”.")


class UnknownField(ParameterField):
    def clean(self, value: Sequence[str] | None) -> Any:
        raise ValidationError("There is no such parameter.")


class CostQueryForm(forms.Form):
    """Bound to the parameters of an explorer page, export or API request; `query()` once it is valid.

    What "today" and a preset mean is settled by the catalog's UTC day.
    """

    def __init__(self, parameters: QueryDict, *, catalog: Catalog) -> None:
        self.is_overfull = sum(len(values) for _, values in parameters.lists()) > MOST_PARAMETERS
        if self.is_overfull:  # then none of them is read, nor shown
            parameters = QueryDict()
        super().__init__(parameters)
        self.parameters, self.today = parameters, catalog.today
        self.fields.update(
            {
                "preset": OneOfField(name="preset", choices=Preset.values, default=None),
                "start": DayField(name="start"),
                "end": DayField(name="end"),
                "granularity": OneOfField(
                    name="granularity", choices=Granularity.values, default=Granularity.DAY.value
                ),
                "group_by": GroupByField(name="group_by"),
                "measure": OneOfField(name="measure", choices=Measure.values, default=Measure.BILLED.value),
                "top": TopField(name="top"),
                "compare": OneOfField(name="compare", choices=Compare.values, default=Compare.NONE.value),
                "currency": CurrencyField(name="currency", known=catalog.currencies),
                "complete": OneOfField(name="complete", choices=["1"], default=None),
                "sort": OneOfField(
                    name="sort", choices=[*Sort.values, *(f"-{sort}" for sort in Sort.values)], default=""
                ),
                "chart": OneOfField(name="chart", choices=ChartKind.values, default=ChartKind.BARS.value),
                "page": NumberField(name="page"),
                "view": NumberField(name="view"),
            }
        )
        self.filters: dict[str, FilterField] = {}
        for name in parameters:
            if name in self.fields:
                continue
            dimension = name.removesuffix("!")
            if is_dimension(dimension) and "\x00" not in name and len(name) <= MOST_CHARACTERS:
                self.filters[name] = FilterField(name=name, dimension=dimension, catalog=catalog)
                self.fields[name] = self.filters[name]
            elif any(parameters.getlist(name)):
                self.fields[name] = UnknownField(name=name)

    def clean(self) -> dict[str, Any]:
        if self.is_overfull:
            raise ValidationError(f"At most {MOST_PARAMETERS} parameters can be given.")
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and start > end:
            self.add_error("end", f"Is before the start, {start}.")
        elif start and not end and start > self.today and "end" not in self.errors:
            self.add_error("start", "Lies in the future: give an end too.")
        return self.cleaned_data

    def span(self) -> tuple[str, Span]:
        """The preset's name (empty when days were given, which beat it) and the span.

        Only a start: up to today. Only an end: the 30 days up to it.
        """
        cleaned = self.cleaned_data
        start, end = cleaned["start"], cleaned["end"]
        if start or end:
            end = end or self.today
            return "", Span(start or max(FIRST_DAY, end - timedelta(days=29)), end)
        preset = cleaned["preset"] or DEFAULT_PRESET
        return preset, preset_span(preset, self.today)

    def query(self) -> CostQuery:
        """The question asked. Only of a valid form."""
        cleaned = self.cleaned_data
        preset, span = self.span()
        sort = cleaned["sort"].removeprefix("-")
        if cleaned["compare"] == Compare.NONE and sort in COMPARED_SORTS:
            sort = ""
        filters = [
            Filter(field.dimension, cleaned[name], exclude=name.endswith("!") and name != field.dimension)
            for name, field in self.filters.items()
            if cleaned[name]
        ]
        return CostQuery(
            span=span,
            preset=preset,
            granularity=cleaned["granularity"],
            group_by=cleaned["group_by"],
            filters=tuple(sorted(filters, key=lambda f: (f.dimension, f.exclude))),
            measure=Measure(cleaned["measure"]),
            top=cleaned["top"],
            compare=cleaned["compare"],
            currency=cleaned["currency"] or "",
            only_complete=bool(cleaned["complete"]),
            sort=sort,
            is_reversed=bool(sort) and cleaned["sort"].startswith("-"),
        )

    def presentation(self) -> Presentation:
        """How the page shows it. Only of a valid form."""
        cleaned = self.cleaned_data
        return Presentation(chart=cleaned["chart"], page=cleaned["page"] or 1, view=cleaned["view"])

    def problems(self) -> list[tuple[str, str]]:
        """Each error as the parameter's name (empty for all of them together) and a sentence."""
        return [
            ("" if name == "__all__" else name, str(message))
            for name, messages in self.errors.items()
            for message in messages
        ]


def one_of(values: Iterable[str]) -> str:
    return ", ".join(values)


def shortened(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:60]}…"
