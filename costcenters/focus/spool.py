"""Lines on their way from the files to the database: on disk, packed, by where they belong."""

from __future__ import annotations

import marshal
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import repeat
from pathlib import Path
from typing import Any

from costcenters.focus.coded import Coded
from costcenters.focus.columns import COSTS
from costcenters.focus.rows import Lines
from costcenters.records import BILLED, Row

#: The most that one place's lines take in memory before they go to disk, and that all take together.
BLOCK_BYTES = 2 << 20
MOST_BYTES = 32 << 20
CODEC = "lz4_raw"


@dataclass(slots=True)
class Spooled:
    """The lines of one place: how many, their billed nano-units, the sum of their digests, and their blocks on disk."""

    line_items: int = 0
    billed_nano: int = 0
    digest: int = 0
    waiting: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    #: Where each block begins, its bytes on disk and unpacked.
    blocks: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class Tally:
    """What one file holds of one place. Of the same lines, in any order, it is the same.

    `likeness` sums hashes of the lines that this process alone knows, with the costs as they stand in the file: a
    digest of what is stored would differ between copies where amounts are rounded with what came before them.
    """

    line_items: int = 0
    likeness: int = 0


class Spool:
    """A file without a name in the `scratch` directory: it is gone when it is closed, or the process is killed."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  closed by close()
        self._places: dict[Any, Spooled] = {}
        #: Packs and writes while the next lines are made: that needs no Python.
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._waiting = 0
        self._end = 0

    def add(self, lines: Lines, of_file: dict[Any, Tally] | None) -> None:
        """Each row to its place. `of_file`, where it is wanted, counts those of the present file."""
        # A line's digest is taken over its spelling, which also goes to disk: it is spelled once.
        dumps, hashed = marshal.dumps, int.from_bytes
        rows, places = list(lines.rows), lines.places
        spelled = [dumps(row, 2) for row in rows]
        digests = [hashed(blake2b(line, digest_size=16).digest()) for line in spelled]
        billed = [row[BILLED] for row in rows]
        if of_file is not None:
            _count(places, _likenesses(rows, lines.exact), of_file)
        if places.codes is None:
            self._add(places.values[0], spelled, sum(billed), sum(digests))
            return
        taken: list[list[int]] = [[] for _ in places.values]
        for row, place in enumerate(places.places()):
            taken[place].append(row)
        for place, mine in zip(places.values, taken, strict=True):
            self._add(
                place,
                [spelled[row] for row in mine],
                sum([billed[row] for row in mine]),
                sum([digests[row] for row in mine]),
            )

    def _add(self, place: Any, lines: list[bytes], billed: int, digest: int) -> None:
        spooled = self._places.setdefault(place, Spooled())
        spooled.line_items += len(lines)
        spooled.billed_nano += billed
        spooled.digest += digest
        size = sum(map(len, lines))
        spooled.waiting += lines
        spooled.waiting_bytes += size
        self._waiting += size
        if spooled.waiting_bytes > BLOCK_BYTES:
            self._flush(spooled)
        if self._waiting > MOST_BYTES:
            for each in sorted(self._places.values(), key=lambda each: -each.waiting_bytes):
                self._flush(each)
                if self._waiting < MOST_BYTES // 2:
                    break

    def finish(self) -> dict[Any, Spooled]:
        """All places, their lines on disk."""
        for spooled in self._places.values():
            self._flush(spooled)
        self._wait()
        return self._places

    def _flush(self, spooled: Spooled) -> None:
        if not spooled.waiting:
            return
        # A list as marshal spells it: its sign, how many, and each element's own spelling.
        raw = b"".join((b"[", len(spooled.waiting).to_bytes(4, "little"), *spooled.waiting))
        self._waiting -= spooled.waiting_bytes
        spooled.waiting, spooled.waiting_bytes = [], 0
        self._wait()
        self._writing = self._writer.submit(self._write, raw, spooled.blocks)

    def _write(self, raw: bytes, blocks: array[int]) -> None:
        import pyarrow

        packed = pyarrow.compress(raw, codec=CODEC)
        self._file.write(packed)
        blocks.extend((self._end, len(packed), len(raw)))
        self._end += len(packed)

    def _wait(self) -> None:
        """For the block that is being written. OSError when the disk is full."""
        if self._writing is not None:
            self._writing.result()

    def blocks(self, spooled: Spooled) -> Iterator[list[Row]]:
        import pyarrow

        places = iter(spooled.blocks)
        for begin, size, unpacked in zip(places, places, places, strict=True):
            self._file.seek(begin)
            raw = pyarrow.decompress(self._file.read(size), unpacked, codec=CODEC)
            yield marshal.loads(raw)  # noqa: S302  our own bytes, in a file that nobody else can open

    def close(self) -> None:
        self._writer.shutdown()
        self._file.close()


def _likenesses(rows: list[Row], exact: Iterable[tuple[Any, ...]] | None) -> Iterable[int]:
    """A hash of each row, of its costs as they were before they were rounded."""
    if exact is None:
        return map(hash, rows)
    after = BILLED + len(COSTS)
    return (hash((*row[:BILLED], *costs, *row[after:])) for row, costs in zip(rows, exact, strict=True))


def _count(places: Coded, likenesses: Iterable[int], of_file: dict[Any, Tally]) -> None:
    tallies = [of_file.setdefault(place, Tally()) for place in places.values]
    of_rows = repeat(0) if places.codes is None else places.places()
    for likeness, place in zip(likenesses, of_rows, strict=False):
        tally = tallies[place]
        tally.line_items += 1
        tally.likeness += likeness
