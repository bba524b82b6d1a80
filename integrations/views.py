"""The pages of the connections. Each view's first line says who may see it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from costcenters.access import CONNECT_COST_CENTERS, VIEW_REPORTS, require
from costcenters.models import CostCenter
from integrations import connections
from integrations.connections import NotConnected
from integrations.cost_center_list import listed_cost_centers
from integrations.cost_center_page import cost_center_page
from integrations.help_page import help_page
from integrations.http import Runtime
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, credential_names


@require_safe
def cost_centers(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    context = {"cost_centers": listed_cost_centers(timezone.now()), "providers": list(PROVIDERS.values())}
    return render(request, "integrations/cost_centers.html", context)


@sensitive_variables()
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest, provider: str) -> HttpResponse:
    """The connect form. The key is verified before anything is stored; a refusal keeps all but the key."""
    require(request, CONNECT_COST_CENTERS)
    chosen = PROVIDERS.get(provider)
    if chosen is None:
        raise Http404(f"No provider is called {provider}.")
    form = chosen.form(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"provider": chosen, "form": form, "happened": ""}
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
    page = cost_center_page(get_object_or_404(CostCenter, pk=pk), timezone.now())
    return render(request, "integrations/cost_center.html", {"page": page})


@require_safe
@never_cache
def cost_center_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """What of the page changes while history is loaded, for htmx."""
    require(request, VIEW_REPORTS)
    page = cost_center_page(get_object_or_404(CostCenter, pk=pk), timezone.now())
    return render(request, "integrations/_cost_center_update.html", {"page": page, "oob": True})


@require_safe
def help_cursor(request: HttpRequest) -> HttpResponse:
    """How Cursor's numbers are to be read; `cost_center` names the one whose figures are shown."""
    require(request, VIEW_REPORTS)
    try:
        page = help_page(request.GET.get("cost_center", ""), now=timezone.now())
    except KeyError:
        raise Http404("There is no such Cursor cost center.") from None
    return render(request, "integrations/help_cursor.html", {"page": page})


@sensitive_variables()
def _connected(request: HttpRequest, provider: Provider, form: forms.Form) -> HttpResponse:
    """Connect what the valid form says and go to its page. Raises NotConnected."""
    answers = form.cleaned_data
    connected = connections.connect(
        provider,
        name=answers["name"],
        credentials={name: answers[name] for name in credential_names(form)},
        monthly_seat_price=answers["monthly_seat_price"],
        user=request.user,
        runtime=Runtime(),
    )
    if connected.warning:
        messages.warning(request, connected.warning)
    return redirect(connected.integration.cost_center)


def _refused(refusal: NotConnected, form: forms.Form) -> dict[str, Any]:
    """Mark the field to mend; what happened is told on top. A second press finds what the first one connected."""
    if refusal.field == "name":
        form.add_error("name", "Please change the name.")
    elif refusal.field == "credentials":
        for name in credential_names(form):
            form.add_error(name, "Please check this and paste it again.")
    happened, dot, advice = str(refusal).partition(". ")
    known = CostCenter.objects.filter(name=form.data.get("name", "").strip())
    return {
        "happened": happened + dot.strip(),
        "advice": advice,
        "known": known.exclude(status=CostCenter.Status.DISCONNECTED).first(),
    }
