from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from costcenters.models import CostCenter, DailyCost
from finops.money import AmountField, display, nanos_from_cents, nanos_from_units, plain, units_from_nanos
from integrations.http import parse_json

amounts = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=16)


@given(amounts)
def test_cents_become_nano_dollars_by_ten_million_rounded_half_even(cents):
    # Python's round() of a Fraction is half-even, and shares no code with ours.
    assert nanos_from_cents(cents) == round(Fraction(cents) * 10**7)


@pytest.mark.parametrize(
    ("cents", "nanos"),
    [
        ("40.16699999999999", 401_670_000),
        ("0.00000005", 0),
        ("0.00000015", 2),
        ("-0.00000015", -2),
        ("57.0351", 570_351_000),
    ],
)
def test_float_noise_of_a_reply_is_rounded_once(cents, nanos):
    assert nanos_from_cents(parse_json(cents.encode())) == nanos


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1))
def test_nano_units_survive_the_way_to_decimal_and_back(nanos):
    assert nanos_from_units(units_from_nanos(nanos)) == nanos


@pytest.mark.parametrize("typed", ["-0", "-0.00", "-0E-9"])
def test_zero_has_no_sign(typed):
    assert plain(Decimal(typed)).strip("0") == "."


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_plain_text_is_exact_and_never_in_exponent_form(nanos):
    text = plain(units_from_nanos(nanos))
    assert Decimal(text) == Decimal(nanos).scaleb(-9)
    assert "E" not in text
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize("units", ["0.0000000001", "1E+20", "NaN", "Infinity"])
def test_an_amount_that_cannot_be_stored_is_refused(units):
    with pytest.raises(ValueError):
        nanos_from_units(Decimal(units))


def test_a_float_is_never_an_amount():
    with pytest.raises(TypeError):
        AmountField().get_prep_value(0.1)
    with pytest.raises(ValidationError):
        AmountField().to_python(0.1)


@pytest.mark.parametrize("text", [b"NaN", b'{"a": Infinity}', b"[1", b"<html>", b"[" * 100_000])
def test_what_is_not_json_is_an_error_and_nothing_else(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_json_numbers_with_a_point_never_pass_through_a_float():
    assert parse_json(json.dumps([1]).encode()) == [1]
    assert (
        str(parse_json(b"[0.1000000000000000055511151231257827]")[0])
        == "0.1000000000000000055511151231257827"
    )


@pytest.mark.parametrize(
    ("units", "currency", "shown"),
    [
        ("1234.565", "USD", "$1,234.57"),
        ("0.004", "USD", "< $0.01"),
        ("-0.004", "USD", "> −$0.01"),
        ("-12", "USD", "−$12.00"),
        ("0", "USD", "$0.00"),
        ("1234.5", "JPY", "¥1,235"),
        ("12", "CHF", "CHF 12.00"),
    ],
)
def test_amounts_are_rounded_for_people_only(units, currency, shown):
    assert display(Decimal(units), currency) == shown


@pytest.mark.django_db
def test_the_database_sums_without_losing_a_nano_dollar():
    center = CostCenter.objects.create(name="Exact", provider="cursor")
    amounts = [
        Decimal("1234567.000000001"),
        Decimal("0.100000000"),
        Decimal("-0.000000001"),
        Decimal("8999999999"),
    ]
    DailyCost.objects.bulk_create(
        [
            DailyCost(
                cost_center=center, day="2026-11-01", charge_type="usage", line_items=1, billed_cost=amount
            )
            for amount in amounts
        ]
    )
    assert DailyCost.objects.aggregate(total=Sum("billed_cost"))["total"] == sum(amounts)
