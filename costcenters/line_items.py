"""The only writer of line items and of the roll-up: a window is replaced whole, or not touched at all.

A window is held in memory; a day of a statement, which FOCUS files bring, is written in blocks (`replace_day`).

The work is done with plain SQL over text rows (COPY on PostgreSQL, `executemany` on SQLite): model instances alone
would cost more than everything else on the ingest path.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.utils import DatabaseError, DataError, OperationalError

from costcenters.insertion import LINE_ITEMS, Insertion
from costcenters.models import ChargeType, CostLineItem, DailyCost, Statement, StatementDay
from costcenters.records import (
    BILLED,
    COLUMNS,
    DAY,
    STARTED_AT,
    Change,
    LineItem,
    Row,
    TagSetIds,
    Window,
    WindowError,
    digest_of,
    instant_text,
    respelled,
    rows_of,
    stored_instant_text,
    stored_rows,
)


def replace_window(
    window: Window, items: Sequence[LineItem], *, keep_fuller_before: date | None = None
) -> Change:
    """Make the window hold exactly `items`, with the roll-up of the touched days, in one transaction.

    Rows that are stored already are left alone, so a window equal to what is stored is not written at all. Days
    before `keep_fuller_before` of which `items` holds fewer rows than are stored are kept as they are and named in
    the answer. Raises WindowError when an item lies outside the window or does not fit a column.
    """
    rows = rows_of(window, items)
    with transaction.atomic():
        stored, stored_days, amount_before = _stored(window)
        kept: set[str] = set()
        if keep_fuller_before is not None and stored_days:
            new_days = Counter(row[DAY] for row in rows)
            kept = {
                day
                for day, count in stored_days.items()
                if day < keep_fuller_before.isoformat() and new_days[day] < count
            }
        amount_after, added, touched = 0, [], set()
        for row in rows:
            if row[DAY] in kept:
                continue
            amount_after += row[BILLED]
            if stored:
                same = stored.get(digest_of(row))
                if same:
                    same.pop()
                    continue
            added.append(row)
            touched.add(row[DAY])
        removed = []
        for rows_of_digest in stored.values():
            for identity, day, billed in rows_of_digest:
                if day in kept:
                    amount_after += billed
                else:
                    removed.append(identity)
                    touched.add(day)
        if touched:
            try:
                _delete(removed)
                with Insertion(window.cost_center_id) as insertion:
                    insertion.add(window.statement_id, added)
                _roll_up(window.cost_center_id, sorted(touched), window.charge_types)
            except (DataError, OperationalError, OverflowError) as error:
                if explanation := _explanation(error):
                    raise WindowError(explanation) from error
                raise
    return Change(
        added=len(added),
        removed=len(removed),
        amount_before=amount_before,
        amount_after=amount_after,
        kept_days=tuple(date.fromisoformat(day) for day in sorted(kept)),
    )


@dataclass(frozen=True, slots=True)
class DayChange:
    """What the replacement of a day did: rows, and the billed nano-units of those that were added."""

    added: int
    removed: int
    billed_nano: int


def replace_day(
    cost_center_id: int,
    day: date,
    lines: Mapping[int, Iterable[Sequence[Row]]],
    *,
    tag_sets: TagSetIds,
) -> DayChange:
    """Make these statements hold exactly `lines` of one UTC day, with the day's roll-up, in one transaction.

    `lines` are blocks of rows by statement, in which the tags stand as JSON text. Each is written as it comes, so that
    a day may be larger than memory. Raises WindowError when a row is of another day or does not fit: nothing of the
    day was written.
    """
    text = day.isoformat()
    statements = ", ".join(str(int(statement_id)) for statement_id in lines)
    added = billed = 0
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {LINE_ITEMS} WHERE cost_center_id = %s AND started_at >= %s AND started_at < %s "  # noqa: S608
                f"AND statement_id IN ({statements})",
                [cost_center_id, *_bounds(text, text)],
            )
            removed = cursor.rowcount
            with Insertion(cost_center_id) as insertion:
                for statement_id, blocks in lines.items():
                    for block in blocks:
                        rows = stored_rows(text, block, tag_sets, before_asking=insertion.pause)
                        added += len(rows)
                        billed += sum(row[BILLED] for row in rows)
                        insertion.add(statement_id, rows)
            _roll_up(cost_center_id, [text], ChargeType.values)
    except UnicodeEncodeError as error:
        raise WindowError(f"A text of {text} is not valid Unicode and cannot be stored.") from error
    except (DataError, OperationalError, OverflowError) as error:
        if explanation := _explanation(error):
            raise WindowError(f"{text}: {explanation}") from error
        raise
    return DayChange(added, removed, billed)


def keep_known_users(window: Window, items: list[LineItem]) -> list[LineItem]:
    """`items`, in which a row without user takes the user of a stored row of the same event.

    Providers drop the e-mail of people who left from their old events too. The same event means: timestamp, model,
    resource (conversation) and the four token counts, as a multiset; charge and kind may differ.
    """
    nameless = {_event(item) for item in items if not item.user}
    if not nameless:
        return items
    condition, parameters = window.condition()
    known: dict[Row, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT started_at, {_EVENT}, "user" FROM {LINE_ITEMS} '  # noqa: S608
            f"""WHERE {condition} AND "user" <> %s ORDER BY id""",
            [*parameters, ""],
        )
        for started_at, *event, user in _iterate(cursor):
            key = (stored_instant_text(started_at), *event)
            if key in nameless:
                known[key].append(user)
    if not known:
        return items
    for item in items:
        if item.user and item.user in known.get(_event(item), ()):
            known[_event(item)].remove(item.user)
    result = []
    for item in items:
        if not item.user and (users := known.get(_event(item))):
            item = item._replace(user=users.pop(0))
        result.append(item)
    return result


def earliest(cost_center_id: int, charge_type: str) -> datetime | None:
    """When the oldest stored line item of this charge type began."""
    found: datetime | None = (
        CostLineItem.objects.filter(cost_center_id=cost_center_id, charge_type=charge_type)
        .order_by("started_at")
        .values_list("started_at", flat=True)
        .first()
    )
    return found


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """When the oldest and the newest stored line item began, UTC, both inclusive."""

    start: datetime
    end: datetime


def span_of(cost_center_id: int) -> StoredSpan | None:
    """What is stored of a cost center; None when it has no line item."""
    instants = CostLineItem.objects.filter(cost_center_id=cost_center_id).values_list("started_at", flat=True)
    # One look-up in the index for each end: SQLite would read all of it for MIN and MAX together.
    start, end = instants.order_by("started_at").first(), instants.order_by("-started_at").first()
    return None if start is None or end is None else StoredSpan(start, end)


def erase_some(cost_center_id: int, *, at_most: int) -> int:
    """Delete the newest line items of a cost center, all of one UTC day, with the roll-up of that day; then statements.

    Answers how many rows that were; 0 when nothing is left. A day of more than `at_most` takes several calls, but
    leaves the reports with the first one.
    """
    with transaction.atomic():
        mine = CostLineItem.objects.filter(cost_center_id=cost_center_id)
        newest = mine.order_by("-started_at").values_list("started_at", flat=True).first()
        rolled_up = DailyCost.objects.filter(cost_center_id=cost_center_id)
        statements = Statement.objects.order_by().filter(cost_center_id=cost_center_id)
        statement_days = StatementDay.objects.order_by().filter(statement__in=statements.values("pk"))
        if newest is None:
            # A roll-up that has lost its line items would keep the cost center from being deleted.
            return (
                _erase(rolled_up, at_most) or _erase(statement_days, at_most) or _erase(statements, at_most)
            )
        # What a statement was said to hold of the day would keep a delivery from bringing it back.
        for of_the_day in (rolled_up.filter(day=newest.date()), statement_days.filter(day=newest.date())):
            of_the_day._raw_delete(of_the_day.db)
        midnight = datetime.combine(newest.date(), time(), UTC)
        return _erase(mine.filter(started_at__gte=midnight), at_most)


def _erase(rows: QuerySet[Any], at_most: int) -> int:
    some = rows.model._default_manager.filter(pk__in=rows.values("pk")[:at_most])
    erased: int = some._raw_delete(some.db)
    return erased


DAILY_COSTS = DailyCost._meta.db_table
#: The columns as a Row holds them. The expressions keep the drivers from making objects of text and integers.
_AS_ROW = ", ".join(
    {"day": "CAST(day AS TEXT)", "is_estimated": "CASE WHEN is_estimated THEN 1 ELSE 0 END"}.get(
        name, f'"{name}"'
    )
    for name in COLUMNS
)
_DIMENSIONS = ", ".join(
    f'"{name}"'
    for name in (
        *("day", "charge_type", "service", "model", "kind", "surface", "user", "account", "region"),
        *("tag_set_id", "is_estimated"),
    )
)
#: What tells an event from others, beside its instant: see `_event`.
_EVENT = "model, resource, input_tokens, output_tokens, cache_write_tokens, cache_read_tokens"
_SUMMED = (
    *("input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens"),
    *("billed_cost", "effective_cost", "list_cost"),
)


def _event(item: LineItem) -> Row:
    return (
        instant_text(item.started_at),
        item.model,
        item.resource,
        item.input_tokens,
        item.output_tokens,
        item.cache_write_tokens,
        item.cache_read_tokens,
    )


def _iterate(cursor: Any) -> Iterator[Any]:
    while batch := cursor.fetchmany(2000):
        yield from batch


def _stored(window: Window) -> tuple[dict[bytes, list[tuple[int, str, int]]], Counter[str], int]:
    """What the window holds: (id, day, billed nano) by digest of the row, rows by day, and the billed sum."""
    condition, parameters = window.condition()
    by_digest: dict[bytes, list[tuple[int, str, int]]] = {}
    days: Counter[str] = Counter()
    amount = 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {_AS_ROW} FROM {LINE_ITEMS} WHERE {condition}", parameters)  # noqa: S608
        for identity, *values in _iterate(cursor):
            values[STARTED_AT] = stored_instant_text(values[STARTED_AT])
            values[-1] = respelled(values[-1])
            row = tuple(values)
            day, billed = row[DAY], row[BILLED]
            by_digest.setdefault(digest_of(row), []).append((identity, day, billed))
            days[day] += 1
            amount += billed
    return by_digest, days, amount


def _delete(identities: list[int]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DELETE FROM {LINE_ITEMS} WHERE id = ANY(%s)", [identities])  # noqa: S608
        else:
            cursor.executemany(f"DELETE FROM {LINE_ITEMS} WHERE id = %s", [(one,) for one in identities])  # noqa: S608


def _roll_up(cost_center_id: int, days: Sequence[str], charge_types: Iterable[str]) -> None:
    """Sum the line items of these days and charge types anew."""
    charge_types = list(charge_types)
    which = (
        f"cost_center_id = %s AND day IN ({', '.join(['%s'] * len(days))}) "
        f"AND charge_type IN ({', '.join(['%s'] * len(charge_types))})"
    )
    parameters: list[Any] = [cost_center_id, *days, *charge_types]
    sums = ", ".join(f'SUM("{name}")' for name in _SUMMED)
    names = ", ".join(f'"{name}"' for name in _SUMMED)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {DAILY_COSTS} WHERE {which}", parameters)  # noqa: S608
        cursor.execute(
            f"INSERT INTO {DAILY_COSTS} (cost_center_id, {_DIMENSIONS}, {names}, line_items) "  # noqa: S608
            f"SELECT cost_center_id, {_DIMENSIONS}, {sums}, COUNT(*) FROM {LINE_ITEMS} "
            f"WHERE {which} AND started_at >= %s AND started_at < %s GROUP BY cost_center_id, {_DIMENSIONS}",
            [*parameters, *_bounds(days[0], days[-1])],
        )


def _bounds(first: str, last: str) -> tuple[str, str]:
    """Of `started_at`: where these UTC days begin and, exclusive, end."""
    return f"{first} 00:00:00", f"{date.fromisoformat(last) + timedelta(days=1)} 00:00:00"


def _explanation(error: DatabaseError | OverflowError) -> str:
    """A sentence for a number that is too large; empty for any other trouble."""
    text = str(error).lower()
    if isinstance(error, OverflowError) or "overflow" in text or "out of range" in text:
        return "The amounts (or tokens) of one day add up to more than can be stored: 9.2 × 10⁹ units (or 10¹⁸ tokens)."
    return ""
