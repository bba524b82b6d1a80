from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costcenters.focus import values
from costcenters.focus.values import A_NANO, Unfit, amount, cleaned, instant, number, shortened, whole
from costcenters.records import instant_text
from finops.money import MAX_NANOS


def exact(text: str) -> Fraction:
    """What `amount` answers, in nano-units."""
    found = amount(text)
    if isinstance(found, int):
        return Fraction(found)
    nanos, rest = found
    assert 0 < rest < A_NANO
    return nanos + Fraction(rest, A_NANO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NULL",
        "null",
        "Null",
        "N/A",
        "n/a",
        "#N/A",
        r"\N",
        "None",
        "(none)",
        "(null)",
        "<NA>",
        " null\t",
    ],
)
def test_words_for_nothing_are_empty(text):
    assert cleaned(text) == ""


@pytest.mark.parametrize("text", ["NA", "0", "-", "nulls", "no", "nan"])
def test_other_words_are_kept(text):
    assert cleaned(text) == text


def test_blanks_around_a_value_do_not_count():
    assert cleaned("\t us-east-1 ") == "us-east-1"


def test_a_nul_character_is_refused():
    with pytest.raises(Unfit, match="NUL"):
        cleaned("us\0east")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01T00:00:00Z", "2026-05-01 00:00:00"),
        ("2026-05-01T00:00:00", "2026-05-01 00:00:00"),
        ("2026-05-01 00:00:00", "2026-05-01 00:00:00"),
        ("2026-05-01 00:00:00 UTC", "2026-05-01 00:00:00"),
        ("2026-05-01t10:20z", "2026-05-01 10:20:00"),
        ("2026-05-01", "2026-05-01 00:00:00"),
        ("2026-05-01T00:00:00.000Z", "2026-05-01 00:00:00"),
        ("2026-05-01T00:00:00.5Z", "2026-05-01 00:00:00.500000"),
        ("2026-05-01T00:00:00.123456789Z", "2026-05-01 00:00:00.123456"),
        ("2026-05-01T01:30:00+01:30", "2026-05-01 00:00:00"),
        ("2026-05-01T00:00:00+0200", "2026-04-30 22:00:00"),
        ("2026-04-30T19:00:00-05", "2026-05-01 00:00:00"),
        ("2024-02-29", "2024-02-29 00:00:00"),
    ],
)
def test_instants_are_read_as_utc(text, moment):
    assert instant(text) == moment


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("05/01/2026", "swapped"),
        ("1/5/26", "swapped"),
        ("01.05.2026 00:00", "swapped"),
        ("2026-02-30", "no day or time"),
        ("2026-05-01T24:00:00Z", "no day or time"),
        ("2026-05-01T00:00:00+25:00", "no day or time"),
        ("20260501", "no date or time"),
        ("46143", "no date or time"),
        ("May 2026", "no date or time"),
        ("2026-05", "no date or time"),
        ("1969-12-31", "outside"),
        ("2200-01-01", "outside"),
        ("0001-01-01T00:00:00+14:00", "no day or time"),
        ("２０２６-05-01", "no date or time"),
    ],
)
def test_other_dates_are_refused(text, reason):
    with pytest.raises(Unfit, match=reason):
        instant(text)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2199, 12, 29)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
)
def test_an_instant_means_the_same_in_every_zone(moment, ahead, between):
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=ahead)))
    assert instant(there.isoformat(between)) == instant_text(moment.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("-0.00", 0),
        ("17.122482", 17_122_482_000),
        ("-3", -3_000_000_000),
        ("28.41455897400000", 28_414_558_974),
        ("1e2", 100_000_000_000),
        ("1.5E-7", 150),
        ("+1.0", 1_000_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("9223372036.854775807", MAX_NANOS),
        ("-9223372036.854775807", -MAX_NANOS),
        ("0E+40", 0),
        ("000000000000000000001", 1_000_000_000),
    ],
)
def test_amounts_are_exact(text, nanos):
    assert amount(text) == nanos


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,234.56", "comma"),
        ("1 234", "comma or blank"),
        ("1.234,56", "comma"),
        ("12,5", "comma"),
        ("NaN", "no finite"),
        ("Infinity", "no finite"),
        ("-inf", "no finite"),
        ("$5", "no number"),
        ("1_000", "no number"),
        ("0x10", "no number"),
        ("1/2", "no number"),
        ("--1", "no number"),
        ("١٢", "no number"),
        ("1e", "no number"),
        ("1e99999", "no number"),
        ("9223372036.854775808", "more than"),
        ("-9223372036.8547758071", "more than"),
        ("1e11", "more than"),
        ("1e9999", "more than"),
        ("9" * 5000, "more than"),
    ],
)
def test_other_amounts_are_refused(text, reason):
    with pytest.raises(Unfit, match=reason):
        amount(text)


@settings(deadline=None)
@given(st.decimals(-9_000_000_000, 9_000_000_000, places=28, allow_nan=False))
def test_an_amount_finer_than_a_nano_unit_loses_nothing(value):
    assert exact(f"{value:f}") == Fraction(value) * 10**9


@settings(deadline=None)
@given(st.decimals(-9_000_000_000, 9_000_000_000, allow_nan=False), st.booleans())
def test_an_exponent_changes_nothing(value, is_upper):
    spelled = f"{value:E}" if is_upper else f"{value:e}"
    assert amount(spelled) == amount(f"{value:f}")


def test_digits_after_the_28th_decimal_are_dropped():
    assert amount("0." + "0" * 28 + "9") == 0
    assert amount("-1." + "0" * 60 + "9") == -1_000_000_000
    assert amount("1e-400") == 0


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("63.4166", "63.4166"),
        ("0.0405000000", "0.0405000000"),
        ("1e-7", "0.0000001"),
        ("1.5E3", "1500"),
        ("+2", "2"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1." + "0" * 80, "1"),
        ("0e-300", "0"),
    ],
)
def test_numbers_are_kept_as_written_but_for_exponents(text, plain):
    assert number(text) == plain


@pytest.mark.parametrize("text", ["1,5", "nan", "seven", "1e60", "1." + "3" * 60])
def test_other_numbers_are_refused(text):
    with pytest.raises(Unfit):
        number(text)


@settings(deadline=None)
@given(st.decimals(-(10**18), 10**18, places=12, allow_nan=False))
def test_a_number_keeps_its_value(value):
    assert Decimal(number(str(value))) == value


def test_tokens_are_whole_numbers():
    assert whole("1200") == 1200
    assert whole("1.2e3") == 1200
    for text in ("1.5", "1e30", "many", "-9223372036854775808"):
        with pytest.raises(Unfit):
            whole(text)


@pytest.mark.parametrize("text", ["usage-based", "Usage Based", "USAGE_BASED", "UsageBased"])
def test_enumerations_are_read_in_any_case(text):
    assert values.enumerated("ChargeFrequency", text) == "Usage-Based"


def test_an_unknown_charge_category_names_the_allowed_ones():
    with pytest.raises(Unfit, match="Usage, Purchase, Tax, Credit, Adjustment"):
        values.charge_category("Refund")


@pytest.mark.parametrize("text", ["US", "US$", "USDT", "U5D", "ÜSD"])
def test_a_currency_has_three_letters(text):
    with pytest.raises(Unfit):
        values.currency(text)


@settings(deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_texts_that_are_cut_fit_and_stay_different(one, other):
    shorter = shortened(one, 100), shortened(other, 100)
    assert all(len(text) <= 100 for text in shorter)
    assert (shorter[0] == shorter[1]) == (one == other)
