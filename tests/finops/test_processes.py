"""Children: nobody is left behind, whoever ends first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finops.processes import (
    AlreadyRunning,
    ChildEnded,
    Supervisor,
    any_free_port,
    only_one,
    port_answers,
    port_is_free,
)
from tests.processes import ROOT

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def eventually(condition: Callable[[], bool], *, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    """Running, and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A supervisor sets the handlers of its process; pytest's are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def start(supervisor: Supervisor, name: str, code: str, **options: bool) -> int:
    supervisor.start(name, [sys.executable, "-c", code], environment=os.environ, directory=ROOT, **options)
    return supervisor.children[-1].process.pid


def test_a_child_is_asked_to_end_and_ends(tmp_path):
    with Supervisor(tmp_path / "log") as supervisor:
        pid = start(supervisor, "sleeper", "import time; time.sleep(60)")
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert not is_alive(pid)


def test_a_child_that_will_not_end_is_killed_after_the_grace_period(tmp_path):
    with Supervisor(tmp_path / "log", grace_seconds=0.3) as supervisor:
        pid = start(supervisor, "stubborn", STUBBORN)
        assert eventually(lambda: "up" in (tmp_path / "log/stubborn.log").read_text())
        began = time.monotonic()
    assert 0.3 <= time.monotonic() - began < 1.5
    assert not is_alive(pid)


def test_what_a_child_has_started_goes_with_it(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with Supervisor(tmp_path / "log", grace_seconds=0.3) as supervisor:
        start(supervisor, "parent", code)
        log = tmp_path / "log/parent.log"
        assert eventually(lambda: "up" in log.read_text())
        grandchild = int(log.read_text().split()[0])
        assert is_alive(grandchild)
    assert eventually(lambda: not is_alive(grandchild))


def test_a_child_that_ends_by_itself_is_named_with_its_last_words(tmp_path):
    with Supervisor(tmp_path / "log") as supervisor:
        start(supervisor, "web", "raise SystemExit('the port is taken')")
        with pytest.raises(ChildEnded, match=r"The web process ended with status 1(.|\n)*the port is taken"):
            supervisor.watch(seconds=30)


def test_a_child_that_is_killed_is_named_with_the_signal(tmp_path):
    with Supervisor(tmp_path / "log") as supervisor:
        os.kill(start(supervisor, "worker", "import time; time.sleep(60)"), signal.SIGKILL)
        with pytest.raises(ChildEnded, match="The worker process was ended by SIGKILL without a word"):
            supervisor.wait_until(lambda: False, seconds=5)


def test_logs_are_private_and_the_start_before_is_kept(tmp_path):
    for words in ("first", "second"):
        with Supervisor(tmp_path / "log") as supervisor:
            start(supervisor, "web", f"print('{words}')")
            assert eventually(lambda: supervisor.children[0].process.poll() is not None)
    assert (tmp_path / "log/web.log").read_text() == "second\n"
    assert (tmp_path / "log/web.log.1").read_text() == "first\n"
    assert (tmp_path / "log/web.log").stat().st_mode & 0o777 == 0o600


def test_output_that_is_not_to_be_kept_is_in_no_log(tmp_path):
    with Supervisor(tmp_path / "log") as supervisor:
        start(
            supervisor,
            "sandbox",
            "import sys; print('a key'); print('an error', file=sys.stderr)",
            keep_output=False,
        )
        assert eventually(lambda: supervisor.children[0].process.poll() is not None)
    assert (tmp_path / "log/sandbox.log").read_text() == "an error\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from finops.processes import Supervisor\n"
        f"supervisor = Supervisor(Path({str(tmp_path)!r})).__enter__()\n"
        "supervisor.start('child', [sys.executable, '-c', 'import time; time.sleep(60)'],"
        " environment=os.environ, directory=Path.cwd())\n"
        "print(supervisor.children[0].process.pid, flush=True)\n"
        "supervisor.watch(seconds=30)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert eventually(lambda: not is_alive(child))


def test_only_one_holds_the_lock_and_the_other_learns_who(tmp_path):
    path = tmp_path / "running.lock"
    with only_one(path), pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"), only_one(path):
        pass
    with only_one(path):
        pass


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_somebody_serves_on_either_loopback_address_is_not_free(family, host):
    port = any_free_port()
    assert port_is_free(port)
    assert not port_answers(port)
    with socket.socket(family) as server:
        try:
            server.bind((host, port))
        except OSError:
            pytest.skip("this machine has no IPv6")
        server.listen()
        assert not port_is_free(port)
        assert port_answers(port) == (family is socket.AF_INET)


def test_one_child_can_be_ended_and_started_anew_while_the_others_stay(tmp_path):
    with Supervisor(tmp_path / "log") as supervisor:
        start(supervisor, "web", "import time; time.sleep(60)")
        start(supervisor, "worker", "import time; time.sleep(60)")
        web, worker = (child.process for child in supervisor.children)

        supervisor.end("worker")
        start(supervisor, "worker", "import time; time.sleep(60)")

        assert worker.poll() is not None
        assert web.poll() is None
        supervisor.watch(seconds=0.2)
