"""What was read when and what came of it, by API: windows of streams, and what somebody asked for as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from finops.api.fields import Amount
from finops.api.parameters import PagedQuery
from finops.api.views import ApiViewSet
from finops.paging import LARGEST_ID
from integrations.models import Integration, SyncRun

TAGS = ["connections"]
#: In a query, for the runs that are of no stream.
NO_STREAM = "(none)"


class RunQuery(PagedQuery):
    stream = serializers.CharField(
        required=False,
        max_length=50,
        help_text=f"Of this stream, by its name; `{NO_STREAM}`: what somebody asked for as a whole.",
    )
    outcome = serializers.ChoiceField(required=False, choices=SyncRun.Outcome.choices)
    since = serializers.DateTimeField(required=False, help_text="Begun at this instant or later.")


class AnyRunQuery(RunQuery):
    integration = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Those of this connection, by its id."
    )


class SyncRunSerializer(serializers.Serializer[SyncRun]):
    id = serializers.IntegerField()
    integration = serializers.IntegerField(source="integration_id")
    stream = serializers.SerializerMethodField(
        help_text="The name of the stream of which a window was read. Null: a run of all that somebody asked for, "
        "which is done when every stream that it is about is complete."
    )
    window_start = serializers.SerializerMethodField(
        help_text="The first instant of what was read; null for a run of everything."
    )
    window_end = serializers.SerializerMethodField(help_text="The first instant after it; null likewise.")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is running.")
    seconds = serializers.SerializerMethodField(help_text="How long it took; null while it is running.")
    outcome = serializers.ChoiceField(
        choices=SyncRun.Outcome.choices,
        help_text="`running` until it is over. Of a run of everything: `done` once all is read, `failed` when a part "
        "could not be read (which is tried again by itself; the run stays failed), `interrupted` when the connection "
        "was paused, given another key or removed meanwhile. Of a window also: `unchanged`, `split` (read in parts), "
        "`kept` (the provider no longer returns all of it; what was stored stays).",
    )
    events = serializers.IntegerField(help_text="Records read; of a run of everything, in all its windows.")
    requests = serializers.IntegerField(help_text="Requests to the provider, likewise.")
    waited_seconds = serializers.IntegerField(help_text="Spent waiting for the provider's rate limit.")
    currency = serializers.CharField(help_text="Of the amounts.")
    amount_before = Amount(
        allow_null=True,
        help_text="What the lines of the window were billed before; null where none were read.",
    )
    amount_after = Amount(allow_null=True, help_text="And after: the difference is what the bill changed by.")
    kept_days = serializers.ListField(
        child=serializers.DateField(),
        help_text="UTC days that the provider no longer returns in full, kept as they were.",
    )
    message = serializers.CharField(
        help_text="What happened and what to do about it; empty when all is well."
    )

    def get_stream(self, run: SyncRun) -> str | None:
        return run.stream or None

    def get_window_start(self, run: SyncRun) -> datetime | None:
        return run.window_start if self._has_window(run) else None

    def get_window_end(self, run: SyncRun) -> datetime | None:
        return run.window_end if self._has_window(run) else None

    def get_seconds(self, run: SyncRun) -> int | None:
        if run.finished_at is None:
            return None
        return max(round((run.finished_at - run.started_at).total_seconds()), 0)

    @staticmethod
    def _has_window(run: SyncRun) -> bool:
        return run.has_window or not run.is_asked_for


EXAMPLE: dict[str, Any] = {
    "id": 4711,
    "integration": 1,
    "stream": None,
    "window_start": None,
    "window_end": None,
    "started_at": "2026-11-21T14:05:00Z",
    "finished_at": "2026-11-21T14:05:21Z",
    "seconds": 21,
    "outcome": "done",
    "events": 1834,
    "requests": 5,
    "waited_seconds": 0,
    "currency": "USD",
    "amount_before": "812.40",
    "amount_after": "815.0931",
    "kept_days": [],
    "message": "",
}


class SyncRunsView(ApiViewSet):
    """`/api/v1/sync-runs/`"""

    permissions = {"list": VIEW_REPORTS, "retrieve": VIEW_REPORTS, "of_integration": VIEW_REPORTS}
    queries = {"list": AnyRunQuery, "of_integration": RunQuery}

    @extend_schema(
        operation_id="sync_runs_list",
        summary="List runs",
        tags=TAGS,
        responses=SyncRunSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """What was read of all connections, the newest first."""
        found = known_runs()
        if "integration" in self.asked:
            found = found.filter(integration=self.asked["integration"])
        return self._page(found)

    @extend_schema(
        operation_id="integrations_runs",
        summary="List the runs of a connection",
        tags=TAGS,
        responses=SyncRunSerializer(many=True),
    )
    def of_integration(self, request: Request, pk: int) -> Response:
        """What was read of this connection, the newest first."""
        get_object_or_404(Integration.objects.only("pk"), pk=pk)
        return self._page(known_runs().filter(integration=pk))

    @extend_schema(
        operation_id="sync_runs_retrieve",
        summary="One run",
        tags=TAGS,
        responses=SyncRunSerializer,
        examples=[OpenApiExample("Everything, done", value=EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """To be asked every few seconds while its `outcome` is `running`."""
        return Response(SyncRunSerializer(get_object_or_404(known_runs(), pk=pk)).data)

    def _page(self, found: QuerySet[SyncRun]) -> Response:
        asked = self.asked
        if "stream" in asked:
            found = found.filter(
                stream=SyncRun.EVERYTHING if asked["stream"] == NO_STREAM else asked["stream"]
            )
        if "outcome" in asked:
            found = found.filter(outcome=asked["outcome"])
        if "since" in asked:
            found = found.filter(started_at__gte=asked["since"])
        return self.page(found, SyncRunSerializer)


def known_runs() -> QuerySet[SyncRun]:
    """With the currency of their amounts; without what is told on the page of runs only."""
    return SyncRun.objects.defer("sample").annotate(currency=F("integration__cost_center__currency"))


def run_json(run: SyncRun) -> Any:
    return SyncRunSerializer(known_runs().get(pk=run.pk)).data


def address_of(run: SyncRun) -> str:
    return reverse("api-sync-runs-detail", args=[run.pk])
