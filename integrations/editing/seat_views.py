"""The page of a cost center's seat prices. Each view's first line says who may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from costcenters.access import CONNECT_COST_CENTERS, require
from costcenters.models import CostCenter, SeatPrice
from costcenters.periods import long_day
from finops.money import display, plain
from integrations import life
from integrations.editing.forms import NOT_TRACKED, PRICED, SeatPriceForm
from integrations.editing.page import Subject
from integrations.editing.seat_preview import preview
from integrations.life import NotPossible
from integrations.models import Integration
from integrations.pages.seat_prices import PriceRow, price_rows
from integrations.subscriptions import typed_seats


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def seats(request: HttpRequest, pk: int) -> HttpResponse:
    """A price is saved only as it was previewed: `previewed` says what that was. htmx asks for the preview alone."""
    require(request, CONNECT_COST_CENTERS)
    subject = Subject.of(get_object_or_404(CostCenter, pk=pk))
    now = timezone.now()
    today = now.date()
    rows = price_rows(subject.center, today)
    form = SeatPriceForm(
        request.POST if request.method == "POST" else None,
        initial=_initial(rows, today.isoformat()),
        center=subject.center,
        today=today,
    )
    context: dict[str, Any] = {"subject": subject, "form": form, "prices": rows, "today": today}
    context["typed"] = typed_seats.typed_for(subject.center)
    integration = subject.integration
    if integration is not None and subject.has_seats and subject.is_connected:
        change = form.price if form.is_bound and form.is_valid() else None
        is_to_be_saved = change is not None and "save" in request.POST
        if change is not None and is_to_be_saved and request.POST.get("previewed") == form.fingerprint:
            try:
                return _save(request, integration, change, now)
            except NotPossible as refusal:
                form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
                change = None
        context |= {
            "change": change,
            "preview": preview(integration, change, rows, today=today),
            "was_changed_since": is_to_be_saved and change is not None,
        }
    template = "_seat_preview" if request.htmx else "seat_price"  # type: ignore[attr-defined]
    return render(request, f"integrations/{template}.html", context)


@require_POST
def seat_price_delete(request: HttpRequest, pk: int, price: int) -> HttpResponse:
    """Only a price that has not taken effect yet may go."""
    require(request, CONNECT_COST_CENTERS)
    center = get_object_or_404(CostCenter, pk=pk)
    found = SeatPrice.objects.filter(pk=price, cost_center=center).first()
    if found is None:
        messages.info(request, "This price is deleted already.")
        return redirect("cost-center-seats", pk)
    try:
        life.withdraw_seat_price(found, now=timezone.now())
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"The price from {long_day(found.effective_from)} is deleted.")
    return redirect("cost-center-seats", pk)


def _initial(rows: list[PriceRow], today: str) -> dict[str, Any]:
    """The price that holds, to be changed from today on."""
    now = next((row.price for row in rows if row.is_in_effect), None)
    if now is None:
        return {"tracking": PRICED, "effective_from": today}
    return {
        "tracking": NOT_TRACKED if now.monthly_price is None else PRICED,
        "monthly_price": None if now.monthly_price is None else plain(now.monthly_price),
        "committed_seats": now.committed_seats,
        "effective_from": today,
    }


def _save(request: HttpRequest, integration: Integration, price: SeatPrice, now: datetime) -> HttpResponse:
    """Raises NotPossible."""
    saved = life.set_seat_price(
        integration,
        monthly_price=price.monthly_price,
        committed_seats=price.committed_seats,
        effective_from=price.effective_from,
        user=request.user,
        now=now,
    )
    since = "today" if saved.effective_from == now.date() else long_day(saved.effective_from)
    if saved.monthly_price is None:
        sentence = f"From {since} on seats are not tracked. What was counted before stays."
    else:
        committed = "" if saved.committed_seats is None else f", with {saved.committed_seats:,} committed"
        amount = display(saved.monthly_price, integration.cost_center.currency)
        sentence = f"From {since} on a seat costs {amount} a month{committed}."
    messages.success(request, sentence)
    return redirect("cost-center-seats", integration.cost_center_id)
