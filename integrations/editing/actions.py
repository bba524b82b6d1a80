"""The buttons of a cost center: each does one thing, says what came of it, and is harmless when pressed twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from costcenters.access import CONNECT_COST_CENTERS, require
from costcenters.display.figures import counted
from costcenters.models import CostCenter
from integrations import life
from integrations.http import Runtime
from integrations.life import NotPossible
from integrations.models import Integration
from integrations.providers import PROVIDERS
from integrations.providers.base import Verified


@require_POST
def sync(request: HttpRequest, pk: int) -> HttpResponse:
    """Have everything read at once."""
    require(request, CONNECT_COST_CENTERS)

    def read(integration: Integration, now: datetime) -> str:
        if life.sync_now(integration, now=now).has_begun:
            if PROVIDERS[integration.provider].takes_files:
                return "Looking for new and changed files now."
            return "Reading now: what is new, and the last days once more."
        return "It is being read at this moment."

    return _done(request, pk, read)


@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the provider with the stored key."""
    require(request, CONNECT_COST_CENTERS)

    def ask(integration: Integration, now: datetime) -> str:
        verified = life.test_connection(integration, runtime=Runtime())
        return f"{told(integration, verified)} {verified.warning}".strip()

    return _done(request, pk, ask)


def told(integration: Integration, verified: Verified) -> str:
    """What the provider answered, in a sentence."""
    provider = PROVIDERS[integration.provider].name
    answer = f"{provider} answered with {counted(verified.active, 'active member')}"
    return verified.found or f"The key works: {answer}."


@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)

    def stop(integration: Integration, now: datetime) -> str:
        if _is_paused(integration):
            return "It is paused already."
        life.pause(integration, now=now)
        return "Paused: nothing is read until you resume it. What was read stays."

    return _done(request, pk, stop)


@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)

    def go_on(integration: Integration, now: datetime) -> str:
        if integration.cost_center.status in CostCenter.WORKING:
            return "It is not paused."
        life.resume(integration, now=now)
        return "Resumed: what was missed is being read now."

    return _done(request, pk, go_on)


def _is_paused(integration: Integration) -> bool:
    return integration.cost_center.status == CostCenter.Status.PAUSED


def _done(request: HttpRequest, pk: int, act: Callable[[Integration, datetime], str]) -> HttpResponse:
    """Do it and go back to the cost center's page, which says what was done, or why not."""
    center = get_object_or_404(CostCenter, pk=pk)
    integration = Integration.objects.select_related("cost_center").filter(cost_center=center).first()
    if integration is None or integration.provider not in PROVIDERS:
        messages.error(request, "Nothing is read from a provider here.")
        return redirect(center)
    try:
        messages.success(request, act(integration, timezone.now()))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    return redirect(center)
