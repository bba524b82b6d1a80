"""Tables as CSV: streamed in chunks, UTF-8 without preamble, harmless when a spreadsheet opens them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

#: A spreadsheet takes text that begins so for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
LINES_A_CHUNK = 500


def text_cell(text: str) -> str:
    """Guarded, so that no spreadsheet runs somebody's name as a formula. Not for numbers, which may be negative."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def chunks(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file, with its header. `lines` are asked for as they are sent, so that memory does not grow with them."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, line in enumerate(lines, start=1):
        writer.writerow(line)
        if number % LINES_A_CHUNK == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def csv_response(filename: str, content: Iterable[bytes]) -> StreamingHttpResponse:
    """A download. Whatever may be refused is to be found out before: nothing can be said once it is being sent."""
    return StreamingHttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )
