"""The ledger as FOCUS 1.2: what each line item becomes, in every format."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from costcenters.focus import export_lines
from costcenters.focus.columns import COLUMNS_1_2, OWN_COLUMNS
from costcenters.focus.export import FocusExport, recorded_days
from costcenters.focus.export_files import Format
from costcenters.models import CostCenter, CostLineItem
from costcenters.periods import Span
from tests.costcenters.focus.exported import (
    WHOLE,
    a_ledger,
    at,
    event,
    export,
    parsed_parquet,
    product,
    row_of,
    rows,
    seat,
    store,
    unpacked,
)
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db


class TestTheFile:
    def test_all_columns_of_focus_1_2_in_the_order_of_the_specification_then_our_own(self):
        a_ledger()
        header = export().split(b"\r\n", 1)[0].decode().split(",")

        assert header == [*COLUMNS_1_2, *OWN_COLUMNS]
        assert all(name.startswith("x_") for name in header[57:])
        assert header[:57] == sorted(header[:57])

    def test_one_row_a_line_item_by_cost_center_then_by_instant(self):
        centers = a_ledger()
        found = rows(*centers)

        assert len(found) == CostLineItem.objects.count()
        order = [center.name for center in centers]
        places = [(order.index(row["x_CostCenter"]), row["ChargePeriodStart"]) for row in found]
        assert places == sorted(places)

    def test_both_days_of_the_span_are_in_and_no_instant_beside_them(self):
        center = CostCenterFactory()
        store(
            center,
            [event(started_at=at(day, hours=hour, minutes=59)) for day in (2, 3, 4, 5) for hour in (0, 23)],
        )
        found = rows(center, span=Span(date(2026, 11, 3), date(2026, 11, 4)))

        assert [row["ChargePeriodStart"] for row in found] == [
            "2026-11-03T00:59:00Z",
            "2026-11-03T23:59:00Z",
            "2026-11-04T00:59:00Z",
            "2026-11-04T23:59:00Z",
        ]

    def test_only_the_cost_centers_asked_for(self):
        aws, *_ = a_ledger()
        assert {row["x_CostCenter"] for row in rows(aws)} == {"AWS"}

    @pytest.mark.parametrize("span", [None, WHOLE])
    @pytest.mark.parametrize("wanted", list(Format))
    def test_without_line_items_it_has_its_columns_nevertheless(self, wanted, span):
        CostCenterFactory()
        content = export(span=span, wanted=wanted)

        if wanted is Format.PARQUET:
            table = parsed_parquet(content)
            assert (table.num_rows, table.schema.names) == (0, [*COLUMNS_1_2, *OWN_COLUMNS])
        else:
            text = unpacked(content) if wanted is Format.GZIP else content
            assert text.decode() == ",".join([*COLUMNS_1_2, *OWN_COLUMNS]) + "\r\n"

    def test_several_currencies_stand_beside_each_other(self):
        a_ledger()
        found = {(row["x_CostCenter"], row["BillingCurrency"]) for row in rows()}
        assert {("AWS", "USD"), ("AWS (EUR)", "EUR")} <= found

    def test_the_same_ledger_gives_the_same_bytes(self):
        a_ledger()
        for wanted in Format:
            assert export(wanted=wanted) == export(wanted=wanted)

    def test_it_is_named_after_its_days(self):
        name = FocusExport(Span(date(2026, 11, 1), date(2026, 11, 21)), (), Format.GZIP).filename
        assert name == "onebill_focus-1.2_2026-11-01_2026-11-21.csv.gz"

    def test_days_that_nobody_asked_for_are_those_on_record(self):
        assert recorded_days(a_ledger()) == Span(date(2026, 10, 1), date(2026, 11, 21))
        assert recorded_days([CostCenterFactory(name="New")]) is None


class TestReading:
    @pytest.mark.parametrize("lines", [1, 3, 7])
    def test_however_the_days_are_put_together_every_line_comes_once(self, monkeypatch, lines):
        centers = a_ledger()
        whole = export()
        monkeypatch.setattr(export_lines, "LINES_A_BLOCK", lines)
        monkeypatch.setattr(export_lines, "LINES_A_FETCH", 2)

        assert export() == whole
        blocks = export_lines.blocks(WHOLE, centers)
        assert sum(block.line_items for block in blocks) == CostLineItem.objects.count()
        assert all(block.line_items <= lines or block.start == block.end for block in blocks)

    def test_the_number_of_queries_depends_on_blocks_not_on_lines(self):
        center = CostCenterFactory()
        counts = []
        for number_of_lines in (3, 300):
            store(center, [event(3, input_tokens=count) for count in range(number_of_lines)])
            with CaptureQueriesContext(connection) as queries:
                assert len(rows(center)) == number_of_lines
            # A cursor on the server is no query that Django counts.
            counts.append(len([each for each in queries if "SAVEPOINT" not in each["sql"]]))
        assert counts[0] == counts[1] <= 3

    def test_what_it_will_hold_is_told_without_reading_line_items(self):
        whole = FocusExport(WHOLE, a_ledger(), Format.CSV)
        with CaptureQueriesContext(connection) as queries:
            told = whole.line_items
        assert not [each["sql"] for each in queries if "costlineitem" in each["sql"]]
        assert told == CostLineItem.objects.count()


class TestCursor:
    def test_a_usage_event(self):
        row = row_of(event(), name="Cursor")
        number_of_center = CostCenter.objects.get().pk

        assert {name: text for name, text in row.items() if text} == {
            "BilledCost": "0.0640001",
            "BillingAccountId": f"onebill-cost-center-{number_of_center}",
            "BillingAccountName": "Cursor",
            "BillingAccountType": "Cost center",
            "BillingCurrency": "USD",
            "BillingPeriodEnd": "2026-12-01T00:00:00Z",
            "BillingPeriodStart": "2026-11-01T00:00:00Z",
            "ChargeCategory": "Usage",
            "ChargeDescription": "Cursor usage, claude-4.5-sonnet, editor",
            "ChargeFrequency": "Usage-Based",
            "ChargePeriodEnd": "2026-11-03T09:30:16Z",
            "ChargePeriodStart": "2026-11-03T09:30:15Z",
            "ConsumedQuantity": "1603.0",
            "ConsumedUnit": "Tokens",
            "ContractedCost": "0.0640001",
            "ContractedUnitPrice": "0.0640001",
            "EffectiveCost": "0.0640001",
            "InvoiceIssuerName": "Cursor",
            "ListCost": "0.0640001",
            "ListUnitPrice": "0.0640001",
            "PricingCategory": "Standard",
            "PricingCurrency": "USD",
            "PricingCurrencyContractedUnitPrice": "0.0640001",
            "PricingCurrencyEffectiveCost": "0.0640001",
            "PricingCurrencyListUnitPrice": "0.0640001",
            "PricingQuantity": "1.0",
            "PricingUnit": "Requests",
            "ProviderName": "Cursor",
            "PublisherName": "Anysphere, Inc.",
            "ResourceId": "conversation-1",
            "ResourceType": "Conversation",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": "Cursor",
            "ServiceSubcategory": "Generative AI",
            "SkuId": "cursor/claude-4.5-sonnet",
            "SkuMeter": "claude-4.5-sonnet",
            "SkuPriceId": "cursor/claude-4.5-sonnet",
            "x_CacheReadTokens": "7",
            "x_CacheWriteTokens": "56",
            "x_ChargeType": "usage",
            "x_CostCenter": "Cursor",
            "x_InputTokens": "1200",
            "x_IsEstimated": "false",
            "x_Kind": "Usage-based",
            "x_Model": "claude-4.5-sonnet",
            "x_OutputTokens": "340",
            "x_Provider": "cursor",
            "x_Service": "Cursor",
            "x_Surface": "editor",
            "x_User": "rin@example.com",
        }

    def test_a_seat(self):
        row = row_of(
            seat(
                quantity="3", billed_nano=3_999_999_999, effective_nano=3_999_999_999, list_nano=3_999_999_999
            )
        )

        assert (row["ChargeCategory"], row["ChargeFrequency"]) == ("Usage", "Recurring")
        assert (row["x_ChargeType"], row["x_IsEstimated"]) == ("seat", "true")
        assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == (
            "3.0",
            "seats",
            "1.333333333",
        )
        assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("3.0", "seats")
        assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
            "2026-11-03T00:00:00Z",
            "2026-11-04T00:00:00Z",
        )
        assert (row["ProviderName"], row["InvoiceIssuerName"]) == ("Cursor", "Cursor")
        assert (row["ServiceCategory"], row["ServiceSubcategory"]) == (
            "AI and Machine Learning",
            "Generative AI",
        )
        assert (row["x_Model"], row["SkuMeter"], row["ResourceType"]) == ("", "Seats", "Seat")

    def test_included_usage_has_a_price_that_nobody_pays(self):
        row = row_of(event(kind="Included in Business", billed_nano=0, effective_nano=0))

        assert (row["BilledCost"], row["ListCost"]) == ("0.0", "0.0640001")
        assert row["PricingCategory"] == "Other"

    def test_an_event_at_midnight_lasts_a_second_too(self):
        row = row_of(event(started_at=at(3)))
        assert row["ChargePeriodEnd"] == "2026-11-03T00:00:01Z"

    def test_the_last_second_of_a_month_is_billed_in_it(self):
        row = row_of(event(started_at=datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)))

        assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
            "2026-10-01T00:00:00Z",
            "2026-11-01T00:00:00Z",
        )
        assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
            "2026-10-31T23:59:59Z",
            "2026-11-01T00:00:00Z",
        )


class TestOthers:
    def test_the_payment_of_a_subscription_and_its_days(self):
        a_ledger()
        of_tool = [row for row in rows() if row["x_Provider"] == "subscriptions"]
        (payment,) = [row for row in of_tool if row["ChargeCategory"] == "Purchase"]
        days = [row for row in of_tool if row["ChargeCategory"] == "Usage"]

        assert (payment["ChargeFrequency"], payment["BilledCost"], payment["EffectiveCost"]) == (
            "Recurring",
            "225.0",
            "0.0",
        )
        assert (payment["PricingQuantity"], payment["ContractedUnitPrice"]) == ("5.0", "45.0")
        assert payment["ConsumedQuantity"] == ""
        assert payment["ChargeDescription"] == "5 seats, November"
        assert {(row["ChargeFrequency"], row["x_ChargeType"], row["ListUnitPrice"]) for row in days} == {
            ("Recurring", "seat", "1.5")
        }
        assert payment["ProviderName"] == payment["InvoiceIssuerName"] == "Figma"

    @pytest.mark.parametrize(
        ("charge_type", "category"), [("tax", "Tax"), ("credit", "Credit"), ("adjustment", "Adjustment")]
    )
    def test_what_is_not_sold_has_no_price(self, charge_type, category):
        row = row_of(event(charge_type=charge_type, kind="", surface=""), provider="aws")

        assert (row["ChargeCategory"], row["ChargeFrequency"]) == (category, "One-Time")
        for name in (
            "PricingQuantity",
            "PricingUnit",
            "ListUnitPrice",
            "SkuId",
            "SkuPriceId",
            "PricingCategory",
        ):
            assert row[name] == ""

    def test_what_is_given_back_is_a_negative_quantity_at_a_price(self):
        row = row_of(event(billed_nano=-5, effective_nano=-5, list_nano=-7))
        assert (row["PricingQuantity"], row["ListUnitPrice"], row["BilledCost"]) == (
            "-1.0",
            "0.000000007",
            "-0.000000005",
        )

    def test_price_times_quantity_is_the_cost_wherever_both_are_told(self):
        a_ledger()
        priced = [row for row in rows() if row["ListUnitPrice"] and row["ChargeClass"] != "Correction"]

        assert len(priced) > 20
        for row in priced:
            assert product(row, "ListUnitPrice") == Decimal(row["ListCost"])
            assert product(row, "ContractedUnitPrice") == Decimal(row["ContractedCost"])

    def test_a_service_has_one_category(self):
        center = CostCenterFactory(name="Tools", provider="subscriptions")
        store(center, [seat(service="Cursor")])
        a_ledger()
        found = {(row["ServiceName"], row["ServiceCategory"]) for row in rows()}
        assert len(found) == len({name for name, _ in found})

    def test_an_unknown_provider_is_its_own_maker(self):
        row = row_of(event(service="Tokens", surface="", kind=""), provider="some_ai")

        assert row["ProviderName"] == row["InvoiceIssuerName"] == row["PublisherName"] == "Some ai"
        assert (row["ServiceCategory"], row["ServiceSubcategory"]) == ("Other", "Other (Other)")
