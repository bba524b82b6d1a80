"""States as people read them: a word or two, and how alarming it is."""

from __future__ import annotations

from dataclasses import dataclass

from costcenters.models import CostCenter
from integrations.models import SyncRun
from integrations.progress import History
from integrations.purge import PurgeProgress


@dataclass(frozen=True, slots=True)
class Badge:
    """`tone` is a class of the stylesheet: `good`, `warn`, `bad`, or empty for neither."""

    text: str
    tone: str = ""


STATUS_TONES = {
    CostCenter.Status.ACTIVE: "good",
    CostCenter.Status.NEEDS_ATTENTION: "bad",
    CostCenter.Status.PAUSED: "warn",
}
OUTCOME_TONES = {
    SyncRun.Outcome.DONE: "good",
    SyncRun.Outcome.KEPT: "warn",
    SyncRun.Outcome.INTERRUPTED: "warn",
    SyncRun.Outcome.FAILED: "bad",
}


def status_badge(center: CostCenter, history: History | None, purge: PurgeProgress | None = None) -> Badge:
    """While history is loaded or deleted, with how much of it is there or gone."""
    if purge is not None:
        return Badge(f"Deleting history, {purge.percent} %", "warn")
    status = CostCenter.Status(center.status)
    text = str(status.label)
    if status == CostCenter.Status.CONNECTING and history is not None:
        text = f"{text}, {history.percent} %"
    return Badge(text, STATUS_TONES.get(status, ""))


def outcome_badge(run: SyncRun) -> Badge:
    outcome = SyncRun.Outcome(run.outcome)
    return Badge(str(outcome.label), OUTCOME_TONES.get(outcome, ""))
