"""Logging in: on a new install, with a forgotten password, after too many wrong ones, and for how long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from finops import launch
from finops.models import Heartbeat
from finops.sessions import CLEARED, clear_expired_daily
from integrations import tasks
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
NEW = {"new_password1": "a new long one 7", "new_password2": "a new long one 7"}


def log_in(name, password, address="10.0.0.1"):
    return Client().post("/accounts/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def lock_out(user, address="10.0.0.1"):
    for _ in range(10):
        response = log_in(user.username, "wrong", address)
    assert response.status_code == 429
    return response


def reset_link(client, user):
    cache.clear()
    mail.outbox.clear()
    client.post("/accounts/password_reset/", {"email": user.email})
    return [re.search(r"(/accounts/reset/\S+)", message.body)[1] for message in mail.outbox]


# A new install -----------------------------------------------------------------------------------


def test_the_log_in_of_a_new_install_says_how_to_make_the_first_administrator(client):
    text = client.get("/accounts/login/").text
    assert "Nobody can log in yet." in text
    assert "manage.py createsuperuser" in text
    assert "manage.py up" in text


def test_createsuperuser_makes_the_first_administrator(client, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "first-Admin-77")
    call_command(
        "createsuperuser", username="root", email="root@example.com", interactive=False, stdout=StringIO()
    )
    assert "Nobody can log in yet" not in client.get("/accounts/login/").text
    client.post("/accounts/login/", {"username": "root", "password": "first-Admin-77"})
    assert "Invite somebody" in client.get("/settings/people/").text


def test_up_makes_the_first_administrator_with_a_password_to_print(client):
    admin = launch._administrator()
    password = launch._new_password(admin)
    client.post("/accounts/login/", {"username": admin.username, "password": password})
    assert "Invite somebody" in client.get("/settings/people/").text
    assert launch._new_password(launch._administrator()) == "", "a second start leaves it as it is"


# A forgotten password ----------------------------------------------------------------------------


def test_a_forgotten_password_is_no_way_around_an_invitation(client):
    user = UserFactory(role="Admin", password=None)
    assert reset_link(client, user) == []
    assert log_in(user.username, "!").status_code == 200


def test_deactivated_people_are_sent_no_link(client):
    assert reset_link(client, UserFactory(role="Admin", is_active=False)) == []


def test_a_link_from_before_the_deactivation_is_dead_and_so_is_the_form_behind_it(client):
    user = UserFactory(role="Viewer")
    [link] = reset_link(client, user)
    page = client.get(link)["Location"]
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert "used already" in Client().get(link, follow=True).text
    assert "used already" in client.post(page, NEW).text
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


# Too many wrong passwords ------------------------------------------------------------------------


def test_a_closed_log_in_says_for_how_long_and_what_helps():
    user = UserFactory(role="Viewer")
    text = lock_out(user).text
    assert "closed for 15 minutes" in text
    assert "An Admin can open it too" in text
    right = log_in(user.username, PASSWORD)
    assert (right.status_code, "Too many attempts" in right.text) == (429, True)
    assert log_in(user.username, PASSWORD, "10.0.0.2").status_code == 302, "from elsewhere it is open"


def test_it_opens_by_itself_after_15_minutes_however_often_one_tries(time_machine):
    user = UserFactory(role="Viewer")
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    time_machine.move_to(start)
    lock_out(user)
    time_machine.move_to(start + timedelta(minutes=14))
    assert log_in(user.username, PASSWORD).status_code == 429
    time_machine.move_to(start + timedelta(minutes=15, seconds=30))
    assert log_in(user.username, PASSWORD).status_code == 302


def test_a_new_password_by_mail_opens_it_at_once(client):
    user, other = UserFactory(role="Viewer"), UserFactory(role="Viewer")
    lock_out(user)
    lock_out(other)
    [link] = reset_link(client, user)
    page = client.get(link)["Location"]
    client.post(page, NEW)
    assert log_in(user.username, NEW["new_password1"]).status_code == 302
    assert log_in(other.username, PASSWORD).status_code == 429


def test_an_admin_opens_it_on_the_people_page(client):
    client.force_login(admin := UserFactory(role="Admin"))
    user, other = UserFactory(role="Viewer"), UserFactory(role="Viewer")
    assert "Locked out" not in client.get("/settings/people/").text
    for address in ("10.0.0.1", "10.0.0.2"):
        lock_out(user, address)
    lock_out(other)
    text = client.get("/settings/people/").text
    assert "Too many wrong passwords from two addresses" in text
    assert f'action="/settings/people/{user.pk}/unlock/"' in text
    assert "Open again" in client.get(f"/settings/people/{user.pk}/").text

    response = client.post(f"/settings/people/{user.pk}/unlock/", follow=True)

    assert f"{user} can try to log in again." in response.text
    assert log_in(user.username, PASSWORD).status_code == 302
    assert log_in(other.username, PASSWORD).status_code == 429
    entry = LogEntry.objects.get_for_object(user).filter(actor=admin).get()
    assert entry.additional_data == {"happened": f"opened the log-in of {user} again"}


def test_names_that_are_nobodys_are_not_shown(client):
    """Some people type their password where the name goes."""
    client.force_login(UserFactory(role="Admin"))
    for _ in range(11):
        log_in("hunter2-my-password", "x")
    assert AccessAttempt.objects.filter(username="hunter2-my-password").exists()
    assert "hunter2" not in client.get("/settings/people/").text


def test_a_few_wrong_passwords_or_old_ones_lock_nobody_out(client):
    client.force_login(UserFactory(role="Admin"))
    few, old = UserFactory(role="Viewer"), UserFactory(role="Viewer")
    for _ in range(9):
        log_in(few.username, "wrong")
    lock_out(old)
    AccessAttempt.objects.filter(username=old.username).update(
        attempt_time=timezone.now() - timedelta(minutes=16)
    )
    assert "Locked out" not in client.get("/settings/people/").text
    response = client.post(f"/settings/people/{old.pk}/unlock/", follow=True)
    assert AccessAttempt.objects.filter(username=few.username).exists()
    assert response.status_code == 200


# How long a log-in holds -------------------------------------------------------------------------


def test_a_log_in_ends_after_14_days(client, time_machine):
    time_machine.move_to(start := datetime(2026, 11, 1, 12, tzinfo=UTC), tick=False)
    client.force_login(UserFactory(role="Viewer"))
    time_machine.move_to(start + timedelta(days=13, hours=23), tick=False)
    assert client.get("/").status_code == 200
    time_machine.move_to(start + timedelta(days=14, seconds=1), tick=False)
    assert client.get("/").status_code == 302


def test_a_changed_password_ends_the_other_log_ins_and_keeps_this_one():
    user = UserFactory(role="Viewer")
    here, there = Client(), Client()
    for browser in (here, there):
        browser.force_login(user)
    here.post("/accounts/password_change/", {"old_password": PASSWORD, **NEW})
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)


def session(days, now):
    return Session.objects.create(
        session_key=f"key{days}", session_data="x", expire_date=now + timedelta(days=days)
    )


def test_expired_sessions_are_deleted_once_a_day(django_assert_num_queries):
    now = timezone.now()
    session(-1, now)
    session(1, now)
    assert clear_expired_daily(now)
    assert [row.session_key for row in Session.objects.all()] == ["key1"]

    session(-2, now)
    with django_assert_num_queries(1):
        assert not clear_expired_daily(now + timedelta(hours=23))
    assert Session.objects.count() == 2
    assert clear_expired_daily(now + timedelta(hours=25))
    assert Session.objects.count() == 1


def test_the_worker_deletes_them():
    session(-1, timezone.now())
    tasks.tick()
    assert Session.objects.count() == 0
    assert Heartbeat.objects.filter(name=CLEARED).exists()
