"""A small, independent client of the API: it shares neither code nor arithmetic with the sandbox."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import httpx

from integrations.sandbox import Company, SandboxServer

ANCHOR = dt.date(2026, 9, 10)
NOW = dt.datetime(2026, 9, 10, 12, 34, 56, tzinfo=dt.UTC)
HOUR = 3_600_000
DAY = 24 * HOUR
EVENTS = "/teams/filtered-usage-events"


class Clock:
    """A clock that moves only when told."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def ms(self) -> int:
        return int(self.now.timestamp()) * 1000

    def advance(self, **span: float) -> None:
        self.now += dt.timedelta(**span)


def company(**knobs: Any) -> Company:
    return Company(**{"seed": 7, "users": 20, "days": 30, "events": 900, "anchor": ANCHOR, **knobs})


def serve(*faults: str, clock: Clock | None = None, **options: Any) -> SandboxServer:
    """A server without limits over a small company at a fixed moment, unless told otherwise."""
    team = options.pop("company", None) or company()
    options.setdefault("requests_per_minute", 0)
    return SandboxServer(team, faults=faults, clock=clock or Clock(), **options)


def client(server: SandboxServer, key: str | None = None, **options: Any) -> httpx.Client:
    return httpx.Client(
        base_url=server.url, auth=(key or server.api_key, ""), **{"timeout": 10, "verify": False, **options}
    )


def post(http: httpx.Client, path: str = EVENTS, /, **body: Any) -> dict[str, Any]:
    """The parsed reply, numbers with a fraction as Decimal; the status must be 200."""
    response = http.post(path, json=body)
    assert response.status_code == 200, response.text
    parsed: dict[str, Any] = json.loads(response.text, parse_float=Decimal)
    return parsed


def walk(http: httpx.Client, start: int, end: int, size: int = 1000) -> list[dict[str, Any]]:
    """Every event of `[start, end)`; the walk starts over when the count moves."""
    for _ in range(10):
        rows: list[dict[str, Any]] = []
        counts = set()
        page = 0
        while True:
            page += 1
            reply = post(http, startDate=start, endDate=end - 1, page=page, pageSize=size)
            counts.add(reply["totalUsageEventsCount"])
            rows += reply["usageEvents"]
            if not reply["usageEvents"] or not reply["pagination"]["hasNextPage"]:
                break
        if counts == {len(rows)}:
            return rows
    raise AssertionError("the window never held still")


def walk_days(http: httpx.Client, start: int, end: int) -> list[dict[str, Any]]:
    """A long span in pieces of ten days."""
    rows: list[dict[str, Any]] = []
    for piece in range(start, end, 10 * DAY):
        rows += walk(http, piece, min(piece + 10 * DAY, end), 250)
    return rows


def instant(event: dict[str, Any]) -> int:
    text = event["timestamp"]
    if text.isdecimal():
        return int(text)
    moment = dt.datetime.fromisoformat(text)
    return round(moment.timestamp() * 1000)


def user(event: dict[str, Any]) -> str:
    for name in ("serviceAccountName", "serviceAccountId"):
        if event.get(name) not in (None, "", "null"):
            return str(event[name])
    return (event.get("userEmail") or "").strip().lower()


def billed_and_list(event: dict[str, Any]) -> tuple[int, int]:
    """Nano-dollars that are paid, and of nominal value."""
    amount = event.get("chargedCents")
    if amount is None:
        amount = (event.get("tokenUsage") or {}).get("totalCents", 0)
    nano = int((Decimal(amount) * 10**7).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    kind = (event.get("kind") or event.get("kindLabel") or "").lower()
    if "errored" in kind or "aborted" in kind:
        return 0, 0
    charged = event.get("isChargeable")
    if charged is None:
        charged = kind in ("usage-based", "usage based pricing", "usage_event_kind_usage_based")
    return (nano if charged else 0), nano


def surface(event: dict[str, Any]) -> str:
    if event.get("automationId"):
        return "automation"
    if event.get("cloudAgentId"):
        return "cloud agent"
    if event.get("isHeadless"):
        return "headless"
    return "bugbot" if event.get("isFreeBugbot") else "editor"


TOKENS = ("inputTokens", "outputTokens", "cacheWriteTokens", "cacheReadTokens")


def summed(events: list[dict[str, Any]]) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Events, billed, list and the four token counts by day, user, model, kind and surface."""
    groups: dict[tuple[str, ...], tuple[int, ...]] = {}
    for event in events:
        day = dt.datetime.fromtimestamp(instant(event) // 1000, dt.UTC).date().isoformat()
        kind = event.get("kind") or event.get("kindLabel") or ""
        key = (day, user(event), event.get("model") or "", kind, surface(event))
        tokens = event.get("tokenUsage") or {}
        values = (1, *billed_and_list(event), *(tokens.get(name, 0) for name in TOKENS))
        groups[key] = tuple(map(sum, zip(groups.get(key, (0,) * 7), values, strict=True)))
    return groups


def truth_groups(truth: dict[str, Any]) -> dict[tuple[str, ...], tuple[int, ...]]:
    """The truth in the form of `summed`."""
    names = "events billed_nano list_nano input_tokens output_tokens cache_write_tokens cache_read_tokens"
    return {
        tuple(row[name] for name in ("day", "user", "model", "kind", "surface")): tuple(
            int(row[name]) for name in names.split()
        )
        for row in truth["rows"]
    }


class PatientClient:
    """Reads everything once, later the last three days; keeps what the API forgets, and whom it forgets."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.days: dict[int, list[dict[str, Any]]] = {}

    def read(self, start: int, end: int) -> None:
        fresh: dict[int, list[dict[str, Any]]] = {}
        for event in walk_days(self.http, start, end):
            fresh.setdefault(instant(event) // DAY, []).append(event)
        for day in range(start // DAY, -(-end // DAY)):
            events = fresh.get(day, [])
            if day * DAY < end - 3 * DAY and len(events) < len(self.days.get(day, [])):
                continue  # history the API has forgotten
            self._keep_users(self.days.get(day, []), events)
            self.days[day] = events

    def events(self) -> list[dict[str, Any]]:
        return [event for day in self.days.values() for event in day]

    @staticmethod
    def _keep_users(known: list[dict[str, Any]], fresh: list[dict[str, Any]]) -> None:
        stored = Counter((_mark(event), user(event)) for event in known)
        stored.subtract(Counter((_mark(event), user(event)) for event in fresh if user(event)))
        names: dict[tuple[Any, ...], list[str]] = {}
        for (mark, name), count in stored.items():
            if name and count > 0:
                names.setdefault(mark, []).extend([name] * count)
        for event in fresh:
            if not user(event) and names.get(_mark(event)):
                event["userEmail"] = names[_mark(event)].pop()


def _mark(event: dict[str, Any]) -> tuple[Any, ...]:
    tokens = event.get("tokenUsage") or {}
    counts = (tokens.get(name, 0) for name in TOKENS)
    return (instant(event), event.get("model"), event.get("conversationId"), *counts)
