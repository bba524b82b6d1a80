"""The rules of the sync, one by one, over real HTTP against the sandbox."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from costcenters.models import CostCenter, CostLineItem
from integrations import connections, engine, windows
from integrations.claims import Claim
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import Stream, SyncRun
from integrations.providers import PROVIDERS

from .conftest import NOW, assert_equals_truth, sync

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = "/teams/filtered-usage-events"
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def asked(server, after=0):
    """The windows asked for, as (start, end, page), oldest request first, without the probe of the set-up."""
    return [
        (moment(request.body["startDate"]), moment(request.body["endDate"]), request.body["page"])
        for request in server.requests[after:]
        if request.path == USAGE and request.body["pageSize"] > 1
    ]


def moment(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def usage(integration):
    return integration.streams.get(name="usage")


def test_yesterday_and_today_come_first_then_the_re_read_then_the_backfill_backwards(
    sandbox, connect, runtime
):
    server = sandbox(days=200, events=4000)
    sync(connect(server), runtime)

    spans = [(start, end) for start, end, page in asked(server) if page == 1]

    assert spans[0][0] == MIDNIGHT - timedelta(days=1)
    assert spans[1] == (MIDNIGHT - timedelta(days=3), spans[0][0] - timedelta(milliseconds=1))
    starts = [start for start, _ in spans]
    assert starts == sorted(starts, reverse=True)
    assert all(end - start <= timedelta(days=30) for start, end in spans)


def test_no_request_the_probe_included_reaches_past_the_last_full_hour(sandbox, connect, runtime):
    server = sandbox()
    sync(connect(server), runtime)
    ends = [moment(request.body["endDate"]) for request in server.requests if request.path == USAGE]
    assert max(ends) == windows.floor_hour(NOW) - timedelta(milliseconds=1)
    assert server.requests[1].body["pageSize"] == 1


def test_no_instant_is_asked_for_twice_in_a_run(sandbox, connect, runtime):
    server = sandbox(events=9_000)
    integration = connect(server)
    for _ in range(2):
        before = len(server.requests)
        sync(integration, runtime)
        spans = sorted({(start, end) for start, end, _ in asked(server, before)})
        assert all(later[0] > earlier[1] for earlier, later in pairwise(spans))
        assert max(Counter(asked(server, before)).values()) == 1


def test_a_full_span_is_cut_and_a_backfill_obeys_the_bound_of_requests(sandbox, connect, runtime):
    server = sandbox(days=33, events=27_000)
    integration = connect(server)

    result = sync(integration, runtime)["usage"]

    assert result.complete
    assert SyncRun.objects.filter(outcome=SyncRun.Outcome.SPLIT).exists()
    assert max(SyncRun.objects.of_windows().values_list("events", flat=True)) <= 20_000
    events = CostLineItem.objects.filter(charge_type="usage").count()
    spans = 2 + -(-365 // 30)
    assert result.requests <= 1.1 * -(-events // 1000) + spans
    assert_equals_truth(integration, server)


def test_the_backfill_stops_after_sixty_empty_days(sandbox, connect, runtime):
    server = sandbox(days=20, events=500)
    integration = connect(server)
    sync(integration, runtime)
    oldest = min(start for start, _, _ in asked(server))
    first_event = CostLineItem.objects.filter(charge_type="usage").earliest("started_at").started_at
    assert timedelta(days=60) <= first_event - oldest < timedelta(days=91)
    assert usage(integration).backfilled_from == usage(integration).backfill_target


def test_the_backfill_ends_at_the_configured_depth(sandbox, connect, runtime, settings):
    settings.CURSOR_BACKFILL_DAYS = 33
    server = sandbox(days=80, events=2000)
    sync(connect(server), runtime)
    assert min(start for start, _, _ in asked(server)) == MIDNIGHT - timedelta(days=33)


def test_a_task_out_of_time_goes_on_where_it_stopped(sandbox, connect, runtime, clock):
    server = sandbox(days=120, events=3000)
    integration = connect(server)
    stream = usage(integration)
    total = 0
    for _ in range(20):
        ticking = Runtime(clock=Ticking(clock, per_call=0.5), sleep=runtime.sleep, random=runtime.random)
        result = engine.sync_stream(stream.pk, runtime=ticking, deadline=clock.now + timedelta(seconds=8))
        total += 1
        if result.complete:
            break
        assert result.error == ""
        stream.refresh_from_db()
        assert stream.claimed_until is None
    assert result.complete
    assert total > 2
    assert max(Counter(asked(server)).values()) == 1
    assert_equals_truth(integration, server)


class Ticking:
    """A clock that moves with every look at it."""

    def __init__(self, clock, *, per_call):
        self.clock, self.step = clock, timedelta(seconds=per_call)

    def __call__(self):
        self.clock.now += self.step
        return self.clock.now


def test_the_next_hour_reads_the_trailing_days_only(sandbox, connect, runtime, clock):
    server = sandbox()
    integration = connect(server)
    sync(integration, runtime)
    before = len(server.requests)
    clock.now += HOUR

    for stream in integration.streams.all():
        assert Stream.objects.due(clock()).filter(pk=stream.pk).exists()
        assert engine.sync_stream(stream.pk, runtime=runtime, only_if_due=True).complete

    assert min(start for start, _, _ in asked(server, before)) == MIDNIGHT - timedelta(days=3)
    assert len(asked(server, before)) == 2
    assert_equals_truth(integration, server)
    integration.cost_center.refresh_from_db()
    assert integration.cost_center.complete_through == windows.floor_hour(clock())


def test_after_a_long_outage_the_gap_is_filled(sandbox, connect, runtime, clock):
    server = sandbox(days=10, events=2000)
    integration = connect(server)
    sync(integration, runtime)
    clock.now += timedelta(days=45)
    assert engine.sync_stream(usage(integration).pk, runtime=runtime).complete
    assert_equals_truth(integration, server)


def test_a_stream_somebody_holds_is_left_alone_until_the_lease_ends(sandbox, connect, runtime, clock):
    integration = connect(sandbox())
    stream = usage(integration)
    held = Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=runtime)
    assert held is not None
    assert engine.sync_stream(stream.pk, runtime=runtime) is None

    clock.now += timedelta(seconds=61)
    assert engine.sync_stream(stream.pk, runtime=runtime).complete
    with pytest.raises(LeaseLost):
        held.fence()


def test_who_lost_the_lease_writes_nothing(sandbox, connect, clock):
    server = sandbox()
    integration = connect(server)
    stream = usage(integration)

    class Thief(httpx.HTTPTransport):
        """Another worker takes the stream while the first waits for its reply."""

        def handle_request(self, request):
            Stream.objects.filter(pk=stream.pk).update(claim_token="somebody else")
            return super().handle_request(request)

    result = engine.sync_stream(stream.pk, runtime=Runtime(clock=clock, transport=Thief()))

    assert not result.complete
    assert not CostLineItem.objects.exists()
    assert Stream.objects.get(pk=stream.pk).claim_token == "somebody else"


def test_removing_the_connection_during_a_sync_stops_it(sandbox, connect, clock):
    server = sandbox()
    integration = connect(server)
    stream = usage(integration)

    class Removal(httpx.HTTPTransport):
        def handle_request(self, request):
            connections.disconnect(integration, now=NOW)
            return super().handle_request(request)

    engine.sync_stream(stream.pk, runtime=Runtime(clock=clock, transport=Removal()))

    assert not CostLineItem.objects.exists()
    integration.cost_center.refresh_from_db()
    assert integration.cost_center.status == CostCenter.Status.DISCONNECTED


class Sleeper:
    """Sleeping moves the clock, and is written down."""

    def __init__(self, clock):
        self.clock, self.naps = clock, []

    def __call__(self, seconds):
        self.naps.append(seconds)
        self.clock.now += timedelta(seconds=seconds)


@pytest.mark.parametrize("limit", [None, 20])
def test_no_sixty_seconds_hold_more_than_95_percent_of_the_limit(limit, sandbox, connect, clock, settings):
    settings.CURSOR_REQUESTS_PER_MINUTE = limit
    server = sandbox(days=60, events=70_000 if limit is None else 24_000)
    server.limiter = type(server.limiter)(limit)
    sleeper = Sleeper(clock)
    runtime = Runtime(clock=clock, sleep=sleeper, random=lambda: 0.5)
    integration = connect(server, runtime=runtime)
    for _ in range(2):  # the second run begins within the minute of the first one's last requests
        sync(integration, runtime)

    times = [
        request.time.timestamp()
        for request in server.requests
        if request.path == USAGE and request.body["pageSize"] > 1
    ]
    allowed = int((limit or 60) * 0.95)
    assert len(times) > allowed
    for position in range(len(times) - allowed):
        assert times[position + allowed] - times[position] >= 60
    assert not [request for request in server.requests if request.status == 429]
    assert max(sleeper.naps) <= 15
    assert_equals_truth(integration, server)


def test_a_lasting_outage_is_noted_on_the_stream_and_tried_again_later(sandbox, connect, runtime, clock):
    server = sandbox()
    integration = connect(server)
    server.close()

    result = engine.sync_stream(usage(integration).pk, runtime=runtime)

    stream = usage(integration)
    assert not result.complete
    assert "could not be reached" in stream.last_error
    assert clock() < stream.due_at <= clock() + timedelta(minutes=1)
    assert stream.attempts == 1
    run = SyncRun.objects.latest("pk")
    assert (run.outcome, run.message) == (SyncRun.Outcome.FAILED, stream.last_error)


def test_a_count_that_never_agrees_keeps_what_was_stored_and_keeps_a_word_about_it(sandbox, connect, runtime):
    server = sandbox()
    integration = connect(server)
    sync(integration, runtime)
    before = CostLineItem.objects.count()

    class OneShort(httpx.HTTPTransport):
        def handle_request(self, request):
            response = super().handle_request(request)
            response.read()
            body = response.content.replace(b'"totalUsageEventsCount":', b'"totalUsageEventsCount":9')
            return httpx.Response(response.status_code, content=body)

    result = engine.sync_stream(
        usage(integration).pk,
        runtime=Runtime(clock=runtime.clock, sleep=runtime.sleep, transport=OneShort()),
        thorough=True,
    )
    assert "announced" in result.error
    assert CostLineItem.objects.count() == before


def test_people_who_left_keep_their_history(sandbox, connect, runtime):
    server = sandbox(faults=("email_loss",), users=40, days=90)
    integration = connect(server)
    sync(integration, runtime)
    named = CostLineItem.objects.exclude(user="").count()
    assert server.mutate()["emails_lost"]
    # Everything is read once more, without the names Cursor no longer tells.
    integration.streams.filter(name="usage").update(backfilled_from=None)
    sync(integration, runtime)
    assert CostLineItem.objects.exclude(user="").count() == named
    assert_equals_truth(integration, server)


def test_reconnecting_under_the_same_name_fills_the_gap_and_doubles_nothing(sandbox, connect, runtime, clock):
    server = sandbox()
    integration = connect(server)
    sync(integration, runtime)
    connections.disconnect(integration, now=NOW)
    assert integration.credentials is None
    clock.now += timedelta(days=5)

    again = connect(server)
    sync(again, runtime)

    assert again.cost_center_id == integration.cost_center_id
    assert_equals_truth(again, server)
    seats = CostLineItem.objects.filter(charge_type="seat").values_list("day", flat=True).distinct()
    assert sorted(day.day for day in seats) == [20, 25]


class Killed(BaseException):
    """The process dies here."""


class Mortal(httpx.HTTPTransport):
    """Dies at a random request, before it is sent or after its reply came."""

    def __init__(self, chance):
        super().__init__()
        self.chance = chance

    def handle_request(self, request):
        if self.chance.random() < 0.08:
            raise Killed
        response = super().handle_request(request)
        response.read()
        if self.chance.random() < 0.08:
            raise Killed
        return response


def test_days_of_hours_with_faults_and_crashes_ends_equal_to_the_truth(sandbox, connect, clock):
    """Simulated from a seed: the worker's rhythm, data that changes, processes that die, leases that run out."""
    chance = random.Random(20261120)
    server = sandbox(days=6, events=500, faults=("all-data",))
    quiet = Runtime(clock=clock, sleep=lambda seconds: None, random=chance.random)
    integration = connect(server, runtime=quiet)
    deaths = 0
    for hour in range(2 * 24 + 12):
        clock.now += HOUR
        if hour % 31 == 7:
            server.mutate()
        for stream_id in Stream.objects.due(clock()).values_list("pk", flat=True):
            mortal = Runtime(
                clock=clock, sleep=lambda seconds: None, random=chance.random, transport=Mortal(chance)
            )
            try:
                engine.sync_stream(stream_id, runtime=mortal, only_if_due=True)
            except Killed:
                deaths += 1
    clock.now += HOUR
    results = sync(integration, quiet)
    assert all(result.complete for result in results.values()), results
    assert deaths > 3
    assert_equals_truth(integration, server)
