"""E-mails through a real SMTP server: set-up finished, key refused once, nothing lost while the server is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from finops.models import NotificationSetting
from finops.money import display
from integrations import notices
from integrations.models import Integration, Notice, Stream
from tests.connecting import MailServer, connect, part, work
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


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
