"""Pass 2 of a delivery: what it would change in a cost center, and the change itself, UTC day by UTC day.

The unit of replacement is the statement: one billing account × one billing period of the cost center. All lines of a
delivered statement replace all that is stored of it, wherever their days lie (a correction may lie outside the billing
period); statements that are not delivered stay as they are. A day whose lines are the same in any order is not
written. Each day is one transaction, and what a statement holds of it is written down with it, so that a run that is
killed between two days is mended by the next one.

Before anything is written, a person is asked when a delivery
- brings a billing account to a cost center that has statements, none of them of that account;
- brings a statement whose billing period overlaps a stored one of the same account that it does not hold;
- leaves out a day of which a delivered statement holds lines; or
- holds, of a statement, fewer lines and less billed cost than are stored. Credits, which add lines, and new prices,
  which leave their number, lower a bill without a question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import OperationalError, transaction

from costcenters import line_items
from costcenters.models import CostCenter, Statement, StatementDay
from costcenters.periods import midnight, spans_of
from costcenters.records import Change, Row, TagSetIds, WindowError
from finops.money import display, nanos_from_units, units_from_nanos

if TYPE_CHECKING:
    from costcenters.focus.delivery import DayLines, Delivery, Part, UnitLines

#: So many accounts, or spans of days, are named in a question.
MOST_NAMED = 5
#: A day is begun anew so often when two imports wait for one another, which PostgreSQL ends for one of them.
TRIES = 3
DEADLOCK = "40P01"


@dataclass(frozen=True, slots=True)
class StoredDay:
    """What is stored of a statement's day; billed in nano-units."""

    line_items: int
    billed_nano: int
    digest: str


@dataclass(frozen=True, slots=True)
class StatementPlan:
    """What becomes of one delivered statement. Amounts are billed nano-units; days are UTC."""

    unit: UnitLines
    #: None: the cost center has none of this billing account and period yet.
    statement: Statement | None
    lines_before: int
    lines_after: int
    billed_before: int
    billed_after: int
    #: Whose lines differ from what is stored, the new ones among them.
    changed_days: tuple[date, ...]
    #: Stored, and no longer delivered.
    dropped_days: tuple[date, ...]

    @property
    def is_renamed(self) -> bool:
        """Whether the account's name or the end of the period differs from what is stored."""
        stored, unit = self.statement, self.unit
        return stored is not None and (stored.billing_account_name, stored.period_end) != (
            unit.billing_account_name,
            unit.period_end,
        )

    @property
    def is_empty(self) -> bool:
        return not (self.statement is None or self.is_renamed or self.changed_days or self.dropped_days)

    @property
    def label(self) -> str:
        """Such as `Oct 2026 of 123 (Production)`."""
        return f"{self.unit.period_start:%b %Y} of {_account(self.unit)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a delivery would change in a cost center, and what a person is asked before."""

    statements: tuple[StatementPlan, ...]
    questions: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """The delivery is stored already, to the last line."""
        return all(one.is_empty for one in self.statements)

    @property
    def rows_to_write(self) -> int:
        return sum(one.unit.days[day].line_items for one in self.statements for day in one.changed_days)


def plan(center: CostCenter | None, part: Part) -> Plan:
    """Compare a part of a delivery with what is stored. None: the cost center would be made for it."""
    statements: dict[tuple[str, datetime], Statement] = {}
    if center is not None:
        for statement in Statement.objects.filter(cost_center=center):
            statements[statement.billing_account, statement.period_start] = statement
    known = [statements.get((unit.billing_account, unit.period_start)) for unit in part.units]
    stored = _stored_days(statement.pk for statement in known if statement is not None)
    planned = [
        _plan_statement(unit, statement, {} if statement is None else stored.get(statement.pk, {}))
        for unit, statement in zip(part.units, known, strict=True)
    ]
    questions: list[str] = []
    if center is not None and statements:
        questions += _ask_of_accounts(center, part.units, {account for account, _ in statements})
        questions += _ask_of_overlaps(planned, statements.values())
    for one in planned:
        if one.statement is not None:
            questions += _ask_of_less(one, stored.get(one.statement.pk, {}), part.currency)
    return Plan(tuple(planned), tuple(questions))


def _stored_days(statement_ids: Iterable[int]) -> dict[int, dict[date, StoredDay]]:
    ids = list(statement_ids)
    found: dict[int, dict[date, StoredDay]] = defaultdict(dict)
    for begin in range(0, len(ids), 500):
        rows = StatementDay.objects.order_by().filter(statement__in=ids[begin : begin + 500])
        for statement_id, day, lines, billed, digest in rows.values_list(
            "statement_id", "day", "line_items", "billed_cost", "digest"
        ):
            found[statement_id][day] = StoredDay(lines, nanos_from_units(billed), digest)
    return found


def _plan_statement(unit: UnitLines, known: Statement | None, stored: dict[date, StoredDay]) -> StatementPlan:
    def is_stored(day: date, lines: DayLines) -> bool:
        return day in stored and (stored[day].line_items, stored[day].digest) == (
            lines.line_items,
            lines.digest,
        )

    return StatementPlan(
        unit=unit,
        statement=known,
        lines_before=sum(day.line_items for day in stored.values()),
        lines_after=sum(day.line_items for day in unit.days.values()),
        billed_before=sum(day.billed_nano for day in stored.values()),
        billed_after=sum(day.billed_nano for day in unit.days.values()),
        changed_days=tuple(sorted(day for day, lines in unit.days.items() if not is_stored(day, lines))),
        dropped_days=tuple(sorted(stored.keys() - unit.days.keys())),
    )


# Questions ------------------------------------------------------------------------------------------------------------


def _ask_of_accounts(center: CostCenter, units: Iterable[UnitLines], known: set[str]) -> Iterator[str]:
    new = sorted({_account(unit) for unit in units if unit.billing_account not in known})
    if new:
        yield (
            f"“{center.name}” has held nothing of {_some(new, 'billing account')} before. "
            "Does it belong there?"
        )


def _ask_of_overlaps(planned: Iterable[StatementPlan], stored: Iterable[Statement]) -> Iterator[str]:
    """A month whose first instant is another one now (a zone, or a column that came later) replaces nothing."""
    delivered = {one.statement for one in planned}
    staying: dict[str, list[Statement]] = defaultdict(list)
    for statement in stored:
        if statement not in delivered:
            staying[statement.billing_account].append(statement)
    found = [
        (one.unit, statement)
        for one in planned
        if one.statement is None
        for statement in staying[one.unit.billing_account]
        if statement.period_start < one.unit.period_end and one.unit.period_start < statement.period_end
    ]
    if found:
        unit, statement = found[0]
        more = f" So do {len(found) - 1} more." if len(found) > 1 else ""
        yield (
            f"The billing period {_span(unit)} of {_account(unit)} overlaps {_span(statement)}, which is stored and "
            f"would stay.{more} Is nothing counted twice then?"
        )


def _span(period: UnitLines | Statement) -> str:
    """Such as `2026-09-30 22:00 – 2026-10-31 23:00 UTC`."""
    return f"{period.period_start:%Y-%m-%d %H:%M} – {period.period_end:%Y-%m-%d %H:%M} UTC"


def _ask_of_less(one: StatementPlan, stored: dict[date, StoredDay], currency: str) -> Iterator[str]:
    if one.dropped_days:
        lines = sum(stored[day].line_items for day in one.dropped_days)
        billed = sum(stored[day].billed_nano for day in one.dropped_days)
        days = [str(span) for span in spans_of(one.dropped_days)]
        yield (
            f"{one.label}: nothing is delivered for {_some(days)}, of which {lines:,} lines "
            f"({_money(billed, currency)}) are stored. They would be deleted."
        )
    elif one.lines_after < one.lines_before and _is_less(one.billed_after, one.billed_before):
        yield (
            f"{one.label}: {one.lines_after:,} lines ({_money(one.billed_after, currency)}) would replace "
            f"{one.lines_before:,} ({_money(one.billed_before, currency)}). Is the delivery whole?"
        )


def _is_less(after: int, before: int) -> bool:
    """Whether a bill of fewer lines seems to lack some. Of one that is paid back, or nothing, less is not lower."""
    return after < before or abs(after) < abs(before) or not (after or before)


def _account(unit: UnitLines) -> str:
    account, name = unit.billing_account, unit.billing_account_name
    if name and name != account:
        return f"{account} ({name})" if account else name
    return account or "no billing account"


def _some(texts: Sequence[str], noun: str = "") -> str:
    """The first of them and how many more there are; `noun` is what one of them is called."""
    named, more = ", ".join(texts[:MOST_NAMED]), len(texts) - MOST_NAMED
    prefix = f"{noun}{'s' if len(texts) > 1 else ''} " if noun else ""
    return f"{prefix}{named} and {more} more" if more > 0 else f"{prefix}{named}"


def _money(nanos: int, currency: str) -> str:
    return display(units_from_nanos(nanos), currency)


# Writing --------------------------------------------------------------------------------------------------------------


def write(
    center: CostCenter,
    delivery: Delivery,
    part: Part,
    plan: Plan,
    *,
    fence: Callable[[], None],
    now: datetime,
    progress: Callable[[int, int], None] | None = None,
) -> Change:
    """Carry out a plan, whose cost center nobody else writes meanwhile. What is stored already is not written.

    `fence` is called first in every transaction, and stops the rest by raising. `progress` is told rows written, and in
    all. Amounts of the answer are billed nano-units of the delivered statements. WindowError: a day does not fit;
    nothing of it was written, the days before it were.
    """
    amounts = (
        sum(one.billed_before for one in plan.statements),
        sum(one.billed_after for one in plan.statements),
    )
    if plan.is_empty:
        return Change(0, 0, *amounts)
    with transaction.atomic():
        fence()
        statements = _store_statements(center, plan.statements)
    by_day: dict[date, dict[Statement, UnitLines]] = defaultdict(dict)
    for one, statement in zip(plan.statements, statements, strict=True):
        for day in (*one.changed_days, *one.dropped_days):
            by_day[day][statement] = one.unit
    writer = _DayWriter(center, delivery, part, fence)
    added = removed = 0
    for day, units in sorted(by_day.items()):
        change = writer.write(day, units)
        added, removed = added + change.added, removed + change.removed
        if progress is not None:
            progress(added, plan.rows_to_write)
    with transaction.atomic():
        fence()
        _advance(center, now)
    return Change(added, removed, *amounts)


def _store_statements(center: CostCenter, planned: Iterable[StatementPlan]) -> list[Statement]:
    """A statement for each; name and end of the period are as delivered now."""
    statements = []
    for one in planned:
        statement = one.statement or Statement(
            cost_center=center,
            billing_account=one.unit.billing_account,
            period_start=one.unit.period_start,
        )
        if one.statement is None or one.is_renamed:
            statement.billing_account_name = one.unit.billing_account_name
            statement.period_end = one.unit.period_end
            statement.save()
        statements.append(statement)
    return statements


class _DayWriter:
    """Replaces days of statements, each in one transaction."""

    def __init__(self, center: CostCenter, delivery: Delivery, part: Part, fence: Callable[[], None]) -> None:
        self._center, self._delivery, self._part, self._fence = center, delivery, part, fence
        self._tag_sets = TagSetIds()

    def write(self, day: date, units: dict[Statement, UnitLines]) -> line_items.DayChange:
        """Replace the day of these statements."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._try(day, units)
            except BaseException as error:
                # With the transaction its new tag sets are gone.
                self._tag_sets.forget()
                state = (
                    getattr(error.__cause__, "sqlstate", "") if isinstance(error, OperationalError) else ""
                )
                if state != DEADLOCK or attempt == TRIES:
                    raise
        raise AssertionError("unreachable")

    def _try(self, day: date, units: dict[Statement, UnitLines]) -> line_items.DayChange:
        delivered = {statement: unit.days[day] for statement, unit in units.items() if day in unit.days}
        with transaction.atomic():
            self._fence()
            change = line_items.replace_day(
                self._center.pk,
                day,
                {statement.pk: self._blocks(unit, day) for statement, unit in units.items()},
                tag_sets=self._tag_sets,
            )
            expected = sum(lines.line_items for lines in delivered.values())
            if (change.added, change.billed_nano) != (
                expected,
                sum(lines.billed_nano for lines in delivered.values()),
            ):
                raise AssertionError(
                    f"{day}: {change.added} of {expected} lines came back from the scratch files"
                )
            _store_days(day, units, delivered)
        return change

    def _blocks(self, unit: UnitLines, day: date) -> Iterator[list[Row]]:
        if day in unit.days:
            yield from self._delivery.blocks(self._part, unit, day)


def _store_days(day: date, units: Iterable[Statement], delivered: dict[Statement, DayLines]) -> None:
    old = StatementDay.objects.order_by().filter(day=day, statement__in=[statement.pk for statement in units])
    old._raw_delete(old.db)
    try:
        StatementDay.objects.bulk_create(
            StatementDay(
                statement=statement,
                day=day,
                line_items=lines.line_items,
                billed_cost=units_from_nanos(lines.billed_nano),
                digest=lines.digest,
            )
            for statement, lines in delivered.items()
        )
    except ValueError as error:
        raise WindowError(f"{day}: the amounts of this day add up to more than can be stored.") from error


def _advance(center: CostCenter, now: datetime) -> None:
    """All cost is in before the end of the newest day; of today, files hold a part at best."""
    newest = (
        StatementDay.objects.order_by("-day")
        .filter(statement__cost_center=center, day__lte=now.date())
        .values_list("day", flat=True)
        .first()
    )
    if newest is not None:
        through = min(midnight(newest) + timedelta(days=1), midnight(now.date()))
        CostCenter.objects.filter(pk=center.pk).update(complete_through=through)
