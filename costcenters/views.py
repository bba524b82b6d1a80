"""The pages of the bill. Each view's first line says who may see it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from costcenters.access import VIEW_REPORTS, require
from costcenters.catalog import Catalog, freshness
from costcenters.dimensions import TEXT_DIMENSIONS
from costcenters.explorer import SumTooLargeError, report, values_in_use
from costcenters.explorer_controls import controls
from costcenters.explorer_csv import Export
from costcenters.explorer_page import explorer_page
from costcenters.links import explorer_url
from costcenters.overview import overview_page
from costcenters.query_form import MOST_PARAMETERS, CostQueryForm

TOO_MANY_PARAMETERS = f"At most {MOST_PARAMETERS} parameters can be given."


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    catalog, now = Catalog(), timezone.now()
    context: dict[str, Any] = {"freshness": freshness(catalog.cost_centers.values(), now)}
    try:
        context["page"] = overview_page(catalog, now=now, currency=parameters(request).get("currency", ""))
    except SumTooLargeError as error:
        context["problems"] = [("", str(error))]
    return render(request, "costcenters/overview.html", context)


@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """The whole page, or for htmx the report and what belongs to it. Bad parameters: 400 with the errors."""
    require(request, VIEW_REPORTS)
    catalog, now = Catalog(), timezone.now()
    typed = parameters(request)
    form = CostQueryForm(typed, today=now.date(), catalog=catalog)
    query = form.query() if form.is_valid() and not is_overfull(request) else None
    context: dict[str, Any] = {"freshness": freshness(catalog.cost_centers.values(), now), "problems": []}
    if query is None:
        context["problems"] = form.problems() or [("", TOO_MANY_PARAMETERS)]
    else:
        try:
            answer = report(query, now=now, catalog=catalog)
            context["page"] = explorer_page(answer, catalog)
            context["freshness"] = answer.freshness
        except SumTooLargeError as error:
            context["problems"] = [("", str(error))]
    context["controls"] = controls(form, query, catalog, reverse("explorer"))
    template = "costcenters/_explorer_update.html" if request.htmx else "costcenters/explorer.html"  # type: ignore[attr-defined]
    response = render(request, template, context, status=400 if context["problems"] else 200)
    if query is not None and request.htmx:  # type: ignore[attr-defined]
        response["HX-Push-Url"] = explorer_url(query)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def explorer_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Exactly the explorer's table, unrounded. A bad parameter: 400, one line of text for each."""
    require(request, VIEW_REPORTS)
    now = timezone.now()
    form = CostQueryForm(parameters(request), today=now.date(), catalog=Catalog())
    if is_overfull(request) or not form.is_valid():
        return refusal(form.problems() or [("", TOO_MANY_PARAMETERS)])
    try:
        export = Export.of(form.query(), now=now)
    except SumTooLargeError as error:
        return refusal([("", str(error))])
    return StreamingHttpResponse(
        export.chunks(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{export.filename}"'},
    )


@require_safe
def explorer_values(request: HttpRequest) -> HttpResponse:
    """Suggestions for the filter inputs, fetched when somebody opens them."""
    require(request, VIEW_REPORTS)
    values = {f"values-{key}": values_in_use(key) for key in TEXT_DIMENSIONS}
    return render(request, "costcenters/_filter_values.html", {"values": values})


def refusal(problems: list[tuple[str, str]]) -> HttpResponse:
    lines = [f"{name}: {message}" if name else message for name, message in problems]
    text = "".join(f"{line}\n".replace("\x00", "�") for line in lines)
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def parameters(request: HttpRequest) -> QueryDict:
    """The query string; nothing of it when it holds more parameters than Django reads."""
    return QueryDict() if is_overfull(request) else request.GET


def is_overfull(request: HttpRequest) -> bool:
    try:
        request.GET  # noqa: B018 - reading it is what raises
        return False
    except TooManyFieldsSent:
        return True
