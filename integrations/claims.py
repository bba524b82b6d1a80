"""Who may work on a stream: a short lease, renewed while it asks and waits, and the fence of every write."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from integrations.errors import LeaseLost, OutOfTime
from integrations.http import Runtime
from integrations.models import Integration, Stream
from integrations.providers.base import Provider

SLICE_SECONDS = 15.0
#: Of a documented limit, this share is used in any 60 seconds.
SHARE_OF_LIMIT = 0.95
MINUTE = 60.0


def end_claims(integration: Integration, *, now: datetime) -> list[Stream]:
    """Lock the streams of a connection and end all work on them: who holds one writes nothing more; runs are closed.

    To be called first in the transaction that changes the connection. What somebody asked for goes on: it is read by
    whoever comes next, unless `integrations.asked_runs.stop` says otherwise.
    """
    streams = integration.lock_streams()
    integration.streams.update(claim_token="", claimed_until=None)
    integration.runs.of_windows().interrupt(now)
    for stream in streams:
        stream.claim_token, stream.claimed_until = "", None
    return streams


class Claim:
    """The right to work on one stream, held until it is released, stolen after its lease, or out of time.

    It is also the guard of the stream's HTTP client: it paces requests to the provider's limit, across processes,
    since the instants of the last minute's requests are kept on the stream's row.
    """

    def __init__(
        self, stream: Stream, token: str, provider: Provider, runtime: Runtime, deadline: datetime | None
    ) -> None:
        self.stream, self.token, self.runtime, self.deadline = stream, token, runtime, deadline
        self._provider = provider
        self._recent: list[float] = [float(instant) for instant in stream.recent_requests]
        self._renewed_at = runtime.clock()
        self.requests = 0
        self.waited_seconds = 0.0

    @classmethod
    def take(
        cls,
        stream_id: int,
        *,
        provider: Provider,
        runtime: Runtime,
        deadline: datetime | None = None,
        only_if_due: bool = False,
    ) -> Claim | None:
        """Claim a stream nobody holds, by one conditional UPDATE.

        None: somebody else has it, nobody may work on it (paused, removed), or it is not due.
        """
        now, token = runtime.clock(), uuid.uuid4().hex
        wanted = Stream.objects.due(now) if only_if_due else Stream.objects.wanted()
        free = Stream.objects.free(now).filter(pk=stream_id, pk__in=wanted.values("pk"))
        if not free.update(claim_token=token, claimed_until=now + cls.lease(), rung_at=None):
            return None
        # A pause or a removal from here on ends this claim. PostgreSQL may have overlooked one that was committed
        # while the UPDATE waited for the row, so it is looked for once more.
        stream = (
            Stream.objects.wanted()
            .select_related("integration__cost_center")
            .filter(pk=stream_id, claim_token=token)
            .first()
        )
        if stream is None:
            Stream.objects.filter(pk=stream_id, claim_token=token).update(claim_token="", claimed_until=None)
            return None
        return cls(stream, token, provider, runtime, deadline)

    @staticmethod
    def lease() -> timedelta:
        return timedelta(seconds=settings.SYNC_LEASE_SECONDS)

    def fence(self, **changes: Any) -> None:
        """Renew the lease and store `changes` on the stream. LeaseLost when somebody else has taken it.

        As the first statement of a transaction it keeps everybody else out until the commit.
        """
        now = self.runtime.clock()
        mine = Stream.objects.filter(pk=self.stream.pk, claim_token=self.token)
        if not mine.update(claimed_until=now + self.lease(), **changes):
            raise LeaseLost
        self._renewed_at = now
        for name, value in changes.items():
            setattr(self.stream, name, value)

    def keep(self) -> None:
        """Renew the lease when a part of it is over: called now and then by long work that asks nobody."""
        if self.runtime.clock() - self._renewed_at > self.lease() / 4:
            self.fence()

    def release(self, **changes: Any) -> bool:
        """Give the stream back with `changes`. False, and nothing is done, when it is somebody else's by now."""
        mine = Stream.objects.filter(pk=self.stream.pk, claim_token=self.token)
        if not mine.update(claim_token="", claimed_until=None, **changes):
            return False
        for name, value in changes.items():
            setattr(self.stream, name, value)
        return True

    def before_request(self, path: str) -> None:
        """Wait until the limit of `path` allows one more request in any 60 seconds, then count it."""
        # One request is always made, so that a task that is late from its beginning gets on all the same.
        if self.deadline is not None and self.requests and self.runtime.clock() >= self.deadline:
            raise OutOfTime(self.runtime.clock())
        limit = self._provider.requests_per_minute(path)
        if limit is None:
            self.keep()
        else:
            allowed = max(1, int(limit * SHARE_OF_LIMIT))
            while (pause := self._until_allowed(allowed)) > 0:
                self.wait(pause)
            self._recent.append(self.runtime.clock().timestamp())
            self.fence(recent_requests=self._recent)
        self.requests += 1

    def _until_allowed(self, allowed: int) -> float:
        now = self.runtime.clock().timestamp()
        self._recent = [instant for instant in self._recent if now - MINUTE < instant <= now]
        if len(self._recent) < allowed:
            return 0
        return max(self._recent[-allowed] + MINUTE - now, 0.01)

    def wait(self, seconds: float) -> None:
        """Sleep in slices, each of which renews the lease. OutOfTime instead of a wait past the deadline."""
        now = self.runtime.clock()
        if self.deadline is not None and now + timedelta(seconds=seconds) > self.deadline:
            raise OutOfTime(now + timedelta(seconds=seconds))
        longest = min(SLICE_SECONDS, self.lease().total_seconds() / 3)
        self.waited_seconds += seconds
        while seconds > 0:
            self.runtime.sleep(min(seconds, longest))
            seconds -= longest
            self.fence()
