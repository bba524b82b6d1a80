"""The named faults of the sandbox, how often they strike, and which request is struck by which."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass

TRANSPORT: dict[str, str] = {
    "rate_limit": "429 with Retry-After",
    "rate_limit_bare": "429 as plain text, without Retry-After",
    "server_errors": "bursts of 500 with a JSON body",
    "html_errors": "502, 503 and even 200 with an HTML body",
    "truncated_json": "a complete reply whose JSON is cut off",
    "slow": "the reply trickles in",
    "stalled": "the reply stops half way and the connection stays open",
    "dropped": "the connection is closed half way, or before the reply",
}
DATA: dict[str, str] = {
    "late_events": "some events of the last two days appear only at the next mutation, or 48 hours late",
    "revised_charges": "a mutation changes charges, kinds and tokens of the last two days",
    "vanishing_events": "a mutation takes away events of the last two days",
    "count_moves": "during a page walk a late event appears and the rows shift",
    "wrong_has_next": "the last page claims another one, which is empty",
    "email_loss": "events of people who left lose their e-mail, some from the start, more at a mutation",
    "removed_absent": "removed people are missing from the members; a mutation removes one more",
    "null_ids": 'identifiers that are "null" or empty text',
    "missing_fields": "fields that are absent or null",
    "shape_2025": "the reply shape of mid-2025",
    "rfc3339_timestamps": "some timestamps as RFC 3339 text",
    "twins": "identical events, all of them real",
    "unknown_kinds": "billing kinds nobody has heard of",
    "history_forgotten": "a mutation makes the API forget events older than 20 days",
    "spend_included_shape": "spend rows with includedSpendCents instead of overallSpendCents",
    "spend_old_shape": "spend rows whose spendCents is the total",
    "spend_whole_cents": "spend rows rounded to whole cents",
}
ACCESS: dict[str, str] = {
    "key_revoked": "after a few requests the key is refused",
    "plan_refusal": "401: the team's plan is refused",
    "scope_refusal": "403: the key's scope is refused",
}
FAULTS: dict[str, str] = TRANSPORT | DATA | ACCESS
"""Every fault by name, with what it does."""

GROUPS: dict[str, tuple[str, ...]] = {"all-data": tuple(DATA), "all-transport": tuple(TRANSPORT)}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How hard the faults strike. Shares are fractions of the events a fault may touch."""

    every: int = 3
    """Of the distinct requests, the first, then each so-many-th is in trouble."""
    burst: int = 2
    """How often in a row a request in trouble fails (a slow or stalled one: once) before it gets through."""
    retry_after_seconds: int = 1
    slow_seconds: float = 1.5
    """How long a slow reply takes."""
    stall_seconds: float = 60.0
    """How long a stalled connection stays open unless the client closes it."""
    revoke_after: int = 5
    """How many requests `key_revoked` still answers."""
    moves: int = 3
    """How many times in all `count_moves` lets an event appear, at most once a walk."""
    late_every: int = 12
    """`late_events` holds back each so-many-th event."""
    revised_share: float = 0.06
    vanished_share: float = 0.03
    forget_days: int = 20


class UnknownFaultError(ValueError):
    """A fault name that does not exist; the message lists those that do."""


def named(names: str | Iterable[str]) -> frozenset[str]:
    """The faults meant by names (a comma list or several), groups resolved."""
    parts = (
        names.split(",") if isinstance(names, str) else [part for name in names for part in name.split(",")]
    )
    chosen: set[str] = set()
    for part in parts:
        name = part.strip()
        if not name:
            continue
        if name in GROUPS:
            chosen.update(GROUPS[name])
        elif name in FAULTS:
            chosen.add(name)
        else:
            raise UnknownFaultError(f"Unknown fault {name!r}. Known: {', '.join([*FAULTS, *GROUPS])}.")
    return frozenset(chosen)


class Trouble:
    """Decides which request a transport fault strikes.

    Every `plan.every`-th distinct request, the first included, fails `plan.burst` times, then gets through.
    Several faults take turns.
    """

    def __init__(self, names: Collection[str], plan: FaultPlan) -> None:
        self._active = [name for name in TRANSPORT if name in names]
        self._plan = plan
        self._lock = threading.Lock()
        self._seen = 0
        self._pending: dict[str, list[str]] = {}

    def strike(self, request: str) -> str:
        """The fault that hits this try of the request (its path and body), or "" for none."""
        if not self._active:
            return ""
        with self._lock:
            pending = self._pending.get(request)
            if pending is None:
                pending = self._pending[request] = self._due()
                self._seen += 1
            if not pending:
                del self._pending[request]
                return ""
            fault = pending.pop()
            if fault == "slow":
                del self._pending[request]  # slow, but it does get through
            return fault

    def _due(self) -> list[str]:
        turn, rest = divmod(self._seen, self._plan.every)
        if rest:
            return []
        fault = self._active[turn % len(self._active)]
        return [fault] * (1 if fault in ("slow", "stalled") else self._plan.burst)
