from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.core import mail
from django.core.cache import cache
from django.test import RequestFactory

from costcenters.models import CostCenter
from finops.middleware import client_address
from tests.factories import PASSWORD, UserFactory


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("", "10.0.0.9"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:db8::1]:99", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "10.0.0.9"),
    ],
)
def test_behind_a_proxy_the_address_is_the_one_it_saw(forwarded, seen, settings):
    settings.HTTPS = True
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR="10.0.0.9")
    assert client_address(request) == seen


def test_without_a_proxy_nobody_chooses_the_own_address(settings):
    settings.HTTPS = False
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="6.6.6.6", REMOTE_ADDR="10.0.0.9")
    assert client_address(request) == "10.0.0.9"


@pytest.mark.django_db
def test_pages_are_for_nobodys_cache(client):
    client.force_login(UserFactory(role="Viewer"))
    for path in ("/", "/explorer/", "/explorer/export.csv", "/settings/cost-centers/"):
        assert "no-store" in client.get(path)["Cache-Control"]


@pytest.mark.django_db
def test_a_part_of_a_page_without_a_session_has_the_page_loaded_anew(client):
    center = CostCenter.objects.create(name="Cursor", provider="cursor")
    response = client.get(f"/settings/cost-centers/{center.pk}/progress/", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Refresh"]) == (204, "true")


@pytest.mark.django_db
def test_a_password_reset_is_mailed_once_in_five_minutes(client):
    cache.clear()
    user = UserFactory(role="Viewer", email="rin@example.com")
    for _ in range(3):
        response = client.post("/accounts/password_reset/", {"email": "Rin@Example.com"})
        assert response.status_code == 302
    assert [message.to for message in mail.outbox] == [[user.email]]


@pytest.mark.django_db
def test_a_changed_password_is_in_the_audit_log_without_being_told(client):
    user = UserFactory(role="Viewer")
    client.force_login(user)
    client.post(
        "/accounts/password_change/",
        {"old_password": PASSWORD, "new_password1": "quite-Another-1", "new_password2": "quite-Another-1"},
    )
    entry = LogEntry.objects.get_for_object(user).latest("pk")
    assert entry.changes == {"password": ["••••", "••••"]}
    assert entry.actor == user
