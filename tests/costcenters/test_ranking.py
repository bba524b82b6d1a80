"""Rows are ranked by any column, and what changed most is told of all values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.costcenters.conftest import SPAN
from tests.factories import DailyCostFactory

pytestmark = pytest.mark.django_db
SORTED = "start=2026-11-10&end=2026-11-14&group_by=user&compare=previous"


@pytest.fixture
def movers() -> None:
    """Users as name: (before, now, tokens, line items)."""
    figures = {
        "Ann": (10, 40, 7, 1),
        "bob": (100, 20, 1, 5),
        "Cid": (0, 30, 9, 2),
        "dan": (3, 12, 2, 9),
    }
    for user, (before, now, tokens, events) in figures.items():
        DailyCostFactory(day=date(2026, 11, 6), user=user, billed_cost=Decimal(before))
        DailyCostFactory(
            day=date(2026, 11, 12),
            user=user,
            billed_cost=Decimal(now),
            input_tokens=tokens,
            line_items=events,
        )


@pytest.mark.parametrize(
    "sort, order",
    [
        ("", "Ann Cid bob dan"),
        ("measure", "Ann Cid bob dan"),
        ("value", "Ann bob Cid dan"),
        ("before", "bob Ann dan Cid"),
        ("change", "bob Ann Cid dan"),
        ("percent", "Ann dan bob Cid"),
        ("tokens", "Cid Ann dan bob"),
        ("events", "dan bob Cid Ann"),
    ],
)
def test_rows_are_ranked_by_the_column_and_turned_round_by_a_minus(ask, movers, sort, order):
    assert " ".join(row.value for row in ask(f"{SORTED}&sort={sort}").rows) == order
    if sort:
        turned = ask(f"{SORTED}&sort=-{sort}")
        assert " ".join(row.value for row in reversed(turned.rows)) == order


@pytest.mark.parametrize(
    "sort, order, other",
    [
        ("before", "bob Ann", 42),
        ("-before", "Ann bob", 42),
        ("value", "Ann Cid", 32),
        ("-value", "Cid Ann", 32),
    ],
)
def test_those_that_rank_first_are_shown_and_names_leave_the_choice_to_the_measure(
    ask, movers, sort, order, other
):
    answer = ask(f"{SORTED}&sort={sort}&top=2")
    assert " ".join(row.value for row in answer.rows) == order
    assert (answer.other.amounts.measure, answer.other_count) == (other, 2)


def test_children_are_sorted_by_the_same_column(ask):
    for model, cost, tokens in (("x", 1, 5), ("y", 3, 4), ("z", 2, 6)):
        DailyCostFactory(user="a", model=model, billed_cost=Decimal(cost), input_tokens=tokens)

    def children(sort: str) -> str:
        [row] = ask(f"{SPAN}&group_by=user&group_by=model&sort={sort}").rows
        return "".join(child.value for child in row.children)

    assert [children(sort) for sort in ("", "tokens", "-tokens", "value", "-value")] == [
        "yzx",
        "zxy",
        "yxz",
        "xyz",
        "zyx",
    ]


def test_without_grouping_the_rows_are_periods_and_only_they_are_sorted(ask):
    for day, cost in ((10, 2), (11, 5), (12, 1)):
        DailyCostFactory(day=date(2026, 11, day), billed_cost=Decimal(cost))
    text = "start=2026-11-10&end=2026-11-12&sort="
    for sort, days in (("", [10, 11, 12]), ("measure", [11, 10, 12]), ("-value", [12, 11, 10])):
        answer = ask(text + sort)
        assert [p.start.day for p in answer.period_rows] == days
        assert [p.start.day for p in answer.periods] == [10, 11, 12]


def test_what_changed_is_told_of_all_values_whatever_is_shown(ask, movers):
    answer = ask(f"{SORTED}&top=1")
    assert [(row.value, row.amounts.difference) for row in answer.risen] == [
        ("Ann", 30),
        ("Cid", 30),
        ("dan", 9),
    ]
    assert [(row.value, row.amounts.difference) for row in answer.fallen] == [("bob", -80)]
    assert ask(f"{SPAN}&group_by=user").risen == ()


def test_at_most_five_values_are_named_as_changed(ask):
    for n in range(7):
        DailyCostFactory(user=f"u{n}", billed_cost=Decimal(1 + n))
    answer = ask("start=2026-11-18&end=2026-11-21&group_by=user&compare=previous&top=2")
    assert [row.value for row in answer.risen] == ["u6", "u5", "u4", "u3", "u2"]
