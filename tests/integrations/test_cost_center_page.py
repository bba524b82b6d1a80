"""The list of cost centers and a cost center's page: figures while history is loaded, trouble in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter
from finops.models import Heartbeat
from integrations import engine, notices
from integrations.cost_center_page import cost_center_page, window_label
from integrations.http import Runtime
from integrations.models import Integration, Stream, SyncRun
from integrations.progress import History, history_of, in_words, minutes_left
from integrations.providers import PROVIDERS
from tests.connecting import connect, work
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

NOW = datetime(2026, 11, 20, 14, 25, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TARGET = datetime(2026, 11, 10, tzinfo=UTC)
END = datetime(2026, 11, 20, 14, tzinfo=UTC)


class TestHistory:
    def stream(self, **state: datetime | None) -> Stream:
        return Stream(backfill_target=TARGET, due_at=NOW, **state)

    def test_before_the_first_request_nothing_is_read(self):
        history = history_of(self.stream(), NOW)

        assert (history.days_read, history.days_known, history.percent) == (0, 11, 0)

    def test_the_first_pass_counts_from_its_end_down(self):
        stream = self.stream(pass_through=END, pass_from=datetime(2026, 11, 19, tzinfo=UTC))

        assert (history_of(stream, NOW).days_read, history_of(stream, NOW).days_known) == (2, 11)

    def test_the_backfill_goes_on_from_there(self):
        stream = self.stream(synced_through=END, backfilled_from=datetime(2026, 11, 13, tzinfo=UTC))

        assert (history_of(stream, NOW).days_read, history_of(stream, NOW).percent) == (8, 72)

    def test_all_of_it_is_a_hundred_percent(self):
        assert history_of(self.stream(synced_through=END, backfilled_from=TARGET), NOW).percent == 100

    def test_a_revived_connection_has_its_gap_to_fill(self):
        stream = self.stream(synced_through=END - 3 * DAY, backfilled_from=TARGET)

        assert history_of(stream, NOW).unread == 3 * DAY

    def test_time_left_follows_the_limit_and_the_events_so_far(self):
        spec = PROVIDERS["cursor"].streams[0]
        half = History(length=60 * DAY, unread=30 * DAY)

        minutes = minutes_left(half, events=570_000, spec=spec, requests_per_minute=60)

        assert minutes == pytest.approx(571 / 57)
        assert in_words(minutes) == "about 10 minutes"

    @pytest.mark.parametrize(
        ("history", "events", "limit"),
        [
            (History(60 * DAY, 30 * DAY), 5, None),
            (History(60 * DAY, 60 * DAY), 0, 60),
            (History(DAY, 0 * DAY), 5, 60),
        ],
    )
    def test_nothing_is_said_where_nothing_is_known(self, history, events, limit):
        assert (
            minutes_left(
                history, events=events, spec=PROVIDERS["cursor"].streams[0], requests_per_minute=limit
            )
            is None
        )


@pytest.mark.parametrize(
    ("start", "end", "label"),
    [
        (datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), "18 – 20 Nov 2026"),
        (datetime(2026, 11, 20, tzinfo=UTC), END, "20 Nov 2026, 00:00 – 14:00"),
        (datetime(2026, 11, 19, tzinfo=UTC), END, "19 Nov 2026, 00:00 – 20 Nov 2026, 14:00"),
    ],
)
def test_a_window_is_told_in_days_where_it_is_days(start, end, label):
    assert window_label(start, end) == label


@pytest.fixture
def editor(client):
    client.force_login(UserFactory(role="Editor"))
    return client


@pytest.fixture
def integration(editor, api) -> Integration:
    return connect(editor, api)


def page_of(client, integration) -> str:
    return client.get(integration.cost_center.get_absolute_url()).content.decode()


@pytest.mark.django_db
class TestPage:
    def test_it_polls_while_history_is_loaded_and_no_longer(self, editor, integration):
        assert 'hx-trigger="every 2s"' in page_of(editor, integration)

        work(integration)

        page = page_of(editor, integration)
        assert "hx-trigger" not in page
        assert "Set-up is complete." in page
        assert ">Active</span>" in page

    def test_the_refresh_serves_the_same_parts_without_the_page_around_them(self, editor, integration):
        part = editor.get(reverse("cost-center-progress", args=[integration.cost_center_id])).content.decode()

        assert "<html" not in part
        assert 'id="progress" hx-get=' in part
        for name in ("status", "streams", "team", "runs"):
            assert f'id="{name}" hx-swap-oob="true"' in part

    def test_half_way_it_says_how_far_it_has_come(self, settings, editor, integration):
        settings.CURSOR_REQUESTS_PER_MINUTE = 60
        usage = integration.streams.get(name="usage")

        class Enough(Exception):
            """The process is killed here."""

        def stop(stream, result):
            if result.windows == 2:
                raise Enough

        engine.sync_stream(usage.pk, runtime=Runtime(), progress=stop)
        usage.refresh_from_db()

        page = cost_center_page(integration.cost_center, timezone.now())
        text = page_of(editor, integration)
        assert page.loading is not None
        assert 0 < page.loading.history.days_read < page.loading.history.days_known
        assert (
            f"{page.loading.history.days_read} of {page.loading.history.days_known} days in 2 windows" in text
        )
        assert page.bill is not None
        assert f"{page.bill.events} events" in text
        assert page.bill.amount in text
        assert "less than a minute left under Cursor’s limit of 60 requests a minute" in text
        assert f"Connecting, {page.loading.history.percent} %" in text

    def test_a_failing_stream_says_why_and_when_it_is_tried_again(self, editor, integration):
        integration.streams.filter(name="usage").update(
            last_error="Cursor did not answer in time.", attempts=2, due_at=timezone.now() + HOUR
        )

        page = page_of(editor, integration)

        assert "Usage events: Cursor did not answer in time. Next try at" in page

    def test_trouble_with_the_key_is_told_with_a_way_out_for_who_may_take_it(
        self, client, editor, integration
    ):
        notices.needs_attention(integration, "Cursor refused this key (401).", timezone.now())

        page = page_of(editor, integration)
        assert "needs attention" in page
        assert "Cursor refused this key (401)." in page
        assert "An administrator can replace the key." in page
        assert page.count(">Stopped</span>") == integration.streams.count()

        client.force_login(UserFactory(role="Admin"))
        assert f"/admin/integrations/integration/{integration.pk}/change/" in page_of(client, integration)

    def test_a_worker_without_a_sign_of_life_is_missed(self, editor, integration):
        assert "Nothing is happening?" in page_of(editor, integration)

        Heartbeat.beat(Heartbeat.WORKER, timezone.now())
        assert "Nothing is happening?" not in page_of(editor, integration)

        Heartbeat.beat(Heartbeat.WORKER, timezone.now() - timedelta(minutes=6))
        assert "Nothing is happening?" in page_of(editor, integration)

    def test_history_shows_what_each_window_revised(self, editor, integration):
        SyncRun.objects.create(
            integration=integration,
            stream="usage",
            window_start=NOW - DAY,
            window_end=NOW,
            started_at=NOW,
            finished_at=NOW,
            outcome=SyncRun.Outcome.KEPT,
            events=1234,
            requests=2,
            waited_seconds=40,
            amount_before=Decimal("10"),
            amount_after=Decimal("13.20"),
            message="No longer returned by Cursor, kept: 2026-11-01.",
        )

        page = page_of(editor, integration)

        for text in ("+$3.20", "1,234", "waited 40 s", "No longer returned, kept", "kept: 2026-11-01"):
            assert text in page

    def test_it_shows_members_seat_prices_and_who_connected_it(self, editor, integration, api):
        work(integration)

        page = page_of(editor, integration)

        assert f"<strong>{len(api.truth()['members'])}</strong> active in a paid seat" in page
        assert "$40.00" in page
        assert f"connected by {integration.connected_by}" in page

    def test_a_cost_center_fed_from_files_has_a_page_too(self, editor):
        center = CostCenterFactory(name="AWS", provider="aws")

        response = editor.get(center.get_absolute_url())

        assert response.status_code == 200
        assert "Nothing is read from a provider here" in response.content.decode()

    def test_an_unknown_cost_center_is_not_found(self, editor):
        assert editor.get("/settings/cost-centers/99/").status_code == 404
        assert editor.get("/settings/cost-centers/99/progress/").status_code == 404


@pytest.mark.django_db
class TestList:
    url = "/settings/cost-centers/"

    def test_it_shows_state_key_hint_seats_and_the_month(self, editor, integration, api):
        work(integration)
        DailyCostFactory(
            cost_center=CostCenterFactory(name="Hetzner", provider="hetzner", currency="EUR"),
            day=timezone.now().date(),
            billed_cost=Decimal("12.34"),
        )

        page = editor.get(self.url).content.decode()

        assert "€12.34" in page
        assert integration.key_hint in page
        assert f'<td class="num">{len(api.truth()["members"])}</td>' in page
        assert ">Active</span>" in page
        assert editor.get(integration.cost_center.get_absolute_url()).status_code == 200

    def test_ten_cost_centers_take_as_many_queries_as_one(self, editor):
        def make(n: int) -> None:
            center = CostCenterFactory(name=f"Cursor {n}", status=CostCenter.Status.CONNECTING)
            made = Integration.objects.create(cost_center=center, provider="cursor", key_hint="…abcd")
            Stream.objects.create(integration=made, name="usage", due_at=NOW, backfill_target=TARGET)
            DailyCostFactory(cost_center=center, day=timezone.now().date())

        make(0)
        editor.get(self.url)
        with CaptureQueriesContext(connection) as one:
            editor.get(self.url)
        for n in range(1, 10):
            make(n)
        with CaptureQueriesContext(connection) as ten:
            editor.get(self.url)

        assert len(ten) == len(one)

    def test_connect_now_is_offered_to_those_who_may(self, client, editor):
        assert "Connect Now" in editor.get(self.url).content.decode()

        client.force_login(UserFactory(role="Viewer"))
        page = client.get(self.url).content.decode()
        assert "Connect Now" not in page
        assert "Nothing is connected yet." in page
