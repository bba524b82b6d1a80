"""From the form to the first log-in, and everything that must not be one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from finops.people.invitations import tokens
from finops.people.roles import role_of
from tests.connecting import part
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
CHOSEN = "a quite-long one 7"
BOTH = {"new_password1": CHOSEN, "new_password2": CHOSEN}


@pytest.fixture
def admin(client):
    user = UserFactory(role="Admin", username="ada@example.com", first_name="Ada")
    client.force_login(user)
    return user


def invite(client, email="Rin@Example.com", role="Editor"):
    return client.post("/settings/people/invite/", {"email": email, "role": role}, follow=True)


def invited(email="rin@example.com"):
    return User.objects.get(username=email)


def link_in(message):
    """The path of the link in a mail."""
    [path] = re.findall(r"http://localhost:8000(/invitation/\S+)", part(message, "plain"))
    return path


def link_to(user, generator=tokens, name="invitation"):
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse(name, kwargs={"uidb64": uid, "token": generator.make_token(user)})


def messages_after(response):
    return " ".join(str(message) for message in response.context["messages"])


def opened(link, browser=None):
    """The browser that opened the link, and the address it ended at."""
    browser = browser or Client()
    response = browser.get(link, follow=True)
    return browser, response.redirect_chain[-1][0] if response.redirect_chain else link


def is_dead(link):
    return "This link does not work" in Client().get(link, follow=True).text


def test_somebody_is_invited_accepts_and_is_in(client, admin, mail):
    response = invite(client)
    assert messages_after(response) == "rin@example.com is invited: a mail with a link is on its way."
    user = invited()
    assert (user.email, role_of(user), user.has_usable_password()) == ("rin@example.com", "Editor", False)

    [message] = mail.messages
    assert (message["To"], message["Subject"]) == ("rin@example.com", "Ada invites you to Onebill")
    link = link_in(message)
    for text in (part(message, "plain"), part(message, "html")):
        assert link in text
        assert "for 3 days" in text
        assert "as Editor" in text

    browser, page = opened(link)
    text = browser.get(page).text
    assert "You are invited as Editor" in text
    assert 'value="rin@example.com"' in text
    response = browser.post(page, {"name": "Rin Tanaka", **BOTH}, follow=True)

    assert response.redirect_chain[-1][0] == "/"
    assert "Welcome" in messages_after(response)
    assert invited().get_full_name() == "Rin Tanaka"
    again = Client().post("/accounts/login/", {"username": "rin@example.com", "password": CHOSEN})
    assert again.url == "/"


def test_the_audit_log_tells_who_invited_whom_and_that_they_accepted(client, admin, mail):
    invite(client)
    user = invited()
    made = LogEntry.objects.get_for_object(user).get(action=LogEntry.Action.CREATE)
    assert (made.actor, made.changes["email"][1]) == (admin, "rin@example.com")
    browser, page = opened(link_in(mail.messages[0]))
    browser.post(page, BOTH)
    entries = LogEntry.objects.get_for_object(user).filter(actor=user)
    assert [entry.changes.get("password") for entry in entries if entry.changes] == [["••••", "••••"]]
    assert [entry.additional_data for entry in entries if entry.additional_data] == [
        {"happened": "accepted the invitation"}
    ]


def test_the_token_is_in_no_address_that_a_referer_could_tell(client, admin, mail):
    invite(client)
    link = link_in(mail.messages[0])
    token = link.rstrip("/").rpartition("/")[2]
    browser = Client()
    first = browser.get(link)
    assert (first.status_code, token in first["Location"]) == (302, False)
    page = browser.get(first["Location"])
    assert token not in page.text
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-store" in page["Cache-Control"]


def test_a_link_works_once(client, admin, mail):
    invite(client)
    link = link_in(mail.messages[0])
    browser, page = opened(link)
    other, same_page = opened(link)
    browser.post(page, BOTH)

    assert is_dead(link)
    late = other.post(same_page, {"new_password1": "another long 8", "new_password2": "another long 8"})
    assert "This link does not work" in late.text
    assert invited().check_password(CHOSEN)


def test_opening_a_link_uses_nothing_up(client, admin, mail):
    """Mail scanners open every link before people do."""
    invite(client)
    link = link_in(mail.messages[0])
    for _ in range(3):
        Client().head(link)
        Client().get(link, follow=True)
    assert not is_dead(link)


def test_a_link_is_dead_after_its_time(client, admin, settings):
    user = UserFactory(password=None)
    link = link_to(user)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert is_dead(link)


def test_the_mail_says_how_long_the_link_works(client, admin, mail, settings):
    settings.PASSWORD_RESET_TIMEOUT = 7 * 3600
    invite(client)
    assert "for 7 hours" in part(mail.messages[0], "plain")
    assert "for 7 hours" in client.get("/settings/people/invite/").text


def test_sending_again_makes_a_new_link_and_ends_the_old_one(client, admin, mail):
    invite(client)
    user = invited()
    User.objects.filter(pk=user.pk).update(date_joined=user.date_joined - timedelta(days=9))
    assert "Invitation expired" in client.get("/settings/people/").text
    client.post(f"/settings/people/{user.pk}/invite-again/")

    assert "Invitation expired" not in client.get("/settings/people/").text
    old, new = (link_in(message) for message in mail.messages)
    assert (is_dead(old), is_dead(new)) == (True, False)


def test_a_link_sent_twice_in_a_moment_is_another_one_each_time(client, admin, mail):
    invite(client)
    for _ in range(3):
        client.post(f"/settings/people/{invited().pk}/invite-again/")
    links = [link_in(message) for message in mail.messages]
    assert [is_dead(link) for link in links] == [True, True, True, False]


def test_a_withdrawn_invitation_leaves_nothing_but_its_trace(client, admin, mail):
    invite(client)
    user = invited()
    browser, page = opened(link_in(mail.messages[0]))
    response = client.post(f"/settings/people/{user.pk}/withdraw/", follow=True)

    assert "is withdrawn" in messages_after(response)
    assert not User.objects.filter(pk=user.pk).exists()
    assert "This link does not work" in browser.post(page, BOTH).text
    assert LogEntry.objects.filter(action=LogEntry.Action.DELETE, object_pk=user.pk, actor=admin).exists()
    assert "is invited" in messages_after(invite(client))


def test_a_deactivated_invitation_is_dead(client, admin, mail):
    invite(client)
    user = invited()
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert is_dead(link_in(mail.messages[0]))
    response = client.post(f"/settings/people/{user.pk}/invite-again/", follow=True)
    assert "is deactivated" in messages_after(response)
    assert len(mail.messages) == 1


@pytest.mark.parametrize("what", ["invite-again", "withdraw"])
def test_who_has_accepted_is_no_longer_invited(client, admin, mail, what):
    user = UserFactory(role="Viewer")
    response = client.post(f"/settings/people/{user.pk}/{what}/", follow=True)
    assert "has accepted already" in messages_after(response)
    assert User.objects.filter(pk=user.pk).exists()
    assert mail.messages == []


def test_somebody_who_was_here_before_is_not_withdrawn(client, admin):
    user = UserFactory(role="Viewer", password=None, last_login="2026-01-01T00:00:00Z")
    response = client.post(f"/settings/people/{user.pk}/withdraw/", follow=True)
    assert "has been here before" in messages_after(response)
    assert User.objects.filter(pk=user.pk).exists()


@pytest.mark.parametrize("address", ["rin@example.com", "RIN@Example.COM", "  rin@EXAMPLE.com "])
def test_an_address_is_invited_once_however_it_is_spelled(client, admin, mail, address):
    def refusal():
        response = invite(client, address)
        assert response.status_code == 400
        assert address.strip() in response.text, "what was typed stays"
        return response.text

    user = UserFactory(role="Viewer", username="rt", email="Rin@example.com")
    text = refusal()
    assert "is here already (Viewer)" in text
    assert f'href="/settings/people/{user.pk}/"' in text
    user.set_unusable_password()
    user.save()
    assert "is invited already" in refusal()
    user.is_active = False
    user.save()
    assert "reactivate that instead" in refusal()
    assert mail.messages == []


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"email": "", "role": "Viewer"}, "Enter the address"),
        ({"email": "not one", "role": "Viewer"}, "This is not an e-mail address"),
        ({"email": "a@b.c\x00", "role": "Viewer"}, "Null characters are not allowed"),
        ({"email": "a@example.com\nBcc: all@example.com", "role": "Viewer"}, "This is not an e-mail address"),
        ({"email": f"{'a' * 60}@{'b' * 60}.{'c' * 60}.com", "role": "Viewer"}, "at most 150 characters"),
        ({"email": "a@example.com"}, "Choose a role"),
        ({"email": "a@example.com", "role": "Superuser"}, "There is no such role"),
    ],
)
def test_what_cannot_be_invited_is_told_beside_its_field(client, admin, mail, fields, sentence):
    response = client.post("/settings/people/invite/", fields)
    assert response.status_code == 400
    assert sentence in response.text
    assert (User.objects.count(), mail.messages) == (1, [])


def test_a_mail_server_that_is_down_loses_no_invitation(client, admin, mail):
    mail.stop()
    response = invite(client)
    assert response.status_code == 200
    assert "is invited, but the mail could not be sent." in messages_after(response)
    assert "Send again" in messages_after(response)
    assert "Invited, waiting" in response.text

    mail.start()
    client.post(f"/settings/people/{invited().pk}/invite-again/")
    assert not is_dead(link_in(mail.messages[0]))


def test_without_a_mail_server_the_page_says_where_the_message_goes(client, admin, settings, capsys):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    for path in ("", "invite/"):
        assert "only printed in the server’s log" in client.get(f"/settings/people/{path}").text
    response = invite(client)
    assert "only printed in the server’s log" in messages_after(response)
    assert f"/settings/people/{invited().pk}/" in response.text
    assert "/invitation/" in capsys.readouterr().out


def test_the_log_never_holds_a_link(client, admin, mail, caplog):
    from finops.secrets import RedactingFilter

    caplog.handler.addFilter(RedactingFilter())
    caplog.set_level("DEBUG")
    invite(client)
    link = link_in(mail.messages[0])
    mail.stop()
    client.post(f"/settings/people/{invited().pk}/invite-again/")
    browser, page = opened(link_to(invited()))
    Client().delete(link)
    browser.post(page, BOTH)
    assert link.rstrip("/").rpartition("/")[2] not in caplog.text


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "password1234", "new_password2": "password1234"}, "too common"),
        ({"new_password1": CHOSEN, "new_password2": "other"}, "match"),
        (
            {
                "name": "Rin Tanaka-Example",
                "new_password1": "rin tanaka-example",
                "new_password2": "rin tanaka-example",
            },
            "too similar",
        ),
        ({"name": "x\x00", **BOTH}, "Null characters"),
        ({"name": "x" * 151, **BOTH}, "at most 150"),
    ],
)
def test_a_password_that_will_not_do_is_told_and_the_name_kept(typed, sentence):
    user = UserFactory(password=None, role="Viewer")
    browser, page = opened(link_to(user))
    response = browser.post(page, typed)
    assert sentence in response.text
    assert (typed.get("name") or "").strip("\x00") in response.text
    assert not User.objects.get(pk=user.pk).has_usable_password()
    assert browser.post(page, BOTH).status_code == 302


def test_somebody_elses_session_in_the_browser_is_named_and_ends_with_acceptance():
    other, user = UserFactory(role="Admin"), UserFactory(password=None, role="Viewer")
    browser = Client()
    browser.force_login(other)
    old_session = browser.session.session_key
    _, page = opened(link_to(user), browser)
    text = browser.get(page).text
    assert f"In this browser {other} is logged in." in text
    assert "logged in" not in Client().get(opened(link_to(user))[1]).text

    response = browser.post(page, BOTH, follow=True)

    assert response.context["user"] == user
    assert browser.get("/settings/people/").status_code == 403
    assert not browser.session.exists(old_session)
    entry = (
        LogEntry.objects.get_for_object(user)
        .filter(additional_data__happened="accepted the invitation")
        .get()
    )
    assert entry.actor == user


def test_one_kind_of_link_is_not_the_other():
    waiting, member = UserFactory(password=None, role="Viewer"), UserFactory(role="Viewer")
    reset = "password_reset_confirm"
    for link in (
        link_to(waiting, default_token_generator),
        link_to(member),
        link_to(member, default_token_generator),
    ):
        assert is_dead(link)
    for link in (
        link_to(waiting, tokens, reset),
        link_to(waiting, default_token_generator, reset),
        link_to(member, tokens, reset),
    ):
        assert "used already" in Client().get(link, follow=True).text


@pytest.mark.parametrize("uid", ["MQ", "x", "AAAA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "%00", "-"])
@pytest.mark.parametrize("token", ["set-password", "a-b", "0-" + "0" * 32, "%00"])
def test_made_up_links_are_dead(uid, token):
    for ask in (Client().get, Client().post):
        response = ask(f"/invitation/{uid}/{token}/")
        assert response.status_code == 200
        assert "This link does not work" in response.text


@pytest.mark.parametrize(
    "typed",
    [
        "rin@ex\N{SMALL COMMERCIAL AT}ample.com",
        "rin@example.com\N{FULLWIDTH COMMA}eve.example",
        "rin@exam\N{EM SPACE}ple.com",
        "rin@exam\N{LINE SEPARATOR}ple.com",
        # Eighteen letters each, in their plain form.
        "rin@" + "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 20 + ".com",
    ],
)
def test_what_is_no_address_in_plain_letters_is_refused(client, admin, mail, typed):
    response = invite(client, typed)
    assert response.status_code == 400
    assert "This is not an e-mail address." in response.text
    assert User.objects.count() == 1
    assert mail.messages == []


def test_an_address_in_full_width_letters_is_stored_in_plain_ones(client, admin, mail):
    invite(client, "rin@ｅxａmple.com")
    assert invited("rin@example.com").email == "rin@example.com"
    assert mail.messages[0]["To"] == "rin@example.com"
