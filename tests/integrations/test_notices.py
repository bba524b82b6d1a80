"""E-mails through a real SMTP server: who gets which, each their own; nothing is lost or sent twice on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from costcenters.models import CostCenter
from finops.emails import LONGEST_SUBJECT
from finops.models import NotificationSetting
from finops.money import display
from integrations import notices
from integrations.models import Integration, Notice, Stream
from tests.connecting import MailServer, connect, part, work
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db
#: Renewals are about a subscription, and tested there.
ABOUT_A_CONNECTION = [event for event in Notice.Event if event != Notice.Event.RENEWAL]


@pytest.fixture
def editor(client):
    client.user = UserFactory(role="Editor", username="eve@example.com")
    client.force_login(client.user)
    return client


def later(**span: int) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


def make_due(integration: Integration) -> None:
    Stream.objects.filter(integration=integration).update(due_at=later(hours=-1))


def test_when_history_is_loaded_one_mail_tells_the_totals_and_where_to_look(settings, editor, api, mail):
    integration = connect(editor, api, name="R&D <Cursor>")

    work(integration)

    (message,) = mail.messages
    totals = api.truth()["totals"]
    seats = sum(
        (item.billed_cost for item in integration.cost_center.line_items.filter(charge_type="seat")),
        Decimal(),
    )
    billed = display(Decimal(int(totals["billed_nano"])).scaleb(-9) + seats, "USD")
    assert message["To"] == "eve@example.com"
    assert message["From"] == settings.DEFAULT_FROM_EMAIL
    assert message["Subject"] == f"R&D <Cursor> is set up: {billed} in the bill"
    url = f"{settings.SITE_URL}/settings/cost-centers/{integration.cost_center_id}/"
    for text in (part(message, "plain"), part(message, "html")):
        for expected in (billed, f"{totals['events']:,}", url, f"{settings.SITE_URL}/explorer/"):
            assert expected in text
    assert "R&D <Cursor> is connected" in part(message, "plain")
    assert "R&amp;D &lt;Cursor&gt; is connected" in part(message, "html")


def test_later_syncs_say_nothing_about_the_set_up(editor, api, mail):
    integration = connect(editor, api)
    for _ in range(3):
        work(integration)
        make_due(integration)

    assert len(mail.messages) == 1


def test_a_key_refused_later_is_told_exactly_once(editor, api, mail):
    integration = connect(editor, api)
    work(integration)
    mail.messages.clear()
    api.revoke()

    for _ in range(4):
        make_due(integration)
        work(integration)
        notices.deliver(later(hours=2))

    (message,) = mail.messages
    assert message["Subject"] == "Cursor needs attention: Cursor refuses its key"
    for text in (part(message, "plain"), part(message, "html")):
        assert "Cursor refused this key (401" in text
        assert f"/settings/cost-centers/{integration.cost_center_id}/" in text
        assert api.api_key not in text


def test_a_mail_server_that_is_down_loses_nothing_and_holds_nothing_up(settings, editor, api):
    mail = MailServer(settings)
    integration = connect(editor, api)

    results = work(integration)
    assert all(result.endswith("requests") for result in results)
    assert Notice.objects.get().attempts == 1

    mail.start()
    try:
        assert notices.deliver(datetime.now(UTC)) == 0, "it is not tried again at once"
        assert notices.deliver(later(minutes=10)) == 1
    finally:
        mail.stop()

    assert [message["To"] for message in mail.messages] == ["eve@example.com"]
    assert not Notice.objects.exists()


def test_who_switched_a_message_off_does_not_get_it(editor, api, mail):
    NotificationSetting.objects.create(user=editor.user, setup_finished=False)

    work(connect(editor, api))

    assert mail.messages == []
    assert not Notice.objects.exists()


def test_when_nobody_is_left_who_connected_it_the_admins_are_told(editor, api, mail):
    integration = connect(editor, api)
    UserFactory(role="Admin", username="boss@example.com")
    UserFactory(role="Viewer", username="vic@example.com")
    editor.user.delete()
    integration.refresh_from_db()

    work(integration)

    assert [message["To"] for message in mail.messages] == ["boss@example.com"]


# To whom -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def eve():
    return UserFactory(role="Editor", username="eve@example.com")


@pytest.fixture
def integration(eve):
    """A working connection that Eve made; nothing of it is read."""
    return Integration.objects.create(
        cost_center=CostCenterFactory(),
        provider="cursor",
        api_url="http://127.0.0.1:9",
        connected_by=eve,
        set_up_at=later(days=-9),
    )


def tell(integration: Integration, event: str = Notice.Event.KEY_REFUSED, text: str = "Why.") -> None:
    """Write a notice, then deliver what waits."""
    Integration.objects.filter(pk=integration.pk).update(incident=event, incident_at=later(days=-1))
    Notice.objects.create(integration=integration, event=event, text=text, not_before=later(minutes=-1))
    notices.deliver(later())


def told(mail: MailServer) -> list[str]:
    assert all("," not in message["To"] for message in mail.messages), "one message a person"
    return sorted(message["To"] for message in mail.messages)


def person(name: str, role: str, **wishes: bool):
    user = UserFactory(role=role, username=f"{name}@example.com")
    if wishes:
        NotificationSetting.objects.create(user=user, **wishes)
    return user


def test_each_person_gets_a_message_of_their_own_with_their_own_way_to_stop_it(integration, mail):
    person("vic", "Viewer", every_cost_center=True)
    person("boss", "Admin")

    tell(integration)

    assert told(mail) == ["eve@example.com", "vic@example.com"]
    by_person = {message["To"]: message for message in mail.messages}
    assert "because you connected this cost center" in part(by_person["eve@example.com"], "plain")
    assert "you asked for e-mails about every cost center" in part(by_person["vic@example.com"], "html")
    links = {message["List-Unsubscribe"] for message in mail.messages}
    assert len(links) == 2
    for message in mail.messages:
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["Auto-Submitted"] == "auto-generated"
        url = message["List-Unsubscribe"].strip(" <>")
        for text in (part(message, "plain"), part(message, "html")):
            assert url in text
            assert "/settings/notifications/" in text
            assert f"/settings/cost-centers/{integration.cost_center_id}/" in text


@pytest.mark.parametrize(
    ("event", "flag"),
    [
        (Notice.Event.SET_UP, "setup_finished"),
        (Notice.Event.KEY_REFUSED, "key_refused"),
        (Notice.Event.FAILING, "sync_failing"),
        (Notice.Event.RECOVERED, "recovered"),
        (Notice.Event.DELIVERY, "delivery_stuck"),
    ],
)
def test_each_kind_is_switched_off_by_itself_and_by_each_person(event, flag, integration, eve, mail):
    NotificationSetting.objects.create(user=eve, **{flag: False})
    person("vic", "Viewer", every_cost_center=True)

    for other in ABOUT_A_CONNECTION:
        tell(integration, other)

    kinds = len(ABOUT_A_CONNECTION)
    assert told(mail) == ["eve@example.com"] * (kinds - 1) + ["vic@example.com"] * kinds
    assert not Notice.objects.exists()


@pytest.mark.parametrize("gone", ["deleted", "inactive", "without address", "without a role"])
def test_when_the_owner_cannot_be_told_the_admins_are(gone, integration, eve, mail):
    person("boss", "Admin")
    person("vic", "Viewer", every_cost_center=True)
    person("ed", "Editor")
    if gone == "deleted":
        eve.delete()
    elif gone == "without a role":
        eve.groups.clear()
    else:
        type(eve).objects.update_or_create(
            pk=eve.pk, defaults={"is_active": False} if gone == "inactive" else {"email": ""}
        )

    tell(integration)

    assert told(mail) == ["boss@example.com", "vic@example.com"]
    boss = next(message for message in mail.messages if message["To"] == "boss@example.com")
    assert "because you are an Admin and whoever connected" in part(boss, "plain")


def test_an_owner_who_wants_no_mail_is_not_replaced_by_the_admins(integration, eve, mail):
    NotificationSetting.objects.create(user=eve, key_refused=False)
    person("boss", "Admin")

    tell(integration)

    assert told(mail) == []
    assert not Notice.objects.exists()


def test_who_may_not_see_the_bill_is_told_nothing_of_it(integration, mail):
    person("nobody", "", every_cost_center=True)

    tell(integration)

    assert told(mail) == ["eve@example.com"]


def test_who_lost_their_right_while_the_message_waited_does_not_get_it(settings, integration, eve):
    mail = MailServer(settings)
    tell(integration)
    eve.groups.clear()
    mail.start()
    try:
        notices.deliver(later(hours=1))
    finally:
        mail.stop()

    assert mail.messages == []
    assert not Notice.objects.exists()


# On the way ----------------------------------------------------------------------------------------------------------


def test_a_refused_address_neither_holds_up_nor_repeats_what_others_get(integration, mail):
    for name in ("a", "b", "c"):
        person(name, "Viewer", every_cost_center=True)
    mail.refuses = {"eve@example.com", "b@example.com"}

    tell(integration)
    for hours in (1, 2, 3):
        notices.deliver(later(hours=hours))

    assert told(mail) == ["a@example.com", "c@example.com"]
    assert [notice.attempts for notice in Notice.objects.all()] == [4, 4]
    mail.refuses = set()
    notices.deliver(later(hours=9))
    assert told(mail) == [f"{name}@example.com" for name in ("a", "b", "c", "eve")]


def test_a_message_is_given_up_after_days_of_trying(integration, mail):
    mail.refuses = {"eve@example.com"}
    tell(integration)
    Notice.objects.update(attempts=notices.MOST_ATTEMPTS - 2)

    notices.deliver(later(days=1))
    assert Notice.objects.exists()
    notices.deliver(later(days=2))
    assert not Notice.objects.exists()


def test_a_mail_server_out_of_reach_costs_one_attempt_a_round(settings, integration):
    MailServer(settings)
    for name in ("a", "b", "c"):
        person(name, "Viewer", every_cost_center=True)

    tell(integration)

    assert sorted(Notice.objects.values_list("attempts", flat=True)) == [0, 0, 0, 1]


def test_killed_between_finding_the_people_and_sending_nothing_is_lost_or_doubled(
    integration, mail, monkeypatch
):
    person("vic", "Viewer", every_cost_center=True)

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notices, "_is_wanted", kill)
        with pytest.raises(Killed):
            tell(integration)
    assert Notice.objects.filter(user=None).count() == 0
    assert sorted(Notice.objects.values_list("user__username", flat=True)) == [
        "eve@example.com",
        "vic@example.com",
    ]

    notices.deliver(later())
    assert told(mail) == ["vic@example.com"], "the other one is held for whoever began to send it"
    notices.deliver(later(minutes=6))
    assert told(mail) == ["eve@example.com", "vic@example.com"]
    assert not Notice.objects.exists()


def test_a_notice_that_concerns_nobody_goes(integration, eve, mail):
    eve.delete()

    tell(integration)

    assert told(mail) == []
    assert not Notice.objects.exists()


# What it says --------------------------------------------------------------------------------------------------------

HOSTILE = "Bill\r\nBcc: all@example.com\n\n<script>alert(1)</script>\u202egnp.exe & Söhne"


@pytest.mark.parametrize("event", ABOUT_A_CONNECTION)
def test_a_hostile_name_stays_text_on_one_line(event, integration, mail):
    CostCenter.objects.filter(pk=integration.cost_center_id).update(name=HOSTILE)

    tell(integration, event, "Cursor said: <img src=x>\nClick: https://evil.example.com")

    (message,) = mail.messages
    assert set(message.keys()).isdisjoint({"Bcc", "Cc"})
    assert "\n" not in message["Subject"]
    assert message["Subject"].isprintable()
    assert "Bill Bcc:" in message["Subject"]
    html, plain = part(message, "html"), part(message, "plain")
    assert "<script" not in html
    assert "<img" not in html
    assert "Bill Bcc: all@example.com &lt;script&gt;alert(1)&lt;/script&gt;gnp.exe &amp; Söhne" in html
    assert "Bill Bcc: all@example.com <script>alert(1)</script>gnp.exe & Söhne" in plain
    assert "&" in plain
    assert "&amp;" not in plain


@pytest.mark.parametrize("event", ABOUT_A_CONNECTION)
def test_a_subject_is_cut_to_what_a_phone_shows_and_the_name_is_whole_in_the_mail(event, integration, mail):
    name = "The very long name of a cost center of a subsidiary of a holding, engineering and all"
    CostCenter.objects.filter(pk=integration.cost_center_id).update(name=name)
    DailyCostFactory(cost_center=integration.cost_center, billed_cost=Decimal("1234567.89"))

    tell(integration, event)

    (message,) = mail.messages
    assert len(message["Subject"]) <= LONGEST_SUBJECT
    assert message["Subject"].startswith("The very long")
    assert name in part(message, "plain")
    assert name in part(message, "html")


def test_a_short_subject_is_left_whole(integration, mail):
    tell(integration, Notice.Event.RECOVERED)

    assert mail.messages[0]["Subject"] == "Cursor works again: the gap is filled"
