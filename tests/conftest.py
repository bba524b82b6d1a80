"""What this machine can run: browser tests need a Chromium, PostgreSQL tests a DATABASE_URL that names one.

Where something is missing such tests are skipped with the reason. In CI (CI=true) nothing may be missing: a skip
of one of them fails the run. The one exception are PostgreSQL tests in the run on SQLite, which are left out there.

The whole suite is run by several processes, except for tests marked `alone`: those have the machine to themselves.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

IN_CI = os.environ.get("CI", "").lower() in ("true", "1")
NEEDS_MORE = ("browser", "postgres")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture
def api(settings: Any) -> Iterator[Any]:
    """A sandbox of Cursor's API, to which the connect form leads."""
    from tests.connecting import cursor_api

    with cursor_api(settings) as server:
        yield server


@pytest.fixture
def mail(settings: Any) -> Iterator[Any]:
    """A real SMTP server that keeps what it is sent."""
    from tests.connecting import mail_server

    with mail_server(settings) as server:
        yield server


def find_chromium() -> str | None:
    """The Chromium of this machine, if there is one."""
    return next((path for name in CHROMIUMS if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if settings.DATABASES["default"]["ENGINE"].rpartition(".")[2] != "postgresql":
        on_postgres = [item for item in items if item.get_closest_marker("postgres")]
        if IN_CI and on_postgres:
            items[:] = [item for item in items if item not in on_postgres]
            config.hook.pytest_deselected(items=on_postgres)
        for item in on_postgres:
            item.add_marker(pytest.mark.skip(reason="DATABASE_URL names no PostgreSQL database"))
    if find_chromium() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=f"no Chromium here ({', '.join(CHROMIUMS)})"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Whole directories take every core; named files are run by this process, at once, and so is what shall print."""
    names_files = any(".py" in each for each in config.args)
    return 0 if names_files or config.option.capture == "no" else os.cpu_count() or 1


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with _turn(item.config, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _turn(config: pytest.Config, *, alone: bool) -> Iterator[None]:
    """Waits until no other worker runs a test, if `alone`; else until none of those is running."""
    if not hasattr(config, "workerinput"):
        yield
        return
    shared = Path(config.option.basetemp).parent
    with (shared / "door").open("w") as door, (shared / "room").open("w") as room:
        # Who waits for the room keeps the door shut, or the others would never all be out.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    needs = [name for name in NEEDS_MORE if item.get_closest_marker(name)]
    if IN_CI and needs and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"A test marked {needs[0]} must not be skipped in CI. {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself hides its marks: in CI none may."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"A module must not be skipped in CI. {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")


@pytest.fixture(autouse=True)
def roles(request: pytest.FixtureRequest) -> None:
    """The groups that a migration made: a test with real transactions leaves an empty database to the next one."""
    if request.node.get_closest_marker("django_db") or "live_server" in request.fixturenames:
        # Models can be imported only when Django is set up, which is after this file is read.
        from tests.factories import role_group

        request.getfixturevalue("db")
        for name in ("Viewer", "Editor", "Admin"):
            role_group(name)
