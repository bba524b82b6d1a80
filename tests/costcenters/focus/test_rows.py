"""What becomes of the columns of a FOCUS row."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costcenters.focus.columns import DETAIL_COLUMNS, ENUMERATIONS, INSTANTS, NUMBERS
from costcenters.records import COLUMNS, LIMITS, canonical_details
from tests.costcenters.focus.deliveries import (
    ROW,
    Bytes,
    csv_file,
    csv_text,
    delivered,
    line,
    lines,
    problem,
    refusal,
)

FULL = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ServiceName": "AmazonEC2",
    "SkuId": "SKU-1",
    "SkuMeter": "Compute",
    "PricingCategory": "standard",
    "SubAccountId": "0012",
    "SubAccountName": "staging",
    "RegionId": "us-east-1",
    "RegionName": "Virginia",
    "ResourceId": "i-1",
    "ConsumedQuantity": "63.4166",
    "ConsumedUnit": "Hours",
    "Tags": '{"env":"dev","a":"b"}',
}


def test_a_row_becomes_a_line_item():
    assert line(csv_file(FULL)) == {
        "day": "2026-05-03",
        "started_at": "2026-05-03 00:00:00",
        "charge_type": "usage",
        "service": "AmazonEC2",
        "model": "Compute",
        "kind": "Standard",
        "surface": "",
        "user": "",
        "account": "staging",
        "region": "us-east-1",
        "resource": "i-1",
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_write_tokens": 0,
        "cache_read_tokens": 0,
        "quantity": "63.4166",
        "unit": "Hours",
        "billed_cost": 1_500_000_000,
        "effective_cost": 1_250_000_000,
        "list_cost": 2_000_000_000,
        "is_estimated": 0,
        "tag_set_id": '{"a":"b","env":"dev"}',
        "details": '{"RegionName":"Virginia","SkuId":"SKU-1","SubAccountId":"0012"}',
    }


def test_a_row_has_the_columns_of_the_bill_in_their_order():
    with delivered(csv_file({})) as delivery:
        part = delivery.parts[0]
        (unit,) = part.units
        ((row,),) = delivery.blocks(part, unit, next(iter(unit.days)))
    assert len(row) == len(COLUMNS)


def test_a_second_column_fills_a_field_where_the_first_is_empty():
    found = lines(
        csv_file(
            FULL | {"SkuMeter": "", "SubAccountName": "null", "RegionId": "N/A"},
            FULL | {"SkuMeter": "Storage"},
        )
    )
    assert [(row["model"], row["account"], row["region"]) for row in found] == [
        ("SKU-1", "0012", "Virginia"),
        ("Storage", "staging", "us-east-1"),
    ]


def test_own_columns_win_over_those_of_focus():
    own = {
        "x_Model": "claude-4",
        "x_Kind": "USAGE_EVENT_KIND_INCLUDED",
        "x_Surface": "bugbot",
        "x_User": " Ada@Example.com ",
        "x_ChargeType": "seat",
        "x_InputTokens": "100",
        "x_OutputTokens": "20",
        "x_CacheWriteTokens": "3",
        "x_CacheReadTokens": "",
        "x_IsEstimated": "True",
    }
    found = line(csv_file(FULL | own))
    assert [found[name] for name in ("model", "kind", "surface", "user", "charge_type", "is_estimated")] == [
        *("claude-4", "USAGE_EVENT_KIND_INCLUDED", "bugbot", "ada@example.com", "seat", 1),
    ]
    assert [found[f"{name}_tokens"] for name in ("input", "output", "cache_write", "cache_read")] == [
        100,
        20,
        3,
        0,
    ]
    details = json.loads(found["details"])
    assert (details["SkuMeter"], details["PricingCategory"]) == ("Compute", "Standard")


def test_a_charge_type_of_somebody_else_is_not_ours():
    assert line(csv_file({"x_ChargeType": "SubscriptionFee"}))["charge_type"] == "usage"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("ChargeCategory", "Refund", "Must be one of Usage, Purchase, Tax, Credit, Adjustment."),
        ("ChargeCategory", "", "Is empty."),
        ("BilledCost", "NULL", "Is empty."),
        ("BilledCost", "1,234.50", "Holds a comma or blank"),
        ("EffectiveCost", "NaN", "Is no finite number."),
        ("ListCost", "99999999999", "Is more than a line item can hold"),
        ("BillingCurrency", "", "Is empty."),
        ("BillingCurrency", "$", "Is no three-letter currency code"),
        ("ChargePeriodStart", "05/03/2026", "Day and month may be swapped"),
        ("ChargePeriodStart", "", "Is empty."),
        ("ChargePeriodEnd", "soon", "Is no date or time"),
        ("BillingPeriodStart", "2026-13-01", "Is no day or time of the calendar."),
        ("BillingPeriodEnd", "2026-05-01", "Is not after BillingPeriodStart."),
        ("BillingAccountId", "1" * 201, "Is longer than 200 characters."),
        ("ConsumedQuantity", "a few", "Is no number"),
        ("PricingQuantity", "1,5", "Holds a comma"),
        ("ContractedCost", "Infinity", "Is no finite number."),
        ("Tags", "just words", "Tags must be a JSON object"),
        ("Tags", '{"a":', "Tags must be a JSON object"),
        ("ServiceName", "Comp\0ute", "NUL character"),
        ("ChargeDescription", "a\0b", "NUL character"),
        ("x_InputTokens", "1.5", "Is no whole number."),
        ("x_IsEstimated", "perhaps", "Must be true or false."),
    ],
)
def test_a_bad_value_is_refused_with_line_column_and_reason(column, value, reason):
    found = problem(csv_file({}, {column: value}, {}))
    assert found.startswith(f"costs.csv, line 3: {column}")
    assert reason in found


def test_problems_of_several_columns_come_in_the_order_of_the_rows():
    refused = refusal(
        csv_file({"Tags": "x"}, {"BilledCost": "x"}, {"ChargeCategory": "x"}, {"BilledCost": "x"})
    )
    assert [(each.line, each.column) for each in refused.problems] == [
        *((2, "Tags"), (3, "BilledCost"), (4, "ChargeCategory"), (5, "BilledCost")),
    ]


def test_enumerations_are_spelled_as_focus_does():
    given = {"ChargeCategory": "PURCHASE", "PricingCategory": "committed", "ChargeFrequency": "one time"}
    found = line(csv_file(given))
    assert (found["charge_type"], found["kind"]) == ("purchase", "Committed")
    assert json.loads(found["details"])["ChargeFrequency"] == "One-Time"


def test_an_unknown_value_of_another_enumeration_is_kept_and_noted():
    with delivered(csv_file({"PricingCategory": "On-Demand"}, {"PricingCategory": "Spot"})) as delivery:
        (note,) = delivery.notes
    assert "PricingCategory" in note
    assert "On-Demand" in note


def test_costs_that_are_missing_are_the_billed_cost():
    rows = [{name: value for name, value in ROW.items() if name not in ("EffectiveCost", "ListCost")}]
    with delivered(Bytes(csv_text(rows).encode())) as delivery:
        assert [note for note in delivery.notes if "Cost" in note] == [
            "EffectiveCost is missing in costs.csv: BilledCost is taken.",
            "ListCost is missing in costs.csv: BilledCost is taken.",
        ]
    found = line(Bytes(csv_text(rows).encode()))
    assert (found["effective_cost"], found["list_cost"]) == (1_500_000_000, 1_500_000_000)


def test_costs_that_are_empty_are_the_billed_cost():
    with delivered(csv_file({"EffectiveCost": "", "BilledCost": "3"}, {"ListCost": "null"})) as delivery:
        assert [note.split()[0] for note in delivery.notes] == ["EffectiveCost", "ListCost"]
    costs = ["7", "NULL", "", "n/a", "null"]
    told = lines(csv_file(*({"EffectiveCost": cost, "BilledCost": "3"} for cost in costs)))
    assert [each["effective_cost"] for each in told] == [7 * 10**9, *[3 * 10**9] * 4]
    first, second = lines(csv_file({"EffectiveCost": "", "BilledCost": "3"}, {"ListCost": "null"}))
    assert (first["effective_cost"], second["list_cost"]) == (3_000_000_000, 1_500_000_000)


def test_negative_corrections_are_fine():
    found = line(
        csv_file({"BilledCost": "-12.3456789012", "ChargeClass": "Correction", "ChargeCategory": "Credit"})
    )
    assert (found["charge_type"], found["billed_cost"]) == ("credit", -12_345_678_901)


def test_the_end_of_a_charge_is_kept_when_it_is_not_a_day_after_its_start():
    hour = {"ChargePeriodStart": "2026-05-03 10:00:00", "ChargePeriodEnd": "2026-05-03 11:00:00.5"}
    first, second = lines(csv_file(hour, {}))
    assert json.loads(first["details"]) == {"ChargePeriodEnd": "2026-05-03T11:00:00.500000Z"}
    assert second["details"] == "{}"


def test_a_text_that_is_too_long_is_cut_and_kept_whole_in_the_details():
    arn = "arn:aws:s3:::" + "x" * 400
    given = [{"ResourceId": f"{arn}{n}", "ServiceName": "S" * 201} for n in range(2)]
    first, second = lines(csv_file(*given))
    assert len(first["resource"]) == LIMITS["resource"]
    assert first["resource"] != second["resource"]
    assert first["resource"].startswith(arn[:250])
    assert json.loads(first["details"]) == {"ResourceId": f"{arn}0", "ServiceName": "S" * 201}
    with delivered(csv_file(*given)) as delivery:
        assert [note.split()[0] for note in delivery.notes] == ["ServiceName", "ResourceId"]


def test_every_text_fits_its_column():
    given = {name: name + "x" * 500 for name in DETAIL_COLUMNS if name not in (*NUMBERS, *INSTANTS)}
    found = line(csv_file(given | {"x_Surface": "s" * 99, "x_User": "u" * 999, "SubAccountName": "n" * 999}))
    for name, limit in LIMITS.items():
        if isinstance(found[name], str):
            assert len(found[name]) <= limit


def test_ids_that_our_export_guarded_are_bare_again():
    own = {
        "x_Provider": "aws",
        "SubAccountId": "aws:0012",
        "BillingAccountId": "aws:0099",
        "ServiceName": "aws:x",
    }
    with delivered(csv_file(own)) as delivery:
        assert delivery.parts[0].units[0].billing_account == "0099"
        assert lines(csv_file(own))[0]["account"] == "0012"
        assert lines(csv_file(own))[0]["service"] == "aws:x"


FREE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([n for n in DETAIL_COLUMNS if n not in (*NUMBERS, *INSTANTS, *ENUMERATIONS)]),
            FREE_TEXT,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_details_are_spelled_as_the_bill_spells_them(rows):
    for found in lines(csv_file(*rows)):
        assert found["details"] == canonical_details(json.loads(found["details"]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.decimals(-(10**6), 10**6, places=15, allow_nan=False)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_totals_of_a_service_are_exact_to_the_nano_unit(amounts, files):
    sources = [
        csv_file(
            *(
                {"ServiceName": service, "BilledCost": f"{amount:f}"}
                for service, amount in amounts[start::files]
            ),
            name=f"{start}.csv",
        )
        for start in range(files)
        if amounts[start::files]
    ]
    found = lines(*sources)
    for service in "AB":
        exact = sum(Fraction(amount) for name, amount in amounts if name == service) * 10**9
        assert abs(sum(row["billed_cost"] for row in found if row["service"] == service) - exact) <= Fraction(
            1, 2
        )


def test_amounts_that_nano_units_hold_are_untouched_by_what_is_carried():
    costs = ["0.0000000004", "1.000000001", "0.0000000004", "2.5", "0.0000000004"]
    found = lines(csv_file(*({"BilledCost": cost} for cost in costs)))
    assert [row["billed_cost"] for row in found] == [0, 1_000_000_001, 1, 2_500_000_000, 0]


def test_the_order_of_files_is_that_of_their_names():
    files = [csv_file(*({"BilledCost": "0.0000000004"},) * 3, name=f"{n}.csv") for n in range(4)]
    with delivered(*files) as one, delivered(*reversed(files)) as other:
        assert one.parts == other.parts


def test_a_sum_of_many_decimals_equals_the_exact_one():
    costs = [Decimal(n) / 7 for n in range(1, 200)]
    found = lines(csv_file(*({"BilledCost": f"{cost:.18f}"} for cost in costs)))
    exact = sum(Fraction(f"{cost:.18f}") for cost in costs) * 10**9
    assert abs(sum(row["billed_cost"] for row in found) - exact) <= Fraction(1, 2)
