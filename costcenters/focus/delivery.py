"""Pass 1 of an import: a delivery's files are read and checked whole, and its lines spooled by what they replace.

Nothing is written to the database here, so that a bad row stops a delivery before it has changed anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from costcenters.focus.files import open_file, read_ahead
from costcenters.focus.findings import MOST_PROBLEMS, Findings, Problem
from costcenters.focus.reading import Badness
from costcenters.focus.rows import Place, RowReader
from costcenters.focus.spool import Spool, Spooled, Tally
from costcenters.focus.streams import Unreadable
from costcenters.focus.values import as_datetime
from costcenters.records import Row

__all__ = [
    "DayLines",
    "Delivery",
    "DeliveryRefused",
    "Part",
    "Problem",
    "Source",
    "UnitLines",
    "read_delivery",
]


class Source(Protocol):
    """A file of a delivery, wherever it lies."""

    @property
    def name(self) -> str:
        """As told to people."""

    @property
    def size(self) -> int:
        """In bytes."""

    def open(self) -> Any:
        """A seekable binary file, at its beginning: a pyarrow NativeFile or a Python file. OSError if there is none."""


class DeliveryRefused(Exception):
    """The delivery holds something that cannot be imported; nothing of it was. `total` counts all problems found."""

    def __init__(self, problems: tuple[Problem, ...], total: int) -> None:
        super().__init__(str(problems[0]) if problems else "The delivery is refused.")
        self.problems, self.total = problems, total


@dataclass(frozen=True, slots=True)
class DayLines:
    """What a statement holds of one UTC day: `digest` is that of its lines in any order, hexadecimal."""

    line_items: int
    billed_nano: int
    digest: str


@dataclass(frozen=True, slots=True)
class UnitLines:
    """The lines of one billing account and billing period `[period_start, period_end)`, UTC: what is replaced."""

    billing_account: str
    billing_account_name: str
    period_start: datetime
    period_end: datetime
    days: Mapping[date, DayLines]


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one cost center, in one currency.

    `cost_center` and `provider`, the short name of whose bill it is, are empty unless the file's own were asked for.
    """

    cost_center: str
    currency: str
    units: tuple[UnitLines, ...]
    provider: str = ""


class Delivery:
    """A checked delivery, its lines spooled on disk until it is closed."""

    def __init__(
        self,
        spool: Spool,
        places: Mapping[Place, Spooled],
        *,
        notes: tuple[str, ...],
        questions: tuple[str, ...],
    ) -> None:
        self._spool = spool
        self._spooled: dict[tuple[str, str, str, datetime, date], list[Spooled]] = defaultdict(list)
        self.notes, self.questions = notes, questions
        self.rows = sum(each.line_items for each in places.values())
        self.parts = self._parts(places)

    def _parts(self, places: Mapping[Place, Spooled]) -> tuple[Part, ...]:
        units: dict[tuple[str, str], dict[tuple[str, str], list[Place]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for place in sorted(places):
            units[place.cost_center, place.currency][place.account, place.period_start].append(place)
        providers = {place.cost_center: place.provider for place in sorted(places) if place.provider}
        return tuple(
            Part(
                center,
                currency,
                tuple(self._unit(of_unit, places) for of_unit in of_part.values()),
                providers.get(center, ""),
            )
            for (center, currency), of_part in units.items()
        )

    def _unit(self, of_unit: list[Place], places: Mapping[Place, Spooled]) -> UnitLines:
        first = of_unit[0]
        start = as_datetime(first.period_start)
        for place in of_unit:
            key = (place.cost_center, place.currency, place.account, start, date.fromisoformat(place.day))
            self._spooled[key].append(places[place])
        days = {}
        for place in of_unit:
            day = date.fromisoformat(place.day)
            spooled = self._spooled[place.cost_center, place.currency, place.account, start, day]
            days[day] = DayLines(
                sum(each.line_items for each in spooled),
                sum(each.billed_nano for each in spooled),
                f"{sum(each.digest for each in spooled) % 2**128:032x}",
            )
        return UnitLines(
            billing_account=first.account,
            billing_account_name=next((place.account_name for place in of_unit if place.account_name), ""),
            period_start=start,
            period_end=as_datetime(max(place.period_end for place in of_unit)),
            days=days,
        )

    def blocks(self, part: Part, unit: UnitLines, day: date) -> Iterator[list[Row]]:
        """The lines of a unit's day, some thousand at a time, in the order of `records.COLUMNS`.

        In the place of `tag_set_id` are the tags as canonical JSON text, empty for none.
        """
        key = (part.cost_center, part.currency, unit.billing_account, unit.period_start, day)
        for spooled in self._spooled[key]:
            yield from self._spool.blocks(spooled)

    def close(self) -> None:
        """Remove what was spooled."""
        self._spool.close()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_delivery(
    sources: Sequence[Source],
    *,
    scratch: Path,
    by_cost_center: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Delivery:
    """Read and check all files of a delivery, in the order of their names. `progress` is told bytes done and in all.

    What is spooled meanwhile takes disk space in the directory `scratch` until the delivery is closed. Raises
    DeliveryRefused when anything in it cannot be imported, OSError when a source cannot be read.
    """
    # Amounts finer than a nano-unit are carried from row to row: the same files must come in the same order.
    sources = sorted(sources, key=lambda source: source.name)
    size, before = sum(source.size for source in sources), 0
    rows, findings = RowReader(by_cost_center=by_cost_center), Findings()
    spool = Spool(scratch)
    try:
        for source in sources:

            def tell(done: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, size)

            tell(0)
            try:
                _read_file(source, rows, spool, findings, tell, is_only=len(sources) == 1)
            except Unreadable as error:
                findings.add(Problem(source.name, error.line, "", "", error.reason))
            before += source.size
        places = spool.finish()
        if not findings.total and not places:
            findings.add(Problem(sources[0].name if len(sources) == 1 else "", 0, "", "", _NOTHING))
        if findings.total:
            raise DeliveryRefused(tuple(findings.problems[:MOST_PROBLEMS]), findings.total)
        if progress is not None:
            progress(size, size)
        notes = (*findings.notes(), *rows.notes)
        return Delivery(spool, places, notes=notes, questions=tuple(findings.questions()))
    except BaseException:
        spool.close()
        raise


_NOTHING = "There is no row of cost and usage in it."


def _read_file(
    source: Source,
    rows: RowReader,
    spool: Spool,
    findings: Findings,
    tell: Callable[[int], None],
    *,
    is_only: bool,
) -> None:
    badness, tallies = Badness(), dict[Place, Tally]()
    file = open_file(source)
    try:
        if not findings.header_is_good(source.name, file.header):
            return
        try:
            with closing(read_ahead(file.batches())) as batches:
                for batch in batches:
                    read = rows.read(batch, badness)
                    # Of a delivery that is refused anyway, only more problems are of interest.
                    if read is not None and not findings.total:
                        # One file has no other to be a copy of.
                        spool.add(read, None if is_only else tallies)
                    tell(batch.done)
        except Unreadable:
            findings.bad_rows(source.name, file, badness)
            raise
        findings.bad_rows(source.name, file, badness)
        findings.compare(source.name, tallies)
    finally:
        file.close()
