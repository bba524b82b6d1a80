"""What a stream of files left behind, and a clock at which something happens while it is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from integrations.deliveries.findings import Findings
from integrations.models import ImportedFile, Integration, SyncRun
from tests.integrations.conftest import Clock


def runs(integration: Integration) -> list[tuple[str, int]]:
    """Outcome and rows of each run, oldest first."""
    return list(integration.runs.of_windows().order_by("pk").values_list("outcome", "events"))


def message(integration: Integration, name: str) -> Findings:
    row = ImportedFile.objects.filter(integration=integration, location__endswith=f"/{name}").latest(
        "seen_at", "pk"
    )
    return Findings.read(row.message)


class HookedClock(Clock):
    """Does something once, when it is asked the time and `when` holds: a file that changes at the wrong moment."""

    def __init__(self) -> None:
        super().__init__()
        self.when: Callable[[], bool] = lambda: False
        self.then: Callable[[], None] = lambda: None

    def __call__(self) -> datetime:
        if self.when():
            self.when = lambda: False
            self.then()
        return self.now


def delivery_is_begun() -> bool:
    """The second run of a stream that is being read: the first was the look at the location."""
    runs = SyncRun.objects.of_windows()
    return runs.filter(outcome="running").exists() and runs.count() >= 2
