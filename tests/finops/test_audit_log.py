"""The audit log: what was recorded in plain words, its filters, its pages and its CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.models import CostCenter, SeatPrice
from finops.audit_log import record
from finops.audit_log.page import PAGE_SIZE
from finops.audit_log.words import sentence
from finops.models import ApiToken
from finops.secrets import Secrets, fingerprints, hint
from integrations import connections
from integrations.models import Integration
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory, role_group

pytestmark = pytest.mark.django_db
PAGE, CSV = "/settings/audit-log/", "/settings/audit-log/export.csv"
KEY = "crsr_audit_0123456789abcdef"


@pytest.fixture
def admin(client) -> User:
    user: User = UserFactory(role="Admin", username="ann")
    client.force_login(user)
    LogEntry.objects.all().delete()
    return user


def newest() -> str:
    return sentence(LogEntry.objects.latest("pk"))


def connection_of(center: CostCenter) -> Integration:
    return Integration.objects.create(
        cost_center=center,
        provider="cursor",
        credentials=Secrets({"admin_api_key": KEY}),
        key_hint=hint(KEY),
        key_fingerprint=fingerprints(KEY)[0],
        api_url="https://api.example.com",
    )


def table(client: Any, **filters: str) -> list[dict[str, str]]:
    """The CSV, read back."""
    response = client.get(CSV, filters)
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(response).decode())))


def entries(number: int, *, began: datetime = datetime(2026, 11, 1, tzinfo=UTC)) -> None:
    """So many renames of one cost center, ten to the same instant."""
    center = CostCenterFactory(name="Busy")
    LogEntry.objects.all().delete()
    kind = ContentType.objects.get_for_model(CostCenter)
    LogEntry.objects.bulk_create(
        LogEntry(
            content_type=kind,
            object_pk=str(center.pk),
            object_id=center.pk,
            object_repr="Busy",
            action=LogEntry.Action.UPDATE,
            changes={"name": [f"name {n}", f"name {n + 1}"]},
            timestamp=began + timedelta(minutes=n // 10),
        )
        for n in range(number)
    )


# In plain words -------------------------------------------------------------------------------------------------------


def test_a_seat_price_tells_what_held_before_and_from_when_the_new_one_holds(admin):
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


def test_a_seat_price_is_still_told_when_its_cost_center_is_gone(admin, client):
    center = CostCenterFactory(name="Short-lived")
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=date(2026, 1, 1))
    center.delete()

    told = [row["what"] for row in table(client, kind="seat-price")]

    assert told == [
        "took back the seat price of Short-lived: 40.00 USD from 1 Jan 2026",
        "changed the seat price of Short-lived: not tracked → 40.00 USD from 1 Jan 2026",
    ]
    assert "removed the cost center Short-lived" in client.get(PAGE).content.decode()


def test_a_key_is_told_by_its_hint(admin):
    integration = connection_of(CostCenterFactory(name="Cursor Team"))
    assert newest().startswith("added the connection Cursor Team (")
    assert "key …cdef" in newest()

    record.key_replaced(integration, before="…1234", after="…9876")
    assert newest() == "replaced the key of Cursor Team: …1234 → …9876"
    record.key_replaced(integration, before="…9876", after="")
    assert newest() == "deleted the key of Cursor Team: …9876"


def test_disconnecting_is_recorded_with_the_key_that_was_deleted(admin):
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
def test_a_status_set_without_saving_is_recorded(admin, before, after, told):
    center = CostCenterFactory(name="Cursor")

    record.changed(center, status=(before, after), name=("Cursor", "Cursor"))

    assert newest() == told


def test_nothing_is_recorded_when_nothing_changed(admin):
    center = CostCenterFactory()
    LogEntry.objects.all().delete()

    record.changed(center, status=("active", "active"), currency=("USD", "USD"))

    assert not LogEntry.objects.exists()


def test_an_event_that_changes_no_field_is_told_in_its_own_words(admin):
    record.happened(connection_of(CostCenterFactory(name="Cursor Team")), "read again 1–7 Nov")

    assert newest() == "Cursor Team: read again 1–7 Nov"
    record.happened(UserFactory(username="rin"), "invited rin again")
    assert newest() == "invited rin again"


def test_secrets_are_masked_whoever_records_them(admin, client):
    integration = connection_of(CostCenterFactory(name="Cursor Team"))

    record.changed(integration, credentials=("old " + KEY, KEY), key_fingerprint=("abc123", "def456"))
    record.happened(integration, f"tried the key {KEY}")
    integration.save()

    rows = str(list(LogEntry.objects.values())) + str(table(client)) + client.get(PAGE).content.decode()
    for secret in (KEY, KEY[:-4], "abc123", "def456", fingerprints(KEY)[0]):
        assert secret not in rows


def test_a_password_is_told_to_have_changed_and_nothing_more(admin):
    user = UserFactory(username="rin")
    user.set_password("entirely new 1")
    user.save()

    assert newest() == "changed the password of rin"
    assert user.password not in str(list(LogEntry.objects.values()))


def test_roles_and_accounts_are_told_as_people_speak_of_them(admin):
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


def test_a_token_is_told_by_its_name_never_by_what_it_is_made_of(admin, client):
    made, token = ApiToken.objects.create(user=admin, name="Nightly export", scope="read")
    assert newest().startswith("added the API token Nightly export (last day ")
    digest = made.digest
    made.delete()
    assert newest().startswith("removed the API token Nightly export")

    shown = client.get(PAGE).content.decode() + str(table(client))
    recorded = str(list(LogEntry.objects.values("changes", "additional_data", "object_repr")))
    for secret in (token, token[:8], digest):
        assert secret not in shown
        assert secret not in recorded
    assert "Nightly export" in shown


def test_a_saved_view_that_is_shared_is_told(admin):
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
def test_an_entry_of_another_version_is_still_readable(admin, client, changes):
    entries(1)
    LogEntry.objects.update(changes=changes, additional_data=["odd"])

    response = client.get(PAGE)

    assert response.status_code == 200
    assert "Busy" in response.content.decode()


# Who ------------------------------------------------------------------------------------------------------------------


def test_who_did_it_and_from_where_is_told(admin, client, settings):
    settings.HTTPS = True
    center = CostCenterFactory(name="Cursor")
    view = SavedViewFactory(owner=admin, name="Mine")
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


def test_headers_of_a_browser_cannot_break_or_forge_an_entry(admin, client):
    view = SavedViewFactory(owner=admin, name="Mine")
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
def test_who_is_gone_is_not_taken_for_onebill_itself(admin, client, email):
    gone = UserFactory(role="Viewer", username="gone", email=email)
    view = SavedViewFactory(owner=gone, name="Mine")
    client.force_login(gone)
    client.post(f"/explorer/views/{view.pk}/rename/", {"name": "Ours"})
    client.force_login(admin)
    gone.delete()

    (row,) = table(client, kind="saved-view", action="changed")

    assert row["who"] == f"{email or 'gone'} (account removed since)"
    assert row["what"] == "changed the name of Ours: Mine → Ours"
    onebills = [row["what"] for row in table(client, who="onebill")]
    assert "changed the name of Ours: Mine → Ours" not in onebills


# Filters --------------------------------------------------------------------------------------------------------------


def test_filters_narrow_down_and_the_csv_holds_exactly_what_they_leave(admin, client):
    alpha, beta = CostCenterFactory(name="Alpha"), CostCenterFactory(name="Beta 100%")
    alpha.name = "Alpha two"
    alpha.save()
    beta.delete()

    def told(**filters: str) -> list[str]:
        rows = [row["what"] for row in table(client, **filters)]
        page = client.get(PAGE, filters).context["page"]
        assert [row.what for row in page.rows] == rows
        return rows

    assert told(action="changed", kind="cost-center") == ["changed the name of Alpha two: Alpha → Alpha two"]
    assert [what.split(" (")[0] for what in told(action="removed")] == ["removed the cost center Beta 100%"]
    assert len(told(q="alpha")) == 2
    assert len(told(q="100%")) == 2
    assert told(q="%_%") == []
    assert told(kind="token") == []
    assert len(told(who="onebill")) == len(told()) == 4
    assert told(who=str(admin.pk)) == told(who="not-logged-in") == []


def test_days_are_inclusive_and_utc(admin, client):
    entries(1, began=datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC))

    for start, end, found in [
        ("2026-11-20", "2026-11-20", 1),
        ("2026-11-20", "", 1),
        ("", "2026-11-20", 1),
        ("2026-11-21", "", 0),
        ("", "2026-11-19", 0),
        ("0001-01-01", "9999-12-31", 1),
    ]:
        assert len(table(client, start=start, end=end)) == found, (start, end)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("who", "999999"),
        ("who", "ann"),
        ("kind", "stream"),
        ("action", "erased"),
        ("start", "yesterday"),
        ("end", "2026-02-30"),
        ("after", "nonsense"),
        ("before", "é"),
        ("q", "a\0b"),
        ("q", "x" * 201),
    ],
)
@pytest.mark.parametrize("url", [PAGE, CSV])
def test_a_bad_value_is_refused_with_its_field_named_and_kept_as_typed(admin, client, url, field, value):
    response = client.get(url, {field: value, "kind": "person"} if field != "kind" else {field: value})

    assert response.status_code == 400
    assert f'data-problem="{field}"' in response.content.decode()
    if field in ("start", "end"):
        assert value in response.content.decode()


def test_days_the_wrong_way_round_are_refused(admin, client):
    response = client.get(PAGE, {"start": "2026-11-21", "end": "2026-11-20"})

    assert response.status_code == 400
    assert "Must not be before the first day." in response.content.decode()


@pytest.mark.parametrize("role", ["", "Viewer", "Editor"])
@pytest.mark.parametrize("url", [PAGE, CSV])
def test_only_admins_see_it(client, role, url):
    client.force_login(UserFactory(role=role))

    assert client.get(url).status_code == 403
    assert "/settings/audit-log/" not in client.get("/settings/cost-centers/").content.decode()


# Pages and size -------------------------------------------------------------------------------------------------------


def test_pages_lead_to_every_entry_once_and_back(admin, client):
    entries(3 * PAGE_SIZE + 7)
    seen: list[list[str]] = []
    url = f"{PAGE}?kind=cost-center"
    while url:
        page = client.get(url).context["page"]
        seen.append([row.what for row in page.rows])
        back, url = page.newer_url, page.older_url
    assert [len(rows) for rows in seen] == [PAGE_SIZE] * 3 + [7]
    assert seen[0][0].endswith(f"→ name {3 * PAGE_SIZE + 7}")
    assert len({what for rows in seen for what in rows}) == 3 * PAGE_SIZE + 7

    upwards = [seen[-1]]
    while back:
        page = client.get(back).context["page"]
        upwards.append([row.what for row in page.rows])
        back = page.newer_url
    assert upwards == seen[::-1]


def test_the_csv_holds_all_pages_newest_first(admin, client):
    entries(1203)

    rows = table(client)

    assert [row["what"] for row in rows] == [
        f"changed the name of Busy: name {n} → name {n + 1}" for n in reversed(range(1203))
    ]
    assert rows[-1]["time_utc"] == "2026-11-01T00:00:00.000Z"


def test_a_page_takes_few_queries_and_counts_nothing(admin, client):
    entries(200)
    CostCenterFactory(name="Another")
    SavedViewFactory(owner=admin)
    UserFactory(role="Viewer")
    connection_of(CostCenterFactory(name="Third"))
    client.get(PAGE)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(PAGE).status_code == 200

    assert len(queries) <= 15
    assert not any("COUNT(" in query["sql"].upper() for query in queries)


def test_no_spreadsheet_takes_a_name_for_a_formula(admin, client):
    CostCenterFactory(name='=HYPERLINK("http://evil.example","x")')
    CostCenterFactory(name="Zürich ☂")

    rows = table(client, kind="cost-center")

    assert rows[1]["object"].startswith("'=HYPERLINK")
    assert rows[0]["object"] == "Zürich ☂"


def test_names_are_text_on_the_page_whatever_they_hold(admin, client):
    CostCenterFactory(name="<script>alert(1)</script>")

    page = client.get(PAGE).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_objects_that_still_exist_are_linked(admin, client):
    here, gone = CostCenterFactory(name="Here"), CostCenterFactory(name="Gone")
    SeatPrice.objects.create(cost_center=here, monthly_price=Decimal(1), effective_from=date(2026, 1, 1))
    integration = connection_of(here)
    person = UserFactory(username="rin")
    gone.delete()

    rows = {(row.kind, row.name): row.url for row in client.get(PAGE).context["page"].rows}

    assert rows["Cost center", "Here"] == rows["Seat price", "Here"] == here.get_absolute_url()
    assert rows["Connection", "Here"] == integration.cost_center.get_absolute_url()
    assert str(person.pk) in rows["Person", "rin"]
    assert rows["Cost center", "Gone"] == ""


def test_the_entries_in_the_django_admin_are_never_all_looked_at(admin, client):
    CostCenterFactory()
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/admin/auditlog/logentry/").status_code == 200
    asked = [query["sql"] for query in queries if "auditlog_logentry" in query["sql"]]
    assert asked
    assert not [sql for sql in asked if "DISTINCT" in sql or "MIN(" in sql or "COUNT(" in sql]
