"""Usage events: reading a span's pages and turning an event into a line item.

Source of the rules: Cursor's Admin API documentation and the contradictions seen in real replies. Above all:
`chargedCents > 0` does not mean that money was charged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from costcenters.models import ChargeType
from costcenters.records import LineItem, canonical_details
from finops.money import nanos_from_cents
from integrations.errors import ContractBroken
from integrations.http import ApiClient
from integrations.providers.base import Page, Span, clean_text, identity

USAGE_PATH = "/teams/filtered-usage-events"
PAGE_SIZE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_COUNT = 2**63 - 1
USAGE: str = ChargeType.USAGE.value


def usage_pages(client: ApiClient, span: Span) -> Iterator[Page]:
    """All pages of a span. Raises ContractBroken when a reply or an event is not what Cursor documents.

    Ends when all announced events were seen or a page is empty: `hasNextPage` was seen wrong at the end.
    """
    page, seen = 1, 0
    while True:
        reply = ask_events(client, span, page=page, page_size=PAGE_SIZE)
        events, total = reply["usageEvents"], reply["totalUsageEventsCount"]
        notes: Counter[str] = Counter()
        records = []
        for event in events:
            try:
                records.append(line_item(event, notes))
            except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
                raise ContractBroken(
                    f"Cursor sent a usage event that cannot be read: {client.redacted(str(error))[:200]}. "
                    "Nothing of its window was stored.",
                    sample=client.redacted(str(event))[:600],
                ) from None
        for record in records:
            if not span.start <= record.started_at < span.end:
                raise ContractBroken(
                    f"Cursor sent an event of {record.started_at}, outside the span that was asked for."
                )
        yield Page(records=records, total=total, notes=notes)
        seen += len(events)
        if not events or seen >= total:
            return
        page += 1


def ask_events(client: ApiClient, span: Span, *, page: int, page_size: int) -> dict[str, Any]:
    """One page of a span; Cursor's `endDate` is inclusive, in milliseconds."""
    reply = client.post(
        USAGE_PATH,
        {
            "startDate": _milliseconds(span.start),
            "endDate": _milliseconds(span.end) - 1,
            "page": page,
            "pageSize": page_size,
        },
    )
    total = reply.get("totalUsageEventsCount") if isinstance(reply, dict) else None
    if type(total) is not int or total < 0 or not isinstance(reply.get("usageEvents"), list):
        raise ContractBroken(
            "Cursor's answer holds no usageEvents or no totalUsageEventsCount.",
            sample=client.redacted(str(reply))[:600],
        )
    return reply  # type: ignore[no-any-return]


class Kind(NamedTuple):
    """What a billing kind says, whichever way Cursor spells it."""

    is_failed: bool
    is_usage_based: bool
    is_known: bool


@lru_cache(maxsize=1024)
def kind_of(label: str) -> Kind:
    """`Usage-based`, `Usage Based Pricing` and `USAGE_EVENT_KIND_USAGE_BASED` are one kind."""
    words = label.strip().lower().replace("_", " ").replace("-", " ").removeprefix("usage event kind ")
    is_failed = words.startswith(("errored", "aborted"))
    is_usage_based = words.startswith("usage based")
    is_known = is_failed or is_usage_based or words.startswith(("included", "user api key", "free credit"))
    return Kind(is_failed, is_usage_based, is_known)


def line_item(event: Mapping[str, Any], notes: Counter[str]) -> LineItem:
    """One event as a line item; what a person should know is counted in `notes`.

    Billed cost is chargedCents when it was charged, else 0; list cost the same nominal amount whether charged or
    not, 0 for errored and aborted events. Charged means `isChargeable`, or, where that is missing, a usage-based kind.
    """
    get = event.get
    tokens = get("tokenUsage")
    if not isinstance(tokens, dict):
        tokens = {}
    charged_cents, total_cents = get("chargedCents"), tokens.get("totalCents")
    label = _shown(get("kind") or get("kindLabel"), 100)
    kind = kind_of(label)
    chargeable = get("isChargeable")
    if chargeable not in (True, False, None):
        raise ValueError(f"isChargeable is {str(chargeable)[:40]!r}")
    billed = listed = 0
    if not kind.is_failed:
        nominal = charged_cents if charged_cents is not None else total_cents
        if nominal is not None:
            listed = nanos_from_cents(_cents(nominal))
        if chargeable is None:
            if kind.is_usage_based:
                billed = listed
            elif not kind.is_known:
                notes[f"of unknown kind {label!r} without isChargeable, billed as 0"] += 1
        elif chargeable:
            billed = listed
    account_id, account_name = identity(get("serviceAccountId")), identity(get("serviceAccountName"))
    email = identity(get("userEmail")).lower()
    automation, cloud_agent = identity(get("automationId")), identity(get("cloudAgentId"))
    if automation:
        surface = "automation"
    elif cloud_agent:
        surface = "cloud agent"
    elif get("isHeadless") is True:
        surface = "headless"
    elif get("isFreeBugbot") is True:
        surface = "bugbot"
    else:
        surface = "editor"
    details: dict[str, Any] = {}
    for name, value in (
        ("chargedCents", charged_cents),
        ("totalCents", total_cents),
        ("cursorTokenFee", get("cursorTokenFee")),
        ("discountPercentOff", tokens.get("discountPercentOff")),
        ("isChargeable", chargeable),
        ("maxMode", get("maxMode")),
        ("isTokenBasedCall", get("isTokenBasedCall")),
    ):
        if value is not None:
            details[name] = value if value is True or value is False else clean_text(value)
    if automation:
        details["automationId"] = automation
    if cloud_agent:
        details["cloudAgentId"] = cloud_agent
    if account_id:
        details["serviceAccountId"] = account_id
    requests = get("requestsCosts")
    return LineItem(
        _instant(get("timestamp")),
        USAGE,
        "Cursor",
        _shown(get("model"), 200),
        label,
        surface,
        (account_name or account_id or email)[:254],
        "",
        "",
        identity(get("conversationId"))[:300],
        _count(tokens.get("inputTokens")),
        _count(tokens.get("outputTokens")),
        _count(tokens.get("cacheWriteTokens")),
        _count(tokens.get("cacheReadTokens")),
        "" if requests is None else clean_text(requests)[:50],
        "" if requests is None else "requests",
        billed,
        billed,
        listed,
        False,
        (),
        canonical_details(details),
    )


@lru_cache(maxsize=4096)
def _shown(value: str | None, limit: int) -> str:
    """A kind or model as Cursor spells it, as far as it fits."""
    return "" if value is None else clean_text(value)[:limit]


def _cents(value: Any) -> Decimal | int:
    if type(value) is int:
        return value
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{value[:40]!r} is not an amount") from None
    if type(value) is not Decimal or not value.is_finite():
        raise ValueError(f"{str(value)[:40]!r} is not an amount")
    return value


def _count(value: Any) -> int:
    if value is None:
        return 0
    count = int(value)
    if not 0 <= count <= LARGEST_COUNT or count != value:
        raise ValueError(f"{str(value)[:40]!r} is not a number of tokens")
    return count


def _instant(value: Any) -> datetime:
    """Epoch milliseconds, as text or number; RFC 3339 was seen too."""
    try:
        return EPOCH + timedelta(milliseconds=int(value))
    except (ValueError, TypeError, OverflowError):
        pass
    try:
        instant = datetime.fromisoformat(str(value))
        return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]!r} is not a timestamp") from None


def _milliseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)
