"""Example bills of AWS and GCP for the demo: invented, but shaped like real ones.

Every line is a function of its calendar day and nothing else, so that a later start extends the bill and
changes no day that is there. All arithmetic is on integers: amounts in nano-USD, quantities in thousandths.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from costcenters import line_items
from costcenters.models import ChargeType, CostCenter
from costcenters.records import LineItem, Window

DAY = timedelta(days=1)
CENT = 10_000_000
DOLLAR = 100 * CENT


@dataclass(frozen=True)
class Account:
    """An AWS account or a GCP project: how much of everything runs in it, in per cent."""

    name: str
    environment: str
    team: str
    percent: int

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        return (("env", self.environment), ("team", self.team))


@dataclass(frozen=True)
class Sku:
    """One thing that is metered: nano-USD a unit, typical quantity a day, how busy its weekends are."""

    service: str
    name: str
    unit: str
    nanos_per_unit: int
    quantity: int
    regions: tuple[str, ...]
    weekend_percent: int = 100
    #: Covered by a commitment: billed at nothing; its amortised share of the commitment is effective cost.
    committed_percent: int = 0
    is_tagged: bool = True


@dataclass(frozen=True)
class Example:
    """One provider's bill. Purchase, tax and credits come once a month, as on real bills."""

    name: str
    provider: str
    accounts: tuple[Account, ...]
    skus: tuple[Sku, ...]
    commitment: str
    commitment_nanos_per_day: int
    tax_permille: int
    credit: str
    credit_nanos: int


US, EU, ASIA = "us-east-1", "eu-central-1", "ap-southeast-1"
G_US, G_EU = "us-central1", "europe-west1"

AWS = Example(
    name="AWS (example)",
    provider="aws",
    accounts=(
        Account("acme-production", "production", "platform", 22),
        Account("acme-staging", "staging", "platform", 5),
        Account("acme-data", "production", "data", 13),
    ),
    skus=(
        Sku("Amazon EC2", "m7g.2xlarge", "Hrs", 326_400_000, 288, (US, EU), 80, committed_percent=60),
        Sku("Amazon EC2", "c7g.4xlarge", "Hrs", 580_000_000, 96, (US,), 70),
        Sku("Amazon EC2", "EBS:VolumeUsage.gp3", "GB-Mo", 80_000_000, 310, (US, EU)),
        Sku("Amazon RDS", "db.r6g.xlarge:postgresql", "Hrs", 450_000_000, 72, (US, EU)),
        Sku("Amazon RDS", "RDS:GP3-Storage", "GB-Mo", 115_000_000, 60, (US, EU)),
        Sku("Amazon S3", "TimedStorage-ByteHrs", "GB-Mo", 23_000_000, 1_900, (US, EU)),
        Sku("Amazon S3", "Requests-Tier1", "1,000 requests", 5_000_000, 2_400, (US, EU), 55),
        Sku("Amazon CloudFront", "DataTransfer-Out-Bytes", "GB", 85_000_000, 420, ("",), 75),
        Sku("AWS Lambda", "Lambda-GB-Second", "GB-s", 16_667, 900_000, (US, EU), 60),
        Sku("Amazon Bedrock", "claude-sonnet-input-tokens", "1,000 tokens", 3_000_000, 6_500, (US,), 35),
        Sku("Amazon Bedrock", "claude-sonnet-output-tokens", "1,000 tokens", 15_000_000, 1_100, (US,), 35),
        Sku(
            "Amazon CloudWatch", "DataProcessing-Bytes", "GB", 500_000_000, 24, (US, EU), 70, is_tagged=False
        ),
        Sku("Amazon VPC", "NatGateway-Bytes", "GB", 45_000_000, 380, (US, EU, ASIA), 75, is_tagged=False),
        Sku("AWS Support", "Business", "Day", 100 * DOLLAR // 30, 1, ("",), is_tagged=False),
    ),
    commitment="Compute Savings Plan, no upfront",
    commitment_nanos_per_day=23 * DOLLAR,
    tax_permille=80,
    credit="AWS Activate credit",
    credit_nanos=150 * DOLLAR,
)

GCP = Example(
    name="GCP (example)",
    provider="gcp",
    accounts=(
        Account("acme-web", "production", "web", 26),
        Account("acme-ml", "production", "ml", 20),
        Account("acme-sandbox", "development", "ml", 4),
    ),
    skus=(
        Sku(
            "Compute Engine",
            "E2 Instance Core",
            "hour",
            21_811_000,
            1_150,
            (G_US, G_EU),
            85,
            committed_percent=45,
        ),
        Sku("Compute Engine", "E2 Instance Ram", "gibibyte hour", 2_923_000, 4_600, (G_US, G_EU), 85),
        Sku("Compute Engine", "Nvidia L4 GPU", "hour", 560_000_000, 46, (G_US,), 40),
        Sku("Kubernetes Engine", "Autopilot Pod mCPU Requests", "hour", 44_500_000, 420, (G_EU,), 80),
        Sku("BigQuery", "Analysis", "tebibyte", 6_250_000_000, 7, (G_US,), 30),
        Sku("BigQuery", "Active Logical Storage", "gibibyte month", 20_000_000, 640, (G_US,)),
        Sku("Cloud Storage", "Standard Storage", "gibibyte month", 20_000_000, 900, (G_US, G_EU)),
        Sku("Cloud SQL", "Cloud SQL for PostgreSQL: vCPU", "hour", 41_300_000, 96, (G_EU,)),
        Sku("Vertex AI", "Gemini Pro Input", "1,000 tokens", 1_250_000, 9_000, (G_US,), 30),
        Sku("Vertex AI", "Gemini Pro Output", "1,000 tokens", 10_000_000, 1_300, (G_US,), 30),
        Sku("Networking", "Internet Egress", "gibibyte", 110_000_000, 95, (G_US, G_EU), 75, is_tagged=False),
        Sku("Cloud Logging", "Log Volume", "gibibyte", 500_000_000, 16, ("",), 70, is_tagged=False),
    ),
    commitment="Compute flexible commitment, 1 year",
    commitment_nanos_per_day=6 * DOLLAR,
    tax_permille=80,
    credit="Promotional credit",
    credit_nanos=60 * DOLLAR,
)

EXAMPLES = (AWS, GCP)


def add(first: date, end: date) -> None:
    """Store both example bills for the days `[first, end)`; a day that is there already stays as it is.

    A cost center of an example's name that somebody has made or changed to something else is left alone.
    """
    window_start, window_end = _midnight(first), _midnight(end)
    for example in EXAMPLES:
        center, _ = CostCenter.objects.get_or_create(
            name=example.name,
            defaults={"provider": example.provider, "currency": "USD", "status": CostCenter.Status.ACTIVE},
        )
        if center.provider != example.provider or center.status != CostCenter.Status.ACTIVE:
            continue
        line_items.replace_window(
            Window(center.pk, window_start, window_end, tuple(ChargeType.values)),
            list(lines(example, first, end)),
        )
        CostCenter.objects.filter(pk=center.pk).update(complete_through=window_end)


def lines(example: Example, first: date, end: date) -> Iterator[LineItem]:
    """The line items of the days `[first, end)`."""
    day = first
    while day < end:
        yield from _usage(example, day)
        yield from _monthly(example, day)
        day += DAY


def _usage(example: Example, day: date) -> Iterator[LineItem]:
    """What ran on `day`. Covered usage is billed at nothing; its effective costs sum to the commitment."""
    covered: list[LineItem] = []
    for account in example.accounts:
        for sku in example.skus:
            for position, region in enumerate(sku.regions):
                for line in _metered(example, account, sku, region, position, day):
                    if line.kind:
                        covered.append(line)
                    else:
                        yield line
    at_list_price = sum(line.list_nano for line in covered)
    left = example.commitment_nanos_per_day
    for line in covered[1:]:
        share = example.commitment_nanos_per_day * line.list_nano // at_list_price
        left -= share
        yield line._replace(effective_nano=share)
    if covered:
        yield covered[0]._replace(effective_nano=left)


def _metered(
    example: Example, account: Account, sku: Sku, region: str, position: int, day: date
) -> Iterator[LineItem]:
    """One metered quantity, in two lines where a commitment covers a part of it (their kind says so)."""
    chance = Random(f"{example.provider} {account.name} {sku.name} {region} {day}")  # noqa: S311  an example, no secret
    #: Slow waves of 240 days, each SKU in its own phase, between 85 and 115 per cent.
    phase = (day.toordinal() + sum(map(ord, sku.name))) % 240
    permille = 850 + 300 * abs(phase - 120) // 120
    permille = permille * account.percent // 100 * (100 if position == 0 else 45) // 100
    if day.weekday() >= 5:
        permille = permille * sku.weekend_percent // 100
    permille = permille * chance.randint(930, 1070) // 1000
    if chance.random() < 0.01:
        permille = permille * 3  # a runaway job, a crawler, a forgotten cluster
    thousandths = sku.quantity * permille
    parts = [("", thousandths)]
    if sku.committed_percent:
        taken = thousandths * sku.committed_percent // 100
        parts = [(example.commitment, taken), ("", thousandths - taken)]
    for kind, part in parts:
        cost = part * sku.nanos_per_unit // 1000
        if not cost:
            continue
        yield LineItem(
            started_at=_midnight(day),
            charge_type=ChargeType.USAGE.value,
            service=sku.service,
            model=sku.name,
            kind=kind,
            account=account.name,
            region=region,
            resource=f"{account.name}/{sku.service.split()[-1].lower()}" if sku.is_tagged else "",
            quantity=f"{(Decimal(part) / 1000).normalize():f}",
            unit=sku.unit,
            billed_nano=0 if kind else cost,
            effective_nano=0 if kind else cost,
            list_nano=cost,
            tags=account.tags if sku.is_tagged else (),
        )


def _monthly(example: Example, day: date) -> Iterator[LineItem]:
    """The commitment on the first day of a month, a credit on the tenth, tax for all of it on the last."""
    payer = example.accounts[0].name
    days_in_month = calendar.monthrange(day.year, day.month)[1]
    if day.day == 1:
        yield LineItem(
            started_at=_midnight(day),
            charge_type=ChargeType.PURCHASE.value,
            service=example.skus[0].service,
            kind=example.commitment,
            account=payer,
            billed_nano=example.commitment_nanos_per_day * days_in_month,
            list_nano=example.commitment_nanos_per_day * days_in_month,
        )
    if day.day == 10:
        yield LineItem(
            started_at=_midnight(day),
            charge_type=ChargeType.CREDIT.value,
            service=example.skus[0].service,
            kind=example.credit,
            account=payer,
            billed_nano=-example.credit_nanos,
            effective_nano=-example.credit_nanos,
        )
    if day.day == days_in_month:
        billed: defaultdict[str, int] = defaultdict(int)
        for number in range(days_in_month):
            for line in _usage(example, day - number * DAY):
                billed[line.account] += line.billed_nano
        for account, nanos in billed.items():
            tax = nanos * example.tax_permille // 1000 // CENT * CENT
            yield LineItem(
                started_at=_midnight(day),
                charge_type=ChargeType.TAX.value,
                service="Tax",
                account=account,
                billed_nano=tax,
                effective_nano=tax,
                list_nano=tax,
            )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
