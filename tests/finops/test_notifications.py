"""The page on which people choose their e-mails, the test e-mail, and the link that stops one kind."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.core import signing
from django.core.cache import cache
from django.test import Client

from finops.models import NotificationSetting
from finops.notifications import KINDS, STOP_SALT, stop_url
from tests.connecting import MailServer, part
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

PAGE, TEST = "/settings/notifications/", "/settings/notifications/test/"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def unhurried():
    cache.clear()


@pytest.fixture
def vic(client):
    user = UserFactory(role="Viewer", username="vic@example.com")
    client.force_login(user)
    return user


def wishes(user):
    found = NotificationSetting.objects.filter(user=user).values(*KINDS, "every_cost_center").first()
    return found and {name for name, on in found.items() if on}


def shown(response):
    return [str(message) for message in response.context["messages"]]


# The page ------------------------------------------------------------------------------------------------------------


def test_at_first_all_kinds_are_on_for_what_one_connected(client, vic):
    form = client.get(PAGE).context["form"]

    assert [form[flag].value() for flag in KINDS] == [True] * len(KINDS)
    assert form["every_cost_center"].value() is False
    assert wishes(vic) is None, "looking stores nothing"


def test_what_is_ticked_is_stored_and_shown_again(client, vic):
    response = client.post(PAGE, {"key_refused": "on", "every_cost_center": "on"}, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert shown(response) == ["Saved."]
    assert wishes(vic) == {"key_refused", "every_cost_center"}
    assert response.context["form"]["key_refused"].value() is True
    assert response.context["form"]["recovered"].value() is False


def test_ticking_nothing_switches_all_off_and_says_so(client, vic):
    response = client.post(PAGE, {}, follow=True)

    assert shown(response) == ["Saved. You get no e-mails about cost centers now."]
    assert wishes(vic) == set()


def test_nobody_chooses_for_anybody_else(client, vic):
    other = UserFactory(role="Viewer")

    client.post(PAGE, {"user": other.pk, "user_id": other.pk, "pk": 1})

    assert wishes(other) is None
    assert wishes(vic) == set()


def test_it_says_where_e_mails_go_and_who_may_change_that(client, vic):
    page = client.get(PAGE).content.decode()
    assert "<strong>vic@example.com</strong>" in page
    assert "An Admin can change it." in page

    vic.email = ""
    vic.save()
    page = client.get(PAGE).content.decode()
    assert "Your account has no e-mail address" in page
    assert "Ask an Admin" in page
    assert "Send me a test e-mail" not in page

    vic.groups.set(UserFactory(role="Admin").groups.all())
    assert f"/admin/auth/user/{vic.pk}/change/" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("console", "only printed in the server’s log"),
        ("dummy", "thrown away"),
        ("filebased", "only written to files"),
        ("smtp", ""),
    ],
)
def test_it_says_so_when_no_mail_server_is_set_up(client, vic, settings, backend, words):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"

    page = client.get(PAGE).content.decode()

    assert ("E-mail is not set up." in page) is bool(words)
    assert words in page


def test_the_page_asks_the_database_little(client, vic, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        client.get(PAGE)


# A test e-mail -------------------------------------------------------------------------------------------------------


def test_a_test_e_mail_is_really_sent(client, vic, mail):
    response = client.post(TEST, follow=True)

    (message,) = mail.messages
    assert message["To"] == "vic@example.com"
    assert message["Subject"] == "A test e-mail from Onebill"
    assert PAGE in part(message, "plain")
    assert PAGE in part(message, "html")
    assert "because" not in part(message, "plain"), "there is nothing to unsubscribe from"
    assert "handed to the mail server" in shown(response)[0]


def test_a_second_one_a_moment_later_is_not_sent(client, vic, mail):
    client.post(TEST)
    response = client.post(TEST, follow=True)

    assert len(mail.messages) == 1
    assert "Wait a moment" in shown(response)[-1]


def test_without_a_mail_server_it_does_not_claim_to_have_sent_one(client, vic, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    (words,) = shown(client.post(TEST, follow=True))

    assert words == "The test e-mail was not sent but thrown away: no mail server is set up."


def test_without_an_address_nothing_is_sent(client, vic, mail):
    vic.email = ""
    vic.save()

    assert "no e-mail address" in shown(client.post(TEST, follow=True))[0]
    assert mail.messages == []


def test_a_mail_server_that_is_down_is_told_in_words(client, vic, settings):
    MailServer(settings)

    (words,) = shown(client.post(TEST, follow=True))

    assert (
        words
        == "The test e-mail was not sent. The mail server cannot be reached at the address in EMAIL_URL."
    )


def test_a_refused_address_is_told_with_the_servers_answer(client, vic, mail):
    mail.refuses = {"vic@example.com"}

    (words,) = shown(client.post(TEST, follow=True))

    assert "refuses the address (550 5.1.1 No such mailbox)" in words


@pytest.fixture
def smtp(settings):
    """Starts SMTP servers of a test's own on free ports."""
    running = []

    def start(handler, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port

    yield start
    for controller in running:
        controller.stop()


class Gossip:
    """Repeats in its answer what it was sent."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        return "554 <b>refused</b> hunter2 crsr_0123456789abcdef0123456789abcdef0123"


def test_no_password_is_told_when_the_log_in_is_refused(client, vic, settings, smtp, caplog):
    smtp(
        Gossip(),
        authenticator=lambda *args: AuthResult(success=False, handled=False, message="535 bad hunter2"),
        auth_require_tls=False,
    )
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "bill", "hunter2"

    response = client.post(TEST, follow=True)

    (words,) = shown(response)
    assert "refuses the user name and password in EMAIL_URL (535)" in words
    assert "hunter2" not in response.content.decode()
    assert "hunter2" not in "".join(record.getMessage() for record in caplog.records if "test" in record.name)


def test_what_a_server_answers_is_text_without_our_secrets(client, vic, settings, smtp):
    smtp(Gossip())
    settings.EMAIL_HOST_PASSWORD = "hunter2"

    page = client.post(TEST, follow=True).content.decode()

    assert "refuses the message (554 &lt;b&gt;refused&lt;/b&gt;" in page
    assert "hunter2" not in page
    assert "crsr_0123" not in page


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_the_time_out(client, vic, settings):
    settings.EMAIL_TIMEOUT = 1
    settings.EMAIL_BACKEND = SMTP
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        (words,) = shown(client.post(TEST, follow=True))

    assert "did not answer within 1 seconds" in words


def test_a_server_that_hangs_up_or_speaks_another_language_is_told_in_words(client, vic, settings):
    settings.EMAIL_BACKEND = SMTP
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        settings.EMAIL_HOST, settings.EMAIL_PORT = rude.getsockname()
        thread = threading.Thread(target=lambda: rude.accept()[0].close())
        thread.start()
        (words,) = shown(client.post(TEST, follow=True))
        thread.join()

    assert "ended the connection" in words


# The link ------------------------------------------------------------------------------------------------------------


def path(user, flag="key_refused"):
    return stop_url(user, KINDS[flag]).removeprefix("http://localhost:8000")


@pytest.fixture
def stranger():
    """Nobody is logged in, and forms without their token are refused."""
    return Client(enforce_csrf_checks=True)


def test_following_the_link_changes_nothing(stranger):
    user = UserFactory(role="Viewer")

    for method in (stranger.get, stranger.head):
        assert method(path(user)).status_code == 200

    assert wishes(user) is None
    page = stranger.get(path(user)).content.decode()
    assert "A key is refused" in page
    assert "Stop these e-mails" in page
    assert user.email not in page


def test_the_button_stops_this_kind_only_and_says_how_to_have_it_again(stranger):
    user, other = UserFactory(role="Viewer"), UserFactory(role="Viewer")

    response = stranger.post(path(user))

    assert response.status_code == 200
    assert wishes(user) == set(KINDS) - {"key_refused"}
    assert wishes(other) is None
    page = response.content.decode()
    assert "These e-mails are stopped" in page
    assert PAGE in page
    assert "These e-mails are stopped" in stranger.get(path(user)).content.decode()


def test_a_mail_program_stops_it_with_one_click(stranger):
    """RFC 8058: a POST of this body, without cookies, and no redirect."""
    user = UserFactory(role="Viewer")
    NotificationSetting.objects.create(user=user, every_cost_center=True)

    for _ in range(2):
        response = stranger.post(path(user, "recovered"), {"List-Unsubscribe": "One-Click"})
        assert response.status_code == 200

    assert wishes(user) == {*KINDS, "every_cost_center"} - {"recovered"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-1],
        lambda token: "x" + token,
        lambda token: token.swapcase(),
        lambda token: "nonsense",
        lambda token: "%00",
        lambda token: "ü" * 2000,
        lambda token: signing.dumps([1, "key_refused"], salt="another"),
        lambda token: signing.dumps([1, "every_cost_center"], salt=STOP_SALT),
        lambda token: signing.dumps([987_654, "key_refused"], salt=STOP_SALT),
    ],
)
def test_any_other_link_is_refused_and_changes_nothing(stranger, damage):
    user = UserFactory(role="Viewer")
    token = path(user).removeprefix("/notifications/stop/").rstrip("/")

    for method in (stranger.get, stranger.post):
        response = method(f"/notifications/stop/{damage(token)}/")
        assert response.status_code == 404
        assert "This link does not work" in response.content.decode()

    assert not NotificationSetting.objects.exists()


def test_a_link_holds_for_a_year(stranger):
    user = UserFactory(role="Viewer")
    now = datetime.now(UTC)
    url = path(user)

    with time_machine.travel(now + timedelta(days=364)):
        assert stranger.get(url).status_code == 200
    with time_machine.travel(now + timedelta(days=366)):
        assert stranger.post(url).status_code == 404

    assert wishes(user) is None


def test_a_link_of_somebody_who_is_gone_does_not_work(stranger):
    user = UserFactory(role="Viewer")
    url = path(user)
    user.delete()

    assert stranger.post(url).status_code == 404
    assert not NotificationSetting.objects.exists()


def test_a_link_logs_nobody_in(stranger):
    stranger.post(path(UserFactory(role="Admin")))

    assert "sessionid" not in stranger.cookies
