"""Deletes the history of a removed cost center: day by day, newest first, in a claimed stream like all long work.

Killed anywhere, it goes on where it was. The cost center itself is the last to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.db import transaction
from django.db.models import Model, QuerySet

from costcenters import line_items
from costcenters.models import CostCenter
from integrations import audit, windows
from integrations.claims import Claim
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import Integration, Member, ProviderTotal, SeatSnapshot, Stream, SyncRun
from integrations.providers import PROVIDERS

BATCH = 5000
#: What hangs on an integration and may be large, children first.
LEDGERS: tuple[type[Model], ...] = (SeatSnapshot, ProviderTotal, Member, SyncRun)


class NotRemoved(Exception):
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
            "backfill_target": None if days is None else _midnight(days.start),
            "pass_through": None if days is None else _midnight(days.end) + windows.DAY,
        },
    )
    if is_new:
        audit.happened(center, "deletion of its history was asked for")


def is_purging(center: CostCenter) -> bool:
    return Stream.objects.filter(integration__cost_center=center, name=Stream.PURGE).exists()


def progress_of(stream: Stream) -> PurgeProgress:
    if stream.backfill_target is None or stream.pass_through is None or stream.pass_from is None:
        return PurgeProgress(0)
    gone, whole = stream.pass_through - stream.pass_from, stream.pass_through - stream.backfill_target
    return PurgeProgress(min(100 * gone // whole, 100) if whole else 100)


def purge(stream_id: int, *, runtime: Runtime, deadline: datetime | None = None) -> bool:
    """Delete until nothing is left (True) or the time is over (False), unless somebody else does it (True)."""
    known = Stream.objects.select_related("integration").get(pk=stream_id)
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


class _Purge:
    def __init__(self, claim: Claim) -> None:
        self.claim, self.runtime = claim, claim.runtime
        self.integration: Integration = claim.stream.integration
        self.center: CostCenter = self.integration.cost_center

    def work(self) -> bool:
        while (days := line_items.span_of(self.center.pk)) is not None:
            with transaction.atomic():
                self.claim.fence(pass_from=_midnight(days.end))
                line_items.erase_day(self.center.pk, days.end.date())
            if self._is_late():
                return False
        for ledger in LEDGERS:
            rows = ledger._default_manager.filter(integration=self.integration)
            while self._delete_some(rows):
                if self._is_late():
                    return False
        with transaction.atomic():
            self.claim.fence()
            audit.happened(self.center, "its history was deleted")
            self.integration.delete()
            self.center.delete()
        return True

    def _delete_some(self, rows: QuerySet[Model]) -> bool:
        """Delete one batch. False when nothing was left."""
        with transaction.atomic():
            self.claim.fence()
            some = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
            rows.filter(pk__in=some).delete()
        return bool(some)

    def _is_late(self) -> bool:
        if self.claim.deadline is None or self.runtime.clock() < self.claim.deadline:
            return False
        self.claim.release(due_at=self.runtime.clock())
        return True


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), UTC)
