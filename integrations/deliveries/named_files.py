"""The files that `import_focus` is given: paths, patterns, folders, and `s3://bucket/prefix` or `gs://…`.

All of them together are one delivery. Who may run commands may read what the process may: FOCUS_FOLDERS bounds the
pages, not the command line.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from integrations.deliveries.importing import NotImported
from integrations.deliveries.scan import find_deliveries
from integrations.deliveries.sources import LocatedSource
from integrations.http import Guard, Runtime
from integrations.models import ImportedFile
from integrations.providers.focus_files.addresses import (
    STORES,
    Bucket,
    Folder,
    NoAddress,
    address_of,
)
from integrations.providers.focus_files.buckets import ObjectStore
from integrations.providers.focus_files.locations import DATA_ENDINGS, FoundFile, LocalFolder, Location

LONGEST_LOCATION = ImportedFile._meta.get_field("location").max_length or 0


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file of this machine; `name` is what was typed, `stamp` its size and time when it was found."""

    name: str
    path: Path
    size: int
    stamp: str = ""

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    @property
    def failure(self) -> None:
        """What this machine's disk says is said by what was raised."""
        return None

    @property
    def has_changed(self) -> bool:
        try:
            return _stamp(self.path.stat()) != self.stamp
        except OSError:
            return True


@dataclass(frozen=True, slots=True)
class Given:
    """A file to import: where it lies, and which version of it that is, as `ImportedFile` keeps them."""

    source: NamedFile | LocatedSource
    location: str
    version: str


class AnyFolder(LocalFolder):
    """A folder that somebody at the command line names."""

    def _must_be_allowed(self) -> None:
        pass


def find(arguments: Sequence[str], *, runtime: Runtime, guard: Guard) -> list[Given]:
    """All files that the arguments name, each once, in their order.

    Raises NotImported where one names nothing, ProviderError where a bucket cannot be read.
    """
    found: dict[str, Given] = {}
    for argument in arguments:
        for given in _find(argument, runtime, guard):
            found.setdefault(given.location, given)
    return list(found.values())


def require_unchanged(files: Iterable[Given]) -> None:
    """To be called when all has been read. Raises NotImported for a file that somebody writes to."""
    for file in files:
        if file.source.has_changed:
            raise NotImported(f"{file.source.name} changed while it was read. Nothing was stored: try again.")


def trouble_of(files: Iterable[Given]) -> Exception | None:
    """Why a place did not give a file, which whoever reads files takes for a broken one."""
    return next((failure for file in files if (failure := file.source.failure) is not None), None)


def _find(argument: str, runtime: Runtime, guard: Guard) -> Iterator[Given]:
    if argument.partition("://")[0].lower() in STORES:
        yield from _in_bucket(argument, runtime, guard)
        return
    # A file may be called like a pattern.
    paths = [argument] if os.path.exists(argument) else sorted(glob.glob(argument, recursive=True))
    if not paths:
        raise NotImported(f"There is no file {argument}.")
    for path in paths:
        if os.path.isdir(path):
            folder = AnyFolder(Folder(Path(os.path.realpath(path))), runtime, guard)
            yield from _in_location(folder, path, runtime)
        else:
            yield _named(path)


def _named(path: str) -> Given:
    real = Path(os.path.realpath(path))
    try:
        about = real.stat()
    except OSError as error:
        raise NotImported(f"{path} cannot be read ({error.strerror}).") from None
    stamp = _stamp(about)
    return Given(NamedFile(path, real, about.st_size, stamp), _kept(real), stamp)


def _stamp(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}"


def _in_bucket(argument: str, runtime: Runtime, guard: Guard) -> Iterator[Given]:
    """What lies below a prefix, or one file, with the machine's own identity."""
    try:
        bucket = address_of(argument)
    except NoAddress as error:
        raise NotImported(f"{argument}: {error}") from None
    if not isinstance(bucket, Bucket):
        raise NotImported(f"{argument} names no bucket.")
    if not bucket.prefix.lower().endswith(DATA_ENDINGS):
        yield from _in_location(_store(bucket, runtime, guard), argument, runtime)
        return
    prefix, _, name = bucket.prefix.rpartition("/")
    above = _store(Bucket(bucket.store, bucket.name, prefix), runtime, guard)
    file = next((file for file in above.files() if file.path == name), None)
    if file is None:
        raise NotImported(f"There is no file {argument}.")
    yield _located(above, file)


def _store(bucket: Bucket, runtime: Runtime, guard: Guard) -> ObjectStore:
    return ObjectStore(bucket, {}, endpoint=settings.S3_ENDPOINT_URL, runtime=runtime, guard=guard)


def _in_location(location: Location, argument: str, runtime: Runtime) -> Iterator[Given]:
    """What a scan would find there: manifests restrict it, and of several runs of a month the newest counts."""
    any_file = False
    for delivery in find_deliveries(location, runtime.clock()):
        if delivery.is_outdated:
            continue
        if delivery.waits_for:
            raise NotImported(f"{argument} is not whole: {delivery.waits_for}")
        for file in delivery.files:
            any_file = True
            yield _located(location, file)
    if not any_file:
        raise NotImported(f"{argument} holds no file whose name ends in {', '.join(DATA_ENDINGS)}.")


def _located(location: Location, file: FoundFile) -> Given:
    return Given(LocatedSource(location, file), _kept(location.name_of(file)), file.stamp)


def _kept(location: str | Path) -> str:
    """As text that a row can hold: the end tells more than the beginning."""
    return os.fsencode(location).decode("utf-8", "replace")[-LONGEST_LOCATION:]
