"""Files that people upload: what is taken, what is refused, how it is kept, and when it is deleted."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from costcenters.models import CostCenter
from integrations.deliveries import receiving
from integrations.deliveries.receiving import LONGEST_NAME, tidy
from integrations.models import ImportedFile
from tests.factories import CostCenterFactory, IntegrationFactory, UserFactory
from tests.finops.audited import newest
from tests.integrations.deliveries.uploading import (
    FAR,
    ROWS,
    address,
    file,
    files_center,
    kept,
    set_status,
    upload,
)

pytestmark = pytest.mark.django_db
State = ImportedFile.State


def text(response) -> str:
    return response.content.decode()


# What is taken --------------------------------------------------------------------------------------------------------


def test_the_files_of_one_form_are_one_delivery(client, editor, integration):
    response = upload(client, integration, file("a.csv", b"one"), file("b.parquet", b"four"))

    assert (response.status_code, response["Location"]) == (302, address(integration))
    first, second = ImportedFile.objects.order_by("pk")
    assert first.delivery == second.delivery
    assert [first.state, second.state] == [State.FOUND, State.FOUND]
    assert first.location == f"upload/{first.delivery}/1-a.csv"
    assert second.location == f"upload/{first.delivery}/2-b.parquet"
    assert [first.size, second.size] == [3, 4]
    assert first.version == f"sha256:{sha256(b'one').hexdigest()[:32]}:3"
    assert first.uploaded_by == editor


def test_the_worker_is_told_at_once(client, editor, integration, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        upload(client, integration, file())

    assert integration.streams.get().due_at < FAR
    assert [task.task["args"] for task in OrmQ.objects.all()] == [(integration.streams.get().pk,)]


def test_the_files_are_readable_by_us_alone(client, editor, integration, folder):
    upload(client, integration, file())

    delivery = ImportedFile.objects.get().delivery
    modes = [
        stat.S_IMODE((folder / part).stat().st_mode) for part in ("", delivery, f"{delivery}/1-october.csv")
    ]
    assert modes == [0o700, 0o700, 0o600]
    assert kept() == [Path(delivery), Path(delivery, "1-october.csv")]


def test_an_upload_is_in_the_audit_log(client, editor, integration):
    upload(client, integration, *(file(f"{n}.csv", f"{n}".encode()) for n in range(7)))

    assert newest() == "Invoices: uploaded 7 files (7 bytes): 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more"


def test_a_script_is_told_where_to_go_on(client, editor, integration):
    response = upload(client, integration, file(), script=True)

    assert (response.status_code, response.json()) == (201, {"next": address(integration)})


def test_the_memory_never_holds_a_file(client, editor, integration, monkeypatch):
    """Small ones, which Django keeps in memory by itself, neither."""
    written = []
    write = receiving.Receiving.receive_data_chunk

    def watch(handler, data, start):
        written.append(len(data))
        write(handler, data, start)

    monkeypatch.setattr(receiving.Receiving, "receive_data_chunk", watch)
    upload(client, integration, file(content=b"x" * 300_000))

    assert sum(written) == 300_000
    assert max(written) <= 64 * 1024


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\ada\\bill.CSV", "bill.csv"),
        ("a\x00b\r\n\x1b[31m.csv", "ab[31m.csv"),
        ("\u202egpj.csv", "gpj.csv"),
        ("..csv", "file.csv"),
        (".csv.gz", "file.csv.gz"),
        ("  .hidden .Csv.GZ", "hidden.csv.gz"),
        ("Übersicht März.parquet", "Übersicht März.parquet"),
        ("\ud800.csv", "file.csv"),
        ("a/", "file"),
    ],
)
def test_a_name_is_made_harmless(given, name):
    assert tidy(given) == name


@pytest.mark.parametrize(
    "given", ["x" * 300 + ".csv.gz", "€" * 300 + ".csv.gz", "." * 300 + "x" * 300 + ".csv.gz"]
)
def test_a_long_name_is_cut_before_its_extension(given):
    assert len(tidy(given).encode()) <= LONGEST_NAME
    assert tidy(given).endswith(".csv.gz")


@pytest.mark.parametrize(
    "given",
    ["../../../../tmp/evil.csv", "..\\..\\evil.csv", "a\x01b\u202ec.csv", "€" * 300 + ".csv", "<b>&.csv"],
)
def test_no_name_leads_out_of_its_folder(client, editor, integration, given, folder):
    upload(client, integration, file(given))

    (row,) = ImportedFile.objects.all()
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    assert path.parent == folder / row.delivery
    assert path.read_bytes() == ROWS
    assert len(row.location) <= 500
    shown = text(client.get(address(integration)))
    assert "<b>" not in shown
    assert "\u202e" not in shown


# What is refused ------------------------------------------------------------------------------------------------------


def refused(response, *parts: str) -> None:
    """The page says why, in place, and nothing is kept."""
    assert response.status_code == 400
    assert "Nothing was uploaded." in text(response)
    for part in parts:
        assert part in text(response), part
    assert not ImportedFile.objects.exists()
    assert kept() == []


def test_nothing_chosen(client, editor, integration):
    refused(upload(client, integration), "Choose at least one file.")


def test_another_kind_of_file(client, editor, integration):
    response = upload(client, integration, file("good.csv"), file("bill.xlsx"), file("<i>.exe", b"MZ"))

    refused(response, "bill.xlsx is no .csv, .csv.gz or .parquet file.", "&lt;i&gt;.exe is no")


def test_an_empty_file(client, editor, integration):
    refused(upload(client, integration, file("a.csv"), file("b.csv", b"")), "b.csv is empty.")


def test_the_same_file_twice(client, editor, integration):
    response = upload(client, integration, file("a.csv"), file("copy of a.csv"))

    refused(response, "a.csv and copy of a.csv hold the same: upload one of them.")


def test_too_many_files(client, editor, integration, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = upload(client, integration, *(file(f"{n}.csv", f"{n}".encode()) for n in range(3)))

    refused(response, "These are more than 2 files.")


def test_reasons_are_for_scripts_too(client, editor, integration):
    response = upload(client, integration, file("a.txt"), file("b.csv", b""), script=True)

    assert response.status_code == 400
    assert response.json() == {"reasons": ["a.txt is no .csv, .csv.gz or .parquet file.", "b.csv is empty."]}


def test_more_than_can_be_sent_at_once_is_refused_unread(client, editor, integration, settings):
    settings.UPLOAD_MAX_BYTES = 5 * 1024 * 1024
    response = upload(client, integration, file(content=b"x" * settings.UPLOAD_MAX_BYTES))

    assert response.status_code == 413
    assert "larger than 5.0\xa0MB" in text(response)
    assert not Path(settings.UPLOADS_DIR).exists()


def test_an_upload_may_be_larger_than_any_form(client, editor, integration, settings):
    content = b"x" * (settings.REQUEST_BODY_MAX + 1000)

    assert upload(client, integration, file(content=content)).status_code == 302
    assert ImportedFile.objects.get().size == len(content)


def test_no_other_address_takes_more(client, editor, integration, settings):
    content = b"x" * settings.REQUEST_BODY_MAX
    for other in (
        address(integration),
        f"{address(integration)}upload/x/",
        "/settings/cost-centers/x/files/upload/",
    ):
        assert client.post(other, {"files": file(content=content)}).status_code == 413


def test_fields_that_are_no_files_stay_small(client, editor, integration, settings):
    response = upload(client, integration, file(), note="x" * (settings.REQUEST_BODY_MAX + 1))

    assert response.status_code == 413
    assert kept() == []


def test_a_file_in_another_field_is_not_kept(client, editor, integration):
    response = client.post(address(integration, "cost-center-files-upload"), {"other": file(), "whole": "1"})

    refused(response, "Choose at least one file.")


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (CostCenter.Status.PAUSED, "It is paused: resume it first."),
        (CostCenter.Status.DISCONNECTED, "It is disconnected"),
        (CostCenter.Status.NEEDS_ATTENTION, "It needs attention first"),
    ],
)
def test_a_cost_center_that_is_not_read_takes_none(client, editor, integration, status, part):
    set_status(integration, status)

    assert part in " ".join(upload(client, integration, file(), script=True).json()["reasons"])
    assert not ImportedFile.objects.exists()
    assert kept() == []
    assert part.split(":")[0].split(" first")[0] in text(upload(client, integration, file()))


def test_a_cursor_cost_center_takes_none(client, editor):
    cursor = IntegrationFactory(cost_center=CostCenterFactory())

    assert upload(client, cursor, file()).status_code == 404
    assert client.get(address(cursor)).status_code == 404
    assert kept() == []


def test_a_cost_center_of_nobodys_takes_none(client, editor):
    center = CostCenterFactory(name="Typed", provider="focus_files")

    assert client.get(reverse("cost-center-files", args=[center.pk])).status_code == 404
    assert client.get(reverse("cost-center-files", args=[900_000])).status_code == 404


def test_a_forged_form_is_refused_and_leaves_nothing(editor, integration):
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)

    assert upload(client, integration, file()).status_code == 403
    assert kept() == []


def test_the_token_may_come_in_the_form(editor, integration):
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)
    client.get(address(integration))

    token = client.cookies["csrftoken"].value
    assert upload(client, integration, file(), csrfmiddlewaretoken=token).status_code == 302


def test_of_a_viewer_and_a_stranger_nothing_is_read(client, integration, folder):
    assert upload(client, integration, file()).status_code == 302
    client.force_login(UserFactory(role="Viewer"))
    assert upload(client, integration, file()).status_code == 403
    assert not folder.exists()


# The same once more ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (State.FOUND, "and will be read in a moment."),
        (State.ASKS, "what that asks is still to be answered below."),
        (State.IMPORTED, "and imported: there is nothing to do."),
    ],
)
def test_the_same_bytes_again_are_recognised(client, editor, integration, state, part):
    upload(client, integration, file("a.csv", b"1"), file("b.csv", b"2"))
    ImportedFile.objects.update(state=state)
    before = kept()

    response = upload(client, integration, file("b again.csv", b"2"), file("a again.csv", b"1"))

    assert response.status_code == 400
    assert "These files were uploaded before, on" in text(response)
    assert part in text(response)
    assert ImportedFile.objects.count() == 2
    assert kept() == before


@pytest.mark.parametrize("state", [State.REFUSED, State.SUPERSEDED])
def test_what_was_refused_or_replaced_may_come_again(client, editor, integration, state):
    upload(client, integration, file())
    ImportedFile.objects.update(state=state)

    response = client.get(upload(client, integration, file())["Location"])

    assert ImportedFile.objects.filter(state=State.FOUND).count() == 1
    assert "Uploaded before as well: october.csv." in text(response)


def test_a_part_of_an_earlier_upload_is_another_delivery(client, editor, integration):
    """It may be meant to replace the whole: the import asks where that would lower something."""
    upload(client, integration, file("a.csv", b"1"), file("b.csv", b"2"))
    ImportedFile.objects.update(state=State.IMPORTED)

    assert upload(client, integration, file("a.csv", b"1")).status_code == 302
    assert upload(client, integration, file("a.csv", b"1"), file("c.csv", b"3")).status_code == 302
    assert ImportedFile.objects.values("delivery").distinct().count() == 3


def test_another_cost_center_takes_the_same_bytes(client, editor, integration):
    upload(client, integration, file())

    assert upload(client, files_center("Others"), file()).status_code == 302
