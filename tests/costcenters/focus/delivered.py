"""Deliveries made of line items, without files: what the ledger is given."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from costcenters.focus.delivery import DayLines, Delivery, Part, UnitLines
from costcenters.records import BILLED, LineItem, digest_of, instant_text

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
END_OF = {OCTOBER: NOVEMBER, NOVEMBER: DECEMBER}


def line(day=1, *, month=OCTOBER, hours=0, **changes) -> LineItem:
    """A line of a day of the month (0 is the last day of the month before)."""
    given = {
        "started_at": month + timedelta(days=day - 1, hours=hours),
        "charge_type": "usage",
        "service": "Amazon EC2",
        "account": "production",
        "billed_nano": 1_000_000_001,
        "effective_nano": 900_000_001,
        "list_nano": 1_100_000_001,
    }
    return LineItem(**(given | changes))


def row_of(item: LineItem):
    instant = instant_text(item.started_at)
    tags = json.dumps(dict(item.tags), sort_keys=True) if item.tags else ""
    return (instant[:10], instant, *item[1:19], int(item.is_estimated), tags, item.details)


class Delivered(Delivery):
    """Line items by (billing account, start of the billing period), in one currency and blocks of `block` rows."""

    def __init__(self, lines, *, currency="USD", names=None, block=2, ends=None):
        self.block = block
        self.notes = self.questions = ()
        self._rows = {}
        units = []
        for (account, start), items in lines.items():
            by_day = defaultdict(list)
            for item in items:
                row = row_of(item)
                by_day[date.fromisoformat(row[0])].append(row)
            days = {}
            for day, rows in by_day.items():
                self._rows[account, start, day] = rows
                total = sum(int.from_bytes(digest_of(row), "big") for row in rows)
                days[day] = DayLines(len(rows), sum(row[BILLED] for row in rows), f"{total % 2**128:032x}")
            end = (ends or END_OF)[start]
            units.append(UnitLines(account, (names or {}).get(account, ""), start, end, days))
        self.parts = (Part("", currency, tuple(units)),)
        self.rows = sum(map(len, self._rows.values()))

    @property
    def part(self) -> Part:
        return self.parts[0]

    def blocks(self, part, unit, day):
        rows = self._rows[unit.billing_account, unit.period_start, day]
        for begin in range(0, len(rows), self.block):
            yield rows[begin : begin + self.block]
