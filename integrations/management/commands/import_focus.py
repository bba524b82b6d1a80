"""`manage.py import_focus`: FOCUS files into the bill, now, in this process."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from costcenters.focus.delivery import Delivery, DeliveryRefused, Problem, read_delivery
from costcenters.records import WindowError
from finops.emails import one_line
from finops.money import display, units_from_nanos
from integrations.deliveries import by_command, named_files
from integrations.deliveries.by_command import Target
from integrations.deliveries.importing import Placed
from integrations.deliveries.named_files import Given
from integrations.errors import LeaseLost, ProviderError, Refusal
from integrations.http import Runtime, ShortGuard

#: A location is asked no longer than this, in seconds, before the files are read.
PATIENCE = 600.0


class Command(BaseCommand):
    help = (
        "Import FOCUS cost and usage files (CSV, gzip, Parquet) as one delivery: what they hold of a billing account "
        "and billing period replaces what is stored of it. Exit status 0 when all of it is in; 1 when it was refused, "
        "or asks something that --yes answers: then nothing was stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="a file, a pattern, a folder, or s3://bucket/prefix"
        )
        parser.add_argument(
            "--cost-center",
            default="",
            metavar="NAME",
            help="where the lines go; made when there is none. Without it, where the files say (x_CostCenter)",
        )
        parser.add_argument("--yes", action="store_true", help="answer yes to whatever the delivery asks")
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console(file=cast(IO[str], self.stdout._out), highlight=False, soft_wrap=True)
        self.runtime = Runtime()
        try:
            with tempfile.TemporaryDirectory(prefix="onebill-import-") as scratch:
                self._import(options, Path(scratch))
        except DeliveryRefused as refused:
            raise CommandError(_refusal(refused.problems, refused.total)) from None
        except (Refusal, WindowError, ProviderError) as error:
            raise CommandError(one_line(str(error))) from None
        except LeaseLost:
            raise CommandError(
                "Another process has taken over this cost center's files. Run it again: what is stored is not written "
                "twice."
            ) from None
        except OSError as error:
            raise CommandError(one_line(f"A file cannot be read: {error}")) from None

    def _import(self, options: dict[str, Any], scratch: Path) -> None:
        name: str = options["cost_center"].strip()
        files = named_files.find(
            options["files"], runtime=self.runtime, guard=ShortGuard(self.runtime, patience=PATIENCE)
        )
        with self._read(files, scratch, by_cost_center=not name) as delivery:
            named_files.require_unchanged(files)
            targets = by_command.targets_of(delivery, name)
            placed, asked = _look(targets)
            questions = (*delivery.questions, *asked)
            self._say(delivery.notes)
            if options["dry_run"]:
                self.console.print(_table(placed))
                self._say(questions)
                self._print("Nothing was stored.")
            elif questions and not options["yes"]:
                self.console.print(_table(placed))
                raise CommandError(_asking(questions))
            else:
                for target in targets:
                    self._carry_out(target, delivery, files, confirmed=options["yes"])

    def _read(self, files: Sequence[Given], scratch: Path, *, by_cost_center: bool) -> Delivery:
        sources = [file.source for file in files]
        try:
            with self._bar("Reading") as progress:
                return read_delivery(
                    sources, scratch=scratch, by_cost_center=by_cost_center, progress=progress
                )
        except DeliveryRefused:
            if trouble := named_files.trouble_of(files):
                raise trouble from None
            raise

    def _carry_out(
        self, target: Target, delivery: Delivery, files: Sequence[Given], *, confirmed: bool
    ) -> None:
        with self._bar(f"Writing {one_line(target.name)}") as progress:
            outcome = by_command.carry_out(
                target,
                delivery,
                files,
                confirmed=confirmed,
                runtime=self.runtime,
                progress=progress,
                waiting=lambda: self._print(f"Waiting: somebody else is importing into “{target.name}”."),
            )
        if not outcome.imported:
            raise CommandError(_asking(outcome.questions))
        for one in outcome.centers:
            self._print(_sentence(one))

    @contextmanager
    def _bar(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar where somebody looks at it."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
        )
        hidden = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=hidden) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, whole: bar.update(task, completed=done, total=whole or 1)

    def _say(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._print(f"- {sentence}")

    def _print(self, text: str) -> None:
        self.console.print(one_line(text), markup=False)


def _look(targets: Iterable[Target]) -> tuple[list[Placed], list[str]]:
    placed: list[Placed] = []
    questions: list[str] = []
    for target in targets:
        there, asked = target.look()
        placed += there
        questions += asked
    return placed, questions


def _table(placed: Iterable[Placed]) -> Table:
    """What would become of each statement."""
    table = Table(title="What would change", title_justify="left", show_edge=False)
    for heading in ("Cost center", "Billing period", "Billing account"):
        table.add_column(heading, overflow="fold")
    for heading in ("Lines", "Billed", "Days to write"):
        table.add_column(heading, justify="right")
    for one in placed:
        for statement in one.plan.statements:
            unit = statement.unit
            before, after = (
                display(units_from_nanos(nanos), one.part.currency)
                for nanos in (statement.billed_before, statement.billed_after)
            )
            is_new = statement.statement is None
            table.add_row(
                *(
                    # As text: what files hold must not be read as rich's own marks.
                    Text(one_line(text))
                    for text in (one.name, f"{unit.period_start:%b %Y}", unit.billing_account)
                ),
                f"{statement.lines_after:,}"
                if is_new
                else f"{statement.lines_before:,} → {statement.lines_after:,}",
                after if is_new else f"{before} → {after}",
                f"{len(statement.changed_days) + len(statement.dropped_days):,}",
            )
    return table


def _sentence(one: Placed) -> str:
    statements = one.plan.statements
    after = sum(statement.billed_after for statement in statements)
    lines = sum(statement.lines_after for statement in statements)
    holds = f"{lines:,} lines, {display(units_from_nanos(after), one.part.currency)} billed"
    if one.plan.is_empty:
        return f"{one.name}: nothing to do, these {holds} are stored already."
    return f"{one.name}: {holds}; {one.plan.rows_to_write:,} lines written."


def _asking(questions: Iterable[str]) -> str:
    asked = "\n".join(f"- {one_line(question)}" for question in questions)
    return f"Nothing was stored. Repeat it with --yes if all of this is meant:\n{asked}"


def _refusal(problems: Sequence[Problem], total: int) -> str:
    told = [one_line(str(problem)) for problem in problems]
    if total > len(told):
        told.append(f"and {total - len(told):,} more")
    return "\n".join(["The delivery is refused, nothing was stored:", *told])
