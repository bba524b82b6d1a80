"""The pages of the connections. Each view's first line says who may see it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from costcenters.access import CONNECT_COST_CENTERS, VIEW_REPORTS, require
from costcenters.models import CostCenter
from finops.csv_file import csv_response
from finops.money import plain
from integrations import connections
from integrations.connections import NotConnected
from integrations.editing.forms import mark_refused
from integrations.http import Runtime
from integrations.pages.cost_center_list import cost_center_list
from integrations.pages.cost_center_page import cost_center_page
from integrations.pages.heading import heading_of
from integrations.pages.help_page import help_page
from integrations.pages.members import MemberForm, member_page
from integrations.pages.reconciliation import UnknownCycleError, reconciliation_csv, reconciliation_page
from integrations.pages.runs import RunForm, run_page
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, credential_names
from integrations.reconciliation import summary


@require_safe
def cost_centers(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    return render(request, "integrations/cost_centers.html", {"page": cost_center_list(timezone.now())})


@sensitive_variables()
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest, provider: str) -> HttpResponse:
    """The connect form. The key is verified before anything is stored; a refusal keeps all but the key."""
    require(request, CONNECT_COST_CENTERS)
    chosen = PROVIDERS.get(provider)
    if chosen is None or not chosen.is_connectable:
        raise Http404(f"No provider is called {provider}.")
    # A removed connection is made anew under its name, which the link to here brings along.
    named = {"name": request.GET["name"]} if "name" in request.GET else {}
    removed = _removed(chosen, named)
    if removed is not None:
        named |= {"monthly_seat_price": _price_of(removed), "currency": removed.currency}
    form = chosen.form(request.POST if request.method == "POST" else None, initial=named)
    context: dict[str, Any] = {"provider": chosen, "form": form, "happened": "", "removed": removed}
    if request.method == "POST" and form.is_valid():
        try:
            return _connected(request, chosen, form)
        except NotConnected as refusal:
            context |= _refused(refusal, form)
    context["help_templates"] = [f"integrations/connect/{chosen.slug}.html", "integrations/connect/any.html"]
    return render(request, "integrations/connect.html", context)


@require_safe
@never_cache
def cost_center(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, VIEW_REPORTS)
    center, now = get_object_or_404(CostCenter, pk=pk), timezone.now()
    page = cost_center_page(center, now)
    provider = page.heading.provider
    reconciliation = summary(center, now) if provider is not None and provider.has_totals else None
    context = {"page": page, "heading": page.heading, "reconciliation": reconciliation}
    return render(request, "integrations/cost_center.html", context)


@require_safe
@never_cache
def cost_center_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """What of the page changes while something happens, for htmx. A history that is deleted takes its page with it."""
    require(request, VIEW_REPORTS)
    center = CostCenter.objects.filter(pk=pk).first()
    if center is None:
        if not request.headers.get("HX-Request"):
            raise Http404("There is no such cost center.")
        messages.success(request, "The cost center is gone: all of its history is deleted.")
        return HttpResponseClientRedirect(reverse("cost-centers"))
    page = cost_center_page(center, timezone.now())
    context = {"page": page, "heading": page.heading, "oob": True}
    return render(request, "integrations/_cost_center_update.html", context)


@require_safe
@never_cache
def cost_center_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody in the team, who has left, and users of the bill who are neither. Bad parameters: 400."""
    require(request, VIEW_REPORTS)
    now = timezone.now()
    heading = heading_of(get_object_or_404(CostCenter, pk=pk), now)
    form = MemberForm(request.GET)
    if not form.is_valid():
        context = {"heading": heading, "problems": _problems(form)}
        return render(request, "integrations/members.html", context, status=400)
    context = {"heading": heading, "page": member_page(heading, form, now)}
    return render(request, "integrations/members.html", context)


@require_safe
@never_cache
def cost_center_runs(request: HttpRequest, pk: int) -> HttpResponse:
    """All that was read and what came of it, the newest first. Bad parameters: 400."""
    require(request, VIEW_REPORTS)
    heading = heading_of(get_object_or_404(CostCenter, pk=pk), timezone.now())
    form = RunForm(request.GET, heading.provider)
    if not form.is_valid():
        context = {"heading": heading, "problems": _problems(form)}
        return render(request, "integrations/runs.html", context, status=400)
    return render(request, "integrations/runs.html", {"heading": heading, "page": run_page(heading, form)})


@require_safe
@never_cache
def reconciliation(request: HttpRequest, pk: int) -> HttpResponse:
    """The provider's own totals beside ours; `cycle` names another cycle than the newest. A bad one: 400."""
    require(request, VIEW_REPORTS)
    center, now, status = get_object_or_404(CostCenter, pk=pk), timezone.now(), 200
    context: dict[str, Any] = {"heading": heading_of(center, now)}
    show_all = request.GET.get("rows") == "all"
    try:
        context["page"] = reconciliation_page(center, now, request.GET.getlist("cycle"), show_all=show_all)
    except UnknownCycleError as error:
        context["problems"], status = [("cycle", str(error))], 400
    return render(request, "integrations/reconciliation.html", context, status=status)


@require_safe
@never_cache
def reconciliation_table(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same as CSV, unrounded. A bad cycle: 400, a line of text."""
    require(request, VIEW_REPORTS)
    center = get_object_or_404(CostCenter, pk=pk)
    try:
        name, content = reconciliation_csv(center, timezone.now(), request.GET.getlist("cycle"))
    except UnknownCycleError as error:
        return HttpResponse(f"cycle: {error}\n", status=400, content_type="text/plain; charset=utf-8")
    return csv_response(name, content)


@require_safe
def help_cursor(request: HttpRequest) -> HttpResponse:
    """How Cursor's numbers are to be read; `cost_center` names the one whose figures are shown."""
    require(request, VIEW_REPORTS)
    try:
        page = help_page(request.GET.get("cost_center", ""), now=timezone.now())
    except KeyError:
        raise Http404("There is no such Cursor cost center.") from None
    return render(request, "integrations/help_cursor.html", {"page": page})


def _problems(form: forms.Form) -> list[tuple[str, str]]:
    """Each parameter that cannot be understood, and why."""
    return [(name, str(message)) for name, found in form.errors.items() for message in found]


def _removed(provider: Provider, named: dict[str, str]) -> CostCenter | None:
    """The removed cost center that is to be connected again."""
    known = CostCenter.objects.filter(
        integration__provider=provider.slug, status=CostCenter.Status.DISCONNECTED
    )
    return known.filter(name=named["name"]).first() if named else None


def _price_of(removed: CostCenter) -> str:
    """The seat price that held before; empty where seats were not tracked."""
    price = removed.seat_prices.in_effect_on(timezone.now().date())
    return "" if price is None or price.monthly_price is None else plain(price.monthly_price)


@sensitive_variables()
def _connected(request: HttpRequest, provider: Provider, form: forms.Form) -> HttpResponse:
    """Connect what the valid form says and go to its page. Raises NotConnected."""
    answers = form.cleaned_data
    connected = connections.connect(
        provider,
        name=answers["name"],
        credentials={name: answers[name] for name in credential_names(form)},
        monthly_seat_price=answers.get("monthly_seat_price"),
        currency=answers.get("currency", "USD"),
        user=request.user,
        runtime=Runtime(),
    )
    if connected.warning:
        messages.warning(request, connected.warning)
    return redirect(connected.integration.cost_center)


def _refused(refusal: NotConnected, form: forms.Form) -> dict[str, Any]:
    """Mark the field to mend; what happened is told on top. A second press finds what the first one connected."""
    known = CostCenter.objects.filter(name=form.data.get("name", "").strip())
    connected = known.exclude(status=CostCenter.Status.DISCONNECTED).first()
    return {**mark_refused(refusal, form), "known": connected}
