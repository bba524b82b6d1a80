"""Small FOCUS files of all kinds, and what is read of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from costcenters.focus.delivery import Delivery, DeliveryRefused, read_delivery
from costcenters.records import COLUMNS

ROW = {
    "BillingAccountId": "1000",
    "BillingAccountName": "Acme",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-05-01T00:00:00Z",
    "BillingPeriodEnd": "2026-06-01T00:00:00Z",
    "ChargePeriodStart": "2026-05-03T00:00:00Z",
    "ChargePeriodEnd": "2026-05-04T00:00:00Z",
    "ChargeCategory": "Usage",
    "BilledCost": "1.50",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ServiceName": "Compute",
}


class Bytes:
    """A source of the given bytes. See `delivery.Source`."""

    def __init__(self, content: bytes, name: str = "costs.csv") -> None:
        self.content, self.name, self.size = content, name, len(content)

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.content)


def csv_text(rows: Iterable[dict[str, str]], *, delimiter: str = ",", newline: str = "\n") -> str:
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    quoting = (
        csv.QUOTE_ALL if any("\r" in value for row in rows for value in row.values()) else csv.QUOTE_MINIMAL
    )
    writer = csv.DictWriter(
        text, columns, restval="", delimiter=delimiter, lineterminator=newline, quoting=quoting
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def csv_file(*rows: dict[str, str], name: str = "costs.csv", **spelling: str) -> Bytes:
    """A CSV file of ROW with each row's own values."""
    return Bytes(csv_text([ROW | row for row in rows], **spelling).encode(), name)


def parquet_file(columns: dict[str, Any], name: str = "costs.parquet", **options: Any) -> Bytes:
    """A Parquet file of pyarrow arrays or lists; columns of ROW that are not given are text."""
    import pyarrow
    from pyarrow import parquet

    rows = len(next(iter(columns.values())))
    given = {column: [value] * rows for column, value in ROW.items()} | columns
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({k: v for k, v in given.items() if v is not None}), buffer, **options)
    return Bytes(buffer.getvalue(), name)


def delivered(*sources: Any, **options: Any) -> Delivery:
    """The delivery, open."""
    with TemporaryDirectory() as scratch:
        return read_delivery(sources, scratch=Path(scratch), **options)


def lines(*sources: Any, **options: Any) -> list[dict[str, Any]]:
    """The line items of a delivery as dicts, in their order within a day."""
    with delivered(*sources, **options) as delivery:
        return lines_of(delivery)


def lines_of(delivery: Delivery) -> list[dict[str, Any]]:
    return [
        dict(zip(COLUMNS, row, strict=True))
        for part in delivery.parts
        for unit in part.units
        for day in unit.days
        for block in delivery.blocks(part, unit, day)
        for row in block
    ]


def line(*sources: Any, **options: Any) -> dict[str, Any]:
    """The one line item of a delivery."""
    (found,) = lines(*sources, **options)
    return found


def refusal(*sources: Any, **options: Any) -> DeliveryRefused:
    with pytest.raises(DeliveryRefused) as caught:
        delivered(*sources, **options)
    assert caught.value.problems
    assert caught.value.total >= len(caught.value.problems)
    return caught.value


def problem(*sources: Any, **options: Any) -> str:
    """The one problem for which a delivery is refused."""
    refused = refusal(*sources, **options)
    (found,) = refused.problems
    assert refused.total == 1
    return str(found)
