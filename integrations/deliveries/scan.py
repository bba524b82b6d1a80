"""Which deliveries lie at a location: pure reading and reckoning, nothing is stored.

A delivery is all data files directly in one folder. A manifest restricts it to the files that it names, and has it
wait until all of them are there. Two kinds are known:

- AWS Data Exports: `<export>/metadata/<partition>/…-Manifest.json` with `dataFiles`, a list of `s3://bucket/key`, below
  `<export>/data/<partition>/`; it is written last, after all files that it names
  (docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html).
- Azure Cost Management: `manifest.json` in the folder of a run, with `blobs`, a list of objects with `blobName`
  (learn.microsoft.com/azure/cost-management-billing/costs/tutorial-improved-exports).

Both may keep every run of one billing period in a folder of its own: each holds the period up to then, so that only
the newest is read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from integrations.errors import ContractBroken
from integrations.providers.focus_files.locations import FoundFile, Location

MANIFEST = re.compile(r"(?:.*-)?manifest\.json", re.IGNORECASE)
#: The folder of a billing period, as AWS and as Azure name it, in which a run may have a folder of its own.
PERIOD = re.compile(r"(?:BILLING_PERIOD=\d{4}-\d{2}|\d{8}-\d{8})", re.IGNORECASE)
#: Files newer than the manifest that is written after them belong to a run that goes on, unless they are this old.
LONGEST_RUN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`names` are those of the files that make the delivery, as written in it."""

    file: FoundFile
    names: tuple[str, ...]
    #: Whether it is known to be written after all the files that it names.
    comes_last: bool


@dataclass(frozen=True, slots=True)
class FoundDelivery:
    """`waits_for` says why it is not to be read yet. `is_outdated`: a later run of the same period is there too."""

    folder: str
    files: tuple[FoundFile, ...]
    waits_for: str = ""
    is_outdated: bool = False

    @property
    def period(self) -> str:
        """The folder of the billing period that it is a run of; empty where it is none."""
        above = self.folder.rpartition("/")[0]
        return above if PERIOD.fullmatch(above.rpartition("/")[2]) else ""

    @property
    def modified_at(self) -> datetime:
        """When the last of it came."""
        return max(file.modified_at for file in self.files)


@dataclass
class _Folder:
    files: list[FoundFile] = field(default_factory=list)
    manifest: Manifest | None = None
    named: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    is_unreadable: bool = False


def find_deliveries(location: Location, now: datetime) -> list[FoundDelivery]:
    """All deliveries at a location, the one that came first before the others."""
    data, manifests = [], []
    for file in location.files():
        if file.is_data:
            data.append(file)
        elif MANIFEST.fullmatch(file.name):
            manifests.append(file)
    folders: defaultdict[str, _Folder] = defaultdict(_Folder)
    for file in data:
        folders[file.folder].files.append(file)
    by_name: defaultdict[str, list[FoundFile]] = defaultdict(list)
    for file in data:
        by_name[file.name].append(file)
    # Of two manifests of one folder, the newer one holds.
    for file in sorted(manifests, key=lambda one: one.modified_at):
        manifest = _read(location, file)
        if manifest is None:
            folders[file.folder].is_unreadable = True
        elif manifest.names:
            _apply(manifest, folders, by_name)
    found = [_delivery(name, folder, now) for name, folder in folders.items() if folder.files]
    return sorted(_without_outdated(found), key=lambda one: (one.modified_at, one.folder))


def _read(location: Location, file: FoundFile) -> Manifest | None:
    """None where it cannot be read: it may still be being written. Without names where it is something else."""
    try:
        told = json.loads(location.read_whole(file).decode("utf-8-sig"))
    except (ValueError, RecursionError, OSError, ContractBroken):
        return None
    if not isinstance(told, dict):
        return Manifest(file, (), comes_last=False)
    keys, blobs = told.get("dataFiles"), told.get("blobs")
    if isinstance(keys, list):
        return Manifest(file, _texts(keys), comes_last=True)
    if isinstance(blobs, list):
        names = [blob.get("blobName") for blob in blobs if isinstance(blob, dict)]
        return Manifest(file, _texts(names), comes_last=False)
    return Manifest(file, (), comes_last=False)


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and value.strip("/"))


def _apply(
    manifest: Manifest, folders: Mapping[str, _Folder], by_name: Mapping[str, Sequence[FoundFile]]
) -> None:
    """Tell each folder that holds files of the manifest which these are, and what is missing."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    missing = []
    for name in manifest.names:
        file = _named(name, manifest.file.folder, by_name)
        if file is None:
            missing.append(name.rpartition("/")[2])
        else:
            found[file.folder].add(file.path)
    if not found and manifest.file.folder in folders:
        # Nothing of it is there yet, but other files are: those of an older run, which it is about to replace.
        found[manifest.file.folder] = set()
    for name, paths in found.items():
        folder = folders[name]
        folder.manifest, folder.named, folder.missing = manifest, paths, missing
        folder.is_unreadable = False


def _named(name: str, beside: str, by_name: Mapping[str, Sequence[FoundFile]]) -> FoundFile | None:
    """The file that a manifest names: beside it, or the one whose path ends most like the key that it names.

    A location may begin anywhere in the bucket, or be a copy elsewhere, so paths are compared from their end.
    """
    parts = name.partition("://")[2].partition("/")[2] if "://" in name else name
    key = [part for part in parts.split("/") if part]
    candidates = by_name.get(key[-1], ()) if key else ()
    best: FoundFile | None = None
    longest = 0
    for file in candidates:
        if file.folder == beside:
            return file
        path = file.path.split("/")
        alike = _alike(path, key)
        # The name alone says little: the chunks of every period are called the same.
        if alike > longest and alike >= min(2, len(path)):
            best, longest = file, alike
    return best


def _alike(path: Sequence[str], key: Sequence[str]) -> int:
    """How many parts are the same, counted from the end."""
    number = 0
    for one, other in zip(reversed(path), reversed(key), strict=False):
        if one != other:
            break
        number += 1
    return number


def _delivery(name: str, folder: _Folder, now: datetime) -> FoundDelivery:
    files = tuple(sorted(folder.files, key=lambda file: file.path))
    manifest = folder.manifest
    if manifest is None:
        waits = "Its manifest cannot be read yet." if folder.is_unreadable else ""
        return FoundDelivery(name, files, waits)
    named = tuple(file for file in files if file.path in folder.named)
    if folder.missing:
        more = f" and {len(folder.missing) - 1} more" if len(folder.missing) > 1 else ""
        waits = f"Its manifest names {folder.missing[0]}{more}, not there yet."
        return FoundDelivery(name, named or files, waits)
    newest = max(file.modified_at for file in named)
    if manifest.comes_last and newest > manifest.file.modified_at and now - newest < LONGEST_RUN:
        return FoundDelivery(name, named, "Its files are newer than its manifest, which is written last.")
    return FoundDelivery(name, named)


def _without_outdated(found: Iterable[FoundDelivery]) -> list[FoundDelivery]:
    """Mark the runs of a billing period that a later one has replaced."""
    runs: defaultdict[str, list[FoundDelivery]] = defaultdict(list)
    others = []
    for delivery in found:
        if delivery.period:
            runs[delivery.period].append(delivery)
        else:
            others.append(delivery)
    for of_period in runs.values():
        whole = [delivery for delivery in of_period if not delivery.waits_for]
        newest = max(whole, key=lambda one: (one.modified_at, one.folder), default=None)
        for delivery in of_period:
            if newest is None or delivery is newest or delivery.waits_for:
                others.append(delivery)
            else:
                others.append(replace(delivery, is_outdated=True))
    return others
