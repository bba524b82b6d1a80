"""Pass 2 of a delivery: what it changes, what it asks before, and what it leaves alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from costcenters import line_items
from costcenters.focus import ledger
from costcenters.models import CostCenter, CostLineItem, DailyCost, Statement, StatementDay, TagSet
from costcenters.records import WindowError
from tests.costcenters.focus.delivered import NOVEMBER, OCTOBER, Delivered, line
from tests.costcenters.lines import assert_roll_up_equals_lines
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)


@pytest.fixture
def center():
    return CostCenterFactory(name="AWS", provider="aws", complete_through=None)


def never_lost():
    """The fence of somebody who holds the claim."""


def write(center, delivery, *, fence=never_lost, now=NOW, **options):
    plan = ledger.plan(center, delivery.part)
    return ledger.write(center, delivery, delivery.part, plan, fence=fence, now=now, **options)


def questions(center, delivery):
    return ledger.plan(center, delivery.part).questions


def everything():
    """All that is stored, to the row id."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (CostLineItem, DailyCost, Statement, StatementDay, TagSet)
    ]


def billed(**condition):
    return sorted(
        int(cost.scaleb(9))
        for cost in CostLineItem.objects.filter(**condition).values_list("billed_cost", flat=True)
    )


def month(account, *, start=OCTOBER, days=31, **changes):
    """A line a day."""
    return {(account, start): [line(day, month=start, **changes) for day in range(1, days + 1)]}


# What is stored -------------------------------------------------------------------------------------------------------


def test_a_first_delivery_is_stored_with_statements_days_and_roll_up(center):
    lines = {
        ("1", OCTOBER): [line(1), line(1), line(2, tags=(("team", "core"),))],
        ("2", OCTOBER): [line(2, billed_nano=5), line(2, charge_type="tax", billed_nano=7)],
        ("2", NOVEMBER): [line(3, month=NOVEMBER)],
    }
    change = write(center, Delivered(lines, names={"1": "Production"}))

    assert (change.added, change.removed) == (6, 0)
    assert (change.amount_before, change.amount_after) == (0, 4 * 1_000_000_001 + 12)
    found = {
        (day.statement.billing_account, day.statement.period_start, day.day): day.line_items
        for day in StatementDay.objects.select_related("statement")
    }
    assert found == {
        ("1", OCTOBER, date(2026, 10, 1)): 2,
        ("1", OCTOBER, date(2026, 10, 2)): 1,
        ("2", OCTOBER, date(2026, 10, 2)): 2,
        ("2", NOVEMBER, date(2026, 11, 3)): 1,
    }
    first = Statement.objects.get(billing_account="1")
    assert (first.billing_account_name, first.period_end) == ("Production", NOVEMBER)
    assert CostLineItem.objects.filter(statement=first).count() == 3
    assert CostLineItem.objects.get(tag_set__isnull=False).tag_set.tags == {"team": "core"}
    assert_roll_up_equals_lines()


def test_the_same_delivery_twice_writes_no_row_and_changes_no_id(center):
    lines = {("1", OCTOBER): [line(day, tags=(("n", str(day)),)) for day in (1, 1, 2, 9)]}
    write(center, Delivered(lines))
    before = everything()
    fences = []
    in_another_order = {unit: items[::-1] for unit, items in lines.items()}

    change = write(center, Delivered(in_another_order, block=3), fence=lambda: fences.append(1))

    assert change.is_empty
    assert change.amount_before == change.amount_after == 4 * 1_000_000_001
    assert everything() == before
    assert not fences


def test_a_restated_month_writes_only_the_days_that_changed(center):
    write(center, Delivered(month("1")))
    kept = set(CostLineItem.objects.exclude(day=date(2026, 10, 7)).values_list("pk", flat=True))
    again = month("1")
    again["1", OCTOBER][6] = line(7, billed_nano=3)

    change = write(center, Delivered(again))

    assert (change.added, change.removed) == (1, 1)
    assert billed(day=date(2026, 10, 7)) == [3]
    assert kept < set(CostLineItem.objects.values_list("pk", flat=True))
    assert StatementDay.objects.get(day=date(2026, 10, 7)).billed_cost == Decimal("0.000000003")
    assert_roll_up_equals_lines()


def test_another_account_and_another_month_of_the_same_days_stay(center):
    """A correction of October may lie in November, beside November's own lines and those of other accounts."""
    stay = {("2", OCTOBER): [line(1), line(2)], ("1", NOVEMBER): [line(1, month=NOVEMBER)]}
    write(center, Delivered({("1", OCTOBER): [line(1), line(2), line(1, month=NOVEMBER)], **stay}))
    stayed = set(
        CostLineItem.objects.exclude(
            statement__in=Statement.objects.filter(billing_account="1", period_start=OCTOBER)
        ).values_list("pk", flat=True)
    )
    assert len(stayed) == 3

    write(center, Delivered({("1", OCTOBER): [line(1, billed_nano=1), line(3, month=NOVEMBER)]}))

    assert stayed < set(CostLineItem.objects.values_list("pk", flat=True))
    assert CostLineItem.objects.count() == 5
    assert set(
        StatementDay.objects.filter(
            statement__billing_account="1", statement__period_start=OCTOBER
        ).values_list("day", flat=True)
    ) == {date(2026, 10, 1), date(2026, 11, 3)}
    assert_roll_up_equals_lines()


def test_lines_outside_the_billing_period_stay_with_their_statement(center):
    write(center, Delivered({("1", OCTOBER): [line(1), line(0, billed_nano=-5)]}))
    correction = CostLineItem.objects.get(day=date(2026, 9, 30))
    assert Statement.objects.get(pk=correction.statement_id).period_start == OCTOBER

    write(center, Delivered({("1", OCTOBER): [line(1), line(0, billed_nano=-6)]}))
    assert billed(day=date(2026, 9, 30)) == [-6]


def test_lines_that_came_otherwise_and_other_cost_centers_are_left_alone(center):
    other = CostCenterFactory(name="Other", provider="aws")
    write(other, Delivered(month("1", days=2)))
    write(center, Delivered(month("1", days=2)))
    before = list(CostLineItem.objects.filter(cost_center=other).order_by("pk").values())

    write(center, Delivered(month("1", days=1, billed_nano=9)))

    assert list(CostLineItem.objects.filter(cost_center=other).order_by("pk").values()) == before
    assert billed(cost_center=center) == [9]
    assert_roll_up_equals_lines()


def test_name_and_end_of_the_period_follow_the_newest_delivery(center):
    write(center, Delivered(month("1", days=2), names={"1": "Old"}))
    lines = CostLineItem.objects.count()
    later = {OCTOBER: NOVEMBER + timedelta(days=1)}

    change = write(center, Delivered(month("1", days=2), names={"1": "New"}, ends=later))

    statement = Statement.objects.get()
    assert (statement.billing_account_name, statement.period_end) == ("New", later[OCTOBER])
    assert change.is_empty
    assert CostLineItem.objects.count() == lines


@pytest.mark.parametrize(
    ("days", "through"),
    [
        ([line(5)], datetime(2026, 10, 6, tzinfo=UTC)),
        ([line(20, month=NOVEMBER)], datetime(2026, 11, 21, tzinfo=UTC)),
        ([line(21, month=NOVEMBER)], datetime(2026, 11, 21, tzinfo=UTC)),
        ([line(5), line(30, month=NOVEMBER)], datetime(2026, 10, 6, tzinfo=UTC)),
        ([line(30, month=NOVEMBER)], None),
    ],
    ids=["a past day", "yesterday", "today", "also a day to come", "only a day to come"],
)
def test_the_bill_is_complete_through_the_newest_day_that_is_over(days, through, center):
    write(center, Delivered({("1", OCTOBER): days}))
    assert CostCenter.objects.get().complete_through == through


def test_an_older_month_does_not_make_the_bill_less_complete(center):
    write(center, Delivered(month("1", start=NOVEMBER, days=9)))
    write(center, Delivered(month("1", start=OCTOBER)))
    assert CostCenter.objects.get().complete_through == datetime(2026, 11, 10, tzinfo=UTC)


def test_fifty_statements_go_in_one_transaction_a_day(center):
    lines = {}
    for number in range(50):
        lines |= month(str(number), days=3)
    fences, told = [], []

    write(center, Delivered(lines), fence=lambda: fences.append(1), progress=lambda *done: told.append(done))

    assert Statement.objects.count() == 50
    assert StatementDay.objects.count() == 150
    # The statements, each day, and through when it is complete.
    assert len(fences) == 1 + 3 + 1
    assert told == [(50, 150), (100, 150), (150, 150)]
    assert_roll_up_equals_lines()


def test_more_tag_sets_than_are_remembered_are_told_apart(center, monkeypatch):
    monkeypatch.setattr(ledger.TagSetIds, "MOST_REMEMBERED", 3)
    lines = {
        ("1", OCTOBER): [line(1, tags=(("n", str(number % 7)),), hours=number % 24) for number in range(40)]
    }
    write(center, Delivered(lines))
    assert TagSet.objects.count() == 7
    assert sorted(
        item.tag_set.tags["n"] for item in CostLineItem.objects.select_related("tag_set")
    ) == sorted(str(number % 7) for number in range(40))


# What is asked --------------------------------------------------------------------------------------------------------


def test_a_cost_center_without_statements_asks_nothing(center):
    assert questions(center, Delivered(month("1") | month("2"))) == ()
    assert questions(None, Delivered(month("1"))) == ()


def test_a_billing_account_never_seen_is_asked_for_and_nothing_else(center):
    write(center, Delivered(month("1")))
    assert questions(center, Delivered(month("1", start=NOVEMBER, days=3))) == ()

    (question,) = questions(center, Delivered(month("1") | month("2"), names={"2": "Sales"}))
    assert "2 (Sales)" in question
    assert "“AWS”" in question


def test_many_new_accounts_make_one_question(center):
    write(center, Delivered(month("1", days=1)))
    lines = {}
    for number in range(100, 130):
        lines |= month(str(number), days=1)
    (question,) = questions(center, Delivered(lines))
    assert "100, 101, 102, 103, 104 and 25 more" in question


def test_a_day_that_is_missing_is_asked_for_though_the_bill_grows(center):
    write(center, Delivered(month("1", days=10)))
    fuller = month("1", days=20, billed_nano=10**10)
    del fuller["1", OCTOBER][2:5]

    (question,) = questions(center, Delivered(fuller))

    assert "3 – 5 Oct 2026" in question
    assert "3 lines ($3.00)" in question


def test_fewer_lines_and_less_cost_are_asked_for(center):
    write(center, Delivered({("1", OCTOBER): [line(1)] * 10}))
    (question,) = questions(center, Delivered({("1", OCTOBER): [line(1)] * 4}, names={"1": "Production"}))
    assert question.startswith("Oct 2026 of 1 (Production): 4 lines ($4.00) would replace 10 ($10.00).")


@pytest.mark.parametrize(
    "restated",
    [
        [line(1)] * 10 + [line(1, charge_type="credit", billed_nano=-(10**10))],
        [line(1, billed_nano=1)] * 10,
        [line(1, billed_nano=10**10)] * 3,
        [line(1, billed_nano=1_000_000_001 * 5)] * 2,
        [line(1)] * 10 + [line(2, billed_nano=-1)],
    ],
    ids=[
        "a credit",
        "new prices",
        "fewer lines, more cost",
        "lines drawn together",
        "a correction on a new day",
    ],
)
def test_a_restatement_that_holds_all_there_was_is_not_asked_for(restated, center):
    write(center, Delivered({("1", OCTOBER): [line(1)] * 10}))
    assert questions(center, Delivered({("1", OCTOBER): restated})) == ()


def test_fewer_lines_of_a_bill_of_nothing_or_of_a_refund_are_asked_for(center):
    for account, billed_nano in (("1", 0), ("2", -(10**9))):
        write(center, Delivered({(account, OCTOBER): [line(1, billed_nano=billed_nano)] * 10}))
        (question,) = questions(
            center, Delivered({(account, OCTOBER): [line(1, billed_nano=billed_nano)] * 4})
        )
        assert "4 lines" in question
        assert "would replace 10" in question


def test_a_billing_period_that_begins_otherwise_now_is_asked_for(center):
    write(center, Delivered(month("1")))
    start, end = OCTOBER - timedelta(hours=2), NOVEMBER - timedelta(hours=1)
    shifted = Delivered({("1", start): [line(1)]}, ends={start: end})
    (question,) = questions(center, shifted)
    assert "2026-09-30 22:00 – 2026-10-31 23:00 UTC of 1 overlaps 2026-10-01 00:00 – 2026-11-01" in question
    # The months beside it, and those of others, do not overlap.
    assert questions(center, Delivered(month("1", start=NOVEMBER, days=3))) == ()
    write(center, shifted)
    both = Delivered(month("1") | {("1", start): [line(1)]}, ends={start: end, OCTOBER: NOVEMBER})
    assert questions(center, both) == ()


def test_what_was_confirmed_is_done_and_the_days_that_are_missing_go(center):
    write(center, Delivered(month("1", days=10)))
    change = write(center, Delivered(month("1", days=4)))
    assert (change.added, change.removed) == (0, 6)
    assert StatementDay.objects.count() == CostLineItem.objects.count() == 4
    assert CostCenter.objects.get().complete_through == datetime(2026, 10, 5, tzinfo=UTC)
    assert_roll_up_equals_lines()


# What goes wrong ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As sudden as a kill."""


def test_a_run_that_is_killed_between_days_is_mended_by_the_next_one(center):
    delivery = Delivered(month("1", days=6))
    days = iter(range(3))

    def dying(*done):
        if next(days, None) is None:
            raise Killed

    with pytest.raises(Killed):
        write(center, delivery, progress=dying)
    assert CostLineItem.objects.count() == StatementDay.objects.count() == 4
    assert_roll_up_equals_lines()
    kept = set(CostLineItem.objects.values_list("pk", flat=True))

    assert questions(center, delivery) == ()
    assert write(center, delivery).added == 2

    assert CostLineItem.objects.count() == StatementDay.objects.count() == 6
    assert kept < set(CostLineItem.objects.values_list("pk", flat=True))
    assert CostCenter.objects.get().complete_through == datetime(2026, 10, 7, tzinfo=UTC)
    assert write(center, delivery).is_empty
    assert_roll_up_equals_lines()


def test_a_claim_that_is_lost_stops_before_the_next_day(center):
    calls = []

    def fence():
        calls.append(1)
        if len(calls) == 3:  # the second day
            raise Killed

    with pytest.raises(Killed):
        write(center, Delivered(month("1", days=3)), fence=fence)
    assert list(CostLineItem.objects.values_list("day", flat=True)) == [date(2026, 10, 1)]
    assert StatementDay.objects.count() == 1
    assert_roll_up_equals_lines()


class Deadlock(Exception):
    """As psycopg tells it."""

    sqlstate = "40P01"


@pytest.mark.parametrize(("failures", "lines"), [(2, 3), (3, 0)])
def test_a_day_that_was_given_up_for_another_import_is_begun_anew_but_not_for_ever(
    failures, lines, center, monkeypatch
):
    """Two imports that store the same new tag sets in another order wait for each other: PostgreSQL ends one."""
    real, left = line_items.replace_day, [Deadlock() for _ in range(failures)]

    def replace_day(*args, **options):
        change = real(*args, **options)
        if left:
            raise OperationalError("deadlock detected") from left.pop()
        return change

    monkeypatch.setattr(line_items, "replace_day", replace_day)
    delivery = Delivered({("1", OCTOBER): [line(1, tags=(("n", str(number)),)) for number in range(3)]})

    with suppress(OperationalError):
        write(center, delivery)

    assert CostLineItem.objects.count() == lines
    assert {item.tag_set.tags["n"] for item in CostLineItem.objects.all()} == set("012"[:lines])


TOO_LARGE = 2**63 - 1


@pytest.mark.parametrize(
    "second",
    [
        [line(2, billed_nano=TOO_LARGE), line(2, billed_nano=TOO_LARGE)],
        [line(2, billed_nano=TOO_LARGE), line(2, billed_nano=TOO_LARGE, service="S3")],
        [line(2, billed_nano=TOO_LARGE + 1)],
        [line(2, service="nul\0")],
        [line(2, details='{"a":"nul\\u0000"}')],
        [line(2, tags=(("nul", "\0"),))],
        [line(2, service="x" * 201)],
        [line(2, details='{"a":"\ud800"}')],
        [line(2, charge_type="refund")],
    ],
    ids=[
        "a day’s sum",
        "a statement’s sum",
        "one amount",
        "NUL in text",
        "NUL in details",
        "NUL in a tag",
        "long text",
        "half a character",
        "unknown charge type",
    ],
)
def test_what_does_not_fit_is_told_and_nothing_of_its_day_is_written(second, center):
    """Pass 1 refuses all this; this is what holds when it does not."""
    write(center, Delivered({("1", OCTOBER): [line(2, billed_nano=4)]}))

    with pytest.raises(WindowError):
        write(center, Delivered({("1", OCTOBER): [line(1, billed_nano=3), *second, line(3)]}))

    assert billed() == [3, 4]
    assert_roll_up_equals_lines()


def test_a_backslash_before_a_number_is_no_nul(center):
    write(center, Delivered({("1", OCTOBER): [line(1, details='{"path":"C:\\\\u0000"}')]}))
    assert CostLineItem.objects.get().details == {"path": "C:\\u0000"}


def test_a_row_of_another_day_is_refused(center):
    delivery = Delivered({("1", OCTOBER): [line(1), line(2)]})
    rows = delivery._rows
    rows["1", OCTOBER, date(2026, 10, 1)] = rows["1", OCTOBER, date(2026, 10, 2)]
    with pytest.raises(WindowError, match="2026-10-02 is not of 2026-10-01"):
        write(center, delivery)
    assert not CostLineItem.objects.exists()


def test_scratch_files_that_lost_lines_stop_the_day(center):
    delivery = Delivered({("1", OCTOBER): [line(1), line(1)]})
    delivery._rows["1", OCTOBER, date(2026, 10, 1)].pop()
    with pytest.raises(AssertionError, match="1 of 2 lines"):
        write(center, delivery)
    assert not CostLineItem.objects.exists()
