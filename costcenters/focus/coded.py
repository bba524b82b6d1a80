"""Columns of a batch by their distinct values: what is worked out once a value is spread over the rows at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any


@dataclass(frozen=True, slots=True)
class Coded:
    """Distinct values, and for each row the place of its value among them: a pyarrow array of integers without nulls,
    or None where there is one value for all rows."""

    values: list[Any]
    codes: Any

    @classmethod
    def of_array(cls, array: Any) -> Coded:
        """Of a DictionaryArray without nulls."""
        values = array.dictionary.to_pylist()
        return cls(values, None if len(values) == 1 else array.indices)

    @classmethod
    def constant(cls, value: Any) -> Coded:
        return cls([value], None)

    @classmethod
    def of_rows(cls, rows: Iterable[Any]) -> Coded:
        """Of a hashable value a row."""
        import pyarrow

        places: dict[Any, int] = {}
        codes = [places.setdefault(row, len(places)) for row in rows]
        return cls(list(places), None if len(places) == 1 else pyarrow.array(codes, pyarrow.int32()))

    def mapped(self, work: Callable[[Any], Any]) -> Coded:
        return Coded([work(value) for value in self.values], self.codes)

    def replaced(self, values: list[Any]) -> Coded:
        """The same rows with other values, one for each."""
        return Coded(values, self.codes)

    def merged(self) -> Coded:
        """With each value once, after work that made several the same."""
        from pyarrow import array, compute, int32

        if self.codes is None:
            return self
        places: dict[Any, int] = {}
        table = [places.setdefault(value, len(places)) for value in self.values]
        if len(places) == len(table):
            return self
        if len(places) == 1:
            return Coded(list(places), None)
        return Coded(list(places), compute.take(array(table, int32()), self.codes))

    def with_(self, other: Coded, work: Callable[[Any, Any], Any]) -> Coded:
        """What `work` makes of both, asked once for each two values that occur in one row."""
        return self.with_few(other, work, most=1 << 62) or self

    def with_few(self, other: Coded, work: Callable[[Any, Any], Any], *, most: int) -> Coded | None:
        """The same, but None where two columns of several values each make more than `most`."""
        from pyarrow import compute, int64

        if self.codes is None:
            return other.mapped(lambda value: work(self.values[0], value))
        if other.codes is None:
            return self.mapped(lambda value: work(value, other.values[0]))
        size = len(other.values)
        if max(size, len(self.values)) > most:
            return None
        both = compute.add(compute.multiply(self.codes.cast(int64()), size), other.codes.cast(int64()))
        met = both.dictionary_encode()
        if len(met.dictionary) > most:
            return None
        mine, others = self.values, other.values
        values = [work(mine[pair // size], others[pair % size]) for pair in met.dictionary.to_pylist()]
        return Coded(values, None if len(values) == 1 else met.indices)

    def places(self) -> list[int]:
        """For each row the place of its value. Only where there are several values."""
        codes = self.codes
        size = codes.type.bit_width // 8
        start = codes.offset * size
        raw = memoryview(codes.buffers()[1])[start : start + len(codes) * size]
        found: list[int] = raw.cast("i" if size == 4 else "q").tolist()
        return found

    def spread(self, rows: int) -> Iterable[Any]:
        """The value of each row."""
        if self.codes is None:
            return repeat(self.values[0], rows)
        return map(self.values.__getitem__, self.places())
