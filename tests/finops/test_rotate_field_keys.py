"""Rotation of the key that encrypts other people's keys."""

from __future__ import annotations

import base64
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from finops.management.commands.rotate_field_keys import Outcome, rotate
from finops.secrets import Secrets, SecretUnreadable, fingerprints, is_encrypted_with_first_key
from integrations import connections
from integrations.connections import NotConnected
from integrations.http import Runtime
from integrations.models import Integration
from integrations.providers import PROVIDERS
from tests.connecting import cursor_api
from tests.factories import CostCenterFactory
from tests.processes import ROOT, environment

OLD, NEW, OTHER = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
API_KEY = "crsr_rotation_0123456789abcdef"
#: Said only when there is another key, and nothing stands against removing it.
REMOVABLE = (
    "Nothing needs the other keys of FIELD_ENCRYPTION_KEYS any more, provided that every process runs with the new "
    "order: they can be removed.\n"
)

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
    assert run() == f"2 re-encrypted, 0 already current.\n{REMOVABLE}"

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
    assert run() == f"0 re-encrypted, 1 already current.\n{REMOVABLE}"
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


def test_two_connections_with_one_key_are_named_and_the_rest_is_done(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    first = connection("First")
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    connection("Second")

    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CommandError) as caught:
        run()

    assert "1 hold the key of another connection: First." in str(caught.value)
    assert opened(first) == {"admin_api_key": API_KEY}


#: A person who replaces the key of one connection again and again, in a process that has the old order of keys still.
SOMEBODY = """
import sys, django
django.setup()
from integrations import connections
from integrations.http import Runtime
from integrations.models import Integration
for turn in range(30):
    key = sys.argv[2] + str(turn % 3)
    integration = Integration.objects.get(pk=int(sys.argv[1]))
    connections.rotate(integration, {"admin_api_key": key}, runtime=Runtime())
    print(key, flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_keys_are_rotated_while_a_person_replaces_one_in_another_process(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    with cursor_api(settings) as api:
        for turn in range(3):
            api.add_key(f"{API_KEY}{turn}")
        busy, quiet = connection("Busy"), connection("Quiet", API_KEY + "quiet")
        Integration.objects.update(api_url=api.url)

        settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
        person = subprocess.Popen(
            [sys.executable, "-c", SOMEBODY, str(busy.pk), API_KEY],
            cwd=ROOT,
            env=environment(FIELD_ENCRYPTION_KEYS=f"{OLD},{NEW}", PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            text=True,
        )
        rounds = 0
        while person.poll() is None:
            call_command("rotate_field_keys", stdout=StringIO())
            # The worker's part: whatever is stored can be read at any moment.
            assert opened(busy)["admin_api_key"].startswith(API_KEY)
            rounds += 1
        replaced = person.communicate()[0].split()
        assert (person.returncode, len(replaced)) == (0, 30)
        assert rounds > 3

        run()
        settings.FIELD_ENCRYPTION_KEYS = [NEW]
        assert opened(busy) == {"admin_api_key": replaced[-1]}
        assert opened(quiet) == {"admin_api_key": API_KEY + "quiet"}
        assert run() == "0 re-encrypted, 2 already current.\n"
        # A key that is connected is still recognised, by the fingerprint of the new encryption key alone.
        with pytest.raises(NotConnected, match="already connected"):
            connections.connect(
                PROVIDERS["cursor"],
                name="Twice",
                credentials={"admin_api_key": replaced[-1]},
                monthly_seat_price=None,
                user=None,
                api_url=api.url,
                runtime=Runtime(),
            )
