"""Lines that were delivered as FOCUS files, numbers, ids and formats in an export."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from costcenters.focus import export_files, export_lines
from costcenters.focus.columns import COLUMNS_1_2, INSTANTS
from costcenters.focus.export import FocusExport
from costcenters.focus.export_files import Format, Unfit
from costcenters.focus.export_rows import DECIMALS
from costcenters.focus.export_values import amount, number
from costcenters.focus.own_ids import guarded, unguarded
from costcenters.models import CostCenter, CostLineItem
from tests.costcenters.focus.exported import (
    INSTANT,
    PLAIN,
    WHOLE,
    a_ledger,
    delivered,
    event,
    export,
    parsed,
    parsed_parquet,
    row_of,
    rows,
    store,
    unpacked,
)
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db


class TestDelivered:
    def test_what_a_delivery_said_comes_back(self):
        a_ledger()
        row = rows(CostCenter.objects.get(name="AWS"))[0]

        for name, text in json.loads(delivered().details).items():
            expected = {"PricingQuantity": "24.0", "SubAccountId": "aws:012345678901"}.get(name, text)
            assert row[name] == expected, name
        assert (row["BillingAccountId"], row["BillingAccountName"]) == ("aws:100000000002", "Example Corp")
        assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
            "2026-11-01T00:00:00Z",
            "2026-12-01T00:00:00Z",
        )
        assert (row["ServiceName"], row["SkuMeter"], row["PricingCategory"]) == (
            "Amazon EC2",
            "m7g.2xlarge",
            "Standard",
        )
        assert (row["SubAccountName"], row["RegionId"]) == ("production", "us-east-1")
        assert json.loads(row["Tags"]) == {"env": "production", "team": "platform"}
        assert row["ChargePeriodEnd"] == "2026-11-02T00:00:00Z"

    def test_an_hour_stays_an_hour(self):
        a_ledger()
        (row,) = [
            row for row in rows(CostCenter.objects.get(name="AWS")) if "T05" in row["ChargePeriodStart"]
        ]
        assert row["ChargePeriodEnd"] == "2026-11-04T06:00:00Z"

    def test_a_quantity_without_a_price_stays_without(self):
        row = row_of(delivered(details='{"PricingQuantity":"7"}'), provider="aws")
        assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("7.0", "", "")

    def test_what_belongs_to_a_column_that_was_delivered_follows_it(self):
        row = row_of(
            delivered(details='{"ProviderName":"Acme","ServiceCategory":"Storage","SkuId":"S1"}'),
            provider="aws",
        )

        assert row["InvoiceIssuerName"] == row["PublisherName"] == "Acme"
        assert row["ServiceSubcategory"] == "Other (Storage)"
        assert (row["SkuId"], row["SkuPriceId"], row["SkuMeter"]) == ("S1", "S1", "m7g.2xlarge")

    def test_names_of_later_versions_fill_those_of_1_2(self):
        row = row_of(
            delivered(details='{"ServiceProviderName":"Acme","HostProviderName":"AWS"}'), provider="aws"
        )
        assert (row["ProviderName"], row["PublisherName"]) == ("Acme", "AWS")

    @pytest.mark.parametrize(
        "details",
        [
            '{"PricingQuantity":"many"}',
            '{"PricingQuantity":"NaN"}',
            '{"PricingQuantity":"1E+999999"}',
            '{"Nonsense":"1"}',
        ],
    )
    def test_details_of_anybody_are_no_numbers_by_their_name(self, details):
        assert row_of(delivered(details=details), provider="aws")["PricingQuantity"] == "1.0"


class TestNumbers:
    def test_amounts_and_instants_are_spelled_in_one_way(self):
        a_ledger()
        for row in rows():
            for name in DECIMALS:
                assert not row[name] or PLAIN.fullmatch(row[name]), (name, row[name])
            for name in INSTANTS:
                assert INSTANT.fullmatch(row[name]), (name, row[name])

    def test_the_sums_are_those_of_the_ledger(self):
        a_ledger()
        found = rows()
        for column, field in (
            ("BilledCost", "billed_cost"),
            ("EffectiveCost", "effective_cost"),
            ("ListCost", "list_cost"),
        ):
            stored = sum(CostLineItem.objects.values_list(field, flat=True))
            assert sum(Decimal(row[column]) for row in found) == stored

    @given(st.integers(-(2**63) + 1, 2**63 - 1))
    def test_every_amount_is_exact(self, nano):
        text = amount(nano)
        assert PLAIN.fullmatch(text)
        assert Decimal(text) * 10**9 == nano

    @given(
        st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20)
    )
    def test_every_number_is_exact(self, value):
        for spelling in (str(value), f"{value:E}"):
            assert PLAIN.fullmatch(number(spelling))
            assert Decimal(number(spelling)) == value


class TestIds:
    def test_ids_that_look_like_numbers_have_their_provider_in_front_in_csv(self):
        a_ledger()
        found = rows()
        suspicious = {
            (name, row[name])
            for row in found
            for name in COLUMNS_1_2
            if name not in DECIMALS and re.fullmatch(r"[\d.]+", row[name])
        }
        assert suspicious == set()
        resources = {row["ResourceId"] for row in found}
        assert {"cursor:1234567", "cursor:99887766"} <= resources
        assert {row["InvoiceId"] for row in found} >= {"INV-2026-11", "aws:2026110001"}
        assert "aws:012345678901" in {row["SubAccountName"] for row in found}

    def test_parquet_leaves_them_as_they_are(self):
        a_ledger()
        table = parsed_parquet(export(wanted=Format.PARQUET)).to_pydict()

        assert {"100000000002"} <= set(table["BillingAccountId"])
        assert {"1234567", "99887766"} <= set(table["ResourceId"])

    @given(st.from_regex(r"\A(aws:){0,2}[+-]?[0-9.]{0,3}(e[0-9])?x?\Z") | st.text())
    def test_the_guard_can_be_taken_off_again(self, text):
        assert unguarded(guarded(text, "aws"), "aws") == text

    @pytest.mark.parametrize("text", ["0", "007", "-1", "1.5", "1e5", "+3", ".5"])
    def test_numbers_are_guarded(self, text):
        assert guarded(text, "aws") == f"aws:{text}"

    @pytest.mark.parametrize("text", ["", "a1", "1a", "1-2", "arn:1", "１２"])
    def test_other_ids_are_not(self, text):
        assert guarded(text, "aws") == text

    def test_cells_that_begin_like_a_formula_stay_as_they_are(self):
        a_ledger()
        assert "=cmd|' /C calc'!A0" in {row["x_User"] for row in rows()}
        assert 'a "quoted", model' in {row["x_Model"] for row in rows()}

    @pytest.mark.parametrize("text", ["two\nlines", "a\rb", 'q"q', "naïve, 東京", "a\tb", ",,"])
    def test_any_text_comes_through(self, text):
        store(CostCenterFactory(), [event(user=text)])
        (row,) = rows()
        assert row["x_User"] == text
        assert parsed_parquet(export(wanted=Format.PARQUET)).to_pydict()["x_User"] == [text]


class TestFormats:
    def test_gzip_holds_the_csv(self):
        a_ledger()
        assert unpacked(export(wanted=Format.GZIP)) == export()

    def test_parquet_holds_the_same_with_types(self):
        a_ledger()
        table = parsed_parquet(export(wanted=Format.PARQUET))
        schema = {name: str(table.schema.field(name).type) for name in table.schema.names}

        assert {schema[name] for name in DECIMALS} == {"decimal128(38, 18)"}
        assert {schema[name] for name in INSTANTS} == {"timestamp[us, tz=UTC]"}
        assert schema["x_InputTokens"] == "int64"
        assert schema["x_IsEstimated"] == "bool"
        for row, cells in zip(rows(), table.to_pylist(), strict=True):
            for name, cell in cells.items():
                text = row[name]
                if cell is None:
                    assert text == "", name
                elif isinstance(cell, datetime):
                    assert f"{cell:%Y-%m-%dT%H:%M:%SZ}" == text, name
                elif isinstance(cell, Decimal):
                    assert cell == Decimal(text), name
                elif isinstance(cell, bool):
                    assert str(cell).lower() == text, name
                else:
                    assert str(cell) in (text, text.partition(":")[2]), name

    def test_row_groups_are_bounded(self, monkeypatch):
        a_ledger()
        monkeypatch.setattr(export_files, "ROWS_A_BATCH", 4)
        monkeypatch.setattr(export_files, "ROWS_A_GROUP", 8)
        monkeypatch.setattr(export_lines, "LINES_A_FETCH", 3)
        content = export(wanted=Format.PARQUET)
        file = parquet.ParquetFile(pyarrow.BufferReader(content))

        assert file.num_row_groups > 3
        assert file.metadata.num_rows == CostLineItem.objects.count()

    def test_parquet_rounds_past_its_eighteen_decimals_and_csv_does_not(self):
        center = CostCenterFactory(provider="aws")
        store(
            center,
            [delivered(details='{"PricingQuantity":"1.00000000000000000051","ListUnitPrice":"1E-19"}')],
        )

        assert rows()[0]["PricingQuantity"] == "1.00000000000000000051"
        cells = parsed_parquet(export(wanted=Format.PARQUET)).to_pylist()[0]
        assert cells["PricingQuantity"] == Decimal("1.000000000000000001")
        assert cells["ListUnitPrice"] == 0

    @pytest.mark.parametrize("digits", ["1" + "0" * 20, "1" + "2" * 29, "1" + "0" * 44])
    def test_a_number_too_large_for_parquet_is_named(self, digits):
        center = CostCenterFactory(provider="aws")
        store(center, [delivered(quantity=digits)])

        with pytest.raises(
            Unfit, match=rf"ConsumedQuantity of {digits}\.0 does not fit into Parquet: take CSV"
        ):
            export(wanted=Format.PARQUET)
        assert parsed(export())[0]["ConsumedQuantity"] == f"{digits}.0"

    def test_pieces_are_sent_as_they_are_read(self, monkeypatch):
        a_ledger()
        monkeypatch.setattr(export_lines, "LINES_A_FETCH", 2)
        pieces = FocusExport(WHOLE, tuple(CostCenter.objects.all()), Format.CSV).chunks()

        assert next(pieces).count(b"\r\n") == 3
        assert next(pieces).count(b"\r\n") == 2
