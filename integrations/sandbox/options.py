"""The sandbox as a program: its options, and serving until it is told to stop."""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from .company import Company
from .faults import FAULTS, GROUPS
from .server import DEFAULT_KEY, SandboxServer


class CannotStartError(Exception):
    """The options make no sense or the port is taken; the message says what to change."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `manage.py sandbox` and `python -m integrations.sandbox`."""
    parser.add_argument("--port", type=int, default=8765, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--events", type=int, default=60_000, help="events in the history, within 3 %%")
    parser.add_argument("--users", type=int, default=60, help="people on the team")
    parser.add_argument("--days", type=int, default=90, help="days of history before the anchor")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another company")
    parser.add_argument("--faults", default="", metavar="NAME,…", help=f"{', '.join([*FAULTS, *GROUPS])}")
    parser.add_argument(
        "--anchor",
        type=dt.date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the day the history leads up to (default: today); time goes on from there",
    )
    parser.add_argument("--api-key", default=DEFAULT_KEY, help="the key that is accepted")
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        metavar="N",
        help="limit of every endpoint; 0: none; default: as documented",
    )


def serve(options: Mapping[str, Any], write: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM. `write` gets each line and must flush it. Raises CannotStartError."""
    stop = threading.Event()
    try:
        company = Company(
            seed=options["seed"],
            users=options["users"],
            days=options["days"],
            events=options["events"],
            anchor=options["anchor"],
        )
        server = SandboxServer(
            company,
            port=options["port"],
            api_key=options["api_key"],
            faults=options["faults"],
            requests_per_minute=options["requests_per_minute"],
        )
    except (ValueError, OverflowError) as problem:
        raise CannotStartError(str(problem)) from problem
    except OSError as problem:
        raise CannotStartError(
            f"Port {options['port']} cannot be used ({problem.strerror}); try --port 0."
        ) from problem
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    with server:
        write(f"Sandbox: {server.url}")
        write(f"Key: {server.api_key}")
        stop.wait()
