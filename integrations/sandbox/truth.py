"""What a correct client must end up with, worked out from the very text the sandbox serves.

Shares no code with the product. Amounts are read from their JSON text as exact fractions; cents become
integer nano-dollars (x 10^7, rounded half to even), event by event, and are then only added.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from .activity import Row, day_of

NANO_PER_CENT = 10_000_000
USAGE_BASED = frozenset({"USAGE_BASED", "USAGE_BASED_PRICING"})
NOT_CHARGED = frozenset({"ERRORED_NOT_CHARGED", "ABORTED_NOT_CHARGED"})

_decode = json.JSONDecoder(parse_float=str).decode

Cell = tuple[str, str, str, str]
"""User, model, kind and surface of an event: what the rows of one day are grouped by."""


@dataclass(slots=True)
class Sums:
    """Event count, nano-dollars and tokens of a group of events."""

    events: int = 0
    billed_nano: int = 0
    list_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0

    def add(self, other: Sums) -> None:
        self.events += other.events
        self.billed_nano += other.billed_nano
        self.list_nano += other.list_nano
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.cache_read_tokens += other.cache_read_tokens

    def as_json(self) -> dict[str, Any]:
        """Money as text, since nano-dollars do not fit a JavaScript number."""
        return {
            "events": self.events,
            "billed_nano": str(self.billed_nano),
            "list_nano": str(self.list_nano),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "cache_read_tokens": self.cache_read_tokens,
        }


@dataclass(slots=True)
class DayTruth:
    """The groups of one UTC day (or of a part of one)."""

    day: dt.date
    cells: dict[Cell, Sums] = field(default_factory=dict)


def tally(rows: Iterable[Row]) -> list[DayTruth]:
    """Group events by UTC day, user, model, kind and surface; rows come in the order of time."""
    days: list[DayTruth] = []
    for row in rows:
        day = day_of(row.stamp)
        if not days or days[-1].day != day:
            days.append(DayTruth(day))
        event = _decode(row.text.decode())
        cell = (
            user_of(event) if row.kept_user is None else row.kept_user,
            _word(event.get("model")),
            kind_of(event),
            surface_of(event),
        )
        sums = days[-1].cells.get(cell)
        if sums is None:
            sums = days[-1].cells[cell] = Sums()
        sums.add(measure(event))
    return days


def user_of_row(row: Row) -> str:
    """The user a client knows for the event, even if the API has stopped telling."""
    return user_of(json.loads(row.text)) if row.kept_user is None else row.kept_user


def measure(event: dict[str, Any]) -> Sums:
    """One event. Amounts are int or the number's text, as read with `parse_float=str`."""
    tokens = event.get("tokenUsage") or {}
    nominal = event.get("chargedCents")
    if nominal is None:
        nominal = tokens.get("totalCents")
    nano = 0 if nominal is None else round(Fraction(nominal) * NANO_PER_CENT)
    kind = canonical_kind(kind_of(event))
    chargeable = event.get("isChargeable")
    if chargeable is None:
        chargeable = kind in USAGE_BASED
    failed = kind in NOT_CHARGED
    return Sums(
        events=1,
        billed_nano=nano if chargeable and not failed else 0,
        list_nano=0 if failed else nano,
        input_tokens=tokens.get("inputTokens") or 0,
        output_tokens=tokens.get("outputTokens") or 0,
        cache_write_tokens=tokens.get("cacheWriteTokens") or 0,
        cache_read_tokens=tokens.get("cacheReadTokens") or 0,
    )


def user_of(event: dict[str, Any]) -> str:
    """The service account's name, else its id, else the e-mail address in lower case, else nothing."""
    account = _real(event.get("serviceAccountName")) or _real(event.get("serviceAccountId"))
    return account or _word(event.get("userEmail")).strip().lower()


def surface_of(event: dict[str, Any]) -> str:
    """Where the event came from."""
    if _real(event.get("automationId")):
        return "automation"
    if _real(event.get("cloudAgentId")):
        return "cloud agent"
    if event.get("isHeadless"):
        return "headless"
    return "bugbot" if event.get("isFreeBugbot") else "editor"


def kind_of(event: dict[str, Any]) -> str:
    """The billing kind exactly as spelled; mid-2025 replies call it `kindLabel`."""
    return _word(event.get("kind")) or _word(event.get("kindLabel"))


@lru_cache(maxsize=1000)
def canonical_kind(kind: str) -> str:
    """One spelling for labels and enum names: `Usage-based` is `USAGE_BASED`."""
    return re.sub(r"[^A-Z0-9]+", "_", kind.strip().upper()).removeprefix("USAGE_EVENT_KIND_")


def _real(value: object) -> str:
    """An identifier, with the three spellings of "none" taken out."""
    text = _word(value).strip()
    return "" if text == "null" else text


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
