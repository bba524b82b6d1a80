"""The pages on which a cost center is changed: name, key, history, removal. Each view's first line says who may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, require
from costcenters.models import CostCenter
from finops.secrets import SecretUnreadable
from integrations import connections, life
from integrations.connections import NotConnected
from integrations.editing.forms import (
    DELETE,
    KEEP,
    NameForm,
    ReadAgainForm,
    RemoveForm,
    key_form,
    mark_refused,
)
from integrations.editing.page import (
    Subject,
    admins,
    belongings,
    kept_windows,
    known_history,
    stored_between,
)
from integrations.errors import Refusal
from integrations.http import Runtime
from integrations.life import NotPossible
from integrations.models import Integration
from integrations.pages.instants import days_of, utc
from integrations.pages.seat_prices import price_rows
from integrations.providers.base import Provider, credential_names

PAGE = ["GET", "HEAD", "POST"]


@never_cache
@require_http_methods(PAGE)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The name, and the way to everything else that can be changed."""
    require(request, CONNECT_COST_CENTERS)
    center = get_object_or_404(CostCenter, pk=pk)
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": center.name})
    if form.is_valid():
        try:
            life.rename(center, form.cleaned_data["name"])
        except NotPossible as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            messages.success(request, f"It is called “{center.name}” now.")
            return redirect("cost-center-edit", pk)
    # What was typed and refused is not its name.
    center = get_object_or_404(CostCenter, pk=pk)
    subject = Subject.of(center)
    context = {
        "subject": subject,
        "form": form,
        "prices": [
            row for row in price_rows(center, timezone.now().date()) if row.is_scheduled or row.is_in_effect
        ],
        "history": known_history(subject),
        "admins": () if request.user.has_perm(DISCONNECT_COST_CENTERS) else admins(),
    }
    return render(request, "integrations/edit.html", context)


# Key ------------------------------------------------------------------------------------------------------------------


@sensitive_variables()
@sensitive_post_parameters()
@never_cache
@require_http_methods(PAGE)
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """A new key (or location), verified before it takes the place of the old one; the key is never echoed."""
    require(request, CONNECT_COST_CENTERS)
    subject = Subject.of(get_object_or_404(CostCenter, pk=pk))
    context: dict[str, Any] = {"subject": subject}
    if subject.integration is not None and subject.provider is not None and subject.has_key:
        is_confirmed = request.POST.get("other_team") == "on"
        form = key_form(
            subject.provider,
            request.POST if request.method == "POST" else None,
            asks_for_team="other_team" in request.POST,
            shown=_shown(subject.integration, subject.provider),
        )
        context["form"] = form
        if form.is_valid():
            try:
                return _key_replaced(request, subject.integration, subject.provider, form, is_confirmed)
            except NotConnected as refusal:
                context |= _key_refused(refusal, subject.provider, form)
    return render(request, "integrations/rotate_key.html", context)


@sensitive_variables()
def _shown(integration: Integration, provider: Provider) -> dict[str, str]:
    """What of the stored credentials may stand in the form."""
    try:
        return {} if integration.credentials is None else provider.shown(integration.credentials.open())
    except SecretUnreadable:
        return {}


@sensitive_variables()
def _key_replaced(
    request: HttpRequest, integration: Integration, provider: Provider, form: forms.Form, is_confirmed: bool
) -> HttpResponse:
    """Raises NotConnected."""
    before = Integration.objects.select_related("cost_center").get(pk=integration.pk)
    verified = connections.rotate(
        integration,
        {name: form.cleaned_data[name] for name in credential_names(form)},
        runtime=Runtime(),
        other_team_confirmed=is_confirmed,
    ).verified
    after = Integration.objects.select_related("cost_center").get(pk=integration.pk)
    center = after.cost_center
    if center.status == CostCenter.Status.PAUSED:
        follows = "It stays paused until you resume it."
    elif center.complete_through is None:
        follows = "It is being read now."
    else:
        follows = (
            f"Data is complete through {utc(center.complete_through)}; what came since is being read now."
        )
    if verified.found:
        messages.success(request, f"{verified.found} {follows}")
        if verified.warning:
            messages.warning(request, verified.warning)
        if before.key_hint and after.key_hint != before.key_hint:
            messages.warning(
                request,
                f"Now delete the old key ({before.key_hint}) where it was made: whoever has it can still read the "
                "files.",
            )
        return redirect(center)
    if after.key_fingerprint == before.key_fingerprint:
        messages.success(
            request, f"This is the key that was stored already ({after.key_hint}), and it works. {follows}"
        )
        return redirect(center)
    messages.success(request, f"The new key ({after.key_hint}) works and is in use. {follows}")
    messages.warning(
        request,
        f"Now revoke the old key ({before.key_hint}) in {provider.name}’s dashboard. It is forgotten here, but whoever "
        f"has it can still read your data at {provider.name}.",
    )
    return redirect(center)


def _key_refused(refusal: NotConnected, provider: Provider, form: forms.Form) -> dict[str, Any]:
    """Mark what is to be mended. The box for another team comes up only when it is the question."""
    told = mark_refused(refusal, form)
    if refusal.field == "other_team":
        return {**told, "is_other_team": True, "form": key_form(provider, asks_for_team=True)}
    return told


# History --------------------------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(PAGE)
def read_again(request: HttpRequest, pk: int) -> HttpResponse:
    """`first` and `last` in the address fill the form in; with `replace=1` it asks whether fewer events may replace
    what is stored, and only its box says yes. Posting `look` shows what is stored, and changes nothing."""
    require(request, CONNECT_COST_CENTERS)
    subject = Subject.of(get_object_or_404(CostCenter, pk=pk))
    now = timezone.now()
    form = _read_again_form(request)
    if request.method == "POST" and "look" not in request.POST and form.is_valid() and subject.integration:
        answers = form.cleaned_data
        try:
            run = life.read_again(
                subject.integration,
                answers["first"],
                answers["last"],
                may_shrink=answers["may_shrink"],
                now=now,
            )
        except NotPossible as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            days = days_of(run.window_start, run.window_end)
            messages.success(request, f"{days} (UTC) is being read again. This page shows what comes of it.")
            return redirect(subject.center)
    stored = None
    if subject.integration is not None and form.is_bound and form.is_valid():
        first, last = form.cleaned_data["first"], form.cleaned_data["last"]
        if life.OLDEST_DAY <= first <= last <= now.date():
            stored = stored_between(subject, first, last, now=now)
    context = {
        "subject": subject,
        "form": form,
        "stored": stored,
        "replaces": request.GET.get("replace") == "1" or request.POST.get("replace") == "1",
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "integrations/_stored.html", context)
    context["history"] = known_history(subject)
    context["kept"] = [] if subject.integration is None else kept_windows(subject.integration)
    return render(request, "integrations/read_again.html", context)


def _read_again_form(request: HttpRequest) -> ReadAgainForm:
    if request.method == "POST":
        return ReadAgainForm(request.POST)
    asked = {name: request.GET[name] for name in ("first", "last") if name in request.GET}
    if asked:
        return ReadAgainForm(asked)
    today = timezone.now().date()
    return ReadAgainForm(initial={"first": today - timedelta(days=30), "last": today - timedelta(days=1)})


# Removal --------------------------------------------------------------------------------------------------------------


@never_cache
@require_http_methods(PAGE)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Says what goes and what stays; its name typed once more confirms. Of one that was removed before, what was kept
    can be deleted."""
    require(request, DISCONNECT_COST_CENTERS)
    subject = Subject.of(get_object_or_404(CostCenter, pk=pk))
    form = RemoveForm(request.POST if request.method == "POST" else None, center=subject.center)
    if form.is_valid() and subject.integration is not None:
        try:
            return _removed(request, subject, subject.integration, form.cleaned_data["history"])
        except Refusal as refusal:
            form.add_error(None, str(refusal))
    context = {"subject": subject, "form": form, "holds": belongings(subject)}
    return render(request, "integrations/remove.html", context)


def _removed(request: HttpRequest, subject: Subject, integration: Integration, history: str) -> HttpResponse:
    """Raises Refusal."""
    name, hint = subject.center.name, integration.key_hint
    if history == KEEP and subject.is_disconnected:
        messages.info(request, f"“{name}” is removed already. Its history stays.")
        return redirect("cost-centers")
    life.remove(integration, with_history=history == DELETE, now=timezone.now())
    if history == DELETE:
        messages.success(
            request, f"“{name}” is removed. Its history is being deleted; until it is gone, it is listed."
        )
    else:
        messages.success(
            request,
            f"“{name}” is removed{': its key is deleted' if hint else ''}. Its history stays in all reports.",
        )
    if hint and subject.has_files:
        messages.warning(
            request,
            f"Now delete the key ({hint}) where it was made: whoever has it can still read the files.",
        )
    elif hint:
        provider = subject.provider_name
        messages.warning(
            request,
            f"Now revoke the key ({hint}) in {provider}’s dashboard. It is deleted here, but whoever has it can still "
            f"read your data at {provider}.",
        )
    return redirect("cost-centers")
