"""What is found out about a delivery beside its lines: problems, notes and questions for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from costcenters.focus.files import FocusFile, Header
from costcenters.focus.reading import Badness
from costcenters.focus.rows import Place
from costcenters.focus.spool import Tally
from costcenters.focus.streams import Unreadable

MOST_PROBLEMS = 20
#: A value is shown up to this many characters.
LONGEST_SHOWN = 100
#: What a file may lack, and what is taken then.
DEFAULTS = {
    "EffectiveCost": "BilledCost is taken",
    "ListCost": "BilledCost is taken",
    "BillingAccountId": "all lines belong to one account without an id",
    "BillingPeriodStart": "a charge belongs to the calendar month in which it begins",
    "ServiceName": "the lines have no service",
}
#: Days of files that are compared with one another, to notice the same lines twice.
MOST_COMPARED = 200_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a delivery cannot be imported. `line` is the line (CSV) or row (Parquet) from 1 on, 0 for the whole file."""

    file: str
    line: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        what = f"{self.column} “{self.value}”" if self.value else self.column
        return ": ".join(part for part in (where, what, self.reason) if part)


class Findings:
    """Gathered file by file."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.total = 0
        self._ignored: dict[str, None] = {}
        self._lacking: dict[str, list[str]] = defaultdict(list)
        self._other: dict[str, list[str]] = defaultdict(list)
        self._seen: dict[tuple[Any, ...], list[tuple[str, Tally]]] = defaultdict(list)
        self._repeated: dict[tuple[str, str], list[Place]] = defaultdict(list)
        self._compared = 0

    def add(self, problem: Problem, total: int = 1) -> None:
        self.total += total
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def header_is_good(self, name: str, header: Header) -> bool:
        """Whether the file's rows are to be read."""
        if header.other_dataset:
            self._other[header.other_dataset].append(name)
            return False
        for column in header.missing:
            self.add(Problem(name, 1, column, "", "The column is missing."))
        for column in header.doubled:
            self.add(Problem(name, 1, column, "", "The column is there more than once."))
        for column in header.ignored:
            if len(self._ignored) < 1000:
                self._ignored[column] = None
        for column in DEFAULTS:
            if column not in header.places:
                self._lacking[column].append(name)
        return not (header.missing or header.doubled)

    def bad_rows(self, name: str, file: FocusFile, badness: Badness) -> None:
        """Of a file that has been read to its end: every problem with its line."""
        try:
            lines = file.locate({bad.row for bad in badness.kept})
        except Unreadable as error:
            self.add(Problem(name, error.line, "", "", error.reason))
            return
        misshapen, faults = file.faults()
        found = [
            Problem(name, lines.get(bad.row, 0), bad.column, _shown(bad.value), bad.reason)
            for bad in badness.kept
        ]
        found += [Problem(name, fault.line, "", "", fault.reason) for fault in faults]
        total = badness.total + misshapen
        for problem in sorted(found, key=lambda problem: problem.line):
            self.add(problem, 0)
        self.total += total

    def compare(self, name: str, tallies: Mapping[Place, Tally]) -> None:
        """Notice days that an earlier file holds with the same lines."""
        for place, tally in tallies.items():
            self._compared += 1
            if self._compared > MOST_COMPARED:
                return
            known = self._seen[place[:5]]
            for other, theirs in known:
                if tally == theirs:
                    self._repeated[other, name].append(place)
                    break
            else:
                known.append((name, tally))

    def questions(self) -> list[str]:
        """What somebody has to confirm."""
        found = []
        for (one, other), places in self._repeated.items():
            days = sorted({place.day for place in places})
            when = days[0] if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"
            found.append(
                f"{other} and {one} hold the same lines of {when}. Both would be counted: is one a copy of the other?"
            )
        return found

    def notes(self) -> list[str]:
        """What somebody may want to know."""
        found = [
            f"{_named(names)}: holds {what}, not costs, and is left out."
            for what, names in self._other.items()
        ]
        for column, names in self._lacking.items():
            found.append(f"{column} is missing in {_named(names)}: {DEFAULTS[column]}.")
        if self._ignored:
            found.append(f"Columns that FOCUS does not have are not kept: {_listed(self._ignored, 30)}.")
        return found


def _shown(value: str) -> str:
    text = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
    return "".join(each if each.isprintable() else "�" for each in text)


def _named(names: list[str]) -> str:
    return _listed(dict.fromkeys(names), 3)


def _listed(names: Iterable[str], most: int) -> str:
    shown = [_shown(name) or "(without a name)" for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
