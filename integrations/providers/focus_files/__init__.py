"""FOCUS files that a provider, or anybody, puts into a folder or a bucket: what AWS, GCP and Azure have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from django import forms
from django.conf import settings

from finops.secrets import hint
from integrations.errors import ContractBroken
from integrations.http import Guard, Runtime
from integrations.providers.base import Page, Provider, RecordKind, Span, StreamSpec, Verified
from integrations.providers.focus_files.addresses import Bucket, is_within, stored_address
from integrations.providers.focus_files.buckets import ObjectStore
from integrations.providers.focus_files.forms import ConnectFilesForm
from integrations.providers.focus_files.locations import LocalFolder, Location, Nowhere

#: Somebody waits while a location is tried: files in it are looked for no longer than this.
LOOK_TIME = timedelta(seconds=5)
SECRETS = ("access_key_id", "secret_access_key")


class AnySourceForm(ConnectFilesForm):
    needs_location = False
    proposed_name = "FOCUS files"


class FocusFiles(Provider):
    """The provider `focus_files`; those of the clouds differ in their names and in what they tell people."""

    slug = "focus_files"
    name = "Any FOCUS source"
    service = ""
    reads = "Reads cost and usage files in FOCUS format, from a bucket, from a folder, or uploaded here."
    known_by = "location"

    @property
    def api_url(self) -> str:
        """Of an object store that is not Amazon's."""
        return str(settings.S3_ENDPOINT_URL)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        return (StreamSpec(name="files", label="FOCUS files", kind=RecordKind.DELIVERY, path=""),)

    @property
    def form(self) -> type[forms.Form]:
        return AnySourceForm

    def secret(self, credentials: Mapping[str, str]) -> str:
        """The location: no secret, but what nothing else may be connected to."""
        return credentials.get("location", "")

    def overlaps(self, credentials: Mapping[str, str], others: Mapping[str, str]) -> bool:
        """Everything below a location is looked through: one within the other would be read twice."""
        mine, other = (stored_address(each.get("location", "")) for each in (credentials, others))
        return mine is not None and other is not None and (is_within(mine, other) or is_within(other, mine))

    def hint(self, credentials: Mapping[str, str]) -> str:
        key = credentials.get("access_key_id", "")
        return hint(key) if key else ""

    def shown(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in credentials.items() if name not in SECRETS}

    def replaced(self, stored: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
        """A key that is not typed stays, unless the files lie in a folder now, which has none."""
        new = dict(typed)
        if not new.get("access_key_id") and isinstance(stored_address(new.get("location", "")), Bucket):
            new |= {name: stored.get(name, "") for name in SECRETS}
        return new

    def open(
        self, credentials: Mapping[str, str], *, api_url: str, runtime: Runtime, guard: Guard
    ) -> AbstractContextManager[Location]:
        address = stored_address(credentials.get("location", ""))
        if address is None:
            return nullcontext(Nowhere(runtime, guard))
        if isinstance(address, Bucket):
            store = ObjectStore(address, credentials, endpoint=api_url, runtime=runtime, guard=guard)
            return nullcontext(store)
        return nullcontext(LocalFolder(address, runtime, guard))

    def verify(self, source: Location, now: datetime) -> Verified:
        """List the location, until a file is found or for some seconds."""
        if not str(source):
            return Verified(found="There is no location to test: its files are uploaded.")
        source.check()
        match source.has_data(within=LOOK_TIME):
            case True:
                return Verified(found=f"{source} can be read, and there are files in it.")
            case None:
                return Verified(found=f"{source} can be read.")
        return Verified(
            found=f"{source} can be read.",
            warning=f"There is no file in {source} yet whose name ends in .csv, .csv.gz or .parquet. What comes is "
            "found within the hour.",
        )

    def fetch(self, stream: str, span: Span, source: Location) -> Iterator[Page]:
        raise ContractBroken("Files are read as deliveries, not by spans of time.")
