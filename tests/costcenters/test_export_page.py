"""The page of exports, the download and the API: the same parameters, the same file."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.focus.export_files import Format
from costcenters.models import CostLineItem
from finops.models import ApiToken
from tests.costcenters.api_answers import problem
from tests.costcenters.conftest import SPAN
from tests.costcenters.focus.exported import a_ledger, event, export, parsed, parsed_parquet, store, unpacked
from tests.factories import CostCenterFactory, UserFactory

pytestmark = pytest.mark.django_db
PAGE, DOWNLOAD, API = "/settings/exports/", "/settings/exports/focus/", "/api/v1/exports/focus/"
EVERYTHING = "start=2026-10-01&end=2026-11-21"


def body(response) -> bytes:
    assert response.status_code == 200, response.content
    assert response.streaming
    return b"".join(response.streaming_content)


def text(response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


class TestPage:
    def test_it_opens_with_the_month_so_far(self, viewer):
        response = viewer.get(PAGE)

        assert response.status_code == 200
        assert 'name="start" value="2026-11-01"' in response.content.decode()
        assert 'name="end" value="2026-11-21"' in response.content.decode()

    def test_it_tells_what_the_file_will_hold_each_currency_by_itself(self, viewer):
        a_ledger()
        words = text(viewer.get(f"{PAGE}?{EVERYTHING}"))

        assert f"{CostLineItem.objects.count()} line items" in words
        assert "AWS (EUR) 1 €7.83" in words
        assert "Subscriptions 22 $225.00" in words

    def test_it_never_looks_at_line_items(self, viewer):
        a_ledger()
        with CaptureQueriesContext(connection) as queries:
            viewer.get(f"{PAGE}?{EVERYTHING}")

        assert not [each["sql"] for each in queries if "costlineitem" in each["sql"]]
        assert len(queries) <= 15

    def test_only_the_cost_centers_chosen_are_counted(self, viewer):
        a_ledger()
        page = viewer.get(f"{PAGE}?{EVERYTHING}&cost_center=Cursor&cost_center=Subscriptions")

        assert "32 line items" in text(page)
        assert page.content.decode().count(" checked") == 3  # and the format

    def test_months_and_everything_are_a_click_away_and_keep_the_rest(self, viewer):
        a_ledger()
        content = viewer.get(f"{PAGE}?{SPAN}&cost_center=Cursor&format=parquet").content.decode()
        spans = dict(re.findall(r'class="badge" href="\?*([^"]+)"[^>]*>([^<]+)<', content))
        links = {label: unescape(url) for url, label in spans.items()}

        assert list(links) == ["Nov 2026", "Oct 2026", "Sep 2026", "Aug 2026", "Last 12 months", "Everything"]
        assert (
            links["Oct 2026"] == f"{PAGE}?start=2026-10-01&end=2026-10-31&cost_center=Cursor&format=parquet"
        )
        assert "start=2026-10-01&end=2026-11-21" in links["Everything"]
        assert 'aria-current="true">Nov 2026<' in content

    def test_an_empty_ledger_is_said_to_be_empty(self, viewer):
        assert "No line items" in text(viewer.get(f"{PAGE}?start=&end="))

    def test_what_cannot_be_understood_is_said_and_kept_as_it_was_typed(self, viewer):
        CostCenterFactory()
        response = viewer.get(f"{PAGE}?start=2026-11-05&end=2026-11-01&format=xlsx")

        assert response.status_code == 400
        words = text(response)
        assert "end : Is before the start, 2026-11-05." in words
        assert "format : Must be one of csv, csv.gz, parquet" in words
        assert 'name="start" value="2026-11-05"' in response.content.decode()

    def test_hostile_names_are_shown_as_text(self, viewer):
        CostCenterFactory(name="<script>alert(1)</script>")
        content = viewer.get(PAGE).content.decode()
        assert "<script>alert(1)" not in content
        assert "&lt;script&gt;alert(1)" in content

    def test_it_is_in_the_rail(self, viewer):
        assert f'href="{PAGE}" aria-current="page">Exports' in viewer.get(PAGE).content.decode()
        assert f'href="{PAGE}">Exports' in viewer.get("/").content.decode()


@pytest.mark.parametrize("address", [DOWNLOAD, API], ids=["download", "api"])
class TestTheFile:
    def test_csv_unless_something_else_is_asked_for(self, viewer, address):
        a_ledger()
        response = viewer.get(f"{address}?{EVERYTHING}")

        assert body(response) == export()
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        name = "onebill_focus-1.2_2026-10-01_2026-11-21.csv"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'

    def test_gzip_and_parquet(self, viewer, address):
        a_ledger()
        packed = viewer.get(f"{address}?{EVERYTHING}&format=csv.gz")
        assert unpacked(body(packed)) == export()
        assert packed["Content-Type"] == "application/gzip"
        assert packed["Content-Disposition"].endswith('.csv.gz"')
        assert "Content-Encoding" not in packed

        typed = viewer.get(f"{address}?{EVERYTHING}&format=parquet")
        assert parsed_parquet(body(typed)).num_rows == CostLineItem.objects.count()
        assert typed["Content-Type"] == "application/vnd.apache.parquet"

    def test_days_that_are_left_out_reach_as_far_as_the_ledger(self, viewer, address):
        a_ledger()
        for parameters, first, last in (
            ("", "2026-10-01", "2026-11-21"),
            ("start=2026-11-05", "2026-11-05", "2026-11-21"),
            ("end=2026-10-31", "2026-10-01", "2026-10-31"),
            ("start=2027-01-01", "2027-01-01", "2027-01-01"),
            ("end=2020-01-01", "2020-01-01", "2020-01-01"),
        ):
            response = viewer.get(f"{address}?{parameters}")
            days = {row["ChargePeriodStart"][:10] for row in parsed(body(response))}
            assert f"_{first}_{last}.csv" in response["Content-Disposition"], parameters
            assert not days or (min(days), max(days)) == (first, last), parameters

    def test_cost_centers_by_name(self, viewer, address):
        a_ledger()
        found = parsed(body(viewer.get(address, {"cost_center": ["AWS (EUR)", "Google, production"]})))
        assert {row["x_CostCenter"] for row in found} == {"AWS (EUR)", "Google, production"}

    def test_who_only_asks_whether_it_is_there_gets_no_file(self, viewer, address):
        a_ledger()
        with CaptureQueriesContext(connection) as queries:
            response = viewer.head(f"{address}?{EVERYTHING}")
            list(response)
        assert response.status_code == 200
        assert not [each["sql"] for each in queries if "costlineitem" in each["sql"]]


BAD = [
    ("start=yesterday", "start"),
    ("end=2026-02-30", "end"),
    ("start=2026-11-02&end=2026-11-01", "end"),
    ("start=2026-11-01&start=2026-11-02", "start"),
    ("cost_center=Nobody", "cost_center"),
    ("cost_center=a%00b", "cost_center"),
    ("format=xlsx", "format"),
    ("currency=USD", "currency"),
    ("month=2026-11", "month"),
]


@pytest.mark.parametrize(("parameters", "field"), BAD)
class TestBadParameters:
    def test_the_download_leads_to_the_page_that_says_what_is_wrong(self, viewer, parameters, field):
        CostCenterFactory()
        response = viewer.get(f"{DOWNLOAD}?{parameters}")

        assert response.status_code == 400
        assert f'data-problem="{field}"' in response.content.decode()
        assert "Content-Disposition" not in response

    def test_the_api_names_the_field(self, viewer, parameters, field):
        CostCenterFactory()
        found = problem(viewer.get(f"{API}?{parameters}", headers={"Accept": "text/csv"}), 400)

        assert found["type"] == "urn:onebill:problem:invalid-parameters"
        assert [error["field"] for error in found["errors"]] == [field]


class TestApi:
    def test_the_accept_header_chooses_the_format(self, viewer):
        a_ledger()
        for wanted, accept in (
            (Format.CSV, "text/csv"),
            (Format.GZIP, "application/gzip"),
            (Format.PARQUET, "application/vnd.apache.parquet"),
            (Format.CSV, "*/*"),
        ):
            response = viewer.get(f"{API}?{EVERYTHING}", headers={"Accept": accept})
            assert response["Content-Type"] == wanted.media_type
            assert response["Content-Disposition"].endswith(f'.{wanted.value}"')

    def test_the_parameter_beats_the_header(self, viewer):
        response = viewer.get(f"{API}?format=parquet", headers={"Accept": "text/csv"})
        assert parsed_parquet(body(response)).num_rows == 0

    def test_other_formats_are_not_offered(self, viewer):
        found = problem(viewer.get(API, headers={"Accept": "application/json"}), 406)
        assert "text/csv; charset=utf-8" not in found["detail"]
        assert "text/csv or application/gzip or application/vnd.apache.parquet" in found["detail"]

    def test_a_token_is_enough(self, client):
        store(CostCenterFactory(), [event()])
        _, token = ApiToken.objects.create(user=UserFactory(role="Viewer"), name="warehouse")
        response = client.get(API, headers={"Authorization": f"Bearer {token}"})

        assert len(parsed(body(response))) == 1
        assert not client.session.keys()

    def test_strangers_are_refused(self, client):
        assert problem(client.get(API), 401)["title"] == "Unauthorized"

    def test_nothing_can_be_sent(self, viewer):
        assert problem(viewer.post(API), 405)["detail"].startswith("This method is not answered here")
