"""`manage.py export_focus`: the ledger as a FOCUS 1.2 file."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.display.figures import counted
from costcenters.exports.form import FocusExportForm
from costcenters.focus.export import FocusExport
from costcenters.focus.export_files import Format, Unfit

STDOUT = "-"


class Command(BaseCommand):
    help = (
        "Write all line items of some days as one FOCUS 1.2 file. The suffix says the format: .csv, .csv.gz or "
        ".parquet. Days that are left out reach as far as the ledger does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--start", metavar="YYYY-MM-DD", help="first UTC day")
        parser.add_argument("--end", metavar="YYYY-MM-DD", help="last UTC day, inclusive")
        parser.add_argument(
            "--output", metavar="FILE", required=True, help="where to write; - is standard output, as CSV"
        )
        parser.add_argument(
            "--cost-center",
            metavar="NAME",
            action="append",
            default=[],
            help="only this one; may be repeated",
        )
        parser.add_argument(
            "--format", choices=[each.value for each in Format], help="whatever the suffix says"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        output: str = options["output"]
        export = _export(options, _format(output, options["format"]))
        if output == STDOUT:
            self._write_to_stdout(export.chunks())
            return
        path = Path(output)
        size = _write(path, export)
        held = counted(export.line_items, "line item")
        days = f", {export.span.start} to {export.span.end} (UTC)" if export.span else ""
        centers = counted(len({block.cost_center_id for block in export.blocks}), "cost center")
        self.stdout.write(f"{path}: {held} of {centers}{days}, {size:,} bytes.")

    def _write_to_stdout(self, chunks: Iterable[bytes]) -> None:
        out = getattr(self.stdout, "_out", sys.stdout)
        raw = getattr(out, "buffer", None)
        try:
            for chunk in chunks:
                if raw is None:
                    out.write(chunk.decode())
                else:
                    raw.write(chunk)
            out.flush()
        except BrokenPipeError:
            # Whoever read it has had enough. Python would complain of it once more when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Nobody reads on: the output is not complete.", returncode=1) from None


def _format(output: str, named: str | None) -> Format:
    if named:
        wanted = Format(named)
        if output == STDOUT and wanted is not Format.CSV:
            raise CommandError("Standard output is CSV: name a file in --output for another format.")
        return wanted
    if output == STDOUT:
        return Format.CSV
    for each in sorted(Format, key=lambda one: -len(one.value)):
        if output.lower().endswith(f".{each.value}"):
            return each
    raise CommandError(
        f"{output} has none of the suffixes .csv, .csv.gz and .parquet: say which in --format."
    )


def _export(options: dict[str, Any], wanted: Format) -> FocusExport:
    """Read as the page and the API read it, so that what they refuse is refused here."""
    parameters = QueryDict(mutable=True)
    for name in ("start", "end"):
        if options[name] is not None:
            # From a script it may be a date already.
            day = options[name]
            parameters[name] = day.isoformat() if isinstance(day, date) else day
    parameters.setlist("cost_center", options["cost_center"])
    parameters["format"] = wanted.value
    form = FocusExportForm(parameters, catalog=Catalog())
    if not form.is_valid():
        raise CommandError(
            " ".join(f"--{name.replace('_', '-')}: {message}" for name, message in form.problems())
        )
    return form.export()


def _write(path: Path, export: FocusExport) -> int:
    """The whole file or none: it takes its name when it is complete. Answers its size in bytes."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with scratch.open("wb") as file:
            for chunk in export.chunks():
                file.write(chunk)
            size = file.tell()
        os.replace(scratch, path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
    except Unfit as error:
        raise CommandError(str(error)) from error
    finally:
        scratch.unlink(missing_ok=True)
    return size
