"""The audit log: what is recorded, and how it is told in plain words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from auditlog.models import LogEntry

from costcenters.models import SeatPrice
from finops.audit_log import record
from finops.audit_log.words import sentence
from finops.models import ApiToken
from finops.secrets import fingerprints
from integrations import connections
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory, role_group
from tests.finops.audited import KEY, PAGE, connection_of, entries, newest, table

pytestmark = pytest.mark.django_db


def test_a_seat_price_tells_what_held_before_and_from_when_the_new_one_holds(auditor):
    center = CostCenterFactory(name="Cursor Team")
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=date(2026, 1, 1))
    assert newest() == "changed the seat price of Cursor Team: not tracked → 40.00 USD from 1 Jan 2026"

    price = SeatPrice.objects.create(
        cost_center=center,
        monthly_price=Decimal("45.5"),
        committed_seats=50,
        effective_from=date(2026, 12, 1),
    )
    assert (
        newest()
        == "changed the seat price of Cursor Team: 40.00 → 45.50 USD from 1 Dec 2026, 50 committed seats"
    )

    SeatPrice.objects.create(cost_center=center, monthly_price=None, effective_from=date(2027, 1, 1))
    assert newest() == "changed the seat price of Cursor Team: 45.50 → not tracked from 1 Jan 2027"

    price.delete()
    assert (
        newest() == "took back the seat price of Cursor Team: 45.50 USD from 1 Dec 2026, 50 committed seats"
    )


def test_a_seat_price_is_still_told_when_its_cost_center_is_gone(auditor, client):
    center = CostCenterFactory(name="Short-lived")
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=date(2026, 1, 1))
    center.delete()

    told = [row["what"] for row in table(client, kind="seat-price")]

    assert told == [
        "took back the seat price of Short-lived: 40.00 USD from 1 Jan 2026",
        "changed the seat price of Short-lived: not tracked → 40.00 USD from 1 Jan 2026",
    ]
    assert "removed the cost center Short-lived" in client.get(PAGE).content.decode()


def test_a_key_is_told_by_its_hint(auditor):
    integration = connection_of(CostCenterFactory(name="Cursor Team"))
    assert newest().startswith("added the connection Cursor Team (")
    assert "key …cdef" in newest()

    record.key_replaced(integration, before="…1234", after="…9876")
    assert newest() == "replaced the key of Cursor Team: …1234 → …9876"
    record.key_replaced(integration, before="…9876", after="")
    assert newest() == "deleted the key of Cursor Team: …9876"


def test_disconnecting_is_recorded_with_the_key_that_was_deleted(auditor):
    integration = connection_of(CostCenterFactory(name="Cursor Team"))

    connections.disconnect(integration, now=datetime.now(UTC))

    told = {sentence(entry) for entry in LogEntry.objects.all()}
    assert {"disconnected Cursor Team", "deleted the key of Cursor Team: …cdef"} <= told


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("active", "paused", "paused Cursor"),
        ("paused", "active", "resumed Cursor"),
        ("active", "disconnected", "disconnected Cursor"),
        ("needs attention", "active", "changed the status of Cursor: Needs attention → Active"),
    ],
)
def test_a_status_set_without_saving_is_recorded(auditor, before, after, told):
    center = CostCenterFactory(name="Cursor")

    record.changed(center, status=(before, after), name=("Cursor", "Cursor"))

    assert newest() == told


def test_nothing_is_recorded_when_nothing_changed(auditor):
    center = CostCenterFactory()
    LogEntry.objects.all().delete()

    record.changed(center, status=("active", "active"), currency=("USD", "USD"))

    assert not LogEntry.objects.exists()


def test_an_event_that_changes_no_field_is_told_in_its_own_words(auditor):
    record.happened(connection_of(CostCenterFactory(name="Cursor Team")), "read again 1–7 Nov")

    assert newest() == "Cursor Team: read again 1–7 Nov"
    record.happened(UserFactory(username="rin"), "invited rin again")
    assert newest() == "invited rin again"


def test_secrets_are_masked_whoever_records_them(auditor, client):
    integration = connection_of(CostCenterFactory(name="Cursor Team"))

    record.changed(integration, credentials=("old " + KEY, KEY), key_fingerprint=("abc123", "def456"))
    record.happened(integration, f"tried the key {KEY}")
    integration.save()

    rows = str(list(LogEntry.objects.values())) + str(table(client)) + client.get(PAGE).content.decode()
    for secret in (KEY, KEY[:-4], "abc123", "def456", fingerprints(KEY)[0]):
        assert secret not in rows


def test_a_password_is_told_to_have_changed_and_nothing_more(auditor):
    user = UserFactory(username="rin")
    user.set_password("entirely new 1")
    user.save()

    assert newest() == "changed the password of rin"
    assert user.password not in str(list(LogEntry.objects.values()))


def test_roles_and_accounts_are_told_as_people_speak_of_them(auditor):
    user = UserFactory(username="rin")
    user.groups.add(role_group("Editor"))
    assert newest() == "made rin an Editor"
    user.groups.set([role_group("Viewer")])
    told = [sentence(entry) for entry in LogEntry.objects.order_by("-pk")[:2]]
    assert told == ["made rin a Viewer", "took the role Editor from rin"]
    role_group("Admin").user_set.add(user)
    assert newest() == "made rin an Admin"
    user.is_active = False
    user.save()
    assert newest() == "deactivated the account of rin"
    user.is_superuser = True
    user.save()
    assert newest() == "made rin a superuser"


def test_a_token_is_told_by_its_name_never_by_what_it_is_made_of(auditor, client):
    made, token = ApiToken.objects.create(user=auditor, name="Nightly export", scope="read")
    assert newest().startswith("added the API token Nightly export of ann (last day ")
    digest = made.digest
    made.delete()
    assert newest().startswith("removed the API token Nightly export of ann")

    shown = client.get(PAGE).content.decode() + str(table(client))
    recorded = str(list(LogEntry.objects.values()))
    for secret in (token, token[8:16], digest):
        assert secret not in shown
        assert secret not in recorded
    assert "Nightly export" in shown


def test_a_saved_view_that_is_shared_is_told(auditor):
    view = SavedViewFactory(name="By model")
    view.is_shared = True
    view.save()
    assert newest() == "shared By model"
    view.query = "preset=7d"
    view.save()
    assert newest() == "changed the question of By model: preset=30d&group_by=model → preset=7d"


@pytest.mark.parametrize(
    "changes",
    [None, {}, {"name": None}, {"name": ["one"]}, {"x": {"type": "m2m"}}, {"groups": {"objects": None}}, []],
)
def test_an_entry_of_another_version_is_still_readable(auditor, client, changes):
    entries(1)
    LogEntry.objects.update(changes=changes, additional_data=["odd"])

    response = client.get(PAGE)

    assert response.status_code == 200
    assert "Busy" in response.content.decode()


# Who ------------------------------------------------------------------------------------------------------------------


def test_who_did_it_and_from_where_is_told(auditor, client, settings):
    settings.HTTPS = True
    center = CostCenterFactory(name="Cursor")
    view = SavedViewFactory(owner=auditor, name="Mine")
    client.post(
        f"/explorer/views/{view.pk}/rename/",
        {"name": "Ours"},
        headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"},
        secure=True,
    )
    record.happened(center, "read again 1–7 Nov")

    mine, own = table(client, kind="saved-view", action="changed")[0], table(client, kind="cost-center")[0]

    assert (mine["who"], mine["address"], mine["what"]) == (
        "ann",
        "203.0.113.7",
        "changed the name of Ours: Mine → Ours",
    )
    assert mine["request_id"]
    assert (own["who"], own["address"], own["request_id"]) == ("Onebill itself", "", "")


def test_headers_of_a_browser_cannot_break_or_forge_an_entry(auditor, client):
    view = SavedViewFactory(owner=auditor, name="Mine")
    response = client.post(
        f"/explorer/views/{view.pk}/rename/",
        {"name": "Ours"},
        headers={
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Port": "99999999999999",
            "X-Correlation-ID": "c" * 5000,
        },
    )
    assert response.status_code == 302
    entry = LogEntry.objects.latest("pk")
    assert (entry.remote_addr, entry.remote_port) == ("127.0.0.1", None)
    assert len(entry.cid or "") <= 64


@pytest.mark.parametrize("email", ["gone@example.com", ""])
def test_who_is_gone_is_not_taken_for_onebill_itself(auditor, client, email):
    gone = UserFactory(role="Viewer", username="gone", email=email)
    view = SavedViewFactory(owner=gone, name="Mine")
    client.force_login(gone)
    client.post(f"/explorer/views/{view.pk}/rename/", {"name": "Ours"})
    client.force_login(auditor)
    gone.delete()

    (row,) = table(client, kind="saved-view", action="changed")

    assert row["who"] == f"{email or 'gone'} (account removed since)"
    assert row["what"] == "changed the name of Ours: Mine → Ours"
    onebills = [row["what"] for row in table(client, who="onebill")]
    assert "changed the name of Ours: Mine → Ours" not in onebills
