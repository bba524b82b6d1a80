"""Parquet files: whatever the type of a column, it says the same as the CSV would."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from costcenters.focus.delivery import DeliveryRefused
from costcenters.records import canonical_details
from tests.costcenters.focus.deliveries import (
    Bytes,
    csv_file,
    delivered,
    line,
    lines,
    parquet_file,
    problem,
    refusal,
)

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "billed",
    [
        pa.array([17.25]),
        pa.array([17.25], pa.float32()),
        pa.array([Decimal("17.250000000000000000")], pa.decimal128(38, 18)),
        pa.array([Decimal("17.25")], pa.decimal256(60, 30)),
        pa.array(["17.25"]),
        pa.array(["17.25"], pa.large_string()),
        pa.array(["17.25"]).dictionary_encode(),
        pa.array([b"17.25"], pa.binary()),
    ],
    ids=lambda array: str(array.type),
)
def test_costs_of_any_type_are_exact(billed):
    assert line(parquet_file({"BilledCost": billed}))["billed_cost"] == 17_250_000_000


def test_whole_numbers_and_small_doubles_are_exact():
    found = line(
        parquet_file({"BilledCost": pa.array([3]), "ListCost": pa.array([1e-9]), "ConsumedQuantity": [1e-7]})
    )
    assert (found["billed_cost"], found["list_cost"], found["quantity"]) == (3_000_000_000, 1, "0.0000001")


def test_a_double_that_is_no_number_is_refused_with_its_row():
    billed = pa.array([1.0, float("nan"), float("inf")])
    assert [str(each) for each in refusal(parquet_file({"BilledCost": billed})).problems] == [
        "costs.parquet, line 2: BilledCost “nan”: Is no finite number.",
        "costs.parquet, line 3: BilledCost “inf”: Is no finite number.",
    ]


def test_a_null_is_empty():
    assert (
        problem(parquet_file({"BilledCost": pa.array([1.0, None])}))
        == "costs.parquet, line 2: BilledCost: Is empty."
    )
    found = line(
        parquet_file(
            {"EffectiveCost": pa.array([None], pa.float64()), "RegionId": pa.array([None], pa.string())}
        )
    )
    assert (found["effective_cost"], found["region"]) == (1_500_000_000, "")


def test_a_column_of_nulls_without_a_type_is_empty():
    assert line(parquet_file({"BilledCost": [1.0], "RegionId": pa.nulls(1)}))["region"] == ""


@pytest.mark.parametrize(
    "start",
    [
        pa.array([NOON], pa.timestamp("s", "UTC")),
        pa.array([NOON], pa.timestamp("ms", "Europe/Berlin")),
        pa.array([NOON], pa.timestamp("us", "+05:30")),
        pa.array([NOON], pa.timestamp("ns", "UTC")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
        pa.array(["2026-05-03T14:00:00+02:00"]),
        pa.array(["2026-05-03 12:00:00"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_instants_of_any_unit_and_zone_are_utc(start):
    assert line(parquet_file({"ChargePeriodStart": start}))["started_at"] == "2026-05-03 12:00:00"


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_its_first_instant(kind):
    assert (
        line(parquet_file({"ChargePeriodStart": pa.array([date(2026, 5, 3)], kind)}))["day"] == "2026-05-03"
    )


PAIRS = [[("team", "web"), ("env", "live")], [], None, [("env", None)]]


@pytest.mark.parametrize(
    "tags",
    [
        pa.array(PAIRS, pa.map_(pa.string(), pa.string())),
        pa.array(PAIRS, pa.map_(pa.string(), pa.dictionary(pa.int32(), pa.string()))),
        pa.array(
            [None if row is None else [{"key": key, "value": value} for key, value in row] for row in PAIRS],
            pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])),
        ),
        pa.array(
            [None if row is None else [{"Key": key, "Value": value} for key, value in row] for row in PAIRS],
            pa.large_list(pa.struct([("Key", pa.string()), ("Value", pa.string())])),
        ),
        pa.array(['{"team":"web","env":"live"}', "{}", None, '{"env": null}']),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_tags_are_maps_or_lists_or_json(tags):
    found = lines(parquet_file({"Tags": tags}))
    assert [row["tag_set_id"] for row in found] == ['{"env":"live","team":"web"}', "", "", '{"env":""}']


def test_maps_hold_any_character_and_belong_to_their_rows_in_every_batch(monkeypatch):
    monkeypatch.setattr("costcenters.focus.parquet_file.BLOCK_ROWS", 7)
    odd = ["", "a=b;c", '"', "\x1f", "\x1e", "ключ", "{}", ","]
    rows = [None if n % 5 == 0 else [(f"k{n % 3}{odd[n % 8]}", odd[n % 7]), ("n", str(n))] for n in range(60)]
    found = lines(
        parquet_file({"Tags": pa.array(rows, pa.map_(pa.string(), pa.string()))}, row_group_size=20)
    )
    assert sorted(row["tag_set_id"] for row in found) == sorted(
        canonical_details({key: value.strip() for key, value in row}) if row else "" for row in rows
    )


def test_decimals_lose_the_zeros_of_their_type_only():
    numbers = [Decimal(text) for text in ("0", "100", "1.50", "-0.000000000000000010", "1E-18", "0.1")]
    found = lines(parquet_file({"PricingQuantity": pa.array(numbers, pa.decimal128(38, 18))}))
    assert [json.loads(row["details"]).get("PricingQuantity") for row in found] == [
        *("0", "100", "1.5", "-0.000000000000000010", "0.000000000000000001", "0.1"),
    ]


def test_tags_may_be_a_struct_of_all_keys():
    tags = pa.array([{"team": "web", "env": None, "size": 3}, {"team": None, "env": None, "size": None}])
    assert [row["tag_set_id"] for row in lines(parquet_file({"Tags": tags}))] == [
        '{"size":"3","team":"web"}',
        "",
    ]


def test_other_nested_columns_are_kept_as_json():
    details = pa.array([[("CoreCount", "4")]], pa.map_(pa.string(), pa.string()))
    found = json.loads(line(parquet_file({"SkuPriceDetails": details}))["details"])
    assert json.loads(found["SkuPriceDetails"]) == {"CoreCount": "4"}


def test_many_row_groups_are_one_file():
    names = [f"S{n % 700}" for n in range(5000)]
    source = parquet_file({"ServiceName": pa.array(names).dictionary_encode()}, row_group_size=300)
    assert sorted(row["service"] for row in lines(source)) == sorted(names)


def test_a_parquet_file_says_the_same_as_a_csv_file():
    given = {"ServiceName": "Compute", "Tags": '{"a":"b"}', "SkuId": "007", "PricingQuantity": "1.5"}
    typed = parquet_file(
        {
            **{name: [value] for name, value in given.items()},
            "BilledCost": pa.array([1.5]),
            "PricingQuantity": pa.array([Decimal("1.50")]),
            "ChargePeriodStart": pa.array([datetime(2026, 5, 3, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        }
    )
    assert line(typed) == line(csv_file(given))


def test_ids_are_text_even_where_they_are_numbers():
    assert line(parquet_file({"SubAccountId": pa.array([200000000012])}))["account"] == "200000000012"


def test_a_damaged_file_is_refused_without_a_traceback():
    content = parquet_file({"ServiceName": [f"S{n}" for n in range(5000)]}).content
    for place in range(4, len(content), max(1, len(content) // 60)):
        damaged = bytearray(content)
        damaged[place : place + 20] = b"\xff" * len(damaged[place : place + 20])
        with suppress(DeliveryRefused):
            lines(Bytes(bytes(damaged), "costs.parquet"))


@pytest.mark.parametrize(
    "columns",
    [
        {
            "ServiceName": pa.StringArray.from_buffers(
                1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
            )
        },
        {"ServiceName": pa.array([b"a\xff"])},
        {
            "Tags": pa.MapArray.from_arrays(
                [0, 1],
                pa.array(["team"]),
                pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")),
            )
        },
    ],
)
def test_text_that_is_not_utf_8_is_refused(columns):
    assert problem(parquet_file(columns)) == "costs.parquet: The file is not UTF-8: save it as UTF-8."


@pytest.mark.parametrize("lost", [1, 4, 8, 200, 2000])
def test_a_file_that_was_cut_off_is_refused(lost):
    content = parquet_file({"ServiceName": [f"S{n}" for n in range(5000)]}).content
    assert "The file" in problem(Bytes(content[:-lost], "costs.parquet"))


def test_a_doubled_column_is_refused():
    schema = parquet_file({"BilledCost": ["1"], "billedcost": ["2"]})
    assert "BilledCost: The column is there more than once." in problem(schema)


def test_a_long_text_of_many_rows_is_held_once_and_refused():
    """A thousand bytes of Parquet may say that each of a million rows has the same ten megabytes."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * (10 << 20)]))
    file = parquet_file({"ResourceId": text}, compression="zstd", dictionary_pagesize_limit=1 << 30)
    assert file.size < 100_000
    before = pa.default_memory_pool().bytes_allocated()
    assert problem(file) == "costs.parquet, line 1: The row holds more text than one can."
    assert pa.default_memory_pool().bytes_allocated() - before < 100 << 20


def test_rows_of_long_texts_are_read_some_at_a_time(monkeypatch):
    monkeypatch.setattr("costcenters.focus.parquet_file.MOST_TEXT", 3000)
    texts = [f"{n}:{'x' * (n % 7 * 300)}" for n in range(100)]
    file = parquet_file({"ChargeDescription": texts, "BilledCost": [str(n) for n in range(100)]})
    found = lines(file)
    assert [json.loads(each["details"])["ChargeDescription"] for each in found] == texts
    assert [each["billed_cost"] for each in found] == [n * 10**9 for n in range(100)]
    texts[40] = "NaN"
    bad = parquet_file({"BilledCost": [str(n) for n in range(40)] + ["x"] * 60, "ServiceName": texts})
    assert refusal(bad).problems[0].line == 41


def test_categories_that_no_row_has_are_nothing():
    def categories(*values: str) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 1], pa.int32()), pa.array(values))

    with delivered(
        parquet_file(
            {
                "BillingCurrency": categories("USD", "USD", "EUR", "nonsense"),
                "BillingAccountId": categories("1", "2", "3"),
                "ChargePeriodStart": categories("2026-05-03", "2026-05-04", "2026-05-09"),
            }
        )
    ) as delivery:
        (part,) = delivery.parts
    assert part.currency == "USD"
    assert [(unit.billing_account, list(unit.days)) for unit in part.units] == [
        ("1", [date(2026, 5, 3)]),
        ("2", [date(2026, 5, 4)]),
    ]
