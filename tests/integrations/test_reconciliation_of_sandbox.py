"""A company of the sandbox, whose truth is known: Cursor's own totals of it beside ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.explorer import report
from costcenters.models import DailyCost
from costcenters.query_form import CostQueryForm
from finops.money import units_from_nanos
from integrations import engine
from integrations.http import Runtime
from integrations.models import Integration
from integrations.pages.reconciliation import reconciliation_page
from integrations.reconciliation.comparison import compare
from integrations.reconciliation.evidence import Reason, Standing
from integrations.reconciliation.verdict import verdict
from integrations.sandbox import SandboxServer
from tests.integrations.conftest import NOW, sync
from tests.integrations.reconciled import (
    CYCLE,
    HOUR,
    THROUGH,
    row_of,
)

pytestmark = pytest.mark.django_db

#: The billing cycle begins on the 13th at 13:37:42.123 UTC.
ANNIVERSARY = (13, ((13 * 60 + 37) * 60 + 42) * 1000 + 123)


@pytest.fixture
def read(sandbox: Any, connect: Any, runtime: Runtime) -> Callable[..., tuple[Integration, SandboxServer]]:
    """A company of the sandbox, connected and read to the end."""

    def start(*faults: str, **company: Any) -> tuple[Integration, SandboxServer]:
        server = sandbox(faults=faults, anniversary=ANNIVERSARY, **company)
        integration = connect(server)
        sync(integration, runtime)
        return integration, server

    return start


def sandbox_truth(server: SandboxServer, start: datetime) -> dict[str, tuple[int, int]]:
    """Billed and uncharged nano-dollars by user since `start`, as the sandbox counts."""
    found: dict[str, tuple[int, int]] = {}
    for row in server.truth(int(start.timestamp() * 1000))["rows"]:
        billed, listed = int(row["billed_nano"]), int(row["list_nano"])
        before = found.get(row["user"], (0, 0))
        found[row["user"]] = (before[0] + billed, before[1] + listed - billed)
    return found


def test_both_sides_agree_to_the_nano_from_the_exact_instant_on(read):
    integration, server = read()

    found = compare(integration.cost_center, NOW)

    assert found.cycle is not None
    assert found.cycle.start == CYCLE
    assert found.through == THROUGH
    truth = sandbox_truth(server, CYCLE)
    assert {row.user: (row.ours.billed, row.ours.uncharged) for row in found.rows if row.ours.listed} == {
        user: sums for user, sums in truth.items() if any(sums)
    }
    members = [row for row in found.rows if row.theirs is not None]
    assert len(members) > 8
    for row in members:
        assert row.difference("on_demand") == 0, row
        # What is neither charged nor called included is no part of Cursor's total.
        assert row.difference("included") == row.ours.uncharged_otherwise, row
    assert {row.standing for row in members} <= {Standing.AGREES, Standing.ACCOUNTED}
    strangers = {row.user for row in found.rows if row.theirs is None}
    assert strangers
    assert strangers <= {"Nightly build", "Release notes (Zürich)", "sa_triage"}
    assert verdict(found).tone == "good"


def test_midnight_instead_of_the_instant_would_not_agree(read):
    """The company works on the morning of the cycle's first day: the exact instant matters."""
    _integration, server = read()
    midnight = CYCLE.replace(hour=0, minute=0, second=0, microsecond=0)

    assert sandbox_truth(server, midnight) != sandbox_truth(server, CYCLE)


def test_the_included_shape_agrees_too(read):
    integration, _ = read("spend_included_shape")

    found = compare(integration.cost_center, NOW)

    assert not found.unclear
    assert all(row.difference("on_demand") == 0 for row in found.rows if row.theirs is not None)
    assert verdict(found).tone == "good"


def test_the_old_shape_is_shown_in_both_readings_and_not_guessed(read):
    integration, _ = read("spend_old_shape")

    found = compare(integration.cost_center, NOW)

    told = [row for row in found.rows if row.theirs is not None]
    assert told
    assert all(row.theirs is not None and row.theirs.on_demand is None for row in told)
    fits = {reason for row in told for reason in row.reasons}
    assert Reason.FITS_AS_TOTAL in fits
    assert Reason.FITS_AS_ON_DEMAND not in fits
    assert verdict(found).text.startswith("Cannot be compared: Cursor does not tell on-demand and included")
    page = reconciliation_page(integration.cost_center, NOW)
    [total] = page.total
    assert str(total.figures[0].theirs) == str(total.figures[0].difference) == "—"
    texts = " ".join(reason for row in page.rows for reason in row.reasons)
    assert "It fits as all usage." in texts
    assert "as on-demand usage by −$" in texts


def test_totals_in_whole_cents_agree_up_to_rounding(read):
    integration, _ = read("spend_whole_cents")

    found = compare(integration.cost_center, NOW)

    told = [row for row in found.rows if row.theirs is not None]
    assert any(row.difference("on_demand") for row in told)
    assert all(abs(row.difference("on_demand") or 0) < 10**7 for row in told)
    assert verdict(found).tone == "good"
    assert any("less than a cent" in fact for fact in reconciliation_page(integration.cost_center, NOW).facts)


def test_whoever_left_keeps_their_usage_and_is_explained(read, runtime, clock):
    integration, server = read("removed_absent", users=8, events=2000)
    before = {row.user for row in compare(integration.cost_center, NOW).rows}
    server.mutate()
    clock.now = NOW + HOUR
    sync(integration, runtime)
    [gone] = [
        person.email
        for person in server.ledger("main").departures
        if person.email in before and sandbox_truth(server, CYCLE).get(person.email, (0, 0))[0]
    ] or pytest.skip("nobody who used anything left")

    found = compare(integration.cost_center, clock.now)

    row = row_of(found, gone)
    assert row.theirs is not None
    assert row.theirs.read_at == NOW
    assert Reason.NO_LONGER_LISTED in row.reasons
    assert row.standing < Standing.DIFFERS
    assert not any(row.standing is Standing.DIFFERS for row in found.rows)


@pytest.mark.parametrize(
    "faults", ["null_ids,missing_fields", "shape_2025,twins", "unknown_kinds", "late_events"]
)
def test_odd_data_agree_as_well(read, faults):
    integration, _server = read(*faults.split(","))

    found = compare(integration.cost_center, NOW)

    on_demand = [row for row in found.rows if row.theirs is not None and row.difference("on_demand")]
    assert [row for row in on_demand if Standing.DIFFERS is row.standings[0]] == []


def test_what_happened_after_cursor_was_asked_is_no_difference(read, runtime, clock):
    integration, _ = read()
    clock.now = NOW + timedelta(hours=9)
    usage = integration.streams.get(name="usage")
    engine.sync_stream(usage.pk, runtime=runtime)

    found = compare(integration.cost_center, clock.now)

    assert found.read_through == clock.now.replace(minute=0, second=0)
    assert found.through == THROUGH
    assert verdict(found).tone == "good"
    assert any(
        "compared up to 20 Nov 2026, 14:00" in fact for fact in reconciliation_page(found.center, NOW).facts
    )


def test_hours_that_are_not_read_yet_are_no_alarm(read, runtime, clock):
    integration, _ = read()
    clock.now = NOW + timedelta(hours=3)
    spend = integration.streams.get(name="spend")
    engine.sync_stream(spend.pk, runtime=runtime)

    found = compare(integration.cost_center, clock.now)

    assert found.unread_from == THROUGH
    assert any(Reason.UNREAD in row.reasons for row in found.rows)
    assert verdict(found).tone == ""
    assert verdict(found).text.startswith("Agrees but for $")
    [fact] = [one for one in reconciliation_page(found.center, clock.now).facts if "Not read yet" in one]
    assert "20 Nov 2026, 14:00 – 17:25 UTC" in fact


def test_refused_totals_are_told_with_the_reason(read, runtime, clock):
    integration, server = read()
    server.set_faults("scope_refusal")
    clock.now = NOW + HOUR
    engine.sync_stream(integration.streams.get(name="spend").pk, runtime=runtime)

    page = reconciliation_page(integration.cost_center, clock.now)

    assert any(fact.startswith("Cursor’s totals could not be read again: ") for fact in page.facts)
    assert page.verdict.is_comparison


def test_our_figures_lead_to_the_explorer_that_shows_the_same_but_for_the_cut_day(read):
    integration, _ = read()
    page = reconciliation_page(integration.cost_center, NOW)
    found = compare(integration.cost_center, NOW)
    for row in page.rows[:4]:
        exact = row_of(found, row.name).ours
        for figures, amount in zip(row.figures, (exact.billed, exact.uncharged), strict=True):
            form = CostQueryForm(
                QueryDict(figures.ours.url.partition("?")[2]), catalog=Catalog(today=NOW.date())
            )
            assert form.is_valid(), form.errors
            query = form.query()
            assert str(query.span) == "13 – 20 Nov 2026"
            head = DailyCost.objects.filter(user=row.name, day=CYCLE.date(), charge_type="usage")
            whole_day = sum(
                one.billed_cost if figures is row.figures[0] else one.list_cost - one.billed_cost
                for one in head
            )
            total = report(query, now=NOW).total.measure
            assert units_from_nanos(amount) <= total <= units_from_nanos(amount) + whole_day
