"""The audit log by API: the entries, filters and words of the page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from auditlog.models import LogEntry

from tests.api.answers import Script, answer, fields, problem, script_of
from tests.factories import CostCenterFactory, UserFactory
from tests.finops.audited import KEY, connection_of, entries

pytestmark = pytest.mark.django_db
LOG = "/api/v1/audit-log/"


@pytest.fixture
def script():
    script = Script(UserFactory(role="Admin", username="ann"))
    LogEntry.objects.all().delete()
    return script


def test_an_entry_is_told_in_the_words_of_the_page(script, client):
    center = CostCenterFactory(name="Cursor")
    client.force_login(script.user)
    client.post(f"/settings/cost-centers/{center.pk}/edit/", {"name": "Cursor Team"})
    connection_of(center)

    newest, *_, oldest = answer(script.get(f"{LOG}?kind=cost-center"))["results"]

    assert (
        newest.items()
        >= {
            "action": "changed",
            "kind": "cost-center",
            "object": "Cursor Team",
            "changes": "changed the name of Cursor Team: Cursor → Cursor Team",
            "actor": {"id": script.user.pk, "name": "ann", "note": ""},
            "address": "127.0.0.1",
        }.items()
    )
    assert newest["at"].endswith("Z")
    assert newest["request_id"]
    assert oldest["actor"] == {"id": None, "name": "Onebill itself", "note": ""}
    assert (oldest["action"], oldest["address"], oldest["request_id"]) == ("added", None, None)
    assert KEY not in script.get(LOG).text


def test_the_filters_of_the_page_narrow_it_down(script):
    entries(1, began=datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC))
    UserFactory(username="rin").delete()

    for query, found in [
        ("", 3),
        ("kind=person", 2),
        ("kind=person&action=removed", 1),
        ("q=BUS", 1),
        ("end=2026-11-20", 1),
        ("start=2026-11-20&end=2026-11-20", 1),
        ("who=onebill", 3),
        (f"who={script.user.pk}", 0),
    ]:
        assert len(answer(script.get(f"{LOG}?{query}"))["results"]) == found, query


def test_pages_lead_to_every_entry_once_with_few_queries(script, django_assert_max_num_queries):
    entries(250)
    LogEntry.objects.update(actor=script.user)
    answer(script.get(LOG))
    seen, url = [], f"{LOG}?limit=100&kind=cost-center"
    while url:
        with django_assert_max_num_queries(6):
            page = answer(script.get(url))
        seen += [entry["id"] for entry in page["results"]]
        url = page["next"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 250


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("who=999999", "who"),
        ("who=%00", "who"),
        ("kind=stream", "kind"),
        ("action=erased", "action"),
        ("start=yesterday", "start"),
        ("start=2026-11-21&end=2026-11-20", "end"),
        ("q=a%00b", "q"),
        ("after=MTYuMQ", "after"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_bad_parameter_is_named(script, query, field):
    assert fields(script.get(f"{LOG}?{query}")) == [field]


def test_it_takes_an_admin_and_the_scope(script):
    problem(script_of("Editor").get(LOG), 403)
    assert problem(Script(script.user, "write").get(LOG), 403)["type"] == "urn:onebill:problem:token-scope"


@pytest.mark.parametrize("changes", [None, {}, {"name": None}, {"groups": {"objects": None}}, []])
def test_an_entry_of_another_version_is_still_told(script, changes):
    entries(1)
    LogEntry.objects.update(changes=changes, additional_data=["odd"], action=LogEntry.Action.ACCESS)
    (entry,) = answer(script.get(LOG))["results"]
    assert entry["action"] == "other"
    assert "Busy" in entry["changes"]
