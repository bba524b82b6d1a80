"""A delivery of FOCUS files into the bill: which cost center each currency goes to, and what is asked before.

One cost center holds one currency. The lines in another one go to a sibling, `NAME (EUR)`, with a connection of its
own that has no location. It is made when its first lines are imported, never before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from costcenters.focus import ledger
from costcenters.focus.delivery import Delivery, Part, Source, read_delivery
from costcenters.models import CostCenter, Statement
from costcenters.records import Change
from finops.secrets import Secrets
from integrations import windows
from integrations.claims import end_claims
from integrations.errors import Refusal
from integrations.models import Integration, Stream, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import RecordKind, Span
from integrations.session import run_amount

#: Told of so much done and of all there is.
Progress = Callable[[int, int], None]
NO_LOCATION = {"location": "", "access_key_id": "", "secret_access_key": "", "region": ""}


class NotImported(Refusal):
    """A cost center cannot take the delivery; nothing of it was stored there."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A part of a delivery and the cost center that it goes to, which is None while it is not there yet."""

    name: str
    center: CostCenter | None
    part: Part
    plan: ledger.Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a delivery, or would. `change` is that of the cost center itself; those of its siblings, whose
    currencies are others, are in their own runs. `statements` counts those that were delivered."""

    imported: bool
    questions: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    statements: int
    change: Change
    centers: tuple[Placed, ...]


NO_CHANGE = Change(0, 0, 0, 0)


def import_delivery(
    integration: Integration,
    sources: Sequence[Source],
    *,
    confirmed: bool,
    fence: Callable[[], None],
    now: datetime,
    scratch: Path,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Read a delivery whole and, unless it asks something that is not `confirmed`, write it day by day.

    The integration's stream of files is held by the caller; `fence` is called first in each transaction. `progress`
    is told the bytes read. Raises DeliveryRefused, NotImported, WindowError, OSError.
    """
    with read_delivery(sources, scratch=scratch, progress=progress) as delivery:
        return import_parts(
            integration,
            delivery,
            delivery.parts,
            confirmed=confirmed,
            fence=fence,
            now=now,
            dry_run=dry_run,
        )


def import_parts(
    integration: Integration,
    delivery: Delivery,
    parts: Sequence[Part],
    *,
    confirmed: bool,
    fence: Callable[[], None],
    now: datetime,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> Outcome:
    """The same for parts of a delivery that has been read. `progress` is told the rows written."""
    center = integration.cost_center
    placed, asked = place(center.name, center.currency, center, parts)
    questions = (*delivery.questions, *asked)
    imported = not dry_run and (confirmed or not questions)
    change = NO_CHANGE
    if imported:
        whole = sum(one.plan.rows_to_write for one in placed)
        done = 0

        def add_up(rows: int, _: int) -> None:
            if progress is not None:
                progress(done + rows, whole)

        for one in placed:
            if one.part.currency == center.currency:
                change = ledger.write(
                    center,
                    delivery,
                    one.part,
                    one.plan,
                    fence=fence,
                    now=now,
                    progress=add_up,
                )
            else:
                _import_sibling(integration, delivery, one, fence=fence, now=now, progress=add_up)
            done += one.plan.rows_to_write
    return Outcome(
        imported=imported,
        questions=questions,
        notes=delivery.notes,
        rows=rows_of(parts),
        statements=sum(len(part.units) for part in parts),
        change=change,
        centers=tuple(placed),
    )


def rows_of(parts: Iterable[Part]) -> int:
    return sum(day.line_items for part in parts for unit in part.units for day in unit.days.values())


def days_of(part: Part) -> Span:
    """From the first to the last UTC day of its lines."""
    days = [day for unit in part.units for day in unit.days]
    first, last = (datetime.combine(day, datetime.min.time(), UTC) for day in (min(days), max(days)))
    return Span(first, last + windows.DAY)


# Where it goes --------------------------------------------------------------------------------------------------------


def place(
    name: str, currency: str, center: CostCenter | None, parts: Sequence[Part]
) -> tuple[list[Placed], list[str]]:
    """The cost center of each part and what would change there, and what a person is asked before anything is written.

    `center`, None while it is not there yet, has that name and currency. Raises NotImported where a cost center cannot
    take its part.
    """
    is_new = center is None or not center.statements.exists()
    brings_own_currency = any(part.currency == currency for part in parts)
    placed: list[Placed] = []
    questions: list[str] = []
    for part in parts:
        if part.currency == currency:
            one = Placed(name, center, part, ledger.plan(center, part))
        else:
            sibling = _sibling(sibling_name(name, part.currency), part.currency)
            one = Placed(sibling_name(name, part.currency), sibling, part, ledger.plan(sibling, part))
            if sibling is None and not (is_new and brings_own_currency):
                questions.append(
                    f"“{name}” is in {currency} and has brought nothing in {part.currency} before. Its lines in "
                    f"{part.currency} would go to a new cost center, “{one.name}”.{_held_elsewhere(part, one.name)}"
                )
        questions += one.plan.questions
        placed.append(one)
    return placed, questions


def _held_elsewhere(part: Part, name: str) -> str:
    """A sentence about the cost center that held these lines under another name; empty where none did."""
    found = Statement.objects.filter(
        cost_center__currency=part.currency,
        billing_account__in={unit.billing_account for unit in part.units},
        period_start__in={unit.period_start for unit in part.units},
    ).select_related("cost_center")
    delivered = {(unit.billing_account, unit.period_start) for unit in part.units}
    other = next((one for one in found if (one.billing_account, one.period_start) in delivered), None)
    if other is None:
        return ""
    return (
        f" “{other.cost_center.name}” holds {other.period_start:%b %Y} of that billing account: if these are its "
        f"lines, rename it to “{name}” first, or they are counted twice."
    )


def sibling_name(name: str, currency: str) -> str:
    """Such as `AWS (EUR)`; a long name is cut so that it fits."""
    suffix = f" ({currency})"
    most = CostCenter._meta.get_field("name").max_length or 0
    return f"{name[: most - len(suffix)].rstrip()}{suffix}"


def _sibling(name: str, currency: str) -> CostCenter | None:
    """The cost center of that name if there is one. NotImported when it cannot take lines in that currency."""
    sibling = CostCenter.objects.select_related("integration").filter(name=name).first()
    if sibling is None:
        return None
    if sibling.currency != currency or not takes_files(sibling):
        raise NotImported(
            f"Lines in {currency} belong into “{name}”, but the cost center of that name is another one: rename it."
        )
    if sibling.status not in CostCenter.WORKING:
        raise NotImported(
            f"“{name}”, where the lines in {currency} belong, is {sibling.get_status_display().lower()}. "
            "Have it work again, or delete or rename it."
        )
    return sibling


def takes_files(center: CostCenter) -> bool:
    """Whether its lines come from FOCUS files."""
    integration = getattr(center, "integration", None)
    return integration is not None and reads_files(integration.provider)


def reads_files(slug: str) -> bool:
    """Whether a provider does."""
    return slug in PROVIDERS and PROVIDERS[slug].takes_files


def make_cost_center(
    name: str, *, provider: str, slug: str, currency: str, api_url: str, user: Any, now: datetime
) -> CostCenter:
    """An active cost center of files without a location. `provider` is what reports call it by, `slug` what reads it.

    To be called in a transaction. Raises NotImported where the name is bad or taken.
    """
    center = CostCenter(
        name=name,
        provider=provider,
        currency=currency,
        status=CostCenter.Status.ACTIVE,
        connected_on=now.date(),
    )
    try:
        with transaction.atomic():
            center.full_clean(validate_unique=False)
            center.save()
            integration = Integration.objects.create(
                cost_center=center,
                provider=slug,
                credentials=Secrets(NO_LOCATION),
                api_url=api_url,
                connected_by=user,
                set_up_at=now,
            )
            for spec in PROVIDERS[slug].streams:
                Stream.objects.create(integration=integration, name=spec.name, due_at=now)
    except ValidationError as error:
        raise NotImported(f"There cannot be a cost center “{name}”: {' '.join(error.messages)}") from None
    except IntegrityError:
        raise NotImported(f"A cost center “{name}” was made a moment ago. Try again.") from None
    return center


def files_stream(integration: Integration) -> Stream:
    """The stream that whoever imports holds."""
    names = [
        spec.name for spec in PROVIDERS[integration.provider].streams if spec.kind is RecordKind.DELIVERY
    ]
    return integration.streams.get(name__in=names)


def _import_sibling(
    integration: Integration,
    delivery: Delivery,
    one: Placed,
    *,
    fence: Callable[[], None],
    now: datetime,
    progress: Progress,
) -> None:
    """Write a part in another currency, with a run of its own."""
    center = one.center
    if center is None:
        with transaction.atomic():
            fence()
            center = make_cost_center(
                one.name,
                provider=integration.cost_center.provider,
                slug=integration.provider,
                currency=one.part.currency,
                api_url=integration.api_url,
                user=integration.connected_by,
                now=now,
            )
    sibling = center.integration
    span = days_of(one.part)

    def fence_both() -> None:
        """Whoever imports into the sibling itself at this moment writes nothing more."""
        fence()
        end_claims(sibling, now=now)
        if not CostCenter.objects.filter(pk=center.pk, status__in=CostCenter.WORKING).exists():
            raise NotImported(
                f"“{one.name}” was paused or removed a moment ago. The rest of its lines is not stored."
            )

    with transaction.atomic():
        fence_both()
        # Somebody may have imported into it since it was looked at.
        plan = ledger.plan(center, one.part)
    change = ledger.write(center, delivery, one.part, plan, fence=fence_both, now=now, progress=progress)
    with transaction.atomic():
        fence_both()
        SyncRun.objects.create(
            integration=sibling,
            stream=files_stream(sibling).name,
            window_start=span.start,
            window_end=span.end,
            started_at=now,
            finished_at=now,
            outcome=SyncRun.Outcome.UNCHANGED if change.is_empty else SyncRun.Outcome.DONE,
            events=rows_of([one.part]),
            amount_before=run_amount(change.amount_before),
            amount_after=run_amount(change.amount_after),
            message=f"With the files of “{integration.cost_center.name}”.",
        )
