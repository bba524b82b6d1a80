"""Line items and windows to write, and what is stored of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from costcenters.models import CostLineItem, DailyCost
from costcenters.records import LineItem, Window

DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)
END = START + 3 * DAY
DIMENSIONS = (
    *("cost_center_id", "day", "charge_type", "service", "model", "kind", "surface", "user", "account"),
    *("region", "tag_set_id", "is_estimated"),
)
SUMMED = (
    *("input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens"),
    *("billed_cost", "effective_cost", "list_cost"),
)


def item(hours=1, **changes) -> LineItem:
    """An item so many hours after the window's start."""
    given = {
        "started_at": START + timedelta(hours=hours),
        "charge_type": "usage",
        "service": "Cursor",
        "model": "composer",
        "user": "rin@example.com",
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_write_tokens": 30,
        "cache_read_tokens": 40,
        "billed_nano": 1_000_000_001,
        "effective_nano": 900_000_001,
        "list_nano": 1_100_000_001,
    }
    return LineItem(**(given | changes))


def window(center, *, start=START, end=END, charge_types=("usage",), statement_id=None):
    return Window(center.pk, start, end, charge_types, statement_id)


def ids(**condition):
    return set(CostLineItem.objects.filter(**condition).values_list("pk", flat=True))


def users(**condition):
    return sorted(CostLineItem.objects.filter(**condition).values_list("user", flat=True))


def assert_roll_up_equals_lines():
    expected: dict = {}
    for line in CostLineItem.objects.values():
        sums = expected.setdefault(tuple(line[name] for name in DIMENSIONS), Counter())
        sums.update({name: line[name] for name in SUMMED} | {"line_items": 1})
    rows = list(DailyCost.objects.values())
    found = {
        tuple(row[name] for name in DIMENSIONS): Counter(
            {name: row[name] for name in SUMMED} | {"line_items": row["line_items"]}
        )
        for row in rows
    }
    assert len(found) == len(rows), "a dimension is split over several rows"
    assert found == expected


def everything():
    """All that is stored, to the row id."""
    return list(CostLineItem.objects.order_by("pk").values()), list(DailyCost.objects.order_by("pk").values())
