"""`manage.py demo` and `manage.py up` as people start them: processes of their own, a database of their own."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from finops.processes import any_free_port
from tests.processes import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SMALL = ("--events", "600", "--users", "6", "--days", "12")
#: How soon after Ctrl-C everything must be gone.
GONE_SECONDS = 3.0


@dataclass
class Started:
    """A `manage.py` command that serves, with what it has printed so far."""

    process: subprocess.Popen[str]
    output: Path
    port: int
    family: set[int] = field(default_factory=set)

    @property
    def text(self) -> str:
        return self.output.read_text()

    def line(self, name: str) -> str:
        found = re.search(rf"^{name}: (.+)$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]

    def wait_for(self, text: str, *, seconds: float = 60) -> Started:
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        self.family = descendants(self.process.pid)
        return self

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Exit status, and seconds until the last of its processes was gone."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout=15)
        assert gone(self.family, seconds=10), f"left behind: {self.family}"
        return status, time.monotonic() - began


def gone(pids: set[int], *, seconds: float) -> bool:
    """Whether none of these processes is left in time."""
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: set[int] = set()
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= level
    return found


class Starter:
    """Starts commands on one directory of data, and ends what a test has left running."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[Started] = []

    def environment(self, **extra: str) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "finops.settings",
            "DATABASE_URL": f"sqlite:///{self.directory / 'onebill.sqlite3'}",
            **extra,
        }

    def start(self, *arguments: str, port: int | None = None) -> Started:
        port = port or any_free_port()
        output = self.directory / f"output-{len(self.started)}"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments, "--port", str(port)],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.started.append(Started(process, output, port))
        return self.started[-1]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that is expected to end by itself."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(f"file:{self.directory / 'onebill.sqlite3'}?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def close(self) -> None:
        for one in self.started:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory) -> Iterator[Starter]:
    starter = Starter(tmp_path_factory.mktemp("demo"))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def first(demo_data) -> Started:
    """The demo, started for the first time."""
    return demo_data.start("demo", *SMALL).wait_for("Password: ")


@dataclass
class Again:
    """The demo's second start, and how the first one ended."""

    demo: Started
    first_status: int
    first_seconds: float
    rows_before: list[tuple[object, ...]]
    seconds_to_start: float


ROWS = "SELECT id, day, charge_type, billed_cost FROM costcenters_costlineitem ORDER BY id"


@pytest.fixture(scope="module")
def again(demo_data, first) -> Again:
    status, seconds = first.end()
    rows = demo_data.ask(ROWS)
    began = time.monotonic()
    demo = demo_data.start("demo").wait_for("Password: ")
    return Again(demo, status, seconds, rows, time.monotonic() - began)


def logged_in(started: Started, password: str) -> httpx.Client:
    client = httpx.Client(base_url=f"http://localhost:{started.port}", follow_redirects=True, timeout=20)
    client.get("/accounts/login/")
    reply = client.post(
        "/accounts/login/",
        data={"username": "admin", "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]},
    )
    assert reply.status_code == 200
    assert reply.url.path == "/"
    return client


# The first start ------------------------------------------------------------------------------------------------------


def test_the_demo_prints_address_user_and_password_each_on_its_own_line(first):
    assert first.line("Address") == f"http://localhost:{first.port}"
    assert first.line("User") == "admin"
    assert re.fullmatch(r"[A-Za-z0-9]{16}", first.line("Password"))


def test_the_demo_prints_nothing_that_is_not_for_people(first):
    assert not re.search(r"INFO|WARNING|gunicorn|Traceback|crsr_", first.text)
    assert len(first.text.splitlines()) < 12


def test_the_explorer_equals_the_sandbox_to_the_nano_dollar(first, demo_data):
    client = logged_in(first, first.line("Password"))
    ((through, name),) = demo_data.ask(
        "SELECT complete_through, name FROM costcenters_costcenter WHERE provider = 'cursor'"
    )
    end = datetime.fromisoformat(str(through)).replace(tzinfo=UTC)
    memory = json.loads((demo_data.directory / "demo.json").read_text())
    truth = httpx.get(
        f"http://127.0.0.1:{memory['port']}/sandbox/truth",
        params={"start": 0, "end": int(end.timestamp() * 1000)},
        timeout=20,
    ).json()["totals"]

    reply = client.get(
        "/explorer/export.csv",
        params={
            "start": "2000-01-01",
            "end": end.date().isoformat(),
            "granularity": "total",
            "charge_type": "usage",
            "cost_center": str(name),
        },
    )
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert int(row["line_items"]) == truth["events"] > 500
    assert Decimal(row["billed_cost"]).scaleb(9) == int(truth["billed_nano"])
    assert Decimal(row["list_cost"]).scaleb(9) == int(truth["list_nano"])


def test_seats_clouds_and_subscriptions_are_on_the_bill_too(first, demo_data):
    found = dict(
        demo_data.ask(
            "SELECT provider, COUNT(*) FROM costcenters_costlineitem AS line "
            "JOIN costcenters_costcenter AS center ON center.id = line.cost_center_id "
            "WHERE charge_type <> 'usage' OR provider <> 'cursor' GROUP BY provider"
        )
    )
    assert found["cursor"] >= 1
    assert found["aws"] > 300
    assert found["gcp"] > 200
    assert found["subscriptions"] > 200
    assert {status for (status,) in demo_data.ask("SELECT status FROM costcenters_costcenter")} == {"active"}


def test_the_clouds_are_read_from_their_files_by_connections_like_any_other(first, demo_data):
    files = demo_data.ask("SELECT location, state FROM integrations_importedfile")
    assert {
        Path(str(location)).relative_to(demo_data.directory / "focus").parts[0] for location, _ in files
    } == {
        "aws",
        "gcp",
        "azure",
    }
    assert {state for _, state in files} == {"imported"}


def test_everything_can_be_synced_by_hand_meanwhile(first, demo_data):
    synced = demo_data.run("sync")
    assert synced.returncode == 0, synced.stderr
    for name in ("Cursor (sandbox)", "AWS (example)", "GCP (example)", "Azure (example)", "Subscriptions"):
        assert name in synced.stdout


def test_pages_are_served_with_their_static_files(first):
    page = httpx.get(f"http://localhost:{first.port}/accounts/login/", timeout=20)
    assets = re.findall(r'"(/static/[^"]+)"', page.text)
    assert assets
    for asset in assets:
        assert httpx.get(f"http://localhost:{first.port}{asset}", timeout=20).status_code == 200, asset


def test_the_set_up_messages_become_files_when_there_is_no_mail_server(first, demo_data):
    messages = [message.read_text() for message in (demo_data.directory / "mail").iterdir()]
    assert all("admin@example.com" in message for message in messages)
    for name in ("Cursor (sandbox)", "AWS (example)", "GCP (example)"):
        assert len([message for message in messages if name in message]) == 1, name


def test_data_logs_and_messages_are_for_this_user_only(first, demo_data):
    for name in ("onebill.sqlite3", "demo.json", "running.lock", "log", "log/web.log", "mail", "focus/aws"):
        mode = stat.S_IMODE((demo_data.directory / name).stat().st_mode)
        assert mode & 0o077 == 0, f"{name} is {mode:o}"


def test_no_log_holds_a_key_or_the_password(first, demo_data):
    logs = list((demo_data.directory / "log").iterdir())
    assert {log.name for log in logs} >= {"web.log", "worker.log", "sandbox.log"}
    for log in logs:
        assert not re.search(rf"crsr_|{first.line('Password')}", log.read_text()), log.name


def test_a_second_demo_on_the_same_data_is_refused(first, demo_data):
    refused = demo_data.run("demo")
    assert refused.returncode == 1
    assert f"already running on the data in {demo_data.directory}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(first, tmp_path):
    refused = Starter(tmp_path).run("up", "--port", str(first.port))
    assert refused.returncode == 1
    assert f"Port {first.port} is taken" in refused.stderr


# The second start -----------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_after_ctrl_c_everything_is_gone_in_time(again, first):
    assert again.first_status == 0
    assert len(first.family) >= 5
    assert again.first_seconds < GONE_SECONDS


def test_a_second_start_keeps_the_data_and_the_password(again, first, demo_data):
    assert again.demo.line("Password") == "unchanged"
    rows = demo_data.ask(ROWS)
    usage_before = {row for row in again.rows_before if row[2] != "seat"}
    assert usage_before <= set(rows)
    logged_in(again.demo, first.line("Password"))


def test_a_second_start_is_quick(again):
    assert again.seconds_to_start < 20


def test_another_company_is_refused_once_there_is_one(again, demo_data):
    again.demo.end(signal.SIGTERM)
    refused = demo_data.run("demo", "--users", "7")
    assert refused.returncode == 1
    assert "first started with --users 6" in refused.stderr


# Without the demo -----------------------------------------------------------------------------------------------------


@pytest.fixture
def starter(tmp_path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    starter.close()


def test_up_serves_an_empty_bill_until_a_part_of_it_dies(starter):
    started = starter.start("up").wait_for("Logs are in ")
    assert starter.ask("SELECT COUNT(*) FROM costcenters_costcenter") == [(0,)]
    client = logged_in(started, started.line("Password"))
    assert client.get("/healthz").json() == {"status": "ok"}

    commands = {
        pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        for pid in descendants(started.process.pid)
    }
    worker = min(pid for pid, command in commands.items() if "qcluster" in command)
    os.kill(worker, signal.SIGKILL)
    assert started.process.wait(timeout=10) == 1
    assert "The worker process was ended by SIGKILL" in started.text
    assert gone(set(commands), seconds=2)


@pytest.mark.alone
def test_everything_ends_soon_when_up_itself_is_killed(starter):
    started = starter.start("up").wait_for("Logs are in ")
    _, seconds = started.end(signal.SIGKILL)
    assert seconds < 6
