from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from integrations.management.commands.sandbox import Command

from . import reader

ROOT = Path(__file__).parents[2]
SMALL = ("--events", "300", "--users", "5", "--days", "10")


def start(*options):
    command = [sys.executable, "-m", "integrations.sandbox", "--port", "0", *SMALL, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_where_it_is_serves_and_stops_with_0(number):
    with start("--api-key", "crsr_mine", "--anchor", reader.ANCHOR.isoformat()) as process:
        try:
            address = process.stdout.readline()
            key = process.stdout.readline()
            assert address.startswith("Sandbox: http://127.0.0.1:")
            assert key == "Key: crsr_mine\n"
            url = address.split()[1]
            assert httpx.get(f"{url}/teams/members", auth=("crsr_mine", "")).status_code == 200
            process.send_signal(number)
            assert process.wait(3) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--faults", "snow"), "Unknown fault 'snow'"),
        (("--users", "0"), "A company needs users >= 1"),
        (("--anchor", "yesterday"), "--anchor"),
    ],
)
def test_options_that_make_no_sense_are_a_clear_error(options, message):
    with start(*options) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert message in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_a_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start("--port", port) as process:
            _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert f"Port {port} cannot be used" in errors


def test_the_management_command_takes_the_same_options_and_tells_errors_in_a_sentence():
    with pytest.raises(CommandError, match="Unknown fault 'snow'"):
        call_command(
            Command(), "--port", "0", "--seed", "2", "--requests-per-minute", "5", "--faults", "snow"
        )
