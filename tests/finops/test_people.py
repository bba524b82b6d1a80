"""The People page: who is here and how, and what an Admin does about it."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from finops.models import ApiToken
from finops.people import changes
from finops.people.changes import Refused
from finops.people.roles import Role, role_of
from tests.factories import PASSWORD, UserFactory, role_group

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = UserFactory(role="Admin", username="ada@example.com")
    client.force_login(user)
    return user


def invited(**fields):
    user = UserFactory(**fields)
    user.set_unusable_password()
    user.save()
    return user


def row(client, user, query=""):
    """The cells of somebody's row as a person reads them."""
    text = client.get(f"/settings/people/{query}").text
    found = re.search(rf'<tr><th scope="row"><a href="/settings/people/{user.pk}/">.*?</tr>', text, re.DOTALL)
    return found and [
        " ".join(re.sub(r"<[^>]+>", "", cell).split())
        for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found[0], re.DOTALL)
    ]


def messages_after(response):
    return " ".join(str(message) for message in response.context["messages"])


def test_everybody_is_listed_with_role_state_and_last_log_in(client, admin):
    seen = timezone.now() - timedelta(days=2)
    rin = UserFactory(role="Editor", first_name="Rin", last_login=seen)
    root = UserFactory(is_superuser=True)
    nobody = UserFactory()
    waiting = invited(role="Viewer")
    late = invited(role="Viewer", date_joined=timezone.now() - timedelta(days=4))
    gone = UserFactory(role="Viewer", is_active=False)

    assert row(client, rin) == ["Rin", rin.email, "Editor", "Active", f"{seen:%-d %b %Y, %H:%M}"]
    assert row(client, root)[2:] == ["Superuser", "Active", "Never"]
    assert row(client, nobody)[2] == "None"
    assert row(client, waiting)[3] == "Invited, waiting"
    assert row(client, late)[3] == "Invitation expired"
    assert row(client, gone)[3] == "Deactivated"
    assert row(client, admin)[0] == "ada@example.com (you)"


def test_names_are_shown_as_text_whatever_they_hold(client, admin):
    user = UserFactory(first_name="<script>alert(1)</script>", username="<b>x</b>", email="")
    for path in ("", f"{user.pk}/", f"{user.pk}/deactivate/"):
        text = client.get(f"/settings/people/{path}").text
        assert "<script>alert" not in text
        assert "<b>x" not in text


def test_of_several_groups_the_one_that_may_most_is_the_role(client, admin):
    user = UserFactory(role="Viewer")
    user.groups.add(role_group("Editor"), Group.objects.create(name="Finance"))
    assert row(client, user)[2] == "Editor"
    assert "also in Finance" in client.get(f"/settings/people/{user.pk}/").text


def test_a_thousand_people_take_few_queries_and_have_pages(client, admin, django_assert_max_num_queries):
    User.objects.bulk_create(
        User(username=f"many{number:04}@example.com", email=f"many{number:04}@example.com", password="!x")
        for number in range(1000)
    )
    viewer = role_group("Viewer")
    User.groups.through.objects.bulk_create(
        User.groups.through(user_id=pk, group_id=viewer.pk)
        for pk in User.objects.filter(username__startswith="many").values_list("pk", flat=True)
    )
    with django_assert_max_num_queries(15):
        text = client.get("/settings/people/").text

    assert text.count('<tr><th scope="row">') == 100
    assert "1,001 people" in text
    assert "Page 1 of 11" in text
    assert client.get("/settings/people/?page=11").text.count('<tr><th scope="row">') == 1
    assert "Page 11 of 11" in client.get("/settings/people/?page=9999").text
    assert "Page 1 of 11" in client.get("/settings/people/?page=x").text


def test_people_are_found_by_any_part_of_their_names_and_address(client, admin):
    rin = UserFactory(username="r.t@example.com", first_name="Rin", last_name="Tanaka")
    UserFactory(username="other@example.com")
    for words in ("rin", "TANAKA rin", "r.t@", "  Tan  "):
        assert row(client, rin, f"?q={words}"), words
        assert "1 of 3 people" in client.get(f"/settings/people/?q={words}").text
    empty = client.get("/settings/people/?q=%00%3Cb%3Enobody").text
    assert "Nobody is called “&lt;b&gt;nobody”" in empty


def test_a_role_is_changed_for_exactly_one_other_and_holds_without_a_new_log_in(client, admin):
    user = UserFactory(role="Viewer")
    user.groups.add(role_group("Editor"), Group.objects.create(name="Finance"))
    theirs = Client()
    theirs.force_login(user)
    assert theirs.get("/settings/people/").status_code == 403

    response = client.post(f"/settings/people/{user.pk}/role/", {"role": "Admin"}, follow=True)

    assert messages_after(response) == f"{user} is Admin from now on."
    assert {group.name for group in user.groups.all()} == {"Admin", "Finance"}
    assert theirs.get("/settings/people/").status_code == 200


def test_a_changed_role_is_in_the_audit_log_with_who_did_it(client, admin):
    user = UserFactory(role="Viewer")
    client.post(f"/settings/people/{user.pk}/role/", {"role": "Editor"})
    entries = LogEntry.objects.get_for_object(user).filter(actor=admin).order_by("pk")
    assert [
        (entry.changes["groups"]["operation"], entry.changes["groups"]["objects"]) for entry in entries
    ] == [
        ("delete", ["Viewer"]),
        ("add", ["Editor"]),
    ]


@pytest.mark.parametrize("role", ["", "Root", "admin", "\x00"])
def test_a_role_that_there_is_not_is_refused(client, admin, role):
    user = UserFactory(role="Viewer")
    response = client.post(f"/settings/people/{user.pk}/role/", {"role": role}, follow=True)
    assert "hoose" in messages_after(response)
    assert role_of(user) == "Viewer"


@pytest.mark.parametrize("what", ["role", "deactivate", "reactivate", "invite-again", "withdraw", "unlock"])
def test_who_is_not_there_is_not_found(client, admin, what):
    assert client.post(f"/settings/people/999999/{what}/", {"role": "Viewer"}).status_code == 404


def test_nobody_changes_their_own_role_or_deactivates_themselves(client, admin):
    for path, fields, sentence in (
        ("role", {"role": "Viewer"}, "Nobody changes their own role"),
        ("deactivate", {}, "Nobody deactivates themselves"),
    ):
        response = client.post(f"/settings/people/{admin.pk}/{path}/", fields, follow=True)
        assert sentence in messages_after(response)
    admin.refresh_from_db()
    assert (admin.is_active, role_of(admin)) == (True, "Admin")
    for path in ("", "deactivate/"):
        text = client.get(f"/settings/people/{admin.pk}/{path}").text
        assert "This is you." in text
        assert f'action="/settings/people/{admin.pk}' not in text


def test_only_a_superuser_touches_a_superuser(client, admin):
    root = UserFactory(is_superuser=True)
    UserFactory(is_superuser=True)
    for path, fields in (("role", {"role": "Viewer"}), ("deactivate", {}), ("reactivate", {})):
        response = client.post(f"/settings/people/{root.pk}/{path}/", fields, follow=True)
        assert "only another superuser" in messages_after(response)
    assert "Only another superuser" in client.get(f"/settings/people/{root.pk}/").text
    root.refresh_from_db()
    assert (root.is_active, role_of(root)) == (True, "Superuser")

    client.force_login(UserFactory(is_superuser=True))
    client.post(f"/settings/people/{root.pk}/role/", {"role": "Viewer"})
    root.refresh_from_db()
    assert role_of(User.objects.get(pk=root.pk)) == "Viewer"


def test_the_last_one_who_can_manage_people_stays(admin):
    """Somebody may hold the right by another way than the role, and must not end the last Admin either."""
    manager = UserFactory()
    manager.user_permissions.set(role_group("Admin").permissions.all())
    # Who has not accepted yet cannot help anybody.
    invited(role="Admin")
    UserFactory(role="Admin", is_active=False)
    for change in (
        lambda: changes.change_role(manager, admin.pk, Role.EDITOR),
        lambda: changes.deactivate(manager, admin.pk),
    ):
        with pytest.raises(Refused, match="the last one who can manage people"):
            change()

    UserFactory(role="Admin")
    changes.deactivate(manager, admin.pk)
    assert not User.objects.get(pk=admin.pk).is_active


def test_who_was_demoted_meanwhile_may_do_no_more(client, admin):
    """The right is looked at again once the lock is held."""
    other, user = UserFactory(role="Admin"), UserFactory(role="Viewer")
    changes.change_role(other, admin.pk, Role.VIEWER)
    with pytest.raises(changes.PermissionDenied):
        changes.deactivate(admin, user.pk)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_at_once_leave_one():
    role_group("Viewer")
    pair = [UserFactory(role="Admin"), UserFactory(role="Admin")]
    start = threading.Barrier(2)

    def demote(actor, person):
        start.wait()
        try:
            changes.change_role(actor, person.pk, Role.VIEWER)
        except (Refused, changes.PermissionDenied):
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=order) for order in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(role_of(User.objects.get(pk=user.pk)) for user in pair) == ["Admin", "Viewer"]


def test_deactivating_asks_first(client, admin):
    user = UserFactory(role="Viewer", first_name="Rin")
    ApiToken.objects.create(user=user, name="script")
    text = client.get(f"/settings/people/{user.pk}/deactivate/").text
    assert "Deactivate Rin?" in text
    assert "One API token of theirs is refused" in text
    user.refresh_from_db()
    assert user.is_active


def test_a_deactivated_person_is_out_at_once_in_pages_and_api(client, admin):
    user = UserFactory(role="Viewer")
    browser, script = Client(), Client()
    browser.force_login(user)
    _, token = ApiToken.objects.create(user=user, name="script")
    as_script = {"headers": {"Authorization": f"Bearer {token}"}}
    costs = "/api/v1/costs/?preset=7d"
    assert (browser.get("/").status_code, script.get(costs, **as_script).status_code) == (200, 200)

    client.post(f"/settings/people/{user.pk}/deactivate/")

    assert browser.get("/")["Location"].startswith("/accounts/login/")
    assert script.get(costs, **as_script).status_code == 401
    assert browser.get(costs).status_code == 401
    again = browser.post("/accounts/login/", {"username": user.username, "password": PASSWORD})
    assert "Please enter a correct" in again.text
    assert LogEntry.objects.get_for_object(user).latest("pk").changes == {"is_active": ["True", "False"]}


def test_a_reactivated_person_logs_in_anew_with_the_old_password_and_role(client, admin):
    user = UserFactory(role="Editor")
    browser = Client()
    browser.force_login(user)
    _, token = ApiToken.objects.create(user=user, name="script")
    client.post(f"/settings/people/{user.pk}/deactivate/")
    response = client.post(f"/settings/people/{user.pk}/reactivate/", follow=True)

    assert f"{user} is reactivated." in messages_after(response)
    assert browser.get("/").status_code == 302, "a session of before must not come back to life"
    assert (
        browser.post("/accounts/login/", {"username": user.username, "password": PASSWORD}).status_code == 302
    )
    assert role_of(User.objects.get(pk=user.pk)) == "Editor"
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/costs/?preset=7d", headers=headers).status_code == 200


def test_only_their_sessions_end(client, admin):
    user, other = UserFactory(role="Viewer"), UserFactory(role="Viewer")
    for each in (user, user, other):
        Client().force_login(each)
    before = Session.objects.count()
    client.post(f"/settings/people/{user.pk}/deactivate/")
    assert Session.objects.count() == before - 2
    assert client.get("/settings/people/").status_code == 200
