"""The lines of subscriptions in the bill: there with the change, one day more each day, exact in every measure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from costcenters.models import CostCenter, CostLineItem, DailyCost
from integrations import engine, life, purge
from integrations.models import Notice, Stream, Subscription, SubscriptionSeats, SyncRun
from integrations.subscriptions import changes
from integrations.subscriptions.changes import Draft, NotPossible

from .conftest import NOW, TODAY, add, lines, subscription, sums

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def runtime(clock):
    from integrations.http import Runtime

    return Runtime(clock=clock, sleep=lambda seconds: None, random=lambda: 0.5)


@pytest.fixture
def clock():
    from tests.integrations.conftest import Clock

    return Clock(NOW)


def read(runtime):
    return engine.sync_stream(Stream.objects.get(name="subscriptions").pk, runtime=runtime)


def test_payments_are_billed_on_their_day_and_days_cost_their_share_of_them():
    add()

    bought = lines(charge_type="purchase")
    assert [(line.day, line.billed_cost, line.effective_cost, line.list_cost) for line in bought] == [
        (date(2026, 10, 1), Decimal(150), 0, 0),
        (date(2026, 11, 1), Decimal(150), 0, 0),
    ]
    days = lines(charge_type="seat")
    assert [line.day for line in days] == [date(2026, 10, 1) + DAY * number for number in range(51)]
    assert days[-1].day == TODAY, "today included"
    october = [line for line in days if line.day.month == 10]
    assert sum(line.effective_cost for line in october) == Decimal(150)
    assert {line.billed_cost for line in days} == {Decimal(0)}
    assert all(line.list_cost == line.effective_cost for line in days)


def test_a_line_says_what_it_is_of():
    add(owner="Ann", tags={"team": "R&D"}, plan="Team")

    (bought,) = lines(day=date(2026, 11, 1), charge_type="purchase")
    (share,) = lines(day=TODAY)
    for line in (bought, share):
        assert (line.service, line.model, line.kind) == ("ChatGPT", "Team", "monthly subscription")
        assert (line.user, line.quantity, line.unit, line.is_estimated) == ("", "5", "seats", False)
        assert line.tag_set.tags == {"team": "R&D", "owner": "Ann"}
    assert bought.details == {
        "ChargeDescription": "5 seats, 1 - 30 Nov 2026",
        "ChargeFrequency": "Recurring",
    }
    assert share.details["ChargeFrequency"] == "Recurring"


def test_a_flat_fee_is_usage_without_a_quantity():
    add(seats=None, price=Decimal("99.99"), period="annual")

    assert {line.charge_type for line in lines()} == {"purchase", "usage"}
    assert {(line.quantity, line.unit, line.kind) for line in lines()} == {("", "", "annual subscription")}


def test_over_a_finished_period_all_three_measures_are_equal_in_lines_and_roll_up():
    add((date(2026, 10, 12), 9), (date(2026, 10, 20), 1), price=Decimal("29.99"))

    for model in (CostLineItem, DailyCost):
        billed, effective, listed = sums(model, day__lt=date(2026, 11, 1))
        assert billed == effective == listed > Decimal("149.95")


def test_seats_that_came_within_a_period_are_a_payment_of_their_own():
    add((date(2026, 11, 11), 8))

    (added,) = lines(day=date(2026, 11, 11), charge_type="purchase")
    assert (added.billed_cost, added.quantity) == (Decimal(60), "3")
    assert added.details == {
        "ChargeDescription": "3 seats more, 11 - 30 Nov 2026",
        "ChargeFrequency": "One-Time",
    }


def test_a_free_tool_has_no_lines():
    add(price=Decimal(0))

    assert lines() == []


def test_one_that_begins_later_has_no_lines_yet():
    add(starts_on=TODAY + DAY)

    assert lines() == []


def test_each_day_the_worker_adds_a_day_and_leaves_the_rest_alone(clock, runtime):
    add()
    before = {line.pk for line in lines()}
    clock.now += DAY

    result = read(runtime)

    assert (result.complete, result.added, result.removed) == (True, 1, 0)
    assert {line.pk for line in lines()} > before
    assert lines()[-1].day == TODAY + DAY
    stream = Stream.objects.get()
    assert stream.due_at.date() == TODAY + 2 * DAY
    assert stream.due_at - datetime(2026, 11, 22, tzinfo=UTC) < timedelta(minutes=10)
    assert CostCenter.objects.get().complete_through == datetime(2026, 11, 22, tzinfo=UTC)


def test_read_twice_nothing_changes_and_no_mail_is_due(runtime):
    add()

    assert not read(runtime).changed
    assert SyncRun.objects.order_by("-pk")[0].outcome == SyncRun.Outcome.UNCHANGED
    assert not Notice.objects.exists()


def test_days_that_were_missed_are_filled(clock, runtime):
    add()
    clock.now = datetime(2026, 12, 2, 3, tzinfo=UTC)

    read(runtime)

    assert sums(day=date(2026, 12, 1))[0] == Decimal(150)
    assert len(lines(charge_type="seat")) == 63


def test_a_change_is_on_record_as_a_run_with_what_it_did_to_the_bill():
    add()

    run = SyncRun.objects.get()
    assert (run.outcome, run.amount_before, run.amount_after) == (SyncRun.Outcome.DONE, 0, Decimal(300))
    center = CostCenter.objects.get()
    assert center.status == CostCenter.Status.ACTIVE
    assert center.complete_through == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_deleted_one_takes_its_lines_and_no_others():
    first, second = add(), add(name="Figma", seats=None, starts_on=date(2026, 1, 1))

    changes.delete(second, now=NOW)

    assert {line.service for line in lines()} == {"ChatGPT"}
    assert DailyCost.objects.filter(day__lt=date(2026, 10, 1)).count() == 0
    assert list(Subscription.objects.all()) == [first]


def test_an_end_keeps_what_was_paid_and_spreads_it_over_the_days_that_are_left():
    known = add()
    known.ends_on = date(2026, 11, 10)

    changes.save(Draft.of(known), now=NOW)

    assert sums() == (Decimal(300), Decimal(300), Decimal(300))
    assert lines()[-1].day == date(2026, 11, 10)


def test_another_name_reaches_all_lines():
    known = add()
    known.name = "ChatGPT Team"

    changes.save(Draft.of(known), now=NOW)

    assert {line.service for line in lines()} == {"ChatGPT Team"}


def test_new_terms_leave_the_past_and_go_on_from_their_day():
    known = add((date(2026, 12, 5), 7))
    before = {line.pk for line in lines(day__lt=date(2026, 11, 1))}
    draft = Draft(subscription(price=Decimal(60), starts_on=date(2026, 11, 1)), Draft.of(known).changes)

    added = changes.new_terms(known, draft, now=NOW)

    known.refresh_from_db()
    assert known.ends_on == date(2026, 10, 31)
    assert {line.pk for line in lines(day__lt=date(2026, 11, 1))} == before
    assert sums(day=date(2026, 11, 1))[0] == Decimal(300)
    assert [change.effective_from for change in added.seat_changes.all()] == [date(2026, 12, 5)]
    assert added.cost_center == known.cost_center


def test_seats_of_the_past_and_their_withdrawal_change_exactly_their_days():
    known = add()
    before = sums()

    changes.set_seats(known, date(2026, 11, 16), 9, now=NOW)

    assert sums()[0] - before[0] == Decimal(60)
    assert sums(day=date(2026, 11, 16))[1] == Decimal(9)
    changes.set_seats(known, date(2026, 11, 16), 6, now=NOW)
    assert sums()[0] - before[0] == Decimal(15)
    changes.withdraw_seats(SubscriptionSeats.objects.get(), now=NOW)
    assert sums() == before


@pytest.mark.parametrize("day", [date(2026, 10, 1), date(2026, 9, 1)])
def test_seats_change_after_the_first_day_only(day):
    with pytest.raises(NotPossible) as refusal:
        changes.set_seats(add(), day, 9, now=NOW)
    assert refusal.value.field == "effective_from"


def test_a_flat_fee_has_no_seats_to_change():
    with pytest.raises(NotPossible, match="flat fee"):
        changes.set_seats(add(seats=None), TODAY, 9, now=NOW)


def test_what_cannot_be_stored_is_refused_and_nothing_is_left_behind():
    with pytest.raises(NotPossible) as refusal:
        add(price=Decimal(9_000_000_000), seats=2)
    assert refusal.value.field == "price"
    assert not CostCenter.objects.exists()
    known = add(price=Decimal(1_000_000), seats=1)
    with pytest.raises(NotPossible):
        changes.set_seats(known, TODAY, 1_000_000, now=NOW)
    assert not SubscriptionSeats.objects.exists()


# Its cost center ------------------------------------------------------------------------------------------------------


def test_one_cost_center_a_currency():
    add(), add(name="Figma"), add(name="DeepL", currency="EUR"), add(name="Sakura", currency="JPY")

    found = CostCenter.objects.order_by("pk").values_list("name", "currency", "provider")
    assert list(found) == [
        ("Subscriptions", "USD", "subscriptions"),
        ("Subscriptions (EUR)", "EUR", "subscriptions"),
        ("Subscriptions (JPY)", "JPY", "subscriptions"),
    ]


def test_a_name_that_is_taken_is_left_to_whoever_has_it():
    for name in ("Subscriptions", "Subscriptions (USD)", "Subscriptions (USD) 2"):
        CostCenter.objects.create(name=name, provider="aws")

    assert add().cost_center.name == "Subscriptions (USD) 3"


def test_a_renamed_cost_center_is_found_again(center):
    life.rename(center, "Tools")

    assert add(name="Figma").cost_center == center


def test_a_paused_one_adds_no_days_and_fills_them_when_it_is_resumed(clock, runtime, center):
    life.pause(center.integration, now=NOW)
    clock.now += 3 * DAY
    assert read(runtime) is None

    known = Subscription.objects.get()
    known.name = "Chat"
    changes.save(Draft.of(known), now=clock())

    assert lines()[-1].day == TODAY
    assert {line.service for line in lines()} == {"Chat"}
    assert CostCenter.objects.get().complete_through == datetime(2026, 11, 21, tzinfo=UTC)
    life.resume(center.integration, now=clock())
    read(runtime)
    assert lines()[-1].day == TODAY + 3 * DAY


def test_a_removed_one_keeps_its_history_and_takes_no_new_subscription(clock, runtime, center):
    life.remove(center.integration, with_history=False, now=NOW)
    clock.now += 3 * DAY

    assert read(runtime) is None
    assert len(lines(charge_type="seat")) == 51
    with pytest.raises(NotPossible) as refusal:
        add(name="Figma", now=clock())
    assert refusal.value.field == "currency"
    assert Subscription.objects.count() == 1

    changes.count_again(center, user=None, now=clock())

    assert lines()[-1].day == TODAY + 3 * DAY
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE
    assert not read(runtime).changed
    with pytest.raises(NotPossible, match="counted already"):
        changes.count_again(center, user=None, now=clock())


def test_a_deleted_history_takes_the_subscriptions_along(runtime, center):
    known = Subscription.objects.get()
    changes.set_seats(known, TODAY, 9, now=NOW)
    life.remove(center.integration, with_history=True, now=NOW)

    with pytest.raises(NotPossible, match="being deleted"):
        changes.delete(known, now=NOW)
    fresh = add(name="Figma")
    assert fresh.cost_center != center

    assert purge.purge(Stream.objects.get(name=Stream.PURGE).pk, runtime=runtime)
    assert list(Subscription.objects.all()) == [fresh]
    assert not SubscriptionSeats.objects.exists()
    assert {line.service for line in lines()} == {"Figma"}


def test_a_change_fills_the_days_that_the_worker_has_missed(clock):
    known = add()
    clock.now += 5 * DAY

    changes.set_seats(known, TODAY + 40 * DAY, 9, now=clock())

    assert [line.day for line in lines(charge_type="seat")][-6:] == [
        TODAY + DAY * number for number in range(6)
    ]


def test_whatever_is_changed_the_lines_are_what_a_reading_of_all_makes_of_them(clock, runtime):
    """A change compares only the days from the first that it is about."""
    other = add((date(2026, 11, 3), 8), name="Figma", starts_on=date(2026, 3, 31))
    known = add((date(2026, 11, 3), 8))

    def assert_all_is_said():
        assert not read(runtime).changed

    changes.set_seats(known, date(2026, 10, 20), 12, now=NOW)
    assert_all_is_said()
    changes.withdraw_seats(SubscriptionSeats.objects.get(subscription=known, seats=8), now=NOW)
    assert_all_is_said()
    known.refresh_from_db()
    known.starts_on = date(2026, 10, 15)
    changes.save(Draft.of(known), now=NOW)
    assert_all_is_said()
    known.starts_on, known.ends_on = date(2026, 9, 2), date(2026, 11, 19)
    changes.save(Draft.of(known), now=NOW)
    assert_all_is_said()
    known.ends_on, known.tags = None, {"a": "b"}
    changes.save(Draft.of(known), now=NOW)
    assert_all_is_said()
    changes.new_terms(
        known, Draft(subscription(starts_on=date(2026, 11, 7), period="annual", seats=2)), now=NOW
    )
    assert_all_is_said()
    changes.delete(other, now=NOW)
    assert_all_is_said()
    assert {line.service for line in lines()} == {"ChatGPT"}
