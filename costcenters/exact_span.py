"""Usage by user between two exact instants, which a provider's billing cycle seldom leaves at midnight.

Whole UTC days come from the daily roll-up; only the part of a first or last day from its line items, through the index
on cost center and instant. Sums are exact, in nano-units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django.db.models import F, IntegerField, Q, Sum, Value

from costcenters.models import ChargeType, CostLineItem, DailyCost
from costcenters.periods import ONE_DAY, midnight
from costcenters.scope import Whole, sums_in_range

NOT_CALLED_INCLUDED = ~Q(kind__icontains="included")


@dataclass(frozen=True, slots=True)
class Used:
    """What somebody used, in nano-units. `uncharged_otherwise`: what of `uncharged` is of a kind that the provider does
    not call included, such as the use of one's own API key."""

    billed: int = 0
    listed: int = 0
    uncharged_otherwise: int = 0

    @property
    def uncharged(self) -> int:
        """The list cost of what was not charged."""
        return self.listed - self.billed

    def __add__(self, other: Used) -> Used:
        return Used(
            self.billed + other.billed,
            self.listed + other.listed,
            self.uncharged_otherwise + other.uncharged_otherwise,
        )


NOTHING = Used()


def usage_by_user(cost_center_id: int, spans: Sequence[tuple[datetime, datetime]]) -> list[dict[str, Used]]:
    """For each of a few spans `[start, end)` what every user used in it (charge type usage); empty spans hold nobody.

    One statement, so that a sync that writes meanwhile is seen in all of it or not at all. Raises SumTooLargeError
    (SQLite only).
    """
    found: list[dict[str, Used]] = [{} for _ in spans]
    parts = [
        _sums(number, rows)
        for number, (start, end) in enumerate(spans)
        for rows in _parts(cost_center_id, start, end)
    ]
    if not parts:
        return found
    with sums_in_range():
        for number, user, billed, listed, otherwise in parts[0].union(*parts[1:], all=True):
            used = Used(billed or 0, listed or 0, otherwise or 0)
            found[number][user] = found[number].get(user, NOTHING) + used
    return found


def _parts(cost_center_id: int, start: datetime, end: datetime) -> Iterator[Any]:
    """The rows that make up `[start, end)`: line items of its cut days, the roll-up of the days between."""
    of_usage = {"cost_center_id": cost_center_id, "charge_type": ChargeType.USAGE}
    items = CostLineItem.objects.order_by().filter(**of_usage)
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = start.date() if start.time() == time() else start.date() + ONE_DAY
    last = end.date()
    if first > last:
        if start < end:
            yield items.filter(started_at__gte=start, started_at__lt=end)
        return
    if start < midnight(first):
        yield items.filter(started_at__gte=start, started_at__lt=midnight(first))
    if first < last:
        yield DailyCost.objects.order_by().filter(**of_usage, day__gte=first, day__lt=last)
    if midnight(last) < end:
        yield items.filter(started_at__gte=midnight(last), started_at__lt=end)


def _sums(number: int, rows: Any) -> Any:
    uncharged = F("list_cost") - F("billed_cost")
    return (
        rows.annotate(span=Value(number, IntegerField()))
        .values("span", "user")
        .annotate(
            billed=Sum("billed_cost", output_field=Whole()),
            listed=Sum("list_cost", output_field=Whole()),
            otherwise=Sum(uncharged, filter=NOT_CALLED_INCLUDED, output_field=Whole()),
        )
        .values_list("span", "user", "billed", "listed", "otherwise")
    )
