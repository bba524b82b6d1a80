"""Deletes the history of a removed cost center, newest first, in a claimed stream like all long work.

It goes in short transactions, with a rest after each, so that everybody else gets to write as well. Killed anywhere,
it goes on where it was. The cost center itself is the last to go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Model

from costcenters import line_items
from costcenters.models import CostCenter
from finops.audit_log import record
from integrations import windows
from integrations.claims import Claim
from integrations.errors import LeaseLost, Refusal
from integrations.http import Runtime
from integrations.models import (
    ImportedFile,
    Integration,
    Member,
    ProviderTotal,
    SeatSnapshot,
    Stream,
    Subscription,
    SyncRun,
)
from integrations.providers import PROVIDERS

logger = logging.getLogger(__name__)

#: So many rows a transaction: well below a second on both databases.
BATCH = 5000
LONGEST_REST_SECONDS = 1.0
RETRY = timedelta(hours=1)
#: What hangs on an integration and may be large, children first.
LEDGERS: tuple[type[Model], ...] = (SeatSnapshot, ProviderTotal, Member, ImportedFile, SyncRun)


class NotRemoved(Refusal):
    """History is deleted of disconnected cost centers only."""


@dataclass(frozen=True, slots=True)
class PurgeProgress:
    """Whole percents of the days that are gone."""

    percent: int


def start(integration: Integration, *, now: datetime) -> None:
    """Begin to delete everything; to be called with the integration's streams locked. Raises NotRemoved."""
    center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
    if center.status != CostCenter.Status.DISCONNECTED:
        raise NotRemoved("Disconnect it first.")
    days = line_items.span_of(center.pk)
    _, is_new = Stream.objects.get_or_create(
        integration=integration,
        name=Stream.PURGE,
        defaults={
            "due_at": now,
            "backfill_target": None if days is None else windows.floor_day(days.start),
            "pass_through": None if days is None else windows.floor_day(days.end) + windows.DAY,
        },
    )
    if is_new:
        record.happened(center, "deletion of its history was asked for")


def is_purging(center: CostCenter) -> bool:
    return Stream.objects.filter(integration__cost_center=center, name=Stream.PURGE).exists()


def progress_of(stream: Stream) -> PurgeProgress:
    if stream.backfill_target is None or stream.pass_through is None or stream.pass_from is None:
        return PurgeProgress(0)
    gone, whole = stream.pass_through - stream.pass_from, stream.pass_through - stream.backfill_target
    return PurgeProgress(min(100 * gone // whole, 100) if whole else 100)


def purge(stream_id: int, *, runtime: Runtime, deadline: datetime | None = None) -> bool:
    """Delete what is left. False: the time is over and there is more; True: all is gone, or it is not ours to delete.

    Trouble is stored on the stream, which is tried again later.
    """
    known = Stream.objects.select_related("integration").filter(pk=stream_id).first()
    if known is None:
        return True
    claim = Claim.take(
        stream_id,
        provider=PROVIDERS[known.integration.provider],
        runtime=runtime,
        deadline=deadline,
        only_if_due=True,
    )
    if claim is None:
        return True
    try:
        return _Purge(claim).work()
    except LeaseLost:
        return True
    except Exception as error:
        logger.exception("deleting the history of integration %s", claim.stream.integration_id)
        now = runtime.clock()
        claim.release(
            due_at=now + RETRY,
            attempts=claim.stream.attempts + 1,
            failing_since=claim.stream.failing_since or now,
            last_error=f"An error inside Onebill ({type(error).__name__}) stopped this. The log says more; it is "
            "tried again by itself.",
        )
        return True


class _Purge:
    def __init__(self, claim: Claim) -> None:
        self.claim, self.runtime = claim, claim.runtime
        self.integration: Integration = claim.stream.integration
        self.center: CostCenter = self.integration.cost_center

    def work(self) -> bool:
        """Batch after batch, until nothing is left (True) or the time is over (False)."""
        began = self.runtime.clock()
        while self._delete_some():
            now = self.runtime.clock()
            if self.claim.deadline is not None and now >= self.claim.deadline:
                self.claim.release(due_at=now)
                return False
            # SQLite lets one write at a time, and those who wait only look from time to time.
            self.runtime.sleep(min((now - began).total_seconds(), LONGEST_REST_SECONDS))
            began = self.runtime.clock()
        self._delete_cost_center()
        return True

    def _delete_some(self) -> bool:
        """One batch: line items first, then what hangs on the connection. False when nothing was left."""
        with transaction.atomic():
            days = line_items.span_of(self.center.pk)
            if days is None:
                self.claim.fence()
            else:
                self.claim.fence(pass_from=windows.floor_day(days.end) + windows.DAY)
            if line_items.erase_some(self.center.pk, at_most=BATCH):
                return True
            for ledger in LEDGERS:
                rows = ledger._default_manager.filter(integration=self.integration)
                deleted, _ = ledger._default_manager.filter(pk__in=rows.values("pk")[:BATCH]).delete()
                if deleted:
                    return True
        return False

    def _delete_cost_center(self) -> None:
        with transaction.atomic():
            self.integration.lock_streams()
            self.claim.fence()
            record.happened(self.center, "its history was deleted")
            self.integration.delete()
            Subscription.objects.filter(cost_center=self.center).delete()
            self.center.delete()
