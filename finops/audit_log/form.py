"""From a query string to the entries asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from auditlog.models import LogEntry
from django import forms
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from finops.audit_log.kinds import KINDS, content_type_id
from finops.paging import PagedForm, Position

ONEBILL, NOT_LOGGED_IN = "onebill", "not-logged-in"
#: Who is behind entries without an account: nobody was asking, or somebody who had not logged in.
NOBODY = Q(actor=None, actor_email=None, remote_addr=None)
STRANGER = Q(actor=None, actor_email=None, remote_addr__isnull=False)
ACTIONS = {
    "added": LogEntry.Action.CREATE,
    "changed": LogEntry.Action.UPDATE,
    "removed": LogEntry.Action.DELETE,
}


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries, as a filter; `after` asks for older ones than this place, `before` for newer ones; not both."""

    condition: Q
    after: Position | None = None
    before: Position | None = None

    def entries(self) -> QuerySet[LogEntry]:
        """All entries asked for wherever the page begins, newest first."""
        found: QuerySet[LogEntry] = LogEntry.objects.filter(self.condition)
        return found.order_by("-timestamp", "-pk")


class AuditLogForm(PagedForm):
    """Every field may be left out. Days are UTC and inclusive."""

    who = forms.ChoiceField(
        label="Who",
        required=False,
        error_messages={"invalid_choice": "Choose one of the list."},
    )
    kind = forms.ChoiceField(
        error_messages={"invalid_choice": "Choose one of the list."},
        label="Kind",
        required=False,
        choices=[("", "Everything"), *((kind.slug, kind.label) for kind in KINDS)],
    )
    action = forms.ChoiceField(
        error_messages={"invalid_choice": "Choose one of the list."},
        label="Action",
        required=False,
        choices=[("", "Any"), *((slug, slug.capitalize()) for slug in ACTIONS)],
    )
    start = forms.DateField(
        label="From (UTC day)",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Enter a day such as 2026-11-21."},
    )
    end = forms.DateField(
        label="Through (UTC day)",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Enter a day such as 2026-11-21."},
    )
    q = forms.CharField(
        label="Name contains",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.order_by("username").values_list("pk", "username")
        self.fields["who"].choices = [  # type: ignore[attr-defined]
            ("", "Everybody"),
            (ONEBILL, "Onebill itself"),
            (NOT_LOGGED_IN, "Somebody not logged in"),
            *((str(pk), username) for pk, username in people),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        start, end = cleaned.get("start"), cleaned.get("end")
        if start and end and start > end:
            self.add_error("end", "Must not be before the first day.")
        return cleaned

    def wanted(self) -> AuditQuery:
        """The entries asked for. Only of a valid form."""
        cleaned, condition = self.cleaned_data, Q()
        if who := cleaned["who"]:
            condition &= {ONEBILL: NOBODY, NOT_LOGGED_IN: STRANGER}.get(who) or Q(actor=int(who))
        if slug := cleaned["kind"]:
            condition &= Q(content_type=next(content_type_id(kind) for kind in KINDS if kind.slug == slug))
        if action := cleaned["action"]:
            condition &= Q(action=ACTIONS[action])
        if start := cleaned["start"]:
            condition &= Q(timestamp__gte=_midnight(start))
        if end := cleaned["end"]:
            condition &= Q(timestamp__lte=datetime.combine(end, time.max, UTC))
        if text := cleaned["q"]:
            condition &= Q(object_repr__icontains=text)
        return AuditQuery(condition, after=cleaned["after"], before=cleaned["before"])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
