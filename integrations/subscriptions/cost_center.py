"""The cost center that holds the subscriptions of a currency: made when the first one is added, found ever after."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from django.db import IntegrityError, transaction

from costcenters.models import CostCenter
from finops.audit_log import record
from finops.secrets import Secrets
from integrations import purge, windows
from integrations.errors import Refusal
from integrations.models import Integration, Stream
from integrations.providers import PROVIDERS

SLUG = "subscriptions"
#: There is no key, but only what holds one is read.
KEPT_BY_HAND = {"kept": "by hand"}
#: Two people may add their first at the same moment, so often at most.
TRIES = 5


def all_of_them() -> list[CostCenter]:
    """Those whose history is not being deleted, the oldest first."""
    going = Stream.objects.filter(name=Stream.PURGE).values("integration__cost_center")
    found = CostCenter.objects.filter(provider=SLUG, integration__isnull=False).exclude(pk__in=going)
    return list(found.order_by("pk"))


def of_currency(currency: str) -> CostCenter | None:
    return next((center for center in all_of_them() if center.currency == currency), None)


def found_or_made(currency: str, *, user: Any, now: datetime) -> CostCenter:
    """To be called inside the transaction that adds a subscription to it."""
    for _ in range(TRIES):
        center = of_currency(currency)
        if center is not None:
            return center
        try:
            with transaction.atomic():
                return _made(_free_name(currency), currency, user=user, now=now)
        except IntegrityError:
            # Somebody else's was the first: of one currency there is one.
            continue
    raise Refusal("Somebody else is adding one at this moment. Try again.")


def _made(name: str, currency: str, *, user: Any, now: datetime) -> CostCenter:
    center = CostCenter.objects.create(
        name=name,
        provider=SLUG,
        currency=currency,
        status=CostCenter.Status.ACTIVE,
        connected_on=now.date(),
    )
    integration = Integration.objects.create(
        cost_center=center,
        provider=SLUG,
        credentials=Secrets(KEPT_BY_HAND),
        api_url="",
        connected_by=user,
        set_up_at=now,
    )
    for spec in PROVIDERS[SLUG].streams:
        # Its lines are written with the first subscription: the worker is next needed when another day begins.
        Stream.objects.create(
            integration=integration, name=spec.name, due_at=windows.floor_day(now) + windows.DAY
        )
    return center


def _free_name(currency: str) -> str:
    """`Subscriptions` for the first one, `Subscriptions (EUR)` for those of other currencies."""
    of_currency = f"Subscriptions ({currency})"
    names = ["Subscriptions", of_currency]
    if CostCenter.objects.filter(provider=SLUG).exists():
        names = [of_currency]
    taken = set(CostCenter.objects.filter(name__startswith="Subscriptions").values_list("name", flat=True))
    for name in names:
        if name not in taken:
            return name
    return next(name for number in count(2) if (name := f"{of_currency} {number}") not in taken)


def count_again(center: CostCenter, *, user: Any, now: datetime) -> None:
    """A removed one whose history was kept goes on. To be called with its streams and itself locked. Refusal."""
    integration = center.integration
    if purge.is_purging(center):
        raise Refusal("Its history is being deleted.")
    removed = CostCenter.objects.filter(pk=center.pk, status=CostCenter.Status.DISCONNECTED)
    if not removed.update(status=CostCenter.Status.ACTIVE):
        raise Refusal("It is counted already.")
    Integration.objects.filter(pk=integration.pk).update(
        credentials=Secrets(KEPT_BY_HAND), connected_by=user, set_up_at=now
    )
    integration.streams.begin_afresh(now)
    record.changed(center, status=(CostCenter.Status.DISCONNECTED.value, CostCenter.Status.ACTIVE.value))
