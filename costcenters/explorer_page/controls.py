"""The explorer's form as the page shows it: controls, filter pickers and chips, keeping what was typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from django.http import QueryDict
from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.cost_query import (
    DEFAULT_PRESET,
    DEFAULT_TOP,
    Compare,
    CostQuery,
    Measure,
    encode,
)
from costcenters.dimensions import (
    DIMENSIONS,
    MODEL_FAMILIES,
    NO_VALUE,
    SEAT_ACTIVITIES,
    TAG_PREFIX,
    dimension,
    is_dimension,
    value_label,
)
from costcenters.links import explorer_url
from costcenters.models import ChargeType
from costcenters.periods import Granularity, Preset, Span
from costcenters.presentation import ChartKind, Presentation
from costcenters.query_form import CostQueryForm

TOPS = (5, 9, 20, 50, 0)
#: Parameters that have a control of their own.
CONTROLLED = (
    "preset",
    "start",
    "end",
    "granularity",
    "group_by",
    "measure",
    "top",
    "compare",
    "currency",
    "complete",
    "chart",
)
#: Parameters that the form keeps without showing them. The page of the table is not kept: any change begins anew.
KEPT = ("sort", "view")
DROPPED = ("page",)
#: More values of one filter are told as one chip that opens.
MOST_CHIPS = 3
#: Still more are told by their number alone: each value's chip holds the addresses of all the others.
MOST_CHIPS_INSIDE = 20
#: Tags that have their picker in the row; the others are behind one more button.
MOST_TAGS = 6
#: Where people begin anew: with a parameter, so that it does not lead to their default view.
START_OVER = f"preset={DEFAULT_PRESET}"

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
class Picker:
    """Where one dimension is filtered. `in_force` counts the values now asked for or excluded.

    `options` are for the plain form, where all values are known; without them a value is typed, and `all_url`
    leads to a report that lists them.
    """

    key: str
    label: str
    id: str
    url: str
    all_url: str
    options: tuple[Option, ...]
    in_force: int


@dataclass(frozen=True, slots=True)
class Chip:
    """One value of a filter in force; `flip_url` excludes it, or asks for it, instead."""

    text: str
    remove_url: str
    flip_url: str = ""


@dataclass(frozen=True, slots=True)
class ChipGroup:
    """One filter in force. Of many values `summary` tells the number, and the chips are inside.

    `opens` is the id of the picker that changes it.
    """

    summary: str
    chips: tuple[Chip, ...]
    flip_text: str = ""
    opens: str = ""
    remove_url: str = ""

    @property
    def is_long(self) -> bool:
        return len(self.chips) > MOST_CHIPS


@dataclass(frozen=True, slots=True)
class Controls:
    """`kept` are the parameters, as name and value, that the form holds without a control: filters, sort, view.

    `span` are the days asked for, whether typed or a preset's; None while the question has mistakes.
    """

    preset: Select
    start: str
    end: str
    span: Span | None
    selects: tuple[Select, ...]
    chart: tuple[Option, ...]
    only_complete: bool
    pickers: tuple[Picker, ...]
    more_pickers: tuple[Picker, ...]
    chips: tuple[ChipGroup, ...]
    kept: tuple[tuple[str, str], ...]
    start_over_url: str
    remove_all_url: str


def controls(
    form: CostQueryForm, query: CostQuery | None, presentation: Presentation, catalog: Catalog
) -> Controls:
    """`query` is None when the form is not valid: then the chips show the parameters as typed."""
    typed, wrong = form.parameters, form.errors
    dated = bool(last(typed, "start") or last(typed, "end"))
    preset = "" if dated else (last(typed, "preset") or DEFAULT_PRESET)
    groupings = query.group_by if query else tuple(value for value in typed.getlist("group_by") if value)
    chart = presentation.chart if query else last(typed, "chart") or ChartKind.BARS.value
    pickers = tuple(each_picker(typed, catalog))
    in_row = len(DIMENSIONS) + MOST_TAGS
    first_page = replace(presentation, page=1)

    def url_of(other: CostQuery) -> str:
        return explorer_url(other, first_page)

    return Controls(
        preset=select(
            "preset", "Period", [*Preset.choices, ("", "Days I choose")], preset, "preset" in wrong
        ),
        start=last(typed, "start"),
        end=last(typed, "end"),
        span=query.span if query else None,
        selects=tuple(selects(form, query, groupings, catalog)),
        chart=tuple(Option(value, str(label), value == chart) for value, label in ChartKind.choices),
        only_complete=query.only_complete if query else last(typed, "complete") == "1",
        pickers=pickers[:in_row],
        more_pickers=pickers[in_row:],
        chips=tuple(query_chips(query, url_of, pickers) if query else typed_chips(typed)),
        kept=tuple(kept(form, query, presentation)),
        start_over_url=f"{reverse('explorer')}?{START_OVER}",
        remove_all_url=url_of(replace(query, filters=())) if query else "",
    )


def selects(
    form: CostQueryForm, query: CostQuery | None, groupings: Sequence[str], catalog: Catalog
) -> Iterable[Select]:
    typed, wrong = form.parameters, form.errors

    def chosen(name: str, label: str, choices: Choices, default: str) -> Select:
        return select(name, label, choices, last(typed, name) or default, name in wrong)

    def grouping(label: str, place: int) -> Select:
        current = groupings[place - 1] if place <= len(groupings) else ""
        return replace(
            select("group_by", label, dimension_choices(catalog), current, "group_by" in wrong), place=place
        )

    periods = [
        (value, "Week (from Monday)" if value == Granularity.WEEK else str(label))
        for value, label in Granularity.choices
    ]
    yield chosen("granularity", "Granularity", periods, Granularity.DAY.value)
    yield grouping("Group by", 1)
    yield grouping("then by", 2)
    yield chosen("measure", "Measure", Measure.choices, Measure.BILLED.value)
    yield chosen("compare", "Compare with", Compare.choices, Compare.NONE.value)
    tops = [(str(top), f"Largest {top}" if top else "All values") for top in TOPS]
    if query is not None and query.top not in TOPS:
        tops.append((str(query.top), f"Largest {query.top}"))
    yield chosen("top", "Show", tops, str(DEFAULT_TOP))
    if len(catalog.currencies) > 1 or last(typed, "currency"):
        currencies = [("", "Largest"), *((code, code) for code in catalog.currencies)]
        yield chosen("currency", "Currency", currencies, "")


def dimension_choices(catalog: Catalog) -> list[tuple[str, str]]:
    return [("", "nothing"), *((key, dimension(key).label) for key in filterable(catalog))]


def filterable(catalog: Catalog) -> list[str]:
    return [*DIMENSIONS, *(f"{TAG_PREFIX}{key}" for key in catalog.tag_keys if key)]


def select(name: str, label: str, choices: Choices, current: str, is_wrong: bool = False) -> Select:
    """A select on `current`; a value that is not among the choices is kept as one more."""
    options = [Option(value, text, value == current) for value, text in choices]
    if not any(option.selected for option in options):
        options.append(Option(current, current, True))
    return Select(name, label, tuple(options), is_wrong)


def each_picker(typed: QueryDict, catalog: Catalog) -> Iterable[Picker]:
    """One for each dimension, and for each tag that is offered or in force."""
    known: dict[str, Sequence[str]] = {
        "cost_center": catalog.names,
        "provider": catalog.providers,
        "charge_type": ChargeType.values,
        "model_family": [*MODEL_FAMILIES, ""],
        "seat_activity": [*SEAT_ACTIVITIES, ""],
    }
    asked = (name.removesuffix("!") for name in typed if any(typed.getlist(name)))
    keys = dict.fromkeys([*filterable(catalog), *(key for key in asked if is_dimension(key))])
    for place, key in enumerate(keys, start=1):
        options = [Option("", "Any", True)] if key in known else []
        options += [Option(value or NO_VALUE, value_label(key, value), False) for value in known.get(key, ())]
        yield Picker(
            key=key,
            label=dimension(key).label,
            id=f"picker-{place}",
            url=values_url(key),
            all_url=f"{reverse('explorer')}?{encode([('group_by', key), ('top', '0')])}",
            options=tuple(options),
            in_force=sum(len(list(filter(None, typed.getlist(name)))) for name in (key, f"{key}!")),
        )


def values_url(key: str) -> str:
    """Where the values of a dimension come from."""
    return f"{reverse('explorer-values', args=['user']).removesuffix('user/')}{quote(key, safe=':')}/"


def kept(
    form: CostQueryForm, query: CostQuery | None, presentation: Presentation
) -> Iterable[tuple[str, str]]:
    """What was wrong in a parameter that no control shows is not kept: nobody could mend it."""
    if query is not None:
        parameters = [*query.parameters(), *presentation.parameters()]
        yield from query.filter_parameters()
        yield from ((name, value) for name, value in parameters if name in KEPT)
        return
    for name, value in typed_pairs(form.parameters):
        if name not in (*CONTROLLED, *DROPPED) and not (name in KEPT and name in form.errors):
            yield name, value


def query_chips(
    query: CostQuery,
    url_of: Callable[[CostQuery], str],
    pickers: Iterable[Picker] = (),
) -> Iterable[ChipGroup]:
    """`url_of` is where the page asks another question. A filter of very many values is a single chip."""
    ids = {picker.key: picker.id for picker in pickers}
    for each in query.filters:
        of_how_many = f"{'is none of' if each.exclude else 'is one of'} {len(each.values)}"
        summary = f"{dimension(each.dimension).label} {of_how_many}"
        remove_url = url_of(replace(query, filters=tuple(other for other in query.filters if other != each)))
        if len(each.values) > MOST_CHIPS_INSIDE:
            yield replace(single_chip(summary, remove_url), opens=ids.get(each.dimension, ""))
            continue
        yield ChipGroup(
            summary=summary,
            chips=tuple(
                Chip(
                    text=each.sentence(value),
                    remove_url=url_of(query.without(each, value)),
                    flip_url=url_of(query.flipped(each, value)),
                )
                for value in each.values
            ),
            flip_text="ask for it" if each.exclude else "exclude",
            opens=ids.get(each.dimension, ""),
            remove_url=remove_url,
        )


def single_chip(text: str, remove_url: str) -> ChipGroup:
    return ChipGroup(text, (Chip(text, remove_url),))


def typed_chips(typed: QueryDict) -> Iterable[ChipGroup]:
    pairs = typed_pairs(typed)
    for pair in pairs:
        if pair[0] not in (*CONTROLLED, *KEPT, *DROPPED):
            remaining = encode(other for other in pairs if other != pair)
            text = f"{pair[0]}={pair[1]}"
            yield single_chip(text, f"{reverse('explorer')}?{remaining}")


def typed_pairs(typed: QueryDict) -> list[tuple[str, str]]:
    """The parameters that say something, each once."""
    return list(dict.fromkeys((name, value) for name, values in typed.lists() for value in values if value))


def typed_url(typed: QueryDict) -> str:
    """The address of a question with mistakes in it."""
    return f"{reverse('explorer')}?{encode(typed_pairs(typed))}"


def last(typed: QueryDict, name: str) -> str:
    return next((value for value in reversed(typed.getlist(name)) if value), "")
