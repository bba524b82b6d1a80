"""Another name for a cost center: saved views that ask for it follow and answer the same."""

from __future__ import annotations

import pytest
from auditlog.context import set_actor
from auditlog.models import LogEntry
from django.http import QueryDict
from django.urls import reverse

from costcenters.models import CostCenter, SavedView
from integrations import life
from integrations.life import NotPossible
from tests.factories import CostCenterFactory, DailyCostFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db

ODD = "R&D=50 % + “Ünï” #1; a/b?"


def view(**parameters):
    """A saved view of these parameters; `_` stands for the mark of an exclusion."""
    query = QueryDict(mutable=True)
    for name, values in parameters.items():
        query.setlist(name.replace("_not", "!"), values)
    return SavedViewFactory(query=query.urlencode())


def asked(saved):
    saved.refresh_from_db()
    return dict(QueryDict(saved.query).lists())


@pytest.mark.parametrize(("before", "after"), [("Cursor", ODD), (ODD, "Cursor"), ("Cursor", "cursor")])
def test_views_that_ask_for_the_name_or_exclude_it_follow(before, after):
    center = CostCenterFactory(name=before)
    included = view(preset=["30d"], cost_center=[before, "Other"], group_by=["cost_center"])
    excluded = view(preset=["7d"], cost_center_not=[before])

    life.rename(center, after)

    assert asked(included) == {
        "preset": ["30d"],
        "cost_center": [after, "Other"],
        "group_by": ["cost_center"],
    }
    assert asked(excluded) == {"preset": ["7d"], "cost_center!": [after]}
    assert CostCenter.objects.get().name == center.name == after


def test_what_only_looks_like_the_name_stays():
    center = CostCenterFactory(name="Cursor")
    views = [
        view(cost_center=["cursor"]),
        view(cost_center=["Cursor 2"]),
        view(user=["Cursor"], group_by=["cost_center"]),
        view(cost_center=["(none)"]),
        view(**{"tag:cost_center": ["Cursor"]}),
    ]
    before = [saved.query for saved in views]
    life.rename(center, "Team")
    for saved in views:
        saved.refresh_from_db()
    assert [saved.query for saved in views] == before


def test_the_explorer_answers_the_same_under_the_new_name(client):
    center = CostCenterFactory(name="Cursor")
    DailyCostFactory(cost_center=center, user="rin@example.com")
    DailyCostFactory(cost_center=CostCenterFactory(name="Other"), user="teo@example.com")
    client.force_login(UserFactory(role="Viewer"))
    saved = view(
        start=["2026-11-01"],
        end=["2026-11-30"],
        granularity=["total"],
        group_by=["user"],
        cost_center=["Cursor"],
    )

    def answer():
        saved.refresh_from_db()
        response = client.get(f"{reverse('explorer')}export.csv?{saved.query}")
        assert response.status_code == 200
        return b"".join(response.streaming_content) if response.streaming else response.content

    before = answer()
    assert b"rin@example.com" in before
    assert b"teo@example.com" not in before
    life.rename(center, ODD)
    assert answer() == before


@pytest.mark.parametrize("name", ["Other", " Other "])
def test_a_name_that_is_taken_is_refused_and_nothing_follows(name):
    center = CostCenterFactory(name="Cursor")
    CostCenterFactory(name="Other")
    saved = view(cost_center=["Cursor"])
    with pytest.raises(NotPossible, match="of this name already") as refused:
        life.rename(center, name)
    assert refused.value.field == "name"
    assert asked(saved) == {"cost_center": ["Cursor"]}
    assert set(CostCenter.objects.values_list("name", flat=True)) == {"Cursor", "Other"}


@pytest.mark.parametrize("name", ["(none)", " (NONE)", "", "   ", "x" * 101])
def test_a_name_that_is_none_is_refused(name):
    center = CostCenterFactory(name="Cursor")
    with pytest.raises(NotPossible) as refused:
        life.rename(center, name)
    assert refused.value.field == "name"
    assert CostCenter.objects.get().name == "Cursor"


def test_the_same_name_again_changes_nothing():
    center = CostCenterFactory(name="Cursor")
    saved = view(cost_center=["Cursor"])
    before = SavedView.objects.values().get()
    life.rename(center, "Cursor ")
    assert SavedView.objects.values().get() == before
    assert asked(saved) == {"cost_center": ["Cursor"]}


def test_it_is_in_the_log_who_renamed_it():
    center = CostCenterFactory(name="Cursor")
    boss = UserFactory(role="Admin")
    with set_actor(boss):
        life.rename(center, "Team")
    entry = LogEntry.objects.get_for_object(center).latest("pk")
    assert (entry.actor, entry.changes) == (boss, {"name": ["Cursor", "Team"]})
