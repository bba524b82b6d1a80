"""What lies at a location, file by file: a folder of this machine or a bucket of an object store. Reads only."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from integrations.errors import ContractBroken, KeyRefused, ProviderError, Unreachable
from integrations.http import Guard, Runtime
from integrations.providers.focus_files.addresses import Folder, is_allowed

#: More files than these are no export: the location is too wide.
MOST_FILES = 100_000
DATA_ENDINGS = (".csv", ".csv.gz", ".parquet")
#: What is read whole, such as a manifest, is not larger.
MOST_READ_WHOLE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as listed; `path` is the one below the location, `stamp` its size and time in one word."""

    path: str
    size: int
    modified_at: datetime
    stamp: str

    @property
    def is_data(self) -> bool:
        """Whether it may hold lines of a bill, by its name. What is hidden, or about files, does not."""
        *folders, name = self.path.split("/")
        hidden = any(part.startswith((".", "_")) for part in (*folders, name))
        return not hidden and "metadata" not in folders and name.lower().endswith(DATA_ENDINGS)

    @property
    def folder(self) -> str:
        """Empty for the location itself."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class FileChanged(OSError):
    """The file is not any more what was listed: it was written to, replaced or deleted since."""


class Location(ABC):
    """Where files lie. Every method raises KeyRefused where a person is needed and Unreachable where waiting helps."""

    def __init__(self, runtime: Runtime, guard: Guard) -> None:
        self._runtime, self._guard = runtime, guard

    @abstractmethod
    def __str__(self) -> str:
        """As people write it; empty for none."""

    @abstractmethod
    def files(self) -> Iterator[FoundFile]:
        """All files, folder by folder; hidden ones too."""

    @abstractmethod
    def check(self) -> None:
        """Whether there is such a place at all, and whether it may be read."""

    @abstractmethod
    def open(self, file: FoundFile) -> Any:
        """A seekable binary file. FileChanged when it is not any more what was listed, OSError when it fails."""

    @abstractmethod
    def is_as_listed(self, file: FoundFile) -> bool:
        """Whether it is there and has the size and the time it was listed with."""

    def trouble(self, error: OSError) -> ProviderError | FileChanged:
        """What an error while a file was read means, typed by what to do about it."""
        return Unreachable(f"{self} could not be read ({error.strerror or type(error).__name__}).")

    def tag(self, file: FoundFile) -> str:
        """What tells one content of a file from another where the place itself tells so (ETag); empty elsewhere."""
        return ""

    def name_of(self, file: FoundFile) -> str:
        """The whole of where it lies, as people write it."""
        return f"{self}/{file.path}"

    def has_data(self, *, within: timedelta) -> bool | None:
        """Whether a file by its name may hold lines of a bill; None where that could not be found out in time."""
        until = self._runtime.clock() + within
        for file in self.files():
            if file.is_data:
                return True
            if self._runtime.clock() > until:
                return None
        return False

    def read_whole(self, file: FoundFile) -> bytes:
        if file.size > MOST_READ_WHOLE:
            raise ContractBroken(f"{file.path} is too large for a manifest.")
        self._guard.before_request(file.path)
        with self.open(file) as opened:
            return bytes(opened.read())

    def _bounded(self, number: int) -> None:
        if number > MOST_FILES:
            raise KeyRefused(
                f"{self} holds more than {MOST_FILES:,} files, which is no export of a bill. Choose a folder further "
                "down.",
                reason="location",
            )


class Nowhere(Location):
    """Of a cost center whose files are uploaded or imported on the command line."""

    def __str__(self) -> str:
        return ""

    def files(self) -> Iterator[FoundFile]:
        return iter(())

    def check(self) -> None:
        pass

    def open(self, file: FoundFile) -> Any:
        raise FileChanged(f"{file.path} is nowhere.")

    def is_as_listed(self, file: FoundFile) -> bool:
        return False


class LocalFolder(Location):
    """A folder of this machine below one of FOCUS_FOLDERS. Symbolic links in it are not followed."""

    def __init__(self, folder: Folder, runtime: Runtime, guard: Guard) -> None:
        super().__init__(runtime, guard)
        self._root = folder.path

    def __str__(self) -> str:
        return str(self._root)

    def check(self) -> None:
        self._must_be_allowed()
        # Of a name that is too long for any file, `Path.exists` raises.
        if not os.path.exists(self._root):
            raise KeyRefused(
                f"The folder {self} does not exist on this server. Make it, or mend its name.",
                reason="location",
            )
        if not self._root.is_dir():
            raise KeyRefused(f"{self} is a file. Enter the folder in which it lies.", reason="location")
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise self._not_read(error) from None

    def files(self) -> Iterator[FoundFile]:
        self._must_be_allowed()
        if not self._root.is_dir():
            # It may be on a disk that is not mounted now: that mends itself.
            raise Unreachable(f"The folder {self} is not there any more, or not yet.")
        number = 0
        for folder, names, files in os.walk(self._root, onerror=self._stop):
            self._guard.before_request(folder)
            names.sort()
            for name in sorted(files):
                number += 1
                self._bounded(number)
                found = self._found(Path(folder) / name)
                if found is not None:
                    yield found

    def open(self, file: FoundFile) -> BinaryIO:
        path = self._root / file.path
        # Whoever may write here must not lead us elsewhere, nor to something that blocks.
        if Path(os.path.realpath(path.parent)) != path.parent:
            raise FileChanged(f"{file.path} is behind a link now.")
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(opened)
            if not stat.S_ISREG(about.st_mode) or _stamp(about) != file.stamp:
                raise FileChanged(f"{file.path} changed since it was found.")
            return os.fdopen(opened, "rb")
        except BaseException:
            os.close(opened)
            raise

    def is_as_listed(self, file: FoundFile) -> bool:
        found = self._found(self._root / file.path)
        return found is not None and found.stamp == file.stamp

    def _found(self, path: Path) -> FoundFile | None:
        """None of what is no plain file, cannot be named as text, or is gone by now."""
        with suppress(OSError, UnicodeEncodeError):
            about = path.lstat()
            below = path.relative_to(self._root).as_posix()
            below.encode()
            if stat.S_ISREG(about.st_mode) and below.isprintable():
                modified_at = datetime.fromtimestamp(about.st_mtime, UTC)
                return FoundFile(below, about.st_size, modified_at, _stamp(about))
        return None

    def _must_be_allowed(self) -> None:
        if not is_allowed(Path(os.path.realpath(self._root))):
            raise KeyRefused(
                f"The folder {self} is not among those that may be read any more. Have FOCUS_FOLDERS name it, or "
                "change the location.",
                reason="location",
            )

    def _stop(self, error: OSError) -> None:
        """A folder of it that is gone by now is as good as empty."""
        if not isinstance(error, FileNotFoundError):
            raise self._not_read(error)

    def _not_read(self, error: OSError) -> KeyRefused | Unreachable:
        if isinstance(error, PermissionError):
            return KeyRefused(
                f"This server may not read {error.filename or self}: the user it runs as needs the right to.",
                reason="location",
            )
        return Unreachable(f"{self} could not be read ({error.strerror}).")


def _stamp(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}"
