"""A CSV file of FOCUS, read by pyarrow; what is wrong in it is found again with the csv module, to name its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from costcenters.focus.files import BLOCK_BYTES, Batch, Fault, Header
from costcenters.focus.streams import HEAD, Unpacked, Unreadable, Watched, check_text, explained

if TYPE_CHECKING:
    from pyarrow import RecordBatch

    from costcenters.focus.delivery import Source

DELIMITERS = (",", ";", "\t", "|")
MOST_FAULTS = 20
#: Longer than any row that pyarrow takes, which lies in two neighbouring blocks at most.
LONGEST_RECORD = 2 * BLOCK_BYTES


class CsvFile:
    """See `files.FocusFile`."""

    def __init__(self, source: Source, watched: Watched) -> None:
        self._source, self._watched = source, watched
        with self._translated():
            self._text = Unpacked(watched)
        check_text(self._text.head)
        self.delimiter, self._names = _header(self._text.head)
        self.header = Header.of(self._names)
        #: pyarrow's, which nothing else may hold.
        self._reader: Any = None
        self._left_out = 0
        #: pyarrow's words for a row with too many or too few values, at which it stops.
        self._misshapen = ""
        self._is_unclosed = False
        self._faults: list[Fault] = []

    def batches(self) -> Iterator[Batch]:
        import pyarrow
        from pyarrow import csv as arrow_csv

        #: Own names, so that no doubled name of a column in the file matters.
        names = {f"c{place}": name for name, place in self.header.places.items()}
        first = 0
        self._text.skip_blank_lines()
        if len(self._text.head) < HEAD and _is_one_record(self._text.head):
            return  # which pyarrow would take for a part of a row
        with self._translated():
            self._reader = arrow_csv.open_csv(
                pyarrow.PythonFile(self._text, mode="r"),
                read_options=arrow_csv.ReadOptions(
                    block_size=BLOCK_BYTES,
                    column_names=[f"c{place}" for place in range(len(self._names))],
                    skip_rows_after_names=1,
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(names),
                    column_types=dict.fromkeys(names, pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
                    null_values=[],
                    strings_can_be_null=False,
                ),
            )
            while (batch := self._next()) is not None:
                if batch.num_rows:
                    yield Batch(
                        first,
                        batch.num_rows,
                        {names[name]: batch.column(name) for name in batch.schema.names},
                        self._watched.done,
                    )
                    first += batch.num_rows
        self._is_unclosed = self._text.quotes % 2 == 1 and self._ends_inside_quotes()

    def _next(self) -> RecordBatch | None:
        try:
            found: RecordBatch = self._reader.read_next_batch()
        except StopIteration:
            return None
        return found

    def locate(self, rows: set[int]) -> dict[int, int]:
        lines: dict[int, int] = {}
        if not rows and not self._misshapen and not self._is_unclosed:
            return lines
        wanted, row, end = set(rows), 0, 0
        for line, record in self._records(strict=False):
            end = line
            if len(record) != len(self._names):
                self._left_out += 1
                if len(self._faults) < MOST_FAULTS:
                    self._faults.append(_wrong_length(line, len(record), len(self._names)))
                continue
            if row in wanted:
                lines[row] = line
                wanted.discard(row)
            row += 1
            if not wanted and not self._misshapen and not self._is_unclosed:
                break
        if self._misshapen and not self._faults:
            # The csv module takes the quotation marks of that row in another way.
            self._faults.append(Fault(0, "", "", self._misshapen))
            self._left_out = 1
        if self._is_unclosed:
            self._faults.append(Fault(end, "", "", _UNCLOSED))
        return lines

    def faults(self) -> tuple[int, list[Fault]]:
        return self._left_out + self._is_unclosed, self._faults

    def close(self) -> None:
        # Waits for a thread of pyarrow's that reads ahead: the end of Python would meet it in the middle of a read,
        # and the process would crash or never end.
        self._reader = None
        self._watched.close()

    def _records(self, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
        """The records after the header, each with the line on which it begins."""
        again = Watched(self._source)
        before = csv.field_size_limit(BLOCK_BYTES)
        try:
            text = io.TextIOWrapper(
                io.BufferedReader(Unpacked(again), HEAD),
                encoding="utf-8-sig",
                errors="surrogateescape",
                newline="",
            )
            lines = _Lines(text)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=strict)
            line, is_header = 1, True
            while (record := next(reader, None)) is not None:
                lines.of_record = 0
                if record and not is_header:
                    yield line, record
                is_header = is_header and not record
                line = reader.line_num + 1
        except csv.Error as error:
            if strict:
                raise
            raise Unreadable(_TOO_LONG, line=line) from error
        finally:
            csv.field_size_limit(before)
            again.close()

    def _ends_inside_quotes(self) -> bool:
        try:
            for _ in self._records(strict=True):
                pass
        except csv.Error as error:
            return "unexpected end of data" in str(error)
        return False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Trouble of the source itself is OSError, of what the bytes say Unreadable with its line."""
        from pyarrow import ArrowException

        try:
            yield
        except (ArrowException, OSError, EOFError) as error:
            if self._watched.failure is not None:
                raise self._watched.failure from error
            text = str(error).lower()
            if "csv parse error: expected" in text:
                self._misshapen = explained(error)
                return
            if "straddling" in text:
                raise Unreadable(_TOO_LONG, line=self._line_of(_is_too_long)) from error
            if "utf8" in text:
                raise Unreadable(explained(error), line=self._line_of(_is_foreign)) from error
            raise Unreadable(explained(error)) from error

    def _line_of(self, matches: Callable[[list[str]], bool]) -> int:
        try:
            return next((line for line, record in self._records(strict=False) if matches(record)), 0)
        except Unreadable as error:
            return error.line


class _Lines:
    """The lines of a text for the csv module, which would take a row of any length into memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        #: Characters since the present row began.
        self.of_record = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_RECORD)
        if not line:
            raise StopIteration
        self.of_record += len(line)
        if self.of_record >= LONGEST_RECORD:
            raise csv.Error("too long")
        return line


def _is_too_long(record: list[str]) -> bool:
    return sum(map(len, record)) > BLOCK_BYTES // 2


def _is_foreign(record: list[str]) -> bool:
    """Whether bytes in it are not UTF-8: they were read as lone surrogates."""
    return any(
        not value.isascii() and any("\udc80" <= each <= "\udcff" for each in value) for value in record
    )


def _wrong_length(line: int, fields: int, expected: int) -> Fault:
    return Fault(
        line, "", "", f"The row has {fields} {'value' if fields == 1 else 'values'}, the header {expected}."
    )


def _header(head: bytes) -> tuple[str, list[str]]:
    """The delimiter, by which most known columns are told apart, and the names of the columns."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8-sig")
        # What the header does not reach is checked when it is read; a character may be cut at the end, too.
        if "\n" not in text and "\r" not in text:
            raise Unreadable("The file is not UTF-8: save it as UTF-8.", line=1) from error
    best: tuple[str, list[str]] = (",", [])
    for delimiter in DELIMITERS:
        names = _first_record(text, delimiter)
        if len(Header.of(names).places) > len(Header.of(best[1]).places):
            best = delimiter, names
    if not best[1]:
        names = _first_record(text, ",")
        if other := Header.of(names).other_dataset:
            return ",", names if other else []
        raise Unreadable(
            "This is no FOCUS file: its first row names no column of FOCUS such as BilledCost.", line=1
        )
    return best


def _first_record(text: str, delimiter: str) -> list[str]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return next((record for record in reader if record), [])
    except csv.Error:
        return []


def _is_one_record(text: bytes) -> bool:
    reader = csv.reader(io.StringIO(text.decode("utf-8-sig", "replace"), newline=""))
    try:
        return len(list(islice(filter(None, reader), 2))) < 2
    except csv.Error:
        return False


_TOO_LONG = "A row begins here that is too long to be one: is a quotation mark missing?"
_UNCLOSED = "The file ends inside a quoted value: it was not copied or uploaded whole."
