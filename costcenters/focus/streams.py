"""The bytes of a source: watched while they are read, unpacked, and told apart by how they begin."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costcenters.focus.delivery import Source

#: How files of no use begin, and what they are.
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet: unpack it, or save it as CSV"),
    (b"BZh", "packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz: unpack it, or pack it with gzip"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (b"ORC", "an ORC file: export CSV or Parquet"),
    (b"Obj\x01", "an Avro file: export CSV or Parquet"),
)
_PACKED = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
PARQUET = b"PAR1"
#: Enough for any header row.
HEAD = 1 << 20


class Unreadable(Exception):
    """A file cannot be read as what it should be: the reason, and the line from 1 on where that is known."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


class Watched(io.RawIOBase):
    """A source's file. Counts what is read, and remembers an error of its own: such a file may be read later."""

    def __init__(self, source: Source) -> None:
        self.failure: OSError | None = None
        self.done, self.size = 0, source.size
        self._file = source.open()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            found: bytes = self._file.read(size) if size >= 0 else self._file.read()
        except OSError as error:
            self.failure = error
            raise
        self.done += len(found)
        return found

    def readinto(self, buffer: Any, /) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except OSError as error:
            self.failure = error
            raise

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class Unpacked(io.RawIOBase):
    """The bytes of a text file from its beginning, unpacked when they are packed; `head` is how they begin."""

    def __init__(self, watched: Watched) -> None:
        import pyarrow

        self._watched = watched
        begin = watched.read(4)
        watched.seek(0)
        watched.done = 0
        packing = next((name for magic, name in _PACKED if begin.startswith(magic)), "")
        self._stream: Any = watched
        if packing:
            self._stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(watched, mode="r"), packing)
        self.head = self._read_head()
        self._ahead = self.head
        #: Of the text as a whole, to notice one that ends inside a quoted value.
        self.quotes = 0

    def _read_head(self) -> bytes:
        parts, missing = [], HEAD
        while missing and (part := self._stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._ahead:
            end = len(self._ahead) if size < 0 else size
            found, self._ahead = self._ahead[:end], self._ahead[end:]
        else:
            found = self._stream.read() if size < 0 else self._stream.read(size)
        self.quotes += found.count(b'"')
        return found

    def skip_blank_lines(self) -> None:
        """At the beginning of the text."""
        self._ahead = self._ahead.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")

    def readinto(self, buffer: Any, /) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def begins_with(watched: Watched, magic: bytes) -> bool:
    watched.seek(0)
    found = watched.read(len(magic)) == magic
    watched.seek(0)
    watched.done = 0
    return found


def check_text(head: bytes) -> None:
    """Unreadable when the bytes are those of no CSV."""
    if not head:
        raise Unreadable("The file is empty.")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise Unreadable(f"The file is {what}.")
    if head[1:4:2] == b"\0\0" or head[0:3:2] == b"\0\0":
        raise Unreadable("The file is text in UTF-16: save it as UTF-8.")
    if b"\0" in head[:1000].lstrip().split(b"\n")[0]:
        raise Unreadable("The file is no text: FOCUS files are CSV (plain or packed with gzip) or Parquet.")


def guarded(watched: Watched, work: Callable[[], Any]) -> Any:
    """What `work` answers. Trouble of the source itself is OSError, of what the bytes say Unreadable."""
    from pyarrow import ArrowException

    try:
        return work()
    except (ArrowException, OSError, EOFError) as error:
        if watched.failure is not None:
            raise watched.failure from error
        raise Unreadable(explained(error)) from error


def explained(error: BaseException) -> str:
    """pyarrow's words for bytes that cannot be read, in ours."""
    text = str(error).strip().split("\n")[0]
    low = text.lower()
    if "truncated compressed stream" in low or "end-of-stream" in low:
        return "The file ends too early: it was not copied or uploaded whole."
    if "inflate" in low or "zstd" in low or "decompress" in low:
        return "The file is damaged: it cannot be unpacked."
    if "utf8" in low or "utf-8" in low:
        return "The file is not UTF-8: save it as UTF-8."
    return f"The file cannot be read: {text[:200]}"
