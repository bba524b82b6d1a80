"""How a stream of deliveries is read: the location is looked through, then each delivery that is new or changed is
imported, the one that came first before the others, and the uploads after them.

What became of each file is kept in `ImportedFile`. A delivery that is refused, or asks, holds no other one up; it is
read again when one of its files changes, or when somebody says so. No transaction is open while a location is asked.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import QuerySet

from costcenters.display.figures import counted
from costcenters.focus.delivery import DeliveryRefused, Source
from costcenters.records import WindowError
from integrations import notices, windows
from integrations.deliveries import inventory, uploads
from integrations.deliveries.findings import MOST_STATEMENTS, BilledPeriod, Findings
from integrations.deliveries.importing import Outcome, days_of, import_delivery
from integrations.deliveries.inventory import SeenDelivery
from integrations.deliveries.scan import find_deliveries
from integrations.deliveries.sources import LocatedSource
from integrations.errors import LeaseLost, OutOfTime, ProviderError, Refusal, Unreachable
from integrations.models import HEALTHY, ImportedFile, SyncRun
from integrations.providers.base import Span
from integrations.providers.focus_files.locations import FileChanged, Location
from integrations.session import Session

logger = logging.getLogger(__name__)

State = ImportedFile.State
#: After so long, other streams have their turn before the next delivery is begun.
TURN = timedelta(minutes=2)
LATER = "A file changed while it was read: it is read when it is whole."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery to be read. `seen` is None of an upload; `is_known`: people know already that it is stuck."""

    name: str
    is_confirmed: bool
    sources: Callable[[], Sequence[Source]]
    seen: SeenDelivery | None = None
    is_known: bool = False


def read_deliveries(session: Session) -> None:
    """All that is new at the location, and what was uploaded."""
    DeliveryReader(session).read()


class DeliveryReader:
    """Reads the deliveries of one session."""

    def __init__(self, session: Session) -> None:
        self.session, self.claim, self.runtime = session, session.claim, session.runtime
        self.integration = session.integration
        self.location: Location = session.source

    def read(self) -> None:
        looked_at = self.runtime.clock()
        deliveries = [*self._found(), *self._uploaded()]
        began = self.runtime.clock()
        for number, waiting in enumerate(deliveries):
            now = self.runtime.clock()
            # One is always read, however long the look took.
            if number and self.claim.deadline is not None and now - began >= TURN:
                raise OutOfTime(now)
            self._import(waiting)
        self.claim.fence(synced_through=looked_at)

    def _found(self) -> list[Waiting]:
        """Look through the location; that is a run of its own."""
        location, now = self.location, self.runtime.clock()
        if not str(location):
            return []
        self.session.open_run(self._today())
        seen = inventory.look_up(self.integration, location, find_deliveries(location, now))
        with transaction.atomic():
            self.claim.fence()
            noted = inventory.note(self.integration, seen, now)
            outcome = SyncRun.Outcome.DONE if noted.waiting else SyncRun.Outcome.UNCHANGED
            self.session.close_run(outcome, _told(noted))
        self.session.tell_progress()
        return [
            Waiting(
                wanted.seen.name,
                wanted.is_confirmed,
                lambda seen=wanted.seen: [LocatedSource(location, each.file) for each in seen.files],  # type: ignore[misc]
                wanted.seen,
                wanted.is_known,
            )
            for wanted in noted.waiting
        ]

    def _uploaded(self) -> list[Waiting]:
        rows = ImportedFile.objects.filter(
            integration=self.integration, location__startswith=uploads.UPLOAD, state=State.FOUND
        )
        confirmed: dict[str, bool] = {}
        for name, is_confirmed in rows.order_by("seen_at", "pk").values_list("delivery", "is_confirmed"):
            confirmed[name] = confirmed.get(name, True) and is_confirmed
        return [
            Waiting(name, is_confirmed, lambda name=name: uploads.sources_of(self.integration, name))  # type: ignore[misc]
            for name, is_confirmed in confirmed.items()
        ]

    # One delivery -----------------------------------------------------------------------------------------------------

    def _import(self, waiting: Waiting) -> None:
        """Read and write one delivery, and keep what came of it. Raises what ends the whole session."""
        self.session.open_run(self._today())
        sources: Sequence[Source] = ()
        try:
            sources = waiting.sources()
            with tempfile.TemporaryDirectory(prefix="onebill-delivery-") as scratch:
                outcome = import_delivery(
                    self.integration,
                    sources,
                    confirmed=waiting.is_confirmed,
                    fence=self._fence,
                    now=self.runtime.clock(),
                    scratch=Path(scratch),
                    progress=self._watch(sources),
                )
        except (LeaseLost, OutOfTime, DatabaseError, MemoryError):
            raise
        except Exception as error:
            self._failed(waiting, sources, error)
        else:
            self._done(waiting, outcome)
        self.session.tell_progress()

    def _fence(self) -> None:
        """The first statement of each transaction that writes a day."""
        now = self.runtime.clock()
        if self.claim.deadline is not None and now >= self.claim.deadline:
            # What is written stays: its days are the same next time, and not written again.
            raise OutOfTime(now)
        self.claim.fence()

    def _watch(self, sources: Sequence[Source]) -> Callable[[int, int], None]:
        """Keeps the lease while files are read; once all are, they must still be what was listed."""
        is_checked = False

        def progress(done: int, whole: int) -> None:
            nonlocal is_checked
            self.claim.keep()
            if done >= whole and not is_checked:
                is_checked = True
                if _has_changed(sources):
                    raise FileChanged(LATER)

        return progress

    def _failed(self, waiting: Waiting, sources: Sequence[Source], error: Exception) -> None:
        """Refuse the delivery, or leave it for later where nothing is wrong with it."""
        failures = [source.failure for source in sources if isinstance(source, LocatedSource)]
        failure = next((each for each in failures if each is not None), None)
        if isinstance(failure, ProviderError):
            raise failure from None
        if isinstance(error, ProviderError):
            raise error
        if failure is not None or isinstance(error, FileChanged) or _has_changed(sources):
            self.session.close_run(SyncRun.Outcome.INTERRUPTED, LATER)
            return
        if isinstance(error, DeliveryRefused):
            found = Findings.of_problems(error.problems, error.total)
        elif isinstance(error, (Refusal, WindowError)):
            found = Findings(text=str(error))
        elif isinstance(error, PermissionError):
            found = Findings(text="This server may not read its files. Give it the right to, then try again.")
        elif isinstance(error, OSError):
            raise Unreachable(
                f"A file could not be read ({error.strerror or type(error).__name__})."
            ) from None
        else:
            logger.exception("delivery %s of integration %s", waiting.name, self.integration.pk)
            found = Findings(
                text=f"An error inside Onebill ({type(error).__name__}) stopped this. The log says more."
            )
        self._keep(waiting, State.REFUSED, found)

    def _done(self, waiting: Waiting, outcome: Outcome) -> None:
        units = [unit for one in outcome.centers for unit in one.part.units]
        found = Findings(
            text=self._told(outcome) if outcome.imported else "",
            questions=tuple(outcome.questions),
            notes=tuple(outcome.notes),
            # Told once, also where lines in two currencies are of it.
            statements=tuple(dict.fromkeys(BilledPeriod.of(unit) for unit in units))[:MOST_STATEMENTS],
        )
        self._keep(waiting, State.IMPORTED if outcome.imported else State.ASKS, found, outcome)

    def _told(self, outcome: Outcome) -> str:
        """What an import changed, in words."""
        others = [one for one in outcome.centers if one.name != self.session.center.name]
        told = [f"Lines in {one.part.currency} are in “{one.name}”." for one in others]
        if not outcome.change.is_empty:
            told.insert(
                0, f"{counted(outcome.change.added, 'line')} added, {outcome.change.removed:,} removed."
            )
        return " ".join(told) or "Nothing in it was new."

    def _keep(
        self, waiting: Waiting, state: ImportedFile.State, found: Findings, outcome: Outcome | None = None
    ) -> None:
        """Store what became of a delivery, with its run and, where a person is needed, with a notice."""
        now = self.runtime.clock()
        is_imported = state == State.IMPORTED
        with transaction.atomic():
            self.claim.fence(**HEALTHY)
            rows = self._rows(waiting)
            rows.update(state=state, message=str(found), imported_at=now if is_imported else None)
            if is_imported and waiting.seen is not None:
                inventory.supersede_others(self.integration, waiting.seen)
            if outcome is not None:
                rows.update(rows=outcome.rows)
            change = outcome.change if outcome is not None and is_imported else None
            self.session.close_run(
                _run_outcome(state, is_changed=change is not None and not change.is_empty),
                found.text if is_imported else found.sentence,
                events=0 if outcome is None else outcome.rows,
                change=change,
                span=None if outcome is None else self._days(outcome),
            )
            if not is_imported and not waiting.is_known:
                notices.delivery_stuck(self.integration, self._title(rows), found.sentence, now=now)
        if is_imported and waiting.seen is None:
            uploads.discard(self.integration, waiting.name)

    def _days(self, outcome: Outcome) -> Span | None:
        """From the first to the last day that the cost center's own lines are of."""
        name = self.session.center.name
        return next((days_of(placed.part) for placed in outcome.centers if placed.name == name), None)

    def _rows(self, waiting: Waiting) -> QuerySet[ImportedFile]:
        return ImportedFile.objects.filter(integration=self.integration, delivery=waiting.name)

    @staticmethod
    def _title(rows: QuerySet[ImportedFile]) -> str:
        """Such as `a.csv and 3 more files`."""
        first = rows.order_by("pk").first()
        more = rows.count() - 1
        name = "" if first is None else uploads.original_name(first.location)
        return f"{name} and {counted(more, 'more file')}" if more > 0 else name

    def _today(self) -> Span:
        """Which days a delivery holds is known only when it is read."""
        midnight = windows.floor_day(self.runtime.clock())
        return Span(midnight, midnight + windows.DAY)


def _has_changed(sources: Sequence[Source]) -> bool:
    return any(isinstance(source, LocatedSource) and source.has_changed for source in sources)


def _run_outcome(state: ImportedFile.State, *, is_changed: bool) -> SyncRun.Outcome:
    if state == State.REFUSED:
        return SyncRun.Outcome.FAILED
    return SyncRun.Outcome.DONE if is_changed else SyncRun.Outcome.UNCHANGED


def _told(noted: inventory.Noted) -> str:
    """What a look at the location found, in words."""
    if not noted.files:
        return "No file is there yet."
    parts = [f"{counted(noted.files, 'file')} found, {noted.new:,} new or changed."]
    if noted.waiting:
        parts.append(f"{counted(len(noted.waiting), 'delivery', 'deliveries')} to be read.")
    if noted.held_back:
        parts.append(
            f"{counted(len(noted.held_back), 'delivery', 'deliveries')} not whole yet: {noted.held_back[0]}"
        )
    return " ".join(parts)
