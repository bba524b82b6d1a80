"""A batch while it is read: its columns as clean text, and what is bad in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from costcenters.focus.coded import Coded
from costcenters.focus.columns import ENUMERATIONS, NUMBERS
from costcenters.focus.files import Batch
from costcenters.focus.own_ids import IDENTITIES, unguarded
from costcenters.focus.tags import nested_text
from costcenters.focus.values import EMPTY, Unfit, cleaned, enumerated, number

MOST_KEPT = 20
#: Parsed texts are remembered over batches up to this many a parser.
REMEMBERED = 10_000
_LONGEST_EMPTY = max(map(len, EMPTY))
_PLAIN_NUMBERS = re.compile(r"(?:(?:-?\d{1,18}(?:\.\d{1,30})?)?\n)*+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bad:
    """A value that cannot be imported. `row` counts from 0."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(slots=True)
class Badness:
    """The bad values of a file: all counted, the first kept."""

    total: int = 0
    kept: list[Bad] = field(default_factory=list)

    def add(self, rows: list[int], column: str, value: str, reason: str) -> None:
        self.total += len(rows)
        self.kept += [Bad(row, column, value, reason) for row in rows[:MOST_KEPT]]

    def settle(self) -> None:
        """After each batch, since its columns are read one after the other."""
        self.kept = sorted(self.kept, key=lambda bad: bad.row)[:MOST_KEPT]


class Memory:
    """What texts were parsed to, a parser each; forgotten before it grows."""

    def __init__(self) -> None:
        self._known: dict[object, dict[str, Any]] = {}

    def of(self, parser: object) -> dict[str, Any]:
        known = self._known.setdefault(parser, {})
        if len(known) > REMEMBERED:
            known.clear()
        return known


class Reading:
    """A batch and what is found out about it. `notes` counts sentences for people."""

    def __init__(self, batch: Batch, badness: Badness, memory: Memory, notes: Counter[str]) -> None:
        self.batch, self.badness, self.notes = batch, badness, notes
        self._memory = memory
        self._texts: dict[str, Coded] = {}

    def has(self, name: str) -> bool:
        """Whether any row has a value in this column."""
        return name in self.batch.columns and any(self.text(name).values)

    def text(self, name: str) -> Coded:
        """The column without blanks and words for nothing; enumerations as FOCUS spells them, numbers plainly.

        Empty where there is no such column.
        """
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> Coded:
        array = self.batch.columns.get(name)
        if array is None:
            return Coded.constant("")
        coded = self.coded(array)
        values = [
            text if len(text := value.strip()) > _LONGEST_EMPTY or text.lower() not in EMPTY else ""
            for value in coded.values
        ]
        if "".join(values).count("\0"):
            return self.parsed(name, cleaned, coded)
        coded = coded.replaced(values)
        if values.count("") > 1:
            # Nothing was spelled in several ways: what looks for it finds it in one place.
            coded = coded.merged()
            values = coded.values
        if name in IDENTITIES and not self.batch.has_types and self.has("x_Provider"):
            # Written by us.
            return coded.with_(self.text("x_Provider"), unguarded)
        if name in NUMBERS:
            if _PLAIN_NUMBERS.fullmatch("\n".join((*values, ""))):
                return coded
            return self.parsed(name, number, coded)
        if name in ENUMERATIONS and name != "ChargeCategory":
            return coded.mapped(lambda text: self._enumerated(name, text))
        return coded

    def coded(self, array: Any) -> Coded:
        """A column of the batch as text, as it is spelled there."""
        from pyarrow import types

        if types.is_nested(array.type):
            return Coded.of_rows(nested_text(array))
        return Coded.of_array(array)

    def _enumerated(self, name: str, text: str) -> str:
        if not text:
            return text
        found = enumerated(name, text)
        if found is None and not any(note.startswith(f"{name} has ") for note in self.notes):
            example = f"such as “{text[:60]}”"
            self.notes[
                f"{name} has values that FOCUS does not know, {example}: they are kept as they are."
            ] += 1
        return found or text

    def parsed(self, name: str, parse: Callable[[str], Any], coded: Coded, *, empty: Any = "") -> Coded:
        """What `parse` makes of each value that is not empty. What it refuses is bad."""
        known = self._memory.of((name in ENUMERATIONS and name, parse))
        values: list[Any] = []
        refused: dict[int, str] = {}
        for place, text in enumerate(coded.values):
            value = known.get(text)
            if value is None:
                try:
                    value = parse(text) if text else empty
                    known[text] = value
                except Unfit as error:
                    refused[place], value = str(error), empty
            values.append(value)
        if refused:
            self.refuse(name, coded, refused)
        return coded.replaced(values)

    def required(self, name: str, parse: Callable[[str], Any], *, empty: Any = "") -> Coded:
        """The same of a column in which no row may be empty."""
        coded = self.text(name)
        if "" in coded.values:
            self.refuse(name, coded, {coded.values.index(""): "Is empty."})
        return self.parsed(name, parse, coded, empty=empty)

    def optional(self, name: str, parse: Callable[[str], Any], *, empty: Any) -> Coded:
        return (
            self.parsed(name, parse, self.text(name), empty=empty)
            if self.has(name)
            else Coded.constant(empty)
        )

    def refuse(self, name: str, coded: Coded, reasons: dict[int, str]) -> None:
        """The rows of these places are bad."""
        first = self.batch.first
        rows: dict[int, list[int]] = {place: [] for place in reasons}
        if coded.codes is None:
            rows[0] = list(range(first, first + self.batch.rows))
        else:
            for row, place in enumerate(coded.places(), first):
                if place in rows:
                    rows[place].append(row)
        for place, reason in reasons.items():
            if rows[place]:
                self.badness.add(rows[place], name, coded.values[place], reason)

    def first_of(self, names: Sequence[str]) -> Coded:
        """The first that is not empty, for each row."""
        found: Coded | None = None
        for name in names:
            if self.has(name):
                found = (
                    self.text(name) if found is None else found.with_(self.text(name), lambda a, b: a or b)
                )
                if all(found.values):
                    break
        return found or Coded.constant("")
