"""What people do to a connection between connecting and removing it: test, read, pause, rename, price.

Every change takes its locks in one order: streams, integration, cost center. `NotPossible` says why nothing was done.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from costcenters.models import CostCenter, SeatPrice
from costcenters.periods import long_day, midnight
from costcenters.saved_views.store import follow_rename
from finops.audit_log import record
from finops.secrets import SecretUnreadable
from integrations import asked_runs, connections, notices, purge, seats, tasks, windows
from integrations.asked_runs import Asked
from integrations.claims import end_claims
from integrations.connections import working_status
from integrations.errors import KeyRefused, ProviderError, Refusal
from integrations.http import Runtime
from integrations.models import Integration, Stream, SyncRun
from integrations.progress import history_streams
from integrations.providers import PROVIDERS
from integrations.providers.base import RecordKind, Span, Verified
from integrations.subscriptions import typed_seats

#: Nobody's history goes further back, and a slip of the year is caught.
OLDEST_DAY = date(2020, 1, 1)
#: What people type of a seat price.
PRICE_FIELDS = ("monthly_price", "committed_seats", "effective_from")


class NotPossible(Refusal):
    """The state of the connection does not allow it, or what was typed cannot be."""


# Reading --------------------------------------------------------------------------------------------------------------


def sync_now(integration: Integration, *, now: datetime) -> Asked:
    """Have everything that nobody reads at this moment read at once, the trailing days too.

    Raises NotPossible unless the connection works.
    """
    provider = PROVIDERS[integration.provider]
    line_items = {spec.name: spec for spec in provider.streams if spec.kind is RecordKind.LINE_ITEM}
    end = windows.floor_hour(now)
    started = 0
    with transaction.atomic():
        integration.lock_streams()
        require_working(integration)
        for stream in Stream.objects.free(now).filter(integration=integration):
            stream.due_at, stream.rung_at = now, None
            spec = line_items.get(stream.name)
            if spec is not None and stream.synced_through == end and stream.reread_from is None:
                # Nothing new can be there before the hour is over, but what is there may have been revised.
                stream.reread_from = windows.trailing_start(end, end, spec.reread_days)
                stream.reread_to = end
            stream.save(update_fields=["due_at", "rung_at", "reread_from", "reread_to"])
            started += 1
        run = asked_runs.begin(integration, now=now)
        tasks.ring(integration)
    return Asked(run, has_begun=started > 0)


def read_again(
    integration: Integration, first: date, last: date, *, may_shrink: bool, now: datetime
) -> SyncRun:
    """Have the days `first` … `last` (UTC, both inclusive) read once more; the run, whose window is what will be.

    Days before anything that was read extend the history: the span then reaches up to what is known. Where the
    provider returns fewer events than are stored, a day is kept as it is, unless `may_shrink`. Raises NotPossible.
    """
    if first > last:
        raise NotPossible("The first day is after the last one.", field="first")
    if first < OLDEST_DAY:
        raise NotPossible(f"Choose a day from {long_day(OLDEST_DAY)} on.", field="first")
    if last > now.date():
        raise NotPossible("The last day lies in the future.", field="last")
    provider = PROVIDERS[integration.provider]
    start = midnight(first)
    with transaction.atomic():
        locked = end_claims(integration, now=now)
        require_working(integration)
        streams = [stream for _, stream in history_streams(provider, locked)]
        if not streams:
            raise NotPossible(f"{provider.name} has no history to read again.")
        if any(stream.backfilled_from is None for stream in streams):
            raise NotPossible("The newest days have not been read yet. Try again when they have.")
        if any(stream.reread_from is not None for stream in streams):
            raise NotPossible("Another span is being read again. Try again when that is done.")
        end = min(midnight(last) + windows.DAY, windows.floor_hour(now))
        for stream in streams:
            known_from = stream.backfilled_from or end
            if start < known_from:
                end = max(end, known_from)
        if start >= end:
            raise NotPossible("No hour of these days is over yet.", field="first")
        for stream in streams:
            stream.reread_from, stream.reread_to, stream.reread_may_shrink = start, end, may_shrink
            stream.backfill_target = min(stream.backfill_target or start, start)
            stream.due_at, stream.rung_at = now, None
            stream.save()
        record.happened(
            integration,
            f"read again {first} – {last}" + (", fewer events may replace fuller days" if may_shrink else ""),
        )
        run = asked_runs.begin(integration, now=now, span=Span(start, end))
        tasks.ring(integration)
    return run


@sensitive_variables()
def test_connection(integration: Integration, *, runtime: Runtime) -> Verified:
    """Ask the provider with the stored key. Raises NotPossible with what is wrong.

    A refusal stops the connection as a sync's would; a success ends "needs attention".
    """
    sealed, provider = integration.credentials, PROVIDERS[integration.provider]
    if sealed is None:
        raise NotPossible("There is no key any more: the connection was removed.")
    try:
        verified, asked = connections.verify(
            provider, sealed.open(), api_url=integration.api_url, runtime=runtime
        )
    except SecretUnreadable as error:
        raise NotPossible(str(error)) from None
    except KeyRefused as error:
        with transaction.atomic():
            integration.lock_streams()
            if _still_has(integration):
                now = runtime.clock()
                asked_runs.stop(integration, SyncRun.Outcome.FAILED, str(error), now=now)
                notices.needs_attention(integration, str(error), now)
        raise NotPossible(str(error)) from None
    except ProviderError as error:
        about = "" if provider.takes_files else "This says nothing about the key: "
        what_next = f"{about}{'try' if about else 'Try'} again in a moment."
        raise NotPossible(f"{error} {what_next}", is_provider=True) from None
    connections.count_requests(integration, provider, asked)
    _heal(integration, now=runtime.clock())
    return verified


def _heal(integration: Integration, *, now: datetime) -> None:
    """A key that works ends "needs attention"; what was missed meanwhile is read at once."""
    with transaction.atomic():
        integration.lock_streams()
        stopped = CostCenter.objects.filter(
            pk=integration.cost_center_id, status=CostCenter.Status.NEEDS_ATTENTION
        )
        if not (_still_has(integration) and stopped.exists()):
            return
        # A refusal that is still on its way must not stop it again.
        end_claims(integration, now=now)
        integration.streams.begin_afresh(now)
        connections.end_attention(integration)
        tasks.ring(integration)


def _still_has(integration: Integration) -> bool:
    """Whether the key has not been replaced or deleted since `integration` was read."""
    return (
        Integration.objects.select_for_update()
        .filter(pk=integration.pk, credentials=integration.credentials)
        .exists()
    )


# Pausing --------------------------------------------------------------------------------------------------------------


def pause(integration: Integration, *, now: datetime) -> None:
    """Ask the provider nothing until resumed; a sync that is running ends. Raises NotPossible unless it works."""
    with transaction.atomic():
        end_claims(integration, now=now)
        asked_runs.stop(integration, SyncRun.Outcome.INTERRUPTED, "The connection was paused.", now=now)
        before = require_working(integration)
        CostCenter.objects.filter(pk=integration.cost_center_id).update(status=CostCenter.Status.PAUSED)
        record.changed(integration.cost_center, status=(before, CostCenter.Status.PAUSED.value))


def resume(integration: Integration, *, now: datetime) -> None:
    """Go on where it was paused; seats of the days between repeat the team as it was. NotPossible: it is not paused."""
    with transaction.atomic():
        integration.lock_streams()
        integration.streams.begin_afresh(now)
        after = working_status(integration)
        paused = CostCenter.objects.filter(pk=integration.cost_center_id, status=CostCenter.Status.PAUSED)
        if not paused.update(status=after):
            raise NotPossible("It is not paused.")
        record.changed(integration.cost_center, status=(CostCenter.Status.PAUSED.value, after.value))
        tasks.ring(integration)


# Name and price -------------------------------------------------------------------------------------------------------


def rename(center: CostCenter, name: str) -> None:
    """Give a cost center another name; saved views that ask for it follow. NotPossible: the name is bad or taken."""
    name = name.strip()
    try:
        with transaction.atomic():
            locked = CostCenter.objects.select_for_update().get(pk=center.pk)
            before, locked.name = locked.name, name
            locked.full_clean(validate_unique=False)
            locked.save(update_fields=["name"])
            follow_rename("cost_center", before, name)
    except ValidationError as error:
        raise NotPossible(" ".join(error.messages), field="name") from None
    except IntegrityError:
        raise NotPossible(
            "There is a cost center of this name already. Choose another name.", field="name"
        ) from None
    center.name = name


def check_seat_price(center: CostCenter, *, effective_from: date, today: date) -> None:
    """Raises NotPossible where no price may be set from that UTC day on."""
    if effective_from < today:
        raise NotPossible(
            f"Choose today ({long_day(today)}, UTC) or a later day: what was counted before stays as it is.",
            field="effective_from",
        )
    if center.status == CostCenter.Status.DISCONNECTED:
        raise NotPossible("This cost center is disconnected: it has no seats. Connect it again first.")


def set_seat_price(
    integration: Integration,
    *,
    monthly_price: Decimal | None,
    committed_seats: int | None,
    effective_from: date,
    user: Any,
    now: datetime,
) -> SeatPrice:
    """A new price (None: seats are no longer tracked) from a UTC day on, today at the earliest: the past stays.

    One that holds from today changes today's seat lines at once. Raises NotPossible.
    """
    today = now.date()
    with transaction.atomic():
        streams = integration.lock_streams()
        center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
        check_seat_price(center, effective_from=effective_from, today=today)
        price = SeatPrice(
            cost_center=center,
            monthly_price=monthly_price,
            committed_seats=None if monthly_price is None else committed_seats,
            effective_from=effective_from,
            created_by=user,
        )
        try:
            price.full_clean()
        except ValidationError as error:
            field = next((name for name in error.message_dict if name in PRICE_FIELDS), "monthly_price")
            raise NotPossible(" ".join(error.messages), field=field) from None
        if monthly_price is not None and (in_the_way := typed_seats.against_price(center, price)):
            raise NotPossible(in_the_way, field="monthly_price")
        price.save()
        kinds = {spec.name: spec.kind for spec in PROVIDERS[integration.provider].streams}
        was_read_today = any(
            kinds.get(stream.name) is RecordKind.MEMBER
            and stream.synced_through is not None
            and stream.synced_through.date() == today
            for stream in streams
        )
        if effective_from == today and was_read_today:
            seats.reprice(integration, today)
    return price


def withdraw_seat_price(price: SeatPrice, *, now: datetime) -> None:
    """Delete a price that has not taken effect yet. NotPossible for any other, and where the one before it would then
    hold while its seats are typed as a subscription."""
    if not price.may_be_deleted(now.date()):
        raise NotPossible("This price is in effect already: add a new one instead.")
    with transaction.atomic():
        CostCenter.objects.select_for_update().get(pk=price.cost_center_id)
        if in_the_way := typed_seats.against_withdrawal(price):
            raise NotPossible(in_the_way)
        price.delete()


# Removing -------------------------------------------------------------------------------------------------------------


def remove(integration: Integration, *, with_history: bool, now: datetime) -> None:
    """Delete the credential at once and stop; the history stays, or is deleted in the background.

    Safe while a sync runs: its claim ends, so it writes nothing more. Of a connection removed before, `with_history`
    deletes what was kept then. NotPossible: it was removed when `integration` was read, and works again by now.
    """
    with transaction.atomic():
        integration.lock_streams()
        center = CostCenter.objects.get(pk=integration.cost_center_id)
        if center.status != CostCenter.Status.DISCONNECTED:
            if integration.credentials is None:
                raise NotPossible("It was connected again a moment ago: look at it first.")
            connections.disconnect(integration, now=now)
        if with_history:
            purge.start(integration, now=now)
            tasks.ring(integration)


# ----------------------------------------------------------------------------------------------------------------------


def require_working(integration: Integration) -> str:
    """Its status. Locks the cost center; raises NotPossible for one that the provider is not asked for."""
    center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
    if center.status == CostCenter.Status.PAUSED:
        raise NotPossible("It is paused: resume it first.")
    if center.status == CostCenter.Status.NEEDS_ATTENTION:
        raise NotPossible("It needs attention first: test the connection, or paste a new key.")
    if center.status == CostCenter.Status.DISCONNECTED:
        raise NotPossible("It is disconnected: connect it again under the same name first.")
    return center.status
