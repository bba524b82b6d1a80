"""Saved views: named questions to the bill, private or shared. Only the owner changes one.

Each change locks its owner's row, so that two tabs of one person never pass a limit or take a name together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict

from costcenters.access import MANAGE_PEOPLE
from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, encode
from costcenters.dimensions import dimension, is_dimension
from costcenters.models import SavedView
from costcenters.presentation import ChartKind, Presentation
from costcenters.query_form import CostQueryForm

MOST_VIEWS = 200
MOST_PINNED = 6
MOST_CHARACTERS = 100
#: An address longer than this is refused by web servers (gunicorn reads lines of 4,094 characters).
MOST_QUERY_CHARACTERS = 3900

Person = User | AnonymousUser


class NotReadable(Exception):
    """A query string that is no valid question: `problems` holds parameter and sentence of each mistake."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__(" ".join(f"{spoken(name)}: {text}" if name else text for name, text in problems))


@dataclass(frozen=True, slots=True)
class Question:
    """What a view keeps: what is asked and the kind of chart, not the page that was looked at."""

    query: CostQuery
    chart: str = ChartKind.BARS.value

    @classmethod
    def of(cls, form: CostQueryForm) -> Question:
        """Raises NotReadable."""
        if not form.is_valid():
            raise NotReadable(form.problems())
        return cls(form.query(), form.presentation().chart)

    @classmethod
    def read(cls, text: str, catalog: Catalog) -> Question:
        """From a query string, whose preset means days of the catalog's today. Raises NotReadable."""
        return cls.of(CostQueryForm(QueryDict(text), catalog=catalog))

    @property
    def text(self) -> str:
        return encode([*self.query.parameters(), *Presentation(chart=self.chart).parameters()])

    def is_same_as(self, other: Question) -> bool:
        """Whether both ask for the same, in whatever order the values of a filter stand."""
        return self.chart == other.chart and in_order(self.query) == in_order(other.query)


def spoken(parameter: str) -> str:
    """The parameter's name as people say it."""
    key = parameter.removesuffix("!")
    return dimension(key).label if is_dimension(key) else parameter.replace("_", " ").capitalize()


def in_order(query: CostQuery) -> CostQuery:
    """The query with the values of each filter sorted."""
    return replace(query, filters=tuple(replace(f, values=tuple(sorted(f.values))) for f in query.filters))


def visible(user: Person) -> QuerySet[SavedView]:
    """The views of `user` and those that others share, by name."""
    views = SavedView.objects.filter(Q(owner_id=user.pk) | Q(is_shared=True))
    return views.select_related("owner").order_by(Lower("name"), "pk")


def pinned_for(user: Person) -> list[SavedView]:
    """What `user` pinned to the overview, at most MOST_PINNED."""
    own = SavedView.objects.filter(owner_id=user.pk, is_pinned=True)
    return list(own.select_related("owner").order_by(Lower("name"), "pk")[:MOST_PINNED])


def default_view_url(user: Person) -> str | None:
    """Where the explorer opens for `user`; None without a default view, or when it can no longer be shown."""
    view = SavedView.objects.filter(owner_id=user.pk, is_default=True).first()
    if view is None:
        return None
    try:
        Question.read(view.query, Catalog())
    except NotReadable:
        return None
    return view.get_absolute_url()


def may_withdraw(user: Person, view: SavedView) -> bool:
    """Whether `user` may unshare and delete the view: the owner, and of shared ones whoever manages people."""
    return view.owner_id == user.pk or (view.is_shared and user.has_perm(MANAGE_PEOPLE))


def create(
    owner: Person,
    question: Question,
    *,
    name: str,
    is_shared: bool = False,
    is_pinned: bool = False,
    is_default: bool = False,
) -> SavedView:
    """Raises ValidationError with the field: a bad or taken name, too many views, too many pinned."""
    owner_id = cast(int, owner.pk)
    with locked(owner_id) as own:
        if own.count() >= MOST_VIEWS:
            raise ValidationError(
                f"You have {MOST_VIEWS} saved views, the most a person can keep. Delete one to save another."
            )
        view = SavedView(owner_id=owner_id, name=free_name(own, name), query=fitting(question))
        view.is_shared = is_shared
        if is_pinned:
            pin(own, view)
        if is_default:
            make_default(own, view)
        view.save()
    return view


def rename(view: SavedView, name: str) -> None:
    """Raises ValidationError for a bad or taken name, DoesNotExist when the view was deleted meanwhile."""
    with current(view) as own:
        view.name = free_name(own.exclude(pk=view.pk), name)
        view.save(update_fields=["name", "updated_at"])


def ask(view: SavedView, question: Question) -> None:
    """The view asks this from now on. Raises ValidationError when that is too long, DoesNotExist as above."""
    with current(view):
        view.query = fitting(question)
        view.save(update_fields=["query", "updated_at"])


def change(
    view: SavedView,
    *,
    is_shared: bool | None = None,
    is_pinned: bool | None = None,
    is_default: bool | None = None,
) -> None:
    """What is None stays. Raises ValidationError when too many would be pinned, DoesNotExist as above."""
    with current(view) as own:
        if is_shared is not None:
            view.is_shared = is_shared
        if is_pinned and not view.is_pinned:
            pin(own, view)
        elif is_pinned is False:
            view.is_pinned = False
        if is_default:
            make_default(own, view)
        elif is_default is False:
            view.is_default = False
        view.save(update_fields=["is_shared", "is_pinned", "is_default"])


def delete(view: SavedView) -> None:
    """Raises DoesNotExist when it was deleted meanwhile."""
    with current(view):
        view.delete()


@contextmanager
def locked(owner_id: int) -> Iterator[QuerySet[SavedView]]:
    """A transaction in which nobody else changes the views of this person; yields them."""
    with transaction.atomic():
        # SQLite's transactions are exclusive from their start on; it needs no lock and ignores this one.
        User.objects.select_for_update(no_key=True).get(pk=owner_id)
        yield SavedView.objects.filter(owner_id=owner_id)


@contextmanager
def current(view: SavedView) -> Iterator[QuerySet[SavedView]]:
    """As `locked`, with the view as it is now stored. Raises DoesNotExist."""
    with locked(view.owner_id) as own:
        view.refresh_from_db()
        yield own


def free_name(others: QuerySet[SavedView], name: str) -> str:
    """The name as it is stored: trimmed, and not one of the others' whatever its case. Raises ValidationError."""
    name = " ".join(name.split())
    if not any(unicodedata.category(character)[0] not in "CZ" for character in name):
        raise ValidationError({"name": "Give the view a name."})
    if len(name) > MOST_CHARACTERS:
        raise ValidationError({"name": f"At most {MOST_CHARACTERS} characters; these are {len(name)}."})
    # Compared here, since SQLite folds the case of ASCII only.
    if any(name.casefold() == other.casefold() for other in others.values_list("name", flat=True)):
        raise ValidationError({"name": f"You already have a view named “{name}”. Choose another name."})
    return name


def fitting(question: Question) -> str:
    text = question.text
    if len(text) > MOST_QUERY_CHARACTERS:
        raise ValidationError(
            f"The question is too long for an address ({len(text):,} characters, at most "
            f"{MOST_QUERY_CHARACTERS:,}). Remove some values from its filters."
        )
    return text


def pin(own: QuerySet[SavedView], view: SavedView) -> None:
    if own.filter(is_pinned=True).count() >= MOST_PINNED:
        raise ValidationError(
            {"is_pinned": f"The overview has room for {MOST_PINNED} views of yours. Unpin one first."}
        )
    view.is_pinned = True


def make_default(own: QuerySet[SavedView], view: SavedView) -> None:
    own.filter(is_default=True).exclude(pk=view.pk).update(is_default=False)
    view.is_default = True


def follow_rename(dimension_name: str, before: str, after: str) -> int:
    """Views that ask for the value `before` of a dimension ask for `after` from now on; how many that were."""
    followed = []
    for view in SavedView.objects.select_for_update().filter(query__contains=dimension_name):
        parameters = QueryDict(view.query)
        query = encode(
            (name, after if name in (dimension_name, f"{dimension_name}!") and value == before else value)
            for name, values in parameters.lists()
            for value in values
        )
        if QueryDict(query) != parameters:
            view.query = query
            followed.append(view)
    SavedView.objects.bulk_update(followed, ["query"], batch_size=100)
    return len(followed)
