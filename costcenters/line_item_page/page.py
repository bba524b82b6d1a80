"""The list of line items as the page shows it: what it holds, what it adds up to, and each line item in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from costcenters.cost_query import CostQuery, Measure
from costcenters.dimensions import dimension, value_label
from costcenters.display.figures import Shown, counted, shown, tokens
from costcenters.display.sentences import subject
from costcenters.explorer_page.controls import ChipGroup, query_chips, single_chip
from costcenters.line_item_page.listing import LineItemList, LineItemQuery
from costcenters.line_item_page.words import details, explanation
from costcenters.links import Link, csv_url, explorer_url, line_items_url
from costcenters.models import ChargeType, CostLineItem
from costcenters.periods import FIRST_DAY, LAST_DAY, ONE_DAY, Span, long_day
from costcenters.presentation import Presentation
from costcenters.scope import FIGURES, MONEY_COLUMNS, Scope
from finops.money import plain, units_from_nanos

#: A link to one resource (a conversation) out of a longer span looks this many days around the line item.
DAYS_AROUND = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a line item. `is_absent`: the text says that there is none."""

    label: str
    text: str
    url: str = ""
    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line item: what the closed row says, then everything, in groups of fields."""

    time: str
    instant: str
    what: str
    about: str
    who: str
    size: Shown
    billed: Shown
    beside: str
    badges: tuple[str, ...]
    is_estimated: bool
    why: str
    groups: tuple[tuple[Field, ...], ...]


@dataclass(frozen=True, slots=True)
class Day:
    """The page's line items of one UTC day; `summary` is of the whole day."""

    label: str
    url: str
    summary: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Total:
    label: str
    value: Shown


@dataclass(frozen=True, slots=True)
class LineItemsPage:
    sentence: str
    totals: tuple[Total, ...]
    notes: tuple[str, ...]
    chips: tuple[ChipGroup, ...]
    days: tuple[Day, ...]
    place: str
    newer_url: str
    older_url: str
    older_text: str
    newer_text: str
    day_before: Link | None
    day_after: Link | None
    currencies: tuple[Link, ...]
    explorer_url: str
    csv_url: str
    is_empty: bool
    is_filtered: bool


def list_url(wanted: LineItemQuery, presentation: Presentation) -> str:
    return line_items_url(wanted.query, presentation, wanted.place_parameters())


def line_items_page(found: LineItemList, presentation: Presentation, *, today: date) -> LineItemsPage:
    wanted, scope, query = found.wanted, found.scope, found.wanted.query
    start = wanted.from_the_top()

    def url(changed: LineItemQuery) -> str:
        return list_url(changed, presentation)

    def at(changed: CostQuery) -> str:
        return url(replace(start, query=changed))

    def on(day: date) -> str:
        return at(query.on_days(Span(day, day)))

    one_day = query.span.start if query.span.days == 1 else None
    searching = found.searched is not None
    return LineItemsPage(
        sentence=sentence(wanted, scope),
        totals=totals(found),
        notes=tuple(notes(found)),
        chips=tuple(chips(start, at, presentation)),
        days=tuple(days(found, presentation)),
        place=place(found),
        newer_url=url(replace(start, before=found.newer)) if found.newer else "",
        older_url=url(replace(start, after=found.older)) if found.older else "",
        newer_text="Look through newer days" if searching and wanted.walks_up else "Newer",
        older_text="Look through older days" if searching and not wanted.walks_up else "Older",
        day_before=Link(long_day(one_day - ONE_DAY), on(one_day - ONE_DAY))
        if one_day and one_day > FIRST_DAY
        else None,
        day_after=Link(long_day(one_day + ONE_DAY), on(one_day + ONE_DAY))
        if one_day and one_day < min(today, LAST_DAY)
        else None,
        currencies=tuple(
            Link(code, at(query.in_currency(code))) for code in scope.currencies if code != scope.currency
        ),
        explorer_url=explorer_url(query, presentation),
        csv_url="" if wanted.resource else csv_url(query),
        is_empty=not found.rows,
        is_filtered=bool(query.filters or wanted.resource),
    )


def sentence(wanted: LineItemQuery, scope: Scope) -> str:
    """Such as `Line items, Cursor, nia@example.com, 23 Oct – 21 Nov 2026 UTC`."""
    about = subject(wanted.query.grouped_by())[1:]
    if wanted.resource:
        about.append(f"resource {wanted.resource}")
    parts = ["Line items" if about else "All line items", *about]
    parts.append(f"{scope.span} UTC" if scope.span else f"no complete period in {wanted.query.span} UTC")
    if {*scope.currencies} - {scope.currency}:
        parts.append(f"in {scope.currency}")
    return ", ".join(parts)


def totals(found: LineItemList) -> tuple[Total, ...]:
    if found.figures is None:
        return ()
    figures, currency = found.figures, found.scope.currency
    money = [
        Total(str(measure.label), shown(units_from_nanos(nanos), measure, currency))
        for measure, nanos in zip((Measure.BILLED, Measure.EFFECTIVE, Measure.LIST), figures, strict=False)
    ]
    return (
        Total("Line items", Shown(f"{figures[-1]:,}")),
        *money,
        Total("Tokens", tokens(sum(figures[len(MONEY_COLUMNS) : -1]))),
    )


def notes(found: LineItemList) -> Iterator[str]:
    if found.figures is None:
        yield (
            "A resource is looked for day by day among all line items that match otherwise, a part of them at a time: "
            "that is why no total is shown. A shorter span or another filter makes it faster."
        )
    if found.searched:
        yield f"This page looked through {found.searched} UTC; there are more days to look through."


def place(found: LineItemList) -> str:
    """Such as `51 – 100 of 2,570`."""
    count = len(found.rows)
    if not count:
        return ""
    if found.skipped is None or found.figures is None:
        return f"{count:,} shown"
    first, total = found.skipped + 1, found.figures[-1]
    return f"{first:,} – {found.skipped + count:,} of {total:,}"


def chips(
    start: LineItemQuery, at: Callable[[CostQuery], str], presentation: Presentation
) -> Iterator[ChipGroup]:
    yield from query_chips(start.query, at)
    if start.resource:
        url = list_url(replace(start, resource=""), presentation)
        yield single_chip(f"Resource is {start.resource}", url)


def days(found: LineItemList, presentation: Presentation) -> Iterator[Day]:
    wanted, currency = found.wanted, found.scope.currency
    start = wanted.from_the_top()
    for day, items in groupby(found.rows, key=lambda item: item.day):
        in_day = replace(start, query=wanted.query.on_days(Span(day, day)))
        figures = found.by_day.get(day)
        summary = ""
        if figures:
            billed = shown(units_from_nanos(figures[FIGURES.index("billed_cost")]), Measure.BILLED, currency)
            summary = f"{counted(figures[-1], 'line item')}, billed {billed}"
        yield Day(
            label=f"{day:%A}, {long_day(day)}",
            url=list_url(in_day, presentation) if wanted.query.span.days > 1 else "",
            summary=summary,
            rows=tuple(row(item, start, found.scope, presentation) for item in items),
        )


def row(item: CostLineItem, start: LineItemQuery, scope: Scope, presentation: Presentation) -> Row:
    currency = scope.currency
    all_tokens = (item.input_tokens, item.output_tokens, item.cache_write_tokens, item.cache_read_tokens)
    is_ai = item.charge_type == ChargeType.USAGE and any(all_tokens)
    quantity = f"{item.quantity} {item.unit}".strip()
    count = tokens(sum(all_tokens))
    size = Shown(f"{count} tokens", count.exact) if is_ai else Shown(in_words(item.quantity, item.unit))
    billed = shown(item.billed_cost, Measure.BILLED, currency)
    listed = shown(item.list_cost, Measure.LIST, currency)
    about = [value_label("kind", item.kind)] if item.kind else []
    about += [value_label(key, text) for key in ("surface", "region") if (text := getattr(item, key))]
    if item.model and item.service and not is_ai:
        about.insert(0, item.service)
    badges = [] if item.charge_type == ChargeType.USAGE else [value_label("charge_type", item.charge_type)]
    return Row(
        time=clock(item.started_at),
        instant=item.started_at.isoformat(),
        what=value_label("model", item.model) if item.model else item.service or value_label("model", ""),
        about=" · ".join(about),
        who=item.user or item.account or value_label("user", ""),
        size=size,
        billed=billed,
        beside=f"list {listed}" if item.list_cost != item.billed_cost else "",
        badges=tuple(badges),
        is_estimated=item.is_estimated,
        why=explanation(item, currency),
        groups=tuple(
            group
            for group in (
                tuple(fields(item, start, scope, presentation, quantity)),
                (*costs(item, currency), *token_fields(all_tokens)),
                tuple(Field(each.label, each.text) for each in details(item.details or {})),
            )
            if group
        ),
    )


def in_words(quantity: str, unit: str) -> str:
    """`3.9 requests`, `1 seat`."""
    if quantity == "1" and unit.islower() and unit.endswith("s"):
        unit = unit.removesuffix("s")
    return f"{quantity} {unit}".strip()


def clock(instant: datetime) -> str:
    """`08:32:12.345`; without a fraction where there is none."""
    fraction = f"{instant.microsecond:06}"
    fraction = fraction[:3] if fraction.endswith("000") else fraction
    return f"{instant:%H:%M:%S}" + (f".{fraction}" if instant.microsecond else "")


def fields(
    item: CostLineItem, start: LineItemQuery, scope: Scope, presentation: Presentation, quantity: str
) -> Iterator[Field]:
    query = start.query
    yield Field("Time", f"{long_day(item.day)}, {clock(item.started_at)} UTC")
    values = {
        "cost_center": scope.catalog.cost_centers[item.cost_center_id].name,
        **{key: getattr(item, key) for key in ("charge_type", "service", "model", "kind", "surface")},
        **{key: getattr(item, key) for key in ("user", "account", "region")},
    }
    for key, value in values.items():
        narrows = value and key in ("user", "model") and f"{key}={value}" not in only_values(query)
        only = list_url(replace(start, query=query.narrowed(key, value)), presentation) if narrows else ""
        spelled = value_label(key, value)
        if key == "kind" and spelled != value and value:
            spelled = f"{spelled} ({value})"
        yield Field(dimension(key).label, spelled, only, is_absent=not value)
    label = (
        "Conversation" if item.service == "Cursor" and item.charge_type == ChargeType.USAGE else "Resource"
    )
    only = ""
    if item.resource and not start.resource:
        around = replace(start, query=around_day(query, item.day), resource=item.resource)
        only = list_url(around, presentation)
    yield Field(label, item.resource or f"No {label.lower()}", only, is_absent=not item.resource)
    yield Field("Quantity", quantity or "No quantity", is_absent=not quantity)
    tags = item.tag_set.tags if item.tag_set else {}
    for key, tag in sorted(tags.items()):
        yield Field(f"Tag {key}", str(tag))
    if not tags:
        yield Field("Tags", "No tags", is_absent=True)
    yield Field("Estimated", "Yes" if item.is_estimated else "No")


def only_values(query: CostQuery) -> set[str]:
    """The single values that a dimension is narrowed to already."""
    return {f"{f.dimension}={f.values[0]}" for f in query.filters if len(f.values) == 1 and not f.exclude}


def around_day(query: CostQuery, day: date) -> CostQuery:
    """The query, in a longer span than that only some days around `day`: a resource has no roll-up to search."""
    if query.span.days <= 2 * DAYS_AROUND.days + 1:
        return query
    return query.on_days(
        Span(max(query.span.start, day - DAYS_AROUND), min(query.span.end, day + DAYS_AROUND))
    )


def costs(item: CostLineItem, currency: str) -> Iterator[Field]:
    """Exact, unrounded."""
    for measure, amount in (
        (Measure.BILLED, item.billed_cost),
        (Measure.EFFECTIVE, item.effective_cost),
        (Measure.LIST, item.list_cost),
    ):
        yield Field(str(measure.label), f"{plain(amount)} {currency}")


def token_fields(counts: tuple[int, int, int, int]) -> Iterator[Field]:
    labels = ("Input tokens", "Output tokens", "Cache write tokens", "Cache read tokens")
    for label, count in zip(labels, counts, strict=True):
        yield Field(label, f"{count:,}", is_absent=not count)
    yield Field("All tokens", f"{sum(counts):,}", is_absent=not any(counts))
