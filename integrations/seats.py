"""Seat cost: an estimate of one share of the month's price for every active paid member and UTC day.

The provider tells neither prices nor who had a seat in the past, so people type the price and counting starts on the
day of connection.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import date

from costcenters.line_items import replace_window
from costcenters.models import ChargeType, SeatPrice
from costcenters.periods import ONE_DAY, midnight
from costcenters.records import Change, LineItem, Window, canonical_details
from finops.money import nanos_from_units, plain
from integrations import providers
from integrations.models import Integration, Member, SeatSnapshot
from integrations.providers import base

SEAT: str = ChargeType.SEAT.value
UNUSED = "unused committed seats"


def day_share(monthly_nano: int, day: date) -> int:
    """The share of `day`, the d-th of n in its month: ⌊P·d/n⌋ − ⌊P·(d−1)/n⌋ nano-units, so that a month sums to P."""
    days = monthrange(day.year, day.month)[1]
    return monthly_nano * day.day // days - monthly_nano * (day.day - 1) // days


def seat_lines(day: date, members: Sequence[Member], price: SeatPrice | None, service: str) -> list[LineItem]:
    """The seat lines of one day: none without a price; committed seats above the active ones in one more line."""
    if price is None or price.monthly_price is None:
        return []
    share = day_share(nanos_from_units(price.monthly_price), day)
    details = canonical_details({"monthlyPrice": plain(price.monthly_price)})
    started_at = midnight(day)

    def line(*, user: str, resource: str, seats: int) -> LineItem:
        amount = share * seats
        return LineItem(
            started_at=started_at,
            charge_type=SEAT,
            service=service,
            user=user,
            resource=resource,
            quantity=str(seats),
            unit="seats",
            billed_nano=amount,
            effective_nano=amount,
            list_nano=amount,
            is_estimated=True,
            details=details,
        )

    lines = [line(user=member.key, resource=member.external_id, seats=1) for member in members]
    unused = (price.committed_seats or 0) - len(members)
    if unused > 0:
        lines.append(line(user="", resource=UNUSED, seats=unused))
    return lines


def record_members(
    integration: Integration, members: Iterable[base.Member], *, today: date, last_read: date | None
) -> Change:
    """Store who is in the team on `today` (replacing today's earlier reading) and the seat lines up to today.

    Days after `last_read` (None: connected just now) repeat the team as it was last known. Earlier days are never
    touched. To be called inside the transaction that the stream's fence opens.
    """
    known = _store_members(integration, list(members), today)
    if last_read is not None and last_read < today:
        team = list(_team_on(integration, last_read))
        for day in days_from(last_read + ONE_DAY, today):
            _store_day(integration, day, team)
    return _store_day(integration, today, [member for member in known if member.is_active and member.is_paid])


def reprice(integration: Integration, day: date) -> Change:
    """Write the seat lines of a day whose team is known anew, at the price that holds on it by now.

    To be called with the integration's streams locked.
    """
    return _write_lines(integration, day, list(_team_on(integration, day)))


def _store_members(integration: Integration, read: list[base.Member], today: date) -> list[Member]:
    """Everybody ever seen, as now known. Somebody who is no longer listed has left."""
    stored = {member.key: member for member in Member.objects.filter(integration=integration)}
    by_id = {member.external_id: member for member in stored.values() if member.external_id}
    fresh, changed = [], []
    seen: set[str] = set()
    # Who is known by key comes first, so that nobody is taken for somebody who is listed as well.
    for record in sorted(read, key=lambda record: record.key not in stored):
        member = stored.get(record.key)
        if member is None and record.external_id in by_id and by_id[record.external_id].key not in seen:
            # The same person under a new e-mail, or one whose e-mail the provider no longer tells.
            member = by_id[record.external_id]
            if record.email and not any(other.key == record.key for other in read if other is not record):
                member.key = record.key
        if member is None:
            member = Member(integration=integration, key=record.key, first_seen=today, last_seen=today)
            fresh.append(member)
        else:
            changed.append(member)
        seen.add(member.key)
        member.external_id = record.external_id or member.external_id
        member.email = record.email or member.email
        member.name = record.name or member.name
        member.role, member.is_active, member.is_paid = record.role, record.is_active, record.is_paid
        if record.is_active:
            member.last_seen = today
    for member in stored.values():
        if member.key not in seen and member.is_active:
            member.is_active = False
            changed.append(member)
    Member.objects.bulk_create(fresh)
    Member.objects.bulk_update(
        changed,
        ["key", "external_id", "email", "name", "role", "is_active", "is_paid", "last_seen"],
        batch_size=50,
    )
    return [*changed, *fresh]


def _store_day(integration: Integration, day: date, team: list[Member]) -> Change:
    SeatSnapshot.objects.filter(integration=integration, day=day).delete()
    SeatSnapshot.objects.bulk_create(
        [SeatSnapshot(integration=integration, member=member, day=day) for member in team], batch_size=500
    )
    return _write_lines(integration, day, team)


def _write_lines(integration: Integration, day: date, team: list[Member]) -> Change:
    center = integration.cost_center
    price = center.seat_prices.in_effect_on(day)
    service = providers.PROVIDERS[integration.provider].service
    start = midnight(day)
    window = Window(center.pk, start, start + ONE_DAY, (SEAT,))
    return replace_window(window, seat_lines(day, team, price, service))


def _team_on(integration: Integration, day: date) -> Iterable[Member]:
    return Member.objects.filter(seats__integration=integration, seats__day=day).order_by("key")


def days_from(first: date, after: date) -> Iterable[date]:
    """`[first, after)`."""
    while first < after:
        yield first
        first += ONE_DAY
