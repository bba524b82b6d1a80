"""A delivery that asks or was refused is answered on its page: imported anyway, left out, read again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from costcenters.focus.delivery import Problem
from costcenters.models import CostCenter
from integrations.deliveries.findings import Findings
from integrations.models import ImportedFile
from tests.finops.audited import newest
from tests.integrations.deliveries.uploading import (
    FAR,
    address,
    file,
    files_center,
    imported_file,
    kept,
    set_status,
    shown,
    upload,
)

pytestmark = pytest.mark.django_db
State = ImportedFile.State
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"
SEEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def press(client, file: ImportedFile, button: str) -> str:
    """What the page says after a button was pressed."""
    path = reverse(button, args=[file.integration.cost_center_id, file.pk])
    response = client.post(path, follow=True)
    assert response.redirect_chain == [(address(file.integration), 302)]
    return response.content.decode()


# Answers --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def asking(client, editor, integration):
    """An upload of two files that asks."""
    upload(client, integration, file("a.csv", b"1"), file("b.csv", b"2"))
    asks = Findings(
        questions=("It would lower October from USD 9.00 to USD 4.00.", f"New account {HOSTILE}.")
    )
    ImportedFile.objects.update(state=State.ASKS, message=str(asks))
    integration.streams.update(due_at=FAR)
    return ImportedFile.objects.order_by("pk").last()


def test_a_delivery_that_asks_shows_its_questions(client, integration, asking):
    text = shown(client, integration)

    assert "It would lower October from USD 9.00 to USD 4.00." in text
    assert "New account &lt;script&gt;" in text
    assert text.count("Import anyway") == text.count("Leave it out") == 1


def test_import_anyway_confirms_all_its_files_and_rings(client, integration, asking):
    text = press(client, asking, "delivery-import")

    assert "It is imported now, as you said." in text
    assert {(row.state, row.is_confirmed, row.message) for row in ImportedFile.objects.all()} == {
        (State.FOUND, True, "")
    }
    assert integration.streams.get().due_at < FAR
    assert "had 2 files (2 bytes): a.csv, b.csv imported, which had asked: It would lower October" in newest()
    assert len(kept()) == 3


def test_leave_it_refuses_and_deletes_the_upload(
    client, integration, asking, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        text = press(client, asking, "delivery-leave")

    assert "Left out: nothing of it is in the bill" in text
    assert set(ImportedFile.objects.values_list("state", "is_confirmed")) == {(State.REFUSED, False)}
    assert kept() == []
    text = shown(client, integration)
    assert "Left by ada@example.com on" in text
    assert "It would lower October" in text
    assert "Try again" not in text
    assert "left 2 files (2 bytes): a.csv, b.csv, which had asked:" in newest()
    assert integration.streams.get().due_at == FAR


@pytest.mark.parametrize("button", ["delivery-import", "delivery-leave", "delivery-again"])
def test_an_answer_twice_is_harmless(client, integration, asking, button):
    if button == "delivery-again":
        ImportedFile.objects.update(state=State.REFUSED)
    press(client, asking, button)
    before = list(ImportedFile.objects.order_by("pk").values())

    assert "That was done already" in press(client, asking, button)
    assert list(ImportedFile.objects.order_by("pk").values()) == before


def test_answers_do_not_reach_other_deliveries(client, integration, asking):
    other = imported_file(integration, state=State.ASKS)
    press(client, asking, "delivery-import")

    other.refresh_from_db()
    assert (other.state, other.is_confirmed) == (State.ASKS, False)


def test_while_it_is_paused_nothing_can_be_imported_but_it_can_be_left(client, integration, asking):
    set_status(integration, CostCenter.Status.PAUSED)

    assert "It is paused: resume it first." in press(client, asking, "delivery-import")
    assert set(ImportedFile.objects.values_list("state", flat=True)) == {State.ASKS}
    press(client, asking, "delivery-leave")
    assert set(ImportedFile.objects.values_list("state", flat=True)) == {State.REFUSED}


def test_nobody_is_told_any_more_of_a_refused_delivery_that_was_left_out(client, editor, integration):
    problem = Problem("a.csv", 5, "BilledCost", "twelve", "Is no number.")
    found = imported_file(integration, state=State.REFUSED, message=str(Findings.of_problems([problem], 1)))
    page, listed = integration.cost_center.get_absolute_url(), reverse("cost-centers")
    assert "1 file is refused." in client.get(page).content.decode()
    assert "1 file refused." in client.get(listed).content.decode()

    press(client, found, "delivery-leave")

    found.refresh_from_db()
    assert (found.state, Findings.read(found.message).is_left) == (State.REFUSED, True)
    text = shown(client, integration)
    assert "Left out" in text
    assert "twelve" in text
    assert "Leave it out" not in text
    assert "refused" not in client.get(page).content.decode()
    assert "refused" not in client.get(listed).content.decode()
    assert "which was refused: a.csv, line 5" in newest()


def test_a_refused_delivery_is_read_again(client, editor, integration):
    found = imported_file(integration, state=State.REFUSED, message="No.", is_confirmed=True)
    integration.streams.update(due_at=FAR)
    assert "Try again" in shown(client, integration)

    assert "It is read once more." in press(client, found, "delivery-again")

    found.refresh_from_db()
    assert (found.state, found.message, found.is_confirmed) == (State.FOUND, "", False)
    assert integration.streams.get().due_at < FAR
    assert newest() == f"Invoices: had 1 file (2.0 KB): {found.location.rpartition('/')[2]} read again"


def test_an_upload_whose_files_are_gone_cannot_be_read_again(client, integration, asking, settings, tmp_path):
    ImportedFile.objects.update(state=State.REFUSED)
    assert "Try again" in shown(client, integration)
    settings.UPLOADS_DIR = str(tmp_path / "another")

    assert "Try again" not in shown(client, integration)
    assert "Upload them again." in press(client, asking, "delivery-again")
    ImportedFile.objects.update(state=State.ASKS)
    assert "Upload them again." in press(client, asking, "delivery-import")
    assert set(ImportedFile.objects.values_list("state", flat=True)) == {State.ASKS}


@pytest.mark.parametrize("button", ["delivery-import", "delivery-leave", "delivery-again"])
def test_a_file_is_answered_where_it_belongs(client, editor, integration, button):
    other = imported_file(files_center("Others"), state=State.ASKS)

    assert client.post(reverse(button, args=[integration.cost_center_id, other.pk])).status_code == 404
    other.refresh_from_db()
    assert other.state == State.ASKS
