"""The charges of an example bill as rows of a FOCUS 1.2 file.

Every row is a function of its calendar day and nothing else, so that a later start extends the bill and changes no
day that is there. All arithmetic is on integers: amounts in nano-units of the currency, quantities in thousandths.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from costcenters.examples.bills import CENT, Account, Bill, Commitment, Region, Service, Sku, code

DAY = timedelta(days=1)
NANO = 10**9


class FocusRow(NamedTuple):
    """One row, its fields named and ordered as the columns. Empty text stands for null."""

    BillingAccountId: str
    BillingAccountName: str
    BillingAccountType: str
    BillingPeriodStart: str
    BillingPeriodEnd: str
    BillingCurrency: str
    InvoiceId: str
    InvoiceIssuerName: str
    ProviderName: str
    PublisherName: str
    ChargePeriodStart: str
    ChargePeriodEnd: str
    ChargeCategory: str
    ChargeDescription: str
    ChargeFrequency: str
    BilledCost: str
    EffectiveCost: str
    ListCost: str
    ContractedCost: str
    ServiceName: str
    ServiceCategory: str
    ServiceSubcategory: str
    ChargeClass: str = ""
    SubAccountId: str = ""
    SubAccountName: str = ""
    SubAccountType: str = ""
    RegionId: str = ""
    RegionName: str = ""
    AvailabilityZone: str = ""
    ResourceId: str = ""
    ResourceName: str = ""
    ResourceType: str = ""
    SkuId: str = ""
    SkuMeter: str = ""
    SkuPriceId: str = ""
    SkuPriceDetails: str = ""
    PricingCategory: str = ""
    PricingCurrency: str = ""
    PricingQuantity: str = ""
    PricingUnit: str = ""
    ListUnitPrice: str = ""
    ContractedUnitPrice: str = ""
    ConsumedQuantity: str = ""
    ConsumedUnit: str = ""
    CommitmentDiscountId: str = ""
    CommitmentDiscountName: str = ""
    CommitmentDiscountCategory: str = ""
    CommitmentDiscountType: str = ""
    CommitmentDiscountStatus: str = ""
    CommitmentDiscountQuantity: str = ""
    CommitmentDiscountUnit: str = ""
    CapacityReservationId: str = ""
    CapacityReservationStatus: str = ""
    Tags: str = ""


class Metered(NamedTuple):
    """A row of usage, the account it falls to and its price in nano-units, billed or covered by the commitment."""

    row: FocusRow
    account: Account
    nanos: int
    is_covered: bool


def rows(bill: Bill, first: date, end: date) -> Iterator[FocusRow]:
    """The rows of the days `[first, end)`, oldest first."""
    day = first
    while day < end:
        for metered in usage(bill, day):
            yield metered.row
        yield from flat(bill, day)
        day += DAY


def usage(bill: Bill, day: date) -> Iterator[Metered]:
    """What ran on `day`. Covered usage is billed at nothing; its effective costs sum to the day's commitment."""
    covered = []
    for account in bill.accounts:
        for sku in bill.skus:
            for position, region in enumerate(sku.regions):
                for metered in _metered(bill, account, sku, region, position, day):
                    if metered.is_covered:
                        covered.append(metered)
                    else:
                        yield metered
    if covered and bill.commitment is not None:
        at_list_price = sum(metered.nanos for metered in covered)
        a_day = bill.commitment.nanos_per_day
        shares = [a_day * metered.nanos // at_list_price for metered in covered[1:]]
        shares.insert(0, a_day - sum(shares))
        for metered, share in zip(covered, shares, strict=True):
            yield metered._replace(row=_covered(metered.row, bill.commitment, share))


def _metered(
    bill: Bill, account: Account, sku: Sku, region: Region, position: int, day: date
) -> Iterator[Metered]:
    """One metered quantity, in two rows where the commitment covers a part of it."""
    chance = Random(f"{bill.provider} {account.name} {sku.meter} {region.identity} {day}")  # noqa: S311  an example
    # Slow waves of 240 days, each SKU in its own phase, between 85 and 115 per cent.
    phase = (day.toordinal() + sum(map(ord, sku.meter))) % 240
    permille = 850 + 300 * abs(phase - 120) // 120
    permille = permille * account.percent // 100 * (100 if position == 0 else 45) // 100
    if day.weekday() >= 5:
        permille = permille * sku.weekend_percent // 100
    permille = permille * chance.randint(930, 1070) // 1000
    if chance.random() < 0.01:
        permille = permille * 3  # a runaway job, a crawler, a forgotten cluster
    thousandths = sku.quantity * permille
    taken = thousandths * sku.committed_percent // 100
    for is_covered, quantity in ((True, taken), (False, thousandths - taken)):
        if sku.nanos_per_unit % 1000:
            # Whole units: price × quantity is exact to the nano.
            quantity -= quantity % 1000
        nanos = quantity * sku.nanos_per_unit // 1000
        if nanos:
            row = _usage_row(bill, account, sku, region, day, quantity=quantity, nanos=nanos)
            yield Metered(row, account, nanos, is_covered)


def _usage_row(
    bill: Bill, account: Account, sku: Sku, region: Region, day: date, *, quantity: int, nanos: int
) -> FocusRow:
    row = _row(bill, sku.service, account, day, "Usage", sku.description, nanos)
    if sku.is_tagged:
        name = f"{account.name}-{sku.meter.split(':')[-1].split()[0].lower()}"
        row = row._replace(
            ResourceId=f"{bill.provider}/{account.identity}/{region.identity or 'global'}/{name}",
            ResourceName=name,
            ResourceType=sku.service.resource_type,
            Tags=account.tags,
        )
    return row._replace(
        ChargeFrequency="Usage-Based",
        RegionId=region.identity,
        RegionName=region.name,
        SkuId=sku.identity,
        SkuMeter=sku.meter,
        SkuPriceId=code("PRICE-", f"{sku.identity} {region.identity}"),
        PricingCategory="Standard",
        PricingQuantity=decimal(quantity, 1000),
        PricingUnit=sku.unit,
        ListUnitPrice=decimal(sku.nanos_per_unit),
        ContractedUnitPrice=decimal(sku.nanos_per_unit),
        ConsumedQuantity=decimal(quantity, 1000),
        ConsumedUnit=sku.unit,
    )


def _covered(row: FocusRow, commitment: Commitment, share: int) -> FocusRow:
    """The same usage, paid for by its share of the commitment."""
    return row._replace(
        BilledCost=decimal(0),
        EffectiveCost=decimal(share),
        PricingCategory="Committed",
        CommitmentDiscountId=commitment.identity,
        CommitmentDiscountName=commitment.name,
        CommitmentDiscountCategory="Spend",
        CommitmentDiscountType=commitment.kind,
        CommitmentDiscountStatus="Used",
        CommitmentDiscountQuantity=decimal(share),
        CommitmentDiscountUnit=row.BillingCurrency,
    )


def flat(bill: Bill, day: date) -> Iterator[FocusRow]:
    """What `day` costs whatever is used."""
    payer = bill.accounts[0]
    if bill.fee is not None:
        fee = bill.fee
        row = _row(bill, fee.service, payer, day, "Usage", fee.description, fee.nanos_per_day)
        yield _bought(
            row, fee.meter, "Standard", quantity=1, unit="Days", nanos_per_unit=fee.nanos_per_day
        )._replace(ConsumedQuantity=decimal(1, 1), ConsumedUnit="Days")
    yield from _monthly(bill, payer, day)


def _monthly(bill: Bill, payer: Account, day: date) -> Iterator[FocusRow]:
    """The commitment on the first day of a month, a credit on the tenth, tax for all of it on the last."""
    days = calendar.monthrange(day.year, day.month)[1]
    if day.day == 1 and bill.commitment is not None:
        yield _commitment(bill, bill.commitment, payer, day, days)
    if day.day == 10 and bill.credit:
        row = _row(bill, bill.skus[0].service, payer, day, "Credit", bill.credit, -bill.credit_nanos)
        yield row._replace(ChargeFrequency="One-Time")
    if day.day == days:
        yield from _tax(bill, day, days)


def _commitment(bill: Bill, commitment: Commitment, payer: Account, day: date, days: int) -> FocusRow:
    """Bought for the whole month; what it costs a day is effective cost where it is used."""
    nanos = commitment.nanos_per_day * days
    row = _row(bill, commitment.service, payer, day, "Purchase", commitment.name, nanos)
    row = _bought(
        row, commitment.kind, "Committed", quantity=days, unit="Days", nanos_per_unit=commitment.nanos_per_day
    )
    return row._replace(
        ChargePeriodEnd=row.BillingPeriodEnd,
        EffectiveCost=decimal(0),
        ResourceId=commitment.identity,
        ResourceName=commitment.name,
        ResourceType=commitment.kind,
        CommitmentDiscountId=commitment.identity,
        CommitmentDiscountName=commitment.name,
        CommitmentDiscountCategory="Spend",
        CommitmentDiscountType=commitment.kind,
        CommitmentDiscountQuantity=decimal(nanos),
        CommitmentDiscountUnit=row.BillingCurrency,
    )


def _bought(
    row: FocusRow, meter: str, category: str, *, quantity: int, unit: str, nanos_per_unit: int
) -> FocusRow:
    sku = code("SKU-", f"{row.ServiceName} {meter}")
    return row._replace(
        ChargeFrequency="Recurring",
        SkuId=sku,
        SkuMeter=meter,
        SkuPriceId=code("PRICE-", sku),
        PricingCategory=category,
        PricingQuantity=decimal(quantity, 1),
        PricingUnit=unit,
        ListUnitPrice=decimal(nanos_per_unit),
        ContractedUnitPrice=decimal(nanos_per_unit),
    )


def _tax(bill: Bill, last: date, days: int) -> Iterator[FocusRow]:
    """On what the month's usage was billed, by account, rounded down to the cent."""
    billed: defaultdict[Account, int] = defaultdict(int)
    for number in range(days):
        for metered in usage(bill, last - number * DAY):
            if not metered.is_covered:
                billed[metered.account] += metered.nanos
    service = Service("Tax", "Other", "Other (Other)")
    for account in bill.accounts:
        tax = billed[account] * bill.tax_permille // 1000 // CENT * CENT
        row = _row(bill, service, account, last, "Tax", "Tax", tax)
        yield row._replace(ChargeFrequency="One-Time")


def _row(
    bill: Bill, service: Service, account: Account, day: date, category: str, description: str, nanos: int
) -> FocusRow:
    """What every row has, with `nanos` as each of the four costs."""
    month = day.replace(day=1)
    after = (month + 31 * DAY).replace(day=1)
    cost = decimal(nanos)
    return FocusRow(
        BillingAccountId=bill.payer,
        BillingAccountName=bill.payer_name,
        BillingAccountType=bill.payer_type,
        BillingPeriodStart=midnight(month),
        BillingPeriodEnd=midnight(after),
        BillingCurrency=bill.currency,
        # Of FOCUS 1.2's rules about it one asks for none and one for any; where none is, that one alone fails.
        InvoiceId="",
        InvoiceIssuerName=bill.issuer,
        ProviderName=bill.issuer,
        PublisherName=bill.issuer,
        ChargePeriodStart=midnight(day),
        ChargePeriodEnd=midnight(day + DAY),
        ChargeCategory=category,
        ChargeDescription=description,
        ChargeFrequency="",
        BilledCost=cost,
        EffectiveCost=cost,
        ListCost=cost,
        ContractedCost=cost,
        ServiceName=service.name,
        ServiceCategory=service.category,
        ServiceSubcategory=service.subcategory,
        SubAccountId=account.identity,
        SubAccountName=account.name,
        SubAccountType=bill.account_type,
    )


def midnight(day: date) -> str:
    return f"{day}T00:00:00Z"


def decimal(value: int, parts: int = NANO) -> str:
    """`value` of so many `parts` of a unit (a power of ten) as exact text, always with a point."""
    whole, rest = divmod(abs(value), parts)
    digits = f"{rest:0{len(str(parts)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}{whole}.{digits or '0'}"
