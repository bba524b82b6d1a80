"""The data faults that change how a single event is served, applied to the events of one day."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection
from random import Random
from typing import Any

from .activity import Row
from .company import Company, Person

Event = dict[str, Any]

UNKNOWN_KINDS = ("Team Pool Credit", "Flex Commitment", "USAGE_EVENT_KIND_PRIORITY_BURST")
TWIN_SHARE = 0.02


def as_text(event: Event) -> bytes:
    """The event as the API sends it. Python writes floats the way JavaScript does: shortest exact form."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def without_email(text: bytes) -> bytes:
    """The same event after its person's address was lost."""
    event: Event = json.loads(text)
    event.pop("userEmail", None)
    return as_text(event)


def dress(
    company: Company, day: dt.date, rows: list[Row], faults: Collection[str], nameless: Collection[Person]
) -> list[Row]:
    """Serve a day's events with the active faults, each drawing from a random source of its own."""
    active = [name for name in DRESSINGS if name in faults]
    sources = {name: company.random(day.isoformat(), name) for name in (*active, "twins")}
    dressed: list[Row] = []
    for row in rows:
        struck = [name for name in active if sources[name].random() < DRESSINGS[name][0]]
        lost = bool(nameless) and row.who in nameless
        if struck or lost:
            event: Event = json.loads(row.text)
            for name in struck:
                DRESSINGS[name][1](event, sources[name])
            if lost:
                event.pop("userEmail", None)
            row.text = as_text(event)
        dressed.append(row)
        if "twins" in faults and sources["twins"].random() < TWIN_SHARE:
            for copy in range(1, sources["twins"].randrange(2, 4)):
                dressed.append(Row(row.stamp, row.serial + copy, row.who, row.text))
    return dressed


def revise(row: Row, chance: Random) -> Row:
    """The same event with another charge, and perhaps another kind or other token counts.

    Token counts change only for people who never leave: an event that may lose its address later has to stay
    recognisable by time, model, conversation and tokens.
    """
    event: Event = json.loads(row.text)
    tokens: Event | None = event.get("tokenUsage")
    factor = chance.choice((0.5, 0.9, 1.1, 1.35))
    for holder, name in ((event, "chargedCents"), (tokens or {}, "totalCents")):
        if holder.get(name) is not None:
            holder[name] = round(holder[name] * factor + 0.01, 7)
    if tokens and (not isinstance(row.who, Person) or row.who.settled):
        tokens["outputTokens"] = (tokens.get("outputTokens") or 0) + chance.randrange(1, 900)
    if chance.random() < 0.4:
        label = "kind" if "kind" in event else "kindLabel"
        charged = event.get("isChargeable", True)
        event[label] = (
            chance.choice(("Errored, Not Charged", "Included in Business")) if charged else "Usage-based"
        )
        if "isChargeable" in event:
            event["isChargeable"] = not charged
    revised = Row(row.stamp, row.serial, row.who, as_text(event))
    revised.served, revised.kept_user = row.served, row.kept_user
    return revised


def _missing_fields(event: Event, chance: Random) -> None:
    tokens: Event = event.get("tokenUsage") or {}
    match chance.randrange(7):
        case 0:
            for name in ("cacheWriteTokens", "cacheReadTokens"):
                tokens.pop(name, None)
        case 1:
            event.pop("tokenUsage", None)
        case 2:
            event.pop("requestsCosts", None)
        case 3:
            event["userEmail"] = None
        case 4:
            event.pop("chargedCents", None)
        case 5:
            event.pop("isChargeable", None)
        case _:
            event.pop("isHeadless", None)
            tokens.pop("inputTokens", None)
            event.pop("kind" if chance.random() < 0.2 else "maxMode", None)


def _null_ids(event: Event, chance: Random) -> None:
    nothing = chance.choice(("null", ""))
    if "serviceAccountId" in event:
        event["serviceAccountName"] = nothing
    else:
        event["serviceAccountId"] = event["serviceAccountName"] = nothing
    if chance.random() < 0.4:
        event["conversationId"] = nothing


def _unknown_kinds(event: Event, chance: Random) -> None:
    event["kind"] = chance.choice(UNKNOWN_KINDS)
    match chance.randrange(3):
        case 0:
            event["isChargeable"] = True
        case 1:
            event["isChargeable"] = False
        case _:
            event.pop("isChargeable", None)


def _rfc3339(event: Event, chance: Random) -> None:
    seconds, thousandths = divmod(int(event["timestamp"]), 1000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    event["timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{thousandths:03d}Z"


def _shape_2025(event: Event, chance: Random) -> None:
    kind = event.pop("kind", None)
    if kind is not None:
        event["kindLabel"] = kind
    for name in ("chargedCents", "isChargeable", "cursorTokenFee"):
        event.pop(name, None)
    event["isFreeBugbot"] = chance.random() < 0.02


DRESSINGS: dict[str, tuple[float, Callable[[Event, Random], None]]] = {
    "missing_fields": (0.12, _missing_fields),
    "null_ids": (0.15, _null_ids),
    "unknown_kinds": (0.05, _unknown_kinds),
    "rfc3339_timestamps": (0.2, _rfc3339),
    "shape_2025": (1.0, _shape_2025),
}
"""Each fault with the share of events it strikes, in the order they are applied."""
