"""The pages of deliveries. Each view's first line says who may see it or do that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from costcenters.access import CONNECT_COST_CENTERS, VIEW_REPORTS, asking, require
from costcenters.display.figures import counted
from costcenters.models import CostCenter
from integrations.deliveries import changes
from integrations.deliveries.files_page import FilesForm, delivery_row, files_page, takes_files
from integrations.deliveries.receiving import NotTaken, not_kept, receive
from integrations.errors import Refusal
from integrations.models import ImportedFile
from integrations.pages.heading import Heading, heading_of


@require_safe
@never_cache
def files(request: HttpRequest, center: int) -> HttpResponse:
    """All deliveries, the newest first. Bad parameters: 400."""
    require(request, VIEW_REPORTS)
    return _page(request, _heading(center), request.GET)


@require_safe
@never_cache
def delivery(request: HttpRequest, center: int, file: int) -> HttpResponse:
    """One delivery of the list, for htmx, while something happens to it: `shown` is what the page says of that."""
    require(request, VIEW_REPORTS)
    heading, known = _heading(center), _file(center, file)
    if not request.headers.get("HX-Request"):
        return redirect("cost-center-files", center)
    row = delivery_row(heading, known, timezone.now())
    if row.refresh_seconds and row.activity == request.GET.get("shown"):
        # Nothing to change in the page, which asks again.
        return HttpResponse(status=204)
    return render(request, "integrations/_delivery_update.html", {"heading": heading, "row": row})


# The token of the form is looked for when the files are on the disk: whoever looks first reads them into the memory.
@csrf_exempt
@require_POST
@never_cache
def upload(request: HttpRequest, center: int) -> HttpResponse:
    """Keep the files of the form as one delivery, which the worker imports. Answers a script in JSON."""
    require(request, CONNECT_COST_CENTERS)
    try:
        received = receive(request)
    except NotTaken as refusal:
        return _checked_refusal(request, center, refusal)
    return _store(request, center, received)


@csrf_protect
def _checked_refusal(request: HttpRequest, center: int, refusal: NotTaken) -> HttpResponse:
    return _not_taken(request, _heading(center), refusal)


@csrf_protect
def _store(request: HttpRequest, center: int, received: list[Any]) -> HttpResponse:
    heading = _heading(center)
    integration = heading.integration
    if integration is None:
        raise AssertionError("files are taken")
    try:
        name = changes.store(integration, received, asking(request), timezone.now())
    except NotTaken as refusal:
        return _not_taken(request, heading, refusal)
    except Refusal as refusal:
        return _not_taken(request, heading, NotTaken(str(refusal)))
    except OSError as error:
        return _not_taken(request, heading, not_kept(error))
    messages.success(request, f"Uploaded {counted(len(received), 'file')}. What becomes of it is told below.")
    if known := changes.seen_before(integration, name):
        messages.info(request, f"Uploaded before as well: {', '.join(known)}. It is not counted twice.")
    address = reverse("cost-center-files", args=[center])
    return JsonResponse({"next": address}, status=201) if _is_script(request) else redirect(address)


@require_POST
def import_anyway(request: HttpRequest, center: int, file: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)
    return _done(request, center, file, changes.import_anyway, "It is imported now, as you said.")


@require_POST
def leave(request: HttpRequest, center: int, file: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)

    def say_no(known: ImportedFile, *, now: datetime) -> None:
        changes.leave(known, asking(request).get_username(), now=now)

    return _done(request, center, file, say_no, "Left out: nothing of it is in the bill.")


@require_POST
def try_again(request: HttpRequest, center: int, file: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)
    return _done(request, center, file, changes.try_again, "It is read once more.")


def _heading(center: int) -> Heading:
    """404 for a cost center that takes no files."""
    heading = heading_of(get_object_or_404(CostCenter, pk=center), timezone.now())
    if not takes_files(heading):
        raise Http404("No files are read into this cost center.")
    return heading


def _file(center: int, file: int) -> ImportedFile:
    return get_object_or_404(ImportedFile, pk=file, integration__cost_center=center)


def _page(
    request: HttpRequest, heading: Heading, asked: Any, *, status: int = 200, refused: tuple[str, ...] = ()
) -> HttpResponse:
    form = FilesForm(asked)
    context: dict[str, Any] = {"heading": heading, "refused": refused}
    if form.is_valid():
        context["page"] = files_page(heading, form, timezone.now())
    else:
        context["problems"] = [(name, str(text)) for name, found in form.errors.items() for text in found]
        status = 400
    return render(request, "integrations/files.html", context, status=status)


def _is_script(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _not_taken(request: HttpRequest, heading: Heading, refusal: NotTaken) -> HttpResponse:
    """The page with what is wrong on top; nothing was kept."""
    status = 507 if refusal.is_our_fault else 400
    if _is_script(request):
        return JsonResponse({"reasons": refusal.reasons}, status=status)
    return _page(request, heading, {}, status=status, refused=refusal.reasons)


def _done(request: HttpRequest, center: int, file: int, act: Callable[..., None], said: str) -> HttpResponse:
    """Do it and go back to the page, which says what was done, or why not."""
    _heading(center)
    try:
        act(_file(center, file), now=timezone.now())
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, said)
    return redirect("cost-center-files", center)
