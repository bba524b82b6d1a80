"""What a provider no longer returns: days that would shrink, and users it forgot."""

from __future__ import annotations

from datetime import date, timedelta, timezone

import pytest

from costcenters.line_items import keep_known_users, replace_window
from costcenters.models import CostLineItem
from tests.costcenters.lines import END, START, assert_roll_up_equals_lines, everything, ids, item, window
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db


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
