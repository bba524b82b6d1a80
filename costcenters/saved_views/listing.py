"""Saved views one by one: as rows of their page, and as tiles with a figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from costcenters.catalog import Catalog, Freshness
from costcenters.display.figures import Shown, difference, direction, percent, shown
from costcenters.display.sentences import question_sentence
from costcenters.explorer import SumTooLargeError, report
from costcenters.models import SavedView
from costcenters.saved_views.store import NotReadable, Person, Question, may_withdraw


@dataclass(frozen=True, slots=True)
class RefusedName:
    """What somebody typed as the new name of view `pk`, and what is wrong with it."""

    pk: int
    typed: str
    error: str


@dataclass(frozen=True, slots=True)
class ViewRow:
    """`sentence` says what the view asks; `problem` instead why it can no longer be asked."""

    view: SavedView
    sentence: str
    problem: str
    link: str
    is_own: bool
    may_withdraw: bool
    typed_name: str
    error: str


def view_row(view: SavedView, user: Person, catalog: Catalog, refused: RefusedName | None = None) -> ViewRow:
    try:
        sentence, problem = question_sentence(Question.read(view.query, catalog).query), ""
    except NotReadable as reason:
        sentence, problem = "", str(reason)
    failed = refused if refused and refused.pk == view.pk else None
    return ViewRow(
        view=view,
        sentence=sentence,
        problem=problem,
        link=f"{settings.SITE_URL}{view.get_absolute_url()}",
        is_own=view.owner_id == user.pk,
        may_withdraw=may_withdraw(user, view),
        typed_name=failed.typed if failed else view.name,
        error=failed.error if failed else "",
    )


@dataclass(frozen=True, slots=True)
class Tile:
    """A view's figure. With a `problem` there is none."""

    view: SavedView
    sentence: str = ""
    problem: str = ""
    total: Shown | None = None
    change: Shown | None = None
    percent: str = ""
    direction: str = ""
    freshness: Freshness | None = None


def tile(view: SavedView, *, now: datetime) -> Tile:
    """The total of what the view asks; its groups need not be read for that."""
    catalog = Catalog(today=now.date())
    try:
        question = Question.read(view.query, catalog)
        answer = report(question.query.grouped_by().sorted_by(""), now=now, catalog=catalog)
    except (NotReadable, SumTooLargeError) as reason:
        return Tile(view, problem=str(reason))
    measure, currency = answer.query.measure, answer.currency
    compares = answer.total.before is not None
    return Tile(
        view=view,
        sentence=question_sentence(question.query, answer.span),
        total=shown(answer.total.measure, measure, currency),
        change=difference(answer.total, measure, currency) if compares else None,
        percent=percent(answer.total) if compares else "",
        direction=direction(answer.total, measure),
        freshness=answer.freshness,
    )
