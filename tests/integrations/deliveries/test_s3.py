"""Deliveries in a bucket, over real HTTP to an S3 server: found, read, changed, refused, out of reach."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from costcenters.models import CostCenter
from integrations import connections, life
from integrations.connections import NotConnected
from integrations.http import Runtime, utc_now
from integrations.life import NotPossible
from integrations.models import ImportedFile, Integration, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.focus_files.addresses import Bucket
from integrations.providers.focus_files.buckets import ObjectStore
from integrations.providers.focus_files.locations import FileChanged
from tests.integrations.deliveries.bills import billed, connect, csv_bytes, parquet_bytes, read, row, states
from tests.integrations.deliveries.buckets import BUCKET, Store

pytestmark = pytest.mark.django_db
WHERE = f"s3://{BUCKET}/exports"
KEY = {"access_key_id": "AKIAEXAMPLEEXAMPLE12", "secret_access_key": "s3cret-s3cret-s3cret-s3cret"}


class Hooked:
    """The real clock, which is what a bucket tells times by; it does something once, when `when` holds."""

    ahead = timedelta(0)
    when: Callable[[], bool] = staticmethod(lambda: False)
    then: Callable[[], None] = staticmethod(lambda: None)

    def __call__(self) -> datetime:
        if self.when():
            self.when = lambda: False
            self.then()
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> Hooked:
    return Hooked()


@pytest.fixture
def runtime(clock: Hooked) -> Runtime:
    return Runtime(clock=clock, sleep=lambda seconds: None, random=lambda: 0.5, read_seconds=3)


def with_key(s3: Store, runtime: Runtime, **options: Any) -> Integration:
    return connect(WHERE, runtime, credentials=KEY | options.pop("key", {}), **options)


def delivery_is_begun() -> bool:
    runs = SyncRun.objects.of_windows()
    return runs.filter(outcome="running").exists() and runs.count() >= 2


class TestReading:
    def test_csv_gz_and_parquet_of_a_bucket_are_imported(self, s3, runtime):
        s3.put("exports/2026-10/a.csv.gz", gzip.compress(csv_bytes([row(billed="1"), row(billed="2")])))
        s3.put("exports/2026-11/deep/b.snappy.parquet", parquet_bytes([row("2026-11-02", billed="4")]))
        s3.put("elsewhere/c.csv", csv_bytes([row(billed="100")]))
        s3.put("exports-of-others/c.csv", csv_bytes([row(billed="100")]))
        integration = with_key(s3, runtime)

        result = read(integration, runtime)

        assert (result.complete, result.error) == (True, "")
        assert billed(integration) == 7
        assert set(ImportedFile.objects.values_list("location", "state")) == {
            (f"{WHERE}/2026-10/a.csv.gz", "imported"),
            (f"{WHERE}/2026-11/deep/b.snappy.parquet", "imported"),
        }

    def test_a_whole_bucket_may_be_the_location(self, s3, runtime):
        s3.put("a.csv", csv_bytes([row(billed="3")]))
        integration = connect(f"s3://{BUCKET}", runtime, credentials=KEY)
        read(integration, runtime)
        assert billed(integration) == 3

    def test_names_with_spaces_and_umlauts_are_read(self, s3, runtime):
        s3.put("exports/BILLING PERIOD=2026-10/Rechnung Köln+1%.csv", csv_bytes([row(billed="3")]))
        integration = with_key(s3, runtime)
        read(integration, runtime)
        assert billed(integration) == 3

    def test_a_name_longer_than_a_row_holds_is_kept_apart_from_others(self, s3, runtime):
        for number in "12":
            s3.put(f"exports/{'x' * 450}/{'y' * 450}-{number}.csv", csv_bytes([row(billed=number)]))
        integration = with_key(s3, runtime)
        assert read(integration, runtime).complete
        assert billed(integration) == 3
        before = integration.runs.count()
        read(integration, runtime)
        assert integration.runs.count() == before + 1

    def test_an_export_of_aws_is_read_by_its_manifest(self, s3, runtime, clock):
        data, meta = "exports/e/data/BILLING_PERIOD=2026-10/", "exports/e/metadata/BILLING_PERIOD=2026-10/"
        keys = [f"s3://{BUCKET}/{data}e-0000{number}.snappy.parquet" for number in (1, 2)]
        s3.put(data + "e-00001.snappy.parquet", parquet_bytes([row(billed="1")]))
        s3.put(data + "e-00003.snappy.parquet", parquet_bytes([row(billed="50", ResourceId="old")]))
        s3.put(meta + "e-Manifest.json", json.dumps({"dataFiles": keys}).encode())
        integration = with_key(s3, runtime)
        read(integration, runtime)
        assert billed(integration) == 0
        assert "e-00002.snappy.parquet, not there yet" in integration.runs.of_windows().get().message

        s3.put(data + "e-00002.snappy.parquet", parquet_bytes([row(billed="2", ResourceId="two")]))
        time.sleep(1.1)
        s3.put(meta + "e-Manifest.json", json.dumps({"dataFiles": keys}).encode())
        read(integration, runtime)
        assert billed(integration) == 3


class TestVersions:
    def test_an_unchanged_bucket_is_not_read_again(self, s3, runtime):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        integration = with_key(s3, runtime)
        read(integration, runtime)
        before = integration.runs.count()
        read(integration, runtime)
        assert integration.runs.count() == before + 1
        assert integration.runs.latest("pk").outcome == SyncRun.Outcome.UNCHANGED

    def test_a_change_within_the_second_and_of_the_same_size_is_seen_by_its_tag(self, s3, runtime):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        integration = with_key(s3, runtime)
        read(integration, runtime)
        s3.put("exports/a.csv", csv_bytes([row(billed="9")]))
        read(integration, runtime)
        assert billed(integration) == 9
        assert ImportedFile.objects.filter(state="superseded").count() == 1

    def test_the_same_content_put_once_more_is_not_read_again(self, s3, runtime):
        content = csv_bytes([row(billed="1")])
        s3.put("exports/a.csv", content)
        integration = with_key(s3, runtime)
        read(integration, runtime)
        time.sleep(1.1)
        s3.put("exports/a.csv", content)
        before = integration.runs.count()
        for _ in range(2):
            read(integration, runtime)
        assert integration.runs.count() == before + 2
        assert ImportedFile.objects.count() == 1

    def test_long_after_a_file_came_its_tag_is_not_asked_for(self, s3, runtime, clock):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        clock.ahead = timedelta(hours=2)
        integration = with_key(s3, runtime)
        read(integration, runtime)
        requests = read(integration, runtime).requests
        # One a folder: the prefix itself.
        assert requests == 1

    def test_a_file_that_is_replaced_while_it_is_read_is_left_for_later(self, s3, runtime, clock):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        integration = with_key(s3, runtime)
        clock.when = delivery_is_begun
        clock.then = lambda: s3.put("exports/a.csv", csv_bytes([row(billed="1"), row(billed="2")]))
        assert read(integration, runtime).complete
        assert states(integration) == {"a.csv": "found"}
        read(integration, runtime)
        assert billed(integration) == 3


class TestKeys:
    def refused(self, runtime: Runtime, **credentials: str) -> NotConnected:
        with pytest.raises(NotConnected) as refusal:
            connect(WHERE, runtime, credentials=credentials)
        assert not CostCenter.objects.exists()
        assert KEY["secret_access_key"] not in str(refusal.value)
        return refusal.value

    def test_a_key_that_may_list_and_read_is_enough(self, s3, runtime):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        key = s3.make_key("s3:ListBucket", "s3:GetObject")
        with s3.checking_keys():
            integration = connect(WHERE, runtime, credentials=key)
            assert read(integration, runtime).error == ""
        assert billed(integration) == 1
        assert integration.key_hint == f"…{key['access_key_id'][-4:]}"

    def test_an_unknown_key_is_refused(self, s3, runtime):
        with s3.checking_keys():
            refusal = self.refused(runtime, **KEY)
        assert "does not know this access key ID" in str(refusal)
        assert refusal.field == "credentials"

    def test_a_wrong_secret_is_refused(self, s3, runtime):
        key = s3.make_key("s3:ListBucket")
        with s3.checking_keys():
            refusal = self.refused(runtime, **key | {"secret_access_key": KEY["secret_access_key"]})
        assert "does not accept this secret access key" in str(refusal)

    def test_a_key_without_the_right_to_list_is_refused(self, s3, runtime):
        key = s3.make_key("s3:GetObject")
        with s3.checking_keys():
            refusal = self.refused(runtime, **key)
        assert "s3:ListBucket" in str(refusal)

    def test_a_bucket_that_is_not_there_is_refused(self, s3, runtime):
        with pytest.raises(NotConnected, match="There is no bucket no-such-bucket") as refusal:
            connect("s3://no-such-bucket/x", runtime, credentials=KEY)
        assert refusal.value.field == "location"

    def test_without_a_key_the_identity_of_the_machine_is_used(self, s3, runtime, monkeypatch):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        key = s3.make_key("s3:ListBucket", "s3:GetObject")
        with s3.checking_keys():
            self.refused(runtime)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["access_key_id"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["secret_access_key"])
            integration = connect(WHERE, runtime)
            assert read(integration, runtime).error == ""
        assert billed(integration) == 1
        assert integration.key_hint == ""

    def test_a_prefix_without_files_is_fine_with_a_warning(self, s3, runtime):
        connected = connections.connect(
            PROVIDERS["aws"],
            name="AWS",
            credentials={"location": WHERE, "region": "", **KEY},
            user=None,
            runtime=runtime,
        )
        assert f"There is no file in {WHERE} yet" in connected.warning

    def test_a_key_that_is_revoked_later_needs_a_person(self, s3, runtime):
        key = s3.make_key("s3:ListBucket", "s3:GetObject")
        with s3.checking_keys():
            integration = connect(WHERE, runtime, credentials=key)
            read(integration, runtime)
        gone = s3.make_key("s3:GetObject")
        with s3.checking_keys(), pytest.raises(NotConnected, match="s3:ListBucket"):
            connections.rotate(integration, {"location": WHERE, "region": "", **gone}, runtime=runtime)
        s3.client("iam").delete_access_key(UserName="user0", AccessKeyId=key["access_key_id"])
        with s3.checking_keys():
            assert "does not know this access key ID" in read(integration, runtime).error
        integration.cost_center.refresh_from_db()
        assert integration.cost_center.status == CostCenter.Status.NEEDS_ATTENTION

        new = s3.make_key("s3:ListBucket", "s3:GetObject")
        with s3.checking_keys():
            connections.rotate(integration, {"location": WHERE, "region": "", **new}, runtime=runtime)
            assert read(integration, runtime).complete
        integration.cost_center.refresh_from_db()
        assert integration.cost_center.status == CostCenter.Status.ACTIVE

    def test_nothing_typed_for_the_key_keeps_it(self, s3, runtime):
        key = s3.make_key("s3:ListBucket", "s3:GetObject")
        s3.put("moved/a.csv", csv_bytes([row(billed="4")]))
        with s3.checking_keys():
            integration = connect(WHERE, runtime, credentials=key)
            typed = {
                "location": f"s3://{BUCKET}/moved",
                "access_key_id": "",
                "secret_access_key": "",
                "region": "",
            }
            connections.rotate(integration, typed, runtime=runtime)
            read(integration, runtime)
        assert billed(integration) == 4
        stored = Integration.objects.get(pk=integration.pk).credentials.open()
        assert (stored["location"], stored["secret_access_key"]) == (
            f"s3://{BUCKET}/moved",
            key["secret_access_key"],
        )

    def test_a_bucket_of_google_is_asked_at_the_address_of_the_connection(self, s3, runtime):
        s3.put("exports/a.csv", csv_bytes([row(billed="1")]))
        integration = connect(f"gs://{BUCKET}/exports", runtime, name="GCP", provider="gcp", credentials=KEY)
        read(integration, runtime)
        assert billed(integration) == 1
        assert ImportedFile.objects.get().location == f"gs://{BUCKET}/exports/a.csv"


class TestOutOfReach:
    @pytest.fixture
    def own(self, s3, settings, runtime):
        """A server that the test may stop; with a file in it, and a connection that has not read it."""
        store = Store()
        store.start()
        settings.S3_ENDPOINT_URL = store.url
        store.put("exports/a.csv", csv_bytes([row(billed="1")] * 50))
        yield store
        store.stop()

    def test_a_server_that_is_down_is_tried_again(self, own, runtime):
        integration = with_key(own, runtime)
        own.stop()
        result = read(integration, replace(runtime, read_seconds=0.5))
        assert f"127.0.0.1:{own.port} could not be asked for {WHERE}" in result.error
        assert "It is tried again by itself." in result.error
        integration.cost_center.refresh_from_db()
        assert integration.cost_center.status == CostCenter.Status.CONNECTING

        own.start()
        assert read(integration, runtime).complete
        assert billed(integration) == 50

    def test_a_server_that_goes_down_in_the_middle_refuses_no_file(self, own, runtime, clock):
        integration = with_key(own, runtime)
        clock.when = delivery_is_begun
        clock.then = own.stop
        result = read(integration, replace(runtime, read_seconds=0.5))
        assert "could not be asked" in result.error
        assert states(integration) == {"a.csv": "found"}
        assert integration.runs.latest("pk").outcome == SyncRun.Outcome.FAILED

        own.start()
        assert read(integration, runtime).complete
        assert states(integration) == {"a.csv": "imported"}

    def test_one_that_is_down_is_told_in_words_when_connecting(self, own, runtime):
        own.stop()
        began = time.monotonic()
        with pytest.raises(NotConnected, match=r"could not be asked for .* Try again"):
            with_key(own, runtime)
        assert time.monotonic() - began < 10

    def test_one_that_never_answers_is_given_up(self, s3, settings, runtime):
        with closing(socket.create_server(("127.0.0.1", 0))) as silent:
            settings.S3_ENDPOINT_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
            began = time.monotonic()
            with pytest.raises(NotConnected, match="could not be asked for"):
                with_key(s3, replace(runtime, read_seconds=1))
            assert time.monotonic() - began < 10

    def test_one_that_answers_nonsense_is_told_in_words(self, s3, settings, runtime):
        with closing(socket.create_server(("127.0.0.1", 0))) as odd:

            def answer() -> None:
                while True:
                    try:
                        peer, _ = odd.accept()
                    except OSError:
                        return
                    with peer:
                        peer.recv(65536)
                        peer.sendall(
                            b"HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<a>&b"
                        )

            threading.Thread(target=answer, daemon=True).start()
            settings.S3_ENDPOINT_URL = f"http://127.0.0.1:{odd.getsockname()[1]}"
            with pytest.raises(NotConnected, match="could not be asked"):
                with_key(s3, replace(runtime, read_seconds=1))

    def test_a_test_of_the_connection_tells_trouble_apart_from_a_refusal(self, own, runtime):
        integration = with_key(own, runtime)
        read(integration, runtime)
        own.stop()
        with pytest.raises(NotPossible, match="Try again in a moment"):
            life.test_connection(integration_of(integration), runtime=runtime)
        integration.cost_center.refresh_from_db()
        assert integration.cost_center.status == CostCenter.Status.ACTIVE


def integration_of(integration: Integration) -> Integration:
    return Integration.objects.get(pk=integration.pk)


def test_a_file_that_is_gone_when_it_is_opened_has_changed(s3, runtime):
    from integrations.http import ShortGuard

    s3.put("exports/a.csv", b"x")
    place = ObjectStore(
        Bucket("s3", BUCKET, "exports"), KEY, endpoint=s3.url, runtime=runtime, guard=ShortGuard(runtime)
    )
    (file,) = place.files()
    assert file.modified_at.tzinfo is UTC or file.modified_at.utcoffset() == timedelta(0)
    s3.delete("exports/a.csv")
    with pytest.raises(FileChanged):
        place.open(file)
    assert not place.is_as_listed(file)
