"""The life of a connection: connect, rotate its key, disconnect. Every key is verified before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from costcenters.models import CostCenter, SeatPrice
from finops.audit_log import record
from finops.secrets import Secrets, SecretUnreadable, fingerprints
from integrations import asked_runs, notices, purge, tasks, windows
from integrations.claims import end_claims
from integrations.errors import KeyRefused, ProviderError, Refusal
from integrations.http import Runtime, ShortGuard
from integrations.models import Integration, Member, Stream, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, RecordKind, Verified
from integrations.subscriptions import typed_seats

#: A new team that shares more than this part of its members with a connected one is probably the same.
MOSTLY_SHARED = 0.5
#: Path and epoch seconds of requests.
Asked = list[tuple[str, float]]
#: Transient faults are tried again for so long while a key is verified.
VERIFY_SECONDS = 10.0


class NotConnected(Refusal):
    """The key, the name or the team is refused; nothing was stored."""


@dataclass(frozen=True)
class Connected:
    """A new connection, the run of its first load, and what a person should know about it (double counting)."""

    integration: Integration
    run: SyncRun
    warning: str = ""


@dataclass(frozen=True)
class Rotated:
    """What the new key told, and the run of what is read with it: None while nothing is, as it is paused."""

    verified: Verified
    run: SyncRun | None


@sensitive_variables()
def verify(
    provider: Provider, credentials: Mapping[str, str], *, api_url: str, runtime: Runtime
) -> tuple[Verified, Asked]:
    """Ask the provider with its cheapest reads, at most about ten seconds of retries. Raises ProviderError.

    Also tells what was asked when, which counts towards the provider's limits.
    """
    # Somebody is waiting for the page.
    runtime = replace(
        runtime,
        request_seconds=min(runtime.request_seconds, VERIFY_SECONDS),
        read_seconds=min(runtime.read_seconds, VERIFY_SECONDS / 2),
    )
    guard = ShortGuard(runtime, patience=VERIFY_SECONDS)
    with provider.open(credentials, api_url=api_url, runtime=runtime, guard=guard) as source:
        return provider.verify(source, runtime.clock()), guard.asked


@sensitive_variables()
def connect(
    provider: Provider,
    *,
    name: str,
    credentials: Mapping[str, str],
    user: Any,
    runtime: Runtime,
    monthly_seat_price: Decimal | None = None,
    currency: str = "USD",
    api_url: str = "",
) -> Connected:
    """Verify the key, store the connection and start reading. NotConnected says what to mend.

    Under the name of a disconnected cost center of the same provider that one is revived: its history stays, the gap
    is filled, seats are counted from today.
    """
    now = runtime.clock()
    api_url = api_url or provider.api_url
    _refuse_known(provider, credentials)
    center = _named(provider, name)
    if center is not None and center.currency != currency:
        raise NotConnected(
            f"“{name}” holds the history of a bill in {center.currency}. Choose another name, or that currency.",
            field="name",
        )
    verified, asked = _verified(provider, credentials, api_url=api_url, runtime=runtime)
    if center is not None and _is_another_team(center.integration, verified):
        raise NotConnected(
            f"“{name}” holds the history of another {provider.name} team: it knows none of the members of this one. "
            "Choose another name.",
            field="name",
        )
    warning = verified.warning or _shared_team(provider, verified, except_for=center)
    is_revived = center is not None
    try:
        with transaction.atomic():
            center = _revived(center) if center is not None else _new(provider, name, currency, now)
            integration, _ = Integration.objects.update_or_create(
                cost_center=center,
                defaults={
                    "provider": provider.slug,
                    "credentials": Secrets(credentials),
                    "api_url": api_url,
                    "key_hint": provider.hint(credentials),
                    "key_fingerprint": _fingerprint(provider, credentials),
                    "connected_by": user,
                    "attention": "",
                    "set_up_at": None,
                },
            )
            _start_streams(integration, provider, now, asked)
            if is_revived:
                # What was planned before the removal is not what is typed now.
                center.seat_prices.filter(effective_from__gt=now.date()).delete()
            if provider.has_members and (monthly_seat_price is not None or is_revived):
                # No price on a revival ends the one that held before.
                price = SeatPrice(
                    cost_center=center,
                    monthly_price=monthly_seat_price,
                    effective_from=now.date(),
                    created_by=user,
                )
                if price.monthly_price is not None and (
                    in_the_way := typed_seats.against_price(center, price)
                ):
                    raise NotConnected(f"{in_the_way} Or leave the price empty.", field="monthly_seat_price")
                price.save()
            run = asked_runs.begin(integration, now=now)
            tasks.ring(integration)
    except IntegrityError:
        # Somebody pressed twice, or two people at once.
        raise NotConnected(
            f"This {provider.known_by}, or a cost center of this name, was connected a moment ago."
        ) from None
    return Connected(integration, run, warning)


@sensitive_variables()
def rotate(
    integration: Integration,
    credentials: Mapping[str, str],
    *,
    runtime: Runtime,
    other_team_confirmed: bool = False,
) -> Rotated:
    """Replace the credentials once the new ones are verified; the old ones are forgotten, no data is lost.

    A wrong key leaves the old one working. A key whose members share nobody with the known team is refused unless
    confirmed. NotConnected says what to mend.
    """
    provider = PROVIDERS[integration.provider]
    credentials = provider.replaced(_stored(integration), credentials)
    _refuse_known(provider, credentials, except_for=integration)
    verified, asked = _verified(provider, credentials, api_url=integration.api_url, runtime=runtime)
    if not other_team_confirmed and _is_another_team(integration, verified):
        raise NotConnected(
            f"This key belongs to another {provider.name} team: none of its {len(verified.members)} members is known "
            "here. Connect it as a cost center of its own, or confirm that the team is the same.",
            field="other_team",
        )
    try:
        run = _store_key(integration, provider, credentials, asked, now=runtime.clock())
    except IntegrityError:
        raise NotConnected(
            f"This {provider.known_by} was connected a moment ago.", field=_known_field(provider)
        ) from None
    return Rotated(verified, run)


@sensitive_variables()
def _store_key(
    integration: Integration,
    provider: Provider,
    credentials: Mapping[str, str],
    asked: Asked,
    *,
    now: datetime,
) -> SyncRun | None:
    key_hint = provider.hint(credentials)
    with transaction.atomic():
        # A sync that still holds the old key must not report it as refused.
        end_claims(integration, now=now)
        asked_runs.stop(
            integration,
            SyncRun.Outcome.INTERRUPTED,
            "The key was replaced: a new run was begun with it.",
            now=now,
        )
        integration.streams.begin_afresh(now)
        connected = Integration.objects.filter(pk=integration.pk, credentials__isnull=False)
        if not connected.update(
            credentials=Secrets(credentials),
            key_hint=key_hint,
            key_fingerprint=_fingerprint(provider, credentials),
            attention="",
        ):
            raise NotConnected("This connection was removed. Connect it again under the same name instead.")
        count_requests(integration, provider, asked)
        record.key_replaced(integration, before=integration.key_hint, after=key_hint)
        integration.refresh_from_db()
        end_attention(integration)
        tasks.ring(integration)
        works = CostCenter.objects.filter(pk=integration.cost_center_id, status__in=CostCenter.WORKING)
        return asked_runs.begin(integration, now=now) if works.exists() else None


def end_attention(integration: Integration) -> None:
    """A key works: "needs attention" is over. To be called with the streams and the integration locked."""
    stopped = CostCenter.Status.NEEDS_ATTENTION
    after = working_status(integration)
    Integration.objects.filter(pk=integration.pk).update(attention="")
    if CostCenter.objects.filter(pk=integration.cost_center_id, status=stopped).update(status=after):
        record.changed(integration.cost_center, status=(stopped.value, after.value))
    notices.take_back(integration)


def working_status(integration: Integration) -> CostCenter.Status:
    """What a connection that works is called: connecting until its history is there. Locks the integration."""
    current = Integration.objects.select_for_update().get(pk=integration.pk)
    return CostCenter.Status.CONNECTING if current.set_up_at is None else CostCenter.Status.ACTIVE


def count_requests(integration: Integration, provider: Provider, asked: Asked) -> None:
    """What was asked beside the streams counts towards their limits."""
    with transaction.atomic():
        for stream in integration.lock_streams():
            paths = [spec.path for spec in provider.streams if spec.name == stream.name]
            stream.recent_requests += [instant for path, instant in asked if path in paths]
            stream.save(update_fields=["recent_requests"])


def disconnect(integration: Integration, *, now: datetime) -> None:
    """Delete the credential at once and stop; history stays. A sync that is running loses its claim."""
    with transaction.atomic():
        end_claims(integration, now=now)
        asked_runs.stop(integration, SyncRun.Outcome.INTERRUPTED, "The connection was removed.", now=now)
        integration.streams.update(
            pass_from=None, pass_through=None, reread_from=None, reread_to=None, reread_may_shrink=False
        )
        Integration.objects.filter(pk=integration.pk).update(
            credentials=None,
            key_hint="",
            key_fingerprint=None,
            attention="",
            incident="",
            incident_at=None,
        )
        center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
        CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.DISCONNECTED)
        record.changed(center, status=(center.status, CostCenter.Status.DISCONNECTED.value))
        integration.notices.all().delete()
        record.key_replaced(integration, before=integration.key_hint, after="")
    integration.refresh_from_db()


@sensitive_variables()
def _verified(
    provider: Provider, credentials: Mapping[str, str], *, api_url: str, runtime: Runtime
) -> tuple[Verified, Asked]:
    """As `verify`, with a NotConnected that blames the key only where the provider did."""
    try:
        return verify(provider, credentials, api_url=api_url, runtime=runtime)
    except KeyRefused as error:
        field = "location" if error.reason == "location" else "credentials"
        raise NotConnected(str(error), field=field) from None
    except ProviderError as error:
        raise NotConnected(f"{error} Try again in a moment.", is_provider=True) from None


@sensitive_variables()
def _refuse_known(
    provider: Provider, credentials: Mapping[str, str], *, except_for: Integration | None = None
) -> None:
    """Raises NotConnected where a connection is known by the same already."""
    secret = provider.secret(credentials)
    if not secret:
        return
    holders = Integration.objects.filter(key_fingerprint__in=fingerprints(secret)).select_related(
        "cost_center"
    )
    if except_for is not None:
        holders = holders.exclude(pk=except_for.pk)
    if holder := holders.first():
        raise NotConnected(
            f"This {provider.known_by} is already connected, as “{holder.cost_center.name}”. Connecting it twice would "
            "count everything twice.",
            field=_known_field(provider),
        )
    if not provider.takes_files:
        return
    others = Integration.objects.filter(credentials__isnull=False).select_related("cost_center")
    if except_for is not None:
        others = others.exclude(pk=except_for.pk)
    for other in others:
        if PROVIDERS[other.provider].takes_files and provider.overlaps(credentials, _stored(other)):
            location = PROVIDERS[other.provider].shown(_stored(other)).get("location", "")
            raise NotConnected(
                f"“{other.cost_center.name}” reads {location} already, and one of the two lies within the other: that "
                "would count everything in it twice.",
                field=_known_field(provider),
            )


@sensitive_variables()
def _fingerprint(provider: Provider, credentials: Mapping[str, str]) -> str | None:
    """None where a connection is not known by anything."""
    secret = provider.secret(credentials)
    return fingerprints(secret)[0] if secret else None


@sensitive_variables()
def _stored(integration: Integration) -> Mapping[str, str]:
    """Empty where there is nothing, and where it cannot be decrypted any more: all of it is typed anew then."""
    sealed = Integration.objects.filter(pk=integration.pk).values_list("credentials", flat=True).first()
    try:
        return {} if sealed is None else sealed.open()
    except SecretUnreadable:
        return {}


def _known_field(provider: Provider) -> str:
    return "location" if provider.known_by == "location" else "credentials"


def _named(provider: Provider, name: str) -> CostCenter | None:
    """The disconnected cost center of this name that a connection revives, or None when the name is free."""
    center = CostCenter.objects.select_related("integration").filter(name=name).first()
    if center is None:
        return None
    was_removed = center.status == CostCenter.Status.DISCONNECTED and hasattr(center, "integration")
    if not was_removed or center.integration.provider != provider.slug:
        raise NotConnected("There is a cost center of this name already. Choose another name.", field="name")
    _refuse_purged(center)
    return center


def _new(provider: Provider, name: str, currency: str, now: datetime) -> CostCenter:
    return CostCenter.objects.create(
        name=name, provider=provider.slug, currency=currency, connected_on=now.date()
    )


def _revived(center: CostCenter) -> CostCenter:
    """Claim a disconnected cost center, by one conditional UPDATE: of two presses one wins."""
    # Whoever removes a connection, or begins to delete what is left of it, locks the streams first too.
    center.integration.lock_streams()
    Integration.objects.select_for_update().filter(pk=center.integration.pk).first()
    disconnected = CostCenter.objects.filter(pk=center.pk, status=CostCenter.Status.DISCONNECTED)
    if not disconnected.update(status=CostCenter.Status.CONNECTING):
        raise NotConnected("This cost center was connected, or deleted, a moment ago.", field="name")
    _refuse_purged(center)
    record.changed(center, status=(CostCenter.Status.DISCONNECTED.value, CostCenter.Status.CONNECTING.value))
    center.refresh_from_db()
    return center


def _refuse_purged(center: CostCenter) -> None:
    if purge.is_purging(center):
        raise NotConnected(
            "Its history is being deleted. Choose another name, or wait until it is gone.", field="name"
        )


def _is_another_team(integration: Integration, verified: Verified) -> bool:
    """Whether the team is known and shares nobody with the one just read."""
    known = set(Member.objects.filter(integration=integration).values_list("key", flat=True))
    return bool(known) and known.isdisjoint(member.key for member in verified.members)


def _shared_team(provider: Provider, verified: Verified, *, except_for: CostCenter | None) -> str:
    keys = {member.key for member in verified.members if member.is_active}
    others = Integration.objects.filter(provider=provider.slug, credentials__isnull=False).select_related(
        "cost_center"
    )
    for other in others:
        if except_for is not None and other.cost_center_id == except_for.pk:
            continue
        known = set(Member.objects.filter(integration=other, is_active=True).values_list("key", flat=True))
        if keys and len(keys & known) > MOSTLY_SHARED * len(keys):
            return (
                f"Most members of this team are in “{other.cost_center.name}” too. If both keys belong to the "
                "same team, its cost is counted twice."
            )
    return ""


def _start_streams(integration: Integration, provider: Provider, now: datetime, asked: Asked) -> None:
    for spec in provider.streams:
        stream, _ = Stream.objects.get_or_create(
            integration=integration, name=spec.name, defaults={"due_at": now}
        )
        stream.due_at, stream.attempts, stream.last_error = now, 0, ""
        stream.failing_since = stream.finished_at = stream.pass_from = stream.pass_through = None
        stream.claim_token, stream.claimed_until, stream.rung_at = "", None, None
        if spec.kind is RecordKind.LINE_ITEM:
            target = windows.floor_day(now) - spec.backfill_days * windows.DAY
            stream.backfill_target = min(stream.backfill_target or target, target)
        else:
            # Seats of the days without a connection are nobody's to guess.
            stream.synced_through = None
        stream.recent_requests += [instant for path, instant in asked if path == spec.path]
        stream.save()
