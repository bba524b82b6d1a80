"""E-mails before a renewal, through a real mail server: to whom, once each, and not when it is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db.models import Q

from costcenters.models import CostCenter
from finops.models import NotificationSetting
from integrations import life, notices, tasks
from integrations.models import Integration, Notice, Subscription
from integrations.subscriptions import changes
from integrations.subscriptions.changes import Draft
from integrations.subscriptions.reminders import tell_renewals
from tests.connecting import part
from tests.factories import UserFactory

from ..test_life_races import at_once
from .conftest import NOW, TODAY, add

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
RENEWAL = date(2026, 12, 4)


@pytest.fixture
def eve():
    """Whoever added the first subscription, and is told about its cost center."""
    return UserFactory(role="Editor", username="eve@example.com")


@pytest.fixture
def figma(eve):
    known = add(
        name="Figma",
        plan="Organization",
        seats=12,
        price=Decimal(540),
        period="annual",
        starts_on=date(2025, 12, 4),
        renews_on=RENEWAL,
        remind_days=14,
        owner="dana@example.com",
    )
    Integration.objects.update(connected_by=eve)
    return known


def remind(now=NOW):
    """What the worker does each minute."""
    tell_renewals(now)
    return notices.deliver(now)


def test_its_owner_is_told_so_many_days_before_of_day_and_price(settings, mail, figma):
    UserFactory(role="Viewer", username="Dana", email="Dana@Example.com")

    assert remind(NOW - DAY) == 0
    assert remind() == 1

    (message,) = mail.messages
    assert message["To"] == "Dana@Example.com"
    assert message["Subject"] == "Figma renews in 14 days"
    for text in (part(message, "plain"), part(message, "html")):
        assert "Figma (Organization) renews in 14 days, on 4 Dec 2026." in text
        assert "$6,480.00" in text
        assert "12 seats" in text
        assert f"{settings.SITE_URL}/settings/subscriptions/{figma.pk}/" in text
        assert "you are the owner of this subscription" in text
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_renewal_is_told_of_once(mail, figma):
    UserFactory(role="Viewer", username="dana@example.com")

    for number in range(15):
        remind(NOW + number * DAY)

    assert len(mail.messages) == 1


@pytest.mark.parametrize("owner", ["", "Dana Design", "nobody@example.com", "former@example.com"])
def test_without_an_owner_who_may_see_the_bill_those_of_the_cost_center_are_told(mail, figma, owner):
    UserFactory(username="former@example.com")  # has an account, and no role any more
    Subscription.objects.update(owner=owner)

    remind()

    (message,) = mail.messages
    assert message["To"] == "eve@example.com"
    assert "you connected this cost center" in part(message, "plain")


def test_when_it_has_moved_on_the_next_renewal_is_told_of_a_year_later(mail, figma):
    remind()
    later = datetime(2027, 11, 21, 3, tzinfo=UTC)

    assert remind(later) == 1

    figma.refresh_from_db()
    assert figma.renews_on == date(2027, 12, 4) == figma.reminded_of
    assert "4 Dec 2027" in part(mail.messages[-1], "plain")


def test_a_monthly_renewal_moves_on_by_months(mail):
    known = add(renews_on=date(2026, 11, 1), remind_days=3)

    remind()

    known.refresh_from_db()
    assert known.renews_on == date(2026, 12, 1)
    assert mail.messages == []


def test_who_wants_none_and_what_ends_before_is_left_alone(mail, figma):
    Subscription.objects.update(remind_days=0)
    assert remind() == 0
    Subscription.objects.update(remind_days=14, ends_on=RENEWAL - DAY)
    assert remind() == 0
    Subscription.objects.update(ends_on=None)
    life.remove(figma.cost_center.integration, with_history=False, now=NOW)
    assert remind() == 0


def test_while_its_cost_center_is_paused_it_renews_all_the_same(mail, figma):
    CostCenter.objects.update(status=CostCenter.Status.PAUSED)

    assert remind() == 1


def test_what_ended_while_the_message_waited_is_not_told_of(settings, figma):
    tell_renewals(NOW)
    assert Notice.objects.count() == 1
    figma.refresh_from_db()
    figma.ends_on = TODAY + DAY
    changes.save(Draft.of(figma), now=NOW)

    notices.deliver(NOW)

    assert not Notice.objects.exists()


def test_an_edit_that_was_begun_before_does_not_remind_again(mail, figma):
    stale = Subscription.objects.get()
    remind()
    stale.plan = "Enterprise"
    changes.save(Draft.of(stale), now=NOW)

    assert remind() == 0
    assert Subscription.objects.get().plan == "Enterprise"


def test_another_renewal_day_is_another_renewal(mail, figma):
    remind()
    figma.refresh_from_db()
    figma.renews_on = RENEWAL - 2 * DAY
    changes.save(Draft.of(figma), now=NOW)

    assert remind() == 1


def test_who_switched_these_off_gets_none_and_the_link_in_them_does_so(client, mail, figma):
    dana = UserFactory(role="Viewer", username="dana@example.com")
    remind()
    stop = mail.messages[0]["List-Unsubscribe"].strip("<>")

    client.post(stop.partition("localhost:8000")[2], {"List-Unsubscribe": "One-Click"})

    assert NotificationSetting.objects.get(user=dana).renewal_ahead is False
    Subscription.objects.update(reminded_of=None)
    assert remind() == 0
    assert not Notice.objects.filter(~Q(user=None)).exists()


def test_a_name_full_of_tricks_is_told_as_text(mail, figma):
    Subscription.objects.update(name="<b>Fig</b>\r\nBcc: all@example.com", plan="{{ 1 }}")

    remind()

    (message,) = mail.messages
    assert message["Subject"] == "<b>Fig</b> Bcc: all@example.com renews in 14 days"
    assert message["Bcc"] is None
    assert "&lt;b&gt;Fig&lt;/b&gt;" in part(message, "html")


def test_the_worker_does_it_each_minute(mail, figma):
    with time_machine.travel(NOW, tick=False):
        tasks.tick()

    assert [message["Subject"] for message in mail.messages] == ["Figma renews in 14 days"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_same_moment_tell_once():
    add(renews_on=TODAY + 3 * DAY)

    outcomes = at_once(*[lambda: tell_renewals(NOW)] * 3)

    assert outcomes == [None] * 3
    assert Notice.objects.count() == 1
