"""The team's members and Cursor's own totals of the open billing cycle."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from finops.money import NANOS_PER_CENT, nanos_from_cents
from integrations.errors import ContractBroken, Unreachable
from integrations.http import ApiClient
from integrations.providers.base import Member, PeriodTotal, identity
from integrations.providers.cursor.events import EPOCH

MEMBERS_PATH = "/teams/members"
SPEND_PATH = "/teams/spend"
SPEND_PAGE_SIZE = 100
#: An unpaid admin. Any role not named here is taken to occupy a paid seat.
UNPAID_ROLES = frozenset({"free-owner"})


def read_members(client: ApiClient) -> list[Member]:
    """Everybody Cursor lists, once each; who is listed both as removed and as active is active.

    Raises ContractBroken for an empty team: a key belongs to a team with at least one admin, so nothing would be
    more wrong than to take such a reply for "everybody left".
    """
    reply = client.get(MEMBERS_PATH)
    rows = reply.get("teamMembers") if isinstance(reply, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractBroken(
            "Cursor's answer holds no teamMembers.", sample=client.redacted(str(reply))[:600]
        )
    members: dict[str, Member] = {}
    for row in rows:
        role = identity(row.get("role"))
        member = Member(
            external_id=identity(row.get("id"))[:100],
            email=identity(row.get("email")).lower()[:254],
            name=identity(row.get("name"))[:200],
            role=role[:50],
            is_active=row.get("isRemoved") is not True,
            is_paid=role not in UNPAID_ROLES,
        )
        if not member.key:
            continue
        known = members.get(member.key)
        if known is None or not known.is_active:
            members[member.key] = member
    if not members:
        raise ContractBroken("Cursor listed nobody at all, although a team has at least one admin.")
    return list(members.values())


def read_spend(client: ApiClient) -> list[PeriodTotal]:
    """Cursor's totals by user since the start of the open billing cycle: an instant, seldom midnight."""
    totals: list[PeriodTotal] = []
    page, cycle = 1, None
    while True:
        reply = client.post(
            SPEND_PATH, {"page": page, "pageSize": SPEND_PAGE_SIZE, "sortBy": "user", "sortDirection": "asc"}
        )
        rows = reply.get("teamMemberSpend") if isinstance(reply, dict) else None
        start = reply.get("subscriptionCycleStart") if isinstance(reply, dict) else None
        if not isinstance(rows, list) or not isinstance(start, int | Decimal):
            raise ContractBroken(
                "Cursor's answer holds no teamMemberSpend or no subscriptionCycleStart.",
                sample=client.redacted(str(reply))[:600],
            )
        if cycle is not None and start != cycle:
            raise Unreachable(
                "A new billing cycle began while Cursor's totals were read. They are read again by themselves."
            )
        cycle = start
        try:
            totals.extend(_period_total(row, EPOCH + timedelta(milliseconds=int(start))) for row in rows)
        except (ValueError, TypeError, AttributeError, ArithmeticError):
            raise ContractBroken(
                "Cursor sent a spend row that cannot be read.", sample=client.redacted(str(rows))[:600]
            ) from None
        pages = reply.get("totalPages")
        if not rows or type(pages) is not int or page >= pages:
            return totals
        page += 1


def _period_total(row: dict[str, Any], start: datetime) -> PeriodTotal:
    user = identity(row.get("email")).lower() or identity(row.get("name")) or identity(row.get("userId"))
    spend, overall, included = (
        row.get("spendCents"),
        row.get("overallSpendCents"),
        row.get("includedSpendCents"),
    )
    note = ""
    on_demand_nano = included_nano = unclear_nano = None
    if overall is not None and spend is not None:
        on_demand_nano = nanos_from_cents(spend)
        included_nano = nanos_from_cents(overall) - on_demand_nano
        if included_nano <= -NANOS_PER_CENT:
            on_demand_nano = included_nano = None
            note = (
                "Cursor sent an overallSpendCents that is less than spendCents, which should be a part of it."
            )
    elif included is not None and spend is not None:
        on_demand_nano, included_nano = nanos_from_cents(spend), nanos_from_cents(included)
    elif spend is not None:
        unclear_nano = nanos_from_cents(spend)
        note = "Cursor sent spendCents alone: older replies used it for the total, newer ones for on-demand usage only."
    else:
        note = "Cursor sent no spendCents, so its on-demand usage is not told."
    return PeriodTotal(start, user[:254], on_demand_nano, included_nano, note, unclear_nano)
