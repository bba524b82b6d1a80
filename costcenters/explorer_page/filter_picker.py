"""One dimension's values as the explorer's filter picker shows them, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, encode
from costcenters.dimensions import NO_VALUE, Dimension, dimension
from costcenters.display.figures import Shown, counted, shown
from costcenters.explorer_page.controls import values_url
from costcenters.explorer_page.filter_values import FilterValues, values_of

VALUES_A_PAGE = 50
MOST_SEARCHED = 300
#: No one scrolls further; a search leads there.
MOST_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True)
class PickerValue:
    """`value` as a parameter spells it. `opposed` says that it is in force the other way round."""

    value: str
    label: str
    amount: Shown
    events: str
    is_checked: bool
    opposed: str = ""


@dataclass(frozen=True, slots=True)
class PickerPage:
    """`is_whole`: with the search and the switch; `is_list`: from the first value on; else more of the values.

    `excludes`: a checked value is one that is left out.
    """

    key: str
    label: str
    url: str
    is_whole: bool
    is_list: bool
    excludes: bool
    summary: str
    values: tuple[PickerValue, ...]
    more_url: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a picker is asked for: `search` is None when the picker opens."""

    search: str | None
    offset: int

    @classmethod
    def taken_from(cls, typed: QueryDict) -> Wanted:
        """Takes its own parameters, `q` and `offset`, out of `typed`: the others are the question."""
        searches, offsets = typed.pop("q", []), typed.pop("offset", [])
        offset = str(offsets[-1]) if offsets else ""
        is_number = offset.isascii() and offset.isdigit() and len(offset) < 10
        return cls(
            search=str(searches[-1])[:MOST_SEARCHED].replace("\x00", "") if searches else None,
            offset=min(int(offset), MOST_OFFSET) if is_number else 0,
        )


def blank_picker(key: str, wanted: Wanted) -> PickerPage:
    """For a question that cannot be answered."""
    return PickerPage(
        key=key,
        label=dimension(key).label,
        url=values_url(key),
        is_whole=wanted.search is None,
        is_list=wanted.offset == 0,
        excludes=False,
        summary="",
        values=(),
        more_url="",
    )


def picker_page(query: CostQuery, key: str, wanted: Wanted, catalog: Catalog, *, now: datetime) -> PickerPage:
    """Raises SumTooLargeError (SQLite only)."""
    found = values_of(
        query,
        key,
        catalog=catalog,
        now=now,
        search=wanted.search or "",
        offset=wanted.offset,
        limit=VALUES_A_PAGE,
    )
    asked, left_out = (
        {value for f in query.filters if f.dimension == key and f.exclude == exclude for value in f.values}
        for exclude in (False, True)
    )
    excludes = bool(left_out) and not asked
    in_force, other_way = (left_out, asked) if excludes else (asked, left_out)
    following = [("q", wanted.search or ""), ("offset", str(wanted.offset + len(found.values)))]
    return PickerPage(
        key=key,
        label=dimension(key).label,
        url=values_url(key),
        is_whole=wanted.search is None and wanted.offset == 0,
        is_list=wanted.offset == 0,
        excludes=excludes,
        summary=summary(found, dimension(key), wanted, query),
        values=tuple(
            PickerValue(
                value=each.value or NO_VALUE,
                label=each.label,
                amount=shown(each.figure, query.measure, found.currency),
                events=f"{each.events:,}",
                is_checked=each.value in in_force,
                opposed=("asked for" if excludes else "excluded") if each.value in other_way else "",
            )
            for each in found.values
        ),
        more_url=f"{values_url(key)}?{encode(following)}" if found.has_more else "",
    )


def summary(found: FilterValues, of: Dimension, wanted: Wanted, query: CostQuery) -> str:
    """Such as `12 values · billed, line items`: how many there are, and what the figures beside them are."""
    if not found.total:
        return "Nothing found." if wanted.search else f"No {of.noun} in this span with these filters."
    return f"{counted(found.total, 'value')} · {query.measure.label.lower()}, line items"
