"""Files by API: what came, uploads that go to the disk as they come, and the answers to what an import asks."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from costcenters.models import CostCenter
from integrations.deliveries import receiving
from integrations.deliveries.findings import Findings
from integrations.deliveries.receiving import NotTaken, receive
from integrations.models import ImportedFile, Integration
from tests.api.answers import Script, answer, bearer, fields, problem, script_of
from tests.factories import IntegrationFactory, UserFactory
from tests.finops.audited import newest
from tests.integrations.deliveries.uploading import (
    file,
    files_center,
    imported_file,
    kept,
    set_status,
)

pytestmark = pytest.mark.django_db
State = ImportedFile.State
CSV = b"BilledCost,ChargePeriodStart\n1.25,2026-10-01T00:00:00Z\n"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    return tmp_path / "uploads"


@pytest.fixture
def integration() -> Integration:
    return files_center()


@pytest.fixture
def script() -> Script:
    return script_of("Editor", "write")


def address(integration: Integration) -> str:
    return f"/api/v1/integrations/{integration.pk}/files/"


def upload(script: Script, integration: Integration, *files: Any, **more: str) -> Any:
    """As scripts do: nothing but files and a token."""
    client = Client(enforce_csrf_checks=True)
    return client.post(address(integration), {"files": list(files), **more}, headers=bearer(script.token))


def delivery(file: ImportedFile, action: str = "") -> str:
    return f"/api/v1/deliveries/{file.pk}/{action and f'{action}/'}"


# Uploading ------------------------------------------------------------------------------------------------------------


def test_files_that_are_sent_together_are_a_delivery_to_ask_for(script, integration):
    response = upload(script, integration, file("a.csv", b"one"), file("b.parquet", b"four"))

    shown = answer(response, 202)
    first, second = ImportedFile.objects.order_by("pk")
    assert response["Location"] == delivery(first)
    assert kept() == [Path(first.delivery), *(Path(first.delivery, n) for n in ("1-a.csv", "2-b.parquet"))]
    assert shown.pop("seen_before") == []
    assert shown == answer(script.get(delivery(second)))
    assert [(each["name"], each["size"]) for each in shown["files"]] == [("a.csv", 3), ("b.parquet", 4)]
    assert (shown["state"], shown["size"], shown["place"]) == ("found", 7, None)
    assert shown["uploaded_by"] == script.user.username
    assert newest() == "Invoices: uploaded 2 files (7 bytes): a.csv, b.parquet"


def test_the_same_files_once_more_are_a_conflict(script, integration):
    upload(script, integration, file("a.csv", b"one"))
    assert "uploaded before" in problem(upload(script, integration, file("b.csv", b"one")), 409)["detail"]
    both = upload(script, integration, file("b.csv", b"one"), file("c.csv", b"two"))
    assert answer(both, 202)["seen_before"] == ["b.csv"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "at least one file"),
        ([("a.txt", b"1")], "a.txt is no .csv, .csv.gz or .parquet file."),
        ([("a.csv", b"")], "a.csv is empty."),
        ([("a.csv", b"1"), ("b.csv", b"1")], "hold the same"),
    ],
)
def test_files_that_are_not_read_are_refused_and_nothing_is_kept(script, integration, files, said):
    response = upload(script, integration, *(file(*each) for each in files))
    assert fields(response) == ["files"]
    assert said in problem(response, 400)["errors"][0]["detail"]
    assert kept() == []


def test_only_files_are_sent(script, integration):
    assert fields(upload(script, integration, file(), note="x")) == ["note"]
    assert kept() == []
    assert "multipart/form-data" in problem(script.post(address(integration), {}), 415)["detail"]
    broken = Client().post(
        address(integration), b"x", content_type="multipart/form-data", headers=bearer(script.token)
    )
    assert "well-formed" in str(problem(broken, 400)["errors"])


def test_a_body_that_ends_between_two_files_is_refused(integration):
    part = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n1\r\n'
    sent = RequestFactory().post("/", part, content_type="multipart/form-data; boundary=edge")
    whole = part + part.replace(b"a.csv", b"b.csv") + b"--edge--\r\n"
    for body, length in ((part + b"--edge\r\n", len(whole)), (part, len(whole)), (part[:-4], len(part))):
        request = WSGIRequest({**sent.environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(length)})
        with pytest.raises(NotTaken, match="broke before all of it had come"):
            receive(request, of_form=False)
        request.close()
    assert kept() == []


def test_a_full_disk_and_a_body_beyond_the_limit_are_told(script, integration, settings, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(receiving, "SPARE_BYTES", 2**60)
        assert "not enough room" in problem(upload(script, integration, file()), 507)["detail"]
    settings.REQUEST_BODY_MAX, settings.UPLOAD_MAX_BYTES = 1000, 2000
    assert upload(script, integration, file("a.csv", b"x" * 1500)).status_code == 202
    problem(upload(script, integration, file("b.csv", b"x" * 2500)), 413)


def test_who_may_not_sends_nothing(integration, monkeypatch):
    monkeypatch.setattr(receiving, "Receiving", pytest.fail)
    problem(upload(script_of("Viewer"), integration, file()), 403)
    problem(upload(script_of("Editor", "read"), integration, file()), 403)


def test_a_log_in_sends_its_proof_in_the_header(integration, monkeypatch):
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="Editor"))
    client.get("/settings/cost-centers/")
    token = client.get(f"/settings/cost-centers/{integration.cost_center_id}/files/").context["csrf_token"]
    sent = {"files": [file()], "csrfmiddlewaretoken": str(token)}
    with monkeypatch.context() as patched:
        patched.setattr(receiving, "Receiving", pytest.fail)
        problem(client.post(address(integration), sent), 403)
    response = client.post(address(integration), {"files": [file()]}, headers={"X-CSRFToken": str(token)})
    assert response.status_code == 202


def test_a_connection_that_takes_no_files_or_is_paused_says_so(script, integration):
    cursor = IntegrationFactory()
    assert "No files" in problem(upload(script, cursor, file()), 409)["detail"]
    set_status(integration, CostCenter.Status.PAUSED)
    assert "paused" in problem(upload(script, integration, file()), 409)["detail"]
    problem(script.get(f"/api/v1/integrations/{2**70}/files/"), 404)
    assert answer(script.get(address(cursor)))["results"] == []


# What came, and answers -----------------------------------------------------------------------------------------------


def test_the_files_of_a_connection_say_what_became_of_them(
    script, integration, django_assert_max_num_queries
):
    asks = Findings(questions=("Replace October?",), notes=("A note.",))
    for number in range(9):
        imported_file(
            integration,
            delivery="d1",
            state=State.ASKS,
            message=str(asks),
            rows=7,
            uploaded_by=UserFactory(username=f"user{number}"),
        )
    done = imported_file(
        integration, state=State.IMPORTED, imported_at=datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    )
    imported_file(files_center("Other"))

    with django_assert_max_num_queries(12):
        shown = answer(script.get(address(integration)))["results"]
    assert shown[0]["id"] == done.pk
    assert shown[0]["imported_at"] == "2026-11-20T10:05:00Z"
    assert (shown[0]["place"], shown[0]["name"]) == ("exports/2026-10", "part-10.csv")
    assert shown[1]["findings"] == {
        "text": "",
        "questions": ["Replace October?"],
        "problems": [],
        "problems_in_all": 0,
        "notes": ["A note."],
        "statements": [],
    }
    assert len(answer(script.get(f"{address(integration)}?state=asks&delivery=d1"))["results"]) == 9
    assert fields(script.get(f"{address(integration)}?state=gone")) == ["state"]


def test_a_question_is_answered_with_yes_or_no_and_a_refused_one_is_read_again(script, integration):
    asked = imported_file(integration, state=State.ASKS, message=str(Findings(questions=("Replace?",))))
    second = imported_file(integration, state=State.ASKS, message=str(Findings(questions=("Replace?",))))

    assert answer(script.post(delivery(asked, "import")))["state"] == "found"
    problem(script.post(delivery(asked, "import")), 409)
    left = answer(script.post(delivery(second, "leave")))
    assert (left["state"], left["is_left_out"]) == ("refused", True)
    assert script.user.username in left["findings"]["text"]
    assert answer(script.post(delivery(second, "again")))["state"] == "found"
    problem(script.get("/api/v1/deliveries/9999999/"), 404)
    problem(script_of("Viewer").post(delivery(asked, "leave")), 403)


def test_a_broken_file_is_told_with_line_column_and_value(script, integration):
    found = imported_file(
        integration,
        state=State.REFUSED,
        message='{"text": "Refused.", "problems": [{"file": "a.csv", "line": 3, "column": "BilledCost", "value": '
        '"x", "reason": "Is no number."}], "problems_in_all": 12}',
    )
    shown = answer(script.get(delivery(found)))["findings"]
    assert shown["problems"] == [
        {"file": "a.csv", "line": 3, "column": "BilledCost", "value": "x", "reason": "Is no number."}
    ]
    assert shown["problems_in_all"] == 12
