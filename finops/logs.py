"""What every log line tells besides its message: the request or the sync run it belongs to. Two formats, LOG_FORMAT."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

#: Of the request that is answered. A "-" where there is none.
request_id: ContextVar[str] = ContextVar("request_id", default="-")
#: Of the sync that is under way: the row of its run, its stream and its connection.
run_id: ContextVar[int | None] = ContextVar("run_id", default=None)
_stream: ContextVar[tuple[int, str] | None] = ContextVar("stream", default=None)

#: All that a line of JSON may hold. Other libraries attach whole requests to their records.
FIELDS = (
    *("time", "level", "logger", "message", "request_id", "integration", "stream", "run"),
    *("method", "path", "status", "ms", "exc_info", "stack_info"),
)


def correlation() -> str | None:
    """The request id for entries of the audit log; None outside of requests."""
    known = request_id.get()
    return None if known == "-" else known


@contextmanager
def syncing(integration_id: int, stream: str) -> Iterator[None]:
    """Within it every line names the connection and the stream, and what `run_id` is set to."""
    outer, outer_run = _stream.set((integration_id, stream)), run_id.set(None)
    try:
        yield
    finally:
        _stream.reset(outer)
        run_id.reset(outer_run)


class ContextFilter(logging.Filter):
    """Attaches request, connection, stream and run; `about` is what the format LINE shows of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django tells of refused requests when the middleware is left already: the request itself still knows.
        asked = getattr(getattr(record, "request", None), "request_id", request_id.get())
        if record.name == "django.request" and record.levelno < logging.ERROR:
            # Somebody was refused: there is nothing to trace.
            record.exc_info = record.exc_text = None
        integration, stream = _stream.get() or (None, None)
        run = run_id.get()
        about = asked if stream is None else f"integration {integration} {stream} run {run or '-'}"
        record.__dict__.update(request_id=asked, integration=integration, stream=stream, run=run, about=about)
        return True


class JsonLines(JsonFormatter):
    """One JSON object a line: FIELDS, of which those without a value are left out."""

    def __init__(self) -> None:
        super().__init__(
            "{message}{levelname}{name}",
            style="{",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: log_data[name] for name in FIELDS if log_data.get(name) not in (None, "-")}
