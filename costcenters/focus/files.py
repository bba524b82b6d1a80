"""Files of a delivery as batches of columns: CSV (plain, gzip, zstd) and Parquet alike, all of it as text."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from costcenters.focus.columns import KNOWN_COLUMNS, OTHER_DATASETS, REQUIRED_COLUMNS
from costcenters.focus.streams import PARQUET, Watched, begins_with

if TYPE_CHECKING:
    from costcenters.focus.delivery import Source

#: What a batch is cut from: bytes of CSV, rows of Parquet.
BLOCK_BYTES = 2 << 20
BLOCK_ROWS = 5_000

_CANONICAL = {name.lower(): name for name in KNOWN_COLUMNS}
_MARKS = {name.lower(): what for name, what in OTHER_DATASETS.items()}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file. `first` counts from 0; each known column is a pyarrow DictionaryArray of text without
    nulls, or for tags an array of maps, lists or structs."""

    first: int
    rows: int
    columns: dict[str, Any]
    #: Bytes of the file that are read.
    done: int
    #: Whether the file tells text from numbers, as Parquet does.
    has_types: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the wrong shape: its line from 1 on (0: unknown), the column, its value and the reason."""

    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Header:
    """Which columns a file has: known ones by their place, the others by name."""

    places: dict[str, int]
    ignored: tuple[str, ...]
    doubled: tuple[str, ...]
    #: What the file holds when that is not cost and usage.
    other_dataset: str

    @property
    def missing(self) -> list[str]:
        return [name for name in REQUIRED_COLUMNS if name not in self.places]

    @classmethod
    def of(cls, names: Sequence[str]) -> Header:
        places: dict[str, int] = {}
        ignored, doubled = [], []
        for place, name in enumerate(names):
            canonical = _CANONICAL.get(name.strip().lower())
            if canonical is None:
                ignored.append(name.strip())
            elif canonical in places:
                doubled.append(canonical)
            else:
                places[canonical] = place
        other = ""
        if "ChargePeriodStart" not in places:
            other = next(
                (_MARKS[name.strip().lower()] for name in names if name.strip().lower() in _MARKS), ""
            )
        return cls(places, tuple(ignored), tuple(doubled), other)


class FocusFile(Protocol):
    """An open file. Reading raises Unreadable for what its bytes say, OSError when the source fails."""

    header: Header

    def batches(self) -> Iterator[Batch]:
        """All rows of the right shape, in their order."""

    def locate(self, rows: set[int]) -> dict[int, int]:
        """The lines (rows, of Parquet) from 1 on of rows counted from 0. Only after `batches` is through."""

    def faults(self) -> tuple[int, list[Fault]]:
        """How many rows were left out for their shape, and the first of them. After `locate`."""

    def close(self) -> None: ...


def read_ahead(batches: Iterator[Batch]) -> Generator[Batch]:
    """The same batches, the next of which is always being read in a thread: pyarrow needs no Python for that."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, batches, None)
            yield batch


def open_file(source: Source) -> FocusFile:
    """Raises as FocusFile does."""
    from costcenters.focus.csv_file import CsvFile
    from costcenters.focus.parquet_file import ParquetFile

    watched = Watched(source)
    try:
        if begins_with(watched, PARQUET):
            return ParquetFile(watched)
        return CsvFile(source, watched)
    except BaseException:
        watched.close()
        raise
