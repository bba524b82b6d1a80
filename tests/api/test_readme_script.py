"""The script of README, as it stands there: run as a process of its own against a server, a worker and a sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from costcenters.models import CostCenter, CostLineItem
from finops.money import units_from_nanos
from integrations import tasks
from integrations.models import Integration, Stream
from tests.api.answers import token_of
from tests.connecting import cursor_api
from tests.factories import UserFactory
from tests.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"


@pytest.fixture
def worker() -> Iterator[None]:
    """Works on whatever is due, as the real one does when its bell rings."""
    is_over = threading.Event()

    def work() -> None:
        try:
            while not is_over.wait(0.05):
                due = Stream.objects.due(datetime.now(UTC)).order_by("pk")
                for pk in list(due.values_list("pk", flat=True)):
                    tasks.sync(pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


def script_in(readme: Path) -> str:
    (script,) = re.findall(
        r"```python\n(.*?)```", readme.read_text().partition("## Automate it")[2], re.DOTALL
    )
    return str(script)


def test_the_script_reads_the_truth_and_leaves_nothing_behind(live_server, settings, worker, tmp_path):
    (tmp_path / "script.py").write_text(script_in(ROOT / "README.md"))
    with cursor_api(settings, users=6, days=8, events=200) as server:
        server.add_key(NEW_KEY)
        done = subprocess.run(
            [sys.executable, str(tmp_path / "script.py")],
            env={
                "PATH": os.environ["PATH"],
                "SITE": live_server.url,
                "TOKEN": token_of(UserFactory(role="Admin")),
                "CURSOR_KEY": server.api_key,
                "CURSOR_NEW_KEY": NEW_KEY,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        truth: Counter[str] = Counter()
        for row in server.truth()["rows"]:
            truth[row["user"] or "(nobody)"] += int(row["billed_nano"])
        members = set(server.truth()["members"])

    *costs, key, end = done.stdout.splitlines()
    printed = [line.split(" ", 3) for line in costs]
    usage = {user: Decimal(amount) for amount, _, kind, user in printed if kind == "usage"}
    assert usage == {user: units_from_nanos(nanos) for user, nanos in truth.items()}
    assert sum(usage.values()) > 0
    assert {user for _, _, kind, user in printed if kind == "seat"} == members
    assert {currency for _, currency, _, _ in printed} == {"USD"}
    assert key == f"The key is …{NEW_KEY[-4:]}"
    assert end == "All of it is gone"
    for model in (CostCenter, Integration, CostLineItem):
        assert not model.objects.exists()
