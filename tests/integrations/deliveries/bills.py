"""Small bills in FOCUS format, written as files; and a cost center that reads them from a folder."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from costcenters.models import DailyCost
from integrations import connections, engine
from integrations.http import Runtime
from integrations.models import ImportedFile, Integration
from integrations.providers import PROVIDERS
from integrations.session import Result

#: A row as every version of FOCUS has it; tests change what they are about.
ROW = {
    "BillingAccountId": "acct-1",
    "BillingAccountName": "Main",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargePeriodStart": "2026-10-05T00:00:00Z",
    "ChargePeriodEnd": "2026-10-06T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeDescription": "Hours",
    "BilledCost": "1.50",
    "EffectiveCost": "1.50",
    "ListCost": "2.00",
    "ContractedCost": "1.50",
    "ServiceName": "Compute",
    "ServiceCategory": "Compute",
    "ProviderName": "Example Cloud",
    "PublisherName": "Example Cloud",
    "InvoiceIssuerName": "Example Cloud",
    "SubAccountId": "sub-1",
    "RegionId": "eu-1",
    "SkuId": "sku-1",
    "ResourceId": "r-1",
    "PricingCategory": "Standard",
    "ConsumedQuantity": "1",
    "ConsumedUnit": "Hours",
    "Tags": "{}",
}


def row(day: str = "2026-10-05", billed: str = "1.50", **changed: str) -> dict[str, str]:
    """A line of `day`, billed so much, in the billing period of its month."""
    month = day[:7]
    after = f"{int(month[:4]) + 1}-01" if month.endswith("12") else f"{month[:5]}{int(month[5:]) + 1:02}"
    return (
        ROW
        | {
            "BillingPeriodStart": f"{month}-01T00:00:00Z",
            "BillingPeriodEnd": f"{after}-01T00:00:00Z",
            "ChargePeriodStart": f"{day}T00:00:00Z",
            "ChargePeriodEnd": f"{day}T23:59:59Z",
            "BilledCost": billed,
            "EffectiveCost": billed,
        }
        | changed
    )


def csv_bytes(rows: Iterable[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_bytes(rows: Iterable[dict[str, str]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


def bill(path: Path, *rows: dict[str, str]) -> Path:
    """Write a file of a bill, in the format that its name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = rows or (row(),)
    if path.name.endswith(".parquet"):
        content = parquet_bytes(rows)
    else:
        content = csv_bytes(rows)
        if path.name.endswith(".gz"):
            content = gzip.compress(content)
    path.write_bytes(content)
    return path


def connect(
    location: str | Path, runtime: Runtime, *, name: str = "AWS", provider: str = "aws", **options: Any
) -> Integration:
    """Through the same code path as the form."""
    credentials = {"location": str(location), "access_key_id": "", "secret_access_key": "", "region": ""}
    return connections.connect(
        PROVIDERS[provider],
        name=name,
        credentials=credentials | options.pop("credentials", {}),
        user=options.pop("user", None),
        runtime=runtime,
        **options,
    ).integration


def read(integration: Integration, runtime: Runtime, **options: Any) -> Result:
    """What the worker does when the stream is due."""
    result = engine.sync_stream(integration.streams.get(name="files").pk, runtime=runtime, **options)
    assert result is not None
    return result


def billed(integration: Integration) -> Decimal:
    rows = DailyCost.objects.filter(cost_center=integration.cost_center)
    return sum((cost for cost in rows.values_list("billed_cost", flat=True)), Decimal(0))


def states(integration: Integration) -> dict[str, str]:
    """The state of each file's newest version, by the name of the file."""
    rows = ImportedFile.objects.filter(integration=integration).order_by("seen_at", "pk")
    return {location.rpartition("/")[2]: state for location, state in rows.values_list("location", "state")}
