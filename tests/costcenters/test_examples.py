"""The example bills of the demo: the same on every start, shaped like real exports, exact to the nano."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costcenters.examples import AWS, BILLS, Bill, write
from costcenters.examples.charges import DAY, FocusRow, decimal, rows

FIRST, END = date(2026, 8, 23), date(2026, 11, 21)
NOVEMBER = date(2026, 11, 1), date(2026, 12, 1)
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


def of(month: list[FocusRow], category: str) -> list[FocusRow]:
    return [row for row in month if row.ChargeCategory == category]


def total(month: list[FocusRow], column: str) -> Decimal:
    return sum((Decimal(getattr(row, column)) for row in month), Decimal(0))


@pytest.fixture(scope="module", params=BILLS, ids=[bill.provider for bill in BILLS])
def bill(request: pytest.FixtureRequest) -> Bill:
    return request.param


@pytest.fixture(scope="module")
def november(bill: Bill) -> list[FocusRow]:
    return list(rows(bill, *NOVEMBER))


# Days -----------------------------------------------------------------------------------------------------------------


def test_a_day_is_the_same_whatever_span_is_asked_for(bill):
    late = date(2026, 10, 25)
    alone = list(rows(bill, late, END))
    assert list(rows(bill, FIRST, END))[-len(alone) :] == alone


def test_weekends_are_quieter(november):
    by_day: dict[date, Decimal] = defaultdict(Decimal)
    for row in of(november, "Usage"):
        by_day[date.fromisoformat(row.ChargePeriodStart[:10])] += Decimal(row.ListCost)
    weekend = [cost for day, cost in by_day.items() if day.weekday() >= 5]
    week = [cost for day, cost in by_day.items() if day.weekday() < 5]
    assert sum(weekend) / len(weekend) < sum(week) / len(week) * Decimal("0.95")


def test_every_row_lies_in_its_billing_period_and_most_last_a_day(november):
    for row in november:
        assert row.BillingPeriodStart <= row.ChargePeriodStart < row.ChargePeriodEnd <= row.BillingPeriodEnd
    whole_months = [
        row for row in november if row.ChargePeriodEnd[8:10] == "01" and row.ChargePeriodStart[8:10] == "01"
    ]
    assert all(row.ChargeCategory == "Purchase" for row in whole_months)


# What a month holds ---------------------------------------------------------------------------------------------------


def test_a_month_holds_usage_and_tax_and_where_there_are_any_a_purchase_and_a_credit(bill, november):
    wanted = (
        {"Usage", "Tax"}
        | ({"Purchase"} if bill.commitment else set())
        | ({"Credit"} if bill.credit else set())
    )
    assert {row.ChargeCategory for row in november} == wanted


def test_over_a_month_effective_and_billed_cost_are_the_same(november):
    assert total(november, "BilledCost") == total(november, "EffectiveCost") > 0


def test_tax_is_on_what_the_months_usage_is_billed(bill, november):
    usage = sum(total([row], "BilledCost") for row in of(november, "Usage") if row.SkuMeter != "Business")
    tax = total(of(november, "Tax"), "BilledCost")
    assert 0 <= usage * bill.tax_permille / 1000 - tax < Decimal("0.01") * len(bill.accounts)


def test_covered_usage_is_not_billed_again_and_carries_the_days_of_the_commitment(bill, november):
    covered = [row for row in november if row.CommitmentDiscountStatus == "Used"]
    if bill.commitment is None:
        assert not covered
        return
    (purchase,) = (row for row in of(november, "Purchase") if row.CommitmentDiscountId)
    assert {row.CommitmentDiscountId for row in covered} == {purchase.CommitmentDiscountId}
    assert total(covered, "BilledCost") == 0 == Decimal(purchase.EffectiveCost)
    assert total(covered, "EffectiveCost") == Decimal(purchase.BilledCost)
    assert total(covered, "ListCost") > total(covered, "EffectiveCost")


def test_credits_are_negative_and_nothing_else_is(november):
    assert all((Decimal(row.BilledCost) < 0) == (row.ChargeCategory == "Credit") for row in november)


def test_rows_have_services_regions_accounts_and_tags(bill, november):
    usage = of(november, "Usage")
    assert len({row.ServiceName for row in usage}) >= (4 if bill.provider == "azure" else 8)
    assert {row.SubAccountName for row in usage} == {account.name for account in bill.accounts}
    tags = [json.loads(row.Tags) for row in usage if row.Tags]
    assert {tuple(one) for one in tags} == {("env", "team")}
    assert {one["team"] for one in tags} == {account.team for account in bill.accounts}
    assert any(not row.Tags for row in usage) == any(not sku.is_tagged for sku in bill.skus)


# What FOCUS 1.2 asks --------------------------------------------------------------------------------------------------


def test_price_times_quantity_is_the_cost_to_the_last_digit(november):
    priced = [row for row in november if row.ListUnitPrice]
    assert len(priced) > len(november) * 0.9
    for row in priced:
        quantity = Decimal(row.PricingQuantity)
        assert quantity * Decimal(row.ListUnitPrice) == Decimal(row.ListCost)
        assert quantity * Decimal(row.ContractedUnitPrice) == Decimal(row.ContractedCost)


def test_usage_and_purchases_have_a_sku_and_a_price_and_nothing_else_has(november):
    conditional = (
        "SkuId",
        "SkuPriceId",
        "PricingCategory",
        "PricingQuantity",
        "PricingUnit",
        "ListUnitPrice",
    )
    for row in november:
        has_price = row.ChargeCategory in ("Usage", "Purchase")
        assert {bool(getattr(row, column)) for column in conditional} == {has_price}
        assert bool(row.ConsumedQuantity) == (row.ChargeCategory == "Usage")
        assert bool(row.ConsumedUnit) == bool(row.ConsumedQuantity)


def test_no_column_that_must_be_filled_is_empty(november):
    filled = set(FocusRow._fields[: FocusRow._fields.index("ChargeClass")]) - {"InvoiceId"}
    assert len(filled) == 21
    for row in november:
        assert all(getattr(row, column) for column in filled)
        assert bool(row.ResourceId) == bool(row.ResourceName) == bool(row.ResourceType)
        assert bool(row.RegionId) == bool(row.RegionName)


def test_numbers_have_a_point_and_ids_are_no_numbers(november):
    for row in november:
        for column in (*COSTS, "PricingQuantity", "ConsumedQuantity", "ListUnitPrice"):
            assert not getattr(row, column) or "." in getattr(row, column)
        for column in ("BillingAccountId", "SubAccountId", "SkuId", "SkuPriceId", "ResourceId"):
            assert not getattr(row, column).isdecimal()


@pytest.mark.parametrize(
    "value, parts, text",
    [
        (0, 10**9, "0.0"),
        (1, 10**9, "0.000000001"),
        (-1_500_000_000, 10**9, "-1.5"),
        (12_340, 1000, "12.34"),
        (31, 1, "31.0"),
    ],
)
def test_amounts_are_spelled_exactly(value, parts, text):
    assert decimal(value, parts) == text


# Files ----------------------------------------------------------------------------------------------------------------


def test_each_month_has_a_folder_of_its_own(bill, tmp_path):
    written = write(bill, tmp_path, FIRST, END)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        f"{month}/{bill.provider}-focus-{month}.csv" for month in ("2026-08", "2026-09", "2026-10", "2026-11")
    ]
    assert sorted(tmp_path.rglob("*.*")) == written, "no scratch file is left"
    found = [row for path in written for row in read(path)]
    assert found == list(rows(bill, FIRST, END))


def test_a_later_start_extends_the_newest_file_and_touches_no_other(tmp_path):
    before = write(AWS, tmp_path, FIRST, date(2026, 9, 5))
    stamps = {path: path.stat().st_mtime_ns for path in before}
    older = read(before[-1])

    assert write(AWS, tmp_path, FIRST, date(2026, 9, 5)) == []
    (changed,) = write(AWS, tmp_path, FIRST, date(2026, 9, 7))

    assert changed == before[-1]
    assert read(changed)[: len(older)] == older
    added = read(changed)[len(older) :]
    assert {row.ChargePeriodStart[:10] for row in added} == {"2026-09-05", "2026-09-06"}
    assert before[0].stat().st_mtime_ns == stamps[before[0]]


def test_a_month_that_ends_begins_a_new_file(tmp_path):
    write(AWS, tmp_path, FIRST, date(2026, 8, 31))
    written = write(AWS, tmp_path, FIRST, date(2026, 9, 2))
    assert [path.parent.name for path in written] == ["2026-08", "2026-09"]


def test_a_bill_without_a_day_is_no_file(tmp_path):
    assert write(AWS, tmp_path, FIRST, FIRST) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_somebody_has_damaged_is_written_anew(tmp_path):
    (path,) = write(AWS, tmp_path, FIRST, FIRST + timedelta(days=1))
    good = path.read_bytes()
    path.write_bytes(good[:100])
    assert write(AWS, tmp_path, FIRST, FIRST + DAY) == [path]
    assert path.read_bytes() == good


def read(path: Path) -> list[FocusRow]:
    with path.open(newline="") as file:
        return [FocusRow(**row) for row in csv.DictReader(file)]
