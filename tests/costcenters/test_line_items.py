"""The only writer: windows replaced exactly, the roll-up equal to the lines, and nothing written when refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from costcenters.line_items import erase_some, replace_day, replace_window
from costcenters.models import CostLineItem, DailyCost, Statement, StatementDay, TagSet
from costcenters.records import LIMITS, TagSetIds, WindowError, canonical_details
from tests.costcenters.focus.delivered import row_of
from tests.costcenters.lines import (
    DAY,
    END,
    START,
    SUMMED,
    assert_roll_up_equals_lines,
    everything,
    ids,
    item,
    users,
    window,
)
from tests.factories import CostCenterFactory, StatementFactory

pytestmark = pytest.mark.django_db


#: Each differs from the first one in one dimension of the roll-up.
EACH_DIMENSION = [
    {},
    {"hours": 25},
    {"charge_type": "credit"},
    {"service": "Bugbot"},
    {"model": "other"},
    {"kind": "Included"},
    {"surface": "editor"},
    {"user": ""},
    {"account": "a-1"},
    {"region": "eu-west-1"},
    {"tags": (("team", "core"),)},
    {"tags": (("team", "web"),)},
    {"is_estimated": True},
]


def test_a_window_holds_exactly_the_items_and_the_roll_up_tells_every_dimension_apart(center):
    items = [item(**changes) for changes in EACH_DIMENSION for _ in range(2)]

    change = replace_window(window(center, charge_types=("usage", "credit")), items)

    assert (change.added, change.removed) == (len(items), 0)
    assert (change.amount_before, change.amount_after) == (0, len(items) * 1_000_000_001)
    assert DailyCost.objects.count() == len(EACH_DIMENSION)
    assert set(DailyCost.objects.values_list("line_items", flat=True)) == {2}
    assert_roll_up_equals_lines()


def test_every_column_is_stored_in_its_place(center):
    full = item(
        kind="Usage-based",
        surface="headless",
        account="a-1",
        region="eu-west-1",
        resource="conversation",
        quantity="1.60",
        unit="requests",
        is_estimated=True,
        tags=(("team", "core"),),
        details=canonical_details({"a": "1"}),
        input_tokens=2**63 - 1,
    )
    replace_window(window(center), [full])

    line = CostLineItem.objects.get()
    for name in (*LIMITS, "started_at", "is_estimated", *SUMMED[:4]):
        assert getattr(line, name) == getattr(full, name), name
    costs = (line.billed_cost, line.effective_cost, line.list_cost)
    assert tuple(int(cost.scaleb(9)) for cost in costs) == (
        full.billed_nano,
        full.effective_nano,
        full.list_nano,
    )
    assert (line.day, line.details, line.tag_set.tags) == (date(2026, 11, 18), {"a": "1"}, {"team": "core"})


def test_a_window_is_replaced_and_an_empty_one_leaves_no_roll_up(center):
    replace_window(window(center), [item(user="a"), item(30, user="b")])

    replace_window(window(center), [item(30, user="c")])
    assert users() == ["c"]
    assert_roll_up_equals_lines()

    change = replace_window(window(center), [])
    assert (change.added, change.removed, change.amount_before, change.amount_after) == (
        *(0, 1),
        *(1_000_000_001, 0),
    )
    assert not CostLineItem.objects.exists()
    assert not DailyCost.objects.exists()


def test_an_unchanged_window_is_not_written(center):
    items = [item(**changes) for changes in EACH_DIMENSION]
    whole = window(center, charge_types=("usage", "credit"))
    replace_window(whole, items)
    before = everything()

    change = replace_window(whole, items[::-1])

    assert change.is_empty
    assert change.amount_before == change.amount_after == len(items) * 1_000_000_001
    assert everything() == before


def test_only_rows_that_differ_are_replaced(center):
    replace_window(window(center), [item(user="a"), item(user="b"), item(30, user="c")])
    kept = ids(user__in="ac")

    change = replace_window(
        window(center), [item(user="a"), item(user="b", billed_nano=5), item(30, user="c")]
    )

    assert (change.added, change.removed) == (1, 1)
    assert not change.is_empty
    assert ids(user__in="ac") == kept
    assert change.amount_after - change.amount_before == 5 - 1_000_000_001
    assert_roll_up_equals_lines()


DIFFERENT = [
    *[{name: "x"} for name in ("service", "model", "kind", "surface", "user", "account", "region")],
    *[{"resource": "x"}, {"quantity": "1.0"}, {"unit": "x"}, {"details": '{"a":"1"}'}],
    *[{name: 99} for name in ("input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens")],
    *[{name: 99} for name in ("billed_nano", "effective_nano", "list_nano")],
    *[{"is_estimated": True}, {"tags": (("team", "core"),)}, {"hours": 1 + 1 / 3_600_000_000}],
]


@pytest.mark.parametrize("changed", DIFFERENT, ids=lambda changed: next(iter(changed)))
def test_a_difference_in_any_column_is_written(changed, center):
    replace_window(window(center), [item()])

    change = replace_window(window(center), [item(**changed)])

    assert (change.added, change.removed) == (1, 1)
    assert replace_window(window(center), [item(**changed)]).is_empty
    assert_roll_up_equals_lines()


def test_identical_twins_are_all_kept_and_counted(center):
    replace_window(window(center), [item()] * 3)
    assert CostLineItem.objects.count() == 3
    before = ids()

    assert replace_window(window(center), [item()] * 3).is_empty
    change = replace_window(window(center), [item()] * 2)
    assert (change.added, change.removed) == (0, 1)
    assert len(ids() & before) == CostLineItem.objects.count() == 2

    change = replace_window(window(center), [item()] * 4)
    assert (change.added, change.removed) == (2, 0)
    assert_roll_up_equals_lines()


@pytest.mark.parametrize(
    "stranger",
    [
        item(started_at=START - timedelta(microseconds=1), account="a-1"),
        item(started_at=END, account="a-1"),
        item(charge_type="seat", account="a-1"),
    ],
    ids=["before", "at the end", "charge type"],
)
def test_an_item_outside_the_window_is_refused_and_nothing_is_written(stranger, center):
    replace_window(window(center), [item(account="a-1")])
    before = everything()

    with pytest.raises(WindowError, match="outside the window"):
        replace_window(window(center), [item(2, account="a-1"), stranger])

    assert everything() == before


def test_the_window_is_closed_at_its_start_and_open_at_its_end(center):
    last = END - timedelta(microseconds=1)
    replace_window(window(center, end=END + DAY), [item(0), item(started_at=END), item(started_at=last)])

    replace_window(window(center), [])

    assert [line.started_at for line in CostLineItem.objects.all()] == [END]
    assert_roll_up_equals_lines()


def test_a_window_of_one_statement_leaves_the_others_rows_and_those_of_none(center):
    mine, other = (StatementFactory(cost_center=center, billing_account=name) for name in ("a-1", "a-2"))
    for statement_id in (None, mine.pk, other.pk):
        replace_window(window(center, statement_id=statement_id), [item()])
    others = set(CostLineItem.objects.exclude(statement=mine).values_list("pk", flat=True))

    change = replace_window(window(center, statement_id=mine.pk), [item(2, user="x")])

    assert (change.added, change.removed, change.amount_before) == (1, 1, 1_000_000_001)
    assert {line.pk for line in CostLineItem.objects.all() if line.statement_id != mine.pk} == others
    assert CostLineItem.objects.get(user="x").statement_id == mine.pk
    assert_roll_up_equals_lines()


def test_a_window_of_no_statement_leaves_the_rows_of_statements(center):
    statement = StatementFactory(cost_center=center)
    replace_window(window(center), [item()])
    replace_window(window(center, statement_id=statement.pk), [item(2)])
    replace_window(window(center), [])
    assert list(CostLineItem.objects.values_list("statement_id", flat=True)) == [statement.pk]


def test_other_charge_types_and_cost_centers_of_the_same_days_are_untouched(center):
    other = CostCenterFactory(name="Other")
    for owner, charge_type in ((center, "seat"), (other, "usage"), (other, "seat")):
        kind = window(owner, charge_types=(charge_type,))
        replace_window(kind, [item(charge_type=charge_type), item(30, charge_type=charge_type)])
    replace_window(window(center), [item()])

    def others():
        mine = {"cost_center": center, "charge_type": "usage"}
        return [
            list(model.objects.exclude(**mine).order_by("pk").values()) for model in (CostLineItem, DailyCost)
        ]

    before = others()
    replace_window(window(center), [item(user="x"), item(30, user="y")])
    assert others() == before

    replace_window(window(center), [])
    assert others() == before
    assert_roll_up_equals_lines()


def test_the_roll_up_of_a_day_holds_what_lies_beside_a_shorter_window_too(center):
    replace_window(window(center), [item(1), item(5), item(9)])
    part = window(center, start=START + timedelta(hours=4), end=START + timedelta(hours=6))

    replace_window(part, [item(5, billed_nano=7)])

    assert DailyCost.objects.get().billed_cost.scaleb(9) == 2_000_000_009
    assert_roll_up_equals_lines()


# Days of statements, in blocks ----------------------------------------------------------------------------------------


FIRST_DAY = START.date()


def blocks(*given):
    """Blocks of line items as a delivery holds them."""
    return [[row_of(one) for one in block] for block in given]


def day_replaced(center, lines, *, day=FIRST_DAY):
    return replace_day(center.pk, day, lines, tag_sets=TagSetIds())


def test_a_day_of_statements_holds_exactly_the_blocks(center):
    mine, other = (StatementFactory(cost_center=center) for _ in range(2))
    replace_window(window(center), [item(), item(30)])
    day_replaced(center, {other.pk: blocks([item(2)])})
    day_replaced(center, {mine.pk: blocks([item(3), item(3)], [item(4, tags=(("team", "core"),))])})
    others = ids() - ids(statement=mine)

    change = day_replaced(center, {mine.pk: blocks([], [item(5, billed_nano=7)])})

    assert (change.added, change.removed, change.billed_nano) == (1, 3, 7)
    assert ids() - ids(statement=mine) == others
    assert_roll_up_equals_lines()


def test_every_column_of_a_block_is_stored_in_its_place(center):
    full = item(
        kind="Usage-based",
        surface="headless",
        account="a-1",
        region="eu-west-1",
        resource='a "quoted", resource\r\nof two lines',
        quantity="1.60",
        unit="\\N",
        is_estimated=True,
        tags=(("a", "1"), ("team", "core")),
        details=canonical_details({"a": "\\"}),
        input_tokens=2**62 - 1,
    )
    replace_window(window(center), [full])
    day_replaced(center, {StatementFactory(cost_center=center).pk: blocks([full])})

    both = CostLineItem.objects.order_by("pk").values()
    assert len(both) == 2
    assert {name for name in both[0] if both[0][name] != both[1][name]} == {"id", "statement_id"}
    assert TagSet.objects.count() == 1


def test_all_charge_types_before_and_after_are_in_the_roll_up(center):
    statement = StatementFactory(cost_center=center)
    day_replaced(
        center, {statement.pk: blocks([item(), item(charge_type="credit"), item(charge_type="tax")])}
    )
    day_replaced(center, {statement.pk: blocks([item(charge_type="purchase")])})
    assert set(DailyCost.objects.values_list("charge_type", flat=True)) == {"purchase"}
    day_replaced(center, {statement.pk: []})
    assert not DailyCost.objects.exists()


def test_erasing_a_day_takes_along_what_its_statements_were_said_to_hold(center):
    statement = StatementFactory(cost_center=center)
    other = StatementFactory(cost_center=CostCenterFactory(name="Other"))
    for of_statement in (statement, other):
        for number in range(2):
            day = FIRST_DAY + number * DAY
            StatementDay.objects.create(
                statement=of_statement, day=day, line_items=2, billed_cost=2, digest="0"
            )
            started = START + number * DAY
            lines = blocks([item(started_at=started, user=user) for user in "ab"])
            day_replaced(of_statement.cost_center, {of_statement.pk: lines}, day=day)

    assert erase_some(center.pk, at_most=1) == 1
    assert [one.day for one in statement.days.all()] == [FIRST_DAY]

    while erase_some(center.pk, at_most=1):
        assert Statement.objects.filter(pk=statement.pk).exists() or not center.line_items.exists()
    assert list(Statement.objects.all()) == [other]
    assert other.days.count() == 2
    assert CostLineItem.objects.filter(cost_center=other.cost_center).count() == 4
    center.delete()
