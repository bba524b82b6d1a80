"""The entries asked for as CSV, newest first, streamed: neither memory nor a transaction grows with their number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from auditlog.models import LogEntry

from finops.audit_log.form import AuditQuery
from finops.audit_log.kinds import kind_of
from finops.audit_log.page import author
from finops.audit_log.words import ACTIONS, object_name, sentence
from finops.csv_file import text_cell
from finops.paging import Position, older_than

COLUMNS = ("time_utc", "who", "action", "kind", "object", "what", "address", "request_id")
BATCH = 500


def lines(wanted: AuditQuery) -> Iterator[list[str]]:
    """The cells of each entry, in the order of COLUMNS. Entries made while it is sent are left out."""
    entries = wanted.entries().select_related("actor")
    batch = list(entries[:BATCH])
    while batch:
        yield from map(_line, batch)
        last = Position(batch[-1].timestamp, batch[-1].pk)
        batch = list(entries.filter(older_than(last, "timestamp"))[:BATCH]) if len(batch) == BATCH else []


def _line(entry: LogEntry) -> list[str]:
    who, note = author(entry)
    kind = kind_of(entry)
    return [
        entry.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        text_cell(f"{who} ({note})" if note else who),
        ACTIONS.get(entry.action, ""),
        kind.label if kind else "Other",
        text_cell(object_name(entry)),
        text_cell(sentence(entry)),
        entry.remote_addr or "",
        text_cell(entry.cid or ""),
    ]
