"""A delivery into a connection: which cost center each currency goes to, what is asked, and what stays undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costcenters.models import CostCenter, CostLineItem, Statement
from integrations import connections
from integrations.claims import Claim
from integrations.deliveries.importing import NotImported, import_delivery, sibling_name
from integrations.deliveries.named_files import NamedFile
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import Integration, Stream, SyncRun
from integrations.providers import PROVIDERS
from tests.factories import CostCenterFactory

from .bills import bill, billed, row
from .uploading import files_center

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 14, 25, tzinfo=UTC)
EURO = {"BillingCurrency": "EUR"}


@pytest.fixture
def integration():
    return files_center("AWS", provider="aws")


@pytest.fixture
def deliver(tmp_path):
    """Imports files of the given rows as one delivery."""

    def run(integration, *rows, files=None, confirmed=False, dry_run=False, fence=lambda: None, now=NOW):
        paths = [bill(tmp_path / f"{number}.csv", *each) for number, each in enumerate(files or [rows])]
        return import_delivery(
            integration,
            [NamedFile(path.name, path, path.stat().st_size) for path in paths],
            confirmed=confirmed,
            fence=fence,
            now=now,
            scratch=tmp_path / "scratch",
            dry_run=dry_run,
        )

    return run


def centers():
    return sorted(CostCenter.objects.values_list("name", flat=True))


def test_a_delivery_is_written_and_told(integration, deliver):
    outcome = deliver(integration, row(billed="1.5"), row("2026-11-02", "2"), row(billed="0.25"))

    assert outcome.imported
    assert (outcome.rows, outcome.statements, outcome.questions) == (3, 2, ())
    assert (outcome.change.added, outcome.change.amount_before) == (3, 0)
    assert outcome.change.amount_after == 3_750_000_000
    assert billed(integration) == Decimal("3.75")
    center = CostCenter.objects.get()
    assert center.complete_through == datetime(2026, 11, 3, tzinfo=UTC)


def test_the_same_again_changes_nothing_and_says_so(integration, deliver):
    deliver(integration, row())
    before = list(CostLineItem.objects.values())

    outcome = deliver(integration, row())

    assert outcome.imported
    assert outcome.change.is_empty
    assert list(CostLineItem.objects.values()) == before


def test_a_dry_run_shows_what_would_be_and_stores_nothing(integration, deliver):
    outcome = deliver(integration, row(), row(**EURO), dry_run=True, confirmed=True)

    assert not outcome.imported
    assert [(one.name, one.center is None, one.plan.rows_to_write) for one in outcome.centers] == [
        ("AWS (EUR)", True, 1),
        ("AWS", False, 1),
    ]
    assert not Statement.objects.exists()
    assert centers() == ["AWS"]


def test_what_asks_is_not_written_until_it_is_confirmed(integration, deliver):
    deliver(integration, row(billed="1"), row(billed="2"))

    outcome = deliver(integration, row(billed="1"))
    assert not outcome.imported
    assert len(outcome.questions) == 1
    assert outcome.change.is_empty
    assert billed(integration) == 3

    assert deliver(integration, row(billed="1"), confirmed=True).imported
    assert billed(integration) == 1


def test_two_files_with_the_same_lines_are_asked_for(integration, deliver):
    rows = [row(billed=str(number)) for number in range(20)]
    outcome = deliver(integration, files=[rows, rows])
    assert not outcome.imported
    assert len(outcome.questions) == 1
    assert not CostLineItem.objects.exists()


# Currencies -----------------------------------------------------------------------------------------------------------


def test_another_currency_of_the_first_delivery_goes_to_a_cost_center_of_its_own(integration, deliver):
    outcome = deliver(integration, row(billed="1"), row(billed="2", **EURO), row("2026-10-07", "3", **EURO))

    assert outcome.questions == ()
    assert outcome.change.amount_after == 10**9, "amounts of two currencies are never added"
    assert outcome.rows == 3
    sibling = Integration.objects.get(cost_center__name="AWS (EUR)")
    center = sibling.cost_center
    assert (center.currency, center.provider, center.status) == ("EUR", "aws", CostCenter.Status.ACTIVE)
    assert center.complete_through == datetime(2026, 10, 8, tzinfo=UTC)
    assert (billed(integration), billed(sibling)) == (1, 5)
    assert sibling.credentials.open()["location"] == ""
    assert [stream.name for stream in sibling.streams.all()] == ["files"]
    run = SyncRun.objects.get(integration=sibling)
    assert (run.outcome, run.events, run.amount_before, run.amount_after) == (SyncRun.Outcome.DONE, 2, 0, 5)
    assert run.window_start == datetime(2026, 10, 5, tzinfo=UTC)
    assert run.window_end == datetime(2026, 10, 8, tzinfo=UTC)


def test_the_next_delivery_finds_that_cost_center(integration, deliver):
    deliver(integration, row(), row(**EURO))
    outcome = deliver(integration, row(), row(billed="7", **EURO))
    assert outcome.imported
    assert centers() == ["AWS", "AWS (EUR)"]
    assert billed(Integration.objects.get(cost_center__currency="EUR")) == 7


def test_a_currency_never_seen_is_asked_for_and_its_cost_center_is_made_only_then(integration, deliver):
    deliver(integration, row())

    outcome = deliver(integration, row(), row(**EURO))
    assert not outcome.imported
    assert ["“AWS (EUR)”" in question for question in outcome.questions] == [True]
    assert centers() == ["AWS"]

    assert deliver(integration, row(), row(**EURO), confirmed=True).imported
    assert centers() == ["AWS", "AWS (EUR)"]


def test_a_first_delivery_without_the_expected_currency_is_asked_for(integration, deliver):
    outcome = deliver(integration, row(**EURO))
    assert not outcome.imported
    assert "nothing in EUR" in outcome.questions[0]


def test_questions_of_a_sibling_hold_everything_up(integration, deliver):
    deliver(integration, row(), row(**EURO), row(**EURO))
    outcome = deliver(integration, row(billed="9"), row(**EURO))
    assert not outcome.imported
    assert billed(integration) == Decimal("1.5")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"provider": "cursor", "currency": "EUR"}, "another one"),
        ({"provider": "aws", "currency": "GBP"}, "another one"),
        ({"provider": "aws", "currency": "EUR", "status": CostCenter.Status.PAUSED}, "is paused"),
        ({"provider": "aws", "currency": "EUR", "status": CostCenter.Status.DISCONNECTED}, "is disconnected"),
    ],
    ids=["of Cursor", "in pounds", "paused", "disconnected"],
)
def test_a_cost_center_of_that_name_that_cannot_take_it_stops_the_whole_delivery(
    other, said, integration, deliver
):
    files_center("AWS (EUR)", **other)
    with pytest.raises(NotImported, match=said):
        deliver(integration, row(), row(**EURO), confirmed=True)
    assert not CostLineItem.objects.exists()


def test_a_name_taken_by_a_cost_center_without_connection_is_refused(integration, deliver):
    CostCenterFactory(name="AWS (EUR)", provider="aws", currency="EUR")
    with pytest.raises(NotImported, match="another one"):
        deliver(integration, row(), row(**EURO))


def test_the_name_of_a_sibling_fits():
    assert sibling_name("AWS", "EUR") == "AWS (EUR)"
    assert len(sibling_name("x" * 100, "EUR")) == 100
    assert sibling_name("x" * 100, "EUR").endswith("x (EUR)")


def test_whoever_imports_into_the_sibling_itself_writes_nothing_more(integration, deliver):
    deliver(integration, row(), row(**EURO))
    stream = Stream.objects.get(integration__cost_center__name="AWS (EUR)")
    held = Claim.take(stream.pk, provider=PROVIDERS["aws"], runtime=Runtime())

    deliver(integration, row(), row(billed="7", **EURO))

    with pytest.raises(LeaseLost):
        held.fence()


def test_a_sibling_that_is_paused_meanwhile_takes_no_more(integration, deliver):
    deliver(integration, row(), row(**EURO))
    sibling = CostCenter.objects.get(name="AWS (EUR)")

    def pausing():
        CostCenter.objects.filter(pk=sibling.pk).update(status=CostCenter.Status.PAUSED)

    with pytest.raises(NotImported, match=r"“AWS \(EUR\)” was paused or removed"):
        deliver(integration, row(billed="2"), row(billed="7", **EURO), fence=pausing)
    assert billed(sibling.integration) == Decimal("1.5")


def test_what_is_imported_into_the_sibling_while_a_delivery_is_written_is_replaced_too(integration, deliver):
    days = [row(f"2026-10-{day:02}", **EURO) for day in (1, 2)]
    deliver(integration, row(), *days)
    sibling = Integration.objects.get(cost_center__name="AWS (EUR)")
    has_come = []

    def importing():
        if not has_come:
            has_come.append(True)
            deliver(sibling, row("2026-10-01", "50", **EURO), days[1])

    deliver(integration, row(billed="2"), days[0], row("2026-10-02", "7", **EURO), fence=importing)
    assert billed(sibling) == Decimal("8.5")


def test_a_sibling_under_another_name_is_told_of_before_another_is_made(integration, deliver):
    deliver(integration, row(), row(**EURO))
    CostCenter.objects.filter(name="AWS").update(name="Amazon")
    renamed = Integration.objects.get(pk=integration.pk)
    (question,) = deliver(renamed, row(), row(**EURO)).questions
    assert "would go to a new cost center, “Amazon (EUR)”" in question
    assert "“AWS (EUR)” holds Oct 2026 of that billing account" in question


def test_a_sum_that_no_run_can_hold_does_not_stop_the_import(integration, deliver):
    """Nine thousand million are a large bill in dollars and an everyday one in rupiah."""
    rupiah = {"BillingCurrency": "IDR"}
    rows = [row(f"2026-10-{day:02}", "9000000000", **rupiah) for day in (1, 2)]
    assert deliver(integration, row(), *rows).imported
    run = SyncRun.objects.get()
    assert (run.amount_before, run.amount_after) == (0, None)


# The claim ------------------------------------------------------------------------------------------------------------


def test_a_removal_while_files_are_read_leaves_nothing(integration, deliver):
    claim = Claim.take(integration.streams.get().pk, provider=PROVIDERS["aws"], runtime=Runtime())
    connections.disconnect(integration, now=NOW)

    with pytest.raises(LeaseLost):
        deliver(integration, row(), row(**EURO), fence=claim.fence)

    assert not Statement.objects.exists()
    assert centers() == ["AWS"]


def test_nothing_is_left_in_the_scratch_directory(integration, deliver, tmp_path):
    deliver(integration, row())
    with pytest.raises(Exception, match="abc"):
        deliver(integration, row(billed="abc"))
    scratch: Path = tmp_path / "scratch"
    assert not list(scratch.iterdir())


def test_a_day_later_today_counts_as_complete(integration, deliver):
    today = NOW.date().isoformat()
    deliver(integration, row(today))
    center = CostCenter.objects.get()
    assert center.complete_through == datetime(2026, 11, 20, tzinfo=UTC)
    deliver(integration, row(today, "7"), now=NOW + timedelta(days=1))
    center.refresh_from_db()
    assert center.complete_through == datetime(2026, 11, 21, tzinfo=UTC)
