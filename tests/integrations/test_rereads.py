"""Days read once more because somebody asked: nothing known is lost to silence, no gap, no instant twice in a run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from costcenters.models import CostCenter, CostLineItem
from costcenters.periods import Span
from integrations import engine, life, notices
from integrations.life import NotPossible
from integrations.models import Integration, Stream, SyncRun

from .conftest import NOW, assert_equals_truth, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = "/teams/filtered-usage-events"
TODAY = NOW.date()
DAY = timedelta(days=1)
HOUR = datetime(2026, 11, 20, 14, tzinfo=UTC)


def current():
    return Integration.objects.select_related("cost_center").get()


def usage():
    return Stream.objects.get(name="usage")


def read(runtime, **options):
    return engine.sync_stream(usage().pk, runtime=runtime, **options)


def again(clock, first, last, *, may_shrink=False):
    """The span that is to be read, `[start, end)`."""
    run = life.read_again(current(), first, last, may_shrink=may_shrink, now=clock())
    return run.window_start, run.window_end


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def asked(server, after=0):
    """(start, end) of each window asked for, newest first; each of them once."""
    windows = Counter(
        (request.body["startDate"], request.body["endDate"] + 1)
        for request in server.requests[after:]
        if request.path == USAGE and request.body["pageSize"] > 1 and request.body["page"] == 1
    )
    assert set(windows.values()) <= {1}
    spans = [tuple(datetime.fromtimestamp(edge / 1000, UTC) for edge in window) for window in windows]
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(sorted(spans)))
    return sorted(spans, reverse=True)


def lines():
    return list(CostLineItem.objects.filter(charge_type="usage").order_by("pk").values())


@pytest.fixture
def server(sandbox):
    return sandbox(days=60, events=1200)


@pytest.fixture
def integration(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    return integration


# Read again ----------------------------------------------------------------------------------------------------------


def test_exactly_the_days_asked_for_are_read_and_nothing_changes_when_they_are_the_same(
    integration, server, runtime, clock
):
    before, requests = lines(), len(server.requests)
    first, last = date(2026, 10, 1), date(2026, 10, 12)

    span = again(clock, first, last)
    result = read(runtime, only_if_due=True)

    assert result.complete
    assert span == (midnight(first), midnight(last + DAY))
    assert asked(server, requests) == [span]
    assert lines() == before
    stream = usage()
    assert (stream.reread_from, stream.reread_to, stream.reread_may_shrink) == (None, None, False)


def test_days_the_provider_has_forgotten_are_kept_and_named(sandbox, connect, runtime, clock):
    server = sandbox(days=60, events=1200, faults=("history_forgotten",))
    sync(connect(server), runtime)
    before = lines()
    server.mutate()

    again(clock, TODAY - 40 * DAY, TODAY - 30 * DAY)
    result = read(runtime, only_if_due=True)

    assert result.complete
    assert lines() == before
    run = SyncRun.objects.filter(stream="usage").latest("pk")
    assert run.outcome == SyncRun.Outcome.KEPT
    assert str(Span(TODAY - 40 * DAY, TODAY - 30 * DAY)) in run.message
    assert result.kept_days
    assert_equals_truth(current(), server)


def test_whoever_confirms_it_gets_fewer_events_for_those_days_alone(sandbox, connect, runtime, clock):
    server = sandbox(days=60, events=1200, faults=("history_forgotten",))
    sync(connect(server), runtime)
    server.mutate()
    first, last = TODAY - 40 * DAY, TODAY - 30 * DAY
    others = list(CostLineItem.objects.exclude(day__range=(first, last)).order_by("pk").values())

    again(clock, first, last, may_shrink=True)
    assert read(runtime, only_if_due=True).complete

    assert not CostLineItem.objects.filter(day__range=(first, last), charge_type="usage").exists()
    assert list(CostLineItem.objects.order_by("pk").values()) == others
    # The next one asks anew.
    again(clock, TODAY - 50 * DAY, TODAY - 41 * DAY)
    assert read(runtime, only_if_due=True).kept_days


def test_days_before_the_history_extend_it_without_a_gap(sandbox, connect, runtime, clock, settings):
    settings.CURSOR_BACKFILL_DAYS = 20
    server = sandbox(days=90, events=1800)
    sync(connect(server), runtime)
    known_from = usage().backfilled_from
    assert known_from == midnight(TODAY - 20 * DAY)
    requests = len(server.requests)

    span = again(clock, TODAY - 95 * DAY, TODAY - 80 * DAY)
    assert read(runtime, only_if_due=True).complete

    assert span == (midnight(TODAY - 95 * DAY), known_from)
    spans = asked(server, requests)
    assert (spans[0][1], spans[-1][0]) == (known_from, span[0])
    assert usage().backfilled_from == span[0]
    assert_equals_truth(current(), server)


def test_it_extends_the_history_while_the_backfill_is_still_running(
    sandbox, connect, runtime, clock, settings
):
    settings.CURSOR_BACKFILL_DAYS = 70
    server = sandbox(days=90, events=1800)
    connect(server)

    def extend():
        again(clock, TODAY - 95 * DAY, TODAY - 60 * DAY)

    cut_short = read(while_asking(clock, extend, USAGE, nth=4))
    assert cut_short.lost
    assert not SyncRun.objects.of_windows().filter(outcome=SyncRun.Outcome.RUNNING).exists()
    requests = len(server.requests)
    assert read(runtime, only_if_due=True).complete

    assert asked(server, requests)[-1][0] == midnight(TODAY - 95 * DAY)
    assert usage().backfilled_from == usage().backfill_target == midnight(TODAY - 95 * DAY)
    sync(current(), runtime)
    assert_equals_truth(current(), server)


@pytest.mark.parametrize("end", ["out of time", "killed"])
def test_an_interrupted_one_goes_on_where_it_was(end, integration, server, runtime, clock):
    class Killed(BaseException):
        """The process dies here."""

    def die():
        raise Killed

    def run_out():
        clock.now += timedelta(seconds=20)

    first, last = TODAY - 150 * DAY, TODAY - 10 * DAY
    again(clock, first, last)
    requests = len(server.requests)
    if end == "killed":
        with pytest.raises(Killed):
            read(while_asking(clock, die, USAGE, nth=3))
    else:
        deadline = clock.now + timedelta(seconds=10)
        result = read(while_asking(clock, run_out, USAGE, nth=2), deadline=deadline)
        assert not result.complete
    assert midnight(first) < usage().reread_to < midnight(last + DAY)
    clock.now += timedelta(seconds=61)

    assert read(runtime, only_if_due=True).complete

    assert asked(server, requests)[0][1] == midnight(last + DAY)
    assert asked(server, requests)[-1][0] == midnight(first)
    assert usage().reread_to is None
    assert_equals_truth(current(), server)


def test_what_the_forward_pass_reads_is_not_read_twice(integration, server, runtime, clock):
    clock.now += timedelta(hours=2)
    requests = len(server.requests)
    again(clock, TODAY - 5 * DAY, TODAY)
    assert read(runtime, only_if_due=True).complete
    assert [span[0] for span in asked(server, requests)] == [midnight(TODAY - day * DAY) for day in (1, 3, 5)]


def test_its_requests_obey_the_bound(sandbox, connect, runtime, clock):
    server = sandbox(days=33, events=27_000)
    sync(connect(server), runtime)
    events = CostLineItem.objects.filter(charge_type="usage", day__lt=TODAY - 3 * DAY).count()
    again(clock, TODAY - 40 * DAY, TODAY - 4 * DAY)
    result = read(runtime, only_if_due=True)
    assert result.complete
    assert SyncRun.objects.filter(outcome=SyncRun.Outcome.SPLIT).count() >= 2
    assert result.requests <= 1.1 * -(-events // 1000) + 2
    assert_equals_truth(current(), server)


@pytest.mark.parametrize(
    ("first", "last", "field", "says"),
    [
        (TODAY, TODAY - DAY, "first", "after the last"),
        (TODAY, TODAY + DAY, "last", "future"),
        (date(2019, 12, 31), TODAY, "first", "1 Jan 2020"),
        (date.min, date.max, "first", "1 Jan 2020"),
    ],
)
def test_impossible_days_are_refused_with_their_field(first, last, field, says, integration, clock):
    before = list(Stream.objects.order_by("pk").values())
    with pytest.raises(NotPossible, match=says) as refused:
        again(clock, first, last)
    assert refused.value.field == field
    assert list(Stream.objects.order_by("pk").values()) == before


def test_the_first_minutes_of_a_day_have_no_hour_to_read(integration, clock):
    clock.now = datetime(2026, 11, 21, 0, 20, tzinfo=UTC)
    with pytest.raises(NotPossible, match="No hour"):
        again(clock, clock.now.date(), clock.now.date())


def test_a_second_wish_waits_for_the_first(integration, runtime, clock):
    again(clock, TODAY - 20 * DAY, TODAY - 10 * DAY)
    with pytest.raises(NotPossible, match="Another span"):
        again(clock, TODAY - 30 * DAY, TODAY - 25 * DAY)
    assert usage().reread_from == midnight(TODAY - 20 * DAY)
    assert read(runtime, only_if_due=True).complete
    again(clock, TODAY - 30 * DAY, TODAY - 25 * DAY)


def test_before_anything_was_read_it_is_refused(server, connect, clock):
    connect(server)
    with pytest.raises(NotPossible, match="newest days have not been read"):
        again(clock, TODAY - 5 * DAY, TODAY)


@pytest.mark.parametrize("state", ["paused", "needs attention", "disconnected"])
def test_what_does_not_work_is_neither_read_again_nor_now(state, integration, server, clock):
    if state == "paused":
        life.pause(current(), now=clock())
    elif state == "needs attention":
        notices.needs_attention(current(), "refused", clock())
    else:
        life.remove(current(), with_history=False, now=clock())
    before = list(Stream.objects.order_by("pk").values())
    with pytest.raises(NotPossible):
        again(clock, TODAY - 5 * DAY, TODAY)
    with pytest.raises(NotPossible):
        life.sync_now(current(), now=clock())
    assert list(Stream.objects.order_by("pk").values()) == before
    assert CostCenter.objects.get().status == state


def test_a_removal_forgets_the_wish(integration, clock):
    again(clock, TODAY - 20 * DAY, TODAY - 10 * DAY, may_shrink=True)
    life.remove(current(), with_history=False, now=clock())
    stream = usage()
    assert (stream.reread_from, stream.reread_to, stream.reread_may_shrink) == (None, None, False)


# Sync now ------------------------------------------------------------------------------------------------------------


def test_within_the_hour_the_trailing_days_are_read_once_more(sandbox, connect, runtime, clock):
    server = sandbox(days=10, events=400, faults=("revised_charges", "late_events"))
    sync(connect(server), runtime)
    requests = len(server.requests)
    server.mutate()

    assert life.sync_now(current(), now=clock()).has_begun
    for stream in Stream.objects.due(clock()):
        assert engine.sync_stream(stream.pk, runtime=runtime, only_if_due=True).complete

    assert asked(server, requests) == [(midnight(TODAY - 3 * DAY), HOUR)]
    assert_equals_truth(current(), server)


def test_in_a_new_hour_it_only_rings(integration, server, runtime, clock):
    clock.now += timedelta(hours=1)
    requests = len(server.requests)

    assert life.sync_now(current(), now=clock()).has_begun

    assert usage().reread_from is None
    assert read(runtime, only_if_due=True).complete
    assert [span[0] for span in asked(server, requests)] == [
        midnight(TODAY - DAY),
        midnight(TODAY - 3 * DAY),
    ]


def test_pressed_twice_it_reads_once(integration, server, runtime, clock):
    requests = len(server.requests)
    assert life.sync_now(current(), now=clock()).has_begun
    assert life.sync_now(current(), now=clock()).has_begun
    read(runtime, only_if_due=True)
    assert len(asked(server, requests)) == 1


def test_pressed_in_the_middle_of_a_sync_it_leaves_that_alone(server, connect, runtime, clock):
    connect(server)
    said = []

    def press():
        said.append(life.sync_now(current(), now=clock()).has_begun)

    pressing = while_asking(clock, press, USAGE, nth=3)
    assert read(pressing).complete
    assert said == [True]  # the members and the totals
    assert usage().reread_from is None
    for stream in Stream.objects.all():
        Stream.objects.filter(pk=stream.pk).update(
            claim_token="somebody", claimed_until=clock() + timedelta(seconds=50)
        )
    assert not life.sync_now(current(), now=clock()).has_begun


def test_pressed_during_a_wish_it_leaves_that_alone(integration, runtime, clock):
    span = again(clock, TODAY - 20 * DAY, TODAY - 10 * DAY)
    life.sync_now(current(), now=clock())
    assert (usage().reread_from, usage().reread_to) == span


def test_pressed_during_the_first_backfill_nothing_is_doubled(sandbox, connect, clock, runtime):
    server = sandbox(days=120, events=1500)
    connect(server)
    for number in range(40):
        # Each task has the time for one request.
        result = read(runtime, deadline=clock.now, only_if_due=True)
        if number % 3 == 0:
            life.sync_now(current(), now=clock())
        if result.complete:
            break
    assert result.complete
    assert Stream.objects.get(name="usage").backfilled_from < midnight(TODAY - 100 * DAY)
    sync(current(), runtime)
    assert_equals_truth(current(), server)
