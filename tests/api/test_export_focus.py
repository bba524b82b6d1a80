"""The FOCUS export by API: its formats, and what its document says of them."""

from __future__ import annotations

import gzip

import pytest

from tests.api.answers import fields, problem, script_of
from tests.api.test_schema import generated
from tests.integrations.subscriptions.on_pages import add

pytestmark = pytest.mark.django_db
EXPORT = "/api/v1/exports/focus/"


@pytest.fixture
def script():
    return script_of("Viewer", "read")


def content(response) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def test_accept_or_format_chooses_and_the_file_has_a_name(script):
    add()
    plain = script.get(EXPORT, accept="text/csv")
    packed = script.get(EXPORT, accept="application/gzip")
    named = script.get(f"{EXPORT}?format=csv.gz&cost_center=Subscriptions")

    assert plain["Content-Type"] == "text/csv; charset=utf-8"
    assert plain["Content-Disposition"].startswith('attachment; filename="onebill_focus-1.2_2026-10-01_')
    assert content(plain) == gzip.decompress(content(packed)) == gzip.decompress(content(named))
    parquet = script.get(EXPORT, accept="application/vnd.apache.parquet")
    assert content(parquet).startswith(b"PAR1")


def test_head_has_the_headers_and_no_content(script):
    add()
    response = script.head(f"{EXPORT}?start=2026-10-01&end=2026-10-31")
    assert response["Content-Disposition"].endswith('_2026-10-01_2026-10-31.csv"')
    assert content(response) == b""


def test_bad_parameters_and_formats_are_problems(script):
    assert fields(script.get(f"{EXPORT}?start=2026-02-30&format=xlsx&cost_center=No&days=3")) == [
        "start",
        "cost_center",
        "format",
        "days",
    ]
    assert fields(script.get(f"{EXPORT}?start=2026-10-02&end=2026-10-01")) == ["end"]
    problem(script.get(EXPORT, accept="application/json"), 406)


def test_the_document_names_every_format_and_parameter():
    operation = generated()["paths"][EXPORT]["get"]
    assert {each["name"] for each in operation["parameters"]} == {"start", "end", "cost_center", "format"}
    assert set(operation["responses"]["200"]["content"]) == {
        "text/csv",
        "application/gzip",
        "application/vnd.apache.parquet",
    }
    assert operation["responses"]["200"]["headers"]["Content-Disposition"]["required"]
