"""What the demo's bill holds beside Cursor: clouds from FOCUS files, and subscriptions; made as people make them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.contrib.auth.models import User

from costcenters import examples, line_items
from costcenters.models import CostCenter
from finops.secrets import fingerprints
from integrations.connections import connect
from integrations.http import Runtime
from integrations.models import Integration, Subscription
from integrations.providers import PROVIDERS
from integrations.subscriptions import changes as subscriptions

#: Line items that are deleted in one transaction.
AT_ONCE = 10_000


def connected_files(bill: examples.Bill, folder: Path, user: User) -> Integration | None:
    """The connection that reads the bill's files in `folder`, made as the form makes it. Raises NotConnected.

    None when somebody has removed it, or has given its name to something else: that is left alone.
    """
    known = Integration.objects.filter(key_fingerprint__in=fingerprints(str(folder))).first()
    if known is not None:
        return known
    center = CostCenter.objects.filter(name=bill.name).first()
    if center is not None:
        if center.provider != bill.provider or hasattr(center, "integration"):
            return None
        _forget(center)
    credentials = {"location": str(folder), "access_key_id": "", "secret_access_key": "", "region": ""}
    return connect(
        PROVIDERS[bill.provider],
        name=bill.name,
        credentials=credentials,
        currency=bill.currency,
        user=user,
        runtime=Runtime(),
    ).integration


def _forget(center: CostCenter) -> None:
    """Older demos wrote such lines without a connection: those of the files take their place. May be interrupted."""
    while line_items.erase_some(center.pk, at_most=AT_ONCE):
        pass
    center.delete()


def add_subscriptions(first_day: date, user: User, now: datetime) -> None:
    """A tool paid by the year since some months before the bill's first day, and one paid on the first of each month.

    Only where there was never one: what people have made of them stays.
    """
    if CostCenter.objects.filter(provider="subscriptions").exists():
        return
    for subscription in (
        Subscription(
            name="Figma",
            plan="Organization",
            seats=25,
            price=Decimal(540),
            period=Subscription.Period.ANNUAL,
            starts_on=first_day - timedelta(days=200),
            renews_on=first_day + timedelta(days=165),
            owner="design@example.com",
            tags={"team": "design"},
        ),
        Subscription(
            name="Linear",
            plan="Business",
            seats=40,
            price=Decimal(14),
            period=Subscription.Period.MONTHLY,
            starts_on=first_day.replace(day=1),
            owner="platform@example.com",
            tags={"team": "platform"},
        ),
    ):
        subscriptions.add(subscriptions.Draft(subscription), user=user, now=now)
