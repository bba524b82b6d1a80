"""The page of exports, and the download."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from costcenters.access import VIEW_REPORTS, require
from costcenters.catalog import Catalog
from costcenters.exports.form import FocusExportForm
from costcenters.exports.page import exports_page
from costcenters.focus.export import FocusExport
from costcenters.periods import Preset, preset_span
from costcenters.scope import SumTooLargeError


@require_safe
def exports(request: HttpRequest) -> HttpResponse:
    """What a file of these days would hold; at first, of the month so far. Bad parameters: 400 with the errors."""
    require(request, VIEW_REPORTS)
    return _page(request, request.GET or _month_to_date())


@require_safe
def export_focus(request: HttpRequest) -> HttpResponseBase:
    """The file. Bad parameters: 400, on the page."""
    require(request, VIEW_REPORTS)
    form = FocusExportForm(request.GET, catalog=Catalog())
    if not form.is_valid():
        return _page(request, request.GET)
    return download(form.export(), with_content=request.method != "HEAD")


def download(export: FocusExport, *, with_content: bool = True) -> StreamingHttpResponse:
    """Sent as it is read, so nothing can be refused any more."""
    return StreamingHttpResponse(
        export.chunks() if with_content else (),
        content_type=export.format.media_type,
        headers={"Content-Disposition": f'attachment; filename="{export.filename}"'},
    )


def _month_to_date() -> QueryDict:
    span = preset_span(Preset.MONTH_TO_DATE, timezone.now().date())
    return QueryDict(f"start={span.start}&end={span.end}")


def _page(request: HttpRequest, parameters: QueryDict) -> HttpResponse:
    catalog = Catalog()
    form = FocusExportForm(parameters, catalog=catalog)
    context: dict[str, Any] = {}
    export = form.export() if form.is_valid() else None
    problems = form.problems()
    try:
        context["page"] = exports_page(form, export, catalog, today=catalog.today)
    except SumTooLargeError as error:
        problems = [("", str(error))]
        context["page"] = exports_page(form, None, catalog, today=catalog.today)
    context["problems"] = problems
    return render(request, "costcenters/exports.html", context, status=400 if problems else 200)
