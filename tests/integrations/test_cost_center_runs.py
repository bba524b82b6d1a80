"""The history of runs: told in words, filtered, page by page; what is secret or not for everybody stays so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from integrations.models import Integration, SyncRun
from tests.factories import CostCenterFactory, IntegrationFactory, SyncRunFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
Outcome = SyncRun.Outcome


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


@pytest.fixture
def url(integration: Integration) -> str:
    return f"/settings/cost-centers/{integration.cost_center_id}/runs/"


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(UserFactory(role="Viewer"))
    return client


@pytest.fixture
def editor(client: Client) -> Client:
    client.force_login(UserFactory(role="Editor"))
    return client


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined,no-any-return]


def messages(page: str) -> list[str]:
    """The runs of a page by the message each was given."""
    return re.findall(r"run (\d+)\.", page)


def link(page: str, name: str) -> str:
    found = re.search(rf'href="([^"]+)">{name}</a>', page)
    return unescape(found[1]) if found else ""


def test_a_run_is_told_in_words_with_all_that_came_of_it(viewer, integration, url):
    SyncRunFactory(
        integration=integration,
        outcome=Outcome.DONE,
        events=12_345,
        requests=13,
        waited_seconds=40,
        finished_at=datetime(2026, 11, 21, 14, 8, 20, tzinfo=UTC),
        amount_before=Decimal("10"),
        amount_after=Decimal("13.2"),
        message="3 events of an unknown kind.",
    )

    page = text(viewer.get(url))

    for part in (
        "21 Nov 2026, 14:05",
        "Usage events",
        "18 – 20 Nov 2026",
        ">Done</span>",
        "waited 40 s",
        "3 min 20 s",
        "12,345",
        "13",
        "+$3.20",
        "$10.00 → $13.20",
        "3 events of an unknown kind.",
    ):
        assert part in page


class TestFilters:
    @pytest.fixture
    def runs(self, integration: Integration) -> None:
        SyncRunFactory(integration=integration, message="run 1.")
        SyncRunFactory(integration=integration, message="run 2.", outcome=Outcome.FAILED)
        SyncRunFactory(integration=integration, message="run 3.", outcome=Outcome.FAILED, stream="members")
        SyncRunFactory(
            integration=IntegrationFactory(cost_center=CostCenterFactory(name="Another")), message="run 4."
        )

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["3", "2", "1"]),
            ("outcome=failed", ["3", "2"]),
            ("stream=usage", ["2", "1"]),
            ("stream=usage&outcome=failed", ["2"]),
            ("outcome=kept", []),
        ],
    )
    def test_runs_are_found_by_stream_and_outcome(self, viewer, url, runs, query, found):
        assert messages(text(viewer.get(f"{url}?{query}"))) == found

    def test_only_failures_is_one_link(self, viewer, url, runs):
        assert messages(text(viewer.get(url + link(text(viewer.get(url)), "Only failures")))) == ["3", "2"]

    def test_what_was_chosen_stays_chosen(self, viewer, url, runs):
        page = text(viewer.get(f"{url}?stream=members&outcome=failed"))

        assert '<option value="members" selected>' in page
        assert '<option value="failed" selected>' in page

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("stream=x", "stream"),
            ("outcome=lost", "outcome"),
            ("after=x", "after"),
            ("before=ä", "before"),
            ("before=MTAwMDAwMC4x&after=MTAwMDAwMC4x", "before"),
            ("after=%00", "after"),
        ],
    )
    def test_what_cannot_be_understood_is_refused_by_name(self, viewer, url, query, field):
        response = viewer.get(f"{url}?{query}")

        assert response.status_code == 400
        assert f'data-problem="{field}"' in text(response)

    def test_nothing_found_leads_back_to_all(self, viewer, url):
        assert "No such run." in text(viewer.get(f"{url}?outcome=failed"))
        assert "Nothing was read yet." in text(viewer.get(url))


def test_pages_lead_to_each_other_and_miss_nothing(viewer, integration, url):
    for n in range(250):
        # Three at each instant, so that a page ends amid them.
        SyncRunFactory(
            integration=integration, message=f"run {n}.", started_at=NOW - timedelta(minutes=(250 - n) // 3)
        )
    newest_first = [str(n) for n in reversed(range(250))]

    first = text(viewer.get(url))
    second = text(viewer.get(link(first, "Older")))
    third = text(viewer.get(link(second, "Older")))

    assert messages(first) + messages(second) + messages(third) == newest_first
    assert link(first, "Newer") == ""
    assert link(third, "Older") == ""
    assert messages(text(viewer.get(link(third, "Newer")))) == messages(second)
    back = text(viewer.get(link(second, "Newer")))
    assert messages(back) == messages(first)
    assert link(back, "Newer") == ""


def test_pages_keep_the_filter(viewer, integration, url):
    for n in range(210):
        outcome = Outcome.FAILED if n % 2 else Outcome.DONE
        SyncRunFactory(integration=integration, message=f"run {n}.", outcome=outcome)

    first = text(viewer.get(f"{url}?outcome=failed"))
    second = text(viewer.get(link(first, "Older")))

    assert messages(first) + messages(second) == [str(n) for n in reversed(range(210)) if n % 2]


def test_a_sample_of_a_reply_is_for_editors_and_is_text(client, integration, url):
    SyncRunFactory(
        integration=integration, outcome=Outcome.FAILED, message="Broken.", sample='{"<script>": "alert(1)"}'
    )

    client.force_login(UserFactory(role="Viewer"))
    page = text(client.get(url))
    assert "Broken." in page
    assert "alert(1)" not in page

    client.force_login(UserFactory(role="Editor"))
    page = text(client.get(url))
    assert "&lt;script&gt;&quot;: &quot;alert(1)" in page
    assert '<details class="sample">' in page
    assert "alert(1)" not in text(client.get(integration.cost_center.get_absolute_url()))


class TestKept:
    def test_days_that_were_kept_can_be_read_again_by_an_editor(self, client, integration, url):
        SyncRunFactory(integration=integration, outcome=Outcome.KEPT)
        offered = f"{url.removesuffix('runs/')}read-again/?first=2026-11-18&amp;last=2026-11-20&amp;replace=1"

        client.force_login(UserFactory(role="Editor"))
        assert offered in text(client.get(url))

        client.force_login(UserFactory(role="Viewer"))
        assert "read-again" not in text(client.get(url))

    def test_of_a_window_only_the_days_that_were_kept_are_asked_for(self, editor, integration, url):
        SyncRunFactory(
            integration=integration,
            outcome=Outcome.KEPT,
            window_start=datetime(2026, 11, 1, tzinfo=UTC),
            kept_days=["2026-11-09", "2026-11-05"],
        )

        assert "first=2026-11-05&amp;last=2026-11-09&amp;" in text(editor.get(url))

    def test_a_part_of_a_day_is_that_day(self, editor, integration, url):
        SyncRunFactory(
            integration=integration,
            outcome=Outcome.KEPT,
            window_start=datetime(2026, 11, 18, 3, tzinfo=UTC),
            window_end=datetime(2026, 11, 18, 9, tzinfo=UTC),
        )

        assert "first=2026-11-18&amp;last=2026-11-18&amp;" in text(editor.get(url))

    def test_not_where_nothing_can_be_read(self, editor, integration, url):
        SyncRunFactory(integration=integration, outcome=Outcome.KEPT)
        integration.cost_center.status = "paused"
        integration.cost_center.save()

        assert "read-again" not in text(editor.get(url))


def test_an_endless_message_and_a_run_under_way_are_shown(viewer, integration, url):
    SyncRunFactory(integration=integration, outcome=Outcome.FAILED, message="<i>" + "x" * 2000)
    SyncRunFactory(integration=integration, outcome=Outcome.RUNNING, finished_at=None)

    page = text(viewer.get(url))

    assert "&lt;i&gt;" + "x" * 2000 in page
    assert ">Running</span>" in page


def test_a_cost_center_without_a_connection_has_a_page_too(viewer):
    aws = CostCenterFactory(name="AWS", provider="aws")

    page = text(viewer.get(f"/settings/cost-centers/{aws.pk}/runs/"))

    assert "not read from a provider" in page
    assert viewer.get("/settings/cost-centers/99/runs/").status_code == 404
