"""`manage.py import_focus`: what it makes, shows, asks and refuses; killed, doubled, and waiting its turn."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from costcenters.models import CostCenter, CostLineItem, DailyCost, Statement, StatementDay
from integrations import life, purge
from integrations.claims import Claim
from integrations.deliveries import by_command
from integrations.deliveries.named_files import NamedFile
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration, Stream, SyncRun
from integrations.providers import PROVIDERS
from tests.costcenters.focus.deliveries import csv_text
from tests.costcenters.lines import assert_roll_up_equals_lines
from tests.factories import CostCenterFactory, IntegrationFactory

from .bills import ROW, bill, billed, csv_bytes, row
from .uploading import files_center

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments, **options):
    """What it prints."""
    out = io.StringIO()
    call_command("import_focus", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def refused(*arguments, **options):
    """What it says when it ends with exit status 1."""
    with pytest.raises(CommandError) as caught:
        run(*arguments, **options)
    assert caught.value.returncode == 1
    return str(caught.value)


def assert_nothing_is_stored():
    for model in (CostCenter, Integration, Stream, Statement, CostLineItem, DailyCost, ImportedFile):
        assert not model.objects.exists(), model


def integration(name="AWS"):
    return Integration.objects.select_related("cost_center").get(cost_center__name=name)


# What it makes --------------------------------------------------------------------------------------------------------


def test_it_makes_an_active_cost_center_of_focus_files(tmp_path):
    told = run(bill(tmp_path / "a.csv", row(), row("2026-11-02", "2")), cost_center="AWS")

    assert "AWS: 2 lines, $3.50 billed; 2 lines written." in told
    made = integration()
    center = made.cost_center
    assert (center.provider, center.currency, center.status) == (
        *("focus_files", "USD"),
        CostCenter.Status.ACTIVE,
    )
    assert center.complete_through == datetime(2026, 11, 3, tzinfo=UTC)
    assert made.credentials.open()["location"] == ""
    assert made.set_up_at is not None
    stream = made.streams.get()
    assert (stream.name, stream.claim_token, stream.claimed_until) == ("files", "", None)
    assert billed(made) == Decimal("3.5")
    assert_roll_up_equals_lines()


def test_the_run_and_the_files_are_kept(tmp_path):
    files = [bill(tmp_path / "a.csv", row()), bill(tmp_path / "b.parquet", row("2026-11-02", "2"))]
    run(*files, cost_center="AWS")

    done = SyncRun.objects.get()
    assert (done.outcome, done.events, done.amount_before, done.amount_after) == (
        *(SyncRun.Outcome.DONE, 2, 0),
        Decimal("3.5"),
    )
    assert (done.window_start, done.window_end) == (
        datetime(2026, 10, 5, tzinfo=UTC),
        datetime(2026, 11, 3, tzinfo=UTC),
    )
    kept = ImportedFile.objects.order_by("location")
    assert [(file.location, file.size, file.state, file.rows) for file in kept] == [
        (str(path), path.stat().st_size, ImportedFile.State.IMPORTED, 2) for path in files
    ]
    assert len({file.delivery for file in kept}) == 1


def test_the_same_again_has_nothing_to_do(tmp_path):
    path = bill(tmp_path / "a.csv", row())
    run(path, cost_center="AWS")
    before = list(CostLineItem.objects.values())

    assert "nothing to do" in run(path, cost_center="AWS")

    assert list(CostLineItem.objects.values()) == before
    assert [done.outcome for done in SyncRun.objects.all()] == [
        SyncRun.Outcome.UNCHANGED,
        SyncRun.Outcome.DONE,
    ]
    assert ImportedFile.objects.count() == 1


def test_a_file_that_was_delivered_anew_takes_the_place_of_its_older_version(tmp_path):
    run(bill(tmp_path / "a.csv", row(billed="1")), cost_center="AWS")
    run(bill(tmp_path / "a.csv", row(billed="2.5")), cost_center="AWS")

    assert billed(integration()) == Decimal("2.5")
    assert sorted(ImportedFile.objects.values_list("state", flat=True)) == ["imported", "superseded"]


def test_several_currencies_make_a_cost_center_each_and_most_lines_name_it(tmp_path):
    euro = {"BillingCurrency": "EUR"}
    path = bill(tmp_path / "a.csv", row(**euro), row("2026-10-06", **euro), row(billed="9"))
    told = run(path, cost_center="Cloud")

    assert "Cloud: 2 lines, €3.00 billed" in told
    assert "Cloud (USD): 1 lines, $9.00 billed" in told
    assert {center.name: center.currency for center in CostCenter.objects.all()} == {
        "Cloud": "EUR",
        "Cloud (USD)": "USD",
    }


def test_without_a_name_the_files_say_where_the_lines_go(tmp_path):
    path = tmp_path / "ours.csv"
    rows = [
        ROW | {"x_CostCenter": "Team AI", "x_Provider": "cursor"},
        ROW | {"x_CostCenter": "Cloud", "x_Provider": "aws", "BilledCost": "2"},
        ROW | {"x_CostCenter": "Cloud", "x_Provider": "aws", "BilledCost": "3"},
    ]
    path.write_text(csv_text(rows))

    told = run(path)

    assert "Cloud: 2 lines, $5.00 billed" in told
    assert {center.name: center.provider for center in CostCenter.objects.all()} == {
        "Team AI": "cursor",
        "Cloud": "aws",
    }
    assert {each.cost_center.name: each.provider for each in Integration.objects.all()} == {
        "Team AI": "focus_files",
        "Cloud": "aws",
    }
    assert "nothing to do" in run(path)


def test_removed_with_its_history_nothing_is_left_and_it_can_be_imported_anew(tmp_path):
    path = bill(tmp_path / "a.csv", row(), row("2026-11-02", "2"))
    run(path, cost_center="AWS")
    life.remove(integration(), with_history=True, now=datetime.now(UTC))
    assert "is disconnected" in refused(path, cost_center="AWS")

    stream = Stream.objects.get(name=Stream.PURGE)
    assert purge.purge(stream.pk, runtime=Runtime(sleep=lambda seconds: None))

    assert_nothing_is_stored()
    assert not StatementDay.objects.exists()
    run(path, cost_center="AWS")
    assert billed(integration()) == Decimal("3.5")


# What it is given -----------------------------------------------------------------------------------------------------


def test_files_patterns_and_folders_are_one_delivery(tmp_path):
    bill(tmp_path / "one" / "a.csv", row("2026-10-01"))
    bill(tmp_path / "one" / "b.csv.gz", row("2026-10-02"))
    bill(tmp_path / "two" / "deep" / "c.parquet", row("2026-10-03"))
    bill(tmp_path / "two" / "_temporary" / "d.csv", row("2026-10-04"))
    (tmp_path / "two" / "notes.txt").write_text("no bill")

    run(tmp_path / "one" / "*", tmp_path / "one" / "a.csv", tmp_path / "two", cost_center="AWS")

    assert sorted(day.day.day for day in StatementDay.objects.all()) == [1, 2, 3]
    assert ImportedFile.objects.values("delivery").distinct().count() == 1


def test_a_file_called_like_a_pattern_is_that_file(tmp_path):
    run(bill(tmp_path / "a[1].csv", row()), cost_center="AWS")
    assert CostLineItem.objects.count() == 1


@pytest.mark.parametrize("given", ["missing.csv", "*.nothing", "empty"])
def test_an_argument_that_names_no_file_is_told(given, tmp_path):
    (tmp_path / "empty").mkdir()
    assert given in refused(tmp_path / given, cost_center="AWS")
    assert_nothing_is_stored()


def test_a_folder_whose_manifest_names_what_is_not_there_is_not_whole(tmp_path):
    bill(tmp_path / "a.csv", row())
    (tmp_path / "manifest.json").write_text('{"blobs": [{"blobName": "a.csv"}, {"blobName": "b.csv"}]}')
    assert "b.csv" in refused(tmp_path, cost_center="AWS")
    assert_nothing_is_stored()


@pytest.fixture
def bucket(s3, monkeypatch):
    """A bucket that this machine may read with an identity of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-its-own")
    s3.put("exports/a.csv", csv_bytes([row()]))
    s3.put("exports/deep/b.csv", csv_bytes([row("2026-10-09", "2")]))
    return s3


@pytest.mark.parametrize(
    ("given", "days"), [("exports", [5, 9]), ("exports/deep/", [9]), ("exports/a.csv", [5]), ("", [5, 9])]
)
def test_files_of_a_bucket_are_read_with_the_machines_own_identity(given, days, bucket):
    run(f"s3://bills/{given}", cost_center="AWS")
    assert sorted(day.day.day for day in StatementDay.objects.all()) == days
    assert all(file.location.startswith("s3://bills/exports/") for file in ImportedFile.objects.all())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3://bills/nothing", "holds no file"),
        ("s3://bills/nothing.csv", "There is no file"),
        ("s3://no-such-bucket/a", "no bucket"),
        ("s3://B!/a", "no name of a bucket"),
    ],
)
def test_a_bucket_that_gives_nothing_is_told(given, said, bucket):
    assert said in refused(given, cost_center="AWS")
    assert_nothing_is_stored()


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = bill(tmp_path / "a.csv", row())
    whole = NamedFile.open

    def written_to(source):
        with path.open("ab") as file:
            file.write(b"\n")
        return whole(source)

    monkeypatch.setattr(NamedFile, "open", written_to)
    assert "changed while it was read" in refused(path, cost_center="AWS")
    assert_nothing_is_stored()


# What it refuses and asks ---------------------------------------------------------------------------------------------


def test_every_problem_is_told_with_its_place_and_nothing_is_stored(tmp_path):
    good = bill(tmp_path / "a.csv", row())
    bad = bill(tmp_path / "b.csv", row(), row(billed="12,5x"), row(BillingCurrency="dollars"))

    said = refused(good, bad, cost_center="AWS")

    assert f"{bad}, line 3: BilledCost “12,5x”" in said
    assert f"{bad}, line 4: BillingCurrency “dollars”" in said
    assert_nothing_is_stored()


def test_what_it_asks_is_answered_by_yes(tmp_path):
    run(bill(tmp_path / "a.csv", row(), row(billed="2")), cost_center="AWS")
    less = bill(tmp_path / "less.csv", row())

    said = refused(less, cost_center="AWS")
    assert "--yes" in said
    assert "1 lines ($1.50) would replace 2 ($3.50)" in said
    assert billed(integration()) == Decimal("3.5")
    assert SyncRun.objects.count() == 1

    run(less, cost_center="AWS", yes=True)
    assert billed(integration()) == Decimal("1.5")


def test_a_dry_run_shows_each_statement_and_stores_nothing(tmp_path):
    path = bill(tmp_path / "a.csv", row(), row("2026-11-02", "2", BillingAccountId="acct-2"))

    told = run(path, cost_center="AWS", dry_run=True)
    for text in ("Oct 2026", "acct-1", "$1.50", "Nov 2026", "acct-2", "$2.00", "Nothing was stored"):
        assert text in told
    assert_nothing_is_stored()

    run(path, cost_center="AWS")
    less = bill(tmp_path / "a.csv", row(billed="1", BillingAccountId="acct-3"))
    told = run(less, cost_center="AWS", dry_run=True, yes=True)
    assert "acct-3" in told
    assert "before" in told, "what would be asked is shown too"
    assert Statement.objects.count() == 2


def test_a_cost_center_that_takes_no_files_is_refused(tmp_path):
    center = CostCenterFactory(name="Cursor")
    IntegrationFactory(cost_center=center)
    path = bill(tmp_path / "a.csv", row())
    assert "cost center of Cursor that does not take files" in refused(path, cost_center="Cursor")
    CostCenterFactory(name="Bare", provider="aws")
    assert "does not take files" in refused(path, cost_center="Bare")
    assert not CostLineItem.objects.exists()


@pytest.mark.parametrize("status", ["PAUSED", "DISCONNECTED", "NEEDS_ATTENTION"])
def test_a_cost_center_that_does_not_work_is_refused(status, tmp_path):
    files_center("AWS", status=CostCenter.Status[status])
    said = refused(bill(tmp_path / "a.csv", row()), cost_center="AWS")
    assert CostCenter.Status[status].label.lower() in said
    assert not CostLineItem.objects.exists()


@pytest.mark.parametrize("name", ["(none)", "x" * 101])
def test_a_name_that_no_cost_center_may_have_is_refused(name, tmp_path):
    assert "There cannot be a cost center" in refused(bill(tmp_path / "a.csv", row()), cost_center=name)
    assert_nothing_is_stored()


def test_rows_that_name_no_cost_center_need_the_option(tmp_path):
    said = refused(bill(tmp_path / "a.csv", row()))
    assert "--cost-center" in said
    assert_nothing_is_stored()


def test_text_of_files_cannot_steer_the_terminal(tmp_path):
    account = {"BillingAccountId": "[red]x[/red]\x1b[31m", "BillingAccountName": "[/nonsense]\x1b]0;"}
    run(bill(tmp_path / "a.csv", row()), cost_center="AWS")
    path = bill(tmp_path / "b.csv", row(**account))
    told = run(path, cost_center="AWS", dry_run=True) + refused(path, cost_center="AWS")
    assert "[red]x[/red]" in told
    assert "\x1b" not in told


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_it_waits_while_somebody_else_imports(tmp_path, monkeypatch):
    monkeypatch.setattr(by_command, "POLL_SECONDS", 0.05)
    stream = files_center("AWS").streams.get()
    Claim.take(stream.pk, provider=PROVIDERS["focus_files"], runtime=Runtime())
    # They died: their lease ends soon.
    until = datetime.now(UTC) + timedelta(seconds=0.7)
    Stream.objects.update(claimed_until=until)

    told = run(bill(tmp_path / "a.csv", row()), cost_center="AWS")

    assert datetime.now(UTC) >= until
    assert "Waiting" in told
    assert billed(integration()) == Decimal("1.5")


def test_a_day_that_cannot_be_stored_is_told_and_the_run_keeps_it(tmp_path):
    rows = [row("2026-10-01")] + [row("2026-10-02", "9000000000") for _ in range(2)] + [row("2026-10-03")]
    path = bill(tmp_path / "a.csv", *rows)

    assert "more than can be stored" in refused(path, cost_center="AWS")

    assert [day.day.day for day in StatementDay.objects.all()] == [1]
    failed = SyncRun.objects.get()
    assert failed.outcome == SyncRun.Outcome.FAILED
    assert "2026-10-02" in failed.message
    assert Stream.objects.get().claimed_until is None
    assert not ImportedFile.objects.exists()
    assert_roll_up_equals_lines()
