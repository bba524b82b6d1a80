"""A large FOCUS file like those of AWS, of a seed: October 2026, some accounts, services and tags."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

COLUMNS = (
    *("AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName"),
    *("ResourceId", "ServiceCategory", "ServiceName", "SkuId", "SkuMeter", "SkuPriceId", "SubAccountId"),
    *("SubAccountName", "Tags"),
)
DAYS = 31
FIRST = date(2026, 10, 1)
BILLING_ACCOUNTS = 3
SUB_ACCOUNTS = 12
SERVICES = 24
METERS = 3
REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-1")
TEAMS = ("platform", "data", "web", "ml")


@dataclass
class Truth:
    """What the file holds: rows, and billed nano-units by service."""

    rows: int
    billed: dict[str, int]


def write(path: Path, rows: int, *, seed: int = 1) -> Truth:
    """Day by day, as exports are."""
    pick = random.Random(seed)
    billed: dict[str, int] = {}
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        for offset in range(DAYS):
            day = FIRST + timedelta(days=offset)
            count = rows // DAYS + (offset < rows % DAYS)
            lines = []
            for _ in range(count):
                number = pick.randrange(SERVICES * METERS)
                service = f"Service {number // METERS}"
                nanos = pick.randrange(1, 10**9) * 7
                billed[service] = billed.get(service, 0) + nanos
                lines.append(_line(pick, day, service, number, nanos))
            file.write("".join(lines))
            written += count
    return Truth(written, billed)


def _line(pick: random.Random, day: date, service: str, number: int, nanos: int) -> str:
    account = pick.randrange(SUB_ACCOUNTS)
    region = REGIONS[number % len(REGIONS)]
    cost = f"{nanos // 10**9}.{nanos % 10**9:09}"
    list_cost = f"{nanos * 5 // 4 // 10**9}.{nanos * 5 // 4 % 10**9:09}"
    quantity = f"{pick.randrange(10**6)}.5"
    env, team = "prod" if account % 3 else "test", TEAMS[pick.randrange(2) + account % 3]
    tags = f'"{{""env"":""{env}"",""team"":""{team}""}}"'
    return (
        f"{region}a,{cost},{account % BILLING_ACCOUNTS + 100000000000},Payer {account % BILLING_ACCOUNTS},USD,"
        f"2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,{service} meter {number} in {region},Usage-Based,"
        f"{day + timedelta(days=1)}T00:00:00Z,{day}T00:00:00Z,{quantity},Hrs,{cost},{cost},AWS,{list_cost},0.0123,"
        f"Standard,{quantity},Hrs,AWS,AWS,{region},{region},"
        f"arn:aws:x:{region}:{account}:thing/i-{pick.getrandbits(48):012x},Compute,{service},SKU{number},"
        f"Meter {number},SKU{number}.PRICE,{account + 200000000000},account-{account},{tags}\r\n"
    )
