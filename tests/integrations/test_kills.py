"""kill -9 at random moments, and two processes at once, as they really happen."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from django.db import connection

from integrations.http import Runtime
from integrations.models import Stream
from integrations.sandbox import FaultPlan
from tests.processes import manage

from .conftest import assert_equals_truth

pytestmark = pytest.mark.django_db(transaction=True)

#: One statement, so that both databases answer from one moment.
SNAPSHOT = """
    SELECT (SELECT COUNT(*) FROM costcenters_costlineitem WHERE charge_type = 'usage'),
           (SELECT COALESCE(SUM(billed_cost), 0) FROM costcenters_costlineitem WHERE charge_type = 'usage'),
           (SELECT COALESCE(SUM(line_items), 0) FROM costcenters_dailycost WHERE charge_type = 'usage'),
           (SELECT COALESCE(SUM(billed_cost), 0) FROM costcenters_dailycost WHERE charge_type = 'usage'),
           pass_from, backfilled_from
    FROM integrations_stream WHERE name = 'usage'
"""


def assert_nothing_is_half_written(events_since, lows):
    """The roll-up equals the lines, and exactly the windows the stream ever called done are there, whole.

    `lows` collects down to where they reached: a pass that begins anew no longer tells what the killed one had read.
    """
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        lines, amount, rolled_up, rolled_up_amount, pass_from, backfilled_from = cursor.fetchone()
    assert (lines, amount) == (rolled_up, rolled_up_amount)
    reached = [low for low in (pass_from, backfilled_from) if low is not None]
    lows.update(low.replace(tzinfo=UTC) if low.tzinfo is None else low for low in reached)
    assert lines == (events_since(min(lows)) if lows else 0)
    return lines


@pytest.fixture
def large(sandbox, clock):
    """Large enough to be killed in the middle. Its clock stands still, so that no new hour closes meanwhile."""
    clock.now = datetime.now(UTC)
    return sandbox(events=60_000, users=30, days=90, anchor=clock.now.date())


def killed_over_and_over(server, connect, *, kills, seed):
    integration = connect(server, runtime=Runtime())
    chance = random.Random(seed)
    counted, lows = {}, set()

    def events_since(low):
        if low not in counted:
            counted[low] = server.truth(int(low.timestamp() * 1000))["totals"]["events"]
        return counted[low]

    seen = set()
    for _ in range(kills):
        asked = len(server.requests)
        process = manage("sync", SYNC_LEASE_SECONDS="2")
        while len(server.requests) == asked and process.poll() is None:
            time.sleep(0.01)
        deadline = time.monotonic() + chance.uniform(0, 2.5)
        while time.monotonic() < deadline and process.poll() is None:
            seen.add(assert_nothing_is_half_written(events_since, lows))
            time.sleep(0.02)
        process.kill()
        process.communicate()
        seen.add(assert_nothing_is_half_written(events_since, lows))
    last = manage("sync", SYNC_LEASE_SECONDS="2")
    output, _ = last.communicate(timeout=120)
    assert last.returncode == 0, output
    assert_equals_truth(integration, server)
    assert len(seen) > 2, "no kill ever hit a sync at work"


def test_after_five_kills_one_clean_sync_equals_the_truth(large, connect):
    killed_over_and_over(large, connect, kills=5, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_fifty_kills_one_clean_sync_equals_the_truth(large, connect):
    killed_over_and_over(large, connect, kills=50, seed=2)


def test_two_processes_at_once_never_double_a_line_nor_a_request(sandbox, connect, clock):
    clock.now = datetime.now(UTC)
    # Slow enough for the second to come while the first is at work.
    large = sandbox(
        events=30_000, anchor=clock.now.date(), faults=("slow",), plan=FaultPlan(slow_seconds=0.8)
    )
    integration = connect(large, runtime=Runtime())
    verified = len(large.requests)

    both = [manage("sync"), manage("sync")]
    outputs = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert_equals_truth(integration, large)
    asked = Counter(
        (request.body["startDate"], request.body["endDate"], request.body["page"])
        for request in large.requests[verified:]
        if request.path.endswith("filtered-usage-events")
    )
    assert max(asked.values()) == 1, [window for window, times in asked.items() if times > 1]
    assert Stream.objects.get(name="usage").claimed_until is None
