"""The children of `demo` and `up`: started apart from the terminal, watched, gone when their parent goes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

#: What ends a start or a running service: Ctrl-C, a service manager, a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Between SIGTERM to a child and SIGKILL to everything it has started.
GRACE_SECONDS = 2.0
POLL_SECONDS = 0.1
LAST_LINES = 12

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildEnded(Exception):
    """A child ended although nobody asked it to. The message says which and shows its last log lines."""


class AlreadyRunning(Exception):
    """Somebody else holds the lock file."""


def stop_on_signals() -> None:
    """Let each of STOP_SIGNALS raise KeyboardInterrupt, even if the shell had them ignored (`command &`)."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock file; AlreadyRunning when somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode().strip()
            raise AlreadyRunning(f"process {holder}" if holder else "another process") from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def port_is_free(port: int) -> bool:
    """Whether `localhost:port` can be served: neither its IPv4 nor its IPv6 side is taken or forbidden."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
    return True


def port_answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Runs in the child: have the kernel send it SIGTERM when the parent is gone, even by `kill -9`."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Supervisor:
    """Starts children, each in a session of its own, and ends all of them on leaving the `with` block.

    `logs` is the directory of their output, one file a child; that of the start before is kept as `.log.1`.
    """

    def __init__(self, logs: Path, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self.logs = logs
        self.grace_seconds = grace_seconds
        self.children: list[Child] = []

    def __enter__(self) -> Supervisor:
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        keep_output: bool = True,
    ) -> None:
        """Start a child. Its errors, and its output unless that is not to be kept, go to `<name>.log`."""
        log = self.logs / f"{name}.log"
        with suppress(FileNotFoundError):
            log.replace(log.with_suffix(".log.1"))
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            process = subprocess.Popen(
                list(command),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file if keep_output else subprocess.DEVNULL,
                stderr=file,
                # Ctrl-C reaches the parent only, which then ends its children in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.children.append(Child(name, process, log))

    def check(self) -> None:
        """Raises ChildEnded when one of the children is no longer there."""
        for child in self.children:
            status = child.process.poll()
            if status is not None:
                raise ChildEnded(_obituary(child, status))

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Whether `condition` came true in time. Raises ChildEnded when a child ends meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def watch(self, *, seconds: float) -> None:
        """Return after so long: raises ChildEnded when a child ends, KeyboardInterrupt on a signal."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(POLL_SECONDS)

    def end(self, name: str) -> None:
        """End one child, as `stop` ends all."""
        for child in [child for child in self.children if child.name == name]:
            child.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(self.grace_seconds)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self.children.remove(child)

    def stop(self) -> None:
        """End all: SIGTERM to each one's main process only, after the grace period SIGKILL to its group.

        The groups are not told to terminate: a background worker whose own children die with it never ends.
        """
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for child in self.children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + self.grace_seconds
        while time.monotonic() < deadline and any(child.process.poll() is None for child in self.children):
            time.sleep(0.02)
        for child in self.children:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self.children.clear()
        stop_on_signals()


def _obituary(child: Child, status: int) -> str:
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    lines = child.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    if not lines:
        return f"The {child.name} process {how} without a word."
    return "\n  ".join([f"The {child.name} process {how}. The end of {child.log}:", *lines])
