"""Saved views: what is kept, who may see and change it, and what happens when it can no longer be asked."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape
from threading import Barrier, Thread

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.models import CostCenter, SavedView
from costcenters.periods import Preset, preset_span
from costcenters.saved_views.store import (
    MOST_PINNED,
    MOST_VIEWS,
    Question,
    create,
    default_view_url,
    pinned_for,
)
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory, DailyCostFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
NEW = "/explorer/views/new/?"
VIEWS = "/explorer/views/"
MONTH = Question(CostQuery(preset_span(Preset.MONTH_TO_DATE, NOW.date()), Preset.MONTH_TO_DATE.value))


@pytest.fixture
def me(viewer):
    """Whoever is logged in in `viewer`."""
    return get_user(viewer)


def of(view: SavedView, what: str) -> str:
    return reverse(f"saved-view-{what}", args=[view.pk])


class TestSaving:
    def test_the_canonical_question_is_kept_with_its_chart_and_opened(self, viewer, me):
        response = viewer.post(
            f"{NEW}measure=&page=3&view=7&chart=lines&group_by=model&preset=7d",
            {"name": "  Team\t costs ", "is_shared": "on", "is_pinned": "on", "is_default": "on"},
        )

        view = SavedView.objects.get()
        assert (view.owner, view.name) == (me, "Team costs")
        assert view.query == "preset=7d&group_by=model&chart=lines"
        assert (view.is_shared, view.is_pinned, view.is_default) == (True, True, True)
        assert response.url == f"/explorer/?preset=7d&group_by=model&chart=lines&view={view.pk}"
        assert "Saved as “Team costs”." in viewer.get(response.url).text

    @pytest.mark.parametrize(
        "name, error",
        [
            ("", "Give the view a name."),
            ("  \n", "Give the view a name."),
            ("\u200b", "Give the view a name."),
            ("a\x00b", "Null characters are not allowed."),
            ("x" * 101, "At most 100 characters; these are 101."),
            ("team costs", "You already have a view named “team costs”."),
            ("STRASSE", "You already have a view named “STRASSE”."),
        ],
    )
    def test_a_bad_name_is_told_beside_it_and_nothing_typed_is_lost(self, viewer, me, name, error):
        SavedViewFactory(owner=me, name="Team Costs")
        SavedViewFactory(owner=me, name="Straße")

        response = viewer.post(f"{NEW}user=ada", {"name": name, "is_shared": "on"})

        assert response.status_code == 400
        text = response.text
        assert re.search(rf'<span class="error" id="save-name_error">{re.escape(error)}', text)
        assert 'aria-invalid="true"' in text
        assert re.search(r'name="is_shared"[^>]* checked', text)
        assert not re.search(r'name="is_pinned"[^>]* checked', text)
        assert "ada" in text
        if name.strip() and "\x00" not in name:
            assert f'value="{name}"' in text
        assert SavedView.objects.count() == 2

    def test_people_may_use_the_same_name(self, viewer):
        SavedViewFactory(name="Costs", is_shared=True)
        viewer.post(NEW, {"name": "Costs"})
        assert SavedView.objects.filter(name="Costs").count() == 2

    def test_a_name_is_never_markup(self, viewer):
        name = '"><script>alert(1)</script>'
        response = viewer.post(f"{NEW}user={name}", {"name": name, "is_pinned": "on"}, follow=True)
        pages = [response, viewer.get(VIEWS), viewer.get(of(SavedView.objects.get(), "tile"))]
        for page in pages:
            assert "<script>alert" not in page.text
            assert name in unescape(page.text)

    def test_there_is_a_most_of_views(self, viewer, me):
        SavedView.objects.bulk_create(
            SavedView(owner=me, name=f"View {n}", query="preset=7d") for n in range(MOST_VIEWS)
        )
        response = viewer.post(NEW, {"name": "One more"})
        assert response.status_code == 400
        assert f"You have {MOST_VIEWS} saved views" in response.text
        assert 'value="One more"' in response.text
        assert viewer.get("/explorer/?preset=30d").status_code == 200
        assert viewer.get(VIEWS).status_code == 200

    def test_the_overview_has_room_for_so_many(self, viewer, me):
        SavedViewFactory.create_batch(MOST_PINNED, owner=me, is_pinned=True)
        response = viewer.post(NEW, {"name": "One more", "is_pinned": "on"})
        assert response.status_code == 400
        assert re.search(r'id="save-is_pinned_error">The overview has room for 6 views', response.text)
        view = SavedViewFactory(owner=me)
        text = viewer.post(of(view, "change"), {"is_pinned": "1"}, follow=True).text
        assert "The overview has room for 6 views" in text
        assert len(pinned_for(me)) == MOST_PINNED

    def test_what_is_no_question_is_not_saved(self, viewer):
        response = viewer.post(f"{NEW}granularity=hour", {"name": "x"})
        assert response.status_code == 400
        assert "<code>granularity</code>" in response.text
        assert not SavedView.objects.exists()

    def test_a_question_too_long_for_an_address_is_not_saved(self, viewer):
        users = "&".join(f"user={n}{'x' * 200}" for n in range(20))
        response = viewer.post(NEW + users, {"name": "x"})
        assert response.status_code == 400
        assert "too long for an address" in response.text

    def test_the_form_can_be_asked_for_alone(self, viewer):
        text = viewer.get(f"{NEW}group_by=model&preset=7d").text
        assert "Billed, by model, last 7 days (15 – 21 Nov 2026 UTC)" in text
        assert 'name="name"' in text

    def test_a_foreign_site_cannot_save(self):
        client = Client(enforce_csrf_checks=True)
        client.force_login(UserFactory(role="Viewer"))
        assert client.post(NEW, {"name": "x"}).status_code == 403
        token = re.search(
            r'name="csrfmiddlewaretoken" value="(.*?)"', client.get("/explorer/?preset=7d").text
        )
        assert token
        client.post(NEW, {"name": "x", "csrfmiddlewaretoken": token[1]})
        assert SavedView.objects.count() == 1


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
        action = re.search(rf'action="({re.escape(of(view, "update"))}.*?)"', text)
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
        assert "There is no cost center named “Old team”." in viewer.get(of(view, "tile")).text
        assert viewer.get(f"{view.get_absolute_url()}").status_code == 400
        viewer.post(of(view, "rename"), {"name": "Theirs"})
        assert SavedView.objects.get().name == "Theirs"
        assert "There is no cost center named “Old team”." in viewer.get(of(view, "delete")).text
        viewer.post(of(view, "delete"))
        assert not SavedView.objects.exists()

    @pytest.mark.parametrize(
        "query", ["", "%00=1", "group_by=nothing", "start=9999-99-99", "&&&=", "a" * 5000]
    )
    def test_whatever_is_stored_makes_no_traceback(self, viewer, me, query):
        view = SavedViewFactory(owner=me, query=query, is_default=True, is_pinned=True)
        for url in (VIEWS, of(view, "tile"), of(view, "delete"), "/explorer/", f"/explorer/?view={view.pk}"):
            assert viewer.get(url).status_code in (200, 302), url

    def test_renaming_refuses_a_taken_name_and_keeps_what_was_typed(self, viewer, me):
        SavedViewFactory(owner=me, name="Taken")
        view = SavedViewFactory(owner=me, name="Mine")
        response = viewer.post(of(view, "rename"), {"name": "TAKEN"})
        assert response.status_code == 400
        assert 'value="TAKEN"' in response.text
        assert re.search(
            r'class="error" id="name-\d+-error">You already have a view named “TAKEN”', response.text
        )
        view.refresh_from_db()
        assert view.name == "Mine"

    def test_a_name_may_change_its_case_only(self, viewer, me):
        view = SavedViewFactory(owner=me, name="mine")
        assert viewer.post(of(view, "rename"), {"name": "Mine"}).status_code == 302
        view.refresh_from_db()
        assert view.name == "Mine"

    @pytest.mark.parametrize("flag", ["is_shared", "is_pinned", "is_default"])
    def test_each_flag_is_set_and_taken_back_and_the_others_stay(self, viewer, me, flag):
        view = SavedViewFactory(owner=me)
        for value in ("1", "0"):
            response = viewer.post(of(view, "change"), {flag: value})
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
            viewer.post(of(view, "change"), {"is_default": "1"})
        assert set(SavedView.objects.filter(is_default=True)) == {second, theirs}
        viewer.post(NEW, {"name": "Third", "is_default": "on"})
        assert SavedView.objects.get(owner=me, is_default=True).name == "Third"
        with pytest.raises(IntegrityError):
            SavedView.objects.filter(owner=me).update(is_default=True)

    def test_deleting_asks_first(self, viewer, me):
        view = SavedViewFactory(owner=me, name="Mine", is_shared=True)
        text = viewer.get(of(view, "delete")).text
        assert "Delete “Mine”?" in text
        assert "it goes away for everybody here" in text
        assert SavedView.objects.exists()
        assert "“Mine” is deleted." in viewer.post(of(view, "delete"), follow=True).text
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


CHANGES = {"rename": {"name": "New"}, "change": {"is_shared": "0"}, "update": {}, "delete": {}}


class TestRights:
    @pytest.mark.parametrize("what", CHANGES)
    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_a_private_view_is_hidden_from_everybody_else(self, client, role, what):
        client.force_login(UserFactory(role=role))
        view = SavedViewFactory(name="Secret")
        assert client.post(of(view, what), CHANGES[what]).status_code == 404
        assert client.get(of(view, "tile")).status_code == 404
        assert client.get(of(view, "delete")).status_code == 404
        assert "Secret" not in client.get(VIEWS).text
        assert SavedView.objects.get().name == "Secret"

    @pytest.mark.parametrize("what", CHANGES)
    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_a_shared_view_is_changed_by_its_owner_and_withdrawn_by_who_manages_people(
        self, client, role, what
    ):
        client.force_login(UserFactory(role=role))
        view = SavedViewFactory(is_shared=True)
        may = role == "Admin" and what in ("change", "delete")
        assert client.post(of(view, what), CHANGES[what]).status_code == (302 if may else 403)
        if may:
            assert not SavedView.objects.filter(is_shared=True).exists()

    @pytest.mark.parametrize(
        "wanted", [{"is_pinned": "1"}, {"is_default": "0"}, {"is_shared": "0", "is_pinned": "1"}, {}]
    )
    def test_who_manages_people_changes_nothing_else(self, client, wanted):
        client.force_login(UserFactory(role="Admin"))
        view = SavedViewFactory(is_shared=True)
        assert client.post(of(view, "change"), wanted).status_code == 403

    def test_only_who_may_is_offered_a_change(self, client):
        view = SavedViewFactory(is_shared=True)
        for role, offered in (("Viewer", False), ("Admin", True)):
            client.force_login(UserFactory(role=role))
            text = client.get(VIEWS).text
            assert (of(view, "delete") in text) is offered
            assert (of(view, "change") in text) is offered
            assert of(view, "rename") not in text

    @pytest.mark.parametrize("what", ["rename", "change", "update"])
    def test_changes_are_sent_not_fetched(self, viewer, me, what):
        assert viewer.get(of(SavedViewFactory(owner=me), what)).status_code == 405

    def test_without_a_role_nothing_is_saved_or_changed(self, client):
        user = UserFactory()
        client.force_login(user)
        view = SavedViewFactory(owner=user)
        for url in (NEW, *(of(view, what) for what in CHANGES)):
            assert client.post(url, {"name": "x"}).status_code == 403
        assert SavedView.objects.count() == 1

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_view_deleted_in_another_tab_is_gone(self, viewer, me, what):
        view = SavedViewFactory(owner=me)
        url = of(view, what)
        view.delete()
        assert viewer.post(url, CHANGES[what]).status_code == 404

    def test_a_number_beyond_all_is_no_view(self, viewer):
        assert viewer.get(f"{VIEWS}{10**30}/tile/").status_code == 404


class TestTile:
    def test_it_says_what_the_explorer_says(self, viewer, me):
        DailyCostFactory(billed_cost=Decimal("1234.5"), model="gpt-5")
        DailyCostFactory(billed_cost=Decimal("0.0001"), model="claude-4")
        view = SavedViewFactory(owner=me, name="Mine")
        text = unescape(viewer.get(of(view, "tile")).text)
        assert f'href="{view.get_absolute_url()}">Mine</a>' in text
        assert 'title="1234.5001 USD">$1,234.50' in text
        assert "Billed, by model, last 30 days (23 Oct – 21 Nov 2026 UTC)" in text
        assert "Complete through 21 Nov 2026, 14:00 UTC" in text
        assert "<html" not in text
        assert "delta" not in text

    def test_it_compares_when_the_view_does(self, viewer, me):
        DailyCostFactory(billed_cost=Decimal(3))
        DailyCostFactory(billed_cost=Decimal(2), day=NOW.date().replace(month=10, day=20))
        view = SavedViewFactory(owner=me, query="preset=30d&group_by=model&compare=previous&sort=-change")
        text = viewer.get(of(view, "tile")).text
        assert re.search(r'class="small delta up"[^>]*>\+\$1\.00 \(\+50 %\)', text)

    def test_a_sum_too_large_is_a_sentence(self, viewer, me):
        if connection.vendor != "sqlite":
            pytest.skip("only SQLite's sums end")
        for user in "ab":
            DailyCostFactory(billed_cost=Decimal("9e9"), user=user)
        text = viewer.get(of(SavedViewFactory(owner=me), "tile")).text
        assert "A sum is larger than SQLite can hold" in text

    def test_shared_ones_have_tiles_for_everybody(self, viewer):
        assert viewer.get(of(SavedViewFactory(is_shared=True), "tile")).status_code == 200

    def test_only_ones_own_are_pinned(self, viewer, me):
        mine = SavedViewFactory(owner=me, is_pinned=True)
        SavedViewFactory(owner=me)
        SavedViewFactory(is_pinned=True, is_shared=True)
        assert pinned_for(me) == [mine]


def test_few_queries_however_many_views(viewer, me, django_assert_max_num_queries):
    DailyCostFactory()
    for n in range(20):
        SavedViewFactory(owner=me, name=f"Mine {n}", is_default=n == 3)
        SavedViewFactory(name=f"Theirs {n}", is_shared=True)
    with django_assert_max_num_queries(9):
        viewer.get(VIEWS)
    with django_assert_max_num_queries(12):
        viewer.get(of(SavedView.objects.filter(owner=me)[0], "tile"))


def test_changes_are_in_the_audit_log_with_who_made_them(viewer, me):
    viewer.post(f"{NEW}preset=7d", {"name": "Mine"})
    view = SavedView.objects.get()
    viewer.post(of(view, "rename"), {"name": "Ours"})
    viewer.post(of(view, "change"), {"is_shared": "1", "is_pinned": "1"})
    viewer.post(f"{of(view, 'update')}?preset=90d")
    entries = list(LogEntry.objects.get_for_object(view).order_by("pk"))
    assert {entry.actor for entry in entries} == {me}
    assert [entry.changes for entry in entries] == [
        {"name": ["None", "Mine"], "query": ["None", "preset=7d"], "is_shared": ["None", "False"]},
        {"name": ["Mine", "Ours"]},
        {"is_shared": ["False", "True"]},
        {"query": ["preset=7d", "preset=90d"]},
    ]
    viewer.post(of(view, "delete"))
    assert LogEntry.objects.filter(action=LogEntry.Action.DELETE, object_repr="Ours", actor=me).exists()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_saving_one_name_make_one_view_and_one_error():
    owner = UserFactory(role="Viewer")
    errors: list[ValidationError] = []
    start = Barrier(4)

    def save() -> None:
        start.wait()
        try:
            create(owner, MONTH, name="Costs", is_default=True)
        except ValidationError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert SavedView.objects.get().name == "Costs"
    assert [error.message_dict["name"] for error in errors] == [
        ["You already have a view named “Costs”. Choose another name."]
    ] * 3


def test_a_question_survives_being_stored():
    CostCenterFactory(name="R&D = fun")
    text = "start=2026-01-01&end=2026-02-01&group_by=tag:a%26b&cost_center!=R%26D+%3D+fun&user=(none)&chart=table"
    question = Question.read(text, Catalog(today=NOW.date()))
    assert question.text == text
    assert question.is_same_as(Question.read(question.text, Catalog(today=NOW.date())))


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
