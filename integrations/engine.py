"""The sync engine: claims a stream, reads it window by window, records every run. It knows no provider.

Whatever kills it, nothing is half-written: a window, its roll-up, the run's outcome and the stream's progress are one
transaction, which begins by asserting the claim. No transaction is open while a provider is asked.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction

from costcenters import line_items
from costcenters.models import CostCenter
from costcenters.records import Change, LineItem, Window, WindowError
from finops.money import units_from_nanos
from finops.secrets import SecretUnreadable, redact
from integrations import notices, providers, seats, windows
from integrations.claims import Claim
from integrations.errors import (
    ContractBroken,
    KeyRefused,
    LeaseLost,
    OutOfTime,
    ProviderError,
    Unreachable,
)
from integrations.http import ApiClient, Runtime
from integrations.models import Integration, Stream, SyncRun
from integrations.providers.base import Member, Page, PeriodTotal, Provider, RecordKind, Span, StreamSpec
from integrations.totals import record_totals

logger = logging.getLogger(__name__)

#: A walk is repeated so often when the count moved or rows were missing.
WALKS = 6
LONGEST_RETRY = timedelta(hours=1)
CONTRACT_RETRY = timedelta(hours=1)
TOTALS_RETRY = timedelta(days=1)
#: What progress makes of a stream's troubles.
HEALTHY: dict[str, Any] = {"attempts": 0, "failing_since": None, "last_error": ""}
#: New data is asked for this long after the hour, spread over a few minutes.
AFTER_THE_HOUR = timedelta(minutes=3)


@dataclass
class Result:
    """What came of one stream: `complete` when nothing is left to do now."""

    stream: str
    complete: bool = False
    windows: int = 0
    events: int = 0
    requests: int = 0
    added: int = 0
    removed: int = 0
    amount_change_nano: int = 0
    error: str = ""
    #: Somebody else has taken the stream over; what they make of it is told by its row.
    lost: bool = False
    kept_days: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.added or self.removed)


#: Called after every window with what is done so far and, of the stream, how far down it has read.
Progress = Callable[[Stream, Result], None]


def sync_stream(
    stream_id: int,
    *,
    runtime: Runtime,
    deadline: datetime | None = None,
    thorough: bool = False,
    only_if_due: bool = False,
    progress: Progress | None = None,
) -> Result | None:
    """Work on one stream until it is complete, out of time or stopped by an error, which is stored on its row.

    None when somebody else holds it (or, with `only_if_due`, its time has not come). `thorough` begins the trailing
    re-read anew instead of going on with an interrupted one.
    """
    known = Stream.objects.select_related("integration").get(pk=stream_id)
    provider = providers.PROVIDERS[known.integration.provider]
    claim = Claim.take(
        stream_id, provider=provider, runtime=runtime, deadline=deadline, only_if_due=only_if_due
    )
    if claim is None:
        return None
    session = Session(claim, provider, thorough=thorough, progress=progress)
    return session.work()


class Session:
    """One piece of work on one claimed stream."""

    def __init__(
        self, claim: Claim, provider: Provider, *, thorough: bool, progress: Progress | None
    ) -> None:
        self.claim, self.provider, self.thorough, self.progress = claim, provider, thorough, progress
        self.runtime = claim.runtime
        self.stream = claim.stream
        self.integration: Integration = self.stream.integration
        self.center: CostCenter = self.integration.cost_center
        self.spec: StreamSpec = next(spec for spec in provider.streams if spec.name == self.stream.name)
        self.result = Result(stream=self.spec.name)
        self.run: SyncRun | None = None
        #: From where on the trailing re-read of this session has read everything.
        self.reread_already: datetime | None = None

    # What may happen to a stream -----------------------------------------------------------------------------------

    def work(self) -> Result:
        """Read the stream; whatever happens, leave its row saying what and when to come back."""
        SyncRun.objects.filter(
            integration=self.integration, stream=self.spec.name, outcome=SyncRun.Outcome.RUNNING
        ).update(outcome=SyncRun.Outcome.INTERRUPTED, finished_at=self.runtime.clock())
        try:
            sealed = self.integration.credentials
            if sealed is None:
                raise KeyRefused("There is no key any more: the connection was removed.")
            with ApiClient(
                base_url=self.integration.api_url,
                auth=self.provider.auth(sealed.open()),
                provider_name=self.provider.name,
                runtime=self.runtime,
                guard=self.claim,
            ) as client:
                self.client = client
                READERS[self.spec.kind](self)
            self._finish()
        except LeaseLost:
            self.result.lost = True
            self.result.error = "Another worker has taken this over."
        except OutOfTime as pause:
            self._close_run(SyncRun.Outcome.INTERRUPTED, f"Goes on at {pause.resume_at:%H:%M} UTC.")
            self.claim.release(due_at=pause.resume_at)
        except KeyRefused as error:
            self._stop(error)
        except SecretUnreadable as error:
            # Our own configuration is wrong, not the key: all is well again as soon as it is mended.
            self._fail(ProviderError(str(error)), due_at=self.runtime.clock() + CONTRACT_RETRY)
        except Unreachable as error:
            self._fail(Unreachable(f"{error} It is tried again by itself."), due_at=self._retry_at())
        except ContractBroken as error:
            self._fail(error, due_at=self.runtime.clock() + CONTRACT_RETRY, sample=error.sample)
        except WindowError as error:
            self._fail(
                ProviderError(f"{error} Nothing of this window was stored."),
                due_at=self.runtime.clock() + CONTRACT_RETRY,
            )
        except Exception as error:
            logger.exception("stream %s of integration %s", self.spec.name, self.integration.pk)
            self._fail(
                ProviderError(
                    f"An error inside Onebill ({type(error).__name__}) stopped this. The log says more; it is "
                    "tried again by itself."
                ),
                due_at=self.runtime.clock() + CONTRACT_RETRY,
            )
        self.result.requests = self.claim.requests
        return self.result

    def _finish(self) -> None:
        now = self.runtime.clock()
        hour = windows.floor_hour(now) + timedelta(hours=1)
        spread = timedelta(seconds=self.stream.pk * 37 % 240)
        mine = self.claim.release(
            due_at=max(hour + AFTER_THE_HOUR + spread, now + self.spec.every / 2),
            finished_at=now,
            **HEALTHY,
        )
        if not mine:
            raise LeaseLost
        self.result.complete = True
        notices.stream_complete(self.integration, now)

    def _stop(self, error: KeyRefused) -> None:
        """Needs a person. Not so when the key was replaced meanwhile, which ended our claim, nor for totals alone:
        the bill is complete without them."""
        if self.spec.kind is RecordKind.PERIOD_TOTAL:
            self._fail(error, due_at=self.runtime.clock() + TOTALS_RETRY)
            return
        with transaction.atomic():
            if self._fail(error, due_at=self.runtime.clock() + LONGEST_RETRY):
                notices.needs_attention(self.integration, str(error), self.runtime.clock())

    def _fail(self, error: ProviderError, *, due_at: datetime, sample: str = "") -> bool:
        """Leave the error on the run and the stream. False when the stream is somebody else's by now."""
        message = redact(str(error))
        self.result.error = message
        self._close_run(SyncRun.Outcome.FAILED, message, sample=sample)
        return self.claim.release(
            due_at=due_at,
            attempts=self.stream.attempts + 1,
            failing_since=self.stream.failing_since or self.runtime.clock(),
            last_error=message,
        )

    def _retry_at(self) -> datetime:
        pause = (
            min(timedelta(minutes=2**self.stream.attempts), LONGEST_RETRY)
            if self.stream.attempts < 7
            else LONGEST_RETRY
        )
        return self.runtime.clock() + pause * (0.5 + self.runtime.random() / 2)

    # Runs ----------------------------------------------------------------------------------------------------------

    def _open_run(self, span: Span) -> SyncRun:
        self._requests_before, self._waited_before = self.claim.requests, self.claim.waited_seconds
        self.run = SyncRun.objects.create(
            integration=self.integration,
            stream=self.spec.name,
            window_start=span.start,
            window_end=span.end,
            started_at=self.runtime.clock(),
        )
        return self.run

    def _close_run(
        self,
        outcome: SyncRun.Outcome,
        message: str = "",
        *,
        events: int = 0,
        change: Change | None = None,
        sample: str = "",
    ) -> None:
        run, self.run = self.run, None
        if run is None:
            return
        SyncRun.objects.filter(pk=run.pk).update(
            outcome=outcome,
            finished_at=self.runtime.clock(),
            events=events,
            requests=self.claim.requests - self._requests_before,
            waited_seconds=round(self.claim.waited_seconds - self._waited_before),
            amount_before=None if change is None else units_from_nanos(change.amount_before),
            amount_after=None if change is None else units_from_nanos(change.amount_after),
            message=message,
            sample=sample,
        )
        self.result.windows += 1
        self.result.events += events
        if change is not None:
            self.result.added += change.added
            self.result.removed += change.removed
            self.result.amount_change_nano += change.amount_after - change.amount_before
            self.result.kept_days += [day.isoformat() for day in change.kept_days]

    # Line items: windows ---------------------------------------------------------------------------------------------

    def read_line_items(self) -> None:
        """Yesterday and today, the trailing re-read, what somebody asked for, then the backfill; no instant twice."""
        self._forward()
        self._reread()
        self._backfill()

    def _forward(self) -> None:
        stream, spec = self.stream, self.spec
        end = windows.floor_hour(self.runtime.clock())
        # Not >=: a clock that was ahead for a while must not keep us from reading.
        if stream.synced_through == end and not self.thorough:
            return
        if self.thorough or stream.pass_through is None or stream.pass_from is None:
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
            self._advance_cost_center()
        self.reread_already = start
        if through != end:
            # That was the rest of an interrupted pass; what came since is the next one's.
            raise OutOfTime(self.runtime.clock())

    def _advance_cost_center(self) -> None:
        """All cost before `complete_through` is in: usage as far as read, seats to the end of the day of a reading."""
        kinds = {spec.name: spec.kind for spec in self.provider.streams}
        reached = []
        for name, synced_through in self.integration.streams.values_list("name", "synced_through"):
            if kinds[name] is RecordKind.LINE_ITEM:
                if synced_through is None:
                    return
                reached.append(synced_through)
            elif kinds[name] is RecordKind.MEMBER and synced_through is not None:
                reached.append(windows.floor_day(synced_through) + windows.DAY)
        CostCenter.objects.filter(pk=self.center.pk).update(complete_through=min(reached))

    def _reread(self) -> None:
        """What somebody asked to have read once more, newest first. Further back than anything, it is history."""
        stream = self.stream
        start, end = stream.reread_from, stream.reread_to
        if start is None or end is None:
            return
        if self.reread_already is not None and end > self.reread_already:
            # The forward pass has just read these.
            end = max(start, self.reread_already)
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
        self._open_run(span)
        walk = self._walk(span)
        if isinstance(walk, int):
            parts = windows.cut(span, walk, self.spec.part_size)
            self._close_run(SyncRun.Outcome.SPLIT, f"{walk:,} events: read in {len(parts)} parts.")
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
            pages: Iterator[Page] = self.provider.fetch(self.spec.name, span, self.client)
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
            self._close_run(*_outcome(self.provider, change, notes), events=len(records), change=change)
        if self.progress is not None:
            self.progress(self.stream, self.result)

    # Members and totals ----------------------------------------------------------------------------------------------

    def _records(self, span: Span) -> list[object]:
        self._open_run(span)
        return [
            record
            for page in self.provider.fetch(self.spec.name, span, self.client)
            for record in page.records
        ]

    def read_members(self) -> None:
        """Today's team and its seats."""
        now = self.runtime.clock()
        members = [record for record in self._records(_today(now)) if isinstance(record, Member)]
        with transaction.atomic():
            self.claim.fence()
            last = self.stream.synced_through
            change = seats.record_members(
                self.integration, members, today=now.date(), last_read=None if last is None else last.date()
            )
            self.claim.fence(synced_through=now)
            self._advance_cost_center()
            outcome = SyncRun.Outcome.UNCHANGED if change.is_empty else SyncRun.Outcome.DONE
            self._close_run(outcome, events=len(members), change=change)
        if self.progress is not None:
            self.progress(self.stream, self.result)

    def read_totals(self) -> None:
        """The provider's own totals of the open billing period."""
        now = self.runtime.clock()
        totals = [record for record in self._records(_today(now)) if isinstance(record, PeriodTotal)]
        with transaction.atomic():
            self.claim.fence(synced_through=now)
            record_totals(self.integration, totals, now)
            self._close_run(SyncRun.Outcome.DONE, events=len(totals))
        if self.progress is not None:
            self.progress(self.stream, self.result)


READERS: dict[RecordKind, Callable[[Session], None]] = {
    RecordKind.LINE_ITEM: Session.read_line_items,
    RecordKind.MEMBER: Session.read_members,
    RecordKind.PERIOD_TOTAL: Session.read_totals,
}


def _today(now: datetime) -> Span:
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    return Span(midnight, midnight + windows.DAY)


def _outcome(provider: Provider, change: Change, notes: Counter[str]) -> tuple[SyncRun.Outcome, str]:
    """How a stored window is called, and what a person should know about it."""
    sentences = [f"{count:,} events {note}." for note, count in sorted(notes.items())]
    if change.kept_days:
        days = ", ".join(day.isoformat() for day in change.kept_days)
        sentences.insert(0, f"No longer returned by {provider.name}, kept: {days}.")
        return SyncRun.Outcome.KEPT, " ".join(sentences)
    return (SyncRun.Outcome.UNCHANGED if change.is_empty else SyncRun.Outcome.DONE), " ".join(sentences)
