"""What people are told by e-mail, one message an incident, and the state of a connection that goes with it.

A notice is a row written together with the change of state; the worker makes it one row a person and delivers each.
A mail server that is down loses nothing, and a sync never waits for one.

Locks are taken in one order everywhere: streams, integration, cost center, notices.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import Count, Max, Min, Q, Sum
from django.urls import reverse
from django.utils.dateformat import format as format_date

from costcenters.access import VIEW_REPORTS, people_with
from costcenters.models import CostCenter, DailyCost
from finops.audit_log import record
from finops.emails import email, one_line, refusal_in_words
from finops.money import display
from finops.notifications import KINDS, Kind, settings_url, stop_url
from integrations import providers
from integrations.models import Integration, Notice, Stream
from integrations.providers.base import RecordKind
from integrations.subscriptions import reminders

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

#: A stream that fails for so long is told of.
FAILING_AFTER = timedelta(days=1)
SEND_AGAIN_AFTER = timedelta(minutes=5)
#: After so many attempts, about four days, a message is given up.
MOST_ATTEMPTS = 50
#: A round of deliveries begins no message after this long.
ROUND_SECONDS = 60.0
#: The events that are incidents: each is over some day.
TROUBLE = (Notice.Event.KEY_REFUSED, Notice.Event.FAILING)


@dataclass(frozen=True, slots=True)
class Mail:
    """How an event is told: by these templates, to whom has not switched off this kind."""

    template: str
    kind: Kind


MAILS = {
    Notice.Event.SET_UP: Mail("emails/set_up", KINDS["setup_finished"]),
    Notice.Event.KEY_REFUSED: Mail("emails/key_refused", KINDS["key_refused"]),
    Notice.Event.FAILING: Mail("emails/failing", KINDS["sync_failing"]),
    Notice.Event.RECOVERED: Mail("emails/recovered", KINDS["recovered"]),
    Notice.Event.RENEWAL: Mail("emails/renewal", KINDS["renewal_ahead"]),
    Notice.Event.DELIVERY: Mail("emails/delivery_stuck", KINDS["delivery_stuck"]),
}


# Incidents ------------------------------------------------------------------------------------------------------------


def needs_attention(integration: Integration, why: str, now: datetime) -> None:
    """Stop asking the provider and tell people, once until it works again."""
    with transaction.atomic():
        Integration.objects.select_for_update().get(pk=integration.pk)
        center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
        if center.status not in CostCenter.WORKING:
            return
        CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.NEEDS_ATTENTION)
        record.changed(center, status=(center.status, CostCenter.Status.NEEDS_ATTENTION.value))
        Integration.objects.filter(pk=integration.pk).update(attention=why)
        _begin(integration, Notice.Event.KEY_REFUSED, since=now, text=why, now=now)


def tell_failing(now: datetime) -> None:
    """Tell of working connections of which a stream of the bill has failed for a day, once an incident.

    A stream whose time has come is tried first: after a pause, or a day without a worker, nobody knows how it is.
    """
    overdue = (
        Stream.objects.filter(
            failing_since__lte=now - FAILING_AFTER,
            due_at__gt=now,
            integration__credentials__isnull=False,
            integration__cost_center__status__in=CostCenter.WORKING,
        )
        .exclude(integration__incident=Notice.Event.FAILING)
        .select_related("integration")
        .order_by("failing_since", "pk")
    )
    for stream in overdue:
        if stream.name in _bill_streams(stream.integration):
            _tell_failing(stream, now)


def _tell_failing(known: Stream, now: datetime) -> None:
    labels = _bill_streams(known.integration)
    with transaction.atomic():
        stream = (
            Stream.objects.select_for_update()
            .filter(pk=known.pk, failing_since__lte=now - FAILING_AFTER)
            .first()
        )
        untold = (
            Integration.objects.select_for_update()
            .filter(pk=known.integration_id)
            .exclude(incident=Notice.Event.FAILING)
        )
        if stream is None or stream.failing_since is None or not untold.exists():
            return
        center = CostCenter.objects.select_for_update().get(pk=known.integration.cost_center_id)
        if center.status not in CostCenter.WORKING:
            return
        _begin(
            known.integration,
            Notice.Event.FAILING,
            since=stream.failing_since,
            text=f"{labels[stream.name]}: {stream.last_error}",
            now=now,
        )


def _begin(
    integration: Integration, event: Notice.Event, *, since: datetime, text: str, now: datetime
) -> None:
    """A new incident. What still waits to be told of an older one is out of date."""
    Integration.objects.filter(pk=integration.pk).update(incident=event, incident_at=since)
    Notice.objects.filter(integration=integration, event__in=[*TROUBLE, Notice.Event.RECOVERED]).delete()
    Notice.objects.create(integration=integration, event=event, text=text, not_before=now)


def stream_complete(integration: Integration, now: datetime) -> None:
    """When the last stream of the bill is complete, a set-up is finished, or an incident is over: say so, once."""
    known = Integration.objects.filter(pk=integration.pk).only("incident", "incident_at", "set_up_at").first()
    if known is None:
        return
    # Read after the incident: one that begins between the two is not ended by what was before it.
    streams = list(Stream.objects.filter(integration=integration, name__in=_bill_streams(integration)))
    finished = [stream.finished_at for stream in streams if stream.finished_at is not None]
    if len(finished) < len(streams):
        return
    if known.set_up_at is None:
        _set_up(integration, now)
    since = known.incident_at
    is_well = all(stream.failing_since is None for stream in streams)
    if known.incident and since is not None and is_well and all(instant > since for instant in finished):
        _recovered(integration, known.incident, since, now)


def _set_up(integration: Integration, now: datetime) -> None:
    with transaction.atomic():
        if not Integration.objects.filter(pk=integration.pk, set_up_at=None).update(set_up_at=now):
            return
        center = CostCenter.objects.select_for_update().get(pk=integration.cost_center_id)
        if center.status == CostCenter.Status.CONNECTING:
            CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.ACTIVE)
            record.changed(center, status=(center.status, CostCenter.Status.ACTIVE.value))
        Notice.objects.create(integration=integration, event=Notice.Event.SET_UP, not_before=now)


def _recovered(integration: Integration, incident: str, since: datetime, now: datetime) -> None:
    """Whoever was told of the incident is told that it is over."""
    began = format_date(since, "j M Y, H:i")
    if incident != Notice.Event.KEY_REFUSED:
        text = f"Reading it had failed since {began} UTC."
    elif providers.PROVIDERS[integration.provider].known_by == "key":
        text = f"Its key was refused on {began} UTC."
    else:
        text = f"It could not be read any more on {began} UTC."
    with transaction.atomic():
        over = Integration.objects.filter(pk=integration.pk, incident=incident, incident_at=since)
        # Of two workers that finish at once, one is told.
        if over.update(incident="", incident_at=None):
            _wait_to_be_sent(integration, Notice.Event.RECOVERED, text, _told(integration), not_before=now)


def delivery_stuck(integration: Integration, title: str, why: str, *, now: datetime) -> None:
    """A delivery is refused, or asks: to be told once. Part of the transaction that stores what became of it."""
    text = f"{title}: {why}" if title and not why.startswith(title) else why
    Notice.objects.create(integration=integration, event=Notice.Event.DELIVERY, text=text, not_before=now)


def take_back(integration: Integration) -> None:
    """Somebody has mended it: what still waits to be told of the trouble is not sent any more.

    Where nobody has been told yet, nobody needs to hear that it is over. The integration is locked by the caller.
    """
    if not _told(integration):
        Integration.objects.filter(pk=integration.pk).update(incident="", incident_at=None)


def _told(integration: Integration) -> list[User]:
    """Who was told of the trouble there is; deletes what still waits about it."""
    waiting = Notice.objects.filter(integration=integration, event__in=TROUBLE)
    untold = set(waiting.values_list("user_id", flat=True))
    waiting.delete()
    if None in untold:
        return []
    return [user for user in _recipients(integration) if user.pk not in untold]


def _bill_streams(integration: Integration) -> dict[str, str]:
    """The label of each stream that matters to the bill, by its name; totals are for comparison only."""
    specs = providers.PROVIDERS[integration.provider].streams
    return {spec.name: spec.label for spec in specs if spec.kind is not RecordKind.PERIOD_TOTAL}


# Delivery -------------------------------------------------------------------------------------------------------------


def deliver(now: datetime) -> int:
    """Send what is waiting, a message a person; how many were sent. What cannot be sent waits and is tried again.

    An address that is refused holds nobody else's message up; a mail server that is out of reach ends the round.
    """
    began, sent = monotonic(), 0
    for notice in Notice.objects.filter(user=None, not_before__lte=now).order_by("pk"):
        try:
            _address(notice)
        except Exception:
            # Such as a person deleted at this moment; it must not keep other messages back.
            logger.exception("it is not known yet who is to be told: %s", notice)
    waiting = Notice.objects.filter(user__isnull=False, not_before__lte=now).order_by("pk")
    told = ("integration__cost_center", "user__notification_setting", "subscription")
    for notice in waiting.select_related(*told):
        if monotonic() - began > ROUND_SECONDS:
            break
        mine = Notice.objects.filter(pk=notice.pk, not_before__lte=now).update(
            not_before=now + SEND_AGAIN_AFTER * (notice.attempts + 1), attempts=notice.attempts + 1
        )
        if not mine:
            continue
        if not _is_wanted(notice, now):
            notice.delete()
            continue
        connection = get_connection()
        try:
            connection.open()
        except Exception as error:
            logger.warning("e-mails wait: %s", refusal_in_words(error))
            break
        try:
            message = _message(notice, now)
            message.connection = connection
            message.send()
        except Exception as error:
            _not_sent(notice, error)
        else:
            notice.delete()
            sent += 1
        finally:
            with suppress(Exception):
                connection.close()
    return sent


def _address(notice: Notice) -> None:
    """Make one row a person of a notice, in one transaction: of two workers, one does it."""
    with transaction.atomic():
        integration = Integration.objects.select_for_update().filter(pk=notice.integration_id).first()
        if integration is None or not Notice.objects.filter(pk=notice.pk).delete()[0]:
            return
        people = _recipients(integration)
        if not people:
            logger.warning("nobody with an e-mail address is to be told: %s", notice)
        _wait_to_be_sent(
            integration,
            Notice.Event(notice.event),
            notice.text,
            people,
            not_before=notice.not_before,
            subscription_id=notice.subscription_id,
        )


def _wait_to_be_sent(
    integration: Integration,
    event: Notice.Event,
    text: str,
    people: Iterable[User],
    *,
    not_before: datetime,
    subscription_id: int | None = None,
) -> None:
    Notice.objects.bulk_create(
        Notice(
            integration=integration,
            user=user,
            event=event,
            text=text,
            not_before=not_before,
            subscription_id=subscription_id,
        )
        for user in people
    )


def _not_sent(notice: Notice, error: Exception) -> None:
    """It is tried again, less and less often; some day it is given up."""
    gives_up = notice.attempts + 1 >= MOST_ATTEMPTS
    if isinstance(error, OSError):
        logger.warning("an e-mail could not be sent (%s): %s", refusal_in_words(error), notice)
    else:
        logger.error("an e-mail could not be made: %s", notice, exc_info=error)
    if gives_up:
        logger.error("an e-mail is given up after %s attempts: %s", MOST_ATTEMPTS, notice)
        notice.delete()


def _is_wanted(notice: Notice, now: datetime) -> bool:
    """Whether its person can and may still be told, and wants to be."""
    user = notice.user
    if user is None or not user.email or not user.has_perm(VIEW_REPORTS):
        return False
    if notice.event == Notice.Event.RENEWAL and not reminders.still_holds(notice, now.date()):
        return False
    setting = getattr(user, "notification_setting", None)
    return setting is None or bool(getattr(setting, MAILS[Notice.Event(notice.event)].kind.flag))


def _recipients(integration: Integration) -> list[User]:
    """Whoever connected it, or all Admins when they cannot be told, and those who asked for every cost center.

    All of them have an address and may see the bill. Which e-mails they want is asked when one is sent.
    """
    people = people_with(VIEW_REPORTS).exclude(email="")
    first = Q(pk=integration.connected_by_id or 0)
    if not people.filter(first).exists():
        first = Q(is_superuser=True) | Q(groups__name="Admin")
    asked = Q(notification_setting__every_cost_center=True)
    ids = people.filter(first | asked).values("pk")
    return list(get_user_model().objects.filter(pk__in=ids).order_by("pk"))


# The message ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Totals:
    """What the bill holds of a cost center; `first` and `last` are UTC days, both inclusive."""

    billed: str
    line_items: int
    events: int
    people: int
    models: int
    first: date | None
    last: date | None


def _message(notice: Notice, now: datetime) -> EmailMultiAlternatives:
    integration, user = notice.integration, notice.user
    if user is None:
        raise ValueError("it is not known who is to be told")
    center, mail = integration.cost_center, MAILS[Notice.Event(notice.event)]
    provider = providers.PROVIDERS[integration.provider]
    stop = stop_url(user, mail.kind)
    context = {
        "name": one_line(center.name),
        "center": center,
        "integration": integration,
        "provider": provider.name,
        "url": f"{settings.SITE_URL}{center.get_absolute_url()}",
        "files_url": f"{settings.SITE_URL}{reverse('cost-center-files', args=[center.pk])}",
        "has_files": provider.holds(RecordKind.DELIVERY),
        "why": one_line(notice.text),
        "totals": _totals(center),
        "site_url": settings.SITE_URL,
        "reason": _reason(notice, user),
        "settings_url": settings_url(),
        "stop_url": stop,
    }
    if notice.subscription is not None:
        renewal = reminders.renewal(notice.subscription, now.date())
        context |= {"name": renewal.name, "renewal": renewal}
    headers = {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return email(mail.template, context, to=user, headers=headers)


def _reason(notice: Notice, user: User) -> str:
    """Completes "You get this e-mail because"."""
    integration = notice.integration
    if reminders.is_owner(notice, user):
        return "you are the owner of this subscription"
    if user.pk == integration.connected_by_id:
        return "you connected this cost center"
    setting = getattr(user, "notification_setting", None)
    if setting is not None and setting.every_cost_center:
        return "you asked for e-mails about every cost center"
    return "you are an Admin and whoever connected this cost center cannot be told"


def _totals(center: CostCenter) -> Totals:
    found = DailyCost.objects.filter(cost_center=center).aggregate(
        billed=Sum("billed_cost"),
        lines=Sum("line_items"),
        events=Sum("line_items", filter=Q(charge_type="usage")),
        people=Count("user", distinct=True, filter=~Q(user="")),
        models=Count("model", distinct=True, filter=~Q(model="")),
        first=Min("day"),
        last=Max("day"),
    )
    return Totals(
        billed=display(found["billed"] or Decimal(0), center.currency),
        line_items=found["lines"] or 0,
        events=found["events"] or 0,
        people=found["people"],
        models=found["models"],
        first=found["first"],
        last=found["last"],
    )
