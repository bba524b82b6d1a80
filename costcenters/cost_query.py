"""What is asked of the bill: one frozen value that page, CSV and API share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote_plus

from django.db import models

from costcenters.dimensions import NO_VALUE, dimension, value_label
from costcenters.periods import Granularity, Preset, Span

DEFAULT_TOP = 9
DEFAULT_PRESET = Preset.DAYS_30.value


class Measure(models.TextChoices):
    """What is summed. `events` counts line items; `tokens` adds the four token counts.

    `savings` is list minus effective cost: discounts, and what usage included in a plan would have cost.
    """

    BILLED = "billed", "Billed"
    EFFECTIVE = "effective", "Effective"
    LIST = "list", "List"
    SAVINGS = "savings", "Savings"
    TOKENS = "tokens", "Tokens"
    EVENTS = "events", "Events"

    @property
    def is_money(self) -> bool:
        return self not in (Measure.TOKENS, Measure.EVENTS)


class Compare(models.TextChoices):
    NONE = "none", "Nothing"
    PREVIOUS = "previous", "Previous period"
    YEAR = "year", "Same days last year"


class Sort(models.TextChoices):
    """The column that ranks the rows, largest first (`value`: by name, `change`: by size, up or down).

    Of more values than `top`, those that rank first are shown; `value` leaves that choice to the measure.
    A minus before it turns the shown rows round. Without grouping, rows are periods and stay in time's order
    unless a sort is given.
    """

    VALUE = "value", "Name"
    MEASURE = "measure", "Measure"
    BEFORE = "before", "Before"
    CHANGE = "change", "Change"
    PERCENT = "percent", "Percent"
    TOKENS = "tokens", "Tokens"
    EVENTS = "events", "Events"


#: Without a comparison there is nothing to sort by in these.
COMPARED_SORTS = (Sort.BEFORE, Sort.CHANGE, Sort.PERCENT)


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose `dimension` has (`exclude`: has not) one of `values`; an empty value means no value."""

    dimension: str
    values: tuple[str, ...]
    exclude: bool = False

    @property
    def parameter(self) -> str:
        return f"{self.dimension}!" if self.exclude else self.dimension

    def sentence(self, value: str) -> str:
        verb = "is not" if self.exclude else "is"
        return f"{dimension(self.dimension).label} {verb} {value_label(self.dimension, value)}"


@dataclass(frozen=True, slots=True)
class CostQuery:
    """A question to the bill. `span` is inclusive; an empty `currency` leaves the choice to the explorer.

    `only_complete` ends the report before the first period that may still grow. `sort` is empty for the natural
    order, else a `Sort`, turned round by `is_reversed`.
    """

    span: Span
    preset: str = ""
    granularity: str = Granularity.DAY.value
    group_by: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    measure: Measure = Measure.BILLED
    top: int = DEFAULT_TOP
    compare: str = Compare.NONE.value
    currency: str = ""
    only_complete: bool = False
    sort: str = ""
    is_reversed: bool = False

    @property
    def compare_span(self) -> Span | None:
        return self.compared_with(self.span)

    def compared_with(self, span: Span) -> Span | None:
        """What `span`, the part of the query's that is reported, stands against."""
        match self.compare:
            case Compare.PREVIOUS:
                return span.right_before()
            case Compare.YEAR:
                return span.a_year_before()
        return None

    def narrowed(self, key: str, value: str) -> CostQuery:
        """Only `value` of dimension `key`; other filters stay."""
        kept = tuple(f for f in self.filters if f.dimension != key or f.exclude)
        return replace(self, filters=(*kept, Filter(key, (value,))))

    def on_days(self, span: Span) -> CostQuery:
        """The same of other days, named one by one instead of by a preset."""
        return replace(self, span=span, preset="")

    def grouped_by(self, *keys: str) -> CostQuery:
        return replace(self, group_by=keys)

    def showing(self, *, top: int) -> CostQuery:
        return replace(self, top=top)

    def measuring(self, measure: Measure) -> CostQuery:
        return replace(self, measure=measure)

    def in_currency(self, currency: str) -> CostQuery:
        return replace(self, currency=currency)

    def sorted_by(self, sort: str, *, is_reversed: bool = False) -> CostQuery:
        return replace(self, sort=sort, is_reversed=is_reversed)

    def flipped(self, wanted: Filter, value: str) -> CostQuery:
        """One value of a filter excluded instead of asked for, or the other way round."""
        remaining = self.without(wanted, value)
        exclude = not wanted.exclude
        same = [f for f in remaining.filters if f.dimension == wanted.dimension and f.exclude == exclude]
        values = (*(same[0].values if same else ()), value)
        kept = tuple(f for f in remaining.filters if f not in same)
        return replace(self, filters=(*kept, Filter(wanted.dimension, tuple(dict.fromkeys(values)), exclude)))

    def without(self, unwanted: Filter, value: str) -> CostQuery:
        """One value of one filter taken away."""
        filters = []
        for each in self.filters:
            if each == unwanted:
                each = replace(each, values=tuple(v for v in each.values if v != value))
            if each.values:
                filters.append(each)
        return replace(self, filters=tuple(filters))

    def parameters(self) -> list[tuple[str, str]]:
        """The shortest list of parameters that means this query."""
        pairs: list[tuple[str, str]] = []
        if self.preset:
            pairs.append(("preset", self.preset))
        else:
            pairs += [("start", self.span.start.isoformat()), ("end", self.span.end.isoformat())]
        if self.granularity != Granularity.DAY:
            pairs.append(("granularity", self.granularity))
        pairs += [("group_by", key) for key in self.group_by]
        pairs += self.filter_parameters()
        if self.measure != Measure.BILLED:
            pairs.append(("measure", self.measure.value))
        if self.top != DEFAULT_TOP:
            pairs.append(("top", str(self.top)))
        if self.compare != Compare.NONE:
            pairs.append(("compare", self.compare))
        if self.currency:
            pairs.append(("currency", self.currency))
        if self.only_complete:
            pairs.append(("complete", "1"))
        if self.sort:
            pairs.append(("sort", f"-{self.sort}" if self.is_reversed else self.sort))
        return pairs

    def filter_parameters(self) -> list[tuple[str, str]]:
        return [(f.parameter, value or NO_VALUE) for f in self.filters for value in f.values]

    def query_string(self) -> str:
        return encode(self.parameters())


def encode(parameters: Iterable[tuple[str, str]]) -> str:
    return "&".join([f"{quoted(name)}={quoted(value)}" for name, value in parameters])


@lru_cache(maxsize=2048)
def quoted(text: str) -> str:
    """Kept, since the hundreds of addresses of a page differ in one or two of their parameters."""
    return quote_plus(text, safe="!:()@,")
