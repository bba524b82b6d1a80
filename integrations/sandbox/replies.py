"""The documented endpoints: what a request asks for, and the reply to it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .activity import DAY_MS, Row, day_of, day_start_ms
from .company import Person
from .ledger import Ledger
from .truth import canonical_kind

MAX_RANGE_MS = 30 * DAY_MS
MAX_PAGE_SIZE = 1000

Body = dict[str, Any]


class BadRequestError(ValueError):
    """A body the API refuses; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON body to be sent, and the rows in it, which count as known to the client once it is sent."""

    body: bytes
    rows: list[Row]


def members(ledger: Ledger, _: Body, now: int) -> Reply:
    """GET /teams/members."""
    listed = [
        person
        for person in ledger.members(now)
        if not ("removed_absent" in ledger.faults and ledger.is_removed(person, now))
    ]
    return _json({"teamMembers": [_member(ledger, person, now) for person in listed]})


def usage_events(ledger: Ledger, body: Body, now: int) -> Reply:
    """POST /teams/filtered-usage-events: newest first, both ends of the range inclusive."""
    end = _integer(body, "endDate", now)
    start = _integer(body, "startDate", end - MAX_RANGE_MS)
    _check_range(start, end)
    page, size = _page(body)
    email, number = _text(body, "email"), _integer(body, "userId", 0)
    ledger.turn_page(start, end + 1, page, (page - 1) * size, now)
    rows, low, high = ledger.window(start, end + 1, now)
    if email or number:
        rows = [row for row in rows[low:high] if _is_of(row, email.strip().lower(), number)]
        low, high = 0, len(rows)
    last = high - (page - 1) * size
    shown = rows[max(low, last - size) : max(low, last)]
    shown.reverse()
    return Reply(_events_body(shown, high - low, page, size, start, end, ledger), shown)


def _events_body(
    shown: list[Row], count: int, page: int, size: int, start: int, end: int, ledger: Ledger
) -> bytes:
    pages = -(-count // size)
    more = page < pages
    if "wrong_has_next" in ledger.faults:
        more, pages = page <= pages, pages + 1
    head = (
        f'{{"totalUsageEventsCount":{count},"pagination":{{"numPages":{pages},"currentPage":{page},"pageSize":{size},'
        f'"hasNextPage":{json.dumps(more)},"hasPreviousPage":{json.dumps(page > 1)}}},"usageEvents":['
    )
    tail = f'],"period":{{"startDate":{start},"endDate":{end}}}}}'
    return b"".join((head.encode(), b",".join([row.text for row in shown]), tail.encode()))


def spend(ledger: Ledger, body: Body, now: int) -> Reply:
    """POST /teams/spend: money since the anniversary instant of the open cycle, in cents."""
    page, size = _page(body)
    by = _choice(body, "sortBy", ("date", "amount", "user"))
    descending = _choice(body, "sortDirection", ("desc", "asc")) == "desc"
    wanted = _text(body, "searchTerm").strip().lower()
    cycle = cycle_start(ledger, now)
    on_demand: dict[str, int] = defaultdict(int)
    included: dict[str, int] = defaultdict(int)
    requests: Counter[str] = Counter()
    for day in ledger.truth(cycle, None, now):
        for (user, _, kind, _), sums in day.cells.items():
            on_demand[user] += sums.billed_nano
            requests[user] += sums.events
            if canonical_kind(kind).startswith("INCLUDED"):
                included[user] += sums.list_nano - sums.billed_nano
    absent = "removed_absent" in ledger.faults
    people = [
        person
        for person in ledger.members(now)
        if not ledger.is_removed(person, now) or (requests[person.email] and not absent)
    ]
    people = [person for person in people if wanted in person.email or wanted in person.name.lower()]
    orders: dict[str, Callable[[Person], Any]] = {
        "date": lambda person: (person.joined, person.email),
        "amount": lambda person: (on_demand[person.email], person.email),
        "user": lambda person: person.email,
    }
    people.sort(key=orders[by], reverse=descending)
    rows = [
        _spend_row(
            ledger, person, on_demand[person.email], included[person.email], requests[person.email], now
        )
        for person in people[(page - 1) * size : page * size]
    ]
    return _json(
        {
            "teamMemberSpend": rows,
            "subscriptionCycleStart": cycle,
            "totalMembers": len(people),
            "totalPages": -(-len(people) // size),
        }
    )


def daily_usage(ledger: Ledger, body: Body, now: int) -> Reply:
    """POST /teams/daily-usage-data: per user and UTC day. Pages count users; unpaged: active ones only."""
    for name in ("startDate", "endDate"):
        if body.get(name) is None:
            raise BadRequestError(f"{name} is required")
    start, end = _integer(body, "startDate", 0), _integer(body, "endDate", 0)
    _check_range(start, end)
    paged = body.get("page") is not None or body.get("pageSize") is not None
    page, size = _page(body)
    first = max(day_of(start), ledger.company.first_day)
    rows, low, high = ledger.window(day_start_ms(first), day_start_ms(day_of(end)) + DAY_MS, now)
    busy: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows[low:high]:
        if isinstance(row.who, Person):
            busy[row.stamp // DAY_MS, row.who.number].append(row)
    people = sorted(ledger.members(now), key=lambda person: person.email)
    shown = people[(page - 1) * size : page * size] if paged else people
    data = []
    for midnight in range(day_start_ms(first), min(end, now) + 1, DAY_MS):
        for person in shown:
            events = busy.get((midnight // DAY_MS, person.number), [])
            there = person.joined <= day_of(midnight) and (
                person.left is None or day_of(midnight) < person.left
            )
            if events or (paged and there):
                data.append(_usage_row(ledger, person, midnight, events))
    reply: Body = {"data": data, "period": {"startDate": start, "endDate": end}}
    if paged:
        pages = -(-len(people) // size)
        reply["pagination"] = {
            "page": page,
            "pageSize": size,
            "totalUsers": len(people),
            "totalPages": pages,
            "hasNextPage": page < pages,
            "hasPreviousPage": page > 1,
        }
    return _json(reply)


ENDPOINTS: dict[tuple[str, str], Callable[[Ledger, Body, int], Reply]] = {
    ("GET", "/teams/members"): members,
    ("POST", "/teams/filtered-usage-events"): usage_events,
    ("POST", "/teams/spend"): spend,
    ("POST", "/teams/daily-usage-data"): daily_usage,
}


def cycle_start(ledger: Ledger, now: int) -> int:
    """The latest monthly anniversary of the subscription: an odd instant of a fixed day of the month."""
    chance = ledger.company.random("cycle")
    anniversary = chance.randrange(2, 28), chance.randrange(1, DAY_MS // 1000) * 1000
    day_of_month, offset = ledger.company.anniversary or anniversary
    day = day_of(now).replace(day=day_of_month)
    if day_start_ms(day) + offset > now:
        previous = day.replace(day=1).toordinal() - 1
        day = day.fromordinal(previous).replace(day=day_of_month)
    return day_start_ms(day) + offset


# Rows --------------------


def _member(ledger: Ledger, person: Person, now: int) -> Body:
    row: Body = {
        "id": person.id,
        "name": person.name,
        "email": person.email.title() if person.number % 23 == 5 else person.email,
        "role": person.role,
        "isRemoved": ledger.is_removed(person, now),
    }
    if "shape_2025" in ledger.faults:
        row["id"] = person.number
        if person.number % 3 == 0:
            del row["id"]
    if person.number % 14 == 9:
        del row["name"]
    return row


def _spend_row(
    ledger: Ledger, person: Person, on_demand: int, included: int, requests: int, now: int
) -> Body:
    if "spend_whole_cents" in ledger.faults:
        total = _whole_cents(on_demand + included)
        on_demand = _whole_cents(on_demand)
        included = total - on_demand
    row: Body = {
        "userId": person.number if "shape_2025" in ledger.faults else person.id,
        "spendCents": _cents(on_demand),
        "overallSpendCents": _cents(on_demand + included),
        "fastPremiumRequests": requests,
        "name": person.name,
        "email": person.email,
        "role": person.role,
        "hardLimitOverrideDollars": 100 if person.number % 7 == 0 else 0,
        "monthlyLimitDollars": 200 if person.number % 7 == 0 else None,
        "effectivePerUserLimitDollars": 100 if person.number % 7 == 0 else 50,
    }
    if "spend_included_shape" in ledger.faults:
        del row["overallSpendCents"], row["effectivePerUserLimitDollars"]
        row["includedSpendCents"] = _cents(included)
        row["removedAt"] = now if ledger.is_removed(person, now) else None
    elif "spend_old_shape" in ledger.faults:
        del row["overallSpendCents"], row["effectivePerUserLimitDollars"]
        row["spendCents"] = _cents(on_demand + included)
    return row


def _usage_row(ledger: Ledger, person: Person, midnight: int, rows: list[Row]) -> Body:
    events = [json.loads(row.text) for row in rows]
    kinds = Counter(canonical_kind(event.get("kind") or event.get("kindLabel") or "") for event in events)
    models = Counter(event["model"] for event in events if event.get("model"))
    chance = ledger.company.random("lines", person.number, midnight)
    added = sum(chance.randrange(5, 120) for _ in rows)
    return {
        "userId": person.number if "shape_2025" in ledger.faults else person.id,
        "day": day_of(midnight).isoformat(),
        "date": midnight,
        "email": person.email,
        "isActive": bool(rows),
        "totalLinesAdded": added,
        "totalLinesDeleted": added // 4,
        "acceptedLinesAdded": added * 2 // 3,
        "acceptedLinesDeleted": added // 6,
        "composerRequests": len(rows) // 5,
        "chatRequests": len(rows) // 9,
        "agentRequests": len(rows) - len(rows) // 5 - len(rows) // 9,
        "cmdkUsages": len(rows) // 7,
        "subscriptionIncludedReqs": sum(n for kind, n in kinds.items() if kind.startswith("INCLUDED")),
        "usageBasedReqs": kinds["USAGE_BASED"],
        "apiKeyReqs": kinds["USER_API_KEY"],
        "mostUsedModel": max(sorted(models), key=models.__getitem__, default=None),
    }


def _cents(nano: int) -> float | int:
    """Cents of an amount in nano-dollars; exact as JSON text up to 15 digits."""
    return nano // 10**7 if nano % 10**7 == 0 else nano / 10**7


def _whole_cents(nano: int) -> int:
    """Rounded half up."""
    return (nano + 5 * 10**6) // 10**7 * 10**7


def _is_of(row: Row, email: str, number: int) -> bool:
    if number and not (isinstance(row.who, Person) and row.who.number == number):
        return False
    if not email:
        return True
    return row.who.email == email and bool(json.loads(row.text).get("userEmail"))


# Bodies --------------------


def read_body(raw: bytes) -> Body:
    """The JSON object of a request; an empty body asks for the defaults."""
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise BadRequestError("Request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise BadRequestError("Request body must be a JSON object")
    return body


def _integer(body: Body, name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
        raise BadRequestError(f"{name} must be an integer")
    if not 0 <= value < 10**14:
        raise BadRequestError(f"{name} is out of range")
    return int(value)


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string")
    return value


def _choice(body: Body, name: str, values: tuple[str, ...]) -> str:
    value = _text(body, name) or values[0]
    if value not in values:
        raise BadRequestError(f"{name} must be one of {', '.join(values)}")
    return value


def _page(body: Body) -> tuple[int, int]:
    page, size = _integer(body, "page", 1), _integer(body, "pageSize", 100)
    if page < 1:
        raise BadRequestError("page must be at least 1")
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise BadRequestError(f"pageSize must be between 1 and {MAX_PAGE_SIZE}")
    return page, size


def _check_range(start: int, end: int) -> None:
    if end < start:
        raise BadRequestError("endDate must not be before startDate")
    if end - start > MAX_RANGE_MS:
        raise BadRequestError("Date range cannot exceed 30 days")


def _json(value: Body) -> Reply:
    return Reply(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), [])
