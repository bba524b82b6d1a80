"""Saved views in the explorer: the menu, the open view, and what became of it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from costcenters.saved_views.store import default_view_url
from tests.costcenters.saved_view_pages import address_of
from tests.factories import SavedViewFactory

pytestmark = pytest.mark.django_db


class TestExplorer:
    def test_the_menu_lists_mine_and_shared_ones_but_nobody_elses_private(self, viewer, me):
        mine = SavedViewFactory(owner=me, name="Mine")
        shared = SavedViewFactory(name="Theirs", is_shared=True)
        SavedViewFactory(name="Secret")
        text = unescape(viewer.get("/explorer/?preset=30d").text)
        for view in (mine, shared):
            assert f'href="/explorer/?preset=30d&group_by=model&view={view.pk}"' in text
        assert shared.owner.username in text
        assert "Secret" not in text

    def test_an_unchanged_view_asks_for_nothing(self, viewer, me):
        view = SavedViewFactory(owner=me, name="Mine", query="preset=30d&user=a&user=b")
        text = viewer.get(f"/explorer/?user=b&user=a&view={view.pk}").text
        assert re.search(r'<span class="clip"><span class="visually-hidden">View </span>Mine', text)
        assert "Update “Mine”" not in text
        assert "Save as a new view" not in text
        assert "Save as…" in text

    @pytest.mark.parametrize("change", ["measure=tokens", "chart=lines", "preset=7d"])
    def test_a_changed_view_can_be_updated_or_saved_anew(self, viewer, me, change):
        view = SavedViewFactory(owner=me, name="Mine")
        text = unescape(viewer.get(f"/explorer/?group_by=model&{change}&view={view.pk}").text)
        action = re.search(rf'action="({re.escape(address_of(view, "update"))}.*?)"', text)
        assert action
        assert "Update “Mine”" in text
        assert "Save as a new view" in text

        response = viewer.post(action[1])

        view.refresh_from_db()
        assert change in view.query
        assert response.url == view.get_absolute_url()
        assert "Update “Mine”" not in viewer.get(response.url).text

    def test_somebody_elses_changed_view_can_only_be_saved_anew(self, viewer):
        view = SavedViewFactory(name="Theirs", is_shared=True)
        text = viewer.get(f"/explorer/?group_by=user&view={view.pk}").text
        assert "Theirs" in text
        assert "Update" not in text
        assert "Save as a new view" in text

    def test_a_private_view_of_somebody_else_looks_like_one_that_never_was(self, viewer):
        secret = SavedViewFactory(name="Secret")
        address = "/explorer/?preset=30d&group_by=model&view="
        one, other = viewer.get(f"{address}{secret.pk}"), viewer.get(f"{address}{secret.pk + 1000}")
        assert one.status_code == other.status_code == 200
        assert "Billed, by model" in one.text
        hide = re.compile(rf'view=({secret.pk}|{secret.pk + 1000})\b|value="(Z?\w{{64}}|\d+)"')
        assert hide.sub("", one.text) == hide.sub("", other.text)

    def test_a_swapped_report_brings_the_menu(self, viewer):
        response = viewer.get("/explorer/?group_by=model", headers={"HX-Request": "true"})
        assert '<div id="saved-views" class="saved-views" hx-swap-oob="true">' in response.text
        assert "/explorer/views/new/?preset=30d&amp;group_by=model" in response.text

    def test_a_mistake_in_the_address_leaves_the_menu(self, viewer, me):
        SavedViewFactory(owner=me, name="Mine")
        response = viewer.get("/explorer/?granularity=hour&view=x")
        assert response.status_code == 400
        assert "Mine" in response.text
        assert "Save as" not in re.sub(r"(?s)<nav.*?</nav>", "", response.text)

    def test_it_opens_with_the_default_view(self, viewer, me):
        view = SavedViewFactory(owner=me, is_default=True)
        assert default_view_url(me) == view.get_absolute_url()
        assert viewer.get("/explorer/").url == view.get_absolute_url()
        assert viewer.get("/explorer/?preset=30d").status_code == 200

    def test_a_default_view_that_cannot_be_shown_is_passed_over(self, viewer, me):
        SavedViewFactory(owner=me, is_default=True, query="cost_center=gone")
        SavedViewFactory(is_default=True, is_shared=True)
        assert default_view_url(me) is None
        assert viewer.get("/explorer/").status_code == 200


def test_a_view_that_the_menu_has_no_room_for_is_open_all_the_same(viewer, me):
    for n in range(31):
        last = SavedViewFactory(owner=me, name=f"Mine {n:02}")
    text = viewer.get(last.get_absolute_url()).text
    assert text.count("Mine 30") == 1
    assert "All views" in text


def test_a_broken_view_is_mended_by_removing_its_filter(viewer, me):
    view = SavedViewFactory(owner=me, name="Mine", query="preset=7d&group_by=user&cost_center=gone")
    broken = viewer.get(view.get_absolute_url())
    assert broken.status_code == 400
    mended = re.search(
        rf'href="(/explorer/\?[^"]*view={view.pk}[^"]*)" aria-label="Remove filter', broken.text
    )
    assert mended
    assert "gone" not in mended[1]
    update = re.search(r'action="(/explorer/views/\d+/update/[^"]*)"', viewer.get(unescape(mended[1])).text)
    assert update
    viewer.post(unescape(update[1]))
    view.refresh_from_db()
    assert view.query == "preset=7d&group_by=user"
