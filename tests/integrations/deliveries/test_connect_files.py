"""Connecting files through the pages: the forms, what they refuse, and all that is done to a connection later."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from costcenters.models import CostCenter
from integrations import tasks
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration
from tests.factories import IntegrationFactory, UserFactory
from tests.integrations.deliveries.bills import bill, billed, csv_bytes, row
from tests.integrations.deliveries.buckets import BUCKET

pytestmark = pytest.mark.django_db
SECRET = "s3cret/s3cret+s3cret-s3cret"
PROVIDERS = ("aws", "gcp", "azure", "focus_files")


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    place = tmp_path / "bills"
    place.mkdir()
    return place


@pytest.fixture
def eve(client: Client) -> Client:
    client.force_login(UserFactory(role="Editor", username="eve@example.com"))
    return client


@pytest.fixture
def ada() -> Client:
    admin = Client()
    admin.force_login(UserFactory(role="Admin", username="ada@example.com"))
    return admin


def typed(location: object, **changed: str) -> dict[str, str]:
    return {
        "name": "AWS",
        "location": str(location),
        "access_key_id": "",
        "secret_access_key": "",
        "region": "",
        "currency": "USD",
    } | changed


def connect(client: Client, location: object, provider: str = "aws", **changed: str) -> Integration:
    response = client.post(reverse("connect", args=[provider]), typed(location, **changed))
    assert response.status_code == 302, text(response)
    return Integration.objects.select_related("cost_center").get(cost_center__name=changed.get("name", "AWS"))


def refused(client: Client, location: object, provider: str = "aws", **changed: str) -> str:
    before = CostCenter.objects.count()
    response = client.post(reverse("connect", args=[provider]), typed(location, **changed))
    assert response.status_code == 200
    assert CostCenter.objects.count() == before
    return text(response)


def text(response: Any) -> str:
    return response.content.decode()


def messages(client: Client, url: str) -> str:
    """What the page says on top after something was done."""
    page = text(client.get(url))
    found = re.search(r'<div class="messages".*?</div>', page, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found[0])).strip() if found else ""


def act(client: Client, integration: Integration, what: str) -> str:
    client.post(reverse(f"cost-center-{what}", args=[integration.cost_center_id]))
    return messages(client, integration.cost_center.get_absolute_url())


def work(integration: Integration) -> None:
    for pk in integration.streams.values_list("pk", flat=True):
        tasks.sync(pk)


class TestTiles:
    def test_every_provider_has_one_with_a_form_and_help(self, eve):
        page = text(eve.get(reverse("cost-centers")))
        for slug in PROVIDERS:
            url = reverse("connect", args=[slug])
            assert f'href="{url}"' in page
            form = text(eve.get(url))
            assert "Complete Setup" in form
            assert "What happens then" in form
            for name in ("name", "location", "access_key_id", "secret_access_key", "region", "currency"):
                assert f'name="{name}"' in form
            assert "monthly_seat_price" not in form

    def test_what_is_not_connected_on_a_form_has_none(self, eve):
        assert "connect/subscriptions/" not in text(eve.get(reverse("cost-centers")))
        assert eve.get(reverse("connect", args=["subscriptions"])).status_code == 404


class TestConnecting:
    def test_a_folder_is_connected_and_read(self, eve, folder):
        bill(folder / "2026-10" / "a.csv", row(billed="7"))
        integration = connect(eve, folder)
        assert integration.cost_center.status == CostCenter.Status.CONNECTING
        page = text(eve.get(integration.cost_center.get_absolute_url()))
        assert "Files are looked for and read." in page
        assert "waiting for the background worker" in page

        work(integration)

        page = text(eve.get(integration.cost_center.get_absolute_url()))
        assert "Set-up is complete." in page
        assert "1 line item since 5 Oct 2026, $7.00 in all." in page
        assert billed(integration) == 7

    def test_a_name_below_an_allowed_folder_is_enough(self, eve, folder):
        integration = connect(eve, "bills")
        assert integration.credentials.open()["location"] == str(folder)

    def test_the_currency_is_the_one_that_was_typed(self, eve, folder):
        assert connect(eve, folder, currency="eur").cost_center.currency == "EUR"

    def test_a_bucket_is_connected_with_its_key_which_no_page_shows(self, eve, s3, caplog):
        s3.put("exports/a.csv", csv_bytes([row(billed="3")]))
        key = {"access_key_id": "AKIAEXAMPLEEXAMPLE99", "secret_access_key": SECRET}
        integration = connect(eve, f"s3://{BUCKET}/exports/", **key)
        work(integration)
        assert billed(integration) == 3
        assert integration.api_url == s3.url
        assert integration.key_hint == "…LE99"
        for name in ("cost-center", "cost-center-key", "cost-center-edit", "cost-center-runs"):
            page = text(eve.get(reverse(name, args=[integration.cost_center_id])))
            assert SECRET not in page
            assert key["access_key_id"] not in page
        assert SECRET not in caplog.text
        stored = Integration.objects.values_list("credentials", flat=True).get()
        assert SECRET not in stored.token

    def test_no_file_yet_is_fine_with_a_warning(self, eve, folder):
        integration = connect(eve, folder)
        told = messages(eve, integration.cost_center.get_absolute_url())
        assert told.startswith(f"There is no file in {folder} yet")

    def test_any_focus_source_needs_no_location(self, eve):
        for name in ("One", "Two"):
            integration = connect(eve, "", "focus_files", name=name)
            work(integration)
        page = text(eve.get(integration.cost_center.get_absolute_url()))
        assert "none: its files are uploaded" in page
        assert reverse("cost-center-files", args=[integration.cost_center_id]) in page

    def test_the_others_do(self, eve):
        for slug in ("aws", "gcp", "azure"):
            assert "Enter where the files lie" in refused(eve, "", slug)

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("/etc", "not among those that may be read"),
            ("../..", "not among those that may be read"),
            ("nowhere", "does not exist on this server"),
            ("x" * 300, "does not exist on this server"),
            ("https://bucket/x", "Enter s3://bucket/prefix"),
            ("s3://Not_A_Bucket", "is no name of a bucket"),
            ("<script>", "does not exist"),
        ],
    )
    def test_a_bad_location_is_refused_with_what_to_mend(self, location, why, eve, folder):
        page = refused(eve, location)
        assert why in page
        assert "<script>" not in page.replace("<script src", "")

    def test_a_file_is_refused(self, eve, folder):
        assert "Enter the folder in which it lies." in refused(eve, bill(folder / "a.csv"))

    def test_a_link_out_of_the_allowed_folders_is_refused(self, eve, folder):
        (folder / "out").symlink_to("/etc")
        assert "not among those that may be read" in refused(eve, folder / "out")

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"access_key_id": "AKIA1"}, "Enter the secret that belongs"),
            ({"secret_access_key": SECRET}, "Enter the ID that belongs"),
            ({"access_key_id": "AK IA", "secret_access_key": "x"}, "holds a space"),
            ({"region": "eu west!"}, "This is no region"),
            ({"currency": "dollars"}, "at most 3 characters"),
            ({"currency": "U$D"}, "three-letter"),
            ({"name": "(none)"}, "Choose another name"),
        ],
    )
    def test_what_cannot_be_is_told_at_its_field_and_the_secret_not_kept(self, changed, why, eve, s3):
        page = refused(eve, f"s3://{BUCKET}/x", **changed)
        assert why in page
        assert SECRET not in page
        assert f"s3://{BUCKET}/x" in page

    def test_a_folder_takes_no_key(self, eve, folder):
        page = refused(eve, folder, access_key_id="AKIA1", secret_access_key="x")
        assert "Only a bucket has a key" in page

    def test_a_missing_bucket_is_marked_at_the_location(self, eve, s3):
        page = refused(eve, "s3://not-there/x", access_key_id="a", secret_access_key="b")
        assert "There is no bucket not-there." in page
        assert "Please check the location." in page

    def test_a_refused_key_is_marked_and_has_to_be_typed_again(self, eve, s3):
        with s3.checking_keys():
            page = refused(eve, f"s3://{BUCKET}/x", access_key_id="AKIAUNKNOWN", secret_access_key=SECRET)
        assert "does not know this access key ID" in page
        assert page.count("Please check this and paste it again.") == 2
        assert "AKIAUNKNOWN" not in page

    def test_the_same_location_twice_is_refused(self, eve, folder):
        connect(eve, folder)
        for slug, spelling in (
            ("aws", f"{folder}/"),
            ("focus_files", "bills"),
            ("gcp", f"{folder}/../bills"),
        ):
            page = refused(eve, spelling, slug, name="Again")
            assert "This location is already connected, as “AWS”." in page

    def test_a_location_within_another_is_refused_and_one_beside_it_is_not(self, eve, folder):
        below, beside = folder / "october", folder.parent / "bills-of-others"
        for each in (below, beside):
            each.mkdir()
        connect(eve, below)
        assert "“AWS” reads" in refused(eve, folder, "gcp", name="All of it")
        connect(eve, beside, name="Beside")
        assert "lies within the other" in refused(eve, beside / "deeper", "focus_files", name="Deeper")

    def test_a_removed_one_is_connected_again_in_its_currency_only(self, eve, ada, folder):
        integration = connect(eve, folder, currency="EUR")
        url = reverse("cost-center-remove", args=[integration.cost_center_id])
        ada.post(url, {"history": "keep", "typed_name": "AWS"})
        form = text(eve.get(reverse("connect", args=["aws"]) + "?name=AWS"))
        assert "goes on with that history" in form
        assert 'value="EUR"' in form
        assert "holds the history of a bill in EUR" in refused(eve, folder)
        assert "There is a cost center of this name already" in refused(eve, folder, "gcp", currency="EUR")
        assert connect(eve, folder, currency="EUR").pk == integration.pk


class TestLife:
    @pytest.fixture
    def aws(self, eve, folder) -> Integration:
        bill(folder / "2026-10" / "a.csv", row(billed="7"))
        integration = connect(eve, folder)
        work(integration)
        return integration

    def test_buttons(self, eve, aws, folder):
        assert "can be read, and there are files in it" in act(eve, aws, "test")
        assert act(eve, aws, "sync") == "Looking for new and changed files now."
        assert act(eve, aws, "pause").startswith("Paused")
        assert "No file is looked for until somebody resumes it" in text(
            eve.get(aws.cost_center.get_absolute_url())
        )
        assert act(eve, aws, "resume").startswith("Resumed")

    def test_a_test_of_a_folder_that_is_gone_stops_it_and_another_mends_it(self, eve, aws, folder):
        away = folder.rename(folder.with_name("away"))
        assert "does not exist on this server" in act(eve, aws, "test")
        page = text(eve.get(aws.cost_center.get_absolute_url()))
        assert "Change the location or its key" in page
        assert "Paste a new key" not in page
        away.rename(folder)
        assert "can be read" in act(eve, aws, "test")

    def test_the_location_is_changed_and_what_was_imported_stays(self, eve, aws, folder):
        other = folder.with_name("other")
        bill(other / "b.csv", row("2026-11-02", billed="1"))
        url = reverse("cost-center-key", args=[aws.cost_center_id])
        page = text(eve.get(url))
        assert f'value="{folder}"' in page
        assert 'name="currency"' not in page
        assert 'name="name"' not in page

        location = {"location": str(other), "access_key_id": "", "secret_access_key": "", "region": ""}
        assert eve.post(url, location).status_code == 302
        assert f"{other} can be read" in messages(eve, aws.cost_center.get_absolute_url())
        work(aws)
        assert billed(aws) == 8
        assert connect(eve, folder, name="Old").pk

    def test_a_bad_new_location_leaves_the_old_one(self, eve, aws, folder):
        url = reverse("cost-center-key", args=[aws.cost_center_id])
        page = text(eve.post(url, {"location": "nowhere"}))
        assert "does not exist on this server" in page
        assert "what is stored stays in use" in page
        assert Integration.objects.get().credentials.open()["location"] == str(folder)

    def test_it_is_renamed_and_removed(self, eve, ada, aws):
        eve.post(reverse("cost-center-edit", args=[aws.cost_center_id]), {"name": "Amazon"})
        url = reverse("cost-center-remove", args=[aws.cost_center_id])
        page = text(ada.get(url))
        assert "the location is deleted" in page
        assert "seat price" not in page
        ada.post(url, {"history": "delete", "typed_name": "Amazon"})
        for _ in range(3):
            work(aws)
        assert not CostCenter.objects.exists()
        assert not ImportedFile.objects.exists()

    def test_its_page_tells_of_files_and_not_of_seats(self, eve, aws):
        page = text(eve.get(aws.cost_center.get_absolute_url()))
        for words in (
            "Members",
            "Seat price",
            "Reconciliation",
            "Requests in the last minute",
            "Read days again",
        ):
            assert words not in page, words
        assert "<strong>1</strong> imported" in page

    def test_what_is_not_right_with_a_file_is_told_on_top(self, eve, aws, folder):
        bill(folder / "2026-11" / "bad.csv", row("2026-11-01", billed="x"))
        aws.streams.update(due_at="2026-01-01T00:00Z")
        work(aws)
        page = text(eve.get(aws.cost_center.get_absolute_url()))
        assert "1 file is refused." in page
        assert reverse("cost-center-files", args=[aws.cost_center_id]) in page

    def test_the_edit_page_tells_of_files_and_not_of_seats(self, eve, aws):
        page = text(eve.get(reverse("cost-center-edit", args=[aws.cost_center_id])))
        assert "New and changed files are looked for each hour." in page
        for words in ("seats", "Read days again", "Update the key<"):
            assert words not in page, words

    def test_pages_that_are_not_for_files_say_so(self, eve, aws):
        pk = aws.cost_center_id
        assert "not read from a provider that has members" in text(
            eve.get(reverse("cost-center-members", args=[pk]))
        )
        assert "nothing to compare with" in text(eve.get(reverse("reconciliation", args=[pk])))
        assert "seat cost is not estimated" in text(eve.get(reverse("cost-center-seats", args=[pk])))
        url = reverse("cost-center-read-again", args=[pk])
        assert "read again by themselves when they change" in text(eve.get(url))
        days = {"first": "2026-10-01", "last": "2026-10-02"}
        assert "read again by themselves when they change" in text(eve.post(url, days))
        seats = {"tracking": "priced", "monthly_price": "5", "effective_from": "2099-01-01", "save": "1"}
        eve.post(reverse("cost-center-seats", args=[pk]), seats)
        assert not aws.cost_center.seat_prices.exists()

    def test_a_viewer_sees_how_it_is_but_not_where_its_files_lie(self, client, aws, folder):
        client.force_login(UserFactory(role="Viewer"))
        page = text(client.get(aws.cost_center.get_absolute_url()))
        assert "<strong>1</strong> imported" in page
        assert str(folder) not in page

    def test_the_list_tells_it_apart_from_a_key(self, eve, aws):
        page = text(eve.get(reverse("cost-centers")))
        assert "Update location<" in page
        assert "$0.00" in page

    def test_the_page_is_quick(self, eve, aws, django_assert_max_num_queries):
        with django_assert_max_num_queries(15):
            eve.get(aws.cost_center.get_absolute_url())

    def test_the_admin_replaces_a_key_and_nothing_else(self, ada, s3):
        with_key = {"access_key_id": "AKIAEXAMPLEEXAMPLE99", "secret_access_key": SECRET}
        integration = connect(ada, f"s3://{BUCKET}/exports", **with_key)
        url = reverse("admin:integrations_integration_change", args=[integration.pk])
        page = text(ada.get(url))
        assert 'name="new_secret_access_key"' in page
        assert 'name="new_location"' not in page
        assert SECRET not in page
        new = {"new_access_key_id": "AKIAEXAMPLEEXAMPLE11", "new_secret_access_key": "n" * 20}
        assert ada.post(url, new).status_code == 302
        integration.refresh_from_db()
        stored = integration.credentials.open()
        assert (stored["location"], stored["access_key_id"]) == (
            f"s3://{BUCKET}/exports",
            new["new_access_key_id"],
        )


def test_a_bill_of_somebody_else_in_files_is_called_by_its_own_name(eve):
    """An export of Cursor lines, imported: the cost center is Cursor's, and read from files."""
    integration = IntegrationFactory(provider="focus_files", cost_center__name="Old Cursor", key_hint="")
    page = text(eve.get(integration.cost_center.get_absolute_url()))
    assert "<dd>Cursor</dd>" in page
    assert 'id="files-card"' in page
    assert 'id="team"' not in page
