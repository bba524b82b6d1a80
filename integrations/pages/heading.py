"""What stands on top of every page of one cost center: its state, how fresh it is, what can be done with it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from costcenters.catalog import is_late
from costcenters.models import CostCenter
from integrations.models import Integration, Stream
from integrations.pages.badges import Badge, status_badge
from integrations.pages.instants import ago, utc
from integrations.progress import History, history_of, history_streams, overall
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, RecordKind
from integrations.purge import PurgeProgress, progress_of


@dataclass(frozen=True, slots=True)
class Freshness:
    """`state` is the stamp's class: empty, `late` or `broken`. `through` and `ago` are empty before any data."""

    state: str
    through: str
    ago: str


@dataclass(frozen=True, slots=True)
class Actions:
    """What the state of the connection allows; what somebody's rights allow is the template's to ask."""

    sync: bool = False
    test: bool = False
    pause: bool = False
    resume: bool = False
    new_key: bool = False
    read_again: bool = False
    connect_again: bool = False
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """`history` is what a first load is to read; `purge` how far the deletion of a removed one's history is."""

    center: CostCenter
    integration: Integration | None
    provider: Provider | None
    badge: Badge
    freshness: Freshness
    actions: Actions
    history: History | None
    purge: PurgeProgress | None

    @property
    def provider_name(self) -> str:
        return name_of(self.center, self.provider)

    @property
    def has_members(self) -> bool:
        return self.provider is not None and self.provider.has_members

    @property
    def has_files(self) -> bool:
        return self.provider is not None and self.provider.takes_files


def name_of(center: CostCenter, provider: Provider | None) -> str:
    """Whose bill it is; files may hold that of another one than is connected."""
    is_own = provider is not None and provider.slug == center.provider and not provider.takes_files
    return provider.name if provider is not None and is_own else center.provider_label


def heading_of(center: CostCenter, now: datetime) -> Heading:
    """In two queries."""
    integration = integration_of(center)
    return heading(center, integration, [] if integration is None else list(integration.streams.all()), now)


def integration_of(center: CostCenter) -> Integration | None:
    """The connection, without its credential: no page needs that."""
    found = Integration.objects.filter(cost_center=center).select_related("connected_by")
    return found.defer("credentials").first()


def heading(
    center: CostCenter, integration: Integration | None, streams: Sequence[Stream], now: datetime
) -> Heading:
    provider = PROVIDERS.get(center.provider if integration is None else integration.provider)
    history = None
    if provider is not None:
        history = overall(history_of(stream, now) for _, stream in history_streams(provider, streams))
    purge = next((progress_of(stream) for stream in streams if stream.name == Stream.PURGE), None)
    return Heading(
        center=center,
        integration=integration,
        provider=provider,
        badge=status_badge(center, history, purge),
        freshness=_freshness(center, now),
        actions=_actions(center, integration, provider, is_purging=purge is not None),
        history=history,
        purge=purge,
    )


def _freshness(center: CostCenter, now: datetime) -> Freshness:
    through = center.complete_through
    if center.status == CostCenter.Status.NEEDS_ATTENTION:
        state = "broken"
    elif (
        center.status != CostCenter.Status.ACTIVE or through is None or is_late(through, now, center.provider)
    ):
        state = "late"
    else:
        state = ""
    return Freshness(state, "", "") if through is None else Freshness(state, utc(through), ago(through, now))


def _actions(
    center: CostCenter, integration: Integration | None, provider: Provider | None, *, is_purging: bool
) -> Actions:
    if is_purging or integration is None or provider is None:
        return Actions()
    if center.status == CostCenter.Status.DISCONNECTED:
        return Actions(connect_again=provider.is_connectable, remove=True)
    works = center.status in CostCenter.WORKING
    return Actions(
        sync=works,
        test=provider.is_connectable,
        pause=works,
        resume=center.status == CostCenter.Status.PAUSED,
        new_key=provider.is_connectable,
        read_again=works and provider.holds(RecordKind.LINE_ITEM),
        remove=True,
    )
