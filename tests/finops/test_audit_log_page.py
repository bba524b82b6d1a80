"""The page of the audit log: its filters, its pages, its CSV, and who sees it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.models import SeatPrice
from finops.audit_log.page import PAGE_SIZE
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory
from tests.finops.audited import CSV, PAGE, connection_of, entries, table

pytestmark = pytest.mark.django_db


def test_filters_narrow_down_and_the_csv_holds_exactly_what_they_leave(auditor, client):
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
    assert told(who=str(auditor.pk)) == told(who="not-logged-in") == []


def test_days_are_inclusive_and_utc(auditor, client):
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
def test_a_bad_value_is_refused_with_its_field_named_and_kept_as_typed(auditor, client, url, field, value):
    response = client.get(url, {field: value, "kind": "person"} if field != "kind" else {field: value})

    assert response.status_code == 400
    assert f'data-problem="{field}"' in response.content.decode()
    if field in ("start", "end"):
        assert value in response.content.decode()


def test_days_the_wrong_way_round_are_refused(auditor, client):
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


def test_pages_lead_to_every_entry_once_and_back(auditor, client):
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


def test_the_csv_holds_all_pages_newest_first(auditor, client):
    entries(1203)

    rows = table(client)

    assert [row["what"] for row in rows] == [
        f"changed the name of Busy: name {n} → name {n + 1}" for n in reversed(range(1203))
    ]
    assert rows[-1]["time_utc"] == "2026-11-01T00:00:00.000Z"


def test_a_page_takes_few_queries_and_counts_nothing(auditor, client):
    entries(200)
    CostCenterFactory(name="Another")
    SavedViewFactory(owner=auditor)
    UserFactory(role="Viewer")
    connection_of(CostCenterFactory(name="Third"))
    client.get(PAGE)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(PAGE).status_code == 200

    assert len(queries) <= 15
    assert not any("COUNT(" in query["sql"].upper() for query in queries)


def test_no_spreadsheet_takes_a_name_for_a_formula(auditor, client):
    CostCenterFactory(name='=HYPERLINK("http://evil.example","x")')
    CostCenterFactory(name="Zürich ☂")

    rows = table(client, kind="cost-center")

    assert rows[1]["object"].startswith("'=HYPERLINK")
    assert rows[0]["object"] == "Zürich ☂"


def test_names_are_text_on_the_page_whatever_they_hold(auditor, client):
    CostCenterFactory(name="<script>alert(1)</script>")

    page = client.get(PAGE).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_objects_that_still_exist_are_linked(auditor, client):
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


def test_the_entries_in_the_django_admin_are_never_all_looked_at(auditor, client):
    CostCenterFactory()
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/admin/auditlog/logentry/").status_code == 200
    asked = [query["sql"] for query in queries if "auditlog_logentry" in query["sql"]]
    assert asked
    assert not [sql for sql in asked if "DISTINCT" in sql or "MIN(" in sql or "COUNT(" in sql]
