"""Rows of an export as the bytes of a file, piece by piece: CSV, CSV in gzip, Parquet.

Text cells carry no guard against spreadsheet formulas, unlike our other CSV files: FOCUS files are data for machines,
and a guard would falsify ids and names that other systems, and our own import, compare.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from costcenters.focus.columns import INSTANTS
from costcenters.focus.export_rows import COLUMNS, DECIMALS
from costcenters.focus.own_ids import guarded
from finops.money import EXACT

#: Rows that are made into Arrow columns together, and rows of a Parquet row group.
ROWS_A_BATCH, ROWS_A_GROUP = 10_000, 50_000
#: Of every decimal column of a Parquet file.
PRECISION, SCALE = 38, 18
#: A number of so many characters, its point and a decimal among them, fits any such column.
SHORT = SCALE + 2
COUNTS = ("x_InputTokens", "x_OutputTokens", "x_CacheWriteTokens", "x_CacheReadTokens")
FLAGS = ("x_IsEstimated",)
_SMALLEST = Decimal(1).scaleb(-SCALE)

Block = list[list[str]]


class Format(Enum):
    """A file format by its suffix, without the leading dot."""

    CSV = "csv"
    GZIP = "csv.gz"
    PARQUET = "parquet"

    @property
    def label(self) -> str:
        return {"csv": "CSV", "csv.gz": "CSV, compressed (gzip)", "parquet": "Parquet"}[self.value]

    @property
    def media_type(self) -> str:
        return {
            "csv": "text/csv; charset=utf-8",
            "csv.gz": "application/gzip",
            "parquet": "application/vnd.apache.parquet",
        }[self.value]

    @property
    def identity(self) -> Callable[[str, str], str]:
        """How an id of a provider is spelled."""
        return _as_it_is if self is Format.PARQUET else guarded

    def encode(self, blocks: Iterable[Block]) -> Iterator[bytes]:
        """The file; without any row it has its columns nevertheless."""
        if self is Format.PARQUET:
            return parquet(blocks)
        return csv_lines(blocks) if self is Format.CSV else gzipped(csv_lines(blocks))


class Unfit(Exception):
    """A number that a format cannot hold."""


def _as_it_is(text: str, provider: str) -> str:
    return text


def csv_lines(blocks: Iterable[Block]) -> Iterator[bytes]:
    """UTF-8, comma, a header, lines that end in CRLF (RFC 4180). Nothing between two commas is null."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for block in blocks:
        writer.writerows(block)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if rest := buffer.getvalue():
        yield rest.encode()


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def parquet(blocks: Iterable[Block]) -> Iterator[bytes]:
    """Raises Unfit where a number has more than 20 digits before the point; past 18 decimals numbers are rounded."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(pa)
    sink = _Sink()
    writer = parquet.ParquetWriter(sink, schema, write_statistics=True)
    try:
        batches: list[Any] = []
        for rows in _regrouped(blocks, ROWS_A_BATCH):
            batches.append(_batch(pa, schema, rows))
            if sum(map(len, batches)) >= ROWS_A_GROUP:
                writer.write_table(pa.Table.from_batches(batches), row_group_size=ROWS_A_GROUP)
                batches.clear()
                yield sink.taken()
        if batches:
            writer.write_table(pa.Table.from_batches(batches), row_group_size=ROWS_A_GROUP)
    finally:
        writer.close()
    yield sink.taken()


def _regrouped(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """The same rows in blocks of at least `size`, but for the last."""
    held: Block = []
    for block in blocks:
        held += block
        if len(held) >= size:
            yield held
            held = []
    if held:
        yield held


def _schema(pa: Any) -> Any:
    types = dict.fromkeys(COLUMNS, pa.string())
    types |= dict.fromkeys(DECIMALS, pa.decimal128(PRECISION, SCALE))
    types |= dict.fromkeys(INSTANTS, pa.timestamp("us", tz="UTC"))
    types |= dict.fromkeys(COUNTS, pa.int64())
    types |= dict.fromkeys(FLAGS, pa.bool_())
    return pa.schema(list(types.items()))


def _batch(pa: Any, schema: Any, rows: Block) -> Any:
    columns = []
    for name, cells in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        kind = schema.field(name).type
        if name in DECIMALS and max(map(len, cells)) > SHORT:
            # Arrow would refuse some of them and silently spoil others.
            columns.append(pa.array([_fitting(name, cell) for cell in cells], kind))
            continue
        texts = pa.array([cell or None for cell in cells], pa.string())
        columns.append(texts if kind == pa.string() else texts.cast(kind))
    return pa.record_batch(columns, schema=schema)


def _fitting(name: str, cell: str) -> Decimal | None:
    """A decimal with as many decimals as a column holds."""
    if not cell:
        return None
    value = Decimal(cell)
    if value.adjusted() < PRECISION - SCALE:
        value = EXACT.quantize(value, _SMALLEST)
    if value.adjusted() >= PRECISION - SCALE:
        raise Unfit(f"A {name} of {cell} does not fit into Parquet: take CSV.")
    return value


class _Sink:
    """What Parquet's writer takes for a file: what was written can be taken away."""

    closed = False
    mode = "wb"

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._written = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._held.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        piece = b"".join(self._held)
        self._held.clear()
        return piece
