"""A new key for a connection: verified, swapped at once, never echoed; and what keeps the old one in place."""

from __future__ import annotations

from typing import ClassVar

import pytest
from auditlog.models import LogEntry
from django import forms
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter, CostLineItem
from integrations import life
from integrations.editing.forms import key_form
from integrations.models import Integration
from integrations.providers.cursor.forms import ConnectCursorForm
from tests.connecting import connect, work
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
FOREIGN_KEY = "crsr_foreign_0123456789abcdef0123456789ab"
WRONG_KEY = "crsr_thisKeyWasRevokedYesterday00"


@pytest.fixture
def editor(client):
    client.force_login(UserFactory(role="Editor"))
    return client


@pytest.fixture
def integration(editor, api):
    found = connect(editor, api)
    work(found)
    return found


def url(integration):
    return reverse("cost-center-key", args=[integration.cost_center_id])


def stored_key(integration):
    return Integration.objects.get(pk=integration.pk).credentials.open()["admin_api_key"]


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_a_good_key_takes_the_place_of_the_old_one(editor, integration, api):
    api.add_key(NEW_KEY)
    items = CostLineItem.objects.count()

    response = editor.post(url(integration), {"admin_api_key": f" {NEW_KEY}\n"}, follow=True)

    assert response.redirect_chain == [(integration.cost_center.get_absolute_url(), 302)]
    page = response.content.decode()
    assert stored_key(integration) == NEW_KEY
    assert "The new key (…cdef) works and is in use." in page
    assert f"Now revoke the old key (…{api.api_key[-4:]}) in Cursor’s dashboard." in page
    assert "Data is complete through" in page
    assert NEW_KEY not in page
    assert api.api_key not in page
    work(integration)
    assert CostLineItem.objects.count() >= items
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE


def test_a_wrong_key_leaves_the_old_one_working_and_is_not_echoed(editor, integration, api):
    response = editor.post(url(integration), {"admin_api_key": WRONG_KEY})

    page = response.content.decode()
    assert "Cursor refused this key (401" in page
    assert "stays in use" in page
    assert WRONG_KEY not in page
    assert "other_team" not in response.context["form"].fields
    assert stored_key(integration) == api.api_key
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE
    assert "no-store" in response["Cache-Control"]


def test_a_key_of_another_team_is_taken_only_when_that_is_confirmed(editor, integration, api):
    api.add_key(FOREIGN_KEY, team="other")
    assert "other_team" not in editor.get(url(integration)).content.decode()

    response = editor.post(url(integration), {"admin_api_key": FOREIGN_KEY})

    page = response.content.decode()
    assert "This key belongs to another Cursor team" in page
    assert "paste the key once more" in page
    assert FOREIGN_KEY not in page
    assert not response.context["form"]["other_team"].value()
    assert stored_key(integration) == api.api_key

    response = editor.post(url(integration), {"admin_api_key": "", "other_team": "on"})
    assert response.context["form"]["other_team"].value() is True
    assert stored_key(integration) == api.api_key

    response = editor.post(url(integration), {"admin_api_key": FOREIGN_KEY, "other_team": "on"})
    assert response.status_code == 302
    assert stored_key(integration) == FOREIGN_KEY


def test_confirming_another_team_does_not_let_a_wrong_key_in(editor, integration, api):
    response = editor.post(url(integration), {"admin_api_key": WRONG_KEY, "other_team": "on"})

    assert "Cursor refused this key" in response.content.decode()
    assert stored_key(integration) == api.api_key


def test_the_same_key_once_more_needs_no_revoking(editor, integration, api):
    response = editor.post(url(integration), {"admin_api_key": api.api_key})

    assert "This is the key that was stored already" in said(response)[-1]
    assert "revoke" not in " ".join(said(response))


def test_a_key_of_another_cost_center_is_refused(editor, integration, api):
    api.add_key(FOREIGN_KEY, team="other")
    other = connect(editor, api, name="Other", admin_api_key=FOREIGN_KEY)

    page = editor.post(url(other), {"admin_api_key": api.api_key}).content.decode()

    assert "already connected, as “Cursor”" in page
    assert stored_key(other) == FOREIGN_KEY


def test_a_new_key_ends_needs_attention_and_says_what_follows(editor, integration, api):
    api.revoke()
    editor.post(reverse("cost-center-test", args=[integration.cost_center_id]))
    page = editor.get(url(integration)).content.decode()
    assert "A new key for Cursor" in page
    assert "Why it needs attention:" in page
    api.add_key(NEW_KEY)

    response = editor.post(url(integration), {"admin_api_key": NEW_KEY})

    assert "what came since is being read now" in " ".join(said(response))
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE


def test_a_paused_connection_stays_paused_with_its_new_key(editor, integration, api):
    api.add_key(NEW_KEY)
    life.pause(integration, now=timezone.now())

    response = editor.post(url(integration), {"admin_api_key": NEW_KEY})

    assert "It stays paused until you resume it." in " ".join(said(response))
    assert CostCenter.objects.get().status == CostCenter.Status.PAUSED


def test_a_removed_connection_has_no_key_to_rotate(editor, integration, api):
    life.remove(integration, with_history=False, now=timezone.now())
    api.add_key(NEW_KEY)

    for response in (editor.get(url(integration)), editor.post(url(integration), {"admin_api_key": NEW_KEY})):
        assert "Connect it again" in response.content.decode()
    assert Integration.objects.get().credentials is None


def test_a_key_with_a_slip_is_refused_before_anybody_is_asked(editor, integration, api):
    asked = len(api.requests)

    for typed in ("", "two words", "naïve", "a" * 501):
        response = editor.post(url(integration), {"admin_api_key": typed})
        assert response.context["form"].errors["admin_api_key"]
    assert len(api.requests) == asked


def test_no_key_is_in_the_audit_log(editor, integration, api):
    api.add_key(NEW_KEY)
    editor.post(url(integration), {"admin_api_key": NEW_KEY})

    changes = [entry.changes for entry in LogEntry.objects.filter(changes__has_key="key_hint")]
    assert ["…cdef"] in [change["key_hint"][1:] for change in changes]
    assert NEW_KEY not in str(list(LogEntry.objects.values()))


class TwoCredentials(ConnectCursorForm):
    """A provider that needs a key and an address."""

    account = forms.CharField(max_length=50)


class AnotherProvider:
    name = "Another"
    form: ClassVar[type[forms.Form]] = TwoCredentials


def test_every_credential_of_a_provider_is_asked_for_and_nothing_else():
    assert list(key_form(AnotherProvider()).fields) == ["admin_api_key", "account"]
    assert list(key_form(AnotherProvider(), asks_for_team=True).fields) == [
        "admin_api_key",
        "account",
        "other_team",
    ]
    assert key_form(AnotherProvider(), {"admin_api_key": "k", "account": "a"}).is_valid()
