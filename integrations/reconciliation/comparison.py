"""The provider's own totals of a billing cycle beside ours of the same instants, user by user, and why they differ.

Ours ends where both can know something: at what has been read, and at the last full hour before the provider was asked,
since Cursor adds up by the hour. All amounts are nano-units; a difference is ours minus theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db.models import Max, OuterRef, Subquery

from costcenters.exact_span import NOTHING, usage_by_user
from costcenters.models import CostCenter
from costcenters.scope import SumTooLargeError
from finops.money import nanos_from_units
from integrations.models import Member, ProviderTotal, Stream, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import Provider, RecordKind, StreamSpec
from integrations.reconciliation.evidence import MEASURES, Evidence, Reason, Row, Standing, Theirs
from integrations.windows import floor_hour

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
#: People work in about a quarter of a week's hours, and the busiest of these are about twice as busy as the others.
BUSIEST = 8
#: A cycle lasts a month; one that began longer ago has ended.
LONGEST_CYCLE = timedelta(days=32)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A billing cycle the provider told totals of: `[start, end)`, the open one without an end."""

    start: datetime
    end: datetime | None
    read_at: datetime

    @property
    def key(self) -> str:
        """UTC, to the last digit that is not 0: what an address names it by."""
        text = f"{self.start:%Y-%m-%dT%H:%M:%S.%f}"
        return text.rstrip("0").rstrip(".") if text[-6:] != "000000" else text[:-7]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cycle's totals, theirs and ours. `hindrance` says why they cannot be compared; the rows may be there anyway.

    Ours are of `[cycle.start, through)`. `unread_from`: from there until `cycle.read_at` nothing of ours is read, which
    may be up to `allowance` (on-demand, included) of usage. `backfilled_from` is later than the cycle's start where the
    history has not been read so far back yet; it will go back to `backfill_target`.
    """

    center: CostCenter
    cycle: Cycle | None = None
    hindrance: str = ""
    rows: tuple[Row, ...] = ()
    quiet: int = 0
    through: datetime | None = None
    read_through: datetime | None = None
    unread_from: datetime | None = None
    allowance: tuple[int, int] = (0, 0)
    backfilled_from: datetime | None = None
    backfill_target: datetime | None = None
    kept_days: tuple[date, ...] = ()
    totals_error: str = ""
    usage_error: str = ""
    provider_name: str = ""
    has_ended: bool = False

    @property
    def unclear(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.theirs is not None and not row.theirs.is_told)


def has_totals(center: CostCenter) -> bool:
    """Whether this cost center's provider tells totals of its own."""
    provider = PROVIDERS.get(center.provider)
    return provider is not None and _spec(provider, RecordKind.PERIOD_TOTAL) is not None


def cycles_of(center: CostCenter) -> tuple[Cycle, ...]:
    """The cycles whose totals are stored, the newest first."""
    found = (
        ProviderTotal.objects.filter(integration__cost_center=center)
        .order_by("-period_start")
        .values_list("period_start")
        .annotate(read_at=Max("read_at"))
    )
    cycles: list[Cycle] = []
    for start, read_at in found:
        cycles.append(Cycle(start, cycles[-1].start if cycles else None, read_at))
    return tuple(cycles)


def compare(center: CostCenter, now: datetime, cycle: Cycle | None = None) -> Comparison:
    """Compares a cycle, by default the newest.

    At most four queries; the last only where something is left to explain.
    """
    provider = PROVIDERS.get(center.provider)
    if provider is None or not has_totals(center):
        return Comparison(
            center,
            hindrance=f"{center.provider_label} tells no totals of its own, so there is nothing to compare with",
        )
    streams = {one.name: one for one in Stream.objects.filter(integration__cost_center=center)}
    usage, spend = (
        streams.get(spec.name) if spec else None
        for spec in (_spec(provider, RecordKind.LINE_ITEM), _spec(provider, RecordKind.PERIOD_TOTAL))
    )
    known = Comparison(
        center,
        provider_name=provider.name,
        totals_error=spend.last_error if spend else "",
        usage_error=usage.last_error if usage else "",
        read_through=usage.synced_through if usage else None,
    )
    told = _told(center, cycle)
    if not told:
        return replace(known, hindrance=_nothing_told(provider.name, spend))
    if cycle is None:
        cycle = Cycle(told[0][0], None, max(theirs.read_at for _, _, theirs in told))
    known = replace(known, cycle=cycle, has_ended=(cycle.end or min(cycle.start + LONGEST_CYCLE, now)) < now)
    if Stream.PURGE in streams:
        return replace(known, hindrance="this cost center’s history is being deleted")
    if usage is None or usage.synced_through is None:
        return replace(known, hindrance="its usage has not been read yet")
    return _compared(known, cycle, usage, {user: theirs for _, user, theirs in told})


def _spec(provider: Provider, kind: RecordKind) -> StreamSpec | None:
    return next((spec for spec in provider.streams if spec.kind is kind), None)


def _nothing_told(name: str, spend: Stream | None) -> str:
    if spend is not None and spend.last_error:
        return f"{name}’s own totals could not be read. {spend.last_error.rstrip('.')}"
    if spend is not None and spend.synced_through is not None:
        return f"{name} listed nobody when its totals were read"
    return f"{name}’s own totals have not been read yet"


def _told(center: CostCenter, cycle: Cycle | None) -> list[tuple[datetime, str, Theirs]]:
    """The stored totals of one cycle, by default the newest: its start, the user, the total."""
    rows = ProviderTotal.objects.filter(integration__cost_center=center)
    if cycle is not None:
        rows = rows.filter(period_start=cycle.start)
    else:
        newest = ProviderTotal.objects.filter(integration=OuterRef("integration")).order_by("-period_start")
        rows = rows.filter(period_start=Subquery(newest.values("period_start")[:1]))
    return [
        (start, user, Theirs(_nano(on_demand), _nano(included), _nano(unclear), note, read_at))
        for start, user, on_demand, included, unclear, note, read_at in rows.values_list(
            "period_start", "user", "on_demand_cost", "included_cost", "unclear_cost", "note", "read_at"
        )
    ]


def _nano(amount: object) -> int | None:
    return None if amount is None else nanos_from_units(amount)  # type: ignore[arg-type]


def _compared(known: Comparison, cycle: Cycle, usage: Stream, told: Mapping[str, Theirs]) -> Comparison:
    read_through = usage.synced_through
    if read_through is None:
        raise AssertionError("is compared only where usage was read")
    asked = min(cycle.read_at, cycle.end) if cycle.end else cycle.read_at
    # A closed cycle that was read after its end holds all of it.
    hour = asked if cycle.end == asked else floor_hour(asked)
    through = min(read_through, hour)
    known_until = min(read_through, asked)
    known = replace(
        known,
        through=through,
        unread_from=known_until if known_until < asked else None,
        backfilled_from=usage.backfilled_from,
        backfill_target=usage.backfill_target,
    )
    if through <= cycle.start:
        return replace(
            known, hindrance="the billing cycle has only just begun, and none of it has been read yet"
        )
    try:
        ours, last_hour, beyond = usage_by_user(
            known.center.pk,
            [(cycle.start, through), (max(cycle.start, through - HOUR), through), (through, known_until)],
        )
    except SumTooLargeError:
        return replace(known, hindrance="a sum is larger than SQLite can hold (9.2 billion)")
    total = sum(ours.values(), NOTHING)
    unread, compared = (asked - known_until) // SECOND, (through - cycle.start) // SECOND
    on_demand, included = (
        max(0, amount) * BUSIEST * unread // max(1, compared) for amount in (total.billed, total.uncharged)
    )
    allowance = (on_demand, included)
    evidence = Evidence(
        ours=ours,
        last_hour=last_hour,
        beyond=beyond,
        allowance=allowance,
        read_at=cycle.read_at,
        is_backfilled=usage.backfilled_from is not None and usage.backfilled_from <= cycle.start,
    )
    rows = [evidence.judged(row) for row in evidence.matched(told)]
    strangers = [row.user for row in rows if Reason.NOT_LISTED in row.reasons]
    if strangers or any(_is_more(row) for row in rows):
        active, left = _members_among(strangers, usage)
        rows = [_placed(row, active, left) for row in rows]
        if kept := _kept_days(usage, cycle.start, through):
            known = replace(known, kept_days=kept)
            rows = [_kept(row) if _is_more(row) else row for row in rows]
    shown = sorted((row for row in rows if not row.is_nothing), key=lambda row: (-row.size, row.user))
    known = replace(known, rows=tuple(shown), quiet=len(rows) - len(shown), allowance=allowance)
    return replace(known, hindrance=_hindrance(known, evidence))


def _hindrance(known: Comparison, evidence: Evidence) -> str:
    name = known.provider_name
    if not evidence.is_backfilled:
        return "its history has not been read back to the billing cycle’s start"
    listed = [row for row in known.rows if row.theirs is not None]
    if listed and all(row.theirs is not None and not row.theirs.is_told for row in listed):
        return f"{name} does not tell on-demand and included usage apart"
    return ""


def _members_among(users: list[str], usage: Stream) -> tuple[set[str], set[str]]:
    """Of these users the active members, and those who left."""
    members = Member.objects.filter(integration_id=usage.integration_id, key__in=users[:1000])
    found = dict(members.order_by().values_list("key", "is_active"))
    return {key for key, is_active in found.items() if is_active}, {
        key for key, is_active in found.items() if not is_active
    }


def _kept_days(usage: Stream, start: datetime, end: datetime) -> tuple[date, ...]:
    """The days of `[start, end)` that were kept since the cycle began, as they were no longer returned in full."""
    runs = SyncRun.objects.order_by().filter(
        integration_id=usage.integration_id,
        stream=usage.name,
        outcome=SyncRun.Outcome.KEPT,
        started_at__gte=start,
        window_end__gt=start,
        window_start__lt=end,
    )
    days = {date.fromisoformat(day) for kept in runs.values_list("kept_days", flat=True) for day in kept}
    return tuple(sorted(day for day in days if start.date() <= day <= end.date()))


def _placed(row: Row, active: Collection[str], left: Collection[str]) -> Row:
    """Of somebody whom only we know: whether the team does too. Who is in it should have a total."""
    if Reason.NOT_LISTED not in row.reasons:
        return row
    if row.user in active:
        first, second = (
            Standing.DIFFERS if standing is Standing.POSSIBLE else standing for standing in row.standings
        )
        return replace(row, standings=(first, second), reasons=(Reason.MEMBER_WITHOUT_TOTAL,))
    return replace(row, reasons=(Reason.LEFT if row.user in left else Reason.NOT_LISTED,))


def _is_more(row: Row) -> bool:
    """Ours is more than what the provider told, and nothing explains it."""
    return row.theirs is not None and any(
        standing is Standing.DIFFERS and (row.difference(measure) or 0) > 0
        for measure, standing in zip(MEASURES, row.standings, strict=True)
    )


def _kept(row: Row) -> Row:
    """Where ours is more, the days that were kept may be why."""
    first, second = (
        Standing.POSSIBLE if standing is Standing.DIFFERS and (row.difference(measure) or 0) > 0 else standing
        for measure, standing in zip(MEASURES, row.standings, strict=True)
    )
    reasons: list[Reason] = [one for one in row.reasons if one is not Reason.UNKNOWN]
    if Standing.DIFFERS in (first, second):
        reasons.append(Reason.UNKNOWN)
    return replace(row, standings=(first, second), reasons=(*reasons, Reason.KEPT))
