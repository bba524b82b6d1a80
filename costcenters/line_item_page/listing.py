"""The line items behind a report, page by page, newest first.

The daily roll-up tells which days of which cost centers hold what is asked for, and how much of it. Only those days are
read, through the index on cost center and instant, until a page is full. So the work depends neither on the size of the
ledger nor on how rare the wanted line items are: it is bounded by MOST_READ line items or one day, whichever is more.

A resource has no column in the roll-up. It is looked for among the line items of the days that match otherwise, within
the same bounds, so on a large ledger its list has no total and leads from one part of the days to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.db.models import BigIntegerField, Q, QuerySet, Value

from costcenters.cost_query import CostQuery
from costcenters.models import CostLineItem, DailyCost
from costcenters.periods import ONE_DAY, Span, midnight
from costcenters.scope import FIGURES, Scope, summed, sums_in_range
from finops.paging import MICROSECOND, Position, above, below

PAGE_SIZE = 50
#: A page looks through at most this many line items (but at least one day), then offers to go on.
MOST_READ = 400_000
#: And at most this many days of cost centers, so that no statement grows without bound.
MOST_PLACES = 300


@dataclass(frozen=True, slots=True)
class LineItemQuery:
    """Which line items: those of `query`, all or one resource's (a conversation's), and from where on.

    `after` asks for what follows in the list (older), `before` for what stands above (newer); not both. A page holds
    `size` at most. `figures` are what is added up, columns of the roll-up: the number of line items comes last.
    """

    query: CostQuery
    resource: str = ""
    after: Position | None = None
    before: Position | None = None
    size: int = PAGE_SIZE
    figures: tuple[str, ...] = FIGURES

    @property
    def cursor(self) -> Position | None:
        return self.after or self.before

    def from_the_top(self) -> LineItemQuery:
        return replace(self, after=None, before=None)

    def place_parameters(self) -> list[tuple[str, str]]:
        """What the list's address holds beside the explorer's parameters."""
        pairs = (("resource", self.resource), ("after", self.after), ("before", self.before))
        return [(name, str(value)) for name, value in pairs if value]

    @property
    def walks_up(self) -> bool:
        """Whether the page is looked for from the oldest to the newest."""
        return self.before is not None


@dataclass(frozen=True, slots=True)
class Place:
    """What one day of one cost center holds of what is asked for. `figures` are the sums that are wanted, in order."""

    cost_center_id: int
    day: date
    figures: tuple[int, ...]

    @property
    def line_items(self) -> int:
        return self.figures[-1]


#: Places by day, in the order in which they are looked through.
Days = Mapping[date, list[Place]]


@dataclass(frozen=True, slots=True)
class LineItemList:
    """A page of line items, newest first, and what all pages add up to.

    `figures` (those wanted, in order) and `skipped` (line items above this page) are None where only a part was
    looked through, which happens for a resource on a large ledger. `by_day` sums up the days seen on the page.
    `searched` are the days that this page looked through when there are more.
    """

    wanted: LineItemQuery
    scope: Scope
    rows: tuple[CostLineItem, ...]
    newer: Position | None
    older: Position | None
    figures: tuple[int, ...] | None
    skipped: int | None
    by_day: Mapping[date, tuple[int, ...]]
    searched: Span | None = None


def line_item_list(wanted: LineItemQuery, scope: Scope) -> LineItemList:
    """Raises SumTooLargeError (SQLite only)."""
    matching = CostLineItem.objects.order_by().filter(scope.catalog.condition(scope.query.filters))
    with sums_in_range():
        known = places(scope.rows(scope.span), wanted.figures)
        is_known_whole, beyond = True, False
        window: Days = {}
        if wanted.resource:
            matching = matching.filter(resource=wanted.resource)
            everywhere = by_day(known, wanted, from_cursor=False)
            sizes = sizes_of(scope, everywhere)
            window = affordable(everywhere, sizes)
            is_known_whole = len(window) == len(everywhere)
            if not is_known_whole:
                ahead = by_day(known, wanted)
                window = affordable(ahead, sizes, wanted.cursor)
                beyond = len(window) < len(ahead)
            counted = within(matching, window).annotate(line_items=Value(1, BigIntegerField()))
            known = places(counted, wanted.figures)
    ahead = by_day(known, wanted)
    days = enough(ahead, wanted)
    if len(days) > 1 and not wanted.resource:
        days = affordable(days, sizes_of(scope, days), wanted.cursor)
    found, is_full = nearest(matching, days, wanted)
    last_day = list(days)[-1] if len(days) < len(ahead) else list(window)[-1] if beyond else None
    onward = None
    if is_full:
        onward = found[-1]
    elif last_day is not None:
        onward = Position(midnight(last_day + ONE_DAY if wanted.walks_up else last_day), 0)
    if wanted.walks_up:
        found.reverse()
    rows = fetched(found)
    skipped = None
    if is_known_whole:
        start = found[0] if found else wanted.cursor
        skipped = count_above(matching, known, start) if wanted.cursor and start else 0
    back = backward(wanted, found, skipped, sum(place.line_items for place in known))
    looked_through = window if wanted.resource else days
    return LineItemList(
        wanted=wanted,
        scope=scope,
        rows=rows,
        newer=onward if wanted.walks_up else back,
        older=back if wanted.walks_up else onward,
        figures=totals(known, wanted.figures) if is_known_whole else None,
        skipped=skipped,
        by_day={day: totals(in_day, wanted.figures) for day, in_day in days.items()},
        searched=Span(min(looked_through), max(looked_through))
        if looked_through and last_day is not None and not is_full
        else None,
    )


def places(rows: Any, figures: tuple[str, ...]) -> list[Place]:
    """Sums by cost center and day of rows of the roll-up."""
    return [Place(row[0], row[1], tuple(row[2:])) for row in summed(rows, ["cost_center_id", "day"], figures)]


def totals(known: Iterable[Place], figures: tuple[str, ...]) -> tuple[int, ...]:
    columns = [place.figures for place in known]
    return tuple(sum(column) for column in zip(*columns, strict=True)) if columns else (0,) * len(figures)


def by_day(known: list[Place], wanted: LineItemQuery, *, from_cursor: bool = True) -> dict[date, list[Place]]:
    """The places from the cursor's day on, in the order of the walk."""
    if from_cursor and wanted.after:
        # Nothing of a day stands below its own first instant.
        last = (wanted.after.instant - MICROSECOND).date() if not wanted.after.identity else wanted.after.day
        known = [place for place in known if place.day <= last]
    if from_cursor and wanted.before:
        known = [place for place in known if place.day >= wanted.before.day]
    ordered = sorted(known, key=lambda place: place.day, reverse=not wanted.walks_up)
    return {day: list(in_day) for day, in_day in groupby(ordered, key=lambda place: place.day)}


def enough(days: Days, wanted: LineItemQuery) -> dict[date, list[Place]]:
    """The first days that fill a page and show that there is more. Of the cursor's day nothing may be left."""
    taken: dict[date, list[Place]] = {}
    sure = 0
    for day, in_day in days.items():
        taken[day] = in_day
        if wanted.cursor is None or day != wanted.cursor.day:
            sure += sum(place.line_items for place in in_day)
        if sure > wanted.size:
            break
    return taken


def sizes_of(scope: Scope, days: Days) -> dict[tuple[int, date], int]:
    """How many line items, wanted or not, each cost center has on these days."""
    if all(each.dimension in ("cost_center", "provider") for each in scope.query.filters):
        return {(place.cost_center_id, day): place.line_items for day in days for place in days[day]}
    everything = DailyCost.objects.order_by().filter(
        day__in=list(days), cost_center_id__in=[cost_center.pk for cost_center in scope.cost_centers]
    )
    return {
        (pk, day): count for pk, day, count in summed(everything, ["cost_center_id", "day"], ["line_items"])
    }


def affordable(
    days: Days, sizes: Mapping[tuple[int, date], int], cursor: Position | None = None
) -> dict[date, list[Place]]:
    """The first of these days, as many as one page may look through; at least one beside the cursor's own."""
    taken: dict[date, list[Place]] = {}
    read = count = 0
    for day, in_day in days.items():
        read += sum(sizes.get((place.cost_center_id, place.day), 0) for place in in_day)
        count += len(in_day)
        is_more = bool(taken) and not (cursor is not None and [*taken] == [cursor.day])
        if is_more and (read > MOST_READ or count > MOST_PLACES):
            break
        taken[day] = in_day
    return taken


def ranges(days: Days) -> Iterator[tuple[int, datetime, datetime]]:
    """The places as spans of time `[start, end)` of a cost center; days in a row make one."""
    every = sorted((place.cost_center_id, place.day) for in_day in days.values() for place in in_day)
    at = 0
    while at < len(every):
        cost_center, first = every[at]
        last = first
        while at + 1 < len(every) and every[at + 1] == (cost_center, last + ONE_DAY):
            last += ONE_DAY
            at += 1
        yield cost_center, midnight(first), midnight(last + ONE_DAY)
        at += 1


def within(
    matching: QuerySet[CostLineItem],
    days: Days,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> QuerySet[CostLineItem]:
    """Those in the places, clipped to `[start, end)`: a range of the index each."""
    condition = Q(pk__in=[])
    for cost_center, first, last in ranges(days):
        condition |= Q(
            cost_center_id=cost_center,
            started_at__gte=max(first, start) if start else first,
            started_at__lt=min(last, end) if end else last,
        )
    return matching.filter(condition)


def nearest(
    matching: QuerySet[CostLineItem], days: Days, wanted: LineItemQuery
) -> tuple[list[Position], bool]:
    """The page's positions in the order of the walk, and whether more follow in these days."""
    if not days:
        return [], False
    if wanted.before:
        rows = within(matching, days, start=wanted.before.instant).filter(above(wanted.before, "started_at"))
    elif wanted.after:
        rows = within(matching, days, end=wanted.after.instant + MICROSECOND).filter(
            below(wanted.after, "started_at")
        )
    else:
        rows = within(matching, days)
    rows = rows.order_by("started_at", "pk") if wanted.walks_up else rows.order_by("-started_at", "-pk")
    found = [Position(*row) for row in rows.values_list("started_at", "pk")[: wanted.size + 1]]
    return found[: wanted.size], len(found) > wanted.size


def fetched(positions: list[Position]) -> tuple[CostLineItem, ...]:
    """The line items themselves, in the same order. One that was replaced meanwhile is left out."""
    found = CostLineItem.objects.select_related("tag_set").in_bulk([p.identity for p in positions])
    return tuple(found[p.identity] for p in positions if p.identity in found)


def count_above(matching: QuerySet[CostLineItem], known: list[Place], position: Position) -> int:
    """How many line items stand above `position`: whole days by their sums, its own day by counting."""
    newer = sum(place.line_items for place in known if place.day > position.day)
    own_day = [place for place in known if place.day == position.day]
    if not own_day:
        return newer
    rows = within(matching, {position.day: own_day}, start=position.instant)
    return newer + rows.filter(above(position, "started_at")).count()


def backward(
    wanted: LineItemQuery, found: list[Position], skipped: int | None, total: int
) -> Position | None:
    """Where the page begins that this one was reached from; None at the end of the list."""
    if wanted.cursor is None:
        return None
    if skipped is not None:
        remaining = total - skipped - len(found) if wanted.walks_up else skipped
        if remaining <= 0:
            return None
    if not found:
        return wanted.cursor
    return found[-1] if wanted.walks_up else found[0]
