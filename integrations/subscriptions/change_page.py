"""The page on which something about a subscription is changed: shown first, saved only as it was shown.

`previewed` says what was shown. htmx asks for the preview alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from integrations.models import Subscription
from integrations.subscriptions.changes import Draft, NotPossible
from integrations.subscriptions.forms import PreviewedForm
from integrations.subscriptions.preview import preview


@dataclass(frozen=True, slots=True)
class Fieldset:
    """Fields under one heading; `note` is said below it."""

    legend: str
    fields: tuple[forms.BoundField, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One page on which something is changed. `subscription` is None where one is added; `save` raises NotPossible and
    answers what is said of it; `corrects`: a change of days that were counted needs a tick."""

    title: str
    form: PreviewedForm
    fieldsets: tuple[Fieldset, ...]
    save: Callable[[Draft, datetime], tuple[Subscription, str]]
    subscription: Subscription | None = None
    before: list[Draft] = field(default_factory=list)
    #: What of `before` stays beside the new one.
    beside: Callable[[Draft], list[Draft]] = lambda draft: []
    verb: str = "Save"
    note: str = ""
    corrects: bool = False


def answer(request: HttpRequest, change: Change, today: date) -> HttpResponse:
    """The page, the preview alone, or, once it is saved, the way to the subscription."""
    form = change.form
    draft = form.draft if form.is_bound and form.is_valid() else None
    after = [] if draft is None else [*change.beside(draft), draft]
    shown = None
    if draft is not None:
        shown = preview(change.before, after, today=today)
    elif change.subscription is not None and not form.is_bound:
        shown = preview(change.before, change.before, today=today)
    asks = change.corrects and shown is not None and bool(shown.counted)
    presses_save = draft is not None and "save" in request.POST
    was_changed_since = False
    if draft is not None and presses_save:
        was_changed_since = request.POST.get("previewed") != form.stamp
        if not was_changed_since and asks and request.POST.get("corrects") != "on":
            form.add_error(
                "corrects",
                "Say that it was wrong from the beginning, or give it new terms from a day on instead.",
            )
        elif not was_changed_since:
            try:
                saved, sentence = change.save(draft, timezone.now())
            except NotPossible as refusal:
                form.refuse(refusal)
                shown = None
            else:
                messages.success(request, sentence)
                return redirect("subscription", saved.pk)
    context: dict[str, Any] = {
        "change": change,
        "form": form,
        "subscription": change.subscription,
        "preview": shown,
        "asks": asks,
        "can_save": form.draft is not None and draft is not None,
        "was_changed_since": was_changed_since,
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "integrations/_subscription_preview.html", context)
    return render(request, "integrations/subscription_form.html", context)
