"""Saved views: who may see and change them, and who did."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry

from costcenters.models import SavedView
from tests.costcenters.saved_view_pages import NEW, VIEWS, address_of
from tests.factories import SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
CHANGES = {"rename": {"name": "New"}, "change": {"is_shared": "0"}, "update": {}, "delete": {}}


class TestRights:
    @pytest.mark.parametrize("what", CHANGES)
    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_a_private_view_is_hidden_from_everybody_else(self, client, role, what):
        client.force_login(UserFactory(role=role))
        view = SavedViewFactory(name="Secret")
        assert client.post(address_of(view, what), CHANGES[what]).status_code == 404
        assert client.get(address_of(view, "tile")).status_code == 404
        assert client.get(address_of(view, "delete")).status_code == 404
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
        assert client.post(address_of(view, what), CHANGES[what]).status_code == (302 if may else 403)
        if may:
            assert not SavedView.objects.filter(is_shared=True).exists()

    @pytest.mark.parametrize(
        "wanted", [{"is_pinned": "1"}, {"is_default": "0"}, {"is_shared": "0", "is_pinned": "1"}, {}]
    )
    def test_who_manages_people_changes_nothing_else(self, client, wanted):
        client.force_login(UserFactory(role="Admin"))
        view = SavedViewFactory(is_shared=True)
        assert client.post(address_of(view, "change"), wanted).status_code == 403

    def test_only_who_may_is_offered_a_change(self, client):
        view = SavedViewFactory(is_shared=True)
        for role, offered in (("Viewer", False), ("Admin", True)):
            client.force_login(UserFactory(role=role))
            text = client.get(VIEWS).text
            assert (address_of(view, "delete") in text) is offered
            assert (address_of(view, "change") in text) is offered
            assert address_of(view, "rename") not in text

    @pytest.mark.parametrize("what", ["rename", "change", "update"])
    def test_changes_are_sent_not_fetched(self, viewer, me, what):
        assert viewer.get(address_of(SavedViewFactory(owner=me), what)).status_code == 405

    def test_without_a_role_nothing_is_saved_or_changed(self, client):
        user = UserFactory()
        client.force_login(user)
        view = SavedViewFactory(owner=user)
        for url in (NEW, *(address_of(view, what) for what in CHANGES)):
            assert client.post(url, {"name": "x"}).status_code == 403
        assert SavedView.objects.count() == 1

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_view_deleted_in_another_tab_is_gone(self, viewer, me, what):
        view = SavedViewFactory(owner=me)
        url = address_of(view, what)
        view.delete()
        assert viewer.post(url, CHANGES[what]).status_code == 404

    def test_a_number_beyond_all_is_no_view(self, viewer):
        assert viewer.get(f"{VIEWS}{10**30}/tile/").status_code == 404


def test_changes_are_in_the_audit_log_with_who_made_them(viewer, me):
    viewer.post(f"{NEW}preset=7d", {"name": "Mine"})
    view = SavedView.objects.get()
    viewer.post(address_of(view, "rename"), {"name": "Ours"})
    viewer.post(address_of(view, "change"), {"is_shared": "1", "is_pinned": "1"})
    viewer.post(f"{address_of(view, 'update')}?preset=90d")
    entries = list(LogEntry.objects.get_for_object(view).order_by("pk"))
    assert {entry.actor for entry in entries} == {me}
    assert [entry.changes for entry in entries] == [
        {"name": ["None", "Mine"], "query": ["None", "preset=7d"], "is_shared": ["None", "False"]},
        {"name": ["Mine", "Ours"]},
        {"is_shared": ["False", "True"]},
        {"query": ["preset=7d", "preset=90d"]},
    ]
    viewer.post(address_of(view, "delete"))
    assert LogEntry.objects.filter(action=LogEntry.Action.DELETE, object_repr="Ours", actor=me).exists()
