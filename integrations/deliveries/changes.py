"""What people do to deliveries: upload one, answer what it asks, have a refused one read again.

Every change takes its locks in one order: streams, integration, cost center. `Refusal`s say why nothing was done.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.template.defaultfilters import filesizeformat

from costcenters.display.figures import counted
from finops.audit_log import record
from integrations import tasks
from integrations.deliveries import uploads
from integrations.deliveries.findings import Findings
from integrations.deliveries.receiving import NotTaken, ReceivedFile, uploads_folder
from integrations.deliveries.uploads import UPLOAD, original_name
from integrations.life import NotPossible, require_working
from integrations.models import ImportedFile, Integration
from integrations.pages.instants import utc

#: Of a delivery's files, so many are named in the audit log; of what it asked, so many characters are kept there.
MOST_NAMED, MOST_ASKED = 5, 500
State = ImportedFile.State
#: The same files once more would change nothing.
HELD = (State.FOUND, State.ASKS, State.IMPORTED)


# Uploading ------------------------------------------------------------------------------------------------------------


def store(integration: Integration, files: Sequence[ReceivedFile], user: Any, now: datetime) -> str:
    """Keep `files` as one delivery and have the worker read it; the delivery's name.

    Raises NotTaken for files that were uploaded before, NotPossible unless the connection works, OSError where there
    is no room or no right to write. Nothing is kept then.
    """
    delivery = f"upload-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(6)}"
    folder = uploads_folder() / delivery
    folder.mkdir(mode=0o700)
    try:
        rows = []
        for number, file in enumerate(files, start=1):
            name = f"{number}-{file.kept_name}"
            os.replace(file.temporary_file_path(), folder / name)
            rows.append(
                ImportedFile(
                    integration=integration,
                    location=f"{UPLOAD}{delivery}/{name}",
                    version=file.version,
                    size=file.size or 0,
                    delivery=delivery,
                    uploaded_by=user,
                    seen_at=now,
                )
            )
        with transaction.atomic():
            integration.lock_streams()
            require_working(integration)
            _refuse_known(integration, rows)
            ImportedFile.objects.bulk_create(rows)
            record.happened(integration, f"uploaded {_named(rows)}")
            _read_now(integration, now)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return delivery


def seen_before(integration: Integration, delivery: str) -> list[str]:
    """Which files of an upload came with an earlier one too."""
    files = ImportedFile.objects.filter(integration=integration, delivery=delivery)
    earlier = ImportedFile.objects.filter(
        integration=integration,
        location__startswith=UPLOAD,
        version=OuterRef("version"),
        pk__lt=OuterRef("pk"),
    ).exclude(delivery=delivery)
    known = files.filter(Exists(earlier)).order_by("pk").values_list("location", flat=True)
    return [original_name(location) for location in known]


def _refuse_known(integration: Integration, rows: list[ImportedFile]) -> None:
    """Raises NotTaken where an earlier upload, not replaced since, holds exactly these files."""
    wanted = {row.version for row in rows}
    earlier = ImportedFile.objects.filter(integration=integration, location__startswith=UPLOAD)
    candidates = earlier.filter(state__in=HELD, version=rows[0].version).values("delivery")
    found: defaultdict[str, dict[str, ImportedFile]] = defaultdict(dict)
    for file in earlier.filter(delivery__in=candidates).order_by("pk"):
        found[file.delivery][file.version] = file
    for files in found.values():
        if files.keys() != wanted:
            continue
        first = next(iter(files.values()))
        what = "This file was" if len(rows) == 1 else "These files were"
        came = f"{what} uploaded before, on {utc(first.seen_at.astimezone(UTC))}"
        follows = {
            State.FOUND: "will be read in a moment.",
            State.ASKS: "what that asks is still to be answered below.",
        }.get(State(first.state), "imported: there is nothing to do.")
        raise NotTaken(f"{came}, and {follows}")


def _named(rows: Sequence[ImportedFile]) -> str:
    """Such as `2 files (3.1 MB): a.csv, b.csv`."""
    names = ", ".join(original_name(row.location) for row in rows[:MOST_NAMED])
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    size = filesizeformat(sum(row.size for row in rows)).replace("\xa0", " ")
    return f"{counted(len(rows), 'file')} ({size}): {names}{more}"


# Answering ------------------------------------------------------------------------------------------------------------


def import_anyway(file: ImportedFile, *, now: datetime) -> None:
    """Yes to all that the delivery of `file` asks: the worker imports it at once. Raises NotPossible."""
    with transaction.atomic():
        integration, files = _locked(file, State.ASKS)
        require_working(integration)
        if not uploads.is_kept(files):
            raise NotPossible("Its files are not on this server any more. Upload them again.")
        asked = Findings.read(files[0].message).sentence
        _update(files, state=State.FOUND, message="", is_confirmed=True)
        record.happened(
            integration, f"had {_named(files)} imported, which had asked: {asked}"[: MOST_ASKED + 200]
        )
        _read_now(integration, now)


def leave(file: ImportedFile, who: str, *, now: datetime) -> None:
    """The delivery of `file`, which asks or was refused, stays out, and an upload is deleted. Raises NotPossible."""
    with transaction.atomic():
        integration, files = _locked(file, State.ASKS, State.REFUSED)
        found = Findings.read(files[0].message)
        if found.is_left:
            raise NotPossible("That was done already: look at what became of it.")
        asked = files[0].state == State.ASKS
        text = f"Left by {who} on {utc(now)}."
        if found.text and not found.questions:
            text = f"{text} It had {'asked' if asked else 'been refused'}: {found.text}"
        left = replace(found, text=text, statements=(), is_left=True)
        _update(files, state=State.REFUSED, message=str(left), is_confirmed=False)
        why = "had asked" if asked else "was refused"
        record.happened(
            integration, f"left {_named(files)}, which {why}: {found.sentence}"[: MOST_ASKED + 200]
        )
        transaction.on_commit(lambda: uploads.discard(integration, file.delivery), robust=True)


def try_again(file: ImportedFile, *, now: datetime) -> None:
    """Have a refused delivery read once more; what it asks has to be answered anew. Raises NotPossible."""
    with transaction.atomic():
        integration, files = _locked(file, State.REFUSED)
        require_working(integration)
        if not uploads.is_kept(files):
            raise NotPossible("Its files are not on this server any more. Upload them again.")
        _update(files, state=State.FOUND, message="", is_confirmed=False)
        record.happened(integration, f"had {_named(files)} read again")
        _read_now(integration, now)


def delivery_of(file: ImportedFile) -> Any:
    """All files of the delivery that `file` is of; itself alone where it is of none."""
    files = ImportedFile.objects.filter(integration=file.integration_id)
    return files.filter(delivery=file.delivery) if file.delivery else files.filter(pk=file.pk)


def _locked(file: ImportedFile, *states: ImportedFile.State) -> tuple[Integration, list[ImportedFile]]:
    """The files of the delivery that are in one of `states`, which nobody else changes now.

    Raises NotPossible for none.
    """
    integration = (
        Integration.objects.defer("credentials").select_related("cost_center").get(pk=file.integration_id)
    )
    integration.lock_streams()
    files = list(delivery_of(file).filter(state__in=states).order_by("pk"))
    if not files:
        raise NotPossible("That was done already: look at what became of it.")
    return integration, files


def _update(files: Sequence[ImportedFile], **changes: Any) -> None:
    ImportedFile.objects.filter(pk__in=[file.pk for file in files]).update(**changes)


def _read_now(integration: Integration, now: datetime) -> None:
    """Have the worker look at the deliveries at once; to be called with the streams locked."""
    integration.streams.filter(name__in=uploads.delivery_streams()).update(due_at=now, rung_at=None)
    tasks.ring(integration)
