"""A bill with every oddity, and questions about it, from fixed seeds."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostCenter
from costcenters.records import LineItem, Window
from tests.costcenters.conftest import NOW
from tests.costcenters.question_and_answer import Center, Line, Question
from tests.costcenters.slow_bill import SlowBill
from tests.factories import CostCenterFactory

FIRST_DAY, LAST_DAY = date(2026, 6, 25), date(2026, 11, 21)
CENTERS = [
    Center("Cursor – R&D", "cursor", "USD", datetime(2026, 11, 21, 14, tzinfo=UTC)),
    Center("Cursor, late", "cursor", "USD", datetime(2026, 11, 17, 9, 30, tzinfo=UTC)),
    Center("AWS", "aws", "USD", datetime(2026, 11, 21, tzinfo=UTC)),
    Center("Cursor Berlin", "cursor", "EUR", datetime(2026, 11, 20, tzinfo=UTC)),
    Center("Being loaded", "aws", "EUR", None),
]
USERS = ["", "Ann", "bob", "ćele", "=1+1", *(f"u{n:02}@example.com" for n in range(11))]
MODELS = [
    "",
    *("claude-4.5-sonnet", "Claude-4-opus", "gpt-5.5", "o3-pro", "gemini-3-pro", "default", "composer-2.5"),
    *("BoxUsage:m7g", "o365-licence", '"quoted", model', "Zeta", "alpha"),
]
KINDS = ["", "Included in Business", "USAGE_EVENT_KIND_USAGE_BASED"]
SURFACES = ["", "editor", "cloud agent"]
TAGS = [{}, {"team": "core"}, {"team": "web", "env": "prod"}, {"env": "-dev"}]
VALUES = {
    "cost_center": [center.name for center in CENTERS],
    "provider": ["aws", "cursor", "unheard-of"],
    "charge_type": ["usage", "seat", "credit", "tax"],
    "service": ["Cursor", "EC2", "nothing such"],
    "model": MODELS,
    "model_family": ["Claude", "GPT", "Other", "Auto", ""],
    "kind": KINDS,
    "surface": SURFACES,
    "user": [*USERS, "nobody"],
    "seat_activity": ["active", "idle", ""],
    "account": ["", "1234"],
    "region": ["", "eu-central-1"],
    "tag:team": ["core", "web", ""],
    "tag:env": ["prod", "-dev", "", "x"],
    "tag:unheard-of": ["", "x"],
}


def amount(pick: random.Random) -> int:
    """Nano-units: many that tie, some below a cent, some large, some negative."""
    return pick.choice(
        [
            *(0, 0, 1, 10**9, 10**9, 2 * 10**9, -(10**9)),
            *(pick.randrange(10**7), pick.randrange(10**12), -pick.randrange(10**10)),
        ]
    )


def a_line(pick: random.Random, center: Center, day: date) -> Line:
    is_cursor = center.provider == "cursor"
    charge_type = pick.choice(["usage"] * 6 + (["seat"] * 2 if is_cursor else ["credit", "tax"]))
    # Some have seats and no usage, some usage and no seat.
    users = USERS[:9] if charge_type == "seat" else USERS[4:]
    costs = amount(pick), amount(pick), amount(pick)
    return Line(
        center=center,
        day=day,
        texts={
            "charge_type": charge_type,
            "service": "Cursor" if is_cursor else pick.choice(["EC2", "S3"]),
            "model": pick.choice(MODELS),
            "kind": pick.choice(KINDS) if is_cursor else "",
            "surface": pick.choice(SURFACES) if is_cursor else "",
            "user": pick.choice(users),
            "account": "" if is_cursor else pick.choice(["", "1234"]),
            "region": "" if is_cursor else "eu-central-1",
        },
        tags={} if is_cursor else pick.choice(TAGS),
        is_estimated=charge_type == "seat",
        costs=costs,
        tokens=(
            pick.randrange(10**9),
            pick.randrange(10**4),
            pick.choice([0, 5]),
            pick.choice([0, 0, 10**12]),
        ),
    )


def the_lines() -> list[Line]:
    """On every day of five months, and on some of the year before."""
    pick = random.Random(11)
    lines = []
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        for center in CENTERS:
            for _ in range(pick.choice([0, 1, 2, 4])):
                lines.append(a_line(pick, center, FIRST_DAY + timedelta(days=offset)))
    for center in CENTERS[:2]:
        template = a_line(pick, center, LAST_DAY - timedelta(days=1))
        for user in USERS[:7]:
            texts = {**template.texts, "charge_type": "seat", "user": user}
            lines.append(replace(template, texts=texts, is_estimated=True))
    for _ in range(250):
        day = date(2025, 7, 1) + timedelta(days=pick.randrange(200))
        lines.append(a_line(pick, pick.choice(CENTERS), day))
    return lines


def stored(center: CostCenter, line: Line, pick: random.Random) -> LineItem:
    started_at = datetime(line.day.year, line.day.month, line.day.day, tzinfo=UTC)
    return LineItem(
        started_at + timedelta(milliseconds=pick.randrange(86_400_000)),
        **line.texts,
        input_tokens=line.tokens[0],
        output_tokens=line.tokens[1],
        cache_write_tokens=line.tokens[2],
        cache_read_tokens=line.tokens[3],
        billed_nano=line.costs[0],
        effective_nano=line.costs[1],
        list_nano=line.costs[2],
        is_estimated=line.is_estimated,
        tags=tuple(sorted(line.tags.items())),
    )


def a_bill() -> SlowBill:
    """The same line items in a list and in the database."""
    pick, lines = random.Random(12), the_lines()
    for center in CENTERS:
        row = CostCenterFactory(
            name=center.name,
            provider=center.provider,
            currency=center.currency,
            complete_through=center.complete_through,
            status="active" if center.complete_through else "connecting",
        )
        window = Window(
            row.pk,
            datetime(2025, 1, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
            tuple(ChargeType.values),
        )
        replace_window(window, [stored(row, line, pick) for line in lines if line.center == center])
    return SlowBill(CENTERS, lines, NOW)


def a_question(pick: random.Random) -> Question:
    preset, start, end = pick.choice(["", "mtd", "last-month", "7d", "30d", "90d", "12m"]), None, None
    if pick.random() < 0.5:
        start = date(2025, 6, 1) + timedelta(days=pick.randrange(560))
        if pick.random() < 0.7:
            start = FIRST_DAY + timedelta(days=pick.randrange(150))
        preset, end = "", start + timedelta(days=pick.choice([0, 1, 6, 13, 29, 30, pick.randrange(550)]))
    keys = pick.sample(sorted(VALUES), pick.choice([0, 1, 1, 2, 2]))
    filters = {}
    for key in pick.choices(sorted(VALUES), k=pick.choice([0, 0, 0, 1, 1, 2, 3])):
        exclude = pick.random() < 0.4
        values = pick.sample(VALUES[key], min(len(VALUES[key]), pick.choice([1, 1, 2, 5])))
        if not (key == "cost_center" and "" in values):
            filters[key, exclude] = (key, exclude, tuple(values))
    return Question(
        start=start,
        end=end,
        preset=preset,
        granularity=pick.choice(["day", "day", "week", "month", "total"]),
        group_by=tuple(keys),
        filters=tuple(filters.values()),
        measure=pick.choice(["billed", "billed", "effective", "list", "savings", "tokens", "events"]),
        top=pick.choice([9, 9, 1, 2, 3, 0, 1000]),
        compare=pick.choice(["none", "previous", "previous", "year"]),
        currency=pick.choice(["", "", "", "USD", "EUR"]),
        complete=pick.random() < 0.3,
        sort=pick.choice(["", "value", "measure", "before", "change", "percent", "tokens", "events"]),
        is_reversed=pick.random() < 0.3,
    )
