"""A small ledger with all that may be awkward in an export, and exports read by somebody else."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow
from pyarrow import parquet

from costcenters.focus.export import FocusExport
from costcenters.focus.export_files import Format
from costcenters.line_items import replace_window
from costcenters.models import ChargeType, CostCenter, Statement
from costcenters.periods import Span
from costcenters.records import LineItem, Window, canonical_details
from tests.factories import CostCenterFactory

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 21)
WHOLE = Span(FIRST, LAST)
START = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
#: How an export spells numbers and instants.
PLAIN = re.compile(r"-?\d+\.\d+", re.ASCII)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def at(day: int, *, month: int = 11, **time: int) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(**time)


def store(
    center: CostCenter, lines: Iterable[LineItem], *, statement: Statement | None = None, start=START, end=END
) -> None:
    """Write lines through the one writer there is."""
    window = Window(
        center.pk, start, end, tuple(ChargeType.values), None if statement is None else statement.pk
    )
    replace_window(window, list(lines))


def event(day: int = 3, **changes: Any) -> LineItem:
    """A usage event of Cursor, as its reader makes it."""
    given: dict[str, Any] = {
        "started_at": at(day, hours=9, minutes=30, seconds=15, milliseconds=123),
        "charge_type": "usage",
        "service": "Cursor",
        "model": "claude-4.5-sonnet",
        "kind": "Usage-based",
        "surface": "editor",
        "user": "rin@example.com",
        "resource": "conversation-1",
        "input_tokens": 1200,
        "output_tokens": 340,
        "cache_write_tokens": 56,
        "cache_read_tokens": 7,
        "billed_nano": 64_000_100,
        "effective_nano": 64_000_100,
        "list_nano": 64_000_100,
        "details": canonical_details({"chargedCents": "6.40001", "isChargeable": True}),
    }
    return LineItem(**(given | changes))


def seat(day: int = 3, **changes: Any) -> LineItem:
    """A day of a seat of Cursor, as it is estimated."""
    given: dict[str, Any] = {
        "started_at": at(day),
        "charge_type": "seat",
        "service": "Cursor",
        "user": "rin@example.com",
        "resource": "user_4sy21J7z",
        "quantity": "1",
        "unit": "seats",
        "billed_nano": 1_333_333_333,
        "effective_nano": 1_333_333_333,
        "list_nano": 1_333_333_333,
        "is_estimated": True,
        "details": canonical_details({"monthlyPrice": "40.00"}),
    }
    return LineItem(**(given | changes))


def delivered(day: int = 3, **changes: Any) -> LineItem:
    """A line of AWS, as its delivery is read."""
    details: dict[str, str] = {
        "ChargeDescription": "$0.3264 per On Demand Linux m7g.2xlarge Instance Hour",
        "ChargeFrequency": "Usage-Based",
        "ContractedCost": "7.8336",
        "ContractedUnitPrice": "0.3264",
        "InvoiceId": "INV-2026-11",
        "InvoiceIssuerName": "AWS",
        "ListUnitPrice": "0.32640000000000000000",
        "PricingQuantity": "24",
        "PricingUnit": "Hours",
        "ProviderName": "AWS",
        "PublisherName": "AWS",
        "RegionName": "US East (N. Virginia)",
        "ResourceName": "web-1",
        "ResourceType": "Instance",
        "ServiceCategory": "Compute",
        "ServiceSubcategory": "Virtual Machines",
        "SkuId": "SKU-1",
        "SkuPriceId": "SKU-1.JRTCKXETXF",
        "SubAccountId": "012345678901",
        "SubAccountType": "Linked Account",
    }
    given: dict[str, Any] = {
        "started_at": at(day),
        "charge_type": "usage",
        "service": "Amazon EC2",
        "model": "m7g.2xlarge",
        "kind": "Standard",
        "account": "production",
        "region": "us-east-1",
        "resource": "arn:aws:ec2:us-east-1:012345678901:instance/i-1",
        "quantity": "24",
        "unit": "Hours",
        "billed_nano": 7_833_600_000,
        "effective_nano": 7_000_000_000,
        "list_nano": 7_833_600_000,
        "tags": (("env", "production"), ("team", "platform")),
        "details": canonical_details(details | changes.pop("delivered", {})),
    }
    return LineItem(**(given | changes))


def a_ledger() -> tuple[CostCenter, ...]:
    """Cursor, AWS, AWS in euros, GCP without details, a subscription: by name."""
    cursor = CostCenterFactory(name="Cursor")
    store(
        cursor,
        [
            event(1),
            event(2, kind="Included in Business", billed_nano=0, effective_nano=0),
            event(3, kind="Errored, Not Charged", billed_nano=0, effective_nano=0, list_nano=0, model=""),
            event(4, user="CI Robot", surface="headless", quantity="1.5", unit="requests", resource=""),
            event(5, billed_nano=1, effective_nano=1, list_nano=1, cache_read_tokens=2**40),
            event(6, billed_nano=-64_000_100, effective_nano=-64_000_100, list_nano=-64_000_100),
            event(7, user="=cmd|' /C calc'!A0", model='a "quoted", model', resource="99887766"),
            seat(1),
            seat(2, user="", resource="unused committed seats", quantity="3", list_nano=3_999_999_999),
            seat(3, resource="1234567"),
        ],
    )
    aws = CostCenterFactory(name="AWS", provider="aws")
    bill = Statement.objects.create(
        cost_center=aws,
        billing_account="100000000002",
        billing_account_name="Example Corp",
        period_start=NOVEMBER,
        period_end=END,
    )
    store(
        aws,
        [
            delivered(1),
            delivered(2, account="012345678901", tags=()),
            delivered(3, billed_nano=0, effective_nano=123_456_789, kind="Committed"),
            delivered(4, started_at=at(4, hours=5), delivered={"ChargePeriodEnd": "2026-11-04T06:00:00Z"}),
            delivered(5, billed_nano=-1, list_nano=-1, delivered={"ChargeClass": "Correction"}),
        ],
        statement=bill,
    )
    euros = CostCenterFactory(name="AWS (EUR)", provider="aws", currency="EUR")
    store(euros, [delivered(1, delivered={"InvoiceId": "2026110001"})])
    gcp = CostCenterFactory(name="Google, production", provider="gcp")
    store(
        gcp,
        [
            *(
                event(day, service="BigQuery", model="Analysis", kind="", surface="", user="")
                for day in (1, 2)
            ),
            *(
                LineItem(at(day, month=10), kind, service=service, account="acme-web", **amounts)
                for day, kind, service, amounts in (
                    (1, "purchase", "Compute Engine", {"billed_nano": 186 * 10**9, "list_nano": 186 * 10**9}),
                    (
                        10,
                        "credit",
                        "Compute Engine",
                        {"billed_nano": -60 * 10**9, "effective_nano": -60 * 10**9},
                    ),
                    (31, "tax", "Tax", {"billed_nano": 12_340_000_000, "effective_nano": 12_340_000_000}),
                    (31, "adjustment", "", {"billed_nano": -5, "effective_nano": -5}),
                )
            ),
        ],
    )
    tools = CostCenterFactory(name="Subscriptions", provider="subscriptions")
    plan = {
        "service": "Figma",
        "model": "Organization",
        "kind": "monthly subscription",
        "tags": (("owner", "dana"),),
    }
    details = canonical_details({"ChargeDescription": "5 seats, November", "ChargeFrequency": "Recurring"})
    store(
        tools,
        [
            LineItem(
                at(1),
                "purchase",
                quantity="5",
                unit="seats",
                billed_nano=225 * 10**9,
                details=details,
                **plan,
            ),
            *(
                LineItem(
                    at(day),
                    "seat",
                    quantity="5",
                    unit="seats",
                    effective_nano=7_500_000_000,
                    list_nano=7_500_000_000,
                    **plan,
                )
                for day in range(1, 22)
            ),
        ],
    )
    return tuple(CostCenter.objects.order_by("name"))


def export(*centers: CostCenter, span: Span | None = WHOLE, wanted: Format = Format.CSV) -> bytes:
    return b"".join(FocusExport(span, centers or tuple(CostCenter.objects.all()), wanted).chunks())


def rows(*centers: CostCenter, span: Span = WHOLE) -> list[dict[str, str]]:
    """The rows of an export in CSV, as the standard library reads them."""
    return parsed(export(*centers, span=span))


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def parsed_parquet(content: bytes) -> pyarrow.Table:
    return parquet.read_table(pyarrow.BufferReader(content))


def unpacked(content: bytes) -> bytes:
    return gzip.decompress(content)


def product(row: dict[str, str], price: str) -> Decimal:
    return Decimal(row[price]) * Decimal(row["PricingQuantity"])


def row_of(line: LineItem, *, provider: str = "cursor", **center: Any) -> dict[str, str]:
    """What a line becomes in an export."""
    made = CostCenterFactory(provider=provider, **center)
    store(made, [line])
    (row,) = rows(made)
    return row
