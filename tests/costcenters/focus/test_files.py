"""CSV files as they come: packed, spelled and broken in many ways."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import sys
import zlib
from contextlib import suppress

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costcenters.focus import files
from costcenters.focus.delivery import DeliveryRefused
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


def text_of(*rows: dict[str, str], **spelling: str) -> str:
    return csv_text([ROW | row for row in rows], **spelling)


def test_a_plain_file_is_read():
    found = line(csv_file({"ServiceName": "Büro & Söhne"}))
    assert (found["service"], found["billed_cost"]) == ("Büro & Söhne", 1_500_000_000)


@pytest.mark.parametrize("name", ["costs.csv.gz", "costs.csv", "part-0001"])
def test_a_gzip_file_is_told_by_its_bytes(name):
    assert line(Bytes(gzip.compress(text_of({}).encode()), name))["service"] == "Compute"


def test_a_gzip_file_in_several_members_is_read_whole():
    head, _, body = text_of(*({"ServiceName": f"S{n}"} for n in range(10))).partition("\n")
    packed = (
        gzip.compress(f"{head}\n".encode())
        + gzip.compress(body[:300].encode())
        + gzip.compress(body[300:].encode())
    )
    assert len(lines(Bytes(packed))) == 10


def test_a_zstd_file_is_read():
    packed = pyarrow.compress(text_of({}).encode(), codec="zstd", asbytes=True)
    assert line(Bytes(packed, "costs.csv.zst"))["service"] == "Compute"


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    assert line(Bytes(text_of({}).encode("utf-8-sig")))["account"] == ""


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    given = {"ServiceName": "A, B", "Tags": '{"a":"1","b":"2"}'}
    assert line(csv_file(given, delimiter=delimiter))["service"] == "A, B"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(newline):
    assert len(lines(csv_file({}, {}, newline=newline))) == 2


def test_values_hold_newlines_and_quotes_and_delimiters():
    described = 'first, line\n"second" line\r\n\r\nlast'
    assert (
        '"first, line\\n\\"second\\" line\\r\\n\\r\\nlast"'
        in line(csv_file({"ChargeDescription": described}))["details"]
    )


def test_headers_are_read_in_any_case_with_blanks_around_them():
    head, _, body = text_of({}).partition("\n")
    odd = ",".join(
        f"  {name.lower() if place % 2 else name.upper()} " for place, name in enumerate(head.split(","))
    )
    assert line(Bytes(f"{odd}\n{body}".encode()))["service"] == "Compute"


def test_blank_lines_do_not_count_as_rows():
    head, _, body = text_of({}, {}).partition("\n")
    assert len(lines(Bytes(f"\n\n{head}\n\n{body}\n\n".encode()))) == 2


def test_a_column_of_others_may_come_twice():
    assert line(Bytes(text_of({"Mine": "1"}).replace("Mine", "Mine,Mine").replace(",1\n", ",1,2\n").encode()))


def test_a_doubled_column_of_ours_is_refused():
    text = text_of({"X": "7"}).replace(",X\n", ",billedcost\n")
    assert (
        problem(Bytes(text.encode())) == "costs.csv, line 1: BilledCost: The column is there more than once."
    )


@pytest.mark.parametrize("column", ["BilledCost", "BillingCurrency", "ChargePeriodStart", "ChargeCategory"])
def test_a_file_without_a_required_column_is_refused(column):
    text = csv_text([{name: value for name, value in ROW.items() if name != column}])
    assert problem(Bytes(text.encode())) == f"costs.csv, line 1: {column}: The column is missing."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"   \n\n", "no FOCUS file"),
        (b"hello world", "no FOCUS file"),
        (b"a,b\n1,2\n", "no FOCUS file"),
        (b'{"BilledCost": 1}', "no FOCUS file"),
        (b"<html><body>Sign in</body></html>", "no FOCUS file"),
        (b"PK\x03\x04rest", "ZIP archive or a spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet"),
        (b"BZh91AY", "bzip2"),
        (b"%PDF-1.7", "PDF"),
        ("BilledCost,X\n1,2\n".encode("utf-16"), "UTF-16"),
        ("BilledCost,X\n1,2\n".encode("utf-16-le"), "UTF-16"),
        ("BilledCost,X\n1,2\n".encode("utf-16-be"), "UTF-16"),
        (b"\x00\x01\x02\x03\x04\x05", "no text"),
        (b"\x1f\x8b", "ends too early"),
        (b"\x1f\x8b\x08\x00garbage and more of it", "damaged"),
        (b"PAR1", "cannot be read"),
        (b"PAR1 and then nothing of the kind", "cannot be read"),
        (gzip.compress(b"", mtime=0), "The file is empty."),
    ],
)
def test_what_is_no_focus_file_is_refused_with_the_reason(content, reason):
    assert reason in problem(Bytes(content))


def test_a_file_with_a_header_only_has_nothing_to_import():
    assert "no row of cost and usage" in problem(Bytes(text_of({}).partition("\n")[0].encode()))


@pytest.mark.parametrize("lost", [1, 8, 100, 1000])
def test_a_gzip_file_that_was_cut_off_is_refused(lost):
    packed = gzip.compress(text_of(*({"ServiceName": str(n * n)} for n in range(2000))).encode())
    assert "ends too early" in problem(Bytes(packed[:-lost]))


def test_a_gzip_file_with_a_wrong_byte_is_refused():
    packed = bytearray(gzip.compress(text_of(*({"ServiceName": str(n * n)} for n in range(2000))).encode()))
    packed[len(packed) // 2] ^= 0xFF
    assert "damaged" in str(refusal(Bytes(bytes(packed))).problems[-1])


def test_a_gzip_file_with_a_wrong_checksum_is_refused():
    content = text_of({}).encode()
    packed = bytearray(gzip.compress(content))
    packed[-8:-4] = (zlib.crc32(content) ^ 1).to_bytes(4, "little")
    assert "damaged" in problem(Bytes(bytes(packed)))


def test_a_row_with_too_few_or_too_many_values_is_named_by_its_line():
    text = (
        text_of({"ChargeDescription": "a\nb"}, {}, {"ServiceName": "X"}).replace(",X,", ",X,,,") + "lonely\n"
    )
    refused = refusal(Bytes(text.encode()))
    assert [str(each) for each in refused.problems] == [
        "costs.csv, line 5: The row has 15 values, the header 13.",
        "costs.csv, line 6: The row has 1 value, the header 13.",
    ]
    assert refused.total == 2


def test_a_problem_names_the_line_on_which_the_row_begins():
    rows = [{"ChargeDescription": "one\n\ntwo\r\nthree"}, {"ChargeDescription": "x\ny", "BilledCost": "1,5"}]
    assert str(problem(csv_file(*rows))).startswith("costs.csv, line 6: BilledCost “1,5”: Holds a comma")


def test_bad_values_before_a_row_of_the_wrong_shape_are_told_too(monkeypatch):
    monkeypatch.setattr("costcenters.focus.csv_file.BLOCK_BYTES", 1000)
    text = text_of({"BilledCost": "x"}, *[{}] * 50, {"ServiceName": "X"}).replace(",X\n", ",X,\n")
    assert [each.line for each in refusal(Bytes(text.encode())).problems] == [2, 53]


def test_bytes_that_are_not_utf_8_are_refused_with_their_line():
    text = text_of({}, {"ServiceName": "Büro"}, {}).encode("latin-1")
    assert problem(Bytes(text)) == "costs.csv, line 3: The file is not UTF-8: save it as UTF-8."


def test_a_header_that_is_not_utf_8_is_refused():
    assert "not UTF-8" in problem(Bytes("BilledCost,Größe\n1,2\n".encode("latin-1")))


def test_a_file_that_ends_inside_a_quoted_value_was_not_copied_whole():
    text = text_of({"Tags": '{"a":"1"}'}, {"Tags": '{"a":"b"}'}).rstrip("\n")
    assert len(lines(Bytes(text.encode()))) == 2
    for lost in (1, 2, 5):
        found = str(refusal(Bytes(text[:-lost].encode())).problems[-1])
        assert (
            found
            == "costs.csv, line 3: The file ends inside a quoted value: it was not copied or uploaded whole."
        )


def test_a_quotation_mark_in_the_middle_of_a_value_is_part_of_it():
    text = text_of({"ServiceName": "INCH"}).replace("INCH", '19" racks')
    assert line(Bytes(text.encode()))["service"] == '19" racks'


def test_a_quotation_mark_that_is_never_closed_is_named_by_its_line(monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr("costcenters.focus.csv_file.BLOCK_BYTES", 10_000)
    text = text_of({}, {"ServiceName": "OPEN"}, *[{}] * 2000).replace("OPEN", '"OPEN')
    assert "line 3: A row begins here that is too long" in problem(Bytes(text.encode()))


def test_rows_are_counted_on_over_blocks(monkeypatch):
    monkeypatch.setattr("costcenters.focus.csv_file.BLOCK_BYTES", 2000)
    rows = [{"ServiceName": f"S{n}", "BilledCost": "x" if n in (500, 900) else "1"} for n in range(1000)]
    assert [each.line for each in refusal(csv_file(*rows)).problems] == [502, 902]
    with delivered(csv_file(*({"ServiceName": f"S{n}"} for n in range(1000)))) as delivery:
        assert delivery.rows == 1000


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 600),
            st.integers(0, 3),
            st.binary(max_size=4) | st.sampled_from([b'"', b"\n", b"\r", b","]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_damage_is_read_or_refused(changes):
    text = text_of({"Tags": '{"a":"b"}'}, {"ChargeDescription": 'x\n"y"'}, {"ServiceName": "é"}).encode()
    for place, length, other in changes:
        text = text[:place] + other + text[place + length :]
    with suppress(DeliveryRefused):
        lines(Bytes(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text('a"\n\r,é ', max_size=8), min_size=1, max_size=12), st.data())
def test_the_line_of_a_bad_row_is_right_whatever_the_rows_before_it_hold(texts, data):
    bad = data.draw(st.integers(0, len(texts) - 1))
    rows = [{"ChargeDescription": text, "BilledCost": "1"} for text in texts]
    rows[bad]["BilledCost"] = "x"
    (found,) = refusal(csv_file(*rows)).problems
    newlines = sum(len(re.findall(r"\r\n|\r|\n", text)) for text in texts[:bad])
    assert found.line == 2 + bad + newlines


def test_twenty_problems_are_kept_and_all_counted():
    rows = [{"BilledCost": "x", "ChargeCategory": "y"}] * 300
    refused = refusal(csv_file(*rows))
    assert refused.total == 600
    assert len(refused.problems) == 20
    assert [each.line for each in refused.problems] == sorted(each.line for each in refused.problems)


@pytest.mark.parametrize("depth", [300, 500, 900, 1500, 50_000])
def test_tags_of_any_depth_are_kept_or_refused_with_their_line(depth):
    tags = '{"a":' * depth + "1" + "}" * depth
    with suppress(DeliveryRefused), delivered(csv_file({"Tags": tags})) as delivery:
        assert delivery.rows == 1
        return
    assert problem(csv_file({"Tags": tags})).startswith("costs.csv, line 2: Tags")


def test_a_number_of_a_million_digits_is_refused_with_its_line():
    assert "line 2: BilledCost" in problem(csv_file({"BilledCost": "1" * 1_100_000}))


def test_an_endless_value_is_shown_shortened_and_without_control_characters():
    found = problem(csv_file({"BilledCost": "1\x1b[31m" + "9" * 500}))
    assert "\x1b" not in found
    assert len(found) < 250


def test_a_source_that_cannot_be_read_is_no_fault_of_the_delivery():
    class Broken(Bytes):
        def open(self):
            raise PermissionError("no")

    class Failing(Bytes):
        def open(self):
            file = super().open()
            file.read = lambda *_: (_ for _ in ()).throw(ConnectionError("gone"))
            return file

    with pytest.raises(PermissionError):
        delivered(Broken(b"", "a.csv"))
    with pytest.raises(ConnectionError):
        delivered(Failing(text_of({}).encode(), "a.csv"))


def test_a_source_that_fails_midway_is_no_fault_of_the_delivery():
    class Failing(Bytes):
        def open(self):
            file = super().open()
            read, calls = file.read, iter(range(10))

            def sometimes(*size):
                if next(calls) > 1:
                    raise TimeoutError("S3 is silent")
                return read(*size)

            file.read = sometimes
            return file

    with pytest.raises(TimeoutError):
        delivered(Failing(text_of(*[{"ServiceName": "x" * 100}] * 10_000).encode(), "a.csv"))


@pytest.mark.parametrize("endless", ["a", ",", '"x\n",'])
def test_a_row_without_an_end_is_not_taken_into_memory(endless, monkeypatch):
    """A file of some megabytes may unpack to as many gigabytes."""
    monkeypatch.setattr("costcenters.focus.csv_file.BLOCK_BYTES", 10_000)
    monkeypatch.setattr("costcenters.focus.csv_file.LONGEST_RECORD", 20_000)
    opened: list[io.BytesIO] = []

    class Watched(Bytes):
        def open(self):
            opened.append(super().open())
            opened[-1].close = lambda: None
            return opened[-1]

    text = text_of({}) + endless * 3_000_000
    assert "line 3: A row begins here that is too long" in problem(Watched(text.encode()))
    assert max(file.tell() for file in opened[1:]) < 3 << 20


@pytest.mark.parametrize("rows", [1, 20_000])
def test_nothing_is_read_ahead_any_more_when_a_file_was_refused(rows: int):
    """A thread that reads on while Python ends would bring the process down, or keep it from ending."""
    script = f"""
import gzip, pathlib, sys, tempfile, threading, time
from costcenters.focus import csv_file
from costcenters.focus.delivery import DeliveryRefused, read_delivery
from tests.costcenters.focus.deliveries import Bytes, csv_text, ROW

class Slow(csv_file.Unpacked):
    def read(self, size=-1):
        found = super().read(size)
        if isinstance(threading.current_thread(), threading._DummyThread):  # not of Python's own
            time.sleep(0.3)
        return found

csv_file.Unpacked = Slow
text = csv_text([ROW] * {rows}).encode() + b"," * (60 << 20)
try:
    read_delivery([Bytes(gzip.compress(text, 1))], scratch=pathlib.Path(tempfile.mkdtemp()))
except DeliveryRefused:
    sys.exit(7)
"""
    setup = "import django; django.setup()"
    ran = subprocess.run(
        [sys.executable, "-c", setup + script], capture_output=True, check=False, timeout=120
    )
    assert ran.returncode == 7, ran.stderr.decode()[-500:]
