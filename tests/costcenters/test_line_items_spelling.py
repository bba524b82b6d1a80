"""Values at their limits: what does not fit is refused, all else is stored as it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from costcenters.line_items import replace_window
from costcenters.models import CostLineItem, DailyCost, TagSet
from costcenters.records import LIMITS, WindowError, canonical_details
from tests.costcenters.lines import DAY, START, assert_roll_up_equals_lines, everything, item, users, window
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db


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
