"""What `import_focus` does: the cost centers that are made where there are none, the claim, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from costcenters.focus.delivery import Delivery, Part
from costcenters.models import CostCenter
from finops import logs
from integrations.claims import Claim
from integrations.deliveries.findings import Findings
from integrations.deliveries.importing import (
    NotImported,
    Outcome,
    Placed,
    Progress,
    days_of,
    files_stream,
    import_parts,
    make_cost_center,
    place,
    reads_files,
    rows_of,
    takes_files,
)
from integrations.deliveries.named_files import Given
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration, Stream, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import Span
from integrations.session import Session

#: What reads the files of a cost center that a command makes, unless they are known to be a cloud's.
SLUG = "focus_files"
POLL_SECONDS = 0.5
State = ImportedFile.State


@dataclass(frozen=True, slots=True)
class Target:
    """A cost center and what of the delivery goes to it and its siblings. `center` is None while it is not there.

    `provider` is the short name of whose bill it is, where the files say so.
    """

    name: str
    currency: str
    center: CostCenter | None
    parts: tuple[Part, ...]
    provider: str = ""

    def look(self) -> tuple[list[Placed], list[str]]:
        """What would change, and what is asked before. Raises NotImported."""
        return place(self.name, self.currency, self.center, self.parts)


def targets_of(delivery: Delivery, name: str) -> list[Target]:
    """Where the parts of a delivery go: all to the cost center `name`, or each to the one that the files name.

    Raises NotImported where one cannot take them.
    """
    by_name: dict[str, list[Part]] = {}
    for part in delivery.parts:
        by_name.setdefault(name or part.cost_center, []).append(part)
    if "" in by_name:
        raise NotImported(
            f"{rows_of(by_name[''])} rows do not say which cost center they belong to (x_CostCenter). Name one with "
            "--cost-center."
        )
    return [_target(each, tuple(parts)) for each, parts in by_name.items()]


def _target(name: str, parts: tuple[Part, ...]) -> Target:
    center = CostCenter.objects.select_related("integration").filter(name=name).first()
    if center is None:
        largest = max(parts, key=lambda part: rows_of([part]))
        return Target(name, largest.currency, None, parts, largest.provider)
    if not takes_files(center):
        raise NotImported(
            f"“{name}” is a cost center of {center.provider_label} that does not take files. Choose another name."
        )
    if center.status not in CostCenter.WORKING:
        raise NotImported(
            f"“{name}” is {center.get_status_display().lower()}. Have it work again first, or choose another name."
        )
    return Target(name, center.currency, center, parts)


def carry_out(
    target: Target,
    delivery: Delivery,
    files: Sequence[Given],
    *,
    confirmed: bool,
    runtime: Runtime,
    progress: Progress,
    waiting: Callable[[], None],
) -> Outcome:
    """Import what goes to one cost center, which is made where there is none. Nobody else imports into it meanwhile.

    `waiting` is called before it is waited for somebody who does. Raises NotImported, WindowError, LeaseLost.
    """
    center = target.center
    if center is None:
        slug = target.provider if reads_files(target.provider) else SLUG
        with transaction.atomic():
            center = make_cost_center(
                target.name,
                provider=target.provider or SLUG,
                slug=slug,
                currency=target.currency,
                api_url=PROVIDERS[slug].api_url,
                user=None,
                now=runtime.clock(),
            )
    integration = center.integration
    with _claimed(integration, runtime, waiting) as claim:
        session = Session(claim, PROVIDERS[integration.provider], thorough=False, progress=None)
        with logs.syncing(integration.pk, session.spec.name):
            session.open_run(_span(target.parts))
            try:
                outcome = import_parts(
                    integration,
                    delivery,
                    target.parts,
                    confirmed=confirmed,
                    fence=claim.fence,
                    now=runtime.clock(),
                    progress=progress,
                )
            except LeaseLost:
                raise  # whoever has it now has closed the run
            except Exception as error:
                session.close_run(SyncRun.Outcome.FAILED, str(error))
                raise
            except BaseException:
                session.close_run(SyncRun.Outcome.INTERRUPTED)
                raise
            _keep(session, claim, outcome, files)
    return outcome


def _span(parts: Sequence[Part]) -> Span:
    spans = [days_of(part) for part in parts]
    return Span(min(span.start for span in spans), max(span.end for span in spans))


@contextmanager
def _claimed(integration: Integration, runtime: Runtime, waiting: Callable[[], None]) -> Iterator[Claim]:
    """The claim of its stream of files, once nobody else holds it."""
    stream = files_stream(integration)
    provider = PROVIDERS[integration.provider]
    has_waited = False
    while (claim := Claim.take(stream.pk, provider=provider, runtime=runtime)) is None:
        if not Stream.objects.wanted().filter(pk=stream.pk).exists():
            raise NotImported(f"“{integration.cost_center}” was paused or removed a moment ago.")
        if not has_waited:
            waiting()
            has_waited = True
        time.sleep(POLL_SECONDS)
    # Runs that a killed process has left open are over.
    integration.runs.filter(stream=stream.name).interrupt(runtime.clock())
    try:
        yield claim
    finally:
        claim.release()


def _keep(session: Session, claim: Claim, outcome: Outcome, files: Sequence[Given]) -> None:
    """The run, and of each file that it is imported."""
    now = session.runtime.clock()
    with transaction.atomic():
        claim.fence()
        if outcome.imported:
            _keep_files(session.integration, files, outcome, now)
        is_changed = any(not one.plan.is_empty for one in outcome.centers)
        done = SyncRun.Outcome.DONE if is_changed else SyncRun.Outcome.UNCHANGED
        session.close_run(
            done if outcome.imported else SyncRun.Outcome.KEPT,
            " ".join(outcome.notes if outcome.imported else outcome.questions),
            events=outcome.rows,
            change=outcome.change if outcome.imported else None,
        )


def _keep_files(integration: Integration, files: Sequence[Given], outcome: Outcome, now: datetime) -> None:
    content = "\n".join(f"{file.location} {file.version}" for file in files)
    delivery = sha256(content.encode()).hexdigest()[:40]
    known = ImportedFile.objects.filter(integration=integration)
    for file in files:
        known.filter(location=file.location).exclude(version=file.version).update(state=State.SUPERSEDED)
        ImportedFile.objects.update_or_create(
            integration=integration,
            location=file.location,
            version=file.version,
            defaults={
                "size": file.source.size,
                "delivery": delivery,
                "state": State.IMPORTED,
                "rows": outcome.rows,
                "message": str(Findings(notes=outcome.notes)),
                "imported_at": now,
                "seen_at": now,
            },
        )
