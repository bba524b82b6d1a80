"""Saved views by API: the rules of their pages."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry

from costcenters.models import SavedView
from costcenters.saved_views import store
from tests.api.answers import Script, answer, fields, problem, script_of
from tests.api.documented import assert_as_documented
from tests.factories import CostCenterFactory, DailyCostFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
ALL = "/api/v1/views/"
FLAGS = ("is_shared", "is_pinned", "is_default")


@pytest.fixture
def script(at_now):
    return script_of("Viewer", "write")


def address_of(view: SavedView) -> str:
    return f"{ALL}{view.pk}/"


def test_a_view_is_saved_and_says_where_its_report_is(script):
    DailyCostFactory(user="a b&c")
    sent = {
        "name": "  By   model ",
        "query": "?group_by=model&user=a+b%26c&granularity=day&chart=lines&page=4&view=9",
        "is_pinned": True,
    }
    response = script.post(ALL, sent)

    assert_as_documented(response, ALL, "post")
    found = answer(response, 201)
    view = SavedView.objects.get()
    query = "preset=30d&group_by=model&user=a+b%26c&chart=lines"
    assert response["Location"] == address_of(view)
    assert found == {
        "id": view.pk,
        "name": "By model",
        "query": query,
        "owner": script.user.username,
        "is_own": True,
        "is_shared": False,
        "is_pinned": True,
        "is_default": False,
        "updated_at": "2026-11-21T15:20:00Z",
        "explorer_url": f"http://testserver/explorer/?{query}&view={view.pk}",
        "costs_url": f"http://testserver/api/v1/costs/?{query}",
    }
    assert answer(script.get(found["costs_url"]))["total"]["measure"] == "1.00"
    assert answer(script.get(response["Location"])) == found
    assert LogEntry.objects.get_for_object(view).get().actor == script.user


def test_ones_own_and_those_of_others_that_are_shared_are_listed(script, django_assert_max_num_queries):
    mine = SavedViewFactory(owner=script.user, is_pinned=True)
    SavedViewFactory(name="Secret")
    shared = [SavedViewFactory(is_shared=True) for _ in range(9)]

    def found(text: str) -> list[int]:
        return [each["id"] for each in answer(script.get(f"{ALL}?{text}"))["results"]]

    with django_assert_max_num_queries(14):
        assert found("") == [*(view.pk for view in reversed(shared)), mine.pk]
    assert found("owner=me") == found("is_pinned=true") == found("is_shared=false") == [mine.pk]
    assert found("owner=others&limit=2") == [shared[8].pk, shared[7].pk]
    assert_as_documented(script.get(ALL), ALL)
    assert fields(script.get(f"{ALL}?owner=you&is_pinned=1")) == ["owner", "is_pinned"]


def test_what_is_sent_is_changed_and_nothing_else(script):
    other = SavedViewFactory(owner=script.user, is_default=True)
    view = SavedViewFactory(owner=script.user, is_pinned=True)

    response = script.patch(address_of(view), {"name": "New", "query": "preset=7d", "is_default": True})

    assert_as_documented(response, f"{ALL}{{id}}/", "patch")
    found = answer(response)
    assert (found["name"], found["query"], *(found[flag] for flag in FLAGS)) == (
        ("New", "preset=7d", False, True, True)
    )
    other.refresh_from_db()
    assert not other.is_default
    assert answer(script.patch(address_of(view), {})) == found
    assert script.delete(address_of(view)).status_code == 204
    assert list(SavedView.objects.all()) == [other]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "tAKEN"}, "name"),
        ({"name": None}, "name"),
        ({"query": "group_by=nonsense"}, "query"),
        ({"query": "start=x"}, "query"),
        ({"query": "user=\x00"}, "query"),
        ({"query": "x" * 4000}, "query"),
        ({"query": "&".join(f"user={letter * 299}" for letter in "éüñ")}, "query"),
        ({"query": 5}, "query"),
        ({"is_pinned": "yes"}, "is_pinned"),
        ({"is_pinned": True}, "is_pinned"),
        ({"owner": "me"}, "owner"),
        ({"is_shared": None}, "is_shared"),
    ],
)
def test_one_bad_value_is_named_and_nothing_is_changed(script, change, named):
    for n in range(store.MOST_PINNED):
        SavedViewFactory(owner=script.user, is_pinned=True, name=f"Pinned {n}")
    SavedViewFactory(owner=script.user, name="Taken")
    view = SavedViewFactory(owner=script.user)
    before = list(SavedView.objects.order_by("pk").values())
    good = {"name": "Good", "query": "preset=90d", "is_shared": True}

    assert fields(script.patch(address_of(view), good | change)) == [named]
    assert fields(script.post(ALL, good | change)) == [named]

    assert list(SavedView.objects.order_by("pk").values()) == before
    assert not LogEntry.objects.get_for_object(view).filter(action=LogEntry.Action.UPDATE).exists()


def test_a_name_and_a_question_are_asked_for(script):
    assert fields(script.post(ALL, {})) == ["name", "query"]


def test_a_person_keeps_as_many_as_on_the_page(monkeypatch, script):
    monkeypatch.setattr(store, "MOST_VIEWS", 1)
    SavedViewFactory(owner=script.user)
    told = problem(script.post(ALL, {"name": "One more", "query": ""}), 409)
    assert "Delete one" in told["detail"]


@pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
def test_a_private_view_is_hidden_from_everybody_else(at_now, role):
    view, script = SavedViewFactory(), script_of(role)
    for response in (
        script.get(address_of(view)),
        script.patch(address_of(view), {"is_shared": False}),
        script.delete(address_of(view)),
    ):
        problem(response, 404)
    assert answer(script.get(ALL))["results"] == []


@pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
def test_a_shared_view_is_changed_by_its_owner_and_withdrawn_by_who_manages_people(at_now, role):
    view, script = SavedViewFactory(is_shared=True), script_of(role)
    for change in ({"name": "Mine"}, {"is_pinned": True}, {"is_shared": False, "name": "Mine"}, {}):
        problem(script.patch(address_of(view), change), 403)
    statuses = [
        script.patch(address_of(view), {"is_shared": False}).status_code,
        script.delete(address_of(SavedViewFactory(is_shared=True))).status_code,
    ]
    assert statuses == ([200, 204] if role == "Admin" else [403, 403])


def test_to_withdraw_takes_a_token_of_scope_admin(at_now):
    admin = UserFactory(role="Admin")
    view, script = SavedViewFactory(is_shared=True), Script(admin, "write")
    for response in (script.patch(address_of(view), {"is_shared": False}), script.delete(address_of(view))):
        assert problem(response, 403)["type"] == "urn:onebill:problem:token-scope"
    own = SavedViewFactory(owner=admin)
    assert script.delete(address_of(own)).status_code == 204


def test_a_question_about_what_is_gone_is_still_listed(script):
    center = CostCenterFactory(name="Gone")
    answer(script.post(ALL, {"name": "Old", "query": "cost_center=Gone"}), 201)
    center.delete()
    [found] = answer(script.get(ALL))["results"]
    assert found["query"] == "preset=30d&cost_center=Gone"
    assert fields(script.get(found["costs_url"])) == ["cost_center"]
