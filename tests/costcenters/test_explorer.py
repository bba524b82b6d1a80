"""Reports: sums are exact, nothing is lost between top, Other and total, and currencies are never added."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.explorer import SumTooLargeError
from costcenters.models import ChargeType, DailyCost
from tests.costcenters.conftest import SPAN, amounts
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory

pytestmark = pytest.mark.django_db


def test_sums_are_exact_to_the_nano(ask):
    for text in ("0.000000001", "9000000.123456789", "-0.1"):
        DailyCostFactory(billed_cost=Decimal(text))
    assert ask(SPAN).total.measure == Decimal("9000000.023456790")


def test_start_and_end_are_both_inclusive(ask):
    for day in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 21), date(2026, 11, 22)):
        DailyCostFactory(day=day)
    assert ask(SPAN).total.measure == 2


def test_the_top_other_and_the_total_agree(ask):
    for n in range(12):
        DailyCostFactory(user=f"u{n:02}", billed_cost=Decimal(n) / 7 // Decimal("0.000000001") / 10**9)
    answer = ask(f"{SPAN}&group_by=user")
    assert [row.value for row in answer.rows] == [f"u{n:02}" for n in range(11, 2, -1)]
    assert answer.other_count == 3
    assert sum(amounts(answer).values()) + answer.other.amounts.measure == answer.total.measure
    assert answer.total.measure == ask(SPAN).total.measure
    for place, period in enumerate(answer.periods):
        shown = sum(row.by_period[place] for row in (*answer.rows, answer.other))
        assert shown == period.amounts.measure


def test_top_zero_shows_all(ask):
    for n in range(12):
        DailyCostFactory(user=f"u{n:02}")
    answer = ask(f"{SPAN}&group_by=user&top=0")
    assert (len(answer.rows), answer.other, answer.other_count) == (12, None, 0)


def test_a_second_grouping_is_listed_within_the_first(ask):
    DailyCostFactory(user="a", model="x", billed_cost=Decimal(3))
    DailyCostFactory(user="a", model="y", billed_cost=Decimal(4))
    DailyCostFactory(user="b", model="x", billed_cost=Decimal(5))
    answer = ask(f"{SPAN}&group_by=user&group_by=model&top=1")
    [row] = answer.rows
    assert [(child.value, child.amounts.measure) for child in row.children] == [("y", 4), ("x", 3)]
    assert answer.other.amounts.measure == 5


@pytest.mark.parametrize("granularity, count", [("day", 21), ("week", 4), ("month", 1), ("total", 1)])
def test_periods_without_cost_are_filled_with_zero(ask, granularity, count):
    DailyCostFactory(day=date(2026, 11, 20), user="a")
    DailyCostFactory(day=date(2026, 11, 1), user="a")
    answer = ask(f"{SPAN}&granularity={granularity}&group_by=user")
    assert len(answer.periods) == count == len(answer.rows[0].by_period)
    assert sum(period.amounts.measure for period in answer.periods) == 2


def test_weeks_hold_the_days_from_monday_to_sunday(ask):
    for day in (8, 9, 15, 16):  # Sunday, Monday, Sunday, Monday
        DailyCostFactory(day=date(2026, 11, day))
    answer = ask("start=2026-11-08&end=2026-11-16&granularity=week")
    assert [(p.start, p.amounts.measure) for p in answer.periods] == [
        (date(2026, 11, 2), 1),
        (date(2026, 11, 9), 2),
        (date(2026, 11, 16), 1),
    ]


def test_a_span_too_long_to_draw_is_shown_coarser_and_adds_up(ask):
    DailyCostFactory(day=date(1980, 5, 5))
    DailyCostFactory(day=date(2026, 5, 5))
    answer = ask("start=1970-01-01&end=2199-12-31")
    assert answer.granularity == "total"
    assert answer.total.measure == 2


@pytest.mark.parametrize(
    "filters, users",
    [
        ("", "abcd"),
        ("user=a&user=b", "ab"),
        ("user!=a", "bcd"),
        ("user=a&user=b&user!=b", "a"),
        ("model=(none)", "d"),
        ("model!=(none)", "abc"),
        ("model_family=Claude", "ab"),
        ("model_family!=Claude", "cd"),
        ("model_family=(none)", "d"),
        ("model_family=Claude&model_family=(none)", "abd"),
        ("tag:env=prod", "a"),
        ("tag:env!=prod", "bcd"),
        ("tag:env=(none)", "cd"),
        ("tag:env!=(none)", "ab"),
        ("tag:env=prod&tag:env=(none)", "acd"),
        ("tag:nothing=x", ""),
        ("tag:number=7", "c"),
        ("cost_center=Two", "d"),
        ("cost_center!=Two", "abc"),
        ("provider=aws", "d"),
        ("provider!=aws&model!=gpt-5", "ab"),
        ("provider=unheard-of", ""),
        ("charge_type=seat", "c"),
    ],
)
def test_filters_narrow_the_rows(ask, filters, users):
    prod, dev = TagSetFactory(tags={"env": "prod"}), TagSetFactory(tags={"env": "dev"})
    DailyCostFactory(user="a", model="claude-4.5-sonnet", tag_set=prod)
    DailyCostFactory(user="b", model="Claude-4-opus", tag_set=dev)
    DailyCostFactory(user="c", model="gpt-5", charge_type="seat", tag_set=TagSetFactory(tags={"number": 7}))
    DailyCostFactory(user="d", cost_center=CostCenterFactory(name="Two", provider="aws"))
    assert "".join(sorted(amounts(ask(f"{SPAN}&group_by=user&{filters}")))) == users


@pytest.mark.parametrize(
    "key, values",
    [
        ("cost_center", {"Cursor": 3, "Two": 4}),
        ("provider", {"cursor": 3, "aws": 4}),
        ("model_family", {"Claude": 3, "": 4}),
        ("model", {"claude-4-opus": 1, "claude-4-sonnet": 2, "": 4}),
        ("tag:env", {"prod": 1, "": 6}),
        ("charge_type", {"usage": 3, "tax": 4}),
        ("region", {"": 7}),
    ],
)
def test_every_dimension_groups(ask, key, values):
    DailyCostFactory(model="claude-4-opus", tag_set=TagSetFactory(tags={"env": "prod"}))
    DailyCostFactory(model="claude-4-sonnet", billed_cost=Decimal(2))
    two = CostCenterFactory(name="Two", provider="aws")
    DailyCostFactory(cost_center=two, charge_type="tax", billed_cost=Decimal(4))
    assert amounts(ask(f"{SPAN}&group_by={key}")) == values


@pytest.mark.parametrize("pair", [("model", "model_family"), ("cost_center", "provider"), ("tag:a", "tag:b")])
def test_two_groupings_on_one_column_work(ask, pair):
    DailyCostFactory(model="gpt-5", tag_set=TagSetFactory(tags={"a": "1", "b": "2"}))
    [row] = ask(f"{SPAN}&group_by={pair[0]}&group_by={pair[1]}").rows
    assert row.children[0].amounts.measure == 1


@pytest.mark.parametrize(
    "measure, total",
    [("billed", 1), ("effective", 2), ("list", 9), ("savings", 7), ("tokens", 1111), ("events", 5)],
)
def test_each_measure_sums_its_own_columns(ask, measure, total):
    DailyCostFactory(
        billed_cost=Decimal(1),
        effective_cost=Decimal(2),
        list_cost=Decimal(9),
        input_tokens=1,
        output_tokens=10,
        cache_write_tokens=100,
        cache_read_tokens=1000,
        line_items=5,
        user="a",
    )
    answer = ask(f"{SPAN}&measure={measure}&group_by=user&compare=previous")
    assert answer.total.measure == total == answer.rows[0].amounts.measure
    assert (answer.total.tokens, answer.total.events) == (1111, 5)
    assert answer.total.before == 0


def test_currencies_are_never_added_and_the_largest_bill_is_shown(ask):
    DailyCostFactory(billed_cost=Decimal(1))
    DailyCostFactory(billed_cost=Decimal(7), cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    answer = ask(SPAN)
    assert (answer.currency, answer.total.measure, answer.currencies) == ("EUR", 7, ("EUR", "USD"))
    assert ask(f"{SPAN}&currency=USD").total.measure == 1
    assert ask(f"{SPAN}&cost_center=Cursor").currency == "USD"


def test_a_currency_without_cost_in_the_filtered_set_does_not_win(ask):
    CostCenterFactory(name="Australian", currency="AUD")
    CostCenterFactory(name="Euro", currency="EUR")
    DailyCostFactory(billed_cost=Decimal(0))
    answer = ask(SPAN)
    assert (answer.currency, answer.currencies) == ("USD", ("USD",))


def test_periods_have_their_tokens_and_line_items_grouped_or_not(ask):
    DailyCostFactory(user="a", input_tokens=5, line_items=3)
    for text in (SPAN, f"{SPAN}&group_by=user"):
        assert [(p.amounts.tokens, p.amounts.events) for p in ask(text).periods if p.start.day == 20] == [
            (5, 3)
        ]


def test_split_and_estimate_are_parts_of_the_total(ask):
    DailyCostFactory(billed_cost=Decimal(5))
    DailyCostFactory(billed_cost=Decimal(2), charge_type="seat", is_estimated=True)
    answer = ask(f"{SPAN}&group_by=charge_type")
    assert answer.split == {"usage": 5, "seat": 2}
    assert answer.estimated == 2


def test_a_report_over_nothing_is_empty(ask):
    answer = ask(f"{SPAN}&group_by=user&compare=year")
    assert answer.is_empty
    assert (answer.currency, answer.total.measure, str(answer.freshness)) == ("USD", 0, "Nothing loaded yet")


@pytest.mark.parametrize(
    "text, queries",
    [
        ("group_by=user", 3),
        ("group_by=user&group_by=model&compare=previous", 6),
        ("group_by=user&group_by=model&compare=previous&granularity=total", 4),
        ("group_by=seat_activity&seat_activity=idle", 5),
        ("group_by=model_family&model_family=Claude", 4),
        ("group_by=tag:env&tag:team=a", 4),
    ],
)
def test_the_number_of_queries_does_not_grow_with_the_rows(ask, text, queries):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask(f"{SPAN}&{text}")
        return len(captured) - 1  # the form's own reading of the cost centers

    tags = TagSetFactory(tags={"env": "prod", "team": "a"})
    DailyCostFactory(user="a", model="claude-4", tag_set=tags, charge_type=ChargeType.SEAT)
    assert count() == queries
    for n in range(30):
        DailyCostFactory(user=f"u{n}", model=f"claude-{n}", tag_set=tags)
    assert count() == queries


def test_reports_never_read_line_items(ask):
    DailyCostFactory(user="a")
    with CaptureQueriesContext(connection) as captured:
        ask(f"{SPAN}&group_by=user")
    assert not [q for q in captured if "costlineitem" in q["sql"]]


def test_a_sum_that_sqlite_cannot_hold_is_a_clear_error(viewer):
    center = CostCenterFactory()
    DailyCost.objects.bulk_create(
        [DailyCostFactory.build(cost_center=center, billed_cost=Decimal(5 * 10**9)) for _ in range(2)]
    )
    page = viewer.get(f"/explorer/?{SPAN}")
    export = viewer.get(f"/explorer/export.csv?{SPAN}")
    if connection.vendor == "sqlite":
        assert (page.status_code, export.status_code) == (400, 400)
        assert b"larger than SQLite can hold" in page.content
        assert b"larger than SQLite can hold" in export.content
    else:
        assert b"10000000000.00" in b"".join(export.streaming_content)
        assert b"$10,000,000,000.00" in page.content


@pytest.mark.parametrize("per_row", [Decimal(9 * 10**9), Decimal(5 * 10**9)])
def test_savings_too_large_for_sqlite_are_a_clear_error(ask, per_row):
    """The first is too large in one row already, the second in the sum."""
    for _ in range(2):
        DailyCostFactory(list_cost=per_row, effective_cost=-per_row if per_row > 5 * 10**9 else Decimal(0))
    if connection.vendor == "sqlite" or per_row > 5 * 10**9:
        with pytest.raises(SumTooLargeError):
            ask(f"{SPAN}&measure=savings")
    else:
        assert ask(f"{SPAN}&measure=savings").total.measure == 10**10
