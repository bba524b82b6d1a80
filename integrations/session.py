"""One piece of work on one claimed stream: what it works with, and the record of its runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import transaction

from costcenters.models import CostCenter
from costcenters.records import Change
from finops import logs
from finops.money import MAX_NANOS, units_from_nanos
from integrations.claims import Claim
from integrations.models import Integration, Stream, SyncRun
from integrations.providers.base import Provider, Span, StreamSpec

logger = logging.getLogger(__name__)


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


def run_amount(nanos: int) -> Decimal | None:
    """The sum of a run's lines, which may be larger than a row can hold: then it is left out."""
    return units_from_nanos(nanos) if abs(nanos) <= MAX_NANOS else None


class Session:
    """Reading one span, or a part of it, is one run: opened, and closed with what came of it."""

    def __init__(
        self, claim: Claim, provider: Provider, *, thorough: bool, progress: Progress | None
    ) -> None:
        self.claim, self.provider, self.thorough, self._progress = claim, provider, thorough, progress
        self.runtime = claim.runtime
        self.stream = claim.stream
        self.integration: Integration = self.stream.integration
        self.center: CostCenter = self.integration.cost_center
        self.spec: StreamSpec = next(spec for spec in provider.streams if spec.name == self.stream.name)
        self.result = Result(stream=self.spec.name)
        #: Set before anything is read.
        self.source: Any
        self._run: SyncRun | None = None

    def open_run(self, span: Span) -> None:
        """Begin a run. LeaseLost when somebody else has taken the stream over."""
        self._requests_before, self._waited_before = self.claim.requests, self.claim.waited_seconds
        with transaction.atomic():
            # Whoever took the stream over has closed our runs: no other one must follow.
            self.claim.fence()
            self._run = SyncRun.objects.create(
                integration=self.integration,
                stream=self.spec.name,
                window_start=span.start,
                window_end=span.end,
                started_at=self.runtime.clock(),
            )
        logs.run_id.set(self._run.pk)

    def close_run(
        self,
        outcome: SyncRun.Outcome,
        message: str = "",
        *,
        events: int = 0,
        change: Change | None = None,
        sample: str = "",
        span: Span | None = None,
    ) -> None:
        """End the run with what came of it; nothing happens where none is open.

        `span`: what was read, where that was not known before.
        """
        run, self._run = self._run, None
        if run is None:
            return
        logger.debug("%s: %s events. %s", outcome, events, message)
        logs.run_id.set(None)
        SyncRun.objects.filter(pk=run.pk).update(
            outcome=outcome,
            finished_at=self.runtime.clock(),
            events=events,
            requests=self.claim.requests - self._requests_before,
            waited_seconds=round(self.claim.waited_seconds - self._waited_before),
            amount_before=None if change is None else run_amount(change.amount_before),
            amount_after=None if change is None else run_amount(change.amount_after),
            kept_days=[] if change is None else [day.isoformat() for day in change.kept_days],
            message=message,
            sample=sample,
            **({} if span is None else {"window_start": span.start, "window_end": span.end}),
        )
        self.result.windows += 1
        self.result.events += events
        if change is not None:
            self.result.added += change.added
            self.result.removed += change.removed
            self.result.amount_change_nano += change.amount_after - change.amount_before
            self.result.kept_days += [day.isoformat() for day in change.kept_days]

    def tell_progress(self) -> None:
        if self._progress is not None:
            self._progress(self.stream, self.result)
