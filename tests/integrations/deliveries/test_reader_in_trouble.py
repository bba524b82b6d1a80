"""The stream of files when files change, time is short, or something fails."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from costcenters.models import CostCenter
from integrations import life, tasks
from integrations.claims import end_claims
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration, Notice, Stream
from tests.integrations.conftest import NOW, Clock
from tests.integrations.deliveries.bills import bill, billed, connect, csv_bytes, read, row, states
from tests.integrations.deliveries.reading import HookedClock, delivery_is_begun, runs

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
State = ImportedFile.State


class TestChangingFiles:
    """A file that is still being written is left for the next scan, never refused."""

    @pytest.fixture
    def clock(self) -> HookedClock:
        return HookedClock()

    def connected(self, folder: Path, runtime: Runtime) -> Integration:
        bill(folder / "a.csv", row(billed="1"))
        return connect(folder, runtime)

    def test_one_that_grows_between_listing_and_reading(self, folder, runtime, clock):
        integration = self.connected(folder, runtime)
        clock.when = delivery_is_begun
        clock.then = lambda: bill(folder / "a.csv", row(billed="1"), row(billed="2"))
        result = read(integration, runtime)
        assert (result.complete, result.error) == (True, "")
        assert runs(integration)[-1][0] == "interrupted"
        assert (billed(integration), states(integration)) == (0, {"a.csv": "found"})
        assert not Notice.objects.filter(event=Notice.Event.DELIVERY).exists()

        clock.now += HOUR
        read(integration, runtime)
        assert (billed(integration), states(integration)) == (3, {"a.csv": "imported"})

    def test_one_that_is_deleted_then(self, folder, runtime, clock):
        integration = self.connected(folder, runtime)
        clock.when = delivery_is_begun
        clock.then = (folder / "a.csv").unlink
        assert read(integration, runtime).complete
        assert runs(integration)[-1][0] == "interrupted"

        clock.now += HOUR
        read(integration, runtime)
        assert states(integration) == {"a.csv": "superseded"}

    def test_half_a_file_that_is_completed_while_it_is_read_is_not_refused(self, folder, runtime, clock):
        whole = csv_bytes([row(billed="1")])
        (folder / "a.csv").write_bytes(whole[:-20])
        integration = connect(folder, runtime)
        clock.when = delivery_is_begun
        clock.then = lambda: (folder / "a.csv").write_bytes(whole)
        read(integration, runtime)
        assert states(integration) == {"a.csv": "found"}

    def test_a_stream_that_was_taken_over_writes_nothing(self, folder, runtime, clock):
        integration = self.connected(folder, runtime)
        clock.when = delivery_is_begun
        clock.then = lambda: end_claims(integration, now=NOW)
        result = read(integration, runtime)
        assert result.lost
        assert billed(integration) == 0

        assert read(integration, runtime).complete
        assert billed(integration) == 1


class TestTime:
    @pytest.fixture
    def clock(self) -> Clock:
        class Slow(Clock):
            """Every look at it takes some seconds."""

            def __call__(self) -> datetime:
                self.now += timedelta(seconds=10)
                return self.now

        return Slow()

    def test_others_have_their_turn_between_two_deliveries(self, folder, runtime, clock, settings):
        settings.SYNC_LEASE_SECONDS = 900
        for month in range(1, 13):
            bill(folder / f"{month:02}" / "a.csv", row(f"2025-{month:02}-03", billed="1"))
        integration = connect(folder, runtime)
        results = []
        while not results or not results[-1].complete:
            results.append(read(integration, runtime, deadline=clock() + timedelta(minutes=50)))
            assert len(results) < 20
        assert len(results) > 1
        assert all(not result.error for result in results)
        assert billed(integration) == 12

    def test_the_lease_is_kept_while_a_long_file_is_read(self, folder, runtime, clock):
        """With a lease of a minute, and every look at the clock taking ten seconds, it would be over soon."""
        bill(folder / "a.csv", *(row(billed="1") for _ in range(50)))
        integration = connect(folder, runtime)
        assert read(integration, runtime).complete
        assert billed(integration) == 50

    def test_a_task_for_files_is_given_more_time_than_others(self, folder, runtime, settings):
        integration = connect(folder, runtime)
        stream = integration.streams.get()
        assert tasks._time_of(stream) == tasks.DELIVERY_TIME > tasks._time_of(Stream(name="usage"))
        assert tasks.DELIVERY_TIME.total_seconds() < tasks.DELIVERY_SECONDS


class TestTrouble:
    def test_a_folder_that_is_not_mounted_is_waited_for(self, aws, folder, runtime, clock):
        away = folder.rename(folder.with_name("away"))
        clock.now += HOUR
        result = read(aws, runtime)
        assert "not there any more, or not yet" in result.error
        aws.cost_center.refresh_from_db()
        assert aws.cost_center.status == CostCenter.Status.ACTIVE
        stream = aws.streams.get()
        assert stream.attempts == 1
        assert clock.now < stream.due_at < clock.now + HOUR

        away.rename(folder)
        clock.now += HOUR
        assert read(aws, runtime).complete
        assert aws.streams.get().last_error == ""

    def test_a_folder_that_may_not_be_read_any_more_needs_a_person(self, aws, runtime, clock, settings):
        settings.FOCUS_FOLDERS = ["/elsewhere"]
        clock.now += HOUR
        assert "FOCUS_FOLDERS" in read(aws, runtime).error
        aws.cost_center.refresh_from_db()
        assert aws.cost_center.status == CostCenter.Status.NEEDS_ATTENTION

        settings.FOCUS_FOLDERS = [str(Path(str(aws.runs.count())).parent.resolve()), "/"]
        life.test_connection(aws, runtime=runtime)
        aws.cost_center.refresh_from_db()
        assert aws.cost_center.status == CostCenter.Status.ACTIVE

    def test_a_paused_one_finds_nothing_until_it_is_resumed(self, aws, folder, runtime, clock):
        life.pause(aws, now=clock.now)
        bill(folder / "2026-11" / "b.csv", row("2026-11-01", billed="1"))
        assert tasks.sync(aws.streams.get().pk) == "not due, or somebody else's"
        life.resume(aws, now=clock.now)
        read(aws, runtime)
        assert billed(aws) == 11

    def test_purging_takes_the_files_along(self, aws, runtime, clock):
        life.remove(aws, with_history=True, now=clock.now)
        from integrations import purge

        assert purge.purge(aws.streams.get(name=Stream.PURGE).pk, runtime=runtime)
        assert not ImportedFile.objects.exists()
        assert not CostCenter.objects.exists()

    def test_a_removed_one_goes_on_with_its_history_under_its_name(self, aws, folder, runtime, clock):
        life.remove(aws, with_history=False, now=clock.now)
        bill(folder / "2026-11" / "b.csv", row("2026-11-01", billed="1"))
        again = connect(folder, runtime)
        assert again.pk == aws.pk
        before = again.runs.count()
        read(again, runtime)
        assert billed(again) == 11
        assert again.runs.count() == before + 2
