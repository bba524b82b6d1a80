"""The sandbox as a server: real HTTP on the loopback interface, with a team behind each key.

Keys are never logged, recorded or told.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .company import Company
from .faults import DATA, FaultPlan, Trouble, named
from .ledger import Ledger, epoch_ms, total_of
from .listener import Listener

DEFAULT_KEY = "crsr_sandbox_0123456789abcdef0123456789abcdef"
USAGE_EVENTS = "/teams/filtered-usage-events"

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request to the API as it was answered. `status` 0: the connection was dropped before any reply."""

    time: dt.datetime
    """By the server's clock."""
    monotonic: float
    """Seconds by the machine's steady clock, for measuring rates."""
    method: str
    path: str
    body: Any
    """The parsed JSON body, None when there was none or it was no JSON."""
    status: int
    fault: str
    """The transport fault that hit it, or ""."""
    team: str

    def as_json(self) -> dict[str, Any]:
        return {
            "time": self.time.isoformat(),
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "status": self.status,
            "fault": self.fault,
            "team": self.team,
        }


class RateLimiter:
    """Accepted requests per team and endpoint in any 60 seconds.

    A minute is over when either the steady clock or the server's clock says so: a simulation that moves the
    clock is not held up by real time.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._accepted: dict[tuple[str, str], deque[tuple[float, int]]] = {}

    def wait_seconds(self, team: str, path: str, now: int) -> int:
        """0 and the request counts, or the seconds until there is room again."""
        limit = self._per_minute
        if limit is None:
            limit = 60 if path == USAGE_EVENTS else 20
        if limit == 0:
            return 0
        steady = time.monotonic()
        with self._lock:
            accepted = self._accepted.setdefault((team, path), deque())
            while accepted and (steady - accepted[0][0] >= 60 or now - accepted[0][1] >= 60_000):
                accepted.popleft()
            if len(accepted) >= limit:
                return max(1, round(60 - steady + accepted[0][0] + 0.5))
            accepted.append((steady, now))
            return 0


class SandboxServer:
    """Serves a company until closed; use as a context manager. `port` 0 picks a free one.

    `faults` are names from FAULTS or groups; `requests_per_minute` None means the documented limits, 0 none.
    The methods below do what the endpoints under /sandbox do.
    """

    def __init__(
        self,
        company: Company,
        *,
        port: int = 0,
        api_key: str = DEFAULT_KEY,
        faults: str | Iterable[str] = (),
        clock: Clock | None = None,
        requests_per_minute: int | None = None,
        plan: FaultPlan | None = None,
    ) -> None:
        self.company = company
        self.api_key = api_key
        self.plan = plan or FaultPlan()
        self.clock: Clock = clock or (lambda: dt.datetime.now(dt.UTC))
        self.faults = named(faults)
        self.limiter = RateLimiter(requests_per_minute)
        self.trouble = Trouble(self.faults, self.plan)
        self.answered_since_faults = 0
        self._lock = threading.Lock()
        self._keys = {api_key: "main"}
        self._ledgers = {"main": self._open_ledger(company)}
        self._requests: deque[RecordedRequest] = deque(maxlen=100_000)
        self._listener = Listener(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests to the API so far, oldest first (the last 100,000)."""
        return list(self._requests)

    def start(self) -> SandboxServer:
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening and cut every open connection."""
        if self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._thread = None
        self._listener.server_close()

    def __enter__(self) -> SandboxServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What happens behind the client's back --------------------

    def mutate(self) -> dict[str, Any]:
        """One more round of late, revised, vanished and forgotten data; see `Ledger.mutate`."""
        now = self.now_ms()
        summaries = {team: ledger.mutate(now) for team, ledger in self._ledgers.items()}
        return summaries["main"]

    def set_faults(self, names: str | Iterable[str]) -> list[str]:
        """Replace the active faults. If the data faults change, the history is told anew with them: rounds of
        mutation start over, but what clients were served stays known to the truth."""
        faults = named(names)
        with self._lock:
            told_anew = faults & DATA.keys() != self.faults & DATA.keys()
            self.faults = faults
            self.trouble = Trouble(faults, self.plan)
            self.answered_since_faults = 0
            if told_anew:
                for team, former in self._ledgers.items():
                    ledger = self._open_ledger(former.company)
                    ledger.inherit(former)
                    self._ledgers[team] = ledger
        return sorted(faults)

    def add_key(self, key: str, team: str = "main") -> None:
        """Make one more key valid; any team but "main" is another company, sharing nobody with this one."""
        with self._lock:
            if team not in self._ledgers:
                mine = self.company
                stranger = Company(
                    seed=mine.seed + 7919,
                    users=max(3, mine.users // 5),
                    days=mine.days,
                    events=mine.events // 10,
                    anchor=mine.anchor,
                    domain=f"{team}.example.org",
                )
                self._ledgers[team] = self._open_ledger(stranger)
            self._keys[key] = team

    def revoke(self, key: str | None = None) -> None:
        """Refuse a key from now on: the one the server was started with, unless another is given."""
        with self._lock:
            self._keys.pop(key or self.api_key, None)

    def truth(
        self, start_ms: int | None = None, end_ms: int | None = None, team: str = "main"
    ) -> dict[str, Any]:
        """What a correct client holds for the half-open `[start_ms, end_ms)`: totals, rows, paid members."""
        ledger, now = self.ledger(team), self.now_ms()
        days = ledger.truth(start_ms, end_ms, now)
        rows = [
            {"day": day.day.isoformat(), "user": user, "model": model, "kind": kind, "surface": surface}
            | sums.as_json()
            for day in days
            for (user, model, kind, surface), sums in sorted(day.cells.items())
        ]
        seats = sorted(person.email for person in ledger.seats(now))
        return {"totals": total_of(days).as_json(), "rows": rows, "members": seats}

    # What the door asks --------------------

    def now_ms(self) -> int:
        return epoch_ms(self.clock())

    def team_of(self, key: str) -> str:
        """The team a key belongs to, "" for none."""
        return self._keys.get(key, "")

    def ledger(self, team: str) -> Ledger:
        """A team's events, up to the present. Raises KeyError for an unknown team."""
        ledger = self._ledgers[team]
        ledger.advance(self.now_ms())
        return ledger

    def allows_another(self) -> bool:
        """Counts a request with a good key; False once `key_revoked` has had enough of them."""
        with self._lock:
            self.answered_since_faults += 1
            return "key_revoked" not in self.faults or self.answered_since_faults <= self.plan.revoke_after

    def record(self, method: str, path: str, body: Any, status: int, fault: str, team: str) -> None:
        moment = RecordedRequest(self.clock(), time.monotonic(), method, path, body, status, fault, team)
        self._requests.append(moment)

    def _open_ledger(self, company: Company) -> Ledger:
        return Ledger(company, self.faults & DATA.keys(), self.plan, self.now_ms())
