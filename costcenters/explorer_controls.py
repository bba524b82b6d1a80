"""The explorer's form as the page shows it: selects, filter inputs and chips, keeping what was typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import DEFAULT_PRESET, DEFAULT_TOP, Compare, CostQuery, Measure, encode
from costcenters.dimensions import DIMENSIONS, MODEL_FAMILIES, NO_VALUE, TAG_PREFIX, value_label
from costcenters.models import ChargeType
from costcenters.periods import Granularity, Preset
from costcenters.query_form import CostQueryForm

TOPS = (5, 9, 20, 50, 0)
#: Parameters that have a control of their own; all others are filters.
CONTROLLED = ("preset", "start", "end", "granularity", "group_by", "measure", "top", "compare", "currency")

Choices = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Select:
    name: str
    label: str
    options: tuple[Option, ...]
    is_wrong: bool = False
    place: int = 1

    @property
    def id(self) -> str:
        """Unique in the page; two selects may have one name."""
        return f"control-{self.name}-{self.place}"


@dataclass(frozen=True, slots=True)
class FilterInput:
    """Adds a value to one dimension's filter: a select where all values are known, else text."""

    name: str
    label: str
    options: tuple[Option, ...]
    suggestions: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force. `name` and `value` keep it in the form; `flip_url` excludes or includes instead."""

    name: str
    value: str
    text: str
    remove_url: str
    flip_text: str = ""
    flip_url: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    selects: tuple[Select, ...]
    preset: Select
    start: str
    end: str
    filters: tuple[FilterInput, ...]
    chips: tuple[Chip, ...]
    problems: tuple[tuple[str, str], ...]


def controls(form: CostQueryForm, query: CostQuery | None, catalog: Catalog, path: str) -> Controls:
    """`query` is None when the form is not valid: then the chips show the parameters as typed."""
    typed, wrong = form.parameters, form.errors
    dated = bool(typed.get("start") or typed.get("end"))
    preset = "" if dated else (last(typed, "preset") or DEFAULT_PRESET)
    groupings = [value for value in typed.getlist("group_by") if value]
    dimensions = [(key, dimension.label) for key, dimension in DIMENSIONS.items()]
    dimensions += [(f"{TAG_PREFIX}{key}", f"Tag {key}") for key in catalog.tag_keys]
    tops = [(str(top), f"Top {top}" if top else "All") for top in TOPS]

    def chosen(name: str, label: str, choices: Choices, default: str) -> Select:
        return select(name, label, choices, last(typed, name) or default, is_wrong=name in wrong)

    selects = [
        chosen("granularity", "By", Granularity.choices, Granularity.DAY.value),
        select(
            "group_by", "Group by", [("", "nothing"), *dimensions], nth(groupings, 0), "group_by" in wrong
        ),
        replace(
            select(
                "group_by", "then by", [("", "nothing"), *dimensions], nth(groupings, 1), "group_by" in wrong
            ),
            place=2,
        ),
        chosen("measure", "Measure", Measure.choices, Measure.BILLED.value),
        chosen("compare", "Compare with", Compare.choices, Compare.NONE.value),
        chosen("top", "Show", tops, str(DEFAULT_TOP)),
    ]
    if len(catalog.currencies) > 1 or typed.get("currency"):
        currencies = [("", "Largest"), *((code, code) for code in catalog.currencies)]
        selects.append(chosen("currency", "Currency", currencies, ""))
    return Controls(
        selects=tuple(selects),
        preset=select("preset", "Period", [("", "Days below"), *Preset.choices], preset, "preset" in wrong),
        start=last(typed, "start"),
        end=last(typed, "end"),
        filters=tuple(filter_inputs(catalog)),
        chips=tuple(query_chips(query, path) if query else typed_chips(typed, path)),
        problems=tuple(form.problems()),
    )


def select(name: str, label: str, choices: Choices, current: str, is_wrong: bool = False) -> Select:
    """A select on `current`; a value that is not among the choices is kept as one more."""
    options = [Option(value, text, value == current) for value, text in choices]
    if not any(option.selected for option in options):
        options.append(Option(current, current, True))
    return Select(name, label, tuple(options), is_wrong)


def filter_inputs(catalog: Catalog) -> Iterable[FilterInput]:
    known: dict[str, Sequence[str]] = {
        "cost_center": catalog.names,
        "provider": catalog.providers,
        "charge_type": ChargeType.values,
        "model_family": [*MODEL_FAMILIES, NO_VALUE],
    }
    for key, dimension in DIMENSIONS.items():
        options = [Option("", "Any", True)] if key in known else []
        options += [Option(value, value_label(key, value), False) for value in known.get(key, ())]
        yield FilterInput(key, dimension.label, tuple(options), "" if key in known else f"values-{key}")
    for tag in catalog.tag_keys:
        yield FilterInput(f"{TAG_PREFIX}{tag}", f"Tag {tag}", (), "")


def query_chips(query: CostQuery, path: str) -> Iterable[Chip]:
    for each in query.filters:
        for value in each.values:
            yield Chip(
                name=each.parameter,
                value=value or NO_VALUE,
                text=each.sentence(value),
                remove_url=f"{path}?{query.without(each, value).query_string()}",
                flip_text="ask for it" if each.exclude else "exclude",
                flip_url=f"{path}?{query.flipped(each, value).query_string()}",
            )


def typed_chips(typed: QueryDict, path: str) -> Iterable[Chip]:
    pairs = [(name, value) for name, values in typed.lists() for value in values if value]
    for pair in dict.fromkeys(pairs):
        if pair[0] not in CONTROLLED:
            remaining = encode(other for other in pairs if other != pair)
            yield Chip(
                name=pair[0], value=pair[1], text=f"{pair[0]}={pair[1]}", remove_url=f"{path}?{remaining}"
            )


def last(typed: QueryDict, name: str) -> str:
    return next((value for value in reversed(typed.getlist(name)) if value), "")


def nth(values: list[str], place: int) -> str:
    return values[place] if place < len(values) else ""
