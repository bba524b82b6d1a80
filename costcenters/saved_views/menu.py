"""Saved views as the explorer shows them: which there are, which is open, and whether its question was changed."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.models import SavedView
from costcenters.query_form import CostQueryForm
from costcenters.saved_views.store import MOST_CHARACTERS, NotReadable, Person, Question, visible

#: Of one's own, and of shared ones; the page of saved views lists them all.
MOST_LISTED = 30


class SavedViewForm(forms.Form):
    """What a view is saved as. The name's rules are those of `saved_views.create`."""

    name = forms.CharField(
        error_messages={"required": "Give the view a name."},
        widget=forms.TextInput(attrs={"maxlength": MOST_CHARACTERS, "autocomplete": "off"}),
    )
    is_shared = forms.BooleanField(label="Share with everybody here", required=False)
    is_pinned = forms.BooleanField(label="Pin to my overview", required=False)
    is_default = forms.BooleanField(label="Open the explorer with it", required=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """`owner` is empty for one's own."""

    name: str
    url: str
    owner: str
    is_open: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class SavedViewsMenu:
    """`save_url` is empty where there is no valid question to save, `update_url` where there is nothing to update."""

    mine: tuple[Entry, ...]
    shared: tuple[Entry, ...]
    has_more: bool
    open: Entry | None
    is_changed: bool
    save_url: str
    update_url: str
    form: SavedViewForm


def saved_views_menu(user: Person, form: CostQueryForm, catalog: Catalog) -> SavedViewsMenu:
    """For the explorer at the address of `form`, valid or not.

    A view in the address that does not exist or that `user` may not see is the same as none.
    """
    question = Question.of(form) if form.is_valid() else None
    opened = form.cleaned_data.get("view")
    mine = list(visible(user).filter(owner_id=user.pk)[: MOST_LISTED + 1])
    shared = list(visible(user).exclude(owner_id=user.pk)[: MOST_LISTED + 1])
    view = None
    if opened is not None:
        view = next((each for each in (*mine, *shared) if each.pk == opened), None)
        view = view or visible(user).filter(pk=opened).first()
    is_changed = view is not None and question is not None and asks_another(view, question, catalog)
    text = question.text if question else ""
    may_update = view is not None and view.owner_id == user.pk and is_changed
    return SavedViewsMenu(
        mine=tuple(entry(each, user, view) for each in mine[:MOST_LISTED]),
        shared=tuple(entry(each, user, view) for each in shared[:MOST_LISTED]),
        has_more=max(len(mine), len(shared)) > MOST_LISTED,
        open=entry(view, user, view) if view else None,
        is_changed=is_changed,
        save_url=f"{reverse('saved-view-new')}?{text}" if question else "",
        update_url=f"{reverse('saved-view-update', args=[view.pk])}?{text}" if view and may_update else "",
        form=SavedViewForm(auto_id="save-%s"),
    )


def entry(view: SavedView, user: Person, opened: SavedView | None) -> Entry:
    is_own = view.owner_id == user.pk
    return Entry(
        name=view.name,
        url=view.get_absolute_url(),
        owner="" if is_own else view.owner.get_username(),
        is_open=view == opened,
        is_default=is_own and view.is_default,
    )


def asks_another(view: SavedView, question: Question, catalog: Catalog) -> bool:
    try:
        return not question.is_same_as(Question.read(view.query, catalog))
    except NotReadable:
        return True
