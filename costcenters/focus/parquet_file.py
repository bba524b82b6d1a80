"""A Parquet file of FOCUS: every type of column as text, tags as they come."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import partial
from typing import Any

from costcenters.focus.files import BLOCK_BYTES, BLOCK_ROWS, Batch, Fault, Header
from costcenters.focus.streams import Unreadable, Watched, guarded

#: Bytes of a batch's texts when each row has its own: a value that many rows share is stored once in the file.
MOST_TEXT = 64 << 20


class ParquetFile:
    """See `files.FocusFile`."""

    def __init__(self, watched: Watched) -> None:
        import pyarrow
        from pyarrow import parquet

        self._watched = watched
        file = guarded(watched, lambda: parquet.ParquetFile(pyarrow.PythonFile(watched, mode="r")))
        schema = guarded(watched, lambda: file.schema_arrow)
        self.header = Header.of(schema.names)
        # A long text that a file holds once, for all its rows, must not be held once a row.
        texts = [each.name for each in schema if _is_text(each.type)]
        self._file = guarded(
            watched,
            lambda: parquet.ParquetFile(
                pyarrow.PythonFile(watched, mode="r"),
                metadata=file.metadata,
                read_dictionary=texts,
                pre_buffer=False,
            ),
        )

    def batches(self) -> Iterator[Batch]:
        names = self._file.schema_arrow.names
        known = {names[place]: canonical for canonical, place in self.header.places.items()}
        # Rows are counted, not bytes: the footer is read first, and columns lie behind one another.
        rows, size, first = self._file.metadata.num_rows, self._watched.size, 0
        reader = guarded(
            self._watched, lambda: self._file.iter_batches(BLOCK_ROWS, columns=list(known), use_threads=True)
        )
        while (batch := guarded(self._watched, lambda: next(reader, None))) is not None:
            whole = {
                known[name]: guarded(self._watched, partial(as_text, batch.column(name)))
                for name in batch.schema.names
            }
            for begin, end in _pieces(whole, batch.num_rows, first):
                after = first + end - begin
                columns = whole
                if end - begin < batch.num_rows:
                    columns = {name: as_text(column[begin:end]) for name, column in whole.items()}
                yield Batch(first, end - begin, columns, size * after // max(rows, after), has_types=True)
                first = after

    def locate(self, rows: set[int]) -> dict[int, int]:
        return {row: row + 1 for row in rows}

    def faults(self) -> tuple[int, list[Fault]]:
        return 0, []

    def close(self) -> None:
        self._watched.close()


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return any(is_a(kind) for is_a in (types.is_string, types.is_large_string, types.is_binary))


def _pieces(columns: dict[str, Any], rows: int, first: int) -> Iterator[tuple[int, int]]:
    """The rows of a batch in spans that take no more than MOST_TEXT, each row's texts spelled out.

    Unreadable when a row is longer than one of a CSV file may be. `first` is the number of the first one, from 0.
    """
    from pyarrow import compute, types

    texts = [column for column in columns.values() if types.is_dictionary(column.type)]
    lengths = [compute.binary_length(column.dictionary) for column in texts]
    if rows * sum(compute.max(each).as_py() or 0 for each in lengths) <= MOST_TEXT:
        if rows:
            yield 0, rows
        return
    of_rows = [0] * rows
    for column, each in zip(texts, lengths, strict=True):
        of_rows = list(map(operator.add, of_rows, compute.take(each, column.indices).to_pylist()))
    begin = held = 0
    for row, length in enumerate(of_rows):
        if length > BLOCK_BYTES:
            raise Unreadable("The row holds more text than one can.", line=first + row + 1)
        if held + length > MOST_TEXT:
            yield begin, row
            begin, held = row, 0
        held += length
    yield begin, rows


def as_text(column: Any) -> Any:
    """A DictionaryArray of text, nulls empty. Maps, lists and structs stay as they are.

    ArrowInvalid when a text is not UTF-8, which Parquet does not see to.
    """
    from pyarrow import types

    if types.is_nested(column.type):
        column.validate(full=True)
        return column
    coded = _coded(column)
    coded.dictionary.validate(full=True)
    return coded


def _coded(column: Any) -> Any:
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        # Of a whole row group, or of another program's categories: only what occurs here is of interest.
        used = column.indices.cast(pyarrow.int32()).dictionary_encode(null_encoding="encode")
        values = _spelled(column.dictionary.take(used.dictionary))
        return pyarrow.DictionaryArray.from_arrays(used.indices, compute.fill_null(values, ""))
    if types.is_floating(kind) or types.is_integer(kind) or types.is_timestamp(kind):
        # Spelling is dear: once a value.
        coded = column.dictionary_encode(null_encoding="encode")
        values = compute.fill_null(_spelled(coded.dictionary), "")
        return pyarrow.DictionaryArray.from_arrays(coded.indices, values)
    return compute.fill_null(_spelled(column), "").dictionary_encode()


def _spelled(values: Any) -> Any:
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(values.type) and values.type.tz is not None:
        values = values.cast(pyarrow.timestamp(values.type.unit, "UTC"))
    text = values.cast(pyarrow.string())
    return _without_zeros(text, values.type.scale) if types.is_decimal(values.type) else text


def _without_zeros(text: Any, scale: int) -> Any:
    """Decimals without the zeros that only their type's scale puts at the end."""
    from pyarrow import compute

    if scale <= 0:
        return text
    trimmed = compute.utf8_rtrim(compute.utf8_rtrim(text, "0"), ".")
    # Small ones are spelled with an exponent, nothing as 0E-18.
    trimmed = compute.if_else(compute.match_substring(text, "E"), text, trimmed)
    return compute.if_else(compute.equal(text, f"0E-{scale}"), "0", trimmed)
