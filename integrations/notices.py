"""What people are told by e-mail, one message an incident, and the state of a connection that goes with it.

A notice is a row written together with the change of state; the worker delivers it. A mail server that is down loses
nothing, and a sync never waits for one.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Count, Max, Min, Q, Sum
from django.template.loader import render_to_string

from costcenters.models import CostCenter, DailyCost
from finops.money import display
from integrations import providers
from integrations.models import Integration, Notice, Stream
from integrations.providers.base import RecordKind

logger = logging.getLogger(__name__)

SEND_AGAIN_AFTER = timedelta(minutes=5)
TEMPLATES = {Notice.Event.SET_UP: "emails/set_up", Notice.Event.KEY_REFUSED: "emails/key_refused"}


def needs_attention(integration: Integration, why: str, now: datetime) -> None:
    """Stop asking the provider and tell the owner, once until it works again."""
    with transaction.atomic():
        # Locks are taken in one order everywhere: streams, integration, cost center.
        Integration.objects.select_for_update().get(pk=integration.pk)
        stopped = CostCenter.objects.filter(
            pk=integration.cost_center_id, status__in=CostCenter.WORKING
        ).update(status=CostCenter.Status.NEEDS_ATTENTION)
        if stopped:
            Integration.objects.filter(pk=integration.pk).update(attention=why)
            Notice.objects.create(
                integration=integration, event=Notice.Event.KEY_REFUSED, text=why, not_before=now
            )


def stream_complete(integration: Integration, now: datetime) -> None:
    """When the last stream of a new connection is complete, the set-up is finished: say so, once."""
    specs = providers.PROVIDERS[integration.provider].streams
    needed = [spec.name for spec in specs if spec.kind is not RecordKind.PERIOD_TOTAL]
    streams = Stream.objects.filter(integration=integration, name__in=needed)
    if streams.filter(finished_at=None).exists():
        return
    with transaction.atomic():
        if not Integration.objects.filter(pk=integration.pk, set_up_at=None).update(set_up_at=now):
            return
        CostCenter.objects.filter(pk=integration.cost_center_id, status=CostCenter.Status.CONNECTING).update(
            status=CostCenter.Status.ACTIVE
        )
        Notice.objects.create(integration=integration, event=Notice.Event.SET_UP, not_before=now)


def deliver(now: datetime) -> int:
    """Send what is waiting; how many were sent. What cannot be sent waits and is tried again."""
    sent = 0
    for notice in (
        Notice.objects.filter(not_before__lte=now).select_related("integration__cost_center").order_by("pk")
    ):
        mine = Notice.objects.filter(pk=notice.pk, not_before__lte=now).update(
            not_before=now + SEND_AGAIN_AFTER * (notice.attempts + 1), attempts=notice.attempts + 1
        )
        if not mine:
            continue
        try:
            message = _message(notice)
            if not message.to:
                logger.warning("nobody with an e-mail address is to be told: %s", notice)
            message.send()
        except Exception:
            # Whatever it is (the mail server, an address), it must not keep other people's messages back.
            logger.exception("an e-mail could not be sent; it is tried again: %s", notice)
            continue
        notice.delete()
        sent += 1
    return sent


def _message(notice: Notice) -> EmailMultiAlternatives:
    integration = notice.integration
    center = integration.cost_center
    context: dict[str, Any] = {
        "center": center,
        "integration": integration,
        "provider": providers.PROVIDERS[integration.provider].name,
        "url": f"{settings.SITE_URL}{center.get_absolute_url()}",
        "why": notice.text,
        "totals": _totals(center),
        "site_url": settings.SITE_URL,
    }
    template = TEMPLATES[Notice.Event(notice.event)]
    subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"{template}.txt", context),
        settings.DEFAULT_FROM_EMAIL,
        _recipients(integration, notice),
    )
    message.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    return message


def _totals(center: CostCenter) -> dict[str, Any]:
    found = DailyCost.objects.filter(cost_center=center).aggregate(
        billed=Sum("billed_cost"),
        events=Sum("line_items", filter=Q(charge_type="usage")),
        people=Count("user", distinct=True, filter=~Q(user="")),
        models=Count("model", distinct=True, filter=~Q(model="")),
        first=Min("day"),
        last=Max("day"),
    )
    found["billed"] = display(found["billed"] or Decimal(0), center.currency)
    found["events"] = found["events"] or 0
    return found


def _recipients(integration: Integration, notice: Notice) -> list[str]:
    """Whoever connected it; if nobody is left with an address, all Admins. People may have switched a message off."""
    users = get_user_model().objects.filter(is_active=True).exclude(email="")
    flag = {Notice.Event.SET_UP: "setup_finished", Notice.Event.KEY_REFUSED: "key_refused"}[
        Notice.Event(notice.event)
    ]
    owner = users.filter(pk=integration.connected_by_id or 0)
    chosen = (
        owner if owner.exists() else users.filter(Q(is_superuser=True) | Q(groups__name="Admin")).distinct()
    )
    return list(
        chosen.exclude(**{f"notification_setting__{flag}": False})
        .order_by("email")
        .values_list("email", flat=True)
    )
