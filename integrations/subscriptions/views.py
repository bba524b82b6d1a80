"""The pages of subscriptions. Each view's first line says who may see it."""

from __future__ import annotations

import copy
from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, VIEW_REPORTS, require
from costcenters.display.figures import counted
from costcenters.models import CostCenter
from costcenters.periods import long_day
from integrations.models import Subscription, SubscriptionSeats
from integrations.seat_forecast import has_seats
from integrations.subscriptions import changes, cost_center, typed_seats
from integrations.subscriptions.amortisation import next_period_start
from integrations.subscriptions.change_page import Change, Fieldset, answer
from integrations.subscriptions.changes import Draft, NotPossible
from integrations.subscriptions.forms import (
    PER_SEAT,
    DeleteForm,
    EndForm,
    NewTermsForm,
    SeatsForm,
    SubscriptionForm,
    WithdrawForm,
    initial_terms,
)
from integrations.subscriptions.page import subscription_list, subscription_page
from integrations.subscriptions.preview import preview

PAGE = ["GET", "HEAD", "POST"]
REMIND_DAYS = 14


@require_safe
@never_cache
def subscriptions(request: HttpRequest) -> HttpResponse:
    require(request, VIEW_REPORTS)
    page = subscription_list(timezone.now().date())
    return render(request, "integrations/subscriptions.html", {"page": page})


@require_safe
@never_cache
def subscription(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, VIEW_REPORTS)
    page = subscription_page(_of(pk), timezone.now().date())
    return render(request, "integrations/subscription.html", {"page": page})


@never_cache
@require_http_methods(PAGE)
def add(request: HttpRequest) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)
    today = timezone.now().date()
    offered, tracked = cost_centers_with_seats(today)
    form = SubscriptionForm(
        _posted(request),
        initial={
            "pricing": PER_SEAT,
            "period": Subscription.Period.MONTHLY,
            "currency": _usual_currency(),
            "starts_on": today,
            "remind_days": REMIND_DAYS,
        },
        today=today,
        offered=offered,
    )

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        added = changes.add(draft, user=request.user, now=now)
        return added, f"“{added.name}” is added. Its lines are in the bill, in “{added.cost_center.name}”."

    return answer(
        request, Change("Add a subscription", form, _fieldsets(form, tracked), save, verb="Add it"), today
    )


@never_cache
@require_http_methods(PAGE)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything about it. Days that were counted change only where somebody says that they were wrong."""
    require(request, CONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    before = Draft.of(known)
    offered, tracked = cost_centers_with_seats(today)
    form = SubscriptionForm(
        _posted(request),
        initial={
            **initial_terms(before, known.starts_on),
            "name": known.name,
            "currency": known.currency,
            "starts_on": known.starts_on,
            "renews_on": known.renews_on,
            "remind_days": known.remind_days,
            "owner": known.owner,
            "tags": known.tags,
            "seats_of": known.seats_of_id,
        },
        today=today,
        known=known,
        changes=before.changes,
        offered=offered,
    )

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        saved = changes.save(draft, now=now, known=known)
        return saved, f"“{saved.name}” is changed{_and_its_lines(saved)}."

    change = Change(
        f"Edit {known.name}",
        form,
        _fieldsets(form, tracked),
        save,
        known,
        [before],
        note="Another price or number of seats from some day on is no edit: it has new terms, or its seats change.",
        corrects=True,
    )
    return answer(request, change, today)


@never_cache
@require_http_methods(PAGE)
def new_terms(request: HttpRequest, pk: int) -> HttpResponse:
    """Another price, plan or period from a day on: what was paid before stays as it is."""
    require(request, CONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    before = Draft.of(known)
    begins = next_period_start(before.terms, today)
    form = NewTermsForm(
        _posted(request),
        initial={**initial_terms(before, begins), "starts_on": begins},
        today=today,
        known=before,
    )

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        added = changes.new_terms(known, draft, now=now)
        day = long_day(added.starts_on)
        return (
            added,
            f"From {day} on the new terms hold{_and_its_lines(added)}. The old ones end the day before.",
        )

    def beside(draft: Draft) -> list[Draft]:
        return [ended_before(before, draft.subscription.starts_on)]

    change = Change(
        f"New terms of {known.name}",
        form,
        (
            Fieldset("From when", (form["starts_on"],)),
            Fieldset(
                "What it costs then",
                tuple(form[each] for each in ("plan", "pricing", "seats", "price", "period")),
            ),
        ),
        save,
        known,
        [before],
        beside,
        note="The subscription ends on the day before, and one of the same name goes on with the new terms. Choose the "
        "day of a payment, unless the new price is really paid earlier: what was paid is not given back.",
    )
    return answer(request, change, today)


@never_cache
@require_http_methods(PAGE)
def end(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, CONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    before = Draft.of(known)
    form = EndForm(_posted(request), initial={"ends_on": known.ends_on}, today=today, known=before)

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        saved, ends_on = changes.save(draft, now=now, known=known), draft.subscription.ends_on
        if ends_on is None:
            return saved, f"“{saved.name}” goes on{_and_its_lines(saved)}."
        ended = "ended" if ends_on < today else "ends"
        return saved, f"“{saved.name}” {ended} on {long_day(ends_on)}{_and_its_lines(saved)}."

    paid_until = long_day(_day_before(next_period_start(before.terms, max(today, known.starts_on))))
    change = Change(
        f"End {known.name}",
        form,
        (Fieldset("When it ends", (form["ends_on"],), f"The present period lasts until {paid_until}."),),
        save,
        known,
        [before],
        note="No payment is made after its last day. What was paid for days after it is not given back: it is spread "
        "over the days of that period that are left, so all that was paid is in the effective cost too.",
    )
    return answer(request, change, today)


@never_cache
@require_http_methods(PAGE)
def seats(request: HttpRequest, pk: int) -> HttpResponse:
    """Another number of seats from a day on."""
    require(request, CONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    before = Draft.of(known)
    if known.seats is None:
        messages.info(request, f"“{known.name}” is a flat fee: it has no seats. New terms can give it some.")
        return redirect("subscription", pk)
    form = SeatsForm(_posted(request), initial={"effective_from": today}, today=today, known=before)

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        day, number = form.cleaned_data["effective_from"], form.cleaned_data["seats"]
        changes.set_seats(known, day, number, now=now)
        return (
            known,
            f"“{known.name}” has {counted(number, 'seat')} from {long_day(day)} on{_and_its_lines(known)}.",
        )

    change = Change(
        f"Seats of {known.name}",
        form,
        (Fieldset("So many from a day on", (form["seats"], form["effective_from"])),),
        save,
        known,
        [before],
        note="Seats that are added within a period are paid from their day to its end, on that day. Seats that are "
        "given up are paid until the end of the period.",
    )
    return answer(request, change, today)


@never_cache
@require_http_methods(PAGE)
def seats_withdraw(request: HttpRequest, pk: int, change: int) -> HttpResponse:
    """A change of seats that never was; it says first what that makes of the days that were counted."""
    require(request, CONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    found = SubscriptionSeats.objects.select_related("subscription__cost_center").filter(
        pk=change, subscription=known
    )
    withdrawn = found.first()
    if withdrawn is None:
        messages.info(request, "This change of seats is withdrawn already.")
        return redirect("subscription", pk)
    before = Draft.of(known)
    day = withdrawn.effective_from
    form = WithdrawForm(_posted(request) or {}, today=today, known=before, day=day)

    def save(draft: Draft, now: datetime) -> tuple[Subscription, str]:
        changes.withdraw_seats(withdrawn, now=now)
        return known, f"The change of seats from {long_day(day)} is withdrawn{_and_its_lines(known)}."

    page = Change(
        f"Withdraw {counted(withdrawn.seats, 'seat')} from {long_day(day)}",
        form,
        (),
        save,
        known,
        [before],
        verb="Withdraw",
        note="As if the number had never changed on that day.",
    )
    return answer(request, page, today)


@never_cache
@require_http_methods(PAGE)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """It goes with all of its lines; its name typed once more confirms."""
    require(request, DISCONNECT_COST_CENTERS)
    known, today = _of(pk), timezone.now().date()
    form = DeleteForm(_posted(request), name=known.name)
    if form.is_valid():
        try:
            changes.delete(known, now=timezone.now())
        except NotPossible as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"“{known.name}” is deleted, and all of its lines with it.")
            return redirect("subscriptions")
    context = {"subscription": known, "form": form, "preview": preview([Draft.of(known)], [], today=today)}
    return render(request, "integrations/subscription_delete.html", context)


@require_POST
def count_again(request: HttpRequest, pk: int) -> HttpResponse:
    """A removed cost center of subscriptions, whose history was kept, goes on."""
    require(request, CONNECT_COST_CENTERS)
    center = get_object_or_404(CostCenter, pk=pk, provider=cost_center.SLUG)
    try:
        changes.count_again(center, user=request.user, now=timezone.now())
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"“{center.name}” is counted again, the days since it was removed too.")
    return redirect("subscriptions")


# ----------------------------------------------------------------------------------------------------------------------


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _of(pk: int) -> Subscription:
    found = Subscription.objects.select_related("cost_center", "seats_of").prefetch_related("seat_changes")
    return get_object_or_404(found, pk=pk)


def _fieldsets(form: SubscriptionForm, tracked: list[CostCenter]) -> tuple[Fieldset, ...]:
    terms = ("pricing", "seats", "price", "currency", "period", "starts_on", "ends_on")
    names = ", ".join(f"“{center.name}”" for center in tracked)
    note = (
        "For people who would rather type a cost center's seats than have them estimated from its members and a seat "
        "price. It has one or the other, never both."
    )
    if tracked:
        note += f" Not offered: {names}, with a seat price. Stop tracking seats there first."
    return (
        Fieldset("What it is", tuple(form[each] for each in ("name", "plan", "owner", "tags"))),
        Fieldset("What it costs", tuple(form[each] for each in terms if each in form.fields)),
        Fieldset("Renewal", (form["renews_on"], form["remind_days"])),
        Fieldset("Seats of a cost center", (form["seats_of"],), note),
    )


def cost_centers_with_seats(today: date) -> tuple[list[CostCenter], list[CostCenter]]:
    """Those whose seats may be typed, and those that are estimated."""
    centers = CostCenter.objects.exclude(status=CostCenter.Status.DISCONNECTED).prefetch_related(
        "seat_prices"
    )
    known = [center for center in centers if has_seats(center.provider)]
    tracked = [center for center in known if typed_seats.is_tracked(center, today)]
    return [center for center in known if center not in tracked], tracked


def _usual_currency() -> str:
    """That of the oldest of them, else of any cost center."""
    first = cost_center.all_of_them()[:1] or list(CostCenter.objects.order_by("pk")[:1])
    return first[0].currency if first else "USD"


def _and_its_lines(saved: Subscription) -> str:
    """Completes a sentence, of one that is not counted at present."""
    center = CostCenter.objects.get(pk=saved.cost_center_id)
    if center.status in CostCenter.WORKING:
        return ""
    state = "paused" if center.status == CostCenter.Status.PAUSED else "removed"
    return f"; no new days are counted, since “{center.name}” is {state}"


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def ended_before(draft: Draft, day: date) -> Draft:
    """The same, ended on the day before `day` unless it ends earlier."""
    ended = copy.copy(draft.subscription)
    last = _day_before(day)
    if (ended.ends_on is None or ended.ends_on > last) and last >= ended.starts_on:
        ended.ends_on = last
    return Draft(ended, draft.changes)
