"""The list of cost centers in the settings: what is connected, how it is, what it costs and how that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q
from django.utils.text import Truncator

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Measure
from costcenters.display.figures import Shown, counted, shown
from costcenters.explorer import SumTooLargeError
from costcenters.links import explorer_url
from costcenters.models import CostCenter, SeatPrice
from costcenters.periods import Preset, preset_span
from costcenters.scope import rows_of, summed, sums_in_range
from finops.money import units_from_nanos
from integrations.models import ImportedFile, Integration, Member, Stream, SyncRun
from integrations.pages.badges import Badge
from integrations.pages.heading import Actions, Freshness, heading
from integrations.pages.instants import utc
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider

YESTERDAY = timedelta(hours=24)
#: No run takes longer; it bounds what is looked through for those that ended since yesterday.
LONGEST_RUN = timedelta(hours=24)
#: Why something needs attention is told in full on its own page.
MOST_OF_A_REASON = 160


@dataclass(frozen=True, slots=True)
class ListedCostCenter:
    """`seats` are the active paid ones, "of" so many where a number is paid for anyway; empty where nobody tells.

    `url` is its own page's; the pages that change it lie below, by the hundred too many to reverse one by one. `month`
    is billed since the first of the month; `revised` what the runs of the last 24 hours made of the bill, empty while
    it is loaded for the first time; `update` says what a new key or location is entered for.
    """

    name: str
    url: str
    provider_name: str
    provider: str
    badge: Badge
    reason: str
    freshness: Freshness
    actions: Actions
    key_hint: str
    update: str
    seats: str
    month: Shown
    month_url: str
    revised: Shown


@dataclass(frozen=True, slots=True)
class ProviderTile:
    provider: Provider
    is_connected: bool


@dataclass(frozen=True, slots=True)
class CostCenterList:
    """`listed` by name, those that are disconnected at the end; `tiles` with what is not connected yet first."""

    listed: tuple[ListedCostCenter, ...]
    tiles: tuple[ProviderTile, ...]


def cost_center_list(now: datetime) -> CostCenterList:
    """In as many queries whether there are two or two hundred."""
    centers = list(
        CostCenter.objects.select_related("integration").defer(
            "created_at",
            "integration__credentials",
            "integration__created_at",
            "integration__incident_at",
        )
    )
    centers.sort(key=lambda center: center.status == CostCenter.Status.DISCONNECTED)
    streams, seats, files = _streams(), _seats(), _files()
    committed = _committed(now.date())
    revisions = _revisions(now)
    catalog = Catalog(cost_centers={center.pk: center for center in centers}, today=now.date())
    question = CostQuery(
        preset_span(Preset.MONTH_TO_DATE, now.date()),
        Preset.MONTH_TO_DATE.value,
        group_by=("charge_type",),
    )
    billed = _billed(question, catalog)
    listed = []
    for center in centers:
        integration: Integration | None = getattr(center, "integration", None)
        known = [] if integration is None else streams.get(integration.pk, [])
        own = replace(question.narrowed("cost_center", center.name), currency=center.currency)
        head = heading(center, integration, known, now)
        listed.append(
            ListedCostCenter(
                name=center.name,
                url=center.get_absolute_url(),
                provider_name=head.provider_name,
                provider=center.provider,
                badge=head.badge,
                reason=_reason(center, integration, known, files),
                freshness=head.freshness,
                actions=head.actions,
                key_hint="" if integration is None else integration.key_hint,
                update=_update(integration, head.provider),
                seats=_seats_of(integration, seats, committed) if head.has_members else "",
                month=billed.get(center.pk, Shown("–")),
                month_url=explorer_url(own),
                revised=_revised(center, integration, revisions),
            )
        )
    return CostCenterList(tuple(listed), _tiles(centers))


def _tiles(centers: Iterable[CostCenter]) -> tuple[ProviderTile, ...]:
    connected = {center.provider for center in centers if center.status != CostCenter.Status.DISCONNECTED}
    tiles = [
        ProviderTile(provider, slug in connected)
        for slug, provider in PROVIDERS.items()
        if provider.is_connectable
    ]
    return tuple(sorted(tiles, key=lambda tile: tile.is_connected))


def _streams() -> dict[int, list[Stream]]:
    """By integration, those that tell something here: of a first load, a deletion, a failure."""
    telling = Stream.objects.filter(
        Q(name=Stream.PURGE)
        | Q(failing_since__isnull=False)
        | Q(integration__cost_center__status=CostCenter.Status.CONNECTING)
    )
    found: dict[int, list[Stream]] = {}
    for stream in telling.defer("recent_requests", "last_error"):
        found.setdefault(stream.integration_id, []).append(stream)
    return found


def _seats() -> dict[int, int]:
    """Active members in a paid seat, by integration."""
    paid = Member.objects.filter(is_active=True, is_paid=True).order_by()
    return dict(paid.values_list("integration_id").annotate(Count("pk")))


def _seats_of(
    integration: Integration | None, seats: dict[int, int], committed: dict[int, int | None]
) -> str:
    if integration is None or not integration.key_hint:
        return ""
    if integration.set_up_at is None and integration.pk not in seats:
        # The team is being read for the first time.
        return ""
    paid_for = committed.get(integration.cost_center_id)
    return f"{seats.get(integration.pk, 0):,}" + ("" if paid_for is None else f" of {paid_for:,}")


def _committed(today: date) -> dict[int, int | None]:
    """The committed seats of the price that holds today, by cost center."""
    prices = SeatPrice.objects.filter(effective_from__lte=today).order_by("effective_from", "pk")
    return dict(prices.values_list("cost_center_id", "committed_seats"))


def _revisions(now: datetime) -> dict[int, Decimal] | None:
    """By integration, what the runs of the last 24 hours added to the bill, except for those of a first load.

    None where that is more than can be added up.
    """
    since = now - YESTERDAY
    runs = (
        SyncRun.objects.of_windows()
        .order_by()
        .filter(
            # Named, so that the index on integration and start is used.
            integration__in=Integration.objects.filter(set_up_at__isnull=False).values("pk"),
            started_at__gte=since - LONGEST_RUN,
            finished_at__gte=since,
            finished_at__gt=F("integration__set_up_at"),
            amount_before__isnull=False,
            amount_after__isnull=False,
        )
    )
    try:
        with sums_in_range():
            sums = list(summed(runs, ["integration_id"], ["amount_before", "amount_after"]))
    except SumTooLargeError:
        return None
    return {pk: units_from_nanos(after - before) for pk, before, after in sums}


def _revised(
    center: CostCenter, integration: Integration | None, revisions: dict[int, Decimal] | None
) -> Shown:
    if integration is None or integration.set_up_at is None or revisions is None:
        return Shown("")
    change = revisions.get(integration.pk, Decimal(0))
    if not change:
        return Shown("no change" if center.status in CostCenter.WORKING else "")
    figure = shown(change, Measure.BILLED, center.currency)
    return Shown(f"{'+' if change > 0 and not figure.is_tiny else ''}{figure} since yesterday", figure.exact)


def _update(integration: Integration | None, provider: Provider | None) -> str:
    if provider is not None and provider.takes_files and not (integration and integration.key_fingerprint):
        return "Set a location"
    return f"Update {'key' if provider is None else provider.known_by}"


def _files() -> dict[int, Counter[str]]:
    """By integration, how many files ask something or were refused, except for those that somebody left out."""
    stuck = ImportedFile.objects.stuck()
    found: dict[int, Counter[str]] = {}
    for pk, name, number in stuck.order_by().values_list("integration_id", "state").annotate(Count("pk")):
        found.setdefault(pk, Counter())[name] = number
    return found


def _reason(
    center: CostCenter,
    integration: Integration | None,
    streams: Iterable[Stream],
    files: dict[int, Counter[str]],
) -> str:
    """Why it needs attention, in one sentence; of one that works, since when it cannot be read, or what waits."""
    if integration is None:
        return ""
    if center.status == CostCenter.Status.NEEDS_ATTENTION:
        sentence, dot, _ = integration.attention.strip().partition(". ")
        return Truncator(f"{sentence}{dot.strip()}").chars(MOST_OF_A_REASON)
    failing = [stream.failing_since for stream in streams if stream.failing_since is not None]
    if failing and center.status in CostCenter.WORKING:
        return f"Sync failing since {utc(min(failing))}."
    stuck = files.get(integration.pk) or Counter()
    asking, refused = stuck[ImportedFile.State.ASKS], stuck[ImportedFile.State.REFUSED]
    told = []
    if asking:
        told.append(f"{counted(asking, 'file')} {'waits' if asking == 1 else 'wait'} for an answer")
    if refused:
        told.append(f"{counted(refused, 'file')} refused")
    return f"{', '.join(told)}." if told else ""


def _billed(question: CostQuery, catalog: Catalog) -> dict[int, Shown]:
    """By cost center, each in its own currency; empty where that is more than can be added up."""
    centers = catalog.cost_centers
    try:
        with sums_in_range():
            rows = rows_of(question, catalog, centers.values(), question.span)
            sums = dict(summed(rows, ["cost_center_id"], ["billed_cost"]))
    except SumTooLargeError:
        return {}
    return {
        pk: shown(units_from_nanos(sums.get(pk, 0)), Measure.BILLED, center.currency)
        for pk, center in centers.items()
    }
