"""All files of a delivery together: parts, statements and days, what repeats, and what is left behind."""

from __future__ import annotations

import gzip
import json
import marshal
from datetime import UTC, date, datetime
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costcenters.focus.delivery import DeliveryRefused, read_delivery
from costcenters.focus.reading import REMEMBERED, Memory
from costcenters.focus.spool import Spool
from tests.costcenters.focus.deliveries import (
    ROW,
    Bytes,
    csv_file,
    csv_text,
    delivered,
    line,
    lines_of,
    parquet_file,
    problem,
    refusal,
)

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
COMMITMENTS = b"ContractCommitmentId,ContractCommitmentCost,BillingCurrency\nsp-1,5,USD\n"


def test_a_part_is_a_currency_and_a_unit_an_account_and_period():
    rows = [
        {"BillingCurrency": "eur", "BilledCost": "1"},
        {"BillingCurrency": "USD", "BilledCost": "2"},
        {"BillingAccountId": "2000", "BillingAccountName": "Other", "BilledCost": "4"},
        {"ChargePeriodStart": "2026-05-09T05:00:00Z", "BilledCost": "8"},
        {"BillingPeriodStart": "2026-06-01", "BillingPeriodEnd": "2026-07-01", "BilledCost": "16"},
    ]
    with delivered(csv_file(*rows)) as delivery:
        assert delivery.rows == 5
        assert [(part.cost_center, part.currency, len(part.units)) for part in delivery.parts] == [
            *(("", "EUR", 1), ("", "USD", 3)),
        ]
        first, second, third = delivery.parts[1].units
        assert (first.billing_account, first.billing_account_name) == ("1000", "Acme")
        assert (first.period_start, first.period_end) == (MAY, JUNE)
        assert {day: (each.line_items, each.billed_nano) for day, each in first.days.items()} == {
            date(2026, 5, 3): (1, 2 * 10**9),
            date(2026, 5, 9): (1, 8 * 10**9),
        }
        assert (second.period_start, third.billing_account) == (JUNE, "2000")


def test_without_a_period_a_charge_belongs_to_its_calendar_month():
    bare = {name: value for name, value in ROW.items() if not name.startswith("BillingPeriod")}
    text = csv_text(
        [
            bare,
            bare | {"ChargePeriodStart": "2026-12-31T23:00:00-05:00"},
            bare | {"ChargePeriodStart": "2026-12-31"},
        ]
    )
    with delivered(Bytes(text.encode())) as delivery:
        periods = [(unit.period_start.date(), unit.period_end.date()) for unit in delivery.parts[0].units]
        assert [note for note in delivery.notes if "BillingPeriodStart" in note]
    assert periods == [
        (date(2026, 5, 1), date(2026, 6, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2027, 2, 1)),
    ]


def test_a_correction_stays_in_the_period_that_bills_it():
    with delivered(csv_file({"ChargePeriodStart": "2026-03-30"})) as delivery:
        (unit,) = delivery.parts[0].units
    assert (unit.period_start, list(unit.days)) == (MAY, [date(2026, 3, 30)])


def test_a_file_of_ours_is_told_apart_by_its_cost_centers_when_asked():
    rows = [
        {"x_CostCenter": "Cursor"},
        {"x_CostCenter": "AWS"},
        {"x_CostCenter": "AWS", "BillingCurrency": "EUR"},
    ]
    with delivered(csv_file(*rows), by_cost_center=True) as delivery:
        assert [(part.cost_center, part.currency) for part in delivery.parts] == [
            *(("AWS", "EUR"), ("AWS", "USD"), ("Cursor", "USD")),
        ]
    with delivered(csv_file(*rows)) as delivery:
        assert [part.cost_center for part in delivery.parts] == ["", ""]


def test_the_digest_of_a_day_is_the_sum_of_those_of_its_lines():
    with delivered(csv_file({"BilledCost": "1"}, {"BilledCost": "2"}, {"BilledCost": "2"})) as delivery:
        part = delivery.parts[0]
        (unit,) = part.units
        ((day, found),) = unit.days.items()
        rows = [row for block in delivery.blocks(part, unit, day) for row in block]
    digests = [int.from_bytes(blake2b(marshal.dumps(row, 2), digest_size=16).digest()) for row in rows]
    assert found.digest == f"{sum(digests) % 2**128:032x}"


def digest_of(*sources: Bytes) -> str:
    with delivered(*sources) as delivery:
        (unit,) = delivery.parts[0].units
        (found,) = unit.days.values()
        return found.digest


@given(st.permutations([{"BilledCost": str(n), "Tags": f"n={n % 3}", "SkuId": str(n % 2)} for n in range(8)]))
@settings(max_examples=20, deadline=None)
def test_the_digest_of_a_day_does_not_depend_on_the_order_of_its_lines(rows):
    ordered = csv_file(*({"BilledCost": str(n), "Tags": f"n={n % 3}", "SkuId": str(n % 2)} for n in range(8)))
    assert digest_of(csv_file(*rows[:3], name="a"), csv_file(*rows[3:], name="b")) == digest_of(ordered)


@pytest.mark.parametrize(
    "change",
    [
        {"BilledCost": "1.6"},
        {"ListCost": "1.6"},
        {"Tags": "a=b"},
        {"ChargePeriodStart": "2026-05-03T01:00:00Z"},
        {"ChargeDescription": "x"},
        {"ChargeCategory": "Tax"},
        {"ServiceName": "Storage"},
    ],
)
def test_the_digest_of_a_day_changes_with_any_change(change):
    assert digest_of(csv_file(change)) != digest_of(csv_file({}))


def test_the_same_lines_have_the_same_digest_in_every_kind_of_file():
    rows = [{"Tags": '{"a": "b"}', "BilledCost": "1.0"}, {"Tags": "a=b", "BilledCost": "1e0"}]
    one, other = (csv_file(row) for row in rows)
    assert digest_of(one) == digest_of(other)
    assert digest_of(one) == digest_of(Bytes(gzip.compress(one.content)))
    assert digest_of(one) == digest_of(parquet_file({"Tags": ['{"a":"b"}'], "BilledCost": [1.0]}))


def test_a_large_day_comes_in_several_blocks_and_is_never_held_whole(monkeypatch):
    monkeypatch.setattr("costcenters.focus.spool.BLOCK_BYTES", 20_000)
    monkeypatch.setattr("costcenters.focus.spool.MOST_BYTES", 60_000)
    monkeypatch.setattr("costcenters.focus.csv_file.BLOCK_BYTES", 20_000)
    most = []
    add = Spool.add

    def watched(self, *given):
        add(self, *given)
        most.append(self._waiting)

    monkeypatch.setattr(Spool, "add", watched)
    rows = [{"ChargePeriodStart": f"2026-05-{1 + n % 20:02}", "BilledCost": str(n)} for n in range(3000)]
    with delivered(csv_file(*rows)) as delivery:
        part = delivery.parts[0]
        (unit,) = part.units
        for day, found in unit.days.items():
            blocks = list(delivery.blocks(part, unit, day))
            assert len(blocks) > 1
            assert sum(map(len, blocks)) == found.line_items == 150
        assert sorted(row["billed_cost"] for row in lines_of(delivery)) == [n * 10**9 for n in range(3000)]
    assert len(most) > 10
    assert max(most) <= 60_000


def test_what_texts_mean_is_forgotten_before_it_fills_the_memory():
    memory = Memory()
    for _ in range(5):
        memory.of("tags").update(dict.fromkeys(map(str, range(REMEMBERED + 1)), ""))
        memory.of("tags")["one more"] = ""
    assert len(memory.of("tags")) <= REMEMBERED


def test_a_unit_has_the_latest_end_and_the_first_name_of_its_rows():
    rows = [
        {"BillingAccountName": "", "BillingPeriodEnd": "2026-05-31"},
        {"BillingAccountName": "Acme", "BillingPeriodEnd": "2026-06-01"},
        {"BillingAccountName": "Zeta", "BillingPeriodEnd": "2026-05-20"},
    ]
    with delivered(csv_file(*rows)) as delivery:
        (unit,) = delivery.parts[0].units
        assert (unit.billing_account_name, unit.period_end) == ("Acme", JUNE)
        assert [each.line_items for each in unit.days.values()] == [3]
        assert len(lines_of(delivery)) == 3


def test_a_file_of_contract_commitments_is_left_out_with_a_note():
    with delivered(csv_file({}), Bytes(COMMITMENTS, "commitments.csv")) as delivery:
        assert delivery.rows == 1
        assert delivery.notes[0] == "commitments.csv: holds contract commitments, not costs, and is left out."


def test_a_file_of_invoice_details_is_left_out_although_it_has_costs():
    details = (
        b"InvoiceDetailId,InvoiceDetailGrain,BilledCost,BillingCurrency,ChargeCategory\n1,{},5,USD,Usage\n"
    )
    with delivered(csv_file({}), Bytes(details, "invoice.csv")) as delivery:
        assert delivery.rows == 1
        assert "invoice details" in delivery.notes[0]


def test_a_delivery_of_nothing_else_is_refused():
    assert "no row of cost and usage" in problem(Bytes(COMMITMENTS, "commitments.csv"))
    assert "no row of cost and usage" in problem()


def test_files_of_version_1_4_are_read():
    renamed = {"ServiceProviderName": "AWS", "HostProviderName": "AWS", "InvoiceDetailId": "7"}
    assert json.loads(line(csv_file(renamed))["details"]) == renamed


def test_columns_that_are_not_kept_are_named():
    with delivered(csv_file({"x_Operation": "RunInstances", "Mine": "1"})) as delivery:
        assert delivery.notes == ("Columns that FOCUS does not have are not kept: x_Operation, Mine.",)


def test_a_clean_file_has_no_notes_and_no_questions():
    with delivered(csv_file({}), csv_file({"BilledCost": "2"}, name="more.csv")) as delivery:
        assert (delivery.notes, delivery.questions) == ((), ())


@pytest.mark.parametrize("cost", ["1.5", "0", "0.00000000037"])
def test_two_files_with_the_same_lines_of_a_day_are_asked_about(cost):
    day = [{"BilledCost": cost}] * 3
    other = {"ChargePeriodStart": "2026-05-04"}
    one, two = csv_file(*day, other, name="a.csv"), csv_file(*day, other | {"BilledCost": "9"}, name="b.csv")
    with delivered(one, two) as delivery:
        (question,) = delivery.questions
    assert question.startswith("b.csv and a.csv hold the same lines of 2026-05-03.")
    with delivered(one, csv_file(*day[1:], name="b.csv")) as delivery:
        assert delivery.questions == ()


@pytest.mark.parametrize("cost", ["1.5", "0.00000000037"])
@pytest.mark.parametrize("other", [{"ResourceId": "i-2"}, {"Tags": '{"a":"b"}'}, {"ChargeDescription": "x"}])
def test_lines_of_the_same_amount_that_differ_otherwise_are_no_copies(cost, other):
    rows = [{"BilledCost": cost, "ResourceId": "i-1", "Tags": "", "ChargeDescription": ""}] * 3
    two = csv_file(*(row | other for row in rows), name="b.csv")
    with delivered(csv_file(*rows, name="a.csv"), two) as delivery:
        assert delivery.questions == ()


def test_fine_amounts_that_differ_less_than_what_was_carried_are_no_copies():
    one, two = (
        csv_file({"BilledCost": "1.0000000001"}, name="a"),
        csv_file({"BilledCost": "1.0000000002"}, name="b"),
    )
    with delivered(one, two) as delivery:
        assert delivery.questions == ()


def test_copies_in_another_order_with_other_lines_between_them_are_asked_about():
    fine = [{"BilledCost": f"0.{n:012}", "ServiceName": f"S{n % 3}"} for n in range(1, 60)]
    between = [{"BilledCost": "0.4999999996", "ChargePeriodStart": "2026-05-07"}] * 7
    with delivered(
        csv_file(*fine, name="a.csv"), csv_file(*between, *reversed(fine), name="b.csv")
    ) as delivery:
        (question,) = delivery.questions
    assert "the same lines of 2026-05-03" in question


def test_a_file_given_twice_is_one_question():
    rows = [{"ChargePeriodStart": f"2026-05-{day:02}"} for day in range(1, 29)]
    with delivered(
        csv_file(*rows), parquet_file({"ChargePeriodStart": [row["ChargePeriodStart"] for row in rows]})
    ) as found:
        assert found.rows == 56
        (question,) = found.questions
    assert "28 days from 2026-05-01 to 2026-05-28" in question


def test_problems_of_all_files_are_told_together():
    refused = refusal(
        csv_file({"BilledCost": "x"}, name="a.csv"),
        Bytes(b"", "b.csv"),
        parquet_file({"BilledCost": [None, "1"]}, name="c.parquet"),
        csv_file({}, name="d.csv"),
    )
    assert [(each.file, each.line) for each in refused.problems] == [
        ("a.csv", 2),
        ("b.csv", 0),
        ("c.parquet", 1),
    ]
    assert refused.total == 3


def test_progress_goes_from_nothing_to_all():
    told: list[tuple[int, int]] = []
    sources = [
        csv_file(*[{"ServiceName": f"S{n}"} for n in range(3000)], name="a.csv"),
        Bytes(gzip.compress(csv_file({}).content), "b.csv.gz"),
        parquet_file({"ServiceName": ["x"] * 3}, name="c.parquet"),
    ]
    size = sum(source.size for source in sources)
    delivered(*sources, progress=lambda done, total: told.append((done, total))).close()
    assert told == sorted(told)
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert {total for _, total in told} == {size}


def test_nothing_is_left_behind(tmp_path: Path):
    class Lost(Exception):
        pass

    scratch = tmp_path / "not" / "there"
    with read_delivery([csv_file({})], scratch=scratch) as delivery:
        assert lines_of(delivery)
    with pytest.raises(DeliveryRefused):
        read_delivery([csv_file({"BilledCost": "x"})], scratch=scratch)
    with pytest.raises(Lost), read_delivery([csv_file({})], scratch=scratch):
        raise Lost
    assert list(scratch.iterdir()) == []


def test_files_are_closed_again():
    opened = []

    class Watched(Bytes):
        def open(self):
            opened.append(super().open())
            return opened[-1]

    good = csv_file({}).content
    delivered(
        Watched(good), Watched(gzip.compress(good)), Watched(parquet_file({"SkuId": ["1"]}).content)
    ).close()
    refusal(
        Watched(csv_file({"BilledCost": "x"}).content), Watched(b""), Watched(b"PAR1"), Watched(good[:300])
    )
    assert len(opened) > 7
    assert all(file.closed for file in opened)
