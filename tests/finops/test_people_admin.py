"""People in the Django admin: the group Admin manages them, and cannot make itself more than it is."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.factories import UserFactory

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
