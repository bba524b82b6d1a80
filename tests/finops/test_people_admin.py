"""People in the Django admin: the group Admin manages them, and cannot make itself more than it is."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client

from tests.factories import UserFactory, role_group

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = UserFactory(role="Admin")
    client.force_login(user)
    return user


def form_of(user, **changes):
    fields = {
        "username": user.username,
        "email": user.email,
        "is_active": "on",
        "date_joined_0": "2026-11-01",
        "date_joined_1": "00:00:00",
        "groups": [group.pk for group in user.groups.all()],
    }
    return {**fields, **changes}


def test_an_admin_cannot_become_a_superuser(client, admin):
    url = f"/admin/auth/user/{admin.pk}/change/"
    assert client.post(url, form_of(admin, is_superuser="on", email="new@example.com")).status_code == 302
    admin.refresh_from_db()
    assert (admin.is_superuser, admin.email) == (False, "new@example.com")


@pytest.mark.parametrize("changes", [{"groups": []}, {"is_active": ""}])
def test_the_last_admin_stays_one(client, admin, changes):
    url = f"/admin/auth/user/{admin.pk}/change/"
    response = client.post(url, form_of(admin, **changes))
    assert "is the last one who can manage people" in response.text
    admin.refresh_from_db()
    assert admin.is_active
    assert admin.groups.get().name == "Admin"

    UserFactory(role="Admin")
    assert client.post(url, form_of(admin, **changes)).status_code == 302


def test_an_admin_cannot_change_a_superuser_nor_the_password_of_one(client, admin):
    root = User.objects.create_superuser("root", "root@example.com", "x")
    assert (
        client.post(f"/admin/auth/user/{root.pk}/change/", form_of(root, email="x@example.com")).status_code
        == 403
    )
    assert client.get(f"/admin/auth/user/{root.pk}/password/").status_code == 403
    assert client.post(f"/admin/auth/user/{root.pk}/delete/", {"post": "yes"}).status_code == 403


def test_nobody_deletes_themselves_one_by_one_or_among_many(client, admin):
    other = UserFactory(role="Viewer")
    assert client.post(f"/admin/auth/user/{admin.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(
        "/admin/auth/user/",
        {"action": "delete_selected", "_selected_action": [admin.pk, other.pk], "post": "yes"},
    )
    assert User.objects.filter(pk=admin.pk).exists()


def test_the_queue_has_no_page_from_which_a_function_could_be_called(client):
    client.force_login(User.objects.create_superuser("root", "root@example.com", "x"))
    for name in ("schedule", "ormq", "success", "failure"):
        assert client.get(f"/admin/django_q/{name}/").status_code == 404


@pytest.mark.parametrize(
    "query", ["cost_center__id__exact=99999999999999999999", "charge_type__exact=%00", "q=%00"]
)
def test_a_value_that_cannot_be_looked_for_breaks_nothing(query, client, admin):
    assert client.get(f"/admin/costcenters/costlineitem/?{query}").status_code in (200, 302, 400)


@pytest.mark.parametrize(
    "address",
    [
        "finops/apitoken/%00/delete/",
        "auditlog/logentry/?content_type__id__exact=abc",
        "costcenters/costlineitem/?started_at__year=0",
        "costcenters/costlineitem/?started_at__year=10000",
    ],
)
def test_an_address_that_names_nothing_breaks_nothing(address, client, admin):
    assert client.get(f"/admin/{address}").status_code in (302, 400)


@pytest.mark.parametrize("chosen", ["\0", "abc", "9" * 30])
def test_a_forged_choice_of_rows_breaks_nothing(chosen, client, admin):
    rows = {"action": "delete_selected", "_selected_action": [chosen], "post": "yes"}
    assert client.post("/admin/auth/user/", rows).status_code in (200, 302, 400)
    assert client.post("/admin/finops/notificationsetting/add/", {"user": chosen}).status_code in (200, 400)


@pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
def test_what_a_role_may_is_not_changed_here(client, admin, role):
    group = role_group(role)
    url = f"/admin/auth/group/{group.pk}/"

    assert client.get(f"{url}change/").status_code == 200
    assert client.post(f"{url}change/", {"name": "Nobody", "permissions": []}).status_code == 403
    assert client.post(f"{url}delete/", {"post": "yes"}).status_code == 403


def test_groups_beside_the_roles_are_changed_and_deleted(client, admin):
    group = Group.objects.create(name="Finance")
    url = f"/admin/auth/group/{group.pk}/"

    assert client.post(f"{url}change/", {"name": "Controlling", "permissions": []}).status_code == 302
    assert client.post(f"{url}delete/", {"post": "yes"}).status_code == 302
    assert not Group.objects.filter(name="Controlling").exists()


def test_the_password_of_the_last_admin_is_changed_and_not_taken_away(client, admin):
    url = f"/admin/auth/user/{admin.pk}/password/"
    taken_away = {"usable_password": "false", "unset-password": "1"}
    assert "is the last one who can manage people" in client.post(url, taken_away).text
    admin.refresh_from_db()
    assert admin.has_usable_password()

    new = "another horse battery"
    assert (
        client.post(url, {"usable_password": "true", "password1": new, "password2": new}).status_code == 302
    )
    other = UserFactory(role="Admin")
    assert client.post(f"/admin/auth/user/{other.pk}/password/", taken_away).status_code == 302


def test_a_group_that_may_delete_people_leaves_the_last_admin(client, admin):
    desk = Group.objects.create(name="Desk")
    desk.permissions.set(
        Permission.objects.filter(codename__in=["manage_people", "view_user", "delete_user"])
    )
    clerk, other = UserFactory(), UserFactory(role="Admin")
    clerk.groups.add(desk)
    client.force_login(clerk)

    both = {"action": "delete_selected", "_selected_action": [admin.pk, other.pk], "post": "yes"}
    client.post("/admin/auth/user/", both)
    left = User.objects.get(groups__name="Admin")

    assert client.post(f"/admin/auth/user/{left.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.get(groups__name="Admin") == left


def test_who_is_deactivated_here_stays_logged_out_when_reactivated(client, admin):
    person, browser = UserFactory(role="Viewer"), Client()
    browser.force_login(person)
    url = f"/admin/auth/user/{person.pk}/change/"

    assert client.post(url, form_of(person, is_active="")).status_code == 302
    assert client.post(url, form_of(person)).status_code == 302

    person.refresh_from_db()
    assert person.is_active
    assert browser.get("/").status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page, fields", [("change", {"groups": []}), ("delete", {"post": "yes"})])
def test_two_admins_who_end_each_other_at_once_leave_one(page, fields):
    pair = [UserFactory(role="Admin"), UserFactory(role="Admin")]
    browsers = {user.pk: Client() for user in pair}
    for user in pair:
        browsers[user.pk].force_login(user)
    start = threading.Barrier(2)

    def end(actor, person):
        fields_of_page = form_of(person, **fields)
        start.wait()
        try:
            browsers[actor.pk].post(f"/admin/auth/user/{person.pk}/{page}/", fields_of_page)
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=order) for order in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert User.objects.filter(groups__name="Admin").count() == 1
