"""What the sync has written, to be looked at: streams, runs, members, seats, the provider's totals, waiting e-mails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from finops.admin import ReadOnlyAdmin, change_link
from finops.money import plain
from integrations.models import Integration, Member, Notice, ProviderTotal, SeatSnapshot, Stream, SyncRun
from integrations.pages.runs import EVERYTHING


class OfAConnection(ReadOnlyAdmin):
    """Rows of an integration, each with the way to it."""

    list_select_related = ("integration__cost_center",)

    @admin.display(description="Connection")
    def connection(self, row: object) -> SafeString:
        integration: Integration = row.integration  # type: ignore[attr-defined]
        return change_link(integration)


@admin.register(Stream)
class StreamAdmin(OfAConnection):
    list_display = (
        *("name", "connection", "synced_through", "backfilled_from", "due_at", "attempts"),
        *("failing_since", "finished_at"),
    )
    list_filter = ("name", ("failing_since", admin.EmptyFieldListFilter), "integration")
    search_fields = ("last_error", "integration__cost_center__name")
    exclude = ("claim_token", "recent_requests")


class RunStreamFilter(admin.AllValuesFieldListFilter):
    """As stock. What somebody asked for as a whole is of no stream."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or EVERYTHING}


@admin.register(SyncRun)
class SyncRunAdmin(OfAConnection):
    list_display = (
        *("started_at", "connection", "of_stream", "window_start", "window_end", "outcome"),
        *("events", "requests", "waited_seconds", "revised_by"),
    )
    list_filter = ("outcome", ("stream", RunStreamFilter), "integration")
    date_hierarchy = "started_at"
    search_fields = ("message",)
    ordering = ("-pk",)
    sortable_by = ()

    @admin.display(description="Stream")
    def of_stream(self, run: SyncRun) -> str:
        return run.stream or EVERYTHING

    @admin.display(description="Bill changed by")
    def revised_by(self, run: SyncRun) -> str:
        if run.amount_before is None or run.amount_after is None:
            return "–"
        return plain(run.amount_after - run.amount_before)


@admin.register(Member)
class MemberAdmin(OfAConnection):
    list_display = ("key", "name", "connection", "role", "is_active", "is_paid", "first_seen", "last_seen")
    list_filter = ("is_active", "is_paid", "role", "integration")
    search_fields = ("key", "name", "external_id")


@admin.register(SeatSnapshot)
class SeatSnapshotAdmin(OfAConnection):
    list_display = ("day", "member", "connection")
    list_select_related = ("integration__cost_center", "member")  # type: ignore[assignment]
    list_filter = ("integration",)
    search_fields = ("member__key",)
    ordering = ("-pk",)
    sortable_by = ()


@admin.register(ProviderTotal)
class ProviderTotalAdmin(OfAConnection):
    list_display = (
        "user",
        "connection",
        "period_start",
        "on_demand_cost",
        "included_cost",
        "read_at",
        "note",
    )
    list_filter = ("period_start", "integration")
    search_fields = ("user",)


@admin.register(Notice)
class NoticeAdmin(OfAConnection):
    """E-mails that wait to be sent: gone from here once they are."""

    list_display = ("event", "connection", "user", "not_before", "attempts")
    list_select_related = ("integration__cost_center", "user")  # type: ignore[assignment]
    list_filter = ("event",)
