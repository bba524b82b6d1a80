"""What the pages say on which a cost center is changed, its key replaced, its history read again or removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Exists, Min, OuterRef, Sum

from costcenters.access import DISCONNECT_COST_CENTERS, people_with
from costcenters.cost_query import CostQuery, Filter
from costcenters.explorer import SumTooLargeError, report
from costcenters.models import CostCenter, DailyCost
from costcenters.periods import Granularity, Span
from finops.money import display
from integrations import purge
from integrations.models import Integration, Stream, SyncRun
from integrations.pages.badges import Badge, status_badge
from integrations.pages.heading import name_of
from integrations.pages.instants import days_of
from integrations.progress import history_streams
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, StreamSpec
from integrations.seat_forecast import has_seats

#: Of those who may remove it, so many are named; of the windows that were kept, so many are listed.
MOST_ADMINS, MOST_KEPT = 5, 10


@dataclass(frozen=True, slots=True)
class Subject:
    """The cost center that a page changes. `provider` is None where nothing is read from one."""

    center: CostCenter
    integration: Integration | None
    provider: Provider | None
    is_purging: bool

    @classmethod
    def of(cls, center: CostCenter) -> Subject:
        integration = Integration.objects.filter(cost_center=center).first()
        provider = None if integration is None else PROVIDERS.get(integration.provider)
        return cls(
            center,
            None if provider is None else integration,
            provider,
            integration is not None and purge.is_purging(center),
        )

    @property
    def provider_name(self) -> str:
        return name_of(self.center, self.provider)

    @property
    def is_connected(self) -> bool:
        """Whether there is a key."""
        return self.integration is not None and not self.is_disconnected

    @property
    def is_disconnected(self) -> bool:
        return self.center.status == CostCenter.Status.DISCONNECTED

    @property
    def is_paused(self) -> bool:
        return self.center.status == CostCenter.Status.PAUSED

    @property
    def needs_attention(self) -> bool:
        return self.center.status == CostCenter.Status.NEEDS_ATTENTION

    @property
    def is_working(self) -> bool:
        return self.center.status in CostCenter.WORKING

    @property
    def has_seats(self) -> bool:
        return self.integration is not None and has_seats(self.integration.provider)

    @property
    def has_files(self) -> bool:
        """Whether it is read from files, found or uploaded."""
        return self.provider is not None and self.provider.takes_files

    @property
    def has_key(self) -> bool:
        """Whether there is, or may be, something that opens what is read."""
        return self.is_connected and self.provider is not None and self.provider.is_connectable

    @property
    def known_by(self) -> str:
        return "key" if self.provider is None else self.provider.known_by

    @property
    def badge(self) -> Badge:
        return status_badge(self.center, None)


@dataclass(frozen=True, slots=True)
class Known:
    """What of the history has been read, UTC. `rereading`: what is read again at present, or waits for it."""

    start: datetime | None
    end: datetime | None
    rereading: Span | None


@dataclass(frozen=True, slots=True)
class KeptWindow:
    """Days of which the provider returned fewer events than are stored, so that they were kept."""

    days: Span
    message: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of some days; `amount` is empty where it cannot be added up."""

    days: Span
    events: int
    amount: str


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a cost center holds, for whoever is about to delete it."""

    line_items: int
    since: date | None
    members: int
    prices: int


def admins() -> tuple[str, ...]:
    """Some of those who may remove a cost center."""
    people = people_with(DISCONNECT_COST_CENTERS).order_by("username")
    return tuple(person.get_username() for person in people[:MOST_ADMINS])


def known_history(subject: Subject) -> Known | None:
    """None where the provider has no history to read."""
    streams = [stream for _, stream in _history(subject)]
    if not streams:
        return None
    starts = [stream.backfilled_from for stream in streams]
    ends = [stream.synced_through for stream in streams]
    asked = [
        days_of(stream.reread_from, stream.reread_to)
        for stream in streams
        if stream.reread_from is not None and stream.reread_to is not None
    ]
    return Known(
        start=max((instant for instant in starts if instant is not None), default=None),
        end=min((instant for instant in ends if instant is not None), default=None),
        rereading=asked[0] if asked else None,
    )


def kept_windows(integration: Integration) -> list[KeptWindow]:
    """Windows that were kept and not read in full since, the newest run first."""
    complete = SyncRun.objects.filter(
        integration=integration,
        stream=OuterRef("stream"),
        pk__gt=OuterRef("pk"),
        outcome__in=SyncRun.STORED,
        window_start__lte=OuterRef("window_start"),
        window_end__gte=OuterRef("window_end"),
    )
    runs = SyncRun.objects.filter(
        ~Exists(complete), integration=integration, outcome=SyncRun.Outcome.KEPT
    ).order_by("-pk")[:MOST_KEPT]
    return [KeptWindow(days_of(run.window_start, run.window_end), run.message) for run in runs]


def stored_between(subject: Subject, first: date, last: date, *, now: datetime) -> Stored:
    """The provider's events of the days `first` … `last`, both inclusive, and what they are billed."""
    charge_types = sorted({name for spec, _ in _history(subject) for name in spec.charge_types})
    question = CostQuery(
        Span(first, last),
        granularity=Granularity.TOTAL.value,
        filters=(
            Filter("cost_center", (subject.center.name,)),
            Filter("charge_type", tuple(charge_types)),
        ),
        currency=subject.center.currency,
    )
    try:
        total = report(question, now=now).total
    except SumTooLargeError:
        return Stored(question.span, 0, "")
    return Stored(question.span, total.events, display(Decimal(total.measure), subject.center.currency))


def belongings(subject: Subject) -> Belongings:
    integration = subject.integration
    found = DailyCost.objects.filter(cost_center=subject.center).aggregate(
        line_items=Sum("line_items"), since=Min("day")
    )
    return Belongings(
        line_items=found["line_items"] or 0,
        since=found["since"],
        members=0 if integration is None else integration.members.count(),
        prices=subject.center.seat_prices.count(),
    )


def _history(subject: Subject) -> list[tuple[StreamSpec, Stream]]:
    integration, provider = subject.integration, subject.provider
    if integration is None or provider is None:
        return []
    return history_streams(provider, integration.streams.all())
