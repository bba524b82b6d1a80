"""The stream of files: found by a scan, imported once, refused or asking without holding others up."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costcenters.models import CostCenter
from integrations import notices
from integrations.deliveries import changes
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration, Notice
from integrations.pages.heading import heading_of
from tests.connecting import part
from tests.factories import UserFactory
from tests.integrations.conftest import NOW
from tests.integrations.deliveries.bills import bill, billed, connect, read, row, states
from tests.integrations.deliveries.reading import message, runs

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
State = ImportedFile.State


class TestImport:
    def test_files_of_a_folder_are_imported(self, folder, runtime):
        bill(folder / "2026-10" / "a.csv.gz", row(billed="1.50"), row(billed="2.25"))
        bill(folder / "2026-11" / "b.parquet", row("2026-11-02", billed="4"))
        integration = connect(folder, runtime)

        result = read(integration, runtime)

        assert (result.complete, result.error) == (True, "")
        assert billed(integration) == Decimal("7.75")
        assert states(integration) == {"a.csv.gz": "imported", "b.parquet": "imported"}
        assert runs(integration) == [("done", 0), ("done", 2), ("done", 1)]

    def test_a_run_is_told_by_the_days_it_brought(self, aws):
        run = aws.runs.latest("pk")
        assert (run.window_start, run.window_end) == (
            datetime(2026, 10, 5, tzinfo=UTC),
            datetime(2026, 10, 7, tzinfo=UTC),
        )
        assert (run.amount_before, run.amount_after) == (0, 10)

    def test_what_is_known_is_not_read_again(self, aws, runtime, clock):
        before = runs(aws)
        clock.now += HOUR
        assert read(aws, runtime).complete
        assert runs(aws) == [*before, ("unchanged", 0)]
        assert aws.runs.latest("pk").message == "1 file found, 0 new or changed."

    def test_a_changed_file_has_the_whole_folder_read_again(self, aws, folder, runtime, clock):
        bill(folder / "2026-10" / "b.csv", row("2026-10-07", billed="1"))
        clock.now += HOUR
        read(aws, runtime)
        assert billed(aws) == 11

        bill(folder / "2026-10" / "b.csv", row("2026-10-07", billed="2.5"))
        clock.now += HOUR
        read(aws, runtime)

        assert billed(aws) == Decimal("12.5")
        assert states(aws) == {"a.csv": "imported", "b.csv": "imported"}
        old = ImportedFile.objects.get(state=State.SUPERSEDED)
        assert old.location.endswith("/b.csv")
        assert ImportedFile.objects.filter(state=State.IMPORTED).values("delivery").distinct().count() == 1

    def test_a_version_that_comes_back_is_read_again(self, aws, folder, runtime, clock):
        path = folder / "2026-10" / "a.csv"
        content, about = path.read_bytes(), path.stat()
        bill(path, row(billed="7"), row("2026-10-06", billed="4"))
        clock.now += HOUR
        read(aws, runtime)
        assert billed(aws) == 11

        path.write_bytes(content)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        clock.now += HOUR
        read(aws, runtime)
        assert billed(aws) == 10

    def test_a_folder_that_is_gone_takes_nothing_from_the_bill(self, aws, folder, runtime, clock):
        shutil.rmtree(folder / "2026-10")
        clock.now += HOUR
        assert read(aws, runtime).complete
        assert billed(aws) == 10

    def test_of_the_runs_of_a_period_only_the_newest_is_read(self, folder, runtime, clock):
        for number, amount in enumerate(("1", "2", "3")):
            path = bill(folder / "exp" / "20261001-20261031" / f"run{number}" / "a.csv", row(billed=amount))
            moment = (NOW - timedelta(days=3 - number)).timestamp()
            os.utime(path, (moment, moment))
        integration = connect(folder, runtime)
        read(integration, runtime)
        assert billed(integration) == 3
        assert runs(integration) == [("done", 0), ("done", 1)]

        bill(folder / "exp" / "20261001-20261031" / "run3" / "a.csv", row(billed="4"))
        clock.now += HOUR
        read(integration, runtime)
        clock.now += HOUR
        read(integration, runtime)
        assert billed(integration) == 4
        found = ImportedFile.objects.filter(integration=integration).order_by("location")
        assert [each.state for each in found] == ["superseded"] * 3 + ["imported"]

    def test_lines_in_another_currency_get_a_cost_center_of_their_own(self, folder, runtime):
        bill(folder / "a.csv", row(billed="1"), row(billed="2", BillingCurrency="EUR"))
        integration = connect(folder, runtime)
        read(integration, runtime)
        sibling = Integration.objects.get(cost_center__name="AWS (EUR)")
        assert (billed(integration), billed(sibling)) == (1, 2)
        assert read(sibling, runtime).complete

    def test_a_location_without_files_is_set_up_all_the_same(self, folder, runtime):
        integration = connect(folder, runtime)
        assert read(integration, runtime).complete
        integration.cost_center.refresh_from_db()
        assert integration.cost_center.status == CostCenter.Status.ACTIVE
        assert integration.runs.of_windows().get().message == "No file is there yet."


class TestFreshness:
    def test_it_is_complete_to_the_end_of_the_newest_day(self, aws):
        assert aws.cost_center.complete_through == datetime(2026, 10, 7, tzinfo=UTC)

    @pytest.mark.parametrize(("days", "state"), [(1, ""), (2.9, ""), (3.1, "late")])
    def test_a_cloud_is_late_only_after_three_days(self, days, state, aws):
        now = aws.cost_center.complete_through + timedelta(days=days)
        assert heading_of(aws.cost_center, now).freshness.state == state


class TestRefused:
    def refused(self, folder: Path) -> None:
        bill(folder / "2026-11" / "bad.csv", row("2026-11-01"), row("2026-11-02", billed="1,5"))

    def test_it_names_the_line_and_holds_nobody_up(self, aws, folder, runtime, clock):
        self.refused(folder)
        moment = (NOW - timedelta(days=9)).timestamp()
        os.utime(folder / "2026-11" / "bad.csv", (moment, moment))
        bill(folder / "2026-12" / "good.csv", row("2026-12-01", billed="5"))
        clock.now += HOUR

        result = read(aws, runtime)

        assert (result.complete, result.error) == (True, "")
        assert billed(aws) == 15
        assert states(aws) == {"a.csv": "imported", "bad.csv": "refused", "good.csv": "imported"}
        problem = message(aws, "bad.csv").problems[0]
        assert (problem.file, problem.line, problem.column, problem.value) == (
            "bad.csv",
            3,
            "BilledCost",
            "1,5",
        )
        assert [outcome for outcome, _ in runs(aws)][-3:] == ["done", "failed", "done"]

    def test_it_is_told_once_and_not_tried_again(self, aws, folder, runtime, clock):
        self.refused(folder)
        for _ in range(3):
            clock.now += HOUR
            read(aws, runtime)
        assert runs(aws)[-4:] == [("done", 0), ("failed", 0), ("unchanged", 0), ("unchanged", 0)]
        assert Notice.objects.filter(event=Notice.Event.DELIVERY).count() == 1

    def test_a_new_version_of_it_is_read_and_a_second_refusal_not_told(self, aws, folder, runtime, clock):
        self.refused(folder)
        clock.now += HOUR
        read(aws, runtime)
        bill(folder / "2026-11" / "bad.csv", row("2026-11-01", billed="still bad"))
        clock.now += HOUR
        read(aws, runtime)
        assert states(aws)["bad.csv"] == "refused"
        assert Notice.objects.filter(event=Notice.Event.DELIVERY).count() == 1

        bill(folder / "2026-11" / "bad.csv", row("2026-11-01", billed="3"))
        clock.now += HOUR
        read(aws, runtime)
        assert billed(aws) == 13
        assert sorted(
            ImportedFile.objects.filter(location__endswith="bad.csv").values_list("state", flat=True)
        ) == [
            "imported",
            "superseded",
            "superseded",
        ]

    def test_somebody_may_say_try_again(self, aws, folder, runtime, clock):
        self.refused(folder)
        clock.now += HOUR
        read(aws, runtime)
        changes.try_again(ImportedFile.objects.get(location__endswith="bad.csv"), now=clock.now)
        read(aws, runtime)
        assert [outcome for outcome, _ in runs(aws)].count("failed") == 2

    @pytest.mark.parametrize("content", [b"", b"\x00\x01", b"PK\x03\x04", b"no,focus\n1,2\n"])
    @pytest.mark.parametrize("name", ["odd.csv", "odd.csv.gz", "odd.parquet"])
    def test_what_is_no_bill_is_refused(self, name, content, aws, folder, runtime, clock):
        (folder / "2026-11").mkdir()
        (folder / "2026-11" / name).write_bytes(content)
        clock.now += HOUR
        assert read(aws, runtime).complete
        assert states(aws)[name] == "refused"
        assert message(aws, name).sentence
        assert billed(aws) == 10


class TestAsks:
    """Fewer lines and less money than are stored: somebody has to say that it is right."""

    def lower(self, folder: Path) -> None:
        bill(folder / "2026-10" / "a.csv", row(billed="6"))

    def test_nothing_is_written_before_somebody_says_yes(self, aws, folder, runtime, clock):
        self.lower(folder)
        clock.now += HOUR
        assert read(aws, runtime).complete
        assert billed(aws) == 10
        assert states(aws) == {"a.csv": "asks"}
        assert message(aws, "a.csv").questions
        assert Notice.objects.filter(event=Notice.Event.DELIVERY).count() == 1

        asking = ImportedFile.objects.get(state=State.ASKS)
        changes.import_anyway(asking, now=clock.now)
        read(aws, runtime)
        assert billed(aws) == 6
        assert states(aws) == {"a.csv": "imported"}

    def test_a_yes_is_for_that_version_only(self, aws, folder, runtime, clock):
        self.lower(folder)
        clock.now += HOUR
        read(aws, runtime)
        changes.import_anyway(ImportedFile.objects.get(state=State.ASKS), now=clock.now)
        bill(folder / "2026-10" / "a.csv", row(billed="1"))
        read(aws, runtime)
        assert billed(aws) == 10
        assert states(aws) == {"a.csv": "asks"}
        assert ImportedFile.objects.filter(state=State.FOUND).count() == 0

    def test_a_newer_version_that_asks_nothing_ends_the_question(self, aws, folder, runtime, clock):
        self.lower(folder)
        clock.now += HOUR
        read(aws, runtime)
        bill(folder / "2026-10" / "a.csv", row(billed="6"), row("2026-10-06", billed="5"))
        clock.now += HOUR
        read(aws, runtime)
        assert billed(aws) == 11
        assert not ImportedFile.objects.filter(state=State.ASKS).exists()


class TestUploads:
    @pytest.fixture
    def center(self, folder: Path, runtime: Runtime) -> Integration:
        return connect("", runtime, name="Any", provider="focus_files")

    def upload(self, integration: Integration, folder: Path, *rows: dict[str, str]) -> Path:
        path = bill(folder.parent / "uploads" / "upload-1" / "1-bill.csv", *rows)
        ImportedFile.objects.create(
            integration=integration,
            location="upload/upload-1/1-bill.csv",
            version="sha256:1",
            size=path.stat().st_size,
            delivery="upload-1",
            seen_at=NOW,
        )
        return path

    def test_an_upload_is_imported_and_its_file_deleted(self, center, folder, runtime):
        path = self.upload(center, folder, row(billed="2"))
        assert read(center, runtime).complete
        assert billed(center) == 2
        assert states(center) == {"1-bill.csv": "imported"}
        assert not path.exists()
        assert runs(center) == [("done", 1)]

    def test_a_refused_upload_stays_for_another_try(self, center, folder, runtime):
        path = self.upload(center, folder, row(billed="x"))
        assert read(center, runtime).complete
        assert states(center) == {"1-bill.csv": "refused"}
        assert path.exists()

    def test_an_upload_that_is_not_there_is_refused_in_words(self, center, folder, runtime):
        self.upload(center, folder, row()).unlink()
        assert read(center, runtime).complete
        assert "Upload it again" in message(center, "1-bill.csv").text

    def test_without_a_location_and_uploads_there_is_nothing_to_do(self, center, runtime):
        assert read(center, runtime).complete
        assert runs(center) == []


class TestMail:
    def test_the_owner_hears_of_a_refused_delivery(self, folder, runtime, clock, mail):
        eve = UserFactory(username="eve@example.com", role="Editor")
        bill(folder / "bad.csv", row(billed="<b>x</b>"))
        integration = connect(folder, replace(runtime), user=eve)
        read(integration, runtime)
        Notice.objects.exclude(event=Notice.Event.DELIVERY).delete()

        assert notices.deliver(clock.now) == 1

        (sent,) = mail.messages
        assert sent["Subject"] == "AWS: a delivery was not imported"
        text, html = part(sent, "plain"), part(sent, "html")
        assert "bad.csv, line 2: BilledCost" in text
        assert f"/settings/cost-centers/{integration.cost_center_id}/files/" in text
        assert "<b>x</b>" not in html

    def test_a_set_up_from_files_tells_no_people_and_models(self, folder, runtime, clock, mail):
        eve = UserFactory(username="eve@example.com", role="Editor")
        bill(folder / "a.csv", row(billed="2"), row(billed="3"))
        read(connect(folder, runtime, user=eve), runtime)
        assert notices.deliver(clock.now) == 1
        text = part(mail.messages[0], "plain")
        assert "Line items:  2" in text
        assert "$5.00" in text
        assert "People" not in text
