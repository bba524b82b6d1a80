"""What is known of the files at a location, version by version, and which deliveries are to be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from integrations.deliveries.scan import FoundDelivery
from integrations.deliveries.uploads import UPLOAD
from integrations.models import ImportedFile, Integration
from integrations.providers.focus_files.locations import FileChanged, FoundFile, Location

State = ImportedFile.State
#: A bucket tells times by the second: who wrote within so long of our look may have written once more in that second.
TOO_CLOSE = timedelta(minutes=5)
LONGEST_LOCATION = 500
NEWER, GONE = "A newer version of it is there.", "It was not there any more when it was to be read."
OUTDATED = "A later run of this billing period is there too: that one is read."


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A listed file with the version it has, and the row of that version if there is one.

    `is_new`: it was another version when it was seen last, or was never seen.
    """

    file: FoundFile
    location: str
    version: str
    row: int | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class SeenDelivery:
    found: FoundDelivery
    files: tuple[SeenFile, ...]
    #: The same for the same versions of the same files.
    name: str


@dataclass(frozen=True, slots=True)
class WantedDelivery:
    """`is_confirmed`: somebody has answered yes to what it asks. `is_known`: people know already that it is stuck."""

    seen: SeenDelivery
    is_confirmed: bool
    is_known: bool


@dataclass
class Noted:
    """What came of a look: deliveries to be read, in the order in which they came."""

    waiting: list[WantedDelivery] = field(default_factory=list)
    files: int = 0
    new: int = 0
    held_back: list[str] = field(default_factory=list)


def look_up(
    integration: Integration, location: Location, found: Iterable[FoundDelivery]
) -> list[SeenDelivery]:
    """Find the rows of what was listed; where size and time do not settle it, the location is asked for a tag."""
    newest: dict[str, ImportedFile] = {}
    every: dict[tuple[str, str], int] = {}
    rows = ImportedFile.objects.filter(integration=integration).exclude(location__startswith=UPLOAD)
    for row in rows.order_by("seen_at", "pk").only("location", "version", "seen_at"):
        newest[row.location] = row
        every[row.location, row.version] = row.pk
    return [_seen(location, delivery, newest, every) for delivery in found]


def _seen(
    location: Location,
    delivery: FoundDelivery,
    newest: dict[str, ImportedFile],
    every: dict[tuple[str, str], int],
) -> SeenDelivery:
    files = []
    for file in delivery.files:
        name = _shortened(location.name_of(file))
        row = newest.get(name)
        if row is not None and _is_settled(file, row):
            files.append(SeenFile(file, name, row.version, row.pk, is_new=False))
            continue
        # Of what is not read anyway, nobody needs to know more.
        tag = "" if delivery.is_outdated or delivery.waits_for else _tag(location, file)
        version = f"{file.stamp} {tag}".strip()
        if row is not None and tag and row.version.partition(" ")[2] == tag:
            files.append(SeenFile(file, name, version, row.pk, is_new=False))
        else:
            files.append(SeenFile(file, name, version, every.get((name, version)), is_new=True))
    return SeenDelivery(delivery, tuple(files), _name(delivery.folder, files))


def _tag(location: Location, file: FoundFile) -> str:
    """Empty where it is gone by now as well: whoever reads it will find out."""
    try:
        return location.tag(file)
    except FileChanged:
        return ""


def _is_settled(file: FoundFile, row: ImportedFile) -> bool:
    """Whether size and time tell that the file is still the one of the row."""
    stamp, _, tag = row.version.partition(" ")
    return stamp == file.stamp and (not tag or file.modified_at < row.seen_at - TOO_CLOSE)


def _name(folder: str, files: Sequence[SeenFile]) -> str:
    content = "\n".join([folder, *(f"{seen.location} {seen.version.split()[-1]}" for seen in files)])
    return sha256(content.encode()).hexdigest()[:40]


def _shortened(name: str) -> str:
    """As long as a row can hold; what is cut off is told apart by its digest."""
    if len(name) <= LONGEST_LOCATION:
        return name
    return f"{name[: LONGEST_LOCATION - 34]}… {sha256(name.encode()).hexdigest()[:32]}"


def note(integration: Integration, deliveries: Iterable[SeenDelivery], now: datetime) -> Noted:
    """Keep what was seen. To be called in a transaction that holds the stream."""
    deliveries = list(deliveries)
    noted = Noted()
    keys = [seen.row for delivery in deliveries for seen in delivery.files if seen.row is not None]
    rows = {row.pk: row for row in ImportedFile.objects.filter(integration=integration, pk__in=keys)}
    new: list[ImportedFile] = []
    changed: list[ImportedFile] = []
    outdated: defaultdict[str, list[ImportedFile]] = defaultdict(list)
    imported: set[str] = set()
    for delivery in deliveries:
        noted.files += len(delivery.files)
        known = [None if seen.row is None else rows.get(seen.row) for seen in delivery.files]
        files = [_row(integration, seen, row, now) for seen, row in zip(delivery.files, known, strict=True)]
        noted.new += sum(seen.is_new for seen in delivery.files)
        is_wanted = any(row.state == State.FOUND for row in files)
        if delivery.found.is_outdated:
            outdated[delivery.found.period] += files
            for row in files:
                if row.state in (State.FOUND, State.ASKS, State.REFUSED):
                    row.state, row.message = State.SUPERSEDED, OUTDATED
                row.delivery = row.delivery or delivery.name
        elif delivery.found.waits_for:
            noted.held_back += [delivery.found.waits_for] if is_wanted else []
            for row in files:
                if row.state == State.FOUND:
                    row.delivery, row.message = delivery.name, delivery.found.waits_for
        elif is_wanted or _was_outdated(files):
            is_confirmed = all(row.is_confirmed and row.delivery == delivery.name for row in files)
            for row in files:
                row.delivery, row.state, row.message = delivery.name, State.FOUND, ""
                row.is_confirmed = is_confirmed
            noted.waiting.append(
                WantedDelivery(delivery, is_confirmed, _replaces_stuck(integration, delivery, files))
            )
        elif all(row.state == State.IMPORTED for row in files):
            imported.add(delivery.found.period)
        new += [row for row in files if row.pk is None]
        changed += [row for row in files if row.pk is not None]
    for period in imported:
        for row in outdated.get(period, ()):
            row.state = State.SUPERSEDED
    ImportedFile.objects.bulk_create(new)
    _store(changed)
    _forget_missing(integration, {seen.location for delivery in deliveries for seen in delivery.files})
    return noted


def _row(integration: Integration, seen: SeenFile, row: ImportedFile | None, now: datetime) -> ImportedFile:
    """The row of a file; one of a version that is back is to be read anew."""
    if row is None:
        return ImportedFile(
            integration=integration,
            location=seen.location,
            version=seen.version,
            size=seen.file.size,
            seen_at=now,
        )
    row.version = seen.version
    if seen.is_new:
        row.state, row.seen_at = State.FOUND, now
    return row


def _replaces_stuck(integration: Integration, delivery: SeenDelivery, files: Sequence[ImportedFile]) -> bool:
    """Nobody needs to answer for a version that is not there any more. Whether there was such a one."""
    others = ImportedFile.objects.filter(
        integration=integration,
        location__in=[seen.location for seen in delivery.files],
        state__in=(State.FOUND, State.ASKS, State.REFUSED),
    ).exclude(pk__in=[row.pk for row in files if row.pk is not None])
    is_known = others.exclude(state=State.FOUND).exists()
    others.update(state=State.SUPERSEDED, message=NEWER)
    return is_known


def _forget_missing(integration: Integration, there: Container[str]) -> None:
    """What waited to be read and is not there any more cannot be."""
    waiting = ImportedFile.objects.filter(integration=integration, state=State.FOUND)
    gone = [
        pk
        for pk, location in waiting.exclude(location__startswith=UPLOAD).values_list("pk", "location")
        if location not in there
    ]
    ImportedFile.objects.filter(pk__in=gone).update(state=State.SUPERSEDED, message=GONE)


def _was_outdated(files: Sequence[ImportedFile]) -> bool:
    """Whether a later run was there before, so that these were never read."""
    return all(row.state == State.SUPERSEDED and row.imported_at is None for row in files)


def _store(rows: Sequence[ImportedFile]) -> None:
    """Those that differ from what is stored."""
    stored = {row.pk: row for row in ImportedFile.objects.filter(pk__in=[row.pk for row in rows])}
    fields = ("version", "state", "message", "delivery", "is_confirmed", "seen_at")
    differing = [
        row
        for row in rows
        if row.pk in stored and any(getattr(row, name) != getattr(stored[row.pk], name) for name in fields)
    ]
    ImportedFile.objects.bulk_update(differing, fields, batch_size=500)


def supersede_others(integration: Integration, delivery: SeenDelivery) -> None:
    """Other versions of a delivery's files are not what the bill holds any more."""
    locations = [seen.location for seen in delivery.files]
    others = ImportedFile.objects.filter(integration=integration, location__in=locations)
    others.exclude(delivery=delivery.name).update(state=State.SUPERSEDED)
