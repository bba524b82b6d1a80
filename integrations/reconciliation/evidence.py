"""One user's total, theirs and ours, and what accounts for a difference between the two.

All amounts are nano-units; a difference is ours minus theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from costcenters.exact_span import NOTHING, Used
from finops.money import NANOS_PER_CENT

CENT = NANOS_PER_CENT
MEASURES = ("on_demand", "included")


class Standing(IntEnum):
    """How a difference stands, from harmless to worth a look."""

    AGREES = 0
    ACCOUNTED = 1
    POSSIBLE = 2
    UNCLEAR = 3
    DIFFERS = 4


class Reason(IntEnum):
    """What accounts for a difference, or may."""

    ROUNDED = 1
    OTHER_KINDS = 2
    NO_USER = 3
    NOT_A_MEMBER = 4
    NOT_LISTED = 5
    NO_LONGER_LISTED = 6
    TWO_NAMES = 7
    BY_THE_HOUR = 8
    UNREAD = 9
    BACKFILL = 10
    KEPT = 11
    NAMELESS = 12
    UNTOLD = 13
    FITS_AS_TOTAL = 14
    FITS_AS_ON_DEMAND = 15
    FITS_BOTH = 16
    FITS_NEITHER = 17
    UNKNOWN = 18
    LEFT = 19
    MEMBER_WITHOUT_TOTAL = 20


@dataclass(frozen=True, slots=True)
class Theirs:
    """The provider's total of one user; None where it cannot be told. `unclear` is on-demand usage or all usage."""

    on_demand: int | None
    included: int | None
    unclear: int | None
    note: str
    read_at: datetime

    @property
    def is_told(self) -> bool:
        return self.on_demand is not None and self.included is not None


@dataclass(frozen=True, slots=True)
class Row:
    """One user, known by one name or two. `theirs` is None where only we know of them."""

    users: tuple[str, ...]
    ours: Used
    theirs: Theirs | None
    standings: tuple[Standing, Standing] = (Standing.AGREES, Standing.AGREES)
    reasons: tuple[Reason, ...] = ()

    @property
    def user(self) -> str:
        return self.users[0]

    @property
    def standing(self) -> Standing:
        return max(self.standings)

    def difference(self, measure: str) -> int | None:
        """Ours minus theirs; None where theirs cannot be told."""
        theirs = 0 if self.theirs is None else getattr(self.theirs, measure)
        return None if theirs is None else ours_of(self.ours, measure) - theirs

    @property
    def size(self) -> int:
        """How much differs in all; of an unclear figure, by the reading that fits better."""
        if self.theirs is not None and self.theirs.unclear is not None:
            return min(
                abs(self.ours.billed - self.theirs.unclear), abs(self.ours.listed - self.theirs.unclear)
            )
        return sum(abs(self.difference(measure) or 0) for measure in MEASURES)

    @property
    def is_nothing(self) -> bool:
        """Nothing on either side."""
        theirs = self.theirs
        return self.ours == NOTHING and (
            theirs is None or (theirs.is_told and not theirs.on_demand and not theirs.included)
        )


def ours_of(used: Used, measure: str) -> int:
    """Ours as the provider splits it: on-demand is what was billed, included what was not."""
    return used.billed if measure == "on_demand" else used.uncharged


@dataclass(slots=True)
class Evidence:
    """What is known that may explain a difference. `last_hour` is ours of the last hour compared, `beyond` what was
    read after it and before the provider was asked."""

    ours: Mapping[str, Used]
    last_hour: Mapping[str, Used]
    beyond: Mapping[str, Used]
    allowance: tuple[int, int]
    read_at: datetime
    is_backfilled: bool
    #: By measure, the users whose shortfall fits into what is not read yet, or into usage without a user.
    unread: dict[str, frozenset[str]] = field(default_factory=dict)
    nameless: dict[str, frozenset[str]] = field(default_factory=dict)

    def matched(self, told: Mapping[str, Theirs]) -> list[Row]:
        """A row a user; somebody whose two names together agree with one total is one row."""
        two = self._two_names(told)
        seconds = set(two.values())
        rows = []
        for user in {**told, **self.ours}:
            if user in seconds:
                continue
            users = (user, two[user]) if user in two else (user,)
            used = sum((self.ours.get(name, NOTHING) for name in users), NOTHING)
            rows.append(Row(users, used, told.get(user)))
        for place, measure in enumerate(MEASURES):
            short = {
                row.user: missing
                for row in rows
                if row.theirs is not None and (missing := _missing(row, measure)) >= CENT
            }
            rest = {
                user: amount - ours_of(self.beyond.get(user, NOTHING), measure)
                for user, amount in short.items()
            }
            self.unread[measure] = _fitting(rest, self.allowance[place])
            self.nameless[measure] = _fitting(short, ours_of(self.ours.get("", NOTHING), measure))
        return rows

    def _two_names(self, told: Mapping[str, Theirs]) -> dict[str, str]:
        """Of users whose total is higher than ours, the former name under which we have exactly the rest."""
        former = [
            name
            for name, used in self.ours.items()
            if "@" in name and used.listed >= CENT and (name not in told or told[name].read_at < self.read_at)
        ]
        found: dict[str, str] = {}
        for user, theirs in told.items() if former else ():
            if theirs.on_demand is None or theirs.included is None or theirs.read_at < self.read_at:
                continue
            mine = self.ours.get(user, NOTHING)
            if mine.listed + CENT > theirs.on_demand + theirs.included:
                continue
            for name in former:
                both = mine + self.ours[name]
                included = (both.uncharged, both.uncharged - both.uncharged_otherwise)
                if abs(both.billed - theirs.on_demand) < CENT and any(
                    abs(one - theirs.included) < CENT for one in included
                ):
                    found[user] = name
                    former.remove(name)
                    break
        return found

    def judged(self, row: Row) -> Row:
        theirs = row.theirs
        if theirs is not None and not theirs.is_told:
            reason = Reason.UNTOLD if theirs.unclear is None else self._fit(row.ours, theirs.unclear)
            return Row(row.users, row.ours, theirs, (Standing.UNCLEAR, Standing.UNCLEAR), (reason,))
        reasons: list[Reason] = [Reason.TWO_NAMES] if len(row.users) > 1 else []
        if theirs is not None and theirs.read_at < self.read_at:
            reasons.append(Reason.NO_LONGER_LISTED)
        first, second = (self._judged(row, measure, reasons) for measure in MEASURES)
        return Row(row.users, row.ours, theirs, (first, second), tuple(dict.fromkeys(reasons)))

    @staticmethod
    def _fit(ours: Used, unclear: int) -> Reason:
        as_on_demand, as_total = abs(ours.billed - unclear) < CENT, abs(ours.listed - unclear) < CENT
        if as_on_demand and as_total:
            return Reason.FITS_BOTH
        if as_on_demand:
            return Reason.FITS_AS_ON_DEMAND
        return Reason.FITS_AS_TOTAL if as_total else Reason.FITS_NEITHER

    def _judged(self, row: Row, measure: str, reasons: list[Reason]) -> Standing:
        """How the difference in one measure stands; what explains it is added to `reasons`."""
        difference = row.difference(measure) or 0
        if row.theirs is None:
            if not difference:
                return Standing.AGREES
            return self._only_ours(row.user, reasons)
        if abs(difference) < CENT:
            if difference:
                reasons.append(Reason.ROUNDED)
            return Standing.AGREES
        otherwise = _otherwise(row, measure)
        if abs(difference - otherwise) < CENT:
            reasons.append(Reason.OTHER_KINDS)
            return Standing.ACCOUNTED
        explained = self._explained(row, measure, difference)
        if explained is None and otherwise:
            explained = self._explained(row, measure, difference - otherwise)
            if explained is not None:
                reasons.append(Reason.OTHER_KINDS)
        reasons.append(Reason.UNKNOWN if explained is None else explained)
        return Standing.DIFFERS if explained is None else Standing.POSSIBLE

    def _explained(self, row: Row, measure: str, difference: int) -> Reason | None:
        """What may explain all of a difference of a cent or more."""
        if difference > 0:
            if row.theirs is not None and row.theirs.read_at < self.read_at:
                # A total that is no longer told stands still while ours may have gone on.
                return Reason.NO_LONGER_LISTED
            recent = sum((self.last_hour.get(name, NOTHING) for name in row.users), NOTHING)
            return Reason.BY_THE_HOUR if difference < ours_of(recent, measure) + CENT else None
        if not self.is_backfilled:
            return Reason.BACKFILL
        if row.user in self.unread[measure]:
            return Reason.UNREAD
        return Reason.NAMELESS if row.user in self.nameless[measure] else None

    @staticmethod
    def _only_ours(user: str, reasons: list[Reason]) -> Standing:
        if not user:
            reasons.append(Reason.NO_USER)
        elif "@" not in user:
            reasons.append(Reason.NOT_A_MEMBER)
        else:
            reasons.append(Reason.NOT_LISTED)
            return Standing.POSSIBLE
        return Standing.ACCOUNTED


def _otherwise(row: Row, measure: str) -> int:
    """What of ours the provider may not count: it is charged to nobody and not called included."""
    return row.ours.uncharged_otherwise if measure == "included" else 0


def _missing(row: Row, measure: str) -> int:
    """How much more theirs is, whether or not it counts what is not called included: the lesser of the two."""
    difference = row.difference(measure) or 0
    return -difference if difference < 0 else _otherwise(row, measure) - difference


def _fitting(amounts: Mapping[str, int], pool: int) -> frozenset[str]:
    """As many users as possible whose amounts together are no more than `pool`, the smallest first."""
    fitting, used = set(), 0
    for user, amount in sorted(amounts.items(), key=lambda item: (item[1], item[0])):
        used += max(0, amount)
        if used >= pool + CENT:
            break
        fitting.add(user)
    return frozenset(fitting)
