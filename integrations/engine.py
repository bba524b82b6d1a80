"""The sync engine: claims a stream, has it read, and leaves its row saying what became of it and when to come back.

It knows no provider. Whatever kills it, nothing is half-written: `integrations.readers` says how.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from costcenters.records import WindowError
from finops import logs
from finops.secrets import SecretUnreadable, redact
from integrations import asked_runs, notices, providers, windows
from integrations.claims import Claim
from integrations.errors import (
    ContractBroken,
    KeyRefused,
    LeaseLost,
    OutOfTime,
    ProviderError,
    Unreachable,
)
from integrations.http import Runtime
from integrations.models import HEALTHY, Stream, SyncRun
from integrations.providers.base import RecordKind
from integrations.readers import READERS
from integrations.session import Progress, Result, Session

logger = logging.getLogger(__name__)

LONGEST_RETRY = timedelta(hours=1)
#: For what no quick retry mends: a reply that is not as agreed, a fault of ours.
CONTRACT_RETRY = timedelta(hours=1)
TOTALS_RETRY = timedelta(days=1)
#: New data is asked for this long after the hour, spread over a few minutes.
AFTER_THE_HOUR = timedelta(minutes=3)


def sync_stream(
    stream_id: int,
    *,
    runtime: Runtime,
    deadline: datetime | None = None,
    thorough: bool = False,
    only_if_due: bool = False,
    progress: Progress | None = None,
) -> Result | None:
    """Work on one stream until it is complete, out of time or stopped by an error, which is stored on its row.

    None when somebody else holds it or nobody may work on it (or, with `only_if_due`, its time has not come).
    `thorough` begins the trailing re-read anew instead of going on with an interrupted one.
    """
    known = Stream.objects.select_related("integration").filter(pk=stream_id).first()
    if known is None:
        return None  # removed, with its history
    provider = providers.PROVIDERS[known.integration.provider]
    claim = Claim.take(
        stream_id, provider=provider, runtime=runtime, deadline=deadline, only_if_due=only_if_due
    )
    if claim is None:
        return None
    session = Session(claim, provider, thorough=thorough, progress=progress)
    with logs.syncing(session.integration.pk, session.spec.name):
        return _work(session)


def _work(session: Session) -> Result:
    """Read the stream; whatever happens, leave its row saying what and when to come back."""
    session.integration.runs.filter(stream=session.spec.name).interrupt(session.runtime.clock())
    try:
        _read(session)
        _finish(session)
    except LeaseLost:
        session.result.lost = True
        session.result.error = "Another worker has taken this over."
    except OutOfTime as pause:
        _leave(
            session,
            SyncRun.Outcome.INTERRUPTED,
            f"Goes on at {pause.resume_at:%H:%M} UTC.",
            due_at=pause.resume_at,
        )
    except KeyRefused as error:
        _stop(session, error)
    except SecretUnreadable as error:
        # Our own configuration is wrong, not the key: all is well again as soon as it is mended.
        _fail(session, ProviderError(str(error)), due_at=session.runtime.clock() + CONTRACT_RETRY)
    except Unreachable as error:
        _fail(session, Unreachable(f"{error} It is tried again by itself."), due_at=_retry_at(session))
    except ContractBroken as error:
        _fail(session, error, due_at=session.runtime.clock() + CONTRACT_RETRY, sample=error.sample)
    except WindowError as error:
        _fail(
            session,
            ProviderError(f"{error} Nothing of this window was stored."),
            due_at=session.runtime.clock() + CONTRACT_RETRY,
        )
    except Exception as error:
        logger.exception("stream %s of integration %s", session.spec.name, session.integration.pk)
        _fail(
            session,
            ProviderError(
                f"An error inside Onebill ({type(error).__name__}) stopped this. The log says more; it is "
                "tried again by itself."
            ),
            due_at=session.runtime.clock() + CONTRACT_RETRY,
        )
    session.result.requests = session.claim.requests
    return session.result


def _read(session: Session) -> None:
    sealed = session.integration.credentials
    if sealed is None:
        raise KeyRefused("There is no key any more: the connection was removed.")
    with session.provider.open(
        sealed.open(), api_url=session.integration.api_url, runtime=session.runtime, guard=session.claim
    ) as source:
        session.source = source
        READERS[session.spec.kind](session)


def _finish(session: Session) -> None:
    now = session.runtime.clock()
    spread = AFTER_THE_HOUR + timedelta(seconds=session.stream.pk * 37 % 240)
    if session.spec.every >= windows.DAY:
        # By the day: soon after midnight, whenever it was read last.
        due_at = windows.floor_day(now) + windows.DAY + spread
    else:
        hour = windows.floor_hour(now) + timedelta(hours=1)
        due_at = max(hour + spread, now + session.spec.every / 2)
    with transaction.atomic():
        if not session.claim.release(due_at=due_at, finished_at=now, **HEALTHY):
            raise LeaseLost
        asked_runs.stream_complete(session.integration, now)
    session.result.complete = True
    notices.stream_complete(session.integration, now)


def _stop(session: Session, error: KeyRefused) -> None:
    """Needs a person. Not so when the key was replaced meanwhile, which ended our claim, nor for totals alone:
    the bill is complete without them."""
    if session.spec.kind is RecordKind.PERIOD_TOTAL:
        _fail(session, error, due_at=session.runtime.clock() + TOTALS_RETRY)
        return
    with transaction.atomic():
        now = session.runtime.clock()
        if _fail(session, error, due_at=now + LONGEST_RETRY):
            asked_runs.stop(session.integration, SyncRun.Outcome.FAILED, redact(str(error)), now=now)
            notices.needs_attention(session.integration, str(error), now)


def _fail(session: Session, error: ProviderError, *, due_at: datetime, sample: str = "") -> bool:
    """Leave the error on the run and the stream. False when the stream is somebody else's by now."""
    message = redact(str(error))
    logger.warning("%s: %s", type(error).__name__, message)
    session.result.error = message
    return _leave(
        session,
        SyncRun.Outcome.FAILED,
        message,
        sample=sample,
        due_at=due_at,
        attempts=session.stream.attempts + 1,
        failing_since=session.stream.failing_since or session.runtime.clock(),
        last_error=message,
    )


def _leave(
    session: Session, outcome: SyncRun.Outcome, message: str, *, sample: str = "", **changes: Any
) -> bool:
    """Give the stream back and close the run. False when it is somebody else's by now, who has closed the run."""
    with transaction.atomic():
        mine = session.claim.release(**changes)
        if mine:
            session.close_run(outcome, message, sample=sample)
            if outcome == SyncRun.Outcome.FAILED:
                asked_runs.stream_failed(session.integration, session.spec, message, session.runtime.clock())
    session.result.lost = not mine
    return mine


def _retry_at(session: Session) -> datetime:
    # The exponent is bounded too: no power of two is too large for an outage, but for a timedelta.
    pause = min(timedelta(minutes=2 ** min(session.stream.attempts, 6)), LONGEST_RETRY)
    return session.runtime.clock() + pause * (0.5 + session.runtime.random() / 2)
