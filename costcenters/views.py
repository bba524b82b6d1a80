"""The pages of the bill. Each view's first line says who may see it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from django_htmx.middleware import HtmxDetails

from costcenters.access import VIEW_REPORTS, require
from costcenters.catalog import Catalog, freshness
from costcenters.dimensions import is_dimension
from costcenters.explorer import SumTooLargeError, report
from costcenters.explorer_page.controls import controls, typed_url
from costcenters.explorer_page.export import Export
from costcenters.explorer_page.filter_picker import Wanted, blank_picker, picker_page
from costcenters.explorer_page.page import explorer_page
from costcenters.line_item_page.form import LineItemForm
from costcenters.line_item_page.listing import line_item_list
from costcenters.line_item_page.page import line_items_page
from costcenters.links import AS_EVER, explorer_url
from costcenters.overview.page import overview_page
from costcenters.query_form import CostQueryForm
from costcenters.saved_views.menu import saved_views_menu
from costcenters.saved_views.store import default_view_url, pinned_for
from costcenters.scope import Scope


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    now = timezone.now()
    catalog = Catalog(today=now.date())
    context: dict[str, Any] = {"freshness": freshness(catalog.cost_centers.values(), now)}
    try:
        page = overview_page(catalog, now=now, currency=request.GET.get("currency", ""))
        context |= {"page": page, "freshness": page.freshness, "pinned": pinned_for(request.user)}
    except SumTooLargeError as error:
        context["problems"] = [("", str(error))]
    return render(request, "costcenters/overview.html", context)


@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """The whole page; for htmx the report and what belongs to it, or all that a link changes.

    Bad parameters: 400 with the errors. Without any parameter: to the user's default view, if there is one.
    """
    require(request, VIEW_REPORTS)
    if not request.META.get("QUERY_STRING") and (default_url := default_view_url(request.user)):
        return redirect(default_url)
    now = timezone.now()
    catalog = Catalog(today=now.date())
    form = CostQueryForm(request.GET, catalog=catalog)
    query = form.query() if form.is_valid() else None
    presentation = form.presentation() if query else AS_EVER
    context: dict[str, Any] = {"freshness": freshness(catalog.cost_centers.values(), now), "problems": []}
    if query is None:
        context["problems"] = form.problems()
    else:
        try:
            answer = report(query, now=now, catalog=catalog)
            context["page"] = explorer_page(answer, catalog, presentation)
            context["freshness"] = answer.freshness
        except SumTooLargeError as error:
            context["problems"] = [("", str(error))]
    context["controls"] = controls(form, query, presentation, catalog)
    context["saved"] = saved_views_menu(request.user, form, catalog)
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    is_part = bool(htmx) and not htmx.history_restore_request
    context["is_whole"] = htmx.target == "explorer"
    template = "costcenters/_explorer_update.html" if is_part else "costcenters/explorer.html"
    response = render(request, template, context, status=400 if context["problems"] else 200)
    if is_part:
        url = explorer_url(query, presentation) if query else typed_url(form.parameters)
        response["HX-Push-Url"] = "false" if url == address_shown(htmx) else url
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def address_shown(htmx: HtmxDetails) -> str | None:
    """The path at which the browser says it is; None where it says no address."""
    try:
        return htmx.current_url_abs_path
    except ValueError:
        return None


@require_safe
def explorer_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Exactly the explorer's table, unrounded. A bad parameter: 400, one line of text for each."""
    require(request, VIEW_REPORTS)
    now = timezone.now()
    catalog = Catalog(today=now.date())
    form = CostQueryForm(request.GET, catalog=catalog)
    if not form.is_valid():
        return refusal(form.problems())
    try:
        export = Export.of(form.query(), catalog, now=now)
    except SumTooLargeError as error:
        return refusal([("", str(error))])
    return export.response()


@require_safe
def explorer_values(request: HttpRequest, key: str) -> HttpResponse:
    """A dimension's values for its filter picker: `q` is searched for, `offset` pages. Bad parameters: 400."""
    require(request, VIEW_REPORTS)
    if not is_dimension(key):
        raise Http404(f"There is no dimension {key}.")
    now = timezone.now()
    catalog = Catalog(today=now.date())
    typed = request.GET.copy()
    wanted = Wanted.taken_from(typed)
    form = CostQueryForm(typed, catalog=catalog)
    context: dict[str, Any] = {"picker": blank_picker(key, wanted)}
    if not form.is_valid():
        context["problems"] = form.problems()
    else:
        try:
            context["picker"] = picker_page(form.query(), key, wanted, catalog, now=now)
        except SumTooLargeError as error:
            context["problems"] = [("", str(error))]
    status = 400 if context.get("problems") else 200
    return render(request, "costcenters/_filter_values.html", context, status=status)


@require_safe
def line_items(request: HttpRequest) -> HttpResponse:
    """The line items behind a report, newest first. Bad parameters: 400 with the errors."""
    require(request, VIEW_REPORTS)
    now = timezone.now()
    catalog = Catalog(today=now.date())
    form = LineItemForm(request.GET, catalog=catalog)
    context: dict[str, Any] = {"freshness": freshness(catalog.cost_centers.values(), now)}
    if not form.is_valid():
        context["problems"] = form.problems()
    else:
        try:
            scope = Scope.of(form.query(), catalog, now=now)
            found = line_item_list(form.wanted(), scope)
            context["page"] = line_items_page(found, form.presentation(), today=now.date())
            context["freshness"] = scope.freshness
        except SumTooLargeError as error:
            context["problems"] = [("", str(error))]
    status = 400 if context.get("problems") else 200
    return render(request, "costcenters/line_items.html", context, status=status)


def refusal(problems: list[tuple[str, str]]) -> HttpResponse:
    lines = [f"{name}: {message}" if name else message for name, message in problems]
    text = "".join(f"{line}\n".replace("\x00", "�") for line in lines)
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
