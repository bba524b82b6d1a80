"""Where saved views are made, listed and changed."""

from __future__ import annotations

from django.urls import reverse

from costcenters.models import SavedView

NEW = "/explorer/views/new/?"
VIEWS = "/explorer/views/"


def address_of(view: SavedView, what: str) -> str:
    return reverse(f"saved-view-{what}", args=[view.pk])
