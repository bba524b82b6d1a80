"""What was before: each row and each period stands against its counterpart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.costcenters.conftest import SPAN
from tests.factories import DailyCostFactory

pytestmark = pytest.mark.django_db


def test_the_previous_period_is_compared_row_by_row(ask):
    DailyCostFactory(day=date(2026, 11, 12), user="a", billed_cost=Decimal(6))
    DailyCostFactory(day=date(2026, 11, 9), user="a", billed_cost=Decimal(4))
    DailyCostFactory(day=date(2026, 11, 5), user="left", billed_cost=Decimal(5))
    DailyCostFactory(day=date(2026, 11, 12), user="new", billed_cost=Decimal(1))
    answer = ask("start=2026-11-10&end=2026-11-14&group_by=user&compare=previous")
    rows = {row.value: row.amounts for row in answer.rows}
    assert (rows["a"].before, rows["a"].difference, rows["a"].percent) == (4, 2, 50)
    assert (rows["left"].measure, rows["left"].difference, rows["left"].percent) == (0, -5, -100)
    assert (rows["new"].before, rows["new"].percent) == (0, None)
    assert (answer.total.measure, answer.total.before) == (7, 9)


def periods_before(answer) -> list[Decimal]:
    return [period.amounts.before for period in answer.periods]


def test_each_row_has_what_was_before_by_period(ask):
    for n in range(3):
        DailyCostFactory(day=date(2026, 11, 12), user=f"u{n}", billed_cost=Decimal(9 - n))
        DailyCostFactory(day=date(2026, 11, 6 + n), user=f"u{n}", billed_cost=Decimal(1 + n))
    answer = ask("start=2026-11-10&end=2026-11-14&group_by=user&top=1&compare=previous")
    assert answer.rows[0].before_by_period == (0, 1, 0, 0, 0)
    assert answer.other.before_by_period == (0, 0, 2, 3, 0)
    assert periods_before(answer) == [0, 1, 2, 3, 0]
    assert ask(f"{SPAN}&group_by=user").rows[0].before_by_period == ()


@pytest.mark.parametrize(
    "text, before",
    [
        # Against 3 and 4 October stand 2 and 3 November, in the second week.
        ("start=2026-11-01&end=2026-11-30&granularity=week", [0, 7, 0, 0, 0, 0]),
        ("start=2026-11-01&end=2026-11-30&granularity=month", [7]),
        ("start=2026-10-10&end=2026-11-06&granularity=month", [3, 4]),
        ("start=2026-11-01&end=2026-11-30&granularity=total", [7]),
    ],
)
def test_days_before_stand_against_the_period_of_their_counterpart(ask, text, before):
    DailyCostFactory(day=date(2026, 10, 3), billed_cost=Decimal(3), user="a")
    DailyCostFactory(day=date(2026, 10, 4), billed_cost=Decimal(4), user="a")
    for grouped in ("", "&group_by=user"):
        assert periods_before(ask(f"{text}&compare=previous{grouped}")) == before


@pytest.mark.parametrize("granularity", ["day", "week", "month", "total"])
def test_last_year_is_compared_by_every_granularity(ask, granularity):
    for day in (date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 1, 31)):
        DailyCostFactory(day=day, user="a")
    DailyCostFactory(day=date(2025, 2, 1), user="a")
    text = f"start=2025-01-01&end=2025-03-31&compare=year&granularity={granularity}"
    answer, grouped = ask(text), ask(f"{text}&group_by=user")
    assert periods_before(answer) == periods_before(grouped) == list(grouped.rows[0].before_by_period)
    found = {p.start: p.amounts.before for p in answer.periods if p.amounts.before}
    assert (
        found
        == {
            "day": {date(2025, 1, 31): 1, date(2025, 2, 28): 2, date(2025, 3, 1): 1},
            "week": {date(2025, 1, 27): 1, date(2025, 2, 24): 3},
            "month": {date(2025, 1, 1): 1, date(2025, 2, 1): 2, date(2025, 3, 1): 1},
            "total": {date(2025, 1, 1): 4},
        }[granularity]
    )


def test_without_grouping_each_period_stands_against_its_counterpart(ask):
    DailyCostFactory(day=date(2026, 11, 12), billed_cost=Decimal(6))
    DailyCostFactory(day=date(2026, 11, 7), billed_cost=Decimal(4))
    answer = ask("start=2026-11-10&end=2026-11-14&compare=previous")
    assert [p.amounts.before for p in answer.periods] == [0, 0, 4, 0, 0]
    assert answer.total.before == 4


def test_a_leap_day_last_year_is_counted_once(ask):
    DailyCostFactory(day=date(2024, 2, 28))
    DailyCostFactory(day=date(2024, 2, 29))
    DailyCostFactory(day=date(2025, 2, 28))
    answer = ask("start=2025-02-01&end=2025-03-01&compare=year")
    assert sum(p.amounts.before for p in answer.periods) == answer.total.before == 2
