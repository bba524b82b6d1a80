"""Reports: sums are exact, nothing is lost between top, Other and total, and currencies are never added."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.catalog import Catalog, Seats
from costcenters.explorer import SumTooLargeError
from costcenters.models import ChargeType, CostCenter, DailyCost
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory

pytestmark = pytest.mark.django_db
SPAN = "start=2026-11-01&end=2026-11-21"


def amounts(answer) -> dict[str, Decimal]:
    return {row.value: row.amounts.measure for row in answer.rows}


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


def test_periods_have_their_tokens_and_line_items_grouped_or_not(ask):
    DailyCostFactory(user="a", input_tokens=5, line_items=3)
    for text in (SPAN, f"{SPAN}&group_by=user"):
        assert [(p.amounts.tokens, p.amounts.events) for p in ask(text).periods if p.start.day == 20] == [
            (5, 3)
        ]


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


def test_split_and_estimate_are_parts_of_the_total(ask):
    DailyCostFactory(billed_cost=Decimal(5))
    DailyCostFactory(billed_cost=Decimal(2), charge_type="seat", is_estimated=True)
    answer = ask(f"{SPAN}&group_by=charge_type")
    assert answer.split == {"usage": 5, "seat": 2}
    assert answer.estimated == 2


def test_periods_after_what_is_complete_are_flagged(ask):
    CostCenterFactory(complete_through=datetime(2026, 11, 20, 9, tzinfo=UTC))
    answer = ask(SPAN)
    assert [p.start.day for p in answer.periods if p.is_incomplete] == [20, 21]
    assert str(answer.freshness) == "Complete through 20 Nov 2026, 09:00 UTC"


def test_freshness_is_the_least_among_the_live_cost_centers_asked_for(ask):
    CostCenterFactory()
    status = CostCenter.Status
    CostCenterFactory(name="Old", complete_through=datetime(2026, 11, 2, tzinfo=UTC), provider="aws")
    CostCenterFactory(
        name="Gone", complete_through=datetime(2025, 1, 1, tzinfo=UTC), status=status.DISCONNECTED
    )
    CostCenterFactory(name="Bad", complete_through=None, status=status.NEEDS_ATTENTION)
    fresh = ask(SPAN).freshness
    assert (str(fresh), fresh.oldest, fresh.stuck) == (
        "Complete through 2 Nov 2026, 00:00 UTC",
        "Old",
        ("Bad",),
    )
    assert str(ask(f"{SPAN}&cost_center=Cursor").freshness) == "Complete through 21 Nov 2026, 14:00 UTC"


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


# Sorting ---------------------------------------------------------------------------------------------------

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


# Only complete periods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "granularity, end, before",
    [
        ("day", date(2026, 11, 20), date(2026, 10, 31)),
        ("total", date(2026, 11, 20), date(2026, 10, 31)),
        ("week", date(2026, 11, 15), date(2026, 10, 31)),
    ],
)
def test_the_report_ends_before_the_first_period_that_may_still_grow(ask, granularity, end, before):
    for day in range(1, 22):
        DailyCostFactory(day=date(2026, 11, day), user=f"u{day % 3}")
    text = f"{SPAN}&complete=1&granularity={granularity}&compare=previous"
    for answer in (ask(text), ask(f"{text}&group_by=user")):
        assert answer.span.end == end
        assert answer.compare_span.end == before
        assert answer.compare_span.days == answer.span.days
        assert answer.total.measure == end.day == sum(p.amounts.measure for p in answer.periods)
        assert not any(period.is_incomplete for period in answer.periods)
        assert answer.query.span.end == date(2026, 11, 21)


def test_a_part_of_a_period_that_is_complete_is_kept(ask):
    CostCenterFactory()
    answer = ask("start=2026-11-01&end=2026-11-18&complete=1&granularity=month")
    assert (answer.span.end, len(answer.periods)) == (date(2026, 11, 18), 1)


@pytest.mark.parametrize("grouped", ["", "&group_by=user", "&group_by=user&group_by=model"])
@pytest.mark.parametrize("more", ["", "&compare=previous&sort=change", "&granularity=total&compare=year"])
def test_nothing_complete_is_an_empty_report(ask, viewer, grouped, more):
    DailyCostFactory(day=date(2026, 11, 21), user="a")
    text = f"start=2026-11-21&end=2026-11-30&complete=1{grouped}{more}"
    answer = ask(text)
    assert answer.is_empty
    assert (answer.span, answer.compare_span, answer.periods, answer.rows) == (None, None, (), ())
    assert (answer.total.measure, answer.total.before, answer.other, answer.split) == (0, None, None, {})
    assert viewer.get(f"/explorer/?{text}").status_code == 200


def test_asking_for_complete_periods_does_not_change_the_currency(ask):
    DailyCostFactory(day=date(2026, 11, 21), billed_cost=Decimal(9))
    euro = CostCenterFactory(name="Euro", currency="EUR")
    DailyCostFactory(day=date(2026, 11, 5), cost_center=euro)
    answer = ask(f"{SPAN}&complete=1")
    assert (answer.currency, answer.currencies, answer.total.measure) == ("USD", ("EUR", "USD"), 0)


# Savings and seats ----------------------------------------------------------------------------------------


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


@pytest.fixture
def seats() -> None:
    seat, usage = ChargeType.SEAT, ChargeType.USAGE
    euro = CostCenterFactory(name="Euro", currency="EUR")
    for user, day, charge_type, center in (
        ("active", 21, seat, None),
        ("active", 5, usage, None),
        ("elsewhere", 21, seat, None),
        ("elsewhere", 21, usage, euro),
        ("idle", 21, seat, None),
        ("other team", 19, seat, euro),
        ("gone", 20, seat, None),
        ("gone", 20, usage, None),
        ("no seat", 21, usage, None),
        ("", 21, seat, None),
        ("", 21, usage, None),
    ):
        DailyCostFactory(
            cost_center=center or CostCenterFactory(),
            user=user,
            day=date(2026, 11, day),
            charge_type=charge_type,
        )
    DailyCostFactory(user="idle", day=date(2026, 10, 22), charge_type=usage)  # 31 days ago


def test_a_seat_is_held_on_the_newest_day_and_used_within_30_days(seats):
    found = Catalog(today=date(2026, 11, 21)).seats
    assert found.active == {"active", "elsewhere"}
    assert found.idle == {"idle", "other team"}


def test_the_last_of_the_30_days_counts(seats):
    DailyCostFactory(user="idle", day=date(2026, 10, 23))
    assert "idle" in Catalog(today=date(2026, 11, 21)).seats.active


def test_seats_of_more_than_30_days_ago_are_held_no_more(seats):
    assert Catalog(today=date(2026, 12, 18)).seats.idle == {"other team", "idle", "active"}
    assert Catalog(today=date(2026, 12, 20)).seats.idle == {"idle", "active"}
    assert Catalog(today=date(2026, 12, 21)).seats == Seats(frozenset(), frozenset())


def test_seats_are_grouped_and_filtered_by_their_activity(ask, seats):
    def users(text: str) -> str:
        return ", ".join(sorted(amounts(ask(f"{SPAN}&currency=USD&group_by=user&{text}"))))

    assert amounts(ask(f"{SPAN}&currency=USD&group_by=seat_activity")) == {"active": 3, "idle": 1, "": 5}
    assert users("seat_activity=idle") == "idle"
    assert users("seat_activity!=idle") == ", active, elsewhere, gone, no seat"
    assert users("seat_activity=(none)") == ", gone, no seat"
    assert users("seat_activity=(none)&seat_activity=active") == ", active, elsewhere, gone, no seat"
    assert users("seat_activity!=(none)") == "active, elsewhere, idle"
