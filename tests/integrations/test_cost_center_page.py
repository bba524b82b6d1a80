"""A cost center's page: figures while history is loaded, trouble in words, what can be done about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter, SeatPrice
from finops.models import Heartbeat
from integrations import engine, notices
from integrations.http import Runtime
from integrations.models import Integration, Stream, SyncRun
from integrations.pages.cost_center_page import cost_center_page
from integrations.progress import History, history_of, in_words, minutes_left
from integrations.providers import PROVIDERS
from tests.connecting import connect, work
from tests.factories import CostCenterFactory, IntegrationFactory, StreamFactory, UserFactory

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

    def test_while_a_gap_is_filled_the_newest_days_are_not_called_complete(self, editor, integration):
        center = CostCenter.objects.filter(pk=integration.cost_center_id)
        center.update(complete_through=timezone.now() - timedelta(days=4))
        text = page_of(editor, integration)
        assert "History is being loaded." in text
        assert "The newest days are complete already." not in text

        center.update(complete_through=timezone.now())
        assert "The newest days are complete already." in page_of(editor, integration)

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
        assert (
            f'href="{reverse("cost-center-key", args=[integration.cost_center_id])}">Paste a new key' in page
        )
        assert page.count("Test connection") == 1
        assert "Sync now" not in page
        assert page.count(">Stopped</span>") == integration.streams.count()

        client.force_login(UserFactory(role="Viewer"))
        page = page_of(client, integration)
        assert "An editor or an administrator can paste a new key." in page
        assert "Paste a new key</a>" not in page
        assert "Test connection" not in page

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
        assert f"by {integration.connected_by}</dd>" in page

    def test_buttons_follow_the_state_and_the_rights(self, client, editor, integration):
        work(integration)
        center = integration.cost_center
        buttons = ("Sync now", "Test connection", "Pause<", "Resume<", "Remove…", "Connect again<")

        def seen() -> set[str]:
            page = page_of(client, integration)
            return {button for button in buttons if button in page}

        assert seen() == {"Sync now", "Test connection", "Pause<"}
        CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.PAUSED)
        assert seen() == {"Test connection", "Resume<"}
        client.force_login(UserFactory(role="Admin"))
        assert seen() == {"Test connection", "Resume<", "Remove…"}
        CostCenter.objects.filter(pk=center.pk).update(status=CostCenter.Status.DISCONNECTED)
        assert seen() == {"Connect again<"}
        assert "Delete its history…" in page_of(client, integration)
        client.force_login(UserFactory(role="Viewer"))
        assert seen() == set()

    def test_a_trouble_that_lasts_is_told_on_top_and_only_once(self, editor, integration):
        work(integration)
        integration.streams.filter(name="members").update(
            last_error="Cursor sent <b>nonsense</b>.",
            failing_since=timezone.now() - 3 * HOUR,
            due_at=timezone.now() + HOUR,
        )

        page = page_of(editor, integration)

        assert "<strong>Members cannot be read.</strong> Failing since" in page
        assert page.count("Cursor sent &lt;b&gt;nonsense&lt;/b&gt;.") == 1
        assert ">Failing</span>" in page

    def test_a_stream_says_what_it_holds_and_how_much_of_the_limit_is_used(self, settings, editor):
        settings.CURSOR_REQUESTS_PER_MINUTE = 60
        instant = timezone.now().timestamp()
        stream = StreamFactory(
            synced_through=END,
            backfilled_from=TARGET,
            due_at=timezone.now() + HOUR,
            recent_requests=[instant - 90, instant - 30, instant - 3],
            reread_from=TARGET,
            reread_to=TARGET + DAY,
            reread_may_shrink=True,
        )

        page = page_of(editor, stream.integration)

        assert "10 Nov, 00:00 – 20 Nov 2026, 14:00 UTC" in page
        assert "2 of 60" in page
        assert "Still to be read again, as asked for: 10 Nov 2026. Fewer events may replace" in page

    def test_a_purge_shows_its_progress_and_leads_away_when_all_is_gone(self, editor):
        center = CostCenterFactory(status=CostCenter.Status.DISCONNECTED)
        integration = IntegrationFactory(cost_center=center, key_hint="")
        StreamFactory(
            integration=integration,
            name=Stream.PURGE,
            backfill_target=NOW - 10 * DAY,
            pass_through=NOW,
            pass_from=NOW - 3 * DAY,
        )

        page = page_of(editor, integration)
        assert "The history is being deleted." in page
        assert '<progress max="100" value="30"' in page
        assert ">Deleting history, 30 %</span>" in page
        assert 'hx-trigger="every 3s"' in page
        assert "Connect again<" not in page

        refresh = reverse("cost-center-progress", args=[center.pk])
        integration.delete()
        center.delete()
        response = editor.get(refresh, headers={"HX-Request": "true"})
        assert response["HX-Redirect"] == "/settings/cost-centers/"
        assert "all of its history is deleted" in editor.get("/settings/cost-centers/").content.decode()

    def test_the_address_of_another_api_is_shown_without_what_may_be_secret_in_it(self, editor):
        integration = IntegrationFactory(api_url="https://user:secret@proxy.example.com/cursor?token=secret")

        page = page_of(editor, integration)

        assert "https://proxy.example.com/cursor</code>" in page
        assert "secret" not in page

    def test_connecting_again_brings_the_name_along(self, editor):
        integration = IntegrationFactory(
            cost_center=CostCenterFactory(name="R&D <1>", status=CostCenter.Status.DISCONNECTED), key_hint=""
        )

        page = page_of(editor, integration)
        assert "/connect/cursor/?name=R%26D%20%3C1%3E" in page
        form = editor.get("/settings/cost-centers/connect/cursor/?name=R%26D%20%3C1%3E").content.decode()
        assert 'value="R&amp;D &lt;1&gt;"' in form
        assert "goes on with that history" in form

    def test_connecting_again_offers_the_price_that_held_before(self, editor):
        center = CostCenterFactory(name="Old", status=CostCenter.Status.DISCONNECTED)
        IntegrationFactory(cost_center=center, key_hint="")
        SeatPrice.objects.create(
            cost_center=center, monthly_price=Decimal("32.50"), effective_from=date(2026, 1, 1)
        )

        assert (
            'value="32.50"' in editor.get("/settings/cost-centers/connect/cursor/?name=Old").content.decode()
        )
        assert "32.50" not in editor.get("/settings/cost-centers/connect/cursor/?name=Other").content.decode()

    def test_a_cost_center_fed_from_files_has_a_page_too(self, editor):
        center = CostCenterFactory(name="AWS", provider="aws")

        response = editor.get(center.get_absolute_url())

        assert response.status_code == 200
        assert "Nothing is read from a provider here" in response.content.decode()

    def test_an_unknown_cost_center_is_not_found(self, editor):
        assert editor.get("/settings/cost-centers/99/").status_code == 404
        assert editor.get("/settings/cost-centers/99/progress/").status_code == 404
