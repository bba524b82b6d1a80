"""The pages of saved views. Who may not see a view gets 404, who may see but not change it 403."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from costcenters.access import VIEW_REPORTS, require
from costcenters.catalog import Catalog
from costcenters.display.sentences import question_sentence
from costcenters.models import SavedView
from costcenters.query_form import CostQueryForm
from costcenters.saved_views import store as views
from costcenters.saved_views.listing import RefusedName, ViewRow, tile, view_row
from costcenters.saved_views.menu import SavedViewForm
from costcenters.saved_views.store import MOST_VIEWS, NotReadable, Question

SHARED_A_PAGE = 50
FLAGS = ("is_shared", "is_pinned", "is_default")


@dataclass(frozen=True, slots=True)
class SavedViewsPage:
    mine: tuple[ViewRow, ...]
    most: int
    shared: tuple[ViewRow, ...]
    shared_page: Page[SavedView]


@require_safe
def saved_views(request: HttpRequest) -> HttpResponse:
    """My views, and those of others, which have pages (`page`; beyond the last one it is the last)."""
    require(request, VIEW_REPORTS)
    return listed(request)


@require_http_methods(["GET", "HEAD", "POST"])
def save_view(request: HttpRequest) -> HttpResponse:
    """Saves the question in the address under the name that is sent. What is wrong is said beside its field: 400."""
    require(request, VIEW_REPORTS)
    try:
        question = asked(request)
    except NotReadable as reason:
        return refusal(request, reason)
    form = SavedViewForm(request.POST if request.method == "POST" else None, auto_id="save-%s")
    if form.is_valid():
        try:
            view = views.create(request.user, question, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"Saved as “{view.name}”.")
            return redirect(view)
    back = f"{reverse('explorer')}?{question.text}"
    context = {"form": form, "sentence": question_sentence(question.query), "back": back}
    return render(request, "costcenters/save_view.html", context, status=400 if form.errors else 200)


@require_POST
def update_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The view asks the question in the address from now on."""
    require(request, VIEW_REPORTS)
    view = own_view(request, pk)
    try:
        with or_404():
            views.ask(view, asked(request))
    except NotReadable as reason:
        return refusal(request, reason)
    except ValidationError as error:
        return refusal(request, NotReadable([("", message) for message in error.messages]))
    messages.success(request, f"“{view.name}” is updated.")
    return redirect(view)


@require_POST
def rename_view(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, VIEW_REPORTS)
    view = own_view(request, pk)
    typed = request.POST.get("name", "")
    try:
        with or_404():
            views.rename(view, typed.replace("\x00", "�"))
    except ValidationError as error:
        return listed(request, RefusedName(pk, typed, " ".join(error.messages)))
    messages.success(request, f"Renamed to “{view.name}”.")
    return back_to(view)


@require_POST
def change_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Shares, pins or makes it the default (`1`), or the contrary (`0`). Whoever manages people may unshare."""
    require(request, VIEW_REPORTS)
    view = visible_view(request, pk)
    wanted = {flag: request.POST[flag] == "1" for flag in FLAGS if flag in request.POST}
    withdraws = wanted == {"is_shared": False} and views.may_withdraw(request.user, view)
    if view.owner_id != request.user.pk and not withdraws:
        raise PermissionDenied
    try:
        with or_404():
            views.change(view, **wanted)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return back_to(view)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks first; a POST deletes."""
    require(request, VIEW_REPORTS)
    view = visible_view(request, pk)
    if not views.may_withdraw(request.user, view):
        raise PermissionDenied
    if request.method != "POST":
        return render(request, "costcenters/delete_view.html", {"row": row_of(request, view)})
    with or_404():
        views.delete(view)
    messages.success(request, f"“{view.name}” is deleted.")
    return redirect("saved-views")


@require_safe
def saved_view_tile(request: HttpRequest, pk: int) -> HttpResponse:
    """A card with the view's figure, for the overview."""
    require(request, VIEW_REPORTS)
    shown = tile(visible_view(request, pk), now=timezone.now())
    return render(request, "costcenters/_saved_view_tile.html", {"tile": shown})


@contextmanager
def or_404() -> Iterator[None]:
    """A view or its owner that was deleted meanwhile is as one that never was."""
    try:
        yield
    except ObjectDoesNotExist:
        raise Http404 from None


def visible_view(request: HttpRequest, pk: int) -> SavedView:
    return get_object_or_404(views.visible(request.user), pk=pk)


def own_view(request: HttpRequest, pk: int) -> SavedView:
    view = visible_view(request, pk)
    if view.owner_id != request.user.pk:
        raise PermissionDenied
    return view


def asked(request: HttpRequest) -> Question:
    """The question in the address. Raises NotReadable."""
    form = CostQueryForm(request.GET, catalog=Catalog())
    return Question.of(form)


def refusal(request: HttpRequest, reason: NotReadable) -> HttpResponse:
    context = {"problems": reason.problems, "back": reverse("explorer")}
    return render(request, "costcenters/save_view.html", context, status=400)


def row_of(request: HttpRequest, view: SavedView) -> ViewRow:
    return view_row(view, request.user, Catalog())


def back_to(view: SavedView) -> HttpResponse:
    return redirect(f"{reverse('saved-views')}#view-{view.pk}")


def listed(request: HttpRequest, refused: RefusedName | None = None) -> HttpResponse:
    """The page of saved views; `refused` is told beside the name it belongs to."""
    user, catalog = request.user, Catalog()
    mine = views.visible(user).filter(owner_id=user.pk)
    pages = Paginator(views.visible(user).exclude(owner_id=user.pk), SHARED_A_PAGE)
    shared = pages.get_page(request.GET.get("page"))

    def row(view: SavedView) -> ViewRow:
        return view_row(view, user, catalog, refused)

    page = SavedViewsPage(
        mine=tuple(row(view) for view in mine),
        most=MOST_VIEWS,
        shared=tuple(row(view) for view in shared),
        shared_page=shared,
    )
    status = 400 if refused else 200
    return render(request, "costcenters/saved_views.html", {"page": page}, status=status)
