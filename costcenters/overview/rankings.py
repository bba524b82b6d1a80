"""What costs most this month, and what changed in the last complete days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from costcenters.cost_query import Filter, Measure
from costcenters.dimensions import dimension, value_label
from costcenters.display.drill import drilled
from costcenters.display.figures import Shown, difference, direction, meter, short_label
from costcenters.links import explorer_url
from costcenters.overview.figures import SEATED_PROVIDER, Bill, RecentRow, changes, ranking
from costcenters.overview.questions import NAMED, OF_PROVIDER, changed
from costcenters.report import ReportRow, Tally
from finops.money import units_from_nanos

TOP = 5
MOST_CHANGES = 3
NOT_OF_PROVIDER = Filter("provider", (SEATED_PROVIDER,), exclude=True)
HAS_MODEL = Filter("model", ("",), exclude=True)
HAS_SERVICE = Filter("service", ("",), exclude=True)


@dataclass(frozen=True, slots=True)
class RankedRow:
    """`meter` is the share of the largest row in whole percents."""

    label: str
    url: str
    amount: Shown
    meter: int

    @property
    def short(self) -> str:
        return short_label(self.label)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first of `count` values. Names of people are shown on a click only: `is_folded`."""

    title: str
    column: str
    url: str
    rows: tuple[RankedRow, ...]
    count: int
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class ChangedRow:
    label: str
    url: str
    before: Shown
    now: Shown
    change: Shown
    direction: str

    @property
    def short(self) -> str:
        return short_label(self.label)


@dataclass(frozen=True, slots=True)
class Changes:
    """What rose most, then what fell most."""

    title: str
    column: str
    url: str
    rows: tuple[ChangedRow, ...]
    is_folded: bool = False


def rankings(bill: Bill) -> Iterator[Ranking]:
    """Teams first, where a tag names them; cost centers, where there are several; then models, people last."""
    team, teams = bill.tagged("team")
    if team:
        yield ranked_by(bill, "Teams", team, (Filter(team, ("",), exclude=True),), teams)
    if len(bill.cost_centers) > 1:
        first, names = bill.query.span.start, {c.pk: c.name for c in bill.cost_centers}
        by_center = ranking((names[row.cost_center], row.billed) for row in bill.days if row.day >= first)
        yield ranked_by(bill, "Cost centers", "cost_center", (), by_center)
    if bill.seated:
        models = ranking((row.model, row.billed) for row in bill.seated_month)
        yield ranked_by(bill, "Models", "model", (OF_PROVIDER, HAS_MODEL), models)
    users = ranking((row.user, row.billed) for row in bill.month)
    yield replace(ranked_by(bill, "People", "user", (NAMED,), users), is_folded=True)


def ranked_by(
    bill: Bill, title: str, key: str, filters: tuple[Filter, ...], found: list[tuple[str, Tally]]
) -> Ranking:
    query = replace(bill.query, group_by=(key,), filters=filters)
    largest = found[0][1].measure if found else 0

    def row(value: str, tally: Tally) -> RankedRow:
        return RankedRow(
            label=value_label(key, value),
            url=explorer_url(drilled(query, value)),
            amount=bill.shown(units_from_nanos(tally.measure)),
            meter=meter(tally.measure, largest),
        )

    rows = tuple(row(value, tally) for value, tally in found[:TOP])
    return Ranking(title, dimension(key).label, explorer_url(query), rows, len(found))


def changes_by_kind(bill: Bill) -> Iterator[Changes]:
    """Models and the services of other providers; people last and on a click."""
    seated = {center.pk for center in bill.seated}
    if bill.seated:
        own = [row for row in bill.recent if row.cost_center in seated]
        yield changed_by(bill, "Models", "model", (OF_PROVIDER, HAS_MODEL), own)
    if bill.has_others:
        others = [row for row in bill.recent if row.cost_center not in seated]
        yield changed_by(bill, "Services", "service", (NOT_OF_PROVIDER, HAS_SERVICE), others)
    people = changed_by(bill, "People", "user", (NAMED,), bill.recent)
    if people.rows:
        yield replace(people, is_folded=True)


def changed_by(
    bill: Bill, title: str, key: str, filters: tuple[Filter, ...], rows: Iterable[RecentRow]
) -> Changes:
    """Of `rows`, the recent ones that pass `filters`."""
    query = changed(bill, key, *filters)

    def row(found: ReportRow) -> ChangedRow:
        amounts = found.amounts
        return ChangedRow(
            label=value_label(key, found.value),
            url=explorer_url(drilled(query, found.value)),
            before=bill.shown(Decimal(amounts.before or 0)),
            now=bill.shown(Decimal(amounts.measure)),
            change=difference(amounts, Measure.BILLED, bill.currency),
            direction=direction(amounts, Measure.BILLED),
        )

    risen, fallen = changes(query, rows)
    found = (*risen[:MOST_CHANGES], *fallen[:MOST_CHANGES])
    return Changes(title, dimension(key).label, explorer_url(query), tuple(row(each) for each in found))
