"""The page and the CSV of a reconciliation: figures with their links, and each explanation in words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.display.figures import Shown, counted, shown
from costcenters.exact_span import NOTHING
from costcenters.links import LinkedFigure, explorer_url
from costcenters.models import CostCenter
from costcenters.overview.questions import USAGE
from costcenters.periods import Span, short_day
from finops.csv_file import chunks, text_cell
from finops.money import display, plain, units_from_nanos
from integrations.pages.instants import window_label
from integrations.reconciliation.comparison import BUSIEST, Comparison, Cycle, compare, cycles_of
from integrations.reconciliation.evidence import MEASURES, Reason, Row, Standing, ours_of
from integrations.reconciliation.verdict import Verdict, verdict

#: More rows are one link away: those with the largest differences come first.
MOST_SHOWN = 100
CYCLE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", re.ASCII)
DASH = Shown("—")
EXPLORER_MEASURES = {"on_demand": Measure.BILLED, "included": Measure.SAVINGS}


@dataclass(frozen=True, slots=True)
class Figures:
    """One measure of a row: theirs, ours and where the explorer shows it, and ours minus theirs."""

    theirs: Shown
    ours: LinkedFigure
    difference: Shown
    stands_out: bool = False


@dataclass(frozen=True, slots=True)
class PageRow:
    """`figures` are those of on-demand and included usage. `is_open`: something of them is not explained."""

    name: str
    is_plain: bool
    figures: tuple[Figures, ...]
    reasons: tuple[str, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class CycleChoice:
    key: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ReconciliationPage:
    """`ours` and `theirs` say of which instants the two are; `facts` explain what concerns more than one user."""

    center: CostCenter
    provider_name: str
    verdict: Verdict
    cycle: Cycle | None
    cycles: tuple[CycleChoice, ...]
    ours: str
    theirs: str
    facts: tuple[str, ...]
    rows: tuple[PageRow, ...]
    total: tuple[PageRow, ...]
    hidden: int


class UnknownCycleError(ValueError):
    """The message says what is wrong with the cycle asked for."""


def chosen_cycle(cycles: Sequence[Cycle], asked: Collection[str]) -> Cycle | None:
    """The cycle whose start is asked for, to the minute or finer; None without a wish. Raises UnknownCycleError."""
    wishes = [wish for wish in asked if wish.strip()]
    if not wishes:
        return cycles[0] if cycles else None
    if len(wishes) > 1:
        raise UnknownCycleError("Can be given once only.")
    [wish] = wishes
    if not CYCLE.fullmatch(wish):
        raise UnknownCycleError("Must be the start of a billing cycle in UTC, such as 2026-11-13T06:02.")
    found = [cycle for cycle in cycles if cycle.key == wish] or [
        cycle for cycle in cycles if f"{cycle.start:%Y-%m-%dT%H:%M:%S.%f}".startswith(wish)
    ]
    if len(found) != 1:
        known = ", ".join(cycle.key for cycle in cycles[:12])
        raise UnknownCycleError(
            f"No billing cycle with totals began then. There are: {known}."
            if known
            else "No totals of any billing cycle have been read yet."
        )
    return found[0]


def reconciliation_page(
    center: CostCenter, now: datetime, asked: Collection[str] = (), *, show_all: bool = False
) -> ReconciliationPage:
    """Raises UnknownCycleError."""
    cycles = cycles_of(center)
    cycle = chosen_cycle(cycles, asked)
    found = compare(center, now, cycle)
    cycle = found.cycle
    words = Words(found)
    shown_rows = found.rows if show_all else found.rows[:MOST_SHOWN]
    return ReconciliationPage(
        center=center,
        provider_name=words.name,
        verdict=verdict(found),
        cycle=cycle,
        cycles=tuple(
            CycleChoice(one.key, _cycle_label(one), cycle is not None and one.start == cycle.start)
            for one in cycles
        ),
        ours="" if cycle is None or found.through is None else _span(cycle.start, found.through),
        theirs="" if cycle is None else f"read {_to_the_minute(cycle.read_at)} UTC",
        facts=tuple(words.facts()),
        rows=tuple(words.row(row) for row in shown_rows),
        total=(words.total(),) if found.rows else (),
        hidden=len(found.rows) - len(shown_rows),
    )


def instant(at: datetime) -> str:
    """UTC, as exact as it is: `13 Nov 2026, 06:02`, `13 Nov 2026, 13:37:42.123`."""
    at = at.astimezone(UTC)
    text = f"{at.day} {at:%b %Y, %H:%M}"
    if at.second or at.microsecond:
        text += f"{at:%S}".rjust(3, ":")
    milliseconds = at.microsecond // 1000
    return f"{text}.{milliseconds:03}" if milliseconds else text


def _to_the_minute(at: datetime) -> str:
    return instant(at.replace(second=0, microsecond=0))


def _span(start: datetime, end: datetime) -> str:
    return f"{instant(start)} – {instant(end)} UTC"


def _cycle_label(cycle: Cycle) -> str:
    began = instant(cycle.start)
    return f"{began} UTC (open)" if cycle.end is None else f"{began} UTC"


@dataclass(frozen=True, slots=True)
class Words:
    """A comparison in words and figures."""

    found: Comparison

    @property
    def name(self) -> str:
        return self.found.provider_name or self.found.center.provider_label

    # What concerns all of it ------------------------------------------------------------------------------------

    def facts(self) -> Iterator[str]:
        found, cycle, name = self.found, self.found.cycle, self.name
        if found.totals_error:
            yield f"{name}’s totals could not be read again: {found.totals_error}"
        if found.usage_error:
            yield f"Usage could not be read again: {found.usage_error}"
        if cycle is None or found.through is None:
            return
        if cycle.end is None and found.has_ended:
            yield (
                f"These are the totals of a cycle that began on {instant(cycle.start)} UTC and has probably ended. "
                "Those of the next one have not been read yet."
            )
        elif cycle.end is not None:
            yield (
                f"This cycle has ended. {name} tells totals of the open cycle only, so these are the last ones read "
                "before its end; what came after that reading is in neither of the two."
            )
        yield from self._reach(cycle)
        if found.kept_days:
            days = ", ".join(short_day(day) for day in found.kept_days[:10])
            more = f" and {len(found.kept_days) - 10} more" if len(found.kept_days) > 10 else ""
            yield f"{name} no longer returned all events of {days}{more}. Ours keeps them."
        yield from self._users()

    def _reach(self, cycle: Cycle) -> Iterator[str]:
        found, name = self.found, self.name
        if found.through is None or found.read_through is None:
            return
        if found.backfilled_from is None or found.backfilled_from > cycle.start:
            reached = found.backfilled_from or found.read_through
            yield f"Our history has been read back to {instant(reached)} UTC only." + (
                " By its settings it goes no further back."
                if found.backfill_target and found.backfill_target > cycle.start
                else " The rest is being read."
            )
        if found.unread_from is not None:
            on_demand, included = (self._money(amount) for amount in found.allowance)
            yield (
                f"Not read yet: {window_label(found.unread_from, cycle.read_at)} UTC, by which {name} "
                f"may be ahead. Even at {BUSIEST} times this cycle’s average pace that is no more than {on_demand} "
                f"of on-demand and {included} of included usage."
            )
        if found.read_through > found.through:
            yield (
                f"Ours is read through {instant(found.read_through)} UTC and compared up to {instant(found.through)} "
                f"UTC: {name} adds up by the hour, so totals read at {cycle.read_at.astimezone(UTC):%H:%M} UTC hold "
                "no more than that for sure."
            )

    def _users(self) -> Iterator[str]:
        found, name = self.found, self.name
        apart = [row for row in found.rows if row.theirs is None and Reason.NOT_A_MEMBER in row.reasons]
        if apart:
            used = sum((row.ours for row in apart), NOTHING)
            yield (
                f"{name}’s totals are by member: {counted(len(apart), 'service account')} with "
                f"{self._money(used.billed)} of on-demand and {self._money(used.uncharged)} of included usage "
                f"{'is' if len(apart) == 1 else 'are'} in ours only."
            )
        otherwise = sum(
            row.ours.uncharged_otherwise for row in found.rows if Reason.OTHER_KINDS in row.reasons
        )
        if otherwise:
            yield (
                f"Ours counts as included all that was not charged. {self._money(otherwise)} of it is of kinds that "
                f"{name} does not call included, such as free credit or one’s own API key, and is not in its totals."
            )
        if any(Reason.ROUNDED in row.reasons for row in found.rows):
            yield "A difference of less than a cent is rounding."
        if found.unclear:
            yield (
                f"{name} sent figures that can be read in two ways, of {counted(len(found.unclear), 'user')}. "
                "Onebill shows both readings and does not guess."
            )
        if found.quiet:
            yield f"Not listed: {counted(found.quiet, 'user')} with nothing on either side."

    # One user ---------------------------------------------------------------------------------------------------

    def row(self, row: Row) -> PageRow:
        return PageRow(
            name=row.user or "No user",
            is_plain=not row.user,
            figures=tuple(self._figures(row, measure) for measure in MEASURES),
            reasons=tuple(self.reasons(row)),
            is_open=row.standing is Standing.DIFFERS,
        )

    def _figures(self, row: Row, measure: str) -> Figures:
        theirs = None if row.theirs is None else getattr(row.theirs, measure)
        difference = row.difference(measure)
        return Figures(
            theirs=DASH if theirs is None else self._shown(theirs),
            ours=LinkedFigure(self._shown(ours_of(row.ours, measure)), self._url(row.users, measure)),
            difference=DASH if difference is None else self._signed(difference),
            stands_out=row.standings[MEASURES.index(measure)] is Standing.DIFFERS,
        )

    def reasons(self, row: Row) -> Iterator[str]:
        """Each explanation as a sentence; rounding speaks for itself."""
        name = self.name
        for reason in row.reasons:
            match reason:
                case Reason.OTHER_KINDS:
                    yield f"{self._money(row.ours.uncharged_otherwise)} of ours is of kinds not called included."
                case Reason.NO_USER:
                    yield f"Events of which {name} tells no user."
                case Reason.NOT_A_MEMBER:
                    yield f"A service account: not in {name}’s totals, which are by member."
                case Reason.LEFT:
                    yield f"Left the team: not in {name}’s totals any more."
                case Reason.NOT_LISTED:
                    yield f"Not in {name}’s totals, nor among the members it lists."
                case Reason.MEMBER_WITHOUT_TOTAL:
                    yield f"A member, but not in {name}’s totals."
                case Reason.NO_LONGER_LISTED if row.theirs is not None:
                    yield f"No longer in {name}’s totals; its figure is of {_to_the_minute(row.theirs.read_at)} UTC."
                case Reason.TWO_NAMES:
                    yield f"Together with {', '.join(row.users[1:])}, of whom {name} tells no total any more."
                case Reason.BY_THE_HOUR:
                    yield f"{name} adds up by the hour and may not have held the last hour yet."
                case Reason.UNREAD:
                    yield "May be usage that has not been read yet."
                case Reason.BACKFILL:
                    yield "Our history does not reach back to the cycle’s start."
                case Reason.KEPT:
                    yield f"Ours may hold events that {name} no longer returns."
                case Reason.NAMELESS:
                    yield "May be among the usage without a user."
                case Reason.UNTOLD if row.theirs is not None:
                    yield row.theirs.note or f"{name} told no amount that can be compared."
                case Reason.UNKNOWN:
                    yield "Nothing known here explains this."
                case Reason.FITS_AS_TOTAL:
                    yield f"{self._both_readings(row)} It fits as all usage."
                case Reason.FITS_AS_ON_DEMAND:
                    yield f"{self._both_readings(row)} It fits as on-demand usage."
                case Reason.FITS_BOTH:
                    yield f"{self._both_readings(row)} It fits either way."
                case Reason.FITS_NEITHER:
                    yield f"{self._both_readings(row)} It fits neither way."

    def _both_readings(self, row: Row) -> str:
        """The unclear figure, and ours minus it, taken as one and as the other."""
        unclear = 0 if row.theirs is None else row.theirs.unclear or 0
        as_total = self._signed(row.ours.listed - unclear)
        as_on_demand = self._signed(row.ours.billed - unclear)
        return (
            f"{self.name} sent {self._money(unclear)}. Taken as all usage ours differs by {as_total}, "
            f"as on-demand usage by {as_on_demand}."
        )

    def total(self) -> PageRow:
        rows = self.found.rows
        figures = []
        for measure in MEASURES:
            told = [None if row.theirs is None else getattr(row.theirs, measure) for row in rows]
            is_told = not self.found.unclear
            theirs = sum(amount for amount in told if amount is not None)
            ours = sum(ours_of(row.ours, measure) for row in rows)
            figures.append(
                Figures(
                    theirs=self._shown(theirs) if is_told else DASH,
                    ours=LinkedFigure(self._shown(ours), self._url((), measure)),
                    difference=self._signed(ours - theirs) if is_told else DASH,
                )
            )
        return PageRow("Total", False, tuple(figures), (), False)

    # Figures ----------------------------------------------------------------------------------------------------

    def _shown(self, nano: int) -> Shown:
        return shown(units_from_nanos(nano), Measure.BILLED, self.found.center.currency)

    def _money(self, nano: int) -> str:
        return display(units_from_nanos(nano), self.found.center.currency)

    def _signed(self, nano: int) -> Shown:
        figure = self._shown(nano)
        return Shown(f"+{figure}", figure.exact) if nano > 0 and not figure.is_tiny else figure

    def _url(self, users: tuple[str, ...], measure: str) -> str:
        """The explorer with these users' usage of the whole UTC days that the comparison touches."""
        found = self.found
        if found.cycle is None or found.through is None:
            return ""
        last = max(found.cycle.start, found.through - timedelta(microseconds=1)).astimezone(UTC).date()
        filters = [Filter("cost_center", (found.center.name,)), USAGE]
        if users:
            filters.append(Filter("user", users))
        query = CostQuery(
            Span(found.cycle.start.astimezone(UTC).date(), last),
            group_by=("kind",) if users else ("user",),
            filters=tuple(filters),
            measure=EXPLORER_MEASURES[measure],
        )
        return explorer_url(query)


# CSV -------------------------------------------------------------------------------------------------------------

CSV_COLUMNS = (
    *("user", "provider_on_demand", "ours_on_demand", "difference_on_demand"),
    *("provider_included", "ours_included", "difference_included", "provider_unclear", "explanation"),
)


def reconciliation_csv(
    center: CostCenter, now: datetime, asked: Collection[str] = ()
) -> tuple[str, Iterator[bytes]]:
    """The file's name and content. Raises UnknownCycleError before anything is sent."""
    found = compare(center, now, chosen_cycle(cycles_of(center), asked))
    since = "" if found.cycle is None else f"_{found.cycle.start:%Y-%m-%dT%H-%M-%SZ}"
    return f"onebill_reconciliation{since}.csv", chunks(CSV_COLUMNS, _csv_lines(found))


def _csv_lines(found: Comparison) -> Iterator[list[str]]:
    """A line a user, unrounded; amounts that cannot be told are empty."""
    words = Words(found)
    for row in found.rows:
        cells = [text_cell(" + ".join(row.users))]
        for measure in MEASURES:
            theirs = None if row.theirs is None else getattr(row.theirs, measure)
            cells += map(_plain, (theirs, ours_of(row.ours, measure), row.difference(measure)))
        cells.append(_plain(None if row.theirs is None else row.theirs.unclear))
        yield [*cells, text_cell(" ".join(words.reasons(row)))]


def _plain(nano: int | None) -> str:
    return "" if nano is None else plain(units_from_nanos(nano))
