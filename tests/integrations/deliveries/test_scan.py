"""Which deliveries lie in a folder: what belongs together, what waits, what is left alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.deliveries.scan import FoundDelivery, find_deliveries
from integrations.errors import KeyRefused, Unreachable
from integrations.http import Runtime, ShortGuard
from integrations.providers.focus_files import locations
from integrations.providers.focus_files.addresses import Folder, NoAddress, address_of
from integrations.providers.focus_files.locations import FileChanged, LocalFolder

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
Put = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    folder = tmp_path / "bills"
    folder.mkdir()
    return folder


@pytest.fixture
def put(root: Path) -> Put:
    """Writes a file, so many hours before NOW; a dict or a list as JSON."""

    def write(name: str, content: Any = "x", *, hours: float = 10) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else json.dumps(content)).encode()
        )
        moment = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(path, (moment, moment))
        return path

    return write


def place(root: Path) -> LocalFolder:
    runtime = Runtime(clock=lambda: NOW, sleep=lambda seconds: None)
    return LocalFolder(Folder(root), runtime, ShortGuard(runtime))


def found(root: Path) -> list[FoundDelivery]:
    return find_deliveries(place(root), NOW)


def paths(delivery: FoundDelivery) -> list[str]:
    return [file.path for file in delivery.files]


def folders(root: Path) -> dict[str, str]:
    """What each delivery waits for, by its folder."""
    return {delivery.folder: delivery.waits_for for delivery in found(root)}


class TestFolders:
    def test_all_data_files_directly_in_a_folder_are_one_delivery(self, root, put):
        put("2026-10/b.parquet")
        put("2026-10/a.csv.gz")
        put("2026-10/more/c.csv")
        put("d.CSV")

        assert [paths(each) for each in found(root)] == [
            ["d.CSV"],
            ["2026-10/a.csv.gz", "2026-10/b.parquet"],
            ["2026-10/more/c.csv"],
        ]

    def test_the_delivery_whose_last_file_came_first_is_read_first(self, root, put):
        put("late/a.csv", hours=9)
        put("late/b.csv", hours=1)
        put("early/a.csv", hours=5)
        assert list(folders(root)) == ["early", "late"]

    @pytest.mark.parametrize(
        "name",
        [
            "notes.txt",
            "bill.csv.tmp",
            "bill.json",
            "_SUCCESS",
            ".hidden.csv",
            "_started.csv",
            ".snapshots/a.csv",
            "_delta_log/00.parquet",
            "metadata/x.csv",
            "deep/metadata/x.parquet",
        ],
    )
    def test_what_is_no_file_of_a_bill_is_left_alone(self, root, put, name):
        put(name)
        assert found(root) == []

    def test_an_empty_folder_holds_nothing(self, root):
        assert found(root) == []

    def test_a_snappy_parquet_is_a_parquet(self, root, put):
        put("aws/export-00001.snappy.parquet")
        assert paths(found(root)[0]) == ["aws/export-00001.snappy.parquet"]


class TestLinks:
    """Whoever may write into a folder must not make us read elsewhere."""

    def test_symbolic_links_are_not_followed(self, root, put, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret.csv").write_text("x")
        (root / "dir").symlink_to(outside)
        (root / "file.csv").symlink_to(outside / "secret.csv")
        put("real.csv")
        assert [paths(each) for each in found(root)] == [["real.csv"]]

    def test_a_pipe_is_no_file(self, root):
        os.mkfifo(root / "pipe.csv")
        assert found(root) == []

    def test_a_file_that_became_a_link_since_is_not_opened(self, root, put, tmp_path):
        path = put("a.csv")
        secret = tmp_path / "secret.csv"
        secret.write_text("y")
        location = place(root)
        (file,) = location.files()
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(OSError):
            location.open(file)
        assert not location.is_as_listed(file)

    def test_a_folder_that_became_a_link_since_is_not_entered(self, root, put, tmp_path):
        put("sub/a.csv")
        location = place(root)
        (file,) = location.files()
        os.rename(root / "sub", tmp_path / "moved")
        (root / "sub").symlink_to(tmp_path / "moved")
        with pytest.raises(FileChanged):
            location.open(file)

    def test_a_file_that_was_written_to_since_is_not_opened(self, root, put):
        put("a.csv", "one")
        location = place(root)
        (file,) = location.files()
        put("a.csv", "another", hours=0)
        with pytest.raises(FileChanged):
            location.open(file)

    def test_a_name_that_is_no_text_is_left_alone(self, root):
        (root / "tab\there.csv").write_text("x")
        Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.csv")).write_text("x")
        assert found(root) == []


class TestAwsManifests:
    """`<export>/metadata/<partition>/<export>-Manifest.json` names files below `<export>/data/<partition>/`."""

    KEY = "s3://bucket/prefix/exp/data/BILLING_PERIOD=2026-10/exp-0000{}.snappy.parquet"

    def manifest(self, put, *numbers: int, hours: float = 8) -> None:
        put(
            "exp/metadata/BILLING_PERIOD=2026-10/exp-Manifest.json",
            {"executionId": "e", "dataFiles": [self.KEY.format(number) for number in numbers]},
            hours=hours,
        )

    def data(self, put, number: int, *, period: str = "2026-10", hours: float = 10) -> None:
        put(f"exp/data/BILLING_PERIOD={period}/exp-0000{number}.snappy.parquet", hours=hours)

    def test_only_the_files_it_names_are_read(self, root, put):
        for number in (1, 2, 3):
            self.data(put, number)
        self.manifest(put, 1, 2)
        (delivery,) = found(root)
        assert [file.name for file in delivery.files] == [
            "exp-00001.snappy.parquet",
            "exp-00002.snappy.parquet",
        ]
        assert delivery.waits_for == ""

    def test_other_periods_whose_files_are_called_the_same_are_not_touched(self, root, put):
        for period in ("2026-09", "2026-10"):
            self.data(put, 1, period=period)
            self.data(put, 2, period=period)
        self.manifest(put, 1)
        sizes = {each.folder[-7:]: len(each.files) for each in found(root)}
        assert sizes == {"2026-09": 2, "2026-10": 1}

    def test_a_missing_file_is_waited_for(self, root, put):
        self.data(put, 1)
        self.manifest(put, 1, 2)
        assert list(folders(root).values()) == ["Its manifest names exp-00002.snappy.parquet, not there yet."]

    def test_a_run_that_is_being_written_over_is_waited_for(self, root, put):
        self.data(put, 1, hours=0.1)
        self.data(put, 2, hours=24)
        self.manifest(put, 1, 2, hours=23)
        assert "newer than its manifest" in folders(root)["exp/data/BILLING_PERIOD=2026-10"]

    def test_but_not_for_ever(self, root, put):
        """A copy need not keep the times."""
        self.data(put, 1, hours=2)
        self.manifest(put, 1, hours=23)
        assert folders(root) == {"exp/data/BILLING_PERIOD=2026-10": ""}

    def test_the_location_may_begin_further_down(self, root, put):
        self.data(put, 1)
        self.data(put, 2)
        self.manifest(put, 1)
        below = root / "exp"
        assert [paths(each) for each in find_deliveries(place(below), NOW)] == [
            ["data/BILLING_PERIOD=2026-10/exp-00001.snappy.parquet"]
        ]

    def test_the_newer_of_two_manifests_holds(self, root, put):
        for number in (1, 2):
            self.data(put, number)
        self.manifest(put, 1, 2, hours=9)
        put("exp/metadata/old-Manifest.json", {"dataFiles": [self.KEY.format(1)]}, hours=30)
        assert len(found(root)[0].files) == 2


class TestAzureManifests:
    def test_only_the_files_it_names_are_read(self, root, put):
        run = "focus/20261001-20261031/202610150030/"
        put(run + "part_0_0001.csv.gz")
        put(run + "part_1_0001.csv.gz")
        put(run + "leftover.csv")
        blobs = [{"blobName": f"exports/{run}part_{n}_0001.csv.gz", "byteCount": 1} for n in (0, 1)]
        put(run + "manifest.json", b"\xef\xbb\xbf" + json.dumps({"blobs": blobs, "blobCount": 2}).encode())
        (delivery,) = found(root)
        assert [file.name for file in delivery.files] == ["part_0_0001.csv.gz", "part_1_0001.csv.gz"]

    def test_a_missing_file_is_waited_for(self, root, put):
        put("run/part_0.csv")
        put(
            "run/manifest.json",
            {"blobs": [{"blobName": "c/run/part_0.csv"}, {"blobName": "c/run/part_1.csv"}]},
        )
        assert folders(root) == {"run": "Its manifest names part_1.csv, not there yet."}

    def test_files_of_an_older_run_are_not_read_before_those_of_the_new_one_are_there(self, root, put):
        put("run/old.csv")
        put("run/manifest.json", {"blobs": [{"blobName": "c/run/new.csv"}]})
        assert folders(root) == {"run": "Its manifest names new.csv, not there yet."}


class TestOddManifests:
    @pytest.mark.parametrize(
        "content",
        [
            {},
            [],
            "null",
            {"files": 3},
            {"dataFiles": []},
            {"dataFiles": [None, 3, "", "///", {}]},
            {"blobs": [None, "text", {"blobName": 7}, {}]},
            {"dataFiles": ["../../etc/passwd", "s3://b/k/../../x.csv"]},
        ],
    )
    def test_one_that_names_no_file_of_ours_changes_nothing(self, root, put, content):
        put("run/a.csv")
        put("elsewhere/manifest.json", content)
        assert folders(root) == {"run": ""}

    @pytest.mark.parametrize("content", ["{", b"\xff\xfe\x00", "[" * 100_000, ""])
    def test_one_that_cannot_be_read_may_still_be_being_written(self, root, put, content):
        put("run/a.csv")
        put("run/manifest.json", content)
        assert folders(root) == {"run": "Its manifest cannot be read yet."}

    def test_one_that_is_absurdly_large_is_not_read(self, root, put, monkeypatch):
        monkeypatch.setattr(locations, "MOST_READ_WHOLE", 100)
        put("run/a.csv")
        put("run/manifest.json", {"blobs": [{"blobName": "x" * 200}]})
        assert folders(root) == {"run": "Its manifest cannot be read yet."}


class TestRunsOfAPeriod:
    """AWS's "create new" and Azure without overwriting keep every run in a folder of its own."""

    @pytest.mark.parametrize(
        "period", ["BILLING_PERIOD=2026-10", "billing_period=2026-10", "20261001-20261031"]
    )
    def test_only_the_newest_is_read(self, root, put, period):
        put(f"exp/{period}/run-1/a.csv", hours=50)
        put(f"exp/{period}/run-2/a.csv", hours=20)
        put(f"exp/{period}/run-3/a.csv", hours=2)
        outdated = {each.folder[-5:]: each.is_outdated for each in found(root)}
        assert outdated == {"run-1": True, "run-2": True, "run-3": False}

    def test_while_the_newest_is_not_whole_the_one_before_is_read(self, root, put):
        put("exp/20261001-20261031/1/a.csv", hours=50)
        put("exp/20261001-20261031/2/a.csv", hours=2)
        put(
            "exp/20261001-20261031/2/manifest.json", {"blobs": [{"blobName": "a.csv"}, {"blobName": "b.csv"}]}
        )
        told = {each.folder[-1]: (each.is_outdated, bool(each.waits_for)) for each in found(root)}
        assert told == {"1": (False, False), "2": (False, True)}

    def test_folders_of_other_names_are_deliveries_of_their_own(self, root, put):
        put("2026/09/a.csv")
        put("2026/10/a.csv")
        assert not any(each.is_outdated for each in found(root))


class TestTrouble:
    def test_a_folder_that_is_gone_may_come_back(self, root):
        location = place(root)
        root.rmdir()
        with pytest.raises(Unreachable, match="not there any more"):
            list(location.files())
        with pytest.raises(KeyRefused, match="does not exist"):
            location.check()

    def test_a_folder_that_may_not_be_read_any_more_is_not(self, root, put, settings):
        put("a.csv")
        settings.FOCUS_FOLDERS = ["/somewhere/else"]
        with pytest.raises(KeyRefused, match="FOCUS_FOLDERS"):
            list(place(root).files())

    def test_too_many_files_are_no_bill(self, root, put, monkeypatch):
        monkeypatch.setattr(locations, "MOST_FILES", 3)
        for number in range(4):
            put(f"{number}.csv")
        with pytest.raises(KeyRefused, match="more than 3 files"):
            found(root)

    def test_a_file_is_no_folder(self, root, put):
        with pytest.raises(KeyRefused, match="is a file"):
            place(put("a.csv")).check()


class TestAddresses:
    @pytest.mark.parametrize(
        ("typed", "known"),
        [
            ("s3://bucket", "s3://bucket"),
            (" s3://bucket/ ", "s3://bucket"),
            ("S3://bucket/a//b/", "s3://bucket/a/b"),
            ("gs://my-bucket/focus", "gs://my-bucket/focus"),
            ("s3://bucket/BILLING PERIOD=1/ü", "s3://bucket/BILLING PERIOD=1/ü"),
        ],
    )
    def test_one_place_has_one_spelling(self, typed, known):
        assert str(address_of(typed)) == known

    @pytest.mark.parametrize(
        "typed",
        [
            "s3://",
            "s3:///key",
            "s3://UPPER/x",
            "s3://b/x",
            "s3://user:pw@bucket/x",
            "s3://bucket:9000/x",
            "s3://bucket/../other",
            "s3://bucket/" + "x" * 1025,
            "http://bucket/x",
            "file:///etc",
            "abfss://c@a.dfs.core.windows.net/x",
            "s3://buc\nket/x",
            "/etc\x00/passwd",
        ],
    )
    def test_what_is_no_place_is_refused(self, typed):
        with pytest.raises(NoAddress):
            address_of(typed)

    def test_folders_have_to_be_below_an_allowed_one(self, root, tmp_path, settings):
        assert str(address_of(str(root))) == str(root)
        assert str(address_of("bills")) == str(root)
        assert str(address_of(f"{root}/../bills/")) == str(root)
        for typed in ("/etc", "..", f"{root}/../..", str(tmp_path) + "-not", "bills/../../x"):
            with pytest.raises(NoAddress, match="FOCUS_FOLDERS"):
                address_of(typed)
        settings.FOCUS_FOLDERS = []
        with pytest.raises(NoAddress, match="FOCUS_FOLDERS is empty"):
            address_of(str(root))

    def test_a_link_out_of_an_allowed_folder_is_not_allowed(self, root):
        (root / "out").symlink_to("/etc")
        with pytest.raises(NoAddress):
            address_of(str(root / "out"))

    def test_a_link_within_is_the_place_it_leads_to(self, root):
        (root.parent / "link").symlink_to(root)
        assert str(address_of(str(root.parent / "link"))) == str(root)

    def test_nothing_is_no_place(self):
        assert address_of("  ") is None
