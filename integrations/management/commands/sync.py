"""`manage.py sync`: everything now, without the queue and without waiting for the rhythm."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from costcenters.models import CostCenter
from finops.money import display, units_from_nanos
from integrations import engine, notices
from integrations.deliveries.findings import Findings
from integrations.deliveries.uploads import original_name
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration, Stream
from integrations.session import Progress as ShowProgress
from integrations.session import Result

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = (
        "Read every stream of every active connection now: the trailing days, the whole backfill, today's seats. "
        "Exit status 0 only when all of it is complete."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--integration", type=int, metavar="ID", help="only this connection")

    def handle(self, *args: Any, **options: Any) -> None:
        runtime = Runtime()
        integrations = Integration.objects.select_related("cost_center").order_by("pk")
        if options["integration"] is not None:
            integrations = integrations.filter(pk=options["integration"])
            if not integrations:
                raise CommandError(f"There is no connection {options['integration']}.")
        console = Console(file=cast(IO[str], self.stdout._out), highlight=False, soft_wrap=True)
        problems = 0
        for integration in integrations:
            center = integration.cost_center
            if center.status == CostCenter.Status.NEEDS_ATTENTION:
                console.print(f"{center.name}: needs attention. {integration.attention}", markup=False)
                problems += 1
            if center.status in CostCenter.WORKING:
                problems += _sync(integration, runtime, console)
                problems += _needs_attention(center)
        notices.deliver(runtime.clock())
        if not integrations:
            console.print("Nothing is connected yet: open Settings > Cost Centers.")
        if problems:
            raise CommandError("Not everything is complete.", returncode=1)


def _needs_attention(center: CostCenter) -> bool:
    return CostCenter.objects.filter(pk=center.pk, status=CostCenter.Status.NEEDS_ATTENTION).exists()


def _sync(integration: Integration, runtime: Runtime, console: Console) -> int:
    """Sync one connection with a bar; the number of streams that are not complete."""
    problems = 0
    center = integration.cost_center
    name = center.name
    began = runtime.clock()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        for stream in integration.streams.exclude(name=Stream.PURGE).order_by("pk"):
            if not _is_wanted(stream):
                break  # the key was refused just now, which nobody needs to hear twice; or it was paused, or removed
            task = bar.add_task(f"{name}: {stream.name}", total=1)

            def show(stream: Stream, result: Result, task: Any = task) -> None:
                bar.update(
                    task,
                    completed=_share(stream),
                    description=f"{name}: {stream.name}, {result.events:,} events, {result.requests:,} requests",
                )

            result = _when_free(stream, began, runtime, show)
            bar.update(task, completed=1)
            problems += not (result is None or result.complete or result.lost)
            console.print(f"{name}: {_sentence(stream, result, center.currency)}", markup=False)
    return problems + _stuck(integration, console)


def _stuck(integration: Integration, console: Console) -> int:
    """Say which deliveries were refused or wait for an answer; how many files that are."""
    files = ImportedFile.objects.stuck().filter(integration=integration)
    for delivery in dict.fromkeys(files.order_by("pk").values_list("delivery", flat=True)):
        first = files.filter(delivery=delivery).order_by("pk")[0]
        what = f"{original_name(first.location)}: {Findings.read(first.message).sentence}"
        console.print(f"{integration.cost_center.name}: NOT imported. {what}", markup=False)
    return files.count()


def _when_free(stream: Stream, began: datetime, runtime: Runtime, show: ShowProgress) -> Result | None:
    """Sync the stream, waiting for whoever holds it.

    None when they finished it meanwhile; a result that is `lost` when nobody may work on it any more.
    """
    while True:
        result = engine.sync_stream(stream.pk, runtime=runtime, thorough=True, progress=show)
        if result is not None and not result.lost:
            return result
        if not _is_wanted(stream):
            return Result(
                stream.name, lost=True, error="Somebody paused or removed it, or its key was refused."
            )
        time.sleep(POLL_SECONDS)
        done = Stream.objects.filter(pk=stream.pk, claimed_until=None, finished_at__gt=began)
        if done.exists():
            return None


def _is_wanted(stream: Stream) -> bool:
    return Stream.objects.wanted().filter(pk=stream.pk).exists()


def _share(stream: Stream) -> float:
    """How much of the whole span from the backfill's target to now has been read."""
    top = stream.synced_through or stream.pass_through
    low = stream.backfilled_from or stream.pass_from
    if top is None or low is None or stream.backfill_target is None or top <= stream.backfill_target:
        return 0
    return min((top - low) / (top - stream.backfill_target), 1)


def _sentence(stream: Stream, result: Result | None, currency: str) -> str:
    if result is None:
        return f"{stream.name}: done by another process just now"
    if result.error:
        return f"{stream.name}: NOT complete. {result.error}"
    asked = f"{result.events:,} read with {result.requests:,} requests"
    if not result.changed:
        return f"{stream.name}: {asked}, nothing changed"
    kept = f"; no longer returned, kept: {', '.join(result.kept_days)}" if result.kept_days else ""
    amount = display(units_from_nanos(result.amount_change_nano), currency)
    return f"{stream.name}: {asked}, {result.added:,} lines added, {result.removed:,} removed, {amount} more{kept}"
