"""Files of a bucket, through pyarrow's S3 client: Amazon S3, and whatever else speaks its protocol."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from finops.emails import one_line
from finops.secrets import redact
from integrations.errors import KeyRefused, ProviderError, Unreachable
from integrations.http import Guard, Runtime
from integrations.providers.focus_files.addresses import STORES, Bucket
from integrations.providers.focus_files.locations import FileChanged, FoundFile, Location

CONNECT_SECONDS = 5
#: An attempt that gets nothing for `Runtime.read_seconds` is given up; so many are made.
ATTEMPTS = 3
#: Where nobody says which, the region of Amazon is found by asking for the bucket.
DEFAULT_REGION = "us-east-1"
#: How pyarrow names Amazon's errors: an OSError whose text holds one of these.
AWS_ERROR = re.compile(r"AWS Error ([A-Z_]+)")
KEY_ERRORS = {
    "INVALID_ACCESS_KEY_ID": "does not know this access key ID",
    "SIGNATURE_DOES_NOT_MATCH": "does not accept this secret access key: it does not belong to the access key ID, or "
    "was not copied exactly",
    "INVALID_CLIENT_TOKEN_ID": "does not know this access key ID",
    "UNRECOGNIZED_CLIENT": "does not know this access key ID",
    "MISSING_AUTHENTICATION_TOKEN": "was asked without a key, and this server has no identity of its own",
    "OPT_IN_REQUIRED": "does not let this account in",
    "ACCOUNT_PROBLEM": "reports a problem with this account",
    "EXPIRED_TOKEN": "says that the identity of this server has expired",
}
REDIRECTS = ("PermanentRedirect", "HTTP status 301", "AuthorizationHeaderMalformed", "HTTP response code 301")


class ObjectStore(Location):
    """A bucket, or what lies below a prefix of it."""

    def __init__(
        self,
        bucket: Bucket,
        credentials: Mapping[str, str],
        *,
        endpoint: str,
        runtime: Runtime,
        guard: Guard,
    ) -> None:
        super().__init__(runtime, guard)
        self._bucket = bucket
        self._secrets = [credentials.get("access_key_id", ""), credentials.get("secret_access_key", "")]
        self._region = credentials.get("region", "")
        self._endpoint = endpoint or STORES[bucket.store]
        self._files: Any = None

    def __str__(self) -> str:
        return str(self._bucket)

    def check(self) -> None:
        self._list(self._bucket.path)

    def files(self) -> Iterator[FoundFile]:
        number, folders = 0, [self._bucket.path]
        while folders:
            from pyarrow.fs import FileType

            entries = sorted(self._list(folders.pop()), key=lambda entry: entry.path)
            number += len(entries)
            self._bounded(number)
            folders += [entry.path for entry in reversed(entries) if entry.type == FileType.Directory]
            yield from (self._found(entry) for entry in entries if entry.type == FileType.File)

    def open(self, file: FoundFile) -> ObjectFile:
        """What it raises while it is read is an OSError, which `trouble` makes one that says what to do."""
        try:
            opened = self._store().open_input_file(self._path(file))
        except OSError as error:
            raise self.trouble(error) from None
        if opened.size() != file.size:
            opened.close()
            raise FileChanged(f"{file.path} changed since it was found.")
        return ObjectFile(opened)

    def is_as_listed(self, file: FoundFile) -> bool:
        from pyarrow.fs import FileType

        try:
            entry = self._store().get_file_info(self._path(file))
        except OSError as error:
            raise self.trouble(error) from None
        return bool(entry.type == FileType.File) and self._found(entry).stamp == file.stamp

    def tag(self, file: FoundFile) -> str:
        self._guard.before_request(file.path)
        with self.open(file) as opened:
            return opened.tag

    def trouble(self, error: OSError) -> ProviderError | FileChanged:
        """What an error of pyarrow's means, typed by what to do about it."""
        said = redact(one_line(str(error)), *self._secrets)
        known = AWS_ERROR.search(said)
        name = known[1] if known else ""
        if isinstance(error, FileNotFoundError):
            return FileChanged("The file is not there any more.")
        if name == "NO_SUCH_BUCKET" or ("Bucket" in said and "not found" in said):
            return KeyRefused(f"There is no bucket {self._bucket.name}. Mend its name.", reason="location")
        if any(mark in said for mark in REDIRECTS):
            return KeyRefused(
                f"The bucket {self._bucket.name} is in another region than {self._region or DEFAULT_REGION}. Enter "
                "the region that its console shows.",
                reason="location",
            )
        if name in KEY_ERRORS:
            return KeyRefused(f"{self._host} {KEY_ERRORS[name]}.")
        if name == "ACCESS_DENIED" or "HTTP status 403" in said or "HTTP response code 403" in said:
            return KeyRefused(
                f"{self._host} does not let {self._who} read {self}. It needs the rights s3:ListBucket on the bucket "
                "and s3:GetObject on its files; there may be no such bucket, too."
            )
        return Unreachable(f"{self._host} could not be asked for {self} ({_gist(said)}).")

    @property
    def _who(self) -> str:
        return "this key" if self._secrets[0] else "this server, asked without a key,"

    @property
    def _host(self) -> str:
        return urlsplit(self._endpoint).netloc.rpartition("@")[2] if self._endpoint else "Amazon S3"

    def _path(self, file: FoundFile) -> str:
        return f"{self._bucket.path}/{file.path}"

    def _found(self, entry: Any) -> FoundFile:
        modified_at = entry.mtime or datetime.fromtimestamp(0, UTC)
        below = entry.path.removeprefix(f"{self._bucket.path}/")
        return FoundFile(below, entry.size, modified_at, f"{entry.size}-{modified_at.timestamp():.0f}")

    def _list(self, path: str) -> list[Any]:
        """What lies directly below; nothing where there is no such prefix."""
        from pyarrow.fs import FileSelector

        self._guard.before_request(path)
        try:
            entries: list[Any] = self._store().get_file_info(FileSelector(path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.trouble(error) from None
        return entries

    def _store(self) -> Any:
        """The client, made when it is needed first: finding the region may ask Amazon."""
        if self._files is None:
            from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

            address = urlsplit(self._endpoint)
            key, secret = self._secrets
            options: dict[str, Any] = {}
            if self._endpoint:
                options = {"endpoint_override": address.netloc + address.path, "scheme": address.scheme}
            # A person who waits is told at once.
            in_a_hurry = self._runtime.read_seconds < Runtime.read_seconds
            try:
                self._files = S3FileSystem(
                    access_key=key or None,
                    secret_key=secret or None,
                    anonymous=False,
                    region=self._region or self._region_of_bucket(),
                    connect_timeout=CONNECT_SECONDS,
                    request_timeout=self._runtime.read_seconds,
                    retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1 if in_a_hurry else ATTEMPTS),
                    **options,
                )
            except OSError as error:
                raise self.trouble(error) from None
        return self._files

    def _region_of_bucket(self) -> str:
        if self._endpoint:
            return DEFAULT_REGION
        from pyarrow.fs import resolve_s3_region

        try:
            return str(resolve_s3_region(self._bucket.name))
        except OSError as error:
            raise self.trouble(error) from None


class ObjectFile(io.RawIOBase):
    """A file of an object store that remembers what failed: readers of files take any error for a broken file."""

    def __init__(self, opened: Any) -> None:
        super().__init__()
        self._opened = opened
        self.failure: OSError | None = None

    @property
    def tag(self) -> str:
        metadata: Mapping[str, bytes] = self._opened.metadata()
        return metadata.get("ETag", b"").decode("ascii", "replace").strip('"')

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._opened.seek(offset, whence))

    def tell(self) -> int:
        return int(self._opened.tell())

    def read(self, size: int | None = -1) -> bytes:
        try:
            return bytes(self._opened.read(None if size is None or size < 0 else size))
        except OSError as error:
            self.failure = error
            raise

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._opened.close()
        super().close()


def _gist(said: str) -> str:
    """What of pyarrow's sentence tells something: the part after the operation's name."""
    found = re.search(r"AWS Error (\w+) during \w+ operation:(.*)", said)
    gist = (found[2].strip() or found[1]) if found else said
    return gist[:200].rstrip(". ")
