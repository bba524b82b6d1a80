"""The one factory of HTTP clients: deadlines, retries with jitter, rate limits, redaction.

Clock, sleeper, random source and transport come from a `Runtime`, so that whole months can be simulated.
"""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx

from finops.emails import one_line
from finops.secrets import redact
from integrations.errors import ContractBroken, KeyRefused, Unreachable


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Runtime:
    """The outside world: UTC clock, sleeper (seconds), random source in [0, 1), HTTP transport (None: the network)."""

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    transport: httpx.BaseTransport | None = None
    #: A request has this long in all, and each read of it this long.
    request_seconds: float = 30
    read_seconds: float = 10


class Guard(Protocol):
    """What stands before every request and every wait of a client."""

    def before_request(self, path: str) -> None:
        """Wait for the rate limit, renew the lease, count the request."""

    def wait(self, seconds: float) -> None:
        """Wait, in slices where a lease is held."""


class ShortGuard:
    """For calls outside a stream: no rate limit, and all is over `patience` seconds after it was made."""

    def __init__(self, runtime: Runtime, patience: float = 10) -> None:
        self._runtime = runtime
        self._waited = 0.0
        self._patience = patience
        self._until = runtime.clock() + timedelta(seconds=patience)
        #: Path and epoch seconds of every request: they count towards the limits of whoever asks next.
        self.asked: list[tuple[str, float]] = []

    def before_request(self, path: str) -> None:
        self.asked.append((path, self._runtime.clock().timestamp()))

    def wait(self, seconds: float) -> None:
        """Sleep, or raise OutOfPatience at once where that would be too long."""
        self._waited += seconds
        too_late = self._runtime.clock() + timedelta(seconds=seconds) > self._until
        if too_late or self._waited > self._patience:
            raise OutOfPatience
        self._runtime.sleep(seconds)


class OutOfPatience(Exception):
    """A wait would have been longer than a ShortGuard allows."""


MAX_BODY_BYTES = 64 * 1024 * 1024
TRANSIENT_TRIES = 6
RATE_LIMIT_TRIES = 30
LONGEST_BACKOFF = 60.0
LONGEST_RETRY_AFTER = 3600.0


class ApiClient:
    """JSON over HTTP for one connection. Numbers with a point become Decimal; nothing ever becomes a float.

    Raises the errors of `integrations.errors`; a context manager, since it keeps connections open.
    """

    def __init__(
        self, *, base_url: str, auth: tuple[str, str], provider_name: str, runtime: Runtime, guard: Guard
    ) -> None:
        self._runtime, self._guard, self._name = runtime, guard, provider_name
        self._secrets = [part for part in auth if part]
        self._socket: socket.socket | None = None
        self._http = httpx.Client(
            base_url=base_url,
            auth=httpx.BasicAuth(*auth),
            transport=runtime.transport,
            timeout=httpx.Timeout(runtime.read_seconds, connect=5),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "Onebill", "Accept": "application/json"},
        )

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, body)

    def redacted(self, text: str) -> str:
        return redact(text, *self._secrets)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        transient = limited = 0
        while True:
            self._guard.before_request(path)
            problem: ContractBroken | Unreachable
            try:
                response, content = self._exchange(method, path, body)
            except httpx.TimeoutException:
                problem = Unreachable(f"{self._name} did not answer in time.")
            except httpx.HTTPError as error:
                problem = Unreachable(
                    f"{self._name} could not be reached ({type(error).__name__}). Check this server's network "
                    "access."
                )
            else:
                if response.status_code == 429:
                    limited += 1
                    pause = self._retry_after(response)
                    if limited > RATE_LIMIT_TRIES:
                        raise Unreachable(f"{self._name} kept answering 429 (too many requests).")
                    try:
                        self._guard.wait(pause if pause is not None else self._backoff(limited))
                    except OutOfPatience:
                        raise Unreachable(
                            f"{self._name} is limiting requests right now (429). Try again in a minute."
                        ) from None
                    continue
                if response.is_success:
                    try:
                        return parse_json(content)
                    except ValueError:
                        problem = ContractBroken(
                            f"{self._name} answered {path} with something that is not JSON.",
                            sample=self._sample(content),
                        )
                elif response.status_code >= 500 or response.status_code == 408:
                    problem = Unreachable(f"{self._name} has a problem of its own ({response.status_code}).")
                else:
                    raise self._refusal(path, response, content)
            transient += 1
            if transient >= TRANSIENT_TRIES:
                raise problem
            try:
                self._guard.wait(self._backoff(transient))
            except OutOfPatience:
                raise problem from None

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[httpx.Response, bytes]:
        """One request with a total deadline: a reply that trickles, headers or body, cannot hold us longer."""
        deadline = self._runtime.clock() + timedelta(seconds=self._runtime.request_seconds)
        content = bytearray()
        watchdog = threading.Timer(self._runtime.request_seconds, self._hang_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            with self._http.stream(method, path, json=body, extensions={"trace": self._notice}) as response:
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > MAX_BODY_BYTES:
                        raise httpx.ReadError("the reply is larger than any this API sends")
                    if self._runtime.clock() > deadline:
                        raise httpx.ReadTimeout("the reply took too long in all")
        finally:
            watchdog.cancel()
        return response, bytes(content)

    def _notice(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the connection that was just made: requests follow each other, so it is the one in use."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _hang_up(self) -> None:
        """Runs in the watchdog's thread: whoever waits for this connection is woken with an error."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _backoff(self, tries: int) -> float:
        """1, 2, 4, 8 … seconds at most LONGEST_BACKOFF, between half and all of it."""
        return float(min(2.0 ** (tries - 1), LONGEST_BACKOFF) * (0.5 + self._runtime.random() / 2))

    def _retry_after(self, response: httpx.Response) -> float | None:
        value = response.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isdecimal():
            seconds = float(value)
        else:
            try:
                when = parsedate_to_datetime(value)
            except ValueError:
                return None
            if when.tzinfo is None:
                when = when.replace(tzinfo=UTC)
            seconds = (when - self._runtime.clock()).total_seconds()
        return min(max(seconds, 0.5), LONGEST_RETRY_AFTER)

    def _refusal(self, path: str, response: httpx.Response, content: bytes) -> KeyRefused | ContractBroken:
        """4xx other than 429, and redirects (never followed: they would carry the key elsewhere)."""
        status, said = response.status_code, self._said(content)
        quoted = f"{status}: {said}" if said else str(status)
        if status == 403 or (status == 401 and ("enterprise" in said.lower() or " plan" in said.lower())):
            return KeyRefused(
                f"{self._name} knows this key but does not allow the request ({quoted}). The plan or the scope of "
                "the key may not include its Admin API: create a read-only admin key, or ask about the plan.",
                reason="plan",
            )
        if status == 401:
            return KeyRefused(
                f"{self._name} refused this key ({quoted}). It may have been revoked, its creator may no longer be a "
                "team admin, it may be a personal key, or it was not copied exactly (white space, a missing end); or "
                "the team's plan has no Admin API. A new read-only admin key usually mends it."
            )
        return ContractBroken(
            f"{self._name} did not accept our request to {path} ({quoted}).", sample=self._sample(content)
        )

    def _said(self, content: bytes) -> str:
        try:
            body = parse_json(content)
        except ValueError:
            return ""
        said = body.get("message") or body.get("error") if isinstance(body, dict) else ""
        return self.redacted(one_line(str(said)))[:200] if said else ""

    def _sample(self, content: bytes) -> str:
        # Masked before it is cut: half a key is recognised by nobody.
        return self.redacted(content[:6000].decode("utf-8", "replace").replace("\0", ""))[:600]


HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(content: bytes) -> Any:
    """JSON with exact decimals. ValueError for anything else, NaN, Infinity and absurd nesting included.

    Half of a surrogate pair, which JavaScript makes of an emoji that was cut, is no text: it becomes a mark.
    """
    try:
        value = json.loads(content, parse_float=Decimal, parse_constant=_no_constant)
        return _whole(value) if HALF_PAIR.search(content) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
