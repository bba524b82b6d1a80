"""Claims: one worker a stream, leases that are renewed while waiting, clocks that were wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from costcenters.models import CostCenter
from finops.secrets import Secrets
from integrations.claims import Claim
from integrations.errors import LeaseLost, OutOfTime
from integrations.http import Runtime
from integrations.models import Integration, Stream
from integrations.providers import PROVIDERS

from .conftest import NOW

pytestmark = pytest.mark.django_db

MEMBERS = "/teams/members"
SECOND = timedelta(seconds=1)


@pytest.fixture
def stream():
    center = CostCenter.objects.create(name="Cursor", provider="cursor", status=CostCenter.Status.ACTIVE)
    integration = Integration.objects.create(
        cost_center=center,
        provider="cursor",
        api_url="http://cursor.test",
        credentials=Secrets({"admin_api_key": "crsr_x"}),
    )
    return Stream.objects.create(integration=integration, name="members", due_at=NOW)


class Sleeper:
    """Sleeping moves the clock; what the stream's row said at each moment is written down."""

    def __init__(self, clock, stream):
        self.clock, self.stream, self.naps, self.left = clock, stream, [], []

    def __call__(self, seconds):
        self.naps.append(seconds)
        self.clock.now += timedelta(seconds=seconds)
        self.left.append((Stream.objects.get(pk=self.stream.pk).claimed_until - self.clock.now) / SECOND)


@pytest.fixture
def sleeper(clock, stream):
    return Sleeper(clock, stream)


@pytest.fixture
def take(clock, stream, sleeper):
    """Claims the stream, as often as it is called."""

    def claim(**options):
        runtime = Runtime(clock=clock, sleep=sleeper, random=lambda: 0.5)
        return Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=runtime, **options)

    return claim


def test_of_two_who_want_a_stream_one_gets_it(take, clock):
    assert take() is not None
    assert take() is None
    clock.now += Claim.lease() - SECOND
    assert take() is None


def test_a_released_stream_is_free_at_once(take, stream):
    assert take().release(attempts=3)
    stream.refresh_from_db()
    assert (stream.claim_token, stream.claimed_until, stream.attempts) == ("", None, 3)
    assert take() is not None


def test_after_the_lease_another_takes_it_and_the_first_can_write_nothing(take, clock, stream):
    first = take()
    clock.now += Claim.lease()
    second = take()
    assert second is not None
    before = Stream.objects.filter(pk=stream.pk).values().get()

    with pytest.raises(LeaseLost):
        first.fence(synced_through=NOW)
    assert first.release(attempts=9, last_error="mine") is False

    assert Stream.objects.filter(pk=stream.pk).values().get() == before
    second.fence()


def test_who_lost_a_released_stream_does_not_get_it_back(take, clock):
    first = take()
    clock.now += Claim.lease()
    take().release()
    with pytest.raises(LeaseLost):
        first.fence()
    assert first.release() is False


@pytest.mark.parametrize("lease", [60, 9])
def test_a_long_wait_renews_the_lease_in_slices(lease, take, sleeper, clock, settings):
    settings.SYNC_LEASE_SECONDS = lease
    claim = take()

    claim.wait(100)

    assert sum(sleeper.naps) == pytest.approx(100)
    assert max(sleeper.naps) <= min(15, lease / 3)
    assert min(sleeper.left) >= lease * 2 / 3
    assert claim.waited_seconds == 100
    claim.stream.refresh_from_db()
    assert claim.stream.claimed_until == clock.now + Claim.lease()


def test_a_wait_ends_when_the_stream_is_taken_away(take, sleeper, stream):
    claim = take()
    Stream.objects.filter(pk=stream.pk).update(claim_token="somebody else")
    with pytest.raises(LeaseLost):
        claim.wait(100)
    assert len(sleeper.naps) == 1


def test_a_long_walk_without_limits_renews_the_lease_too(take, stream, clock, settings):
    settings.CURSOR_REQUESTS_PER_MINUTE = 0
    claim = take()
    for _ in range(30):
        clock.now += timedelta(seconds=20)
        claim.before_request(MEMBERS)
        stream.refresh_from_db()
        assert stream.claimed_until - clock.now > Claim.lease() / 2
    assert claim.requests == 30


def test_out_of_time_comes_instead_of_a_wait_past_the_deadline(take, sleeper, clock):
    claim = take(deadline=NOW + 30 * SECOND)
    claim.wait(20)
    naps = len(sleeper.naps)

    with pytest.raises(OutOfTime) as caught:
        claim.wait(11)

    assert caught.value.resume_at == clock.now + 11 * SECOND
    assert len(sleeper.naps) == naps
    claim.wait(10)


def test_out_of_time_comes_instead_of_a_request_after_the_deadline(take, clock):
    claim = take(deadline=NOW + 30 * SECOND)
    clock.now += 29 * SECOND
    claim.before_request(MEMBERS)
    clock.now += SECOND
    with pytest.raises(OutOfTime):
        claim.before_request(MEMBERS)
    assert claim.requests == 1


@pytest.mark.parametrize(
    "ahead, is_free",
    [(timedelta(minutes=59), False), (timedelta(hours=1), False), (timedelta(hours=1, seconds=1), True)],
)
def test_a_claim_of_a_clock_that_was_wrong_counts_as_free(ahead, is_free, take, stream):
    Stream.objects.filter(pk=stream.pk).update(claim_token="x", claimed_until=NOW + ahead)
    assert (take() is not None) == is_free


@pytest.mark.parametrize(
    "due_at, is_due",
    [
        (NOW, True),
        (NOW + SECOND, False),
        (NOW + timedelta(hours=25), False),
        (NOW + timedelta(hours=25, seconds=1), True),
        (NOW + timedelta(days=3650), True),
    ],
)
def test_only_what_is_due_is_taken_and_a_far_future_counts_as_due(due_at, is_due, take, stream):
    Stream.objects.filter(pk=stream.pk).update(due_at=due_at)
    claim = take(only_if_due=True)
    assert (claim is not None) == is_due
    if claim is None:
        assert take() is not None, "without the condition it is taken all the same"


@pytest.mark.parametrize("status", [CostCenter.Status.NEEDS_ATTENTION, CostCenter.Status.PAUSED])
def test_nothing_is_due_of_a_cost_center_that_does_not_work(status, take):
    CostCenter.objects.update(status=status)
    assert take(only_if_due=True) is None


def test_nothing_is_due_without_a_key(take):
    Integration.objects.update(credentials=None)
    assert take(only_if_due=True) is None


def test_the_requests_of_the_last_minute_count_for_the_next_claim(take, sleeper, settings):
    settings.CURSOR_REQUESTS_PER_MINUTE = 20
    first = take()
    for _ in range(19):  # 95 % of the limit
        first.before_request(MEMBERS)
    first.release()
    assert sleeper.naps == []

    second = take()
    second.before_request(MEMBERS)

    assert sum(sleeper.naps) == pytest.approx(60)
    assert second.requests == 1


def test_requests_that_a_wrong_clock_noted_in_the_future_do_not_hold_up(take, sleeper, stream, settings):
    settings.CURSOR_REQUESTS_PER_MINUTE = 20
    future = (NOW + timedelta(days=1)).timestamp()
    Stream.objects.filter(pk=stream.pk).update(recent_requests=[future] * 19)
    take().before_request(MEMBERS)
    assert sleeper.naps == []
