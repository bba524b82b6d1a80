"""Uploads that break: a full disk, a cut connection, two at once. And what is tidied up later."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from integrations import tasks
from integrations.deliveries import changes, receiving, uploads
from integrations.deliveries.uploads import UploadGone
from integrations.models import ImportedFile, Stream
from tests.integrations.deliveries.uploading import (
    FAR,
    ROWS,
    address,
    file,
    imported_file,
    kept,
    upload,
)

pytestmark = pytest.mark.django_db
State = ImportedFile.State


def text(response) -> str:
    return response.content.decode()


# Trouble --------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_before_it_is_filled(client, editor, integration, monkeypatch, caplog):
    monkeypatch.setattr(receiving, "SPARE_BYTES", 2**60)

    response = upload(client, integration, file())

    assert response.status_code == 507
    assert "There is not enough room on this server’s disk." in text(response)
    assert "Nothing of this upload was kept." in text(response)
    assert kept() == []
    assert "cannot be kept below UPLOADS_DIR" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_disk_that_fills_meanwhile_leaves_nothing(client, editor, integration, monkeypatch, size):
    """At once, or when the rest is written out at the end."""
    real = receiving.tempfile.NamedTemporaryFile

    def full(**options):
        made = real(**options)
        os.dup2(os.open("/dev/full", os.O_WRONLY), made.fileno())
        return made

    monkeypatch.setattr(receiving.tempfile, "NamedTemporaryFile", full)
    response = upload(
        client, integration, file("a.csv", b"y" * size), file("b.csv", b"x" * size), script=True
    )

    assert response.status_code == 507
    assert "not enough room" in response.json()["reasons"][0]
    assert not ImportedFile.objects.exists()
    assert kept() == []


def test_a_folder_that_may_not_be_written_is_told(client, editor, integration, folder, monkeypatch):
    def denied(**options):
        raise PermissionError(13, "Permission denied", "/srv/secret/place")

    monkeypatch.setattr(receiving.tempfile, "NamedTemporaryFile", denied)
    response = upload(client, integration, file())

    assert response.status_code == 507
    assert "Onebill may not write where uploads are kept." in text(response)
    assert "/srv/secret" not in text(response)


def test_an_uploads_directory_that_cannot_be_made_is_told(client, editor, integration, settings, tmp_path):
    (tmp_path / "occupied").write_text("")
    settings.UPLOADS_DIR = str(tmp_path / "occupied" / "uploads")

    response = upload(client, integration, file())

    assert response.status_code == 507
    assert "could not write it to its disk" in text(response)
    assert str(tmp_path) not in text(response)


def test_a_database_that_fails_leaves_no_file(client, editor, integration, monkeypatch):
    def fails(*args, **options):
        raise RuntimeError("no database")

    monkeypatch.setattr(changes.record, "happened", fails)
    with pytest.raises(RuntimeError):
        upload(client, integration, file())

    assert kept() == []


def cut_off(integration, after: int) -> tuple[bytes, int]:
    """The beginning of an upload's body, and how long it says it is."""
    parts = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="files"; filename="%d.csv"\r\n\r\n%s\r\n'
        % (n, b"x" * 50_000)
        for n in range(2)
    )
    body = parts + b'--edge\r\nContent-Disposition: form-data; name="whole"\r\n\r\n1\r\n--edge--\r\n'
    return body[:after], len(body)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [0, 40, 30_000, 50_080, 70_000, 100_160])
def test_a_connection_that_breaks_in_the_middle_leaves_nothing(
    live_server, editor, client, integration, after
):
    """Over a real socket, wherever it breaks."""
    path = address(integration, "cost-center-files-upload")
    body, length = cut_off(integration, after)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=edge\r\n"
        f"Cookie: sessionid={client.cookies['sessionid'].value}\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    )
    server = urlsplit(live_server.url)
    with socket.create_connection((server.hostname, server.port)) as browser:
        browser.sendall(head.encode() + body)
        browser.shutdown(socket.SHUT_WR)
        while browser.recv(65536):
            pass

    assert not ImportedFile.objects.exists()
    assert kept() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_uploads_at_once_each_is_a_delivery_and_of_the_same_only_one(live_server, editor, integration):
    statuses: list[int] = []
    contents = [b"a" * 500_000, b"b" * 500_000, b"b" * 500_000]

    def send(content: bytes) -> None:
        client = Client()
        client.force_login(editor)
        statuses.append(upload(client, integration, file("x.csv", content)).status_code)
        connection.close()

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [302, 302, 400]
    assert ImportedFile.objects.values("version").distinct().count() == ImportedFile.objects.count() == 2
    assert len(kept()) == 4


# For the import -------------------------------------------------------------------------------------------------------


def test_the_import_reads_the_files_in_the_order_in_which_they_were_chosen(client, editor, integration):
    upload(client, integration, *(file(f"{name}.csv", name.encode()) for name in "zyxwvutsrqpo"))
    delivery = ImportedFile.objects.first().delivery

    sources = uploads.sources_of(integration, delivery)

    assert [source.name for source in sources] == [f"{name}.csv" for name in "zyxwvutsrqpo"]
    assert [source.size for source in sources] == [1] * 12
    with sources[0].open() as content:
        assert (content.seekable(), content.read()) == (True, b"z")


@pytest.mark.parametrize("harm", ["gone", "shorter"])
def test_a_file_that_is_not_as_it_was_is_not_read(client, editor, integration, folder, harm):
    upload(client, integration, file())
    row = ImportedFile.objects.get()
    path = folder / row.location.removeprefix("upload/")
    path.unlink() if harm == "gone" else path.write_bytes(ROWS[:-1])

    with pytest.raises(UploadGone, match=r"october\.csv is not on this server any more.*UPLOADS_DIR"):
        uploads.sources_of(integration, row.delivery)


def test_what_was_imported_is_discarded_and_its_rows_stay(client, editor, integration):
    upload(client, integration, file("a.csv", b"1"))
    upload(client, integration, file("b.csv", b"2"))
    first, second = ImportedFile.objects.order_by("pk")

    uploads.discard(integration, first.delivery)
    uploads.discard(integration, first.delivery)

    assert kept() == [Path(second.delivery), Path(second.delivery, "1-b.csv")]
    assert ImportedFile.objects.count() == 2


def test_a_delivery_that_was_found_is_never_deleted(integration, tmp_path):
    found = imported_file(integration, location=str(tmp_path / "bill.csv"))
    (tmp_path / "bill.csv").write_bytes(ROWS)

    uploads.discard(integration, found.delivery)

    assert (tmp_path / "bill.csv").exists()


# Every minute, every day ----------------------------------------------------------------------------------------------


def test_an_upload_that_came_while_the_stream_was_read_does_not_wait_for_the_next_hour(
    client, editor, integration
):
    upload(client, integration, file())
    Stream.objects.update(due_at=FAR, finished_at=datetime.now(UTC))

    tasks.tick()

    assert integration.streams.get().due_at < FAR


@pytest.mark.parametrize(
    "changed",
    [
        {"claimed_until": "soon", "claim_token": "x"},
        {"last_error": "The location cannot be read."},
        {"finished_at": None},
    ],
    ids=["being read", "failing", "never read"],
)
def test_a_stream_is_woken_only_when_it_has_finished(client, editor, integration, changed):
    upload(client, integration, file())
    if changed.get("claimed_until") == "soon":
        changed = {**changed, "claimed_until": datetime.now(UTC) + timedelta(minutes=1)}
    Stream.objects.update(**{"due_at": FAR, "finished_at": datetime.now(UTC), **changed})

    assert uploads.wake(datetime.now(UTC)) == 0


def test_a_stream_without_uploads_is_not_woken(integration):
    imported_file(integration)

    assert uploads.wake(datetime.now(UTC)) == 0


def aged(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_orphans_are_deleted_after_a_week(client, editor, integration, folder):
    for name, state in (
        ("w.csv", State.FOUND),
        ("a.csv", State.ASKS),
        ("i.csv", State.IMPORTED),
        ("r.csv", State.REFUSED),
    ):
        upload(client, integration, file(name, name.encode()))
        ImportedFile.objects.filter(location__endswith=name).update(state=state)
    (folder / "upload-without-rows").mkdir()
    (folder / "incoming-xyz").write_bytes(b"half")
    (folder / "incoming-now").write_bytes(b"half")
    for path in folder.iterdir():
        aged(path, 6.9)
    assert uploads.clean_up(datetime.now(UTC)) == 0

    for path in folder.iterdir():
        aged(path, 7.1 if path.name != "incoming-now" else 0)
    assert uploads.clean_up(datetime.now(UTC)) == 4

    states = {row.delivery: row.state for row in ImportedFile.objects.all()}
    left = {path.name for path in folder.iterdir()} - {"incoming-now"}
    assert {states[name] for name in left} == {State.FOUND, State.ASKS}


def test_of_a_connection_that_was_removed_nothing_stays(client, editor, integration, folder):
    upload(client, integration, file())
    integration.credentials = None
    integration.save()
    aged(next(folder.iterdir()), 8)

    assert uploads.clean_up(datetime.now(UTC)) == 1


def test_the_clean_up_follows_no_link(integration, folder, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("")
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "precious")
    os.utime(folder / "link", (0, 0), follow_symlinks=False)

    uploads.clean_up(datetime.now(UTC))

    assert not (folder / "link").is_symlink()
    assert (tmp_path / "precious" / "file").exists()


def test_the_worker_cleans_up_once_a_day(folder, monkeypatch):
    cleaned: list[datetime] = []
    monkeypatch.setattr(uploads, "clean_up", lambda now: cleaned.append(now) or 0)
    now = datetime.now(UTC)

    assert uploads.clean_up_daily(now)
    assert not uploads.clean_up_daily(now + timedelta(hours=23))
    assert uploads.clean_up_daily(now + timedelta(hours=25))
    assert len(cleaned) == 2


def test_without_an_uploads_directory_there_is_nothing_to_clean(folder):
    assert uploads.clean_up(datetime.now(UTC)) == 0
