"""The list of cost centers: how each is, what it costs, what changed since yesterday, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from costcenters.models import CostCenter, SeatPrice
from integrations.models import Integration, Stream, SyncRun
from integrations.pages.cost_center_list import CostCenterList, ListedCostCenter, cost_center_list
from tests.connecting import connect, work
from tests.factories import (
    CostCenterFactory,
    DailyCostFactory,
    IntegrationFactory,
    MemberFactory,
    StreamFactory,
    SyncRunFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
URL = "/settings/cost-centers/"
NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def at_now() -> Iterator[datetime]:
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def editor(client: Client) -> Client:
    client.force_login(UserFactory(role="Editor"))
    return client


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(UserFactory(role="Admin"))
    return client


def connected(name: str, **fields: object) -> Integration:
    status = fields.pop("status", CostCenter.Status.ACTIVE)
    return IntegrationFactory(cost_center=CostCenterFactory(name=name, status=status), **fields)


def run(integration: Integration, before: str, after: str, *, ended: datetime) -> SyncRun:
    return SyncRunFactory(
        integration=integration,
        started_at=ended - timedelta(minutes=1),
        outcome=SyncRun.Outcome.DONE,
        amount_before=Decimal(before),
        amount_after=Decimal(after),
    )


def only(found: CostCenterList) -> ListedCostCenter:
    (listed,) = found.listed
    return listed


def test_it_shows_state_key_hint_seats_and_the_month(editor, api):
    integration = connect(editor, api)
    work(integration)
    DailyCostFactory(
        cost_center=CostCenterFactory(name="Hetzner", provider="hetzner", currency="EUR"),
        day=timezone.now().date(),
        billed_cost=Decimal("12.34"),
    )

    page = editor.get(URL).content.decode()

    assert "€12.34" in page
    assert integration.key_hint in page
    assert f'data-label="Seats">{len(api.truth()["members"])}</td>' in page
    assert ">Active</span>" in page


class TestStatus:
    def texts(self) -> dict[str, tuple[str, str]]:
        return {each.name: (each.badge.text, each.reason) for each in cost_center_list(NOW).listed}

    def test_each_state_is_told_in_words(self, at_now):
        connected("Attended", status="needs attention", attention="Cursor refused it (401). Paste a new key.")
        connected("Paused", status="paused")
        connected("Gone", status="disconnected")
        StreamFactory(
            integration=connected("Going", status="disconnected"),
            name=Stream.PURGE,
            backfill_target=NOW - 10 * HOUR,
            pass_through=NOW,
            pass_from=NOW - 3 * HOUR,
        )
        StreamFactory(
            integration=connected("Loading", status="connecting", set_up_at=None),
            synced_through=NOW,
            backfilled_from=NOW - timedelta(days=4),
            backfill_target=NOW - timedelta(days=10),
        )

        assert self.texts() == {
            "Attended": ("Needs attention", "Cursor refused it (401)."),
            "Paused": ("Paused", ""),
            "Gone": ("Disconnected", ""),
            "Going": ("Deleting history, 30 %", ""),
            "Loading": ("Connecting, 40 %", ""),
        }

    def test_a_long_reason_is_cut(self, at_now):
        connected("Cursor", status="needs attention", attention="x" * 2000)

        assert len(only(cost_center_list(NOW)).reason) == 160

    def test_an_active_one_that_cannot_be_read_says_since_when(self, at_now):
        StreamFactory(integration=connected("Cursor"), failing_since=NOW - 3 * HOUR)

        assert only(cost_center_list(NOW)).reason == "Sync failing since 21 Nov 2026, 12:20 UTC."

    def test_those_that_are_disconnected_come_last(self, at_now):
        connected("A", status="disconnected")
        connected("B")

        assert [each.name for each in cost_center_list(NOW).listed] == ["B", "A"]


class TestRevision:
    def revised(self) -> str:
        return only(cost_center_list(NOW)).revised.text

    def test_it_adds_up_what_the_runs_of_a_day_changed(self, at_now):
        integration = connected("Cursor")
        run(integration, "10", "13.20", ended=NOW - HOUR)
        run(integration, "5", "4", ended=NOW - 23 * HOUR)
        run(integration, "0", "500", ended=NOW - 25 * HOUR)
        SyncRunFactory(integration=integration, started_at=NOW - HOUR, outcome=SyncRun.Outcome.FAILED)
        # What was asked for as a whole repeats what its windows changed.
        whole = run(integration, "15", "17.20", ended=NOW - HOUR)
        SyncRun.objects.filter(pk=whole.pk).update(stream=SyncRun.EVERYTHING)

        assert self.revised() == "+$2.20 since yesterday"

    def test_less_has_a_minus_and_crumbs_no_sign(self, at_now):
        integration = connected("Cursor")
        run(integration, "10", "9", ended=NOW - HOUR)
        assert self.revised() == "−$1.00 since yesterday"

        SyncRun.objects.update(amount_after=Decimal("10.000000001"))
        assert self.revised() == "< $0.01 since yesterday"

    def test_no_run_and_no_difference_are_no_change(self, at_now):
        integration = connected("Cursor")
        assert self.revised() == "no change"

        run(integration, "10", "10", ended=NOW - HOUR)
        assert self.revised() == "no change"

    def test_a_first_load_is_no_revision(self, at_now):
        integration = connected("Cursor", status="connecting", set_up_at=None)
        run(integration, "0", "9000", ended=NOW - 2 * HOUR)
        assert self.revised() == ""

        Integration.objects.update(set_up_at=NOW - HOUR)
        CostCenter.objects.update(status=CostCenter.Status.ACTIVE)
        assert self.revised() == "no change"

        run(integration, "9000", "9001", ended=NOW - HOUR / 2)
        assert self.revised() == "+$1.00 since yesterday"

    def test_nothing_is_said_of_what_is_not_read(self, at_now):
        connected("Cursor", status="paused")

        assert self.revised() == ""


class TestSeats:
    def test_active_paid_members_count_against_the_committed_ones_of_today(self, at_now, editor):
        integration = connected("Cursor")
        for state in ({}, {}, {"is_active": False}, {"is_paid": False}):
            MemberFactory(integration=integration, **state)
        for day, seats in ((date(2026, 10, 1), 5), (date(2026, 11, 21), 7), (date(2026, 11, 22), 9)):
            SeatPrice.objects.create(
                cost_center=integration.cost_center,
                monthly_price=Decimal(40),
                committed_seats=seats,
                effective_from=day,
            )

        assert 'data-label="Seats">2 of 7</td>' in editor.get(URL).content.decode()

    def test_while_the_team_is_not_known_no_number_is_told(self, at_now):
        connected("Cursor", status="connecting", set_up_at=None)

        assert only(cost_center_list(NOW)).seats == ""


class TestLinks:
    def test_an_editor_may_update_the_key_and_an_admin_remove_too(self, client, at_now):
        pk = connected("R&D <b>").cost_center_id
        for role, may in (("Viewer", ()), ("Editor", ("key",)), ("Admin", ("key", "remove"))):
            client.force_login(UserFactory(role=role))
            page = client.get(URL).content.decode()
            for action in ("key", "remove"):
                assert (f'href="{URL}{pk}/{action}/"' in page) == (action in may), (role, action)
            assert "R&amp;D &lt;b&gt;" in page
            assert "<b>" not in page

    def test_the_trash_has_a_name_for_who_does_not_see_it(self, admin, at_now):
        connected("Team")

        assert '<span class="visually-hidden">Remove Team</span>' in admin.get(URL).content.decode()

    def test_what_is_being_deleted_offers_nothing(self, admin, at_now):
        integration = connected("Going", status="disconnected", key_hint="")
        StreamFactory(integration=integration, name=Stream.PURGE)

        page = admin.get(URL).content.decode()

        assert "/remove/" not in page
        assert "Connect again" not in page

    def test_a_cost_center_that_no_provider_feeds_has_no_key(self, admin):
        CostCenterFactory(name="AWS", provider="aws")

        page = admin.get(URL).content.decode()

        assert "Update key" not in page
        assert "/remove/" not in page

    def test_connect_now_becomes_connect_another(self, client, editor):
        named = '<span class="visually-hidden">: Cursor</span>'
        assert f"Connect Now{named}" in editor.get(URL).content.decode()
        center = connected("Cursor").cost_center
        page = editor.get(URL).content.decode()
        assert f"Connect another{named}" in page
        assert f"Connect Now{named}" not in page

        CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.DISCONNECTED)
        assert "Connect Now" in editor.get(URL).content.decode()

        client.force_login(UserFactory(role="Viewer"))
        page = client.get(URL).content.decode()
        assert "Connect Now" not in page
        assert "An editor or an administrator can connect it." in page

    def test_an_empty_install_says_so(self, client):
        client.force_login(UserFactory(role="Viewer"))

        assert "Nothing is connected yet." in client.get(URL).content.decode()


def test_ten_cost_centers_take_as_many_queries_as_one(editor, at_now):
    def make(n: int) -> None:
        integration = connected(f"Cursor {n}")
        StreamFactory(integration=integration)
        MemberFactory(integration=integration)
        run(integration, "1", "2", ended=NOW - HOUR)
        DailyCostFactory(cost_center=integration.cost_center, day=NOW.date())

    make(0)
    editor.get(URL)
    with CaptureQueriesContext(connection) as one:
        editor.get(URL)
    for n in range(1, 10):
        make(n)
    with CaptureQueriesContext(connection) as ten:
        editor.get(URL)

    assert len(ten) == len(one) <= 15


def test_the_month_is_the_explorers_whatever_the_currency(editor, at_now):
    for name, currency in (("Euro", "EUR"), ("Yen", "JPY"), ("Dollar", "USD")):
        center = CostCenterFactory(name=name, provider="aws", currency=currency)
        DailyCostFactory(cost_center=center, day=date(2026, 11, 1), billed_cost=Decimal("1234.5"))
        DailyCostFactory(cost_center=center, day=date(2026, 10, 31), billed_cost=Decimal("99"))

    months = {each.name: each.month.text for each in cost_center_list(NOW).listed}

    assert months == {"Euro": "€1,234.50", "Yen": "¥1,235", "Dollar": "$1,234.50"}
    for each in cost_center_list(NOW).listed:
        assert each.month.text in editor.get(each.month_url).content.decode()
