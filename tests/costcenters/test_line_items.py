"""The only writer: windows replaced exactly, the roll-up equal to the lines, and nothing written when refused."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from costcenters.line_items import keep_known_users, replace_window
from costcenters.models import CostLineItem, DailyCost, TagSet
from costcenters.records import LIMITS, LineItem, Window, WindowError, canonical_details
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db

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


@pytest.fixture
def center():
    return CostCenterFactory()


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


def window(center, *, start=START, end=END, charge_types=("usage",), account=None):
    return Window(center.pk, start, end, charge_types, account)


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
        item(account="a-2"),
        item(account=""),
    ],
    ids=["before", "at the end", "charge type", "account", "no account"],
)
def test_an_item_outside_the_window_is_refused_and_nothing_is_written(stranger, center):
    replace_window(window(center, account="a-1"), [item(account="a-1")])
    before = everything()

    with pytest.raises(WindowError, match="outside the window"):
        replace_window(window(center, account="a-1"), [item(2, account="a-1"), stranger])

    assert everything() == before


def test_the_window_is_closed_at_its_start_and_open_at_its_end(center):
    last = END - timedelta(microseconds=1)
    replace_window(window(center, end=END + DAY), [item(0), item(started_at=END), item(started_at=last)])

    replace_window(window(center), [])

    assert [line.started_at for line in CostLineItem.objects.all()] == [END]
    assert_roll_up_equals_lines()


def test_a_window_of_one_account_leaves_the_others_rows(center):
    replace_window(window(center), [item(account="a-1"), item(account="a-2"), item(account="")])
    others = ids(account__in=["a-2", ""])

    change = replace_window(window(center, account="a-1"), [item(2, account="a-1", user="x")])

    assert (change.added, change.removed, change.amount_before) == (1, 1, 1_000_000_001)
    assert ids(account__in=["a-2", ""]) == others
    assert_roll_up_equals_lines()


def test_the_account_of_no_name_is_an_account_too(center):
    replace_window(window(center), [item(account="a-1"), item(account="")])
    replace_window(window(center, account=""), [])
    assert list(CostLineItem.objects.values_list("account", flat=True)) == ["a-1"]


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


# Fuller days -----------------------------------------------------------------------------------------------------


def test_days_of_which_less_is_returned_are_kept_whole_and_counted(center):
    """Day 1 would shrink, day 2 is as full as before, day 3 grows."""
    replace_window(window(center), [item(1), item(2), item(25), item(49)])
    kept = ids(day=date(2026, 11, 18))

    change = replace_window(
        window(center),
        [item(3, billed_nano=5), item(26, billed_nano=7), item(49), item(50, billed_nano=11)],
        keep_fuller_before=END.date(),
    )

    assert change.kept_days == (date(2026, 11, 18),)
    assert ids(day=date(2026, 11, 18)) == kept
    assert (change.added, change.removed) == (2, 1)
    assert change.amount_before == 4 * 1_000_000_001
    assert change.amount_after == 3 * 1_000_000_001 + 7 + 11
    assert_roll_up_equals_lines()


def test_a_day_that_is_no_longer_returned_at_all_is_kept(center):
    replace_window(window(center), [item(1), item(25)])
    before = everything()

    change = replace_window(window(center), [], keep_fuller_before=END.date())

    assert change.is_empty
    assert change.kept_days == (date(2026, 11, 18), date(2026, 11, 19))
    assert change.amount_before == change.amount_after == 2 * 1_000_000_001
    assert everything() == before


def test_from_the_given_day_on_less_is_believed(center):
    replace_window(window(center), [item(1), item(25)])

    change = replace_window(window(center), [], keep_fuller_before=date(2026, 11, 19))

    assert change.kept_days == (date(2026, 11, 18),)
    assert list(CostLineItem.objects.values_list("day", flat=True)) == [date(2026, 11, 18)]
    assert_roll_up_equals_lines()


def test_unless_asked_to_no_day_is_kept(center):
    replace_window(window(center), [item(1), item(2)])
    assert replace_window(window(center), [item(1)]).kept_days == ()
    assert CostLineItem.objects.count() == 1


# Known users -----------------------------------------------------------------------------------------------------


def test_a_row_that_lost_its_user_takes_the_stored_one_even_if_charge_and_kind_differ(center):
    replace_window(window(center), [item(user="rin", resource="c")])
    lost = item(user="", resource="c", billed_nano=3, kind="Included")

    assert keep_known_users(window(center), [lost]) == [lost._replace(user="rin")]


@pytest.mark.parametrize(
    "changed",
    [
        *[{name: 99} for name in ("input_tokens", "output_tokens", "cache_write_tokens")],
        *[{"cache_read_tokens": 99}, {"model": "other"}, {"resource": "other"}, {"hours": 1.001}],
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_event_keeps_no_user(changed, center):
    replace_window(window(center), [item(user="rin")])
    lost = item(user="", **changed)
    assert keep_known_users(window(center), [lost]) == [lost]


def test_users_of_like_events_are_given_once_each(center):
    replace_window(window(center), [item(user="ana"), item(user="rin")])

    def named(*names):
        found = keep_known_users(window(center), [item(user=name) for name in names])
        return [one.user for one in found]

    assert named("", "rin") == ["ana", "rin"]
    assert named("rin", "") == ["rin", "ana"]
    assert named("ana", "") == ["ana", "rin"]
    assert sorted(named("", "")) == ["ana", "rin"]
    assert sorted(named("", "", "")) == ["", "ana", "rin"]
    assert named("kim", "") == ["kim", "ana"]


def test_users_are_looked_up_in_the_window_alone(center):
    replace_window(window(CostCenterFactory(name="Other")), [item(user="rin")])
    replace_window(window(center, charge_types=("credit",)), [item(user="rin", charge_type="credit")])
    assert keep_known_users(window(center), [item(user="")]) == [item(user="")]


def test_users_are_known_at_any_time_zone_and_to_the_microsecond(center):
    moment = START + timedelta(hours=1, microseconds=123)
    replace_window(window(center), [item(started_at=moment)])
    lost = item(user="", started_at=moment.astimezone(timezone(timedelta(hours=-7))))
    assert keep_known_users(window(center), [lost])[0].user == "rin@example.com"


# What does not fit -----------------------------------------------------------------------------------------------

TEXTS = sorted(LIMITS.keys() - {"charge_type"})


@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_too_long_is_refused_and_its_column_named(name, center):
    replace_window(window(center), [item(**{name: "é" * LIMITS[name]})])
    before = everything()

    with pytest.raises(WindowError, match=rf"^A {name} of {LIMITS[name] + 1} characters"):
        replace_window(window(center), [item(), item(**{name: "x" * (LIMITS[name] + 1)})])

    assert everything() == before


@pytest.mark.parametrize("name", TEXTS)
def test_a_nul_is_refused_and_its_column_named(name, center):
    replace_window(window(center), [item()])
    before = everything()

    with pytest.raises(WindowError, match=rf"^A {name} holds a NUL"):
        replace_window(window(center), [item(2), item(**{name: "a\0b"})])

    assert everything() == before


@pytest.mark.parametrize(
    "name", ["billed_nano", "effective_nano", "list_nano", "input_tokens", "cache_read_tokens"]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_day_that_adds_up_to_more_than_can_be_stored_is_refused_whole(name, sign, center):
    replace_window(window(center), [item(), item(30)])
    before = everything()
    half = sign * 5 * 10**18

    with pytest.raises(WindowError, match="more than can be stored"):
        replace_window(window(center), [item(1, **{name: half}), item(2, **{name: half}), item(31)])

    assert everything() == before


def test_the_largest_amount_that_fits_is_stored(center):
    replace_window(window(center), [item(billed_nano=2**63 - 2), item(2, billed_nano=1)])
    assert DailyCost.objects.get().billed_cost.scaleb(9) == 2**63 - 1


# Spelling --------------------------------------------------------------------------------------------------------


def test_tag_sets_are_shared(center):
    core, web = (("env", "prod"), ("team", "core")), (("env", "prod"), ("team", "wéb"))
    replace_window(window(center), [item(tags=core), item(2, tags=core), item(3, tags=web), item(4)])
    replace_window(window(CostCenterFactory(name="Other")), [item(tags=web)])

    assert sorted(tags.tags["team"] for tags in TagSet.objects.all()) == ["core", "wéb"]
    assert CostLineItem.objects.values("tag_set").distinct().count() == 3
    assert CostLineItem.objects.filter(tag_set=None).count() == 1
    assert_roll_up_equals_lines()
    again = replace_window(window(center), [item(tags=core), item(2, tags=core), item(3, tags=web), item(4)])
    assert again.is_empty


@pytest.mark.parametrize(
    "details",
    [
        {"zz": "1.60", "a": {"yy": ["1", "2"], "b": {"ccc": "x", "d": "y"}}, "bbb": True, "c": None},
        {"name": "Zoë 😀 \\u00e9 \u2028", "ключ": '"quoted", \\N and,\n"lines"'},
        {"amount": "1.60", "more": "0.10000000000000000555", "huge": "1e400", "count": 12345678901234567890},
        {"empty": "", "list": [], "object": {}},
    ],
    ids=["nested", "unicode", "numbers", "empty"],
)
def test_details_that_the_database_spells_its_own_way_are_no_change(details, center):
    items = [item(details=canonical_details(details))]
    replace_window(window(center), items)
    before = everything()

    assert CostLineItem.objects.get().details == details
    assert replace_window(window(center), items).is_empty
    assert everything() == before


@pytest.mark.parametrize("text", ['"', ",", "a\nb", "a\rb", "a\r\nb", "\\.", "\\N", "'", "  x  ", "é😀"])
def test_text_is_stored_as_it_is(text, center):
    items = [item(user=text, model=text)]
    replace_window(window(center), items)
    assert users() == [text]
    assert replace_window(window(center), items).is_empty


def test_an_instant_belongs_to_its_utc_day_whatever_its_offset_and_keeps_its_microseconds(center):
    local = datetime(2026, 11, 20, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    moment = datetime(2026, 11, 19, 20, 0, 0, 123456, tzinfo=UTC)
    replace_window(window(center), [item(started_at=local)])

    line = CostLineItem.objects.get()
    assert (line.day, line.started_at) == (date(2026, 11, 19), moment)
    assert DailyCost.objects.get().day == date(2026, 11, 19)
    assert replace_window(window(center), [item(started_at=moment)]).is_empty


def test_the_bounds_of_a_window_may_have_another_offset_too(center):
    east = timezone(timedelta(hours=9))
    replace_window(window(center), [item(1), item(71)])
    replace_window(window(center, start=START.astimezone(east), end=(START + DAY).astimezone(east)), [])
    assert [line.day for line in CostLineItem.objects.all()] == [date(2026, 11, 20)]
