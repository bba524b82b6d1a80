"""The page of deliveries: what it lists, what it asks, and what people answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from costcenters.focus.delivery import Problem
from costcenters.models import CostCenter
from finops.models import Heartbeat
from integrations.deliveries.findings import BilledPeriod, Findings
from integrations.models import ImportedFile
from tests.factories import CostCenterFactory, IntegrationFactory, UserFactory
from tests.integrations.deliveries.uploading import (
    address,
    file,
    files_center,
    imported_file,
    set_status,
    shown,
    upload,
)

pytestmark = pytest.mark.django_db
State = ImportedFile.State
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"
SEEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def viewer(client):
    client.force_login(UserFactory(role="Viewer"))


# The list -------------------------------------------------------------------------------------------------------------


def test_there_is_a_tab_for_cost_centers_that_take_files(client, viewer, integration):
    cursor = IntegrationFactory(cost_center=CostCenterFactory())
    tab = address(integration)

    assert f'href="{tab}"' in client.get(integration.cost_center.get_absolute_url()).content.decode()
    assert "/files/" not in client.get(cursor.cost_center.get_absolute_url()).content.decode()
    assert f'href="{tab}" aria-current="page"' in shown(client, integration)


def test_without_a_delivery_the_page_says_so(client, viewer, integration):
    assert "No files yet." in shown(client, integration)
    assert "No such delivery." in shown(client, integration, state="refused")


def test_a_delivery_is_told_in_words(client, viewer, integration):
    found = Findings(
        text="3 statements, 12 days changed.",
        notes=("Column Foo was not kept.",),
        statements=(BilledPeriod("Oct 2026", "Acme <main>"),),
    )
    for name in ("a.parquet", "b.parquet"):
        imported_file(
            integration,
            location=f"exports/2026-10/{name}",
            delivery="d1",
            state=State.IMPORTED,
            rows=3000,
            size=3 * 1024 * 1024,
            imported_at=SEEN + timedelta(minutes=3),
            message=str(found),
        )

    text = shown(client, integration)

    assert "a.parquet and 1 more file" in text
    assert "<code>exports/2026-10</code>" in text
    assert "3,000" in text
    assert "6.0\xa0MB" in text
    assert "20 Nov 2026, 10:00 UTC" in text
    assert "20 Nov 2026, 10:03 UTC" in text
    assert "3 statements, 12 days changed." in text
    assert "Column Foo was not kept." in text
    assert "Oct 2026, Acme &lt;main&gt;" in text
    assert "Imported" in text


def test_whoever_uploaded_is_named_even_when_gone(client, editor, integration):
    upload(client, integration, file())
    assert "by ada@example.com" in shown(client, integration)

    client.force_login(UserFactory(role="Viewer"))
    User.objects.filter(pk=editor.pk).delete()
    assert "october.csv" in shown(client, integration)


def test_every_problem_of_a_refused_delivery_is_in_a_table(client, viewer, integration):
    problems = [
        Problem("a.csv", 1203, "BilledCost", HOSTILE, "Is no number."),
        Problem("b.csv", 0, "", "", "Has no rows."),
        Problem("c.csv", 7, "Tags", "x" * 5000, "Is neither JSON nor k=v."),
    ]
    refused = Findings.of_problems(problems, 57)
    imported_file(integration, state=State.REFUSED, message=str(refused))

    text = shown(client, integration)

    assert "57 problems; the first 3 of them." in text
    assert "1,203" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "Has no rows." in text
    assert "x" * 119 + "…" in text
    assert "x" * 121 not in text


@pytest.mark.parametrize(
    "message",
    ["", "{", '{"problems": 7}', '{"problems": [{"line": "x"}]}', "[1]", '{"text": "a\\u0000b"}', "{}"],
)
def test_any_message_can_be_shown(client, viewer, integration, message):
    imported_file(integration, state=State.REFUSED, message=message)

    assert "Refused" in shown(client, integration)


def test_findings_are_read_back_as_they_were_written():
    found = Findings(
        text="{odd",
        problems=(Problem("a.csv", 3, "Tags", "v", "No."),),
        problems_in_all=9,
        questions=("Sure?",),
        notes=("Note.",),
        statements=(BilledPeriod("Oct 2026", "1"),),
    )

    assert Findings.read(str(found)) == found
    assert str(Findings(text="Only text.")) == "Only text."
    assert Findings.read(str(Findings(text="{odd"))).text == "{odd"
    assert "\x00" not in str(Findings(text="a\x00b", notes=("n",)))
    assert found.left_out == 8


def test_only_deliveries_in_a_state(client, viewer, integration):
    imported_file(integration, state=State.IMPORTED, location="x/good.csv")
    imported_file(integration, state=State.REFUSED, location="x/bad.csv")

    text = shown(client, integration, state="refused")
    assert ("bad.csv" in text, "good.csv" in text) == (True, False)


@pytest.mark.parametrize("asked", [{"state": "<b>"}, {"after": "x"}, {"after": "MC4w", "before": "MC4w"}])
def test_a_parameter_that_cannot_be_read_is_named(client, viewer, integration, asked):
    response = client.get(address(integration), asked)

    assert response.status_code == 400
    assert "This cannot be shown." in response.content.decode()


def test_a_long_list_is_paged_by_delivery(client, viewer, integration, django_assert_max_num_queries):
    for number in range(60):
        for part in range(2):
            imported_file(
                integration,
                location=f"x/d{number:02}-{part}.csv",
                delivery=f"d{number}",
                # Some at the same instant.
                seen_at=SEEN + timedelta(hours=number // 3),
            )

    listed, path = [], address(integration)
    while path:
        with django_assert_max_num_queries(15):
            response = client.get(path)
        page = response.context["page"]
        listed += [row.title[:3] for row in page.deliveries]
        path = page.older_url

    assert listed == [f"d{number:02}" for number in reversed(range(60))]
    newer = client.get(page.newer_url).context["page"]
    assert [row.title[:3] for row in newer.deliveries] == [
        f"d{number:02}" for number in reversed(range(10, 35))
    ]


def test_files_without_a_delivery_stand_alone(client, viewer, integration):
    for name in ("a.csv", "b.csv"):
        imported_file(integration, location=f"x/{name}", delivery="")

    response = client.get(address(integration))
    assert [row.title for row in response.context["page"].deliveries] == ["b.csv", "a.csv"]


def test_of_a_delivery_the_state_that_matters_most_is_told(client, viewer, integration):
    imported_file(integration, delivery="d", state=State.SUPERSEDED)
    imported_file(integration, delivery="d", state=State.ASKS, message="Lower?")

    (row,) = client.get(address(integration)).context["page"].deliveries
    assert (row.badge.text, row.asks, row.findings.text) == ("Waits for an answer", True, "Lower?")


def test_nobody_sees_the_files_of_another_cost_center(client, viewer, integration):
    other = imported_file(files_center("Others"), location="x/secret.csv")

    assert "secret.csv" not in shown(client, integration)
    path = reverse("delivery", args=[integration.cost_center_id, other.pk])
    assert client.get(path, headers={"HX-Request": "true"}).status_code == 404


def test_a_viewer_has_no_buttons(client, viewer, integration):
    imported_file(integration, state=State.ASKS, message="Lower?")
    imported_file(integration, state=State.REFUSED)

    text = shown(client, integration)
    assert "An editor or an administrator can answer this." in text
    for words in ("Import anyway", "Leave it", "Try again", "Upload FOCUS files"):
        assert words not in text


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (CostCenter.Status.PAUSED, "It is paused."),
        (CostCenter.Status.DISCONNECTED, "It is disconnected."),
        (CostCenter.Status.NEEDS_ATTENTION, "It needs attention:"),
    ],
)
def test_where_nothing_is_read_there_is_no_form(client, editor, integration, status, part):
    set_status(integration, status)

    text = shown(client, integration)
    assert part in text
    assert 'type="file"' not in text


# While it is read -----------------------------------------------------------------------------------------------------


def update(client, found: ImportedFile, said: str = "") -> tuple[int, str]:
    path = reverse("delivery", args=[found.integration.cost_center_id, found.pk])
    response = client.get(path, {"shown": said}, headers={"HX-Request": "true"})
    return response.status_code, response.content.decode()


def test_a_delivery_refreshes_itself_until_something_came_of_it(client, viewer, integration):
    Heartbeat.beat(Heartbeat.WORKER, timezone.now())
    integration.streams.update(due_at=timezone.now())
    found = imported_file(integration, location="upload/d/1-a.csv", delivery="d")
    assert "Waits to be read" in shown(client, integration)
    assert 'hx-trigger="every 2s"' in shown(client, integration)
    assert update(client, found, "Waits to be read") == (204, "")

    integration.streams.update(claimed_until=timezone.now() + timedelta(minutes=1), claim_token="x")
    status, part = update(client, found, "Waits to be read")
    assert (status, "Being read" in part, "hx-get" in part) == (200, True, True)

    ImportedFile.objects.update(state=State.IMPORTED, imported_at=timezone.now())
    status, part = update(client, found, "Being read")
    assert (status, "hx-get" in part) == (200, False)
    assert '<p id="delivery-said" hx-swap-oob="innerHTML">a.csv: Imported</p>' in part


def test_without_htmx_a_part_leads_to_the_page(client, viewer, integration):
    found = imported_file(integration)
    path = reverse("delivery", args=[integration.cost_center_id, found.pk])

    assert client.get(path)["Location"] == address(integration)


def test_a_delivery_that_waits_for_more_does_not_keep_the_page_busy(client, viewer, integration):
    """Such as one whose manifest names files that are not there yet: it is looked for again in an hour."""
    imported_file(integration, message="Its manifest names part-2.csv, not there yet.")

    text = shown(client, integration)
    assert "not there yet." in text
    assert "hx-trigger" not in text


def test_a_paused_delivery_waits(client, viewer, integration):
    set_status(integration, CostCenter.Status.PAUSED)
    imported_file(integration, location="upload/d/1-a.csv", delivery="d")

    text = shown(client, integration)
    assert ">Waits<" in text
    assert "hx-trigger" not in text


def test_a_worker_that_is_missing_is_told(client, viewer, integration):
    imported_file(integration, location="upload/d/1-a.csv", delivery="d")
    assert "The background worker is not running." in shown(client, integration)

    Heartbeat.beat(Heartbeat.WORKER, timezone.now())
    assert "The background worker is not running." not in shown(client, integration)
