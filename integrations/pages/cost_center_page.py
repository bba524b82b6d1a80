"""One cost center's page: what is to be done, how it is, what is read of it and what came of it lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import Aggregate, Count, Max, Q

from costcenters.models import CostCenter
from finops.models import Heartbeat
from finops.secrets import SecretUnreadable
from integrations.models import ImportedFile, Integration, Stream
from integrations.pages.heading import Heading, heading, integration_of
from integrations.pages.loading import Bill, Loading, activities, bill_of_files, bill_since, loading
from integrations.pages.runs import RunRow, recent_runs, run_rows
from integrations.pages.seat_prices import PriceRow, price_rows
from integrations.pages.streams import StreamRow, is_held, is_waiting, stream_rows

RUNS_SHOWN = 25
SET_UP_IS_NEWS_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Team:
    """How many of the members ever seen are active in a paid seat, active without one, or gone."""

    paid: int
    unpaid: int
    left: int


@dataclass(frozen=True, slots=True)
class Files:
    """How many files are in which state; not counted are those that were replaced, or that somebody left out.

    `location` is empty for none.
    """

    imported: int
    waiting: int
    asking: int
    refused: int
    imported_at: datetime | None
    location: str

    @property
    def is_empty(self) -> bool:
        return not (self.imported or self.waiting or self.asking or self.refused)


@dataclass(frozen=True, slots=True)
class CostCenterPage:
    """`refresh_seconds`: the page asks again after so long, since something happens; 0 when nothing does.

    `api_address` is empty where it is the provider's own. `files` is None where it is not read from files, and
    `activities` say what is done with them while they are read for the first time.
    """

    heading: Heading
    loading: Loading | None
    bill: Bill | None
    set_up_is_news: bool
    worker_is_missing: bool
    streams: tuple[StreamRow, ...]
    runs: tuple[RunRow, ...]
    prices: tuple[PriceRow, ...]
    team: Team | None
    files: Files | None
    activities: tuple[str, ...]
    api_address: str
    refresh_seconds: int

    @property
    def center(self) -> CostCenter:
        return self.heading.center

    @property
    def integration(self) -> Integration | None:
        return self.heading.integration

    @property
    def provider_name(self) -> str:
        return self.heading.provider_name

    @property
    def troubles(self) -> list[StreamRow]:
        """Streams that have been failing for long."""
        return [row for row in self.streams if row.trouble]


def cost_center_page(center: CostCenter, now: datetime) -> CostCenterPage:
    integration = integration_of(center)
    streams = [] if integration is None else list(integration.streams.order_by("pk"))
    runs = [] if integration is None else recent_runs(integration, RUNS_SHOWN)
    head = heading(center, integration, streams, now)
    history, provider = head.history, head.provider
    is_connecting = center.status == CostCenter.Status.CONNECTING
    set_up_at = None if integration is None else integration.set_up_at
    set_up_is_news = (
        center.status == CostCenter.Status.ACTIVE
        and set_up_at is not None
        and now - set_up_at < SET_UP_IS_NEWS_FOR
    )
    bill = None
    if history is not None and (is_connecting or set_up_is_news):
        bill = bill_since(center, now - history.length, now)
    elif head.has_files and (is_connecting or set_up_is_news):
        bill = bill_of_files(center, now)
    load = None
    if integration is not None and provider is not None and history is not None and is_connecting:
        load = loading(
            integration, provider, streams, runs, history, bill, now, through=center.complete_through
        )
    worker_is_missing = _worker_is_missing(head, streams, now)
    return CostCenterPage(
        heading=head,
        loading=load,
        bill=bill,
        set_up_is_news=set_up_is_news,
        worker_is_missing=worker_is_missing,
        streams=stream_rows(head, streams, now),
        runs=run_rows(runs, head),
        prices=() if head.has_files else tuple(price_rows(center, now.date())),
        team=None if integration is None or not head.has_members else _team(integration),
        files=None if integration is None or not head.has_files else _files(integration),
        activities=tuple(activities(provider, streams, runs, now))
        if provider is not None and head.has_files and is_connecting
        else (),
        api_address=_api_address(head),
        refresh_seconds=_refresh_seconds(head, streams, now, worker_is_missing=worker_is_missing),
    )


def _refresh_seconds(head: Heading, streams: list[Stream], now: datetime, *, worker_is_missing: bool) -> int:
    if head.center.status == CostCenter.Status.CONNECTING:
        return 2
    if head.purge is not None:
        return 3
    happens = any(is_held(stream, now) or is_waiting(stream, now) for stream in streams)
    works = head.center.status in CostCenter.WORKING
    return 3 if works and happens and not worker_is_missing else 0


def _team(integration: Integration) -> Team | None:
    """None before the members were read for the first time."""
    active = Q(is_active=True)
    found = integration.members.aggregate(
        paid=Count("pk", filter=active & Q(is_paid=True)),
        unpaid=Count("pk", filter=active & Q(is_paid=False)),
        left=Count("pk", filter=~active),
    )
    return Team(**found) if any(found.values()) else None


def _files(integration: Integration) -> Files:
    found = ImportedFile.objects.left_in().filter(integration=integration).order_by()
    state = ImportedFile.State
    counts: dict[str, Aggregate] = {name: Count("pk", filter=Q(state=name)) for name in state.values}
    told = found.aggregate(**counts, last=Max("imported_at"))
    return Files(
        imported=told[state.IMPORTED],
        waiting=told[state.FOUND],
        asking=told[state.ASKS],
        refused=told[state.REFUSED],
        imported_at=told["last"],
        location=_location(integration),
    )


def _location(integration: Integration) -> str:
    """Where the files lie; empty where they are uploaded, and where it cannot be decrypted any more."""
    sealed = Integration.objects.filter(pk=integration.pk).values_list("credentials", flat=True).first()
    try:
        return "" if sealed is None else sealed.open().get("location", "")
    except SecretUnreadable:
        return ""


def _api_address(head: Heading) -> str:
    """Host and path alone: whatever else an address may hold is not for everybody's eyes."""
    if head.integration is None or not head.integration.api_url:
        return ""
    if head.provider and head.integration.api_url == head.provider.api_url:
        return ""
    address = urlsplit(head.integration.api_url)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"


def _worker_is_missing(head: Heading, streams: list[Stream], now: datetime) -> bool:
    """Something is to be done, nobody does it, and the worker has given no sign of life."""
    if not streams or (head.center.status not in CostCenter.WORKING and head.purge is None):
        return False
    if any(is_held(stream, now) for stream in streams):
        return False
    return not Heartbeat.is_fresh(Heartbeat.WORKER, now)
