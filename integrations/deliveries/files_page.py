"""The page of a cost center's deliveries: what came, what became of it, what it asks, and the form that uploads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django import forms
from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from costcenters.cost_query import encode
from costcenters.display.figures import counted
from costcenters.models import CostCenter
from finops.models import Heartbeat
from finops.paging import PagedForm, Position, keyset_page
from integrations.deliveries import uploads
from integrations.deliveries.changes import delivery_of
from integrations.deliveries.findings import Findings
from integrations.deliveries.receiving import EXTENSIONS
from integrations.models import ImportedFile, Integration, Stream
from integrations.pages.badges import Badge
from integrations.pages.heading import Heading
from integrations.pages.instants import utc
from integrations.pages.streams import is_held, is_waiting

PAGE_SIZE = 25
#: Of a delivery's files, so many are listed.
MOST_FILES = 100
State = ImportedFile.State
TONES = {State.ASKS: "warn", State.IMPORTED: "good", State.REFUSED: "bad"}
#: The state of a delivery is the one of its files that matters most.
WEIGHT = (State.ASKS, State.REFUSED, State.FOUND, State.IMPORTED, State.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class FileRow:
    name: str
    size: str
    badge: Badge


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """`pk` is that of its newest file. `place` is empty for an upload, `by` for what was found.

    `activity` says what is done with it now, and `refresh_seconds` when to look again; 0 when nothing is.
    """

    pk: int
    title: str
    place: str
    badge: Badge
    files: tuple[FileRow, ...]
    left_out: int
    rows: int
    size: str
    seen: str
    imported: str
    by: str
    is_upload: bool
    findings: Findings
    activity: str
    refresh_seconds: int
    asks: bool
    may_try_again: bool
    may_leave: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one upload; `body` in words."""

    bytes: int
    body: str
    files: int
    extensions: tuple[str, ...]

    @property
    def accept(self) -> str:
        """For the file field: browsers know last parts of names only."""
        return ",".join((*self.extensions, ".gz"))


@dataclass(frozen=True, slots=True)
class FilesPage:
    """`closed` says why nothing can be uploaded now, in words; the addresses are empty where there is no such page."""

    heading: Heading
    form: FilesForm
    limits: Limits
    closed: str
    worker_is_missing: bool
    deliveries: tuple[DeliveryRow, ...]
    newer_url: str
    older_url: str
    is_filtered: bool


class FilesForm(PagedForm):
    """Which deliveries."""

    state = forms.ChoiceField(required=False, choices=[("", "Any"), *State.choices])

    def filters(self) -> dict[str, str]:
        """What is asked for beside the place in the list. Only of a valid form."""
        return {name: self.cleaned_data[name] for name in ("state",) if self.cleaned_data[name]}


def takes_files(heading: Heading) -> bool:
    """Whether deliveries are read into this cost center."""
    return heading.integration is not None and heading.provider is not None and heading.provider.takes_files


def files_page(heading: Heading, form: FilesForm, now: datetime) -> FilesPage:
    """Only of a valid form, and where files are taken. Each page costs the same, however long the history is."""
    integration = heading.integration
    if integration is None:
        raise AssertionError("files are taken")
    filters, asked = form.filters(), form.cleaned_data
    heads = keyset_page(
        _heads(integration, filters), "seen_at", size=PAGE_SIZE, after=asked["after"], before=asked["before"]
    )
    streams = _streams(integration)
    deliveries = _rows(heading, heads.rows, streams, now)
    waits = any(row.refresh_seconds for row in deliveries)
    is_read = any(is_held(stream, now) for stream in streams)
    return FilesPage(
        heading=heading,
        form=form,
        limits=limits(),
        closed=why_closed(heading),
        worker_is_missing=waits and not is_read and not Heartbeat.is_fresh(Heartbeat.WORKER, now),
        deliveries=deliveries,
        newer_url=_url(heading.center, filters, before=heads.newer),
        older_url=_url(heading.center, filters, after=heads.older),
        is_filtered=bool(filters),
    )


def delivery_row(heading: Heading, file: ImportedFile, now: datetime) -> DeliveryRow:
    """The delivery that `file` is of."""
    integration = heading.integration
    if integration is None:
        raise AssertionError("files are taken")
    head = delivery_of(file).order_by("-pk").first() or file
    return _rows(heading, [head], _streams(integration), now)[0]


def limits() -> Limits:
    most = settings.UPLOAD_MAX_BYTES
    return Limits(
        most, filesizeformat(most), settings.DATA_UPLOAD_MAX_NUMBER_FILES, tuple(sorted(EXTENSIONS))
    )


def why_closed(heading: Heading) -> str:
    """Empty where files can be uploaded."""
    return {
        CostCenter.Status.PAUSED: "It is paused. Resume it to upload files: they would wait until then.",
        CostCenter.Status.NEEDS_ATTENTION: "It needs attention: what is read from it has stopped. Mend that first.",
        CostCenter.Status.DISCONNECTED: "It is disconnected. Connect it again under the same name to upload files.",
    }.get(CostCenter.Status(heading.center.status), "")


def _heads(integration: Integration, filters: Mapping[str, str]) -> QuerySet[ImportedFile]:
    """The newest file of each delivery."""
    files = ImportedFile.objects.filter(integration=integration, **filters)
    named = files.exclude(delivery="").order_by()
    newest = named.values("delivery").annotate(newest=Max("pk")).values("newest")
    return files.filter(Q(delivery="") | Q(pk__in=newest))


def _streams(integration: Integration) -> list[Stream]:
    return list(integration.streams.filter(name__in=uploads.delivery_streams()))


def _url(center: CostCenter, filters: Mapping[str, str], **places: Position | None) -> str:
    """Empty where there is no such place."""
    asked = [(name, str(place)) for name, place in places.items() if place is not None]
    if not asked:
        return ""
    return f"{reverse('cost-center-files', args=[center.pk])}?{encode([*filters.items(), *asked])}"


def _rows(
    heading: Heading, heads: Sequence[ImportedFile], streams: Sequence[Stream], now: datetime
) -> tuple[DeliveryRow, ...]:
    """One for each of `heads`, in their order."""
    names = {head.delivery for head in heads if head.delivery}
    files: defaultdict[str, list[ImportedFile]] = defaultdict(list)
    found = ImportedFile.objects.filter(integration=heading.integration, delivery__in=names)
    for file in found.select_related("uploaded_by").order_by("pk") if names else ():
        files[file.delivery].append(file)
    return tuple(_row(heading, head, files.get(head.delivery) or [head], streams, now) for head in heads)


def _row(
    heading: Heading, head: ImportedFile, files: list[ImportedFile], streams: Sequence[Stream], now: datetime
) -> DeliveryRow:
    decisive = most_telling(files)
    state = State(decisive.state)
    imported_at = max((file.imported_at for file in files if file.imported_at), default=None)
    is_upload = uploads.is_upload(head.location)
    activity = _activity(heading, streams, now) if state == State.FOUND else ""
    works = heading.center.status in CostCenter.WORKING
    findings = Findings.read(decisive.message)
    left = state == State.REFUSED and findings.is_left
    return DeliveryRow(
        pk=head.pk,
        title=_title(files),
        place="" if is_upload else head.location.rpartition("/")[0],
        badge=Badge("Left out", "") if left else Badge(activity or str(state.label), TONES.get(state, "")),
        files=tuple(_file(file) for file in files[:MOST_FILES]),
        left_out=max(len(files) - MOST_FILES, 0),
        # Each file has the count of the whole; of a delivery that is refused or waits, nobody has counted.
        rows=max(file.rows for file in files),
        size=filesizeformat(sum(file.size for file in files)),
        seen=utc(min(file.seen_at for file in files).astimezone(UTC)),
        imported="" if imported_at is None else utc(imported_at.astimezone(UTC)),
        by="" if head.uploaded_by is None else head.uploaded_by.get_username(),
        is_upload=is_upload,
        findings=findings,
        activity=activity,
        refresh_seconds=2 if state == State.FOUND and works and (is_upload or _is_busy(streams, now)) else 0,
        asks=state == State.ASKS,
        may_try_again=state == State.REFUSED and works and (not is_upload or uploads.is_kept(files)),
        may_leave=state == State.REFUSED and not left,
    )


def most_telling(files: Sequence[ImportedFile]) -> ImportedFile:
    """Of the files of a delivery, the first of those whose state matters most."""
    return min(files, key=lambda file: WEIGHT.index(State(file.state)))


def _title(files: list[ImportedFile]) -> str:
    name = uploads.original_name(files[0].location)
    return name if len(files) == 1 else f"{name} and {counted(len(files) - 1, 'more file')}"


def _file(file: ImportedFile) -> FileRow:
    state = State(file.state)
    return FileRow(
        uploads.original_name(file.location),
        filesizeformat(file.size),
        Badge(str(state.label), TONES.get(state, "")),
    )


def _activity(heading: Heading, streams: Sequence[Stream], now: datetime) -> str:
    """What is done with a delivery that was found."""
    if heading.center.status not in CostCenter.WORKING:
        return "Waits"
    return "Being read" if any(is_held(stream, now) for stream in streams) else "Waits to be read"


def _is_busy(streams: Sequence[Stream], now: datetime) -> bool:
    """Whether files are looked for now, or in a moment."""
    return any(is_held(stream, now) or is_waiting(stream, now) for stream in streams)
