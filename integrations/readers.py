"""How a claimed stream is read, by what it holds: line items window by window, members, the provider's totals.

A window, its roll-up, the run's outcome and the stream's progress are one transaction, which begins by asserting the
claim. No transaction is open while a provider is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction

from costcenters import line_items
from costcenters.models import CostCenter
from costcenters.periods import spans_of
from costcenters.records import Change, LineItem, Window
from integrations import seats, windows
from integrations.errors import ContractBroken, OutOfTime, Unreachable
from integrations.models import HEALTHY, SyncRun
from integrations.providers.base import Member, Page, PeriodTotal, Provider, RecordKind, Span
from integrations.session import Session
from integrations.subscriptions.ledger import read_subscriptions
from integrations.totals import record_totals

#: A walk is repeated so often when the count moved or rows were missing.
WALKS = 6


class LineItemReader:
    """Reads the windows of one session on a stream of line items."""

    def __init__(self, session: Session) -> None:
        self.session, self.claim, self.stream = session, session.claim, session.stream
        self.provider, self.spec, self.center = session.provider, session.spec, session.center
        self.runtime = session.runtime
        #: From where on the forward pass of this session has read everything.
        self._reread_already: datetime | None = None

    def read(self) -> None:
        """Yesterday and today, the trailing re-read, what somebody asked for, then the backfill; no instant twice."""
        self._forward()
        self._reread()
        self._backfill()

    def _forward(self) -> None:
        stream, spec = self.stream, self.spec
        end = windows.floor_hour(self.runtime.clock())
        # Not >=: a clock that was ahead for a while must not keep us from reading.
        if stream.synced_through == end and not self.session.thorough:
            return
        if self.session.thorough or stream.pass_through is None or stream.pass_from is None:
            self.claim.fence(pass_from=end, pass_through=end)
        through, low = stream.pass_through, stream.pass_from
        if through is None or low is None:
            raise AssertionError("a pass has both ends")
        start = windows.trailing_start(stream.synced_through, through, spec.reread_days)
        for span in windows.forward_spans(start, low, through=through, longest=spec.longest_span):
            self._read_span(span, progress_field="pass_from")
        with transaction.atomic():
            self.claim.fence(
                synced_through=through,
                backfilled_from=min(stream.backfilled_from or start, start),
                pass_from=None,
                pass_through=None,
            )
            _advance_cost_center(self.session)
        self._reread_already = start
        if through != end:
            # That was the rest of an interrupted pass; what came since is the next one's.
            raise OutOfTime(self.runtime.clock())

    def _reread(self) -> None:
        """What somebody asked to have read once more, newest first. Further back than anything, it is history."""
        stream = self.stream
        start, end = stream.reread_from, stream.reread_to
        if start is None or end is None:
            return
        if self._reread_already is not None and end > self._reread_already:
            # The forward pass has just read these.
            end = max(start, self._reread_already)
        for span in windows.backward_spans(start, end, longest=self.spec.longest_span):
            self._read_span(span, progress_field="reread_to")
        self.claim.fence(
            reread_from=None,
            reread_to=None,
            reread_may_shrink=False,
            # What was asked for reaches up to what is known, so that no gap is left.
            backfilled_from=min(stream.backfilled_from or start, start),
        )

    def _backfill(self) -> None:
        stream, spec = self.stream, self.spec
        target = stream.backfill_target
        if target is None or stream.backfilled_from is None:
            return
        empty = spec.empty_days * windows.DAY
        charge_type = spec.charge_types[0]
        while stream.backfilled_from > target:
            oldest = line_items.earliest(self.center.pk, charge_type) or stream.synced_through
            if oldest is not None and oldest - stream.backfilled_from >= empty:
                # So long a silence: there is nothing before it.
                self.claim.fence(backfilled_from=target)
                return
            low = max(target, stream.backfilled_from - spec.longest_span)
            self._read_span(Span(low, stream.backfilled_from), progress_field="backfilled_from")

    def _read_span(self, span: Span, *, progress_field: str) -> None:
        """Read one span, in parts where it is too full, and store each part with how far down the stream has come."""
        self.session.open_run(span)
        walk = self._walk(span)
        if isinstance(walk, int):
            parts = windows.cut(span, walk, self.spec.part_size)
            self.session.close_run(SyncRun.Outcome.SPLIT, f"{walk:,} events: read in {len(parts)} parts.")
            for part in parts:
                self._read_span(part, progress_field=progress_field)
            return
        self._store(span, *walk, progress_field=progress_field)

    def _walk(self, span: Span) -> int | tuple[list[LineItem], Counter[str]]:
        """All records of a span once their number is the announced one; or only that number when it needs a cut.

        Raises ContractBroken when they never agree, Unreachable when the count keeps moving.
        """
        moved, got, announced = False, 0, 0
        for walk in range(WALKS):
            if walk:
                self.claim.wait(min(2.0**walk / 4, 5.0))
            pages: Iterator[Page] = self.provider.fetch(self.spec.name, span, self.session.source)
            records: list[LineItem] = []
            notes: Counter[str] = Counter()
            announced = -1
            moved = False
            for page in pages:
                if announced < 0:
                    announced = page.total
                    if announced > self.spec.cut_above and span.length > windows.SHORTEST:
                        return announced
                moved = page.total != announced
                if moved:
                    break
                records += page.records  # type: ignore[arg-type]
                notes.update(page.notes)
            got = len(records)
            if not moved and got == announced:
                return records, notes
        if moved:
            raise Unreachable(f"{self.provider.name}'s count of events kept changing.")
        raise ContractBroken(
            f"{self.provider.name} announced {announced:,} events and returned {got:,}, {WALKS} times over. "
            "What was stored before stays as it is."
        )

    def _store(
        self, span: Span, records: list[LineItem], notes: Counter[str], *, progress_field: str
    ) -> None:
        window = Window(self.center.pk, span.start, span.end, self.spec.charge_types)
        trailing_day = windows.trailing_start(None, self.runtime.clock(), self.spec.reread_days).date()
        shrink = progress_field == "reread_to" and self.stream.reread_may_shrink
        with transaction.atomic():
            self.claim.fence(**{progress_field: span.start}, **HEALTHY)
            change = line_items.replace_window(
                window,
                line_items.keep_known_users(window, records),
                keep_fuller_before=None if shrink else trailing_day,
            )
            self.session.close_run(
                *_outcome(self.provider, change, notes), events=len(records), change=change
            )
        self.session.tell_progress()


def read_line_items(session: Session) -> None:
    """What is new, the last days once more, what somebody asked for, then the history."""
    LineItemReader(session).read()


def read_members(session: Session) -> None:
    """Today's team and its seats."""
    now = session.runtime.clock()
    members = [record for record in _records(session, _today(now)) if isinstance(record, Member)]
    with transaction.atomic():
        session.claim.fence()
        last = session.stream.synced_through
        change = seats.record_members(
            session.integration, members, today=now.date(), last_read=None if last is None else last.date()
        )
        session.claim.fence(synced_through=now)
        _advance_cost_center(session)
        outcome = SyncRun.Outcome.UNCHANGED if change.is_empty else SyncRun.Outcome.DONE
        session.close_run(outcome, events=len(members), change=change)
    session.tell_progress()


def read_totals(session: Session) -> None:
    """The provider's own totals of the open billing period."""
    now = session.runtime.clock()
    totals = [record for record in _records(session, _today(now)) if isinstance(record, PeriodTotal)]
    with transaction.atomic():
        session.claim.fence(synced_through=now)
        record_totals(session.integration, totals, now)
        session.close_run(SyncRun.Outcome.DONE, events=len(totals))
    session.tell_progress()


def read_deliveries(session: Session) -> None:
    """Files of a bill, as they lie in a folder or a bucket, or were uploaded."""
    # Imported here: connections and the worker import readers, and a delivery may need a connection of its own.
    from integrations.deliveries import reader

    reader.read_deliveries(session)


READERS: dict[RecordKind, Callable[[Session], None]] = {
    RecordKind.LINE_ITEM: read_line_items,
    RecordKind.MEMBER: read_members,
    RecordKind.PERIOD_TOTAL: read_totals,
    RecordKind.SUBSCRIPTION: read_subscriptions,
    RecordKind.DELIVERY: read_deliveries,
}


def _advance_cost_center(session: Session) -> None:
    """All cost before `complete_through` is in: usage as far as read, seats to the end of the day of a reading."""
    kinds = {spec.name: spec.kind for spec in session.provider.streams}
    reached = []
    for name, synced_through in session.integration.streams.values_list("name", "synced_through"):
        if kinds[name] is RecordKind.LINE_ITEM:
            if synced_through is None:
                return
            reached.append(synced_through)
        elif kinds[name] is RecordKind.MEMBER and synced_through is not None:
            reached.append(windows.floor_day(synced_through) + windows.DAY)
    CostCenter.objects.filter(pk=session.center.pk).update(complete_through=min(reached))


def _records(session: Session, span: Span) -> list[object]:
    session.open_run(span)
    return [
        record
        for page in session.provider.fetch(session.spec.name, span, session.source)
        for record in page.records
    ]


def _today(now: datetime) -> Span:
    midnight = windows.floor_day(now)
    return Span(midnight, midnight + windows.DAY)


def _outcome(provider: Provider, change: Change, notes: Counter[str]) -> tuple[SyncRun.Outcome, str]:
    """How a stored window is called, and what a person should know about it."""
    sentences = [f"{count:,} events {note}." for note, count in sorted(notes.items())]
    if change.kept_days:
        days = ", ".join(str(span) for span in spans_of(change.kept_days))
        sentences.insert(0, f"No longer returned by {provider.name}, kept: {days}.")
        return SyncRun.Outcome.KEPT, " ".join(sentences)
    return (SyncRun.Outcome.UNCHANGED if change.is_empty else SyncRun.Outcome.DONE), " ".join(sentences)
