"""What reports need to know besides the roll-up: cost centers, tags, and how far the bill is complete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone

from costcenters.cost_query import Filter
from costcenters.dimensions import ACTIVE_SEAT, IDLE_SEAT, TAG_PREFIX, dimension, model_family
from costcenters.models import ChargeType, CostCenter, DailyCost, TagSet

#: Tag keys offered in forms are read from this many of the newest tag sets; any key may be asked for.
TAG_SETS_SAMPLED = 500
#: A cost center whose data comes by the hour is late when it ends this long ago; one that comes by the day, whose
#: data therefore ends at a midnight, when it ends that long ago.
LATE_AFTER, LATE_AFTER_BY_DAY = timedelta(hours=3), timedelta(hours=36)
#: Clouds deliver their bill as files, and every day of it a day or two late.
FROM_FILES, LATE_AFTER_FROM_FILES = ("aws", "gcp", "azure", "focus_files"), timedelta(days=3)
#: Files of which none came for so long, such as those of one old month that somebody uploaded, do not hold back what is
#: said of all others: even a bill that is imported by hand once a month is newer.
SILENT_AFTER = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the asked-for cost centers are complete.

    `complete_through`: all cost before this instant is in; None when nobody knows. `oldest` names the cost
    center that sets it, `loading` those whose first load is not through, `stuck` those that need attention, `silent`
    those of whose files none came for so long that they are not counted.
    """

    complete_through: datetime | None
    oldest: str
    loading: tuple[str, ...]
    stuck: tuple[str, ...]
    is_late: bool
    silent: tuple[str, ...] = ()

    def complete_before(self, now: datetime) -> datetime:
        """Cost from this instant on may still come in: what is complete ends at `now` at the latest."""
        return min(self.complete_through or now, now)

    @property
    def state(self) -> str:
        """The stamp's class: empty, `late` or `broken`."""
        if self.stuck:
            return "broken"
        return "late" if self.is_late or self.loading or self.complete_through is None else ""

    def __str__(self) -> str:
        if self.complete_through is not None:
            through = self.complete_through
            return f"Complete through {through.day} {through:%b %Y, %H:%M} UTC"
        return "First data is being loaded" if self.loading else "Nothing loaded yet"

    @property
    def detail(self) -> str:
        """A sentence a cost center at a time, for who wants to know why."""
        parts = []
        if self.complete_through is not None:
            parts.append(f"{self.oldest} is the one that reaches least far.")
        parts += [f"{name} is still loading its history." for name in self.loading]
        parts += [f"{name} needs attention and is not counted here." for name in self.stuck]
        parts += [f"{name} has had no file for weeks and is not counted here." for name in self.silent]
        return " ".join(parts)


def freshness(cost_centers: Iterable[CostCenter], now: datetime) -> Freshness:
    """The least instant through which the live ones among `cost_centers` are complete."""
    cost_centers = list(cost_centers)
    status = CostCenter.Status
    reached = [c for c in cost_centers if c.complete_through is not None]
    # Who needs attention is told of apart, unless there is nobody else; who is not read any more counts last.
    counted = (
        [c for c in reached if c.status in CostCenter.WORKING]
        or [c for c in reached if c.status == status.NEEDS_ATTENTION]
        or reached
    )
    silent = [c for c in counted if _is_silent(c, now)]
    if len(silent) < len(counted):
        counted = [c for c in counted if c not in silent]
    else:
        silent = []
    known = [(c.complete_through, c.name, c.provider) for c in counted if c.complete_through is not None]
    through, oldest, _ = min(known, default=(None, "", ""))
    return Freshness(
        complete_through=through,
        oldest=oldest,
        loading=tuple(c.name for c in cost_centers if c.status == status.CONNECTING),
        stuck=tuple(c.name for c in cost_centers if c.status == status.NEEDS_ATTENTION),
        is_late=any(is_late(reached, now, provider) for reached, _, provider in known),
        silent=tuple(c.name for c in silent),
    )


def _is_silent(center: CostCenter, now: datetime) -> bool:
    through = center.complete_through
    return center.provider in FROM_FILES and through is not None and now - through > SILENT_AFTER


def is_late(through: datetime, now: datetime, provider: str) -> bool:
    """Whether a provider's data complete through then should have been followed by more."""
    if provider in FROM_FILES:
        return now - through > LATE_AFTER_FROM_FILES
    by_day = not (through.hour or through.minute)
    return now - through > (LATE_AFTER_BY_DAY if by_day else LATE_AFTER)


#: A seat is idle when its holder used nothing in this many UTC days, today included.
SEAT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Seats:
    """The users who hold a seat now, by whether they used anything in the last SEAT_DAYS days."""

    active: frozenset[str]
    idle: frozenset[str]

    def activity(self, user: str) -> str:
        """A value of the dimension `seat_activity`: empty for who holds no seat."""
        return ACTIVE_SEAT if user in self.active else IDLE_SEAT if user in self.idle else ""


@dataclass
class Catalog:
    """All cost centers, read once a request; tags, model names and seats only when a query asks for them.

    `today` is the UTC day that seats are judged on.
    """

    cost_centers: dict[int, CostCenter] = field(
        default_factory=lambda: {cost_center.pk: cost_center for cost_center in CostCenter.objects.all()}
    )
    today: date = field(default_factory=lambda: timezone.now().date())

    @property
    def currencies(self) -> list[str]:
        return sorted({cost_center.currency for cost_center in self.cost_centers.values()})

    def currencies_by_size(self, billed: Iterable[tuple[int, int]]) -> list[str]:
        """The currencies of pairs of a cost center's key and billed nano-units, the largest bill first."""
        sums: dict[str, int] = {}
        for pk, nanos in billed:
            currency = self.cost_centers[pk].currency
            sums[currency] = sums.get(currency, 0) + nanos
        return sorted(sums, key=lambda currency: (-sums[currency], currency))

    @property
    def providers(self) -> list[str]:
        return sorted({cost_center.provider for cost_center in self.cost_centers.values()})

    @property
    def names(self) -> list[str]:
        return [cost_center.name for cost_center in self.cost_centers.values()]

    @cached_property
    def tags(self) -> dict[int, dict[str, Any]]:
        return dict(TagSet.objects.values_list("pk", "tags"))

    @cached_property
    def tag_keys(self) -> list[str]:
        """Keys seen in the newest tag sets, for forms."""
        newest = TagSet.objects.order_by("-pk").values_list("tags", flat=True)[:TAG_SETS_SAMPLED]
        return sorted({key for tags in newest for key in tags})

    @cached_property
    def models(self) -> list[str]:
        return list(DailyCost.objects.order_by().values_list("model", flat=True).distinct())

    @cached_property
    def seats(self) -> Seats:
        """A seat is held by who has a seat line on the newest day that the cost center has any for."""
        lately = DailyCost.objects.order_by().filter(
            cost_center_id__in=list(self.cost_centers),
            day__gt=self.today - timedelta(days=SEAT_DAYS),
            day__lte=self.today,
        )
        seen = lately.filter(charge_type=ChargeType.SEAT).values_list("cost_center_id", "user")
        last_days = list(seen.annotate(last=Max("day")))
        newest: dict[int, date] = {}
        for cost_center, _, day in last_days:
            newest[cost_center] = max(day, newest.get(cost_center, day))
        # The line without a user is for committed seats that nobody holds.
        holders = {user for cost_center, user, day in last_days if user and day == newest[cost_center]}
        users = set(lately.filter(charge_type=ChargeType.USAGE).values_list("user", flat=True).distinct())
        return Seats(active=frozenset(holders & users), idle=frozenset(holders - users))

    def matching(self, filters: Iterable[Filter]) -> list[CostCenter]:
        """The cost centers that pass the filters on cost center and provider."""
        chosen = list(self.cost_centers.values())
        for each in filters:
            if each.dimension in ("cost_center", "provider"):
                of = self.value_of(each.dimension)
                chosen = [c for c in chosen if (of(c.pk) in each.values) != each.exclude]
        return chosen

    def value_of(self, key: str) -> Callable[[Any], str]:
        """A function from what the roll-up's column holds to the value of dimension `key`."""
        centers = self.cost_centers
        if key == "cost_center":
            return lambda pk: centers[pk].name
        if key == "provider":
            return lambda pk: centers[pk].provider
        if key == "model_family":
            return model_family
        if key == "seat_activity":
            return self.seats.activity
        if key.startswith(TAG_PREFIX):
            tag, tags = key.removeprefix(TAG_PREFIX), self.tags
            return lambda pk: tag_text(tags[pk].get(tag)) if pk is not None and pk in tags else ""
        return str

    def condition(self, filters: Iterable[Filter]) -> Q:
        """The filters, those on cost center and provider apart, as a condition on the roll-up."""
        condition = Q()
        for each in filters:
            if each.dimension not in ("cost_center", "provider"):
                matches = self._matches(each)
                condition &= ~matches if each.exclude else matches
        return condition

    def _matches(self, each: Filter) -> Q:
        column = dimension(each.dimension).column
        of = self.value_of(each.dimension)
        if each.dimension == "model_family":
            return among(column, [model for model in self.models if of(model) in each.values])
        if each.dimension == "seat_activity":
            holders = self.seats.active | self.seats.idle
            chosen = [user for user in holders if of(user) in each.values]
            if "" in each.values:
                return ~among(column, holders.difference(chosen))
            return among(column, chosen)
        if column == "tag_set_id":
            matching = among(column, [pk for pk in self.tags if of(pk) in each.values])
            return (
                matching | Q(tag_set_id=None) if "" in each.values else matching & Q(tag_set_id__isnull=False)
            )
        return among(column, each.values)


def among(column: str, values: Collection[object]) -> Q:
    return Q(**{f"{column}__in": list(values)})


def tag_text(value: object) -> str:
    """A tag's value as text; a missing tag is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
