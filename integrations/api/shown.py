"""A connection as the API shows it: never what it is connected with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Prefetch, QuerySet
from django.utils import timezone
from rest_framework import serializers

from costcenters.models import CostCenter, SeatPrice
from finops.api.fields import Amount
from integrations.api.runs import SyncRunSerializer
from integrations.models import Integration, Member, Stream, SyncRun
from integrations.pages.heading import Heading, heading
from integrations.pages.loading import activities
from integrations.pages.streams import stream_badge
from integrations.providers.base import StreamSpec

FRESHNESS = (
    ("current", "As new as can be"),
    ("late", "More should be there"),
    ("broken", "Nothing comes in"),
)
STATES = ("stopped", "reading", "failing", "not complete yet", "complete")


@dataclass(frozen=True, slots=True)
class ShownStream:
    stream: Stream
    label: str
    state: str
    works: bool

    @property
    def due_at(self) -> datetime | None:
        return self.stream.due_at if self.works else None

    @property
    def last_error(self) -> str:
        return self.stream.last_error if self.works else ""


@dataclass(frozen=True, slots=True)
class ShownIntegration:
    """`price` is what holds today; `seats` are the active paid ones, None where nobody tells."""

    integration: Integration
    heading: Heading
    price: SeatPrice | None
    seats: int | None
    streams: tuple[ShownStream, ...]
    activities: tuple[str, ...]

    @property
    def freshness(self) -> str:
        return self.heading.freshness.state or "current"

    @property
    def last_error(self) -> str:
        """Why it needs attention, else what keeps the first stream that cannot be read."""
        if self.integration.cost_center.status == CostCenter.Status.NEEDS_ATTENTION:
            return self.integration.attention
        return next((stream.last_error for stream in self.streams if stream.last_error), "")


class StreamSerializer(serializers.Serializer[ShownStream]):
    name = serializers.CharField(source="stream.name")
    label = serializers.CharField(help_text="What people call it.")  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=[(each, each) for each in STATES])
    synced_through = serializers.DateTimeField(
        source="stream.synced_through", allow_null=True, help_text="All before this instant has been read."
    )
    backfilled_from = serializers.DateTimeField(
        source="stream.backfilled_from", allow_null=True, help_text="So far back the history has been read."
    )
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is read next; null while it is not read at all."
    )
    last_error = serializers.CharField(help_text="Empty when all is well.")


class HistorySerializer(serializers.Serializer[Any]):
    percent = serializers.IntegerField(
        min_value=0, max_value=100, help_text="Rounded down: 100 is all of it."
    )
    days_read = serializers.IntegerField(help_text="How many days of it are read.")
    days_known = serializers.IntegerField(help_text="Days that are to be read in all.")


class DeletionSerializer(serializers.Serializer[Any]):
    percent = serializers.IntegerField(min_value=0, max_value=100, help_text="How much of it is gone.")


class IntegrationListSerializer(serializers.ListSerializer[Any]):
    def to_representation(self, data: Any) -> Any:
        return super().to_representation(shown(data, timezone.now()))


class IntegrationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="integration.pk")
    name = serializers.CharField(
        source="integration.cost_center.name", help_text="How it is called in the bill."
    )
    cost_center = serializers.IntegerField(source="integration.cost_center_id")
    provider = serializers.CharField(
        source="integration.provider", help_text="The short name of its provider."
    )
    currency = serializers.CharField(source="integration.cost_center.currency", help_text="ISO 4217.")
    status = serializers.ChoiceField(
        source="integration.cost_center.status",
        choices=CostCenter.Status.choices,
        help_text="`connecting` until its history is read for the first time.",
    )
    attention = serializers.CharField(
        source="integration.attention", help_text="Why it needs attention, and what to do; else empty."
    )
    key_hint = serializers.CharField(
        source="integration.key_hint", help_text="The last characters of its key; empty without one."
    )
    connected_on = serializers.DateField(
        source="integration.cost_center.connected_on",
        allow_null=True,
        help_text="UTC day from which seats are counted.",
    )
    connected_by = serializers.CharField(
        source="integration.connected_by.username",
        allow_null=True,
        help_text="The user name; null where nobody is known.",
    )
    set_up_at = serializers.DateTimeField(
        source="integration.set_up_at",
        allow_null=True,
        help_text="When its history had been read for the first time.",
    )
    complete_through = serializers.DateTimeField(
        source="integration.cost_center.complete_through",
        allow_null=True,
        help_text="All cost before this instant is in.",
    )
    freshness = serializers.ChoiceField(choices=FRESHNESS)
    last_error = serializers.CharField(help_text="What keeps it from being read; empty when nothing does.")
    monthly_seat_price = Amount(
        source="price.monthly_price",
        allow_null=True,
        help_text="Of one seat, as it holds today. Null: seats are not tracked.",
    )
    committed_seats = serializers.IntegerField(
        source="price.committed_seats",
        allow_null=True,
        help_text="Seats that are paid for whether they are taken or not.",
    )
    seats = serializers.IntegerField(
        allow_null=True, help_text="Active members in a paid seat; null where nobody tells."
    )
    history = HistorySerializer(
        source="heading.history", allow_null=True, help_text="How much of it has been read; null without one."
    )
    activities = serializers.ListField(
        child=serializers.CharField(), help_text="What is read, or waited for, while it is `connecting`."
    )
    deletion = DeletionSerializer(
        source="heading.purge",
        allow_null=True,
        help_text="How far the deletion of its history is; null unless it is being deleted.",
    )
    streams = StreamSerializer(many=True, help_text="What is read of it, each in a rhythm of its own.")

    class Meta:
        list_serializer_class = IntegrationListSerializer


class ConnectedSerializer(IntegrationSerializer):
    warning = serializers.CharField(
        help_text="What should be looked at, such as double counting; else empty."
    )
    run = SyncRunSerializer(help_text="What is being read: ask for it until it is done.")


class RotatedSerializer(IntegrationSerializer):
    warning = serializers.CharField(help_text="What should be looked at; else empty.")
    run = SyncRunSerializer(
        allow_null=True, help_text="What is being read with the new key; null while it is paused."
    )


def known_integrations() -> QuerySet[Integration]:
    """Without their credentials."""
    streams = Stream.objects.defer("recent_requests").order_by("pk")
    return (
        Integration.objects.select_related("cost_center", "connected_by")
        .defer("credentials")
        .prefetch_related(Prefetch("streams", streams))
    )


def integration_json(pk: int) -> dict[str, Any]:
    """Raises Integration.DoesNotExist."""
    (found,) = shown([known_integrations().get(pk=pk)], timezone.now())
    return dict(IntegrationSerializer(found).data)


def shown(integrations: Iterable[Integration], now: datetime) -> list[ShownIntegration]:
    """`known_integrations`, in as many queries whether there is one or a thousand."""
    found = list(integrations)
    prices, seats = _prices(found, now.date()), _seats(found)
    running = _running(found)
    return [_shown(each, prices, seats, running.get(each.pk, []), now) for each in found]


def _shown(
    integration: Integration,
    prices: dict[int, SeatPrice],
    seats: dict[int, int],
    running: list[SyncRun],
    now: datetime,
) -> ShownIntegration:
    center, streams = integration.cost_center, list(integration.streams.all())
    head = heading(center, integration, streams, now)
    provider = head.provider
    specs = {} if provider is None else {spec.name: spec for spec in provider.streams}
    loads = provider is not None and center.status == CostCenter.Status.CONNECTING
    return ShownIntegration(
        integration=integration,
        heading=head,
        price=prices.get(center.pk),
        seats=seats.get(integration.pk, 0) if head.has_members else None,
        streams=tuple(
            _stream(each, specs.get(each.name), center, now) for each in streams if each.name != Stream.PURGE
        ),
        activities=tuple(activities(provider, streams, running, now))
        if provider is not None and loads
        else (),
    )


def _stream(stream: Stream, spec: StreamSpec | None, center: CostCenter, now: datetime) -> ShownStream:
    works = center.status in CostCenter.WORKING
    return ShownStream(
        stream=stream,
        label=stream.name if spec is None else spec.label,
        state=stream_badge(stream, works=works, now=now).text.lower(),
        works=works,
    )


def _prices(integrations: Sequence[Integration], today: date) -> dict[int, SeatPrice]:
    """Those in effect, by cost center."""
    prices = SeatPrice.objects.filter(
        cost_center__in=[each.cost_center_id for each in integrations], effective_from__lte=today
    )
    return {price.cost_center_id: price for price in prices.order_by("effective_from", "pk")}


def _seats(integrations: Sequence[Integration]) -> dict[int, int]:
    paid = Member.objects.filter(integration__in=integrations, is_active=True, is_paid=True).order_by()
    return dict(paid.values_list("integration_id").annotate(Count("pk")))


def _running(integrations: Sequence[Integration]) -> dict[int, list[SyncRun]]:
    """The windows being read, by integration, of those that are read for the first time."""
    loading = [each for each in integrations if each.cost_center.status == CostCenter.Status.CONNECTING]
    found: dict[int, list[SyncRun]] = {}
    runs = SyncRun.objects.of_windows().filter(integration__in=loading, outcome=SyncRun.Outcome.RUNNING)
    for run in runs.defer("sample"):
        found.setdefault(run.integration_id, []).append(run)
    return found
