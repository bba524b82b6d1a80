"""Cursor's own totals beside ours: what agrees, what differs, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from integrations import reconciliation
from integrations.models import Integration, Member, Stream, SyncRun
from integrations.pages.reconciliation import instant, reconciliation_page
from integrations.reconciliation.comparison import compare
from integrations.reconciliation.evidence import Reason, Standing
from integrations.reconciliation.verdict import verdict
from tests.factories import CostCenterFactory
from tests.integrations.conftest import NOW
from tests.integrations.reconciled import (
    ANN,
    BOB,
    CLEO,
    CYCLE,
    HOUR,
    LATE,
    NOON,
    READ_AT,
    compared,
    connected,
    dollars,
    row_of,
    tell,
    use,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration() -> Integration:
    return connected()


class TestVerdict:
    def test_it_agrees_to_the_cent(self, integration):
        use(integration, (ANN, NOON, "10", "10"), (BOB, NOON, "0", "3.004"))
        tell(integration, (ANN, "10", "0"), (BOB, "0", "3"))

        assert verdict(compared(integration)).text == "Agrees to the cent"
        assert verdict(compared(integration)).tone == "good"

    def test_it_differs_by_an_amount_a_share_and_people(self, integration):
        use(integration, (ANN, NOON, "398.80", "398.80"), (BOB, NOON, "1", "1"))
        tell(integration, (ANN, "400", "0"), (BOB, "1", "0"))
        integration.streams.filter(name="usage").update(synced_through=READ_AT.replace(hour=15))

        said = verdict(compared(integration))

        assert (said.text, said.tone) == ("Differs by $1.20 (0.3 %): 1 person", "warn")
        assert said.detail == "$1.20 of on-demand usage that nothing known here explains."

    def test_a_large_difference_of_money_is_red(self, integration):
        use(integration, (ANN, NOON, "50", "50"))
        tell(integration, (ANN, "20", "0"))

        assert verdict(compared(integration)).tone == "bad"

    def test_included_usage_is_no_money_and_never_red(self, integration):
        use(integration, (ANN, NOON, "0", "50"))
        tell(integration, (ANN, "0", "20"))

        assert verdict(compared(integration)).tone == "warn"

    def test_opposite_differences_do_not_cancel_out(self, integration):
        use(integration, (ANN, NOON, "10", "10"), (BOB, NOON, "10", "10"))
        tell(integration, (ANN, "8", "0"), (BOB, "12", "0"))

        assert verdict(compared(integration)).text == "Differs by $4.00 (20 %): 2 people"

    def test_a_provider_without_totals_has_none(self):
        center = CostCenterFactory(name="AWS", provider="aws")

        assert "AWS tells no totals of its own" in verdict(compare(center, NOW)).text
        assert reconciliation.summary(center, NOW) is None

    def test_nothing_read_yet_is_said(self, integration):
        integration.streams.filter(name="spend").update(synced_through=None)

        assert verdict(compared(integration)).text == (
            "Cannot be compared: Cursor’s own totals have not been read yet"
        )

    def test_totals_that_never_could_be_read_are_told_with_the_reason(self, integration):
        integration.streams.filter(name="spend").update(last_error="Enterprise access required.")

        assert "could not be read. Enterprise access required" in verdict(compared(integration)).text

    def test_usage_that_was_never_read_is_not_nothing(self, integration):
        tell(integration, (ANN, "1", "1"))
        integration.streams.filter(name="usage").update(synced_through=None)

        assert verdict(compared(integration)).text == "Cannot be compared: its usage has not been read yet"

    def test_a_backfill_on_its_way_is_waited_for(self, integration):
        use(integration, (ANN, NOON, "1", "1"))
        tell(integration, (ANN, "5", "0"))
        integration.streams.filter(name="usage").update(backfilled_from=datetime(2026, 11, 15, tzinfo=UTC))

        found = compared(integration)

        assert "has not been read back to the billing cycle’s start" in verdict(found).text
        assert row_of(found, ANN).reasons == (Reason.BACKFILL,)
        [fact] = [one for one in reconciliation_page(found.center, NOW).facts if "read back" in one]
        assert "15 Nov 2026, 00:00 UTC only. The rest is being read." in fact

    def test_a_cycle_that_has_just_begun_has_nothing_to_compare(self, integration):
        tell(integration, (ANN, "0", "0"), start=datetime(2026, 11, 20, 14, 5, tzinfo=UTC))

        assert "has only just begun" in verdict(compared(integration)).text

    def test_while_history_is_deleted_nothing_is_compared(self, integration):
        tell(integration, (ANN, "0", "0"))
        Stream.objects.create(integration=integration, name=Stream.PURGE, due_at=NOW)

        assert "is being deleted" in verdict(compared(integration)).text

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's sums have no such limit")
    def test_a_sum_too_large_is_said(self, integration):
        use(integration, *((ANN, NOON + timedelta(days=n), "4000000000", "4000000000") for n in range(3)))
        tell(integration, (ANN, "1", "0"))

        assert "larger than SQLite can hold" in verdict(compared(integration)).text


class TestExplanations:
    def test_hours_not_read_explain_no_more_than_their_share(self, integration):
        # 160 hours hold $160: eight times the pace of 23 minutes is about $3.
        use(integration, (ANN, NOON, "160", "160"), (BOB, NOON, "1", "1"))
        tell(integration, (ANN, "161", "0"), (BOB, "100", "0"))

        found = compared(integration)

        assert row_of(found, ANN).reasons == (Reason.UNREAD,)
        assert row_of(found, BOB).reasons == (Reason.UNKNOWN,)
        assert dollars("2.5") < found.allowance[0] < dollars("3.5")

    def test_many_small_shortfalls_may_not_add_up_to_more_than_the_unread_hours_hold(self, integration):
        names = [f"user{n}@example.com" for n in range(10)]
        use(integration, *((name, NOON, "16", "16") for name in names))
        tell(integration, *((name, "17", "0") for name in names))

        standings = [row.standing for row in compared(integration).rows]

        assert standings.count(Standing.POSSIBLE) == 2
        assert standings.count(Standing.DIFFERS) == 8

    def test_the_last_hour_may_be_missing_in_cursors_sums(self, integration):
        use(integration, (ANN, NOON, "10", "10"), (ANN, LATE, "2", "2"), (BOB, LATE, "2", "2"))
        tell(integration, (ANN, "10", "0"), (BOB, "1", "0"))

        assert {row.reasons for row in compared(integration).rows} == {(Reason.BY_THE_HOUR,)}

    def test_more_than_the_last_hour_is_not_explained_by_it(self, integration):
        use(integration, (ANN, NOON, "10", "10"), (ANN, LATE, "2", "2"))
        tell(integration, (ANN, "9", "0"))

        assert row_of(compared(integration), ANN).standing is Standing.DIFFERS

    def test_kinds_not_called_included_are_set_apart_exactly(self, integration):
        use(integration, (ANN, NOON, "0", "5"), kind="USAGE_EVENT_KIND_USER_API_KEY")
        tell(integration, (ANN, "0", "0"))

        row = row_of(compared(integration), ANN)

        assert (row.standing, row.reasons) == (Standing.ACCOUNTED, (Reason.OTHER_KINDS,))

    def test_days_that_were_kept_may_explain_more_of_ours(self, integration):
        use(integration, (ANN, NOON, "10", "10"), (BOB, NOON, "1", "1"))
        tell(integration, (ANN, "4", "0"), (BOB, "2000", "0"))
        SyncRun.objects.create(
            integration=integration,
            stream="usage",
            window_start=NOON - 24 * HOUR,
            window_end=NOON + 24 * HOUR,
            started_at=NOW - 5 * HOUR,
            outcome=SyncRun.Outcome.KEPT,
            kept_days=["2026-11-10", NOON.date().isoformat()],
        )

        found = compared(integration)

        assert found.kept_days == (NOON.date(),)
        assert row_of(found, ANN).reasons == (Reason.KEPT,)
        assert row_of(found, BOB).reasons == (Reason.UNKNOWN,)

    def test_usage_without_a_user_may_be_somebodys(self, integration):
        use(integration, (ANN, NOON, "10", "10"), ("", NOON, "5", "5"))
        tell(integration, (ANN, "15", "0"))
        integration.streams.filter(name="usage").update(synced_through=READ_AT)

        found = compared(integration)

        assert row_of(found, ANN).reasons == (Reason.NAMELESS,)
        assert row_of(found, "").reasons == (Reason.NO_USER,)
        assert verdict(found).tone == ""

    def test_a_service_account_is_in_nobodys_total(self, integration):
        use(integration, ("Nightly build", NOON, "10", "10"))
        tell(integration, (ANN, "0", "0"))

        found = compared(integration)

        assert row_of(found, "Nightly build").reasons == (Reason.NOT_A_MEMBER,)
        assert verdict(found).text == "Agrees but for $10.00, which is explained"
        facts = " ".join(reconciliation_page(found.center, NOW).facts)
        assert (
            "1 service account with $10.00 of on-demand and $0.00 of included usage is in ours only." in facts
        )

    @pytest.mark.parametrize(
        ("is_active", "sentence"),
        [(False, "Left the team"), (True, "A member, but not in"), (None, "nor among the members")],
    )
    def test_who_only_we_know_is_told_by_the_members_list(self, integration, is_active, sentence):
        use(integration, (ANN, NOON, "10", "10"))
        tell(integration, (BOB, "0", "0"))
        if is_active is not None:
            Member.objects.create(
                integration=integration,
                key=ANN,
                is_active=is_active,
                first_seen=NOON.date(),
                last_seen=NOON.date(),
            )

        [row] = reconciliation_page(integration.cost_center, NOW).rows

        assert sentence in row.reasons[0]
        # Who is in the team should have a total.
        assert row.is_open is bool(is_active)

    def test_somebody_renamed_is_one_row_under_two_names(self, integration):
        use(integration, (ANN, NOON, "7", "9"), (BOB, NOON, "3", "4"))
        tell(integration, (ANN, "6.50", "2"), read_at=READ_AT - 30 * HOUR)
        tell(integration, (BOB, "10", "3"), (CLEO, "0", "0"))

        found = compared(integration)

        row = row_of(found, BOB)
        assert row.users == (BOB, ANN)
        assert row.standing is Standing.AGREES
        assert verdict(found).text == "Agrees to the cent"
        [total] = reconciliation_page(found.center, NOW).total
        assert str(total.figures[0].theirs) == "$10.00"

    def test_two_people_who_still_both_have_totals_are_never_made_one(self, integration):
        use(integration, (ANN, NOON, "7", "7"), (BOB, NOON, "3", "3"))
        tell(integration, (ANN, "0", "0"), (BOB, "10", "0"))

        assert {row.users for row in compared(integration).rows} == {(ANN,), (BOB,)}

    def test_a_total_without_any_amount_says_why(self, integration):
        use(integration, (ANN, NOON, "7", "7"), (BOB, NOON, "1", "1"))
        tell(integration, (ANN, None, None), note="Cursor sent no spendCents.")
        tell(integration, (BOB, "1", "0"))

        page = reconciliation_page(integration.cost_center, NOW)

        assert page.rows[0].reasons == ("Cursor sent no spendCents.",)
        assert page.verdict.detail == "1 person cannot be compared: their figures are ambiguous."
        assert page.verdict.tone == ""

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [
            ("10", Reason.FITS_AS_TOTAL),
            ("7.004", Reason.FITS_AS_ON_DEMAND),
            ("8", Reason.FITS_NEITHER),
        ],
    )
    def test_an_unclear_amount_is_held_against_both_readings(self, integration, sent, reason):
        use(integration, (ANN, NOON, "7", "7"), (ANN, NOON, "0", "3"))
        tell(integration, (ANN, None, None), unclear=sent, note="Ambiguous.")

        assert row_of(compared(integration), ANN).reasons == (reason,)


def test_an_instant_is_as_exact_as_it_is():
    assert instant(CYCLE) == "13 Nov 2026, 13:37:42.123"
    assert instant(CYCLE.replace(microsecond=0)) == "13 Nov 2026, 13:37:42"
    assert instant(CYCLE.replace(second=0, microsecond=0)) == "13 Nov 2026, 13:37"
