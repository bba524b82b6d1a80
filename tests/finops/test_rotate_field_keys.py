"""Rotation of the key that encrypts other people's keys."""

from __future__ import annotations

import base64
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from finops.management.commands.rotate_field_keys import Outcome, rotate
from finops.secrets import Secrets, SecretUnreadable, fingerprints, is_encrypted_with_first_key
from integrations.models import Integration
from tests.factories import CostCenterFactory

OLD, NEW, OTHER = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
API_KEY = "crsr_rotation_0123456789abcdef"

pytestmark = pytest.mark.django_db


def connection(name: str, api_key: str = API_KEY) -> Integration:
    integration = Integration.objects.create(
        cost_center=CostCenterFactory(name=name),
        provider="cursor",
        credentials=Secrets({"admin_api_key": api_key}),
        api_url="https://api.example.com",
        key_fingerprint=fingerprints(api_key)[0],
    )
    integration.refresh_from_db()
    return integration


def run() -> str:
    output = StringIO()
    call_command("rotate_field_keys", stdout=output)
    return output.getvalue()


def opened(integration: Integration) -> dict[str, str]:
    integration.refresh_from_db()
    assert integration.credentials is not None
    return dict(integration.credentials.open())


def test_every_credential_is_encrypted_with_the_first_key_and_its_fingerprint_renewed(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    one, two = connection("One"), connection("Two", API_KEY + "2")

    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert run() == "2 re-encrypted, 0 already current.\n"

    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert opened(one) == {"admin_api_key": API_KEY}
    assert opened(two) == {"admin_api_key": API_KEY + "2"}
    assert one.key_fingerprint == fingerprints(API_KEY)[0]


def test_a_second_run_finds_nothing_to_do(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    integration = connection("One")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    run()
    integration.refresh_from_db()
    token = integration.credentials.token
    assert run() == "0 re-encrypted, 1 already current.\n"
    integration.refresh_from_db()
    assert integration.credentials.token == token


def test_a_connection_without_credential_is_passed_over(settings):
    integration = connection("Gone")
    Integration.objects.filter(pk=integration.pk).update(credentials=None, key_fingerprint=None)
    assert run() == "0 re-encrypted, 0 already current.\n"


def test_what_no_key_reads_is_named_and_the_rest_is_done(settings, capsys):
    settings.FIELD_ENCRYPTION_KEYS = [OTHER]
    lost = connection("Lost team", API_KEY + "lost")
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    kept = connection("Kept team")

    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    output = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("rotate_field_keys", stdout=output)
    assert "Lost team" in str(caught.value)
    assert "Kept team" not in str(caught.value)
    assert API_KEY not in str(caught.value)
    assert caught.value.returncode == 1
    assert output.getvalue() == "1 re-encrypted, 0 already current.\n"
    assert opened(kept) == {"admin_api_key": API_KEY}
    with pytest.raises(SecretUnreadable):
        opened(lost)


def test_a_key_replaced_at_the_same_moment_is_not_overwritten(settings, monkeypatch):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    integration = connection("One")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    replacement = "crsr_replacement_0123456789abcdef"
    looked: list[str] = []

    def somebody_is_quicker(token: str) -> bool:
        if not looked:
            Integration.objects.filter(pk=integration.pk).update(
                credentials=Secrets({"admin_api_key": replacement}),
                key_fingerprint=fingerprints(replacement)[0],
            )
        looked.append(token)
        return is_encrypted_with_first_key(token)

    monkeypatch.setattr(
        "finops.management.commands.rotate_field_keys.is_encrypted_with_first_key", somebody_is_quicker
    )
    assert rotate(integration.pk) is Outcome.CURRENT
    assert len(looked) == 2
    assert opened(integration) == {"admin_api_key": replacement}
    assert integration.key_fingerprint == fingerprints(replacement)[0]


def test_a_connection_removed_at_the_same_moment_stays_without_credential(settings):
    integration = connection("One")
    Integration.objects.filter(pk=integration.pk).update(credentials=None, key_fingerprint=None)
    assert rotate(integration.pk) is Outcome.GONE
    integration.refresh_from_db()
    assert integration.credentials is None
