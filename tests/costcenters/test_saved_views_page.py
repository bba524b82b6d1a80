"""The page of saved views: what each asks, its flags, its name, its end."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import IntegrityError

from costcenters.models import CostCenter, SavedView
from tests.costcenters.saved_view_pages import NEW, VIEWS, address_of
from tests.factories import CostCenterFactory, DailyCostFactory, SavedViewFactory

pytestmark = pytest.mark.django_db


class TestPage:
    def test_each_view_says_what_it_asks(self, viewer, me):
        CostCenterFactory()
        SavedViewFactory(
            owner=me,
            name="Mine",
            query="preset=7d&granularity=week&group_by=model&provider=cursor&compare=previous&complete=1",
        )
        text = unescape(viewer.get(VIEWS).text)
        assert (
            "Billed, Cursor, by model, last 7 days (15 – 21 Nov 2026 UTC), against previous period, each week, "
            "only complete periods" in text
        )

    def test_the_link_is_absolute_and_needs_no_script(self, viewer, me, settings):
        view = SavedViewFactory(owner=me)
        link = f"{settings.SITE_URL}/explorer/?preset=30d&group_by=model&view={view.pk}"
        assert f'value="{link}" readonly' in unescape(viewer.get(VIEWS).text)

    def test_a_view_of_a_deleted_cost_center_is_told_and_can_be_renamed_and_deleted(self, viewer, me):
        center = CostCenterFactory(name="Old team")
        view = SavedViewFactory(
            owner=me, name="Mine", query="preset=30d&cost_center=Old+team", is_pinned=True
        )
        CostCenter.objects.filter(pk=center.pk).delete()
        assert "There is no cost center named “Old team”." in viewer.get(VIEWS).text
        assert "There is no cost center named “Old team”." in viewer.get(address_of(view, "tile")).text
        assert viewer.get(f"{view.get_absolute_url()}").status_code == 400
        viewer.post(address_of(view, "rename"), {"name": "Theirs"})
        assert SavedView.objects.get().name == "Theirs"
        assert "There is no cost center named “Old team”." in viewer.get(address_of(view, "delete")).text
        viewer.post(address_of(view, "delete"))
        assert not SavedView.objects.exists()

    @pytest.mark.parametrize(
        "query", ["", "%00=1", "group_by=nothing", "start=9999-99-99", "&&&=", "a" * 5000]
    )
    def test_whatever_is_stored_makes_no_traceback(self, viewer, me, query):
        view = SavedViewFactory(owner=me, query=query, is_default=True, is_pinned=True)
        for url in (
            VIEWS,
            address_of(view, "tile"),
            address_of(view, "delete"),
            "/explorer/",
            f"/explorer/?view={view.pk}",
        ):
            assert viewer.get(url).status_code in (200, 302), url

    def test_renaming_refuses_a_taken_name_and_keeps_what_was_typed(self, viewer, me):
        SavedViewFactory(owner=me, name="Taken")
        view = SavedViewFactory(owner=me, name="Mine")
        response = viewer.post(address_of(view, "rename"), {"name": "TAKEN"})
        assert response.status_code == 400
        assert 'value="TAKEN"' in response.text
        assert re.search(
            r'class="error" id="name-\d+-error">You already have a view named “TAKEN”', response.text
        )
        view.refresh_from_db()
        assert view.name == "Mine"

    def test_a_name_may_change_its_case_only(self, viewer, me):
        view = SavedViewFactory(owner=me, name="mine")
        assert viewer.post(address_of(view, "rename"), {"name": "Mine"}).status_code == 302
        view.refresh_from_db()
        assert view.name == "Mine"

    @pytest.mark.parametrize("flag", ["is_shared", "is_pinned", "is_default"])
    def test_each_flag_is_set_and_taken_back_and_the_others_stay(self, viewer, me, flag):
        view = SavedViewFactory(owner=me)
        for value in ("1", "0"):
            response = viewer.post(address_of(view, "change"), {flag: value})
            assert response.url == f"{VIEWS}#view-{view.pk}"
            view.refresh_from_db()
            flags = {name: getattr(view, name) for name in ("is_shared", "is_pinned", "is_default")}
            assert flags == {
                **dict.fromkeys(("is_shared", "is_pinned", "is_default"), False),
                flag: value == "1",
            }

    def test_there_is_one_default_a_person(self, viewer, me):
        first, second = SavedViewFactory.create_batch(2, owner=me)
        theirs = SavedViewFactory(is_default=True)
        for view in (first, second):
            viewer.post(address_of(view, "change"), {"is_default": "1"})
        assert set(SavedView.objects.filter(is_default=True)) == {second, theirs}
        viewer.post(NEW, {"name": "Third", "is_default": "on"})
        assert SavedView.objects.get(owner=me, is_default=True).name == "Third"
        with pytest.raises(IntegrityError):
            SavedView.objects.filter(owner=me).update(is_default=True)

    def test_deleting_asks_first(self, viewer, me):
        view = SavedViewFactory(owner=me, name="Mine", is_shared=True)
        text = viewer.get(address_of(view, "delete")).text
        assert "Delete “Mine”?" in text
        assert "it goes away for everybody here" in text
        assert SavedView.objects.exists()
        assert "“Mine” is deleted." in viewer.post(address_of(view, "delete"), follow=True).text
        assert not SavedView.objects.exists()

    def test_shared_views_come_page_by_page(self, viewer):
        for n in range(51):
            SavedViewFactory(name=f"Theirs {n:02}", is_shared=True)
        first, second = viewer.get(VIEWS).text, viewer.get(f"{VIEWS}?page=2").text
        assert "Theirs 49" in first
        assert "Theirs 50" not in first
        assert "Theirs 50" in second
        assert "All views" in viewer.get("/explorer/?preset=7d").text
        assert viewer.get(f"{VIEWS}?page=x%00").status_code == 200


def test_few_queries_however_many_views(viewer, me, django_assert_max_num_queries):
    DailyCostFactory()
    for n in range(20):
        SavedViewFactory(owner=me, name=f"Mine {n}", is_default=n == 3)
        SavedViewFactory(name=f"Theirs {n}", is_shared=True)
    with django_assert_max_num_queries(9):
        viewer.get(VIEWS)
    with django_assert_max_num_queries(12):
        viewer.get(address_of(SavedView.objects.filter(owner=me)[0], "tile"))
