"""Saved views on the overview."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape

import pytest
from django.db import connection

from costcenters.saved_views.store import pinned_for
from tests.costcenters.conftest import NOW
from tests.costcenters.saved_view_pages import address_of
from tests.factories import DailyCostFactory, SavedViewFactory

pytestmark = pytest.mark.django_db


class TestTile:
    def test_it_says_what_the_explorer_says(self, viewer, me):
        DailyCostFactory(billed_cost=Decimal("1234.5"), model="gpt-5")
        DailyCostFactory(billed_cost=Decimal("0.0001"), model="claude-4")
        view = SavedViewFactory(owner=me, name="Mine")
        text = unescape(viewer.get(address_of(view, "tile")).text)
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
        text = viewer.get(address_of(view, "tile")).text
        assert re.search(r'class="small delta up"[^>]*>\+\$1\.00 \(\+50 %\)', text)

    def test_a_sum_too_large_is_a_sentence(self, viewer, me):
        if connection.vendor != "sqlite":
            pytest.skip("only SQLite's sums end")
        for user in "ab":
            DailyCostFactory(billed_cost=Decimal("9e9"), user=user)
        text = viewer.get(address_of(SavedViewFactory(owner=me), "tile")).text
        assert "A sum is larger than SQLite can hold" in text

    def test_shared_ones_have_tiles_for_everybody(self, viewer):
        assert viewer.get(address_of(SavedViewFactory(is_shared=True), "tile")).status_code == 200

    def test_only_ones_own_are_pinned(self, viewer, me):
        mine = SavedViewFactory(owner=me, is_pinned=True)
        SavedViewFactory(owner=me)
        SavedViewFactory(is_pinned=True, is_shared=True)
        assert pinned_for(me) == [mine]
