"""What the API returns at a given moment: the company's events after the data faults and mutations.

The rows are one list in the order of time. It is replaced, never edited, so pages are cut without a lock.
"""

from __future__ import annotations

import datetime as dt
import threading
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Any

from .activity import DAY_MS, HOUR_MS, Row, day_of, day_start_ms, extra_row, rows_of_day
from .company import Company, Person, ServiceAccount
from .dressing import dress, revise, without_email
from .faults import FaultPlan
from .truth import DayTruth, Sums, tally, user_of_row

LATE_MS = 48 * HOUR_MS
"""How long a late event stays away when nobody mutates the ledger; also the span that mutations revise."""

FEW = 200
"""Up to this many rows are inserted one by one instead of sorting all of history."""

stamp_of = attrgetter("stamp")
order_of = attrgetter("stamp", "serial")


def epoch_ms(moment: dt.datetime) -> int:
    """Epoch milliseconds of an aware datetime, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


class Ledger:
    """The events of one team. An event is returned once its UTC hour is over.

    `now` is always epoch milliseconds. Windows are half-open `[start, end)` here; the API's inclusive end is
    turned into that at the door.
    """

    def __init__(self, company: Company, faults: Collection[str], plan: FaultPlan, now: int) -> None:
        self.company = company
        self.faults = frozenset(faults)
        self.plan = plan
        self.round = 0
        self.rows: list[Row] = []
        self.departures: dict[Person, int] = {}
        self._late: list[Row] = []
        self._forgotten: list[Row] = []
        self._moved: list[Row] = []
        self._walks: set[tuple[int, int]] = set()
        self._next_day = company.first_day
        self._next_late = 0
        self._days: dict[dt.date, DayTruth] = {}
        self._lock = threading.RLock()
        self.nameless = self._nameless_from_the_start(now)
        self.advance(now)

    def _nameless_from_the_start(self, now: int) -> set[Person]:
        if "email_loss" not in self.faults:
            return set()
        gone = self.company.removed_by(day_of(now))
        limit = day_of(now) - dt.timedelta(days=min(14, self.company.days // 4))
        long_gone = [person for person in gone if person.left and person.left <= limit] or gone[:1]
        return set(long_gone[::2])

    def inherit(self, former: Ledger) -> None:
        """Take over what clients were served before the set of data faults was replaced."""
        served = {order_of(row): row for row in (*former.rows, *former._forgotten) if row.served}
        with self._lock:
            self._moved = former._moved
            self._insert(self._moved)
            for row in self.rows:
                known = served.get(order_of(row))
                if known is not None:
                    row.served = True
                    if row.who in self.nameless:
                        row.kept_user = user_of_row(known)
            self._days.clear()

    # Reading --------------------

    def advance(self, now: int) -> None:
        """Let time pass: generate the days that have begun, and let late events in whose time has come."""
        today = day_of(now)
        if today < self._next_day and (not self._next_late or now < self._next_late):
            return
        with self._lock:
            fresh: list[Row] = []
            while self._next_day <= today:
                for row in self._day(self._next_day):
                    late = "late_events" in self.faults and self._is_late(row) and self._due(row) > now
                    (self._late if late else fresh).append(row)
                self._next_day += dt.timedelta(days=1)
            due = [row for row in self._late if self._due(row) <= now]
            if due:
                self._late = [row for row in self._late if self._due(row) > now]
            self._next_late = min(map(self._due, self._late), default=0)
            self._insert([*fresh, *due])

    def window(self, start: int, end: int, now: int) -> tuple[list[Row], int, int]:
        """The rows, and the first and past-the-last index of those returned for `[start, end)`."""
        rows = self.rows
        end = min(end, now - now % HOUR_MS)
        low = bisect_left(rows, start, key=stamp_of)
        return rows, low, max(low, bisect_left(rows, end, lo=low, key=stamp_of))

    def turn_page(self, start: int, end: int, page: int, newer: int, now: int) -> None:
        """The `count_moves` fault: past the first page of a walk, an event appears on a page already read.

        `newer` is how many rows those pages held. At most once a walk, and `plan.moves` times in all.
        """
        if "count_moves" not in self.faults:
            return
        with self._lock:
            if page == 1:
                self._walks.discard((start, end))
                return
            rows, low, high = self.window(start, end, now)
            if high - low < newer or (start, end) in self._walks or len(self._moved) >= self.plan.moves:
                return
            self._walks.add((start, end))
            stamp = rows[high - 1].stamp
            late = [extra_row(self.company, stamp, len(self._moved) + 1)]
            late = dress(self.company, day_of(stamp), late, self.faults - {"twins"}, self.nameless)
            self._moved = [*self._moved, *late]
            self._insert(late)

    def members(self, now: int) -> list[Person]:
        """Everybody the company knows: first the team, then the removed."""
        today = day_of(now)
        return [*self.company.team_on(today), *self.company.removed_by(today)]

    def is_removed(self, person: Person, now: int) -> bool:
        return person in self.departures or (person.left is not None and person.left <= day_of(now))

    def seats(self, now: int) -> list[Person]:
        """Who holds a paid seat now."""
        return [
            person
            for person in self.members(now)
            if person.role != "free-owner" and not self.is_removed(person, now)
        ]

    # Truth --------------------

    def truth(self, start: int | None, end: int | None, now: int) -> list[DayTruth]:
        """The days a correct client holds for `[start, end)`: what is returned, or was until forgotten."""
        first = max(day_start_ms(self.company.first_day), start or 0)
        last = now if end is None else end
        days: list[DayTruth] = []
        with self._lock:
            midnight = first - first % DAY_MS
            closed = now - now % HOUR_MS
            last = min(last, closed)
            while midnight < last:
                after = midnight + DAY_MS
                if first <= midnight and after <= last:
                    day = day_of(midnight)
                    if day not in self._days:
                        self._days[day] = self._tally(midnight, after, now)
                    days.append(self._days[day])
                else:
                    days.append(self._tally(max(first, midnight), min(last, after), now))
                midnight = after
        return [day for day in days if day.cells]

    def _tally(self, start: int, end: int, now: int) -> DayTruth:
        rows, low, high = self.window(start, end, now)
        held = rows[low:high]
        if self._forgotten:
            low = bisect_left(self._forgotten, start, key=stamp_of)
            held = self._forgotten[low : bisect_left(self._forgotten, end, key=stamp_of)] + held
        return next(iter(tally(held)), DayTruth(day_of(start)))

    # Mutation --------------------

    def mutate(self, now: int) -> dict[str, Any]:
        """One more round of what the provider does behind the client's back, as far as the faults are active.

        Each call is a round of its own, drawn from the seed and the round's number: late events known by then
        appear; of the rows of the last 48 closed hours some are revised and some vanish; more people who left
        lose their address; one more active person leaves; history older than `plan.forget_days` is forgotten.
        Beyond a re-read of three days, only what the truth remembers changes. Returns what happened.
        """
        with self._lock:
            self.advance(now)
            self.round += 1
            closed = now - now % HOUR_MS
            chance = self.company.random("mutation", self.round)
            appeared = [row for row in self._late if row.stamp < closed]
            self._late = [row for row in self._late if row.stamp >= closed]
            self._next_late = min(map(self._due, self._late), default=0)
            self._insert(appeared)

            rows = list(self.rows)
            low = bisect_left(rows, closed - LATE_MS, key=stamp_of)
            recent = range(low, bisect_left(rows, closed, key=stamp_of))
            revised = self._some(
                chance.sample(recent, len(recent)), "revised_charges", self.plan.revised_share
            )
            for index in revised:
                rows[index] = revise(rows[index], chance)
            vanished = self._some(
                chance.sample(recent, len(recent)), "vanishing_events", self.plan.vanished_share
            )
            for index in sorted(vanished, reverse=True):
                del rows[index]

            lost = self._lose_addresses(rows, now)
            left = self._send_away(rows, now)
            forgotten = self._forget(rows, closed)
            self.rows = rows
            self._days.clear()
            return {
                "round": self.round,
                "appeared": len(appeared),
                "revised": len(revised),
                "vanished": len(vanished),
                "emails_lost": lost,
                "left": left,
                "forgotten": forgotten,
            }

    def _some(self, shuffled: list[int], fault: str, share: float) -> list[int]:
        if fault not in self.faults or not shuffled:
            return []
        return shuffled[: max(1, round(share * len(shuffled)))]

    def _lose_addresses(self, rows: list[Row], now: int) -> list[str]:
        if "email_loss" not in self.faults:
            return []
        gone = [*self.company.removed_by(day_of(now)), *self.departures]
        gone = [person for person in dict.fromkeys(reversed(gone)) if person not in self.nameless]
        losers = set(gone[::2])
        self.nameless |= losers
        for index, row in enumerate(rows):
            if row.who in losers:
                nameless = Row(row.stamp, row.serial, row.who, without_email(row.text))
                nameless.served, nameless.kept_user = row.served, row.kept_user
                if row.served and row.kept_user is None:
                    nameless.kept_user = user_of_row(row)
                rows[index] = nameless
        self._late = [self._undress(row) if row.who in losers else row for row in self._late]
        return sorted(person.email for person in losers)

    @staticmethod
    def _undress(row: Row) -> Row:
        return Row(row.stamp, row.serial, row.who, without_email(row.text))

    def _send_away(self, rows: list[Row], now: int) -> str:
        if "removed_absent" not in self.faults:
            return ""
        leavers = [person for person in self.seats(now) if not person.settled]
        if not leavers:
            return ""
        person = leavers[self.round % len(leavers)]
        self.departures[person] = now
        rows[:] = [row for row in rows if row.who is not person or row.stamp < now]
        self._late = [row for row in self._late if row.who is not person or row.stamp < now]
        return person.email

    def _forget(self, rows: list[Row], closed: int) -> int:
        if "history_forgotten" not in self.faults:
            return 0
        count = bisect_left(rows, closed - self.plan.forget_days * DAY_MS, key=stamp_of)
        self._forgotten = sorted(
            [*self._forgotten, *(row for row in rows[:count] if row.served)], key=order_of
        )
        del rows[:count]
        return count

    # Days --------------------

    def _day(self, day: dt.date) -> list[Row]:
        rows = rows_of_day(self.company, day)
        rows = [row for row in rows if self._was_there(row.who, row.stamp)] if self.departures else rows
        return dress(self.company, day, rows, self.faults, self.nameless)

    def _was_there(self, who: Person | ServiceAccount, stamp: int) -> bool:
        return not isinstance(who, Person) or stamp < self.departures.get(who, stamp + 1)

    def _is_late(self, row: Row) -> bool:
        return (row.serial // 4 + self.company.seed) % self.plan.late_every == 0

    @staticmethod
    def _due(row: Row) -> int:
        """When a late event appears by itself: 48 hours after its hour is over."""
        return row.stamp - row.stamp % HOUR_MS + HOUR_MS + LATE_MS

    def _insert(self, fresh: Iterable[Row]) -> None:
        added = sorted(fresh, key=order_of)
        if not added:
            return
        for day in {day_of(row.stamp) for row in added}:
            self._days.pop(day, None)
        if not self.rows or order_of(self.rows[-1]) < order_of(added[0]):
            self.rows = [*self.rows, *added] if self.rows else added
        elif len(added) <= FEW:
            rows = list(self.rows)
            for row in added:
                insort(rows, row, key=order_of)
            self.rows = rows
        else:
            self.rows = sorted([*self.rows, *added], key=order_of)


def total_of(days: Iterable[DayTruth]) -> Sums:
    """The sum over all groups of some days."""
    total = Sums()
    for day in days:
        for sums in day.cells.values():
            total.add(sums)
    return total
