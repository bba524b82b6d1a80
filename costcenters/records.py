"""A charge as a provider reports it, the window it belongs to, and both as rows of text and integers.

A row looks the same on both databases, so that what was read can be compared with what is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from costcenters.models import ChargeType, CostLineItem, TagSet

NO_DETAILS = "{}"


class LineItem(NamedTuple):
    """One charge as a provider reports it. Amounts are nano-units of the cost center's currency.

    Text is empty, never None, when there is no value. `details` is canonical JSON text (sorted keys), `quantity`
    exact decimal text, `tags` sorted pairs.
    """

    started_at: datetime
    charge_type: str
    service: str = ""
    model: str = ""
    kind: str = ""
    surface: str = ""
    user: str = ""
    account: str = ""
    region: str = ""
    resource: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    quantity: str = ""
    unit: str = ""
    billed_nano: int = 0
    effective_nano: int = 0
    list_nano: int = 0
    is_estimated: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    details: str = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Window:
    """What a replacement covers: `[start, end)` in UTC, of a cost center and some charge types, one statement's lines
    or (None) those of no statement."""

    cost_center_id: int
    start: datetime
    end: datetime
    charge_types: tuple[str, ...]
    statement_id: int | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL and its parameters."""
        sql = (
            "cost_center_id = %s AND started_at >= %s AND started_at < %s AND charge_type IN "
            f"({', '.join(['%s'] * len(self.charge_types))})"
        )
        parameters: list[Any] = [
            self.cost_center_id,
            instant_text(self.start),
            instant_text(self.end),
            *self.charge_types,
        ]
        if self.statement_id is None:
            sql += " AND statement_id IS NULL"
        else:
            sql += " AND statement_id = %s"
            parameters.append(self.statement_id)
        return sql, parameters


@dataclass(frozen=True, slots=True)
class Change:
    """What a replacement did. Amounts are billed nano-units of the whole window, before and after."""

    added: int
    removed: int
    amount_before: int
    amount_after: int
    kept_days: tuple[date, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed)


class WindowError(ValueError):
    """The items do not fit the window or the columns; no line item was written."""


COLUMNS = (
    "day",
    "started_at",
    "charge_type",
    "service",
    "model",
    "kind",
    "surface",
    "user",
    "account",
    "region",
    "resource",
    "input_tokens",
    "output_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "quantity",
    "unit",
    "billed_cost",
    "effective_cost",
    "list_cost",
    "is_estimated",
    "tag_set_id",
    "details",
)
DAY, STARTED_AT, BILLED = COLUMNS.index("day"), COLUMNS.index("started_at"), COLUMNS.index("billed_cost")
CHARGE_TYPE, TAGS, DETAILS = (
    COLUMNS.index("charge_type"),
    COLUMNS.index("tag_set_id"),
    COLUMNS.index("details"),
)
#: The longest text of each text column.
LIMITS = {
    field.name: field.max_length
    for field in CostLineItem._meta.concrete_fields
    if field.max_length and field.name in COLUMNS
}


#: A row as text and integers, in the order of COLUMNS: the same on both databases.
Row = tuple[Any, ...]


def rows_of(window: Window, items: Sequence[LineItem]) -> list[Row]:
    """The items as rows; their tag sets are stored where they are new. WindowError when one does not fit."""
    tag_sets = _tag_set_ids({item.tags for item in items if item.tags})
    start, end, charge_types = window.start, window.end, window.charge_types
    rows: list[Row] = []
    for item in items:
        if not (start <= item.started_at < end) or item.charge_type not in charge_types:
            raise WindowError(
                f"A line item of {item.started_at} ({item.charge_type}) lies outside the window it replaces."
            )
        instant = instant_text(item.started_at)
        # The order of LineItem's fields is that of COLUMNS, after the day.
        rows.append(
            (
                instant[:10],
                instant,
                *item[1:19],
                int(item.is_estimated),
                tag_sets[item.tags] if item.tags else None,
                item.details,
            )
        )
    _check_lengths(rows)
    return rows


def _check_lengths(rows: Sequence[Row]) -> None:
    for position, name in enumerate(COLUMNS):
        limit = LIMITS.get(name)
        if limit is None:
            continue
        for value in {row[position] for row in rows}:
            if len(value) > limit:
                raise WindowError(
                    f"A {name} of {len(value)} characters does not fit: at most {limit} are stored."
                )
            if "\0" in value:
                raise WindowError(f"A {name} holds a NUL character, which cannot be stored.")


def _tag_set_ids(wanted: set[tuple[tuple[str, str], ...]]) -> dict[tuple[tuple[str, str], ...], int]:
    if not wanted:
        return {}
    digests = {
        tags: hashlib.sha256(json.dumps(dict(tags), sort_keys=True, ensure_ascii=False).encode()).hexdigest()
        for tags in wanted
    }
    TagSet.objects.bulk_create(
        # In one order, whoever writes: two imports that store the same ones must not wait for one another in a circle.
        [
            TagSet(digest=digest, tags=dict(tags))
            for tags, digest in sorted(digests.items(), key=lambda one: one[1])
        ],
        ignore_conflicts=True,
    )
    found: dict[str, int] = {}
    every = sorted(digests.values())
    for begin in range(0, len(every), 500):
        found.update(TagSet.objects.filter(digest__in=every[begin : begin + 500]).values_list("digest", "pk"))
    return {tags: found[digest] for tags, digest in digests.items()}


class TagSetIds:
    """Ids of tag sets by their tags as JSON text; new ones are stored as they come. It remembers a bounded number.

    What was found in a transaction that is rolled back must be forgotten.
    """

    MOST_REMEMBERED = 20_000

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def forget(self) -> None:
        self._known.clear()

    def of(self, texts: set[str], *, before_asking: Callable[[], None]) -> Mapping[str, int | None]:
        """The ids of all of `texts`; None for the empty text, which stands for no tags.

        `before_asking` is called where the database has to be asked for some of them.
        """
        missing = texts - self._known.keys() - {""}
        found: dict[str, int] = {}
        if missing:
            before_asking()
            tags = {text: tuple(sorted(json.loads(text).items())) for text in missing}
            ids = _tag_set_ids({pairs for pairs in tags.values() if pairs})
            found = {text: ids[pairs] for text, pairs in tags.items() if pairs}
        answer: dict[str, int | None] = {text: found.get(text) or self._known.get(text) for text in texts}
        if len(self._known) + len(found) > self.MOST_REMEMBERED:
            self._known = {}
        self._known.update(found)
        return answer


def stored_rows(
    day: str, block: Sequence[Row], tag_sets: TagSetIds, *, before_asking: Callable[[], None]
) -> list[Row]:
    """A block of one UTC day's rows, which hold their tags as JSON text, with the ids of their tag sets instead.

    WindowError when a row is not of that day or does not fit.
    """
    if others := ({row[DAY] for row in block} | {row[STARTED_AT][:10] for row in block}) - {day}:
        raise WindowError(f"A line item of {min(others)} is not of {day}, the day it replaces.")
    if unknown := {row[CHARGE_TYPE] for row in block}.difference(ChargeType.values):
        raise WindowError(f"There is no charge type {min(unknown)!r}.")
    _check_lengths(block)
    tags = {row[TAGS] for row in block}
    for name, texts in (("tag", tags), ("detail", {row[DETAILS] for row in block})):
        if any(_holds_nul(text) for text in texts):
            raise WindowError(f"A {name} holds a NUL character, which cannot be stored.")
    ids = tag_sets.of(tags, before_asking=before_asking)
    return [(*row[:TAGS], ids[row[TAGS]], row[DETAILS]) for row in block]


def _holds_nul(text: str) -> bool:
    """Whether a JSON object of texts does; what is spelled like one may be a backslash before a number."""
    return "\\u0000" in text and any(
        "\0" in part for pair in json.loads(text).items() for part in map(str, pair)
    )


def instant_text(value: datetime) -> str:
    """UTC without a zone: how Django stores an instant on SQLite, and what PostgreSQL reads in a UTC session."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.replace(tzinfo=None).isoformat(" ")


def stored_instant_text(value: datetime) -> str:
    """As read: SQLite's are naive UTC already."""
    return value.isoformat(" ") if value.tzinfo is None else instant_text(value)


def digest_of(row: Row) -> bytes:
    return hashlib.blake2b(repr(row).encode(), digest_size=16).digest()


def respelled(details: str) -> str:
    """JSON as the writer spells it: PostgreSQL re-spells what it stores."""
    if details == NO_DETAILS:
        return details
    return canonical_details(json.loads(details))


#: Details as JSON text with sorted keys, the only spelling `LineItem.details` may have.
canonical_details = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
