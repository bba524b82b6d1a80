"""Saving a view: what is kept of it, and what is refused."""

from __future__ import annotations

import re
from html import unescape
from threading import Barrier, Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.models import SavedView
from costcenters.periods import Preset, preset_span
from costcenters.saved_views.store import MOST_PINNED, MOST_VIEWS, Question, create, pinned_for
from tests.costcenters.conftest import NOW
from tests.costcenters.saved_view_pages import NEW, VIEWS, address_of
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
MONTH = Question(CostQuery(preset_span(Preset.MONTH_TO_DATE, NOW.date()), Preset.MONTH_TO_DATE.value))


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
        pages = [response, viewer.get(VIEWS), viewer.get(address_of(SavedView.objects.get(), "tile"))]
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
        text = viewer.post(address_of(view, "change"), {"is_pinned": "1"}, follow=True).text
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
