"""The audit log's page and its CSV."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from costcenters.access import MANAGE_PEOPLE, require
from finops.audit_log.export import COLUMNS, lines
from finops.audit_log.form import AuditLogForm
from finops.audit_log.page import audit_page
from finops.csv_file import chunks, csv_response

PLACES = ("after", "before")


@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    require(request, MANAGE_PEOPLE)
    form = AuditLogForm(request.GET)
    if not form.is_valid():
        return _refused(request, form)
    filters = {
        name: request.GET[name]
        for name in form.fields
        if name not in PLACES and form.cleaned_data[name] not in (None, "")
    }
    context = {"form": form, "page": audit_page(form.wanted(), filters), "is_filtered": bool(filters)}
    return render(request, "finops/audit_log.html", context)


@require_safe
def audit_log_csv(request: HttpRequest) -> HttpResponseBase:
    """Exactly the entries that the page's filters show, all of them."""
    require(request, MANAGE_PEOPLE)
    form = AuditLogForm(request.GET)
    if not form.is_valid():
        return _refused(request, form)
    name = f"onebill_audit-log_{datetime.now(UTC):%Y-%m-%dT%H-%MZ}.csv"
    return csv_response(name, chunks(COLUMNS, lines(form.wanted())))


def _refused(request: HttpRequest, form: AuditLogForm) -> HttpResponse:
    problems = [(name, str(error)) for name, errors in form.errors.items() for error in errors]
    context = {"form": form, "problems": problems}
    return render(request, "finops/audit_log.html", context, status=HTTPStatus.BAD_REQUEST)
