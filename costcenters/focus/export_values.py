"""How an export spells amounts, numbers, instants and tags. What was spelled lately is remembered."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from costcenters.focus.columns import INSTANTS, NUMBERS
from costcenters.periods import ONE_DAY, months_before
from costcenters.records import canonical_details

SECOND = timedelta(seconds=1)


@lru_cache(maxsize=65_536)
def amount(nano: int) -> str:
    """Nano-units as currency units: exact, with a point, never with an exponent: `12.0`, `-0.000000001`."""
    whole, fraction = divmod(abs(nano), 10**9)
    digits = f"{fraction:09d}".rstrip("0") or "0"
    return f"{'-' if nano < 0 else ''}{whole}.{digits}"


@lru_cache(maxsize=65_536)
def number(text: str) -> str:
    """Any spelling of a decimal number in the one of `amount`, all digits kept; empty for what is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return ""
    if not value.is_finite() or abs(value.adjusted()) > 60:
        return ""
    plain = f"{value:f}"
    return plain if "." in plain else f"{plain}.0"


@lru_cache(maxsize=4_096)
def canonical(tags: str) -> str:
    """Tags in one spelling, whichever database they come from."""
    return canonical_details(json.loads(tags))


@lru_cache(maxsize=256)
def month_of(month: str) -> tuple[str, str]:
    """The calendar month `2026-11` in UTC, its end exclusive."""
    first = date(int(month[:4]), int(month[5:]), 1)
    return f"{first}T00:00:00Z", f"{months_before(first, -1)}T00:00:00Z"


def spelled(name: str, value: Any) -> str:
    """A detail as the cell of its column; empty when it is none."""
    if value is None:
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if name in NUMBERS:
        return number(text)
    if name in INSTANTS:
        return _instant(text)
    return text


def _instant(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return instant_text(instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC))


def instant_text(instant: datetime) -> str:
    """As FOCUS wants it: in UTC, to the second."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


@lru_cache(maxsize=65_536)
def end_of(start: str, *, is_event: bool) -> str:
    """The exclusive end of a charge: of an event a second later, else a day later."""
    end = datetime.fromisoformat(start[:-1]) + (SECOND if is_event else ONE_DAY)
    return f"{end.isoformat()}Z"
