"""Files that people upload, kept below UPLOADS_DIR until they were imported: a folder a delivery, readable by us alone.

What nobody waits for any more, such as the rest of an upload that was broken off, is deleted after a week.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import Exists, OuterRef

from finops.models import Heartbeat
from integrations.errors import Refusal
from integrations.models import ImportedFile, Integration, Stream
from integrations.providers import PROVIDERS
from integrations.providers.base import RecordKind

logger = logging.getLogger(__name__)

#: How the location of a file begins that was uploaded.
UPLOAD = "upload/"
#: After so long nobody tries again what was refused, and nothing is still on its way.
KEPT_FOR = timedelta(days=7)
CLEANED = "orphaned uploads deleted"
CLEAN_EVERY = timedelta(days=1)
State = ImportedFile.State


class UploadGone(Refusal):
    """An uploaded file is not on this machine, or not as it was: it has to be uploaded again."""


@dataclass(frozen=True, slots=True)
class UploadedSource:
    """One uploaded file, for `costcenters.focus` to read."""

    name: str
    size: int
    path: Path

    def open(self) -> BinaryIO:
        return self.path.open("rb")


# Reading --------------------------------------------------------------------------------------------------------------


def is_upload(location: str) -> bool:
    return location.startswith(UPLOAD)


def original_name(location: str) -> str:
    """The name a file had with whoever uploaded it; of another location, its last part."""
    name = location.rpartition("/")[2] or location
    return name.partition("-")[2] if is_upload(location) else name


def sources_of(integration: Integration, delivery: str) -> list[UploadedSource]:
    """The files of an upload, in the order in which they were chosen. Raises UploadGone."""
    rows = ImportedFile.objects.filter(
        integration=integration, delivery=delivery, location__startswith=UPLOAD
    )
    sources = []
    for row in rows.order_by("pk"):
        path, name = _path(row), original_name(row.location)
        if not _is_whole(row):
            raise UploadGone(
                f"The uploaded file {name} is not on this server any more, or not all of it. Upload it again. If that "
                "happens each time, web and worker do not share one directory for uploads (UPLOADS_DIR)."
            )
        sources.append(UploadedSource(name, row.size, path))
    return sources


def is_kept(files: Sequence[ImportedFile]) -> bool:
    """Whether all of an upload's files are still there to be read."""
    return all(_is_whole(file) for file in files if is_upload(file.location))


def discard(integration: Integration, delivery: str) -> None:
    """Delete the files of an upload that was imported, or refused for good; the rows stay."""
    rows = ImportedFile.objects.filter(
        integration=integration, delivery=delivery, location__startswith=UPLOAD
    )
    for folder in {_path(row).parent for row in rows}:
        shutil.rmtree(folder, onerror=_told)


def _path(row: ImportedFile) -> Path:
    return Path(settings.UPLOADS_DIR) / row.location.removeprefix(UPLOAD)


def _is_whole(row: ImportedFile) -> bool:
    try:
        return _path(row).stat().st_size == row.size
    except OSError:
        return False


def delivery_streams() -> set[str]:
    """How the streams are called that hold deliveries."""
    specs = [spec for provider in PROVIDERS.values() for spec in provider.streams]
    return {spec.name for spec in specs if spec.kind is RecordKind.DELIVERY}


# Every minute, every day ----------------------------------------------------------------------------------------------


def wake(now: datetime) -> int:
    """Streams that finished without an upload that came, or was answered, while they were read: due at once."""
    waiting = ImportedFile.objects.filter(
        integration=OuterRef("integration"), state=State.FOUND, location__startswith=UPLOAD
    )
    done = Stream.objects.free(now).wanted().filter(name__in=delivery_streams(), last_error="")
    late = done.filter(Exists(waiting), finished_at__isnull=False, due_at__gt=now)
    return Stream.objects.filter(pk__in=late.values("pk")).update(due_at=now, rung_at=None)


def clean_up_daily(now: datetime) -> bool:
    """Delete orphans unless that was done less than a day ago. Whether it was done."""
    if Heartbeat.objects.filter(name=CLEANED, beat_at__gt=now - CLEAN_EVERY).exists():
        return False
    Heartbeat.beat(CLEANED, now)
    clean_up(now)
    return True


def clean_up(now: datetime) -> int:
    """Delete what is older than a week and nobody waits for. How many files and folders went."""
    gone = 0
    try:
        entries = list(os.scandir(settings.UPLOADS_DIR))
    except FileNotFoundError:
        return 0
    except OSError as error:
        logger.error("Uploads cannot be cleaned up: %s", error.strerror)
        return 0
    for entry in entries:
        try:
            age = now - datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
            if age < KEPT_FOR or _is_waited_for(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
            gone += 1
        except OSError as error:
            logger.error("An orphaned upload cannot be deleted: %s", error.strerror)
    return gone


def _is_waited_for(folder: str) -> bool:
    """Whether a delivery is still to be read or answered, in a connection that can read it."""
    return ImportedFile.objects.filter(
        location__startswith=f"{UPLOAD}{folder}/",
        state__in=(State.FOUND, State.ASKS),
        integration__credentials__isnull=False,
    ).exists()


def _told(function: object, path: str, error: Any) -> None:
    """For `rmtree`: what cannot be deleted now is deleted by the clean-up."""
    if not isinstance(error[1], FileNotFoundError):
        logger.error("An upload cannot be deleted: %s", error[1])
