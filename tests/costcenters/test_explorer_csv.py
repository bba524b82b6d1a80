"""The export holds exactly what the roll-up holds: checked against sums made without the explorer."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.costcenters.conftest import SPAN
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db
FIGURES = (
    "billed_cost,effective_cost,list_cost,"
    "input_tokens,output_tokens,cache_write_tokens,cache_read_tokens,line_items"
)


def export(client, text: str) -> list[list[str]]:
    response = client.get(f"/explorer/export.csv?{text}")
    assert response.status_code == 200, response.content
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode(), newline="")))


def guarded(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


VALUES = {
    "cost_center": lambda row: row.cost_center.name,
    "provider": lambda row: row.cost_center.provider,
    "user": lambda row: row.user,
    "model": lambda row: row.model,
    "model_family": lambda row: {"": "", "claude-4": "Claude", "gpt-5": "GPT"}.get(row.model, "Other"),
    "charge_type": lambda row: row.charge_type,
    "tag:team": lambda row: row.tag_set.tags["team"] if row.tag_set else "",
}
STARTS = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "total": lambda day: date(2026, 10, 3),
}


@pytest.mark.parametrize("granularity", list(STARTS))
@pytest.mark.parametrize(
    "keys",
    [[], ["user"], ["model_family", "cost_center"], ["tag:team", "provider"], ["charge_type", "model"]],
)
def test_every_row_equals_an_independent_sum(viewer, some_rows, granularity, keys):
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 8)
    for row in some_rows:
        if date(2026, 10, 3) <= row.day <= date(2026, 11, 15):
            key = (STARTS[granularity](row.day).isoformat(), *(VALUES[each](row) for each in keys))
            sums[key] = [
                total + getattr(row, name) for total, name in zip(sums[key], FIGURES.split(","), strict=True)
            ]
    grouped = "".join(f"&group_by={key}" for key in keys)
    header, *lines = export(viewer, f"start=2026-10-03&end=2026-11-15&granularity={granularity}{grouped}")

    assert header == ["period", *keys, *FIGURES.split(",")]
    width = 1 + len(keys)
    expected = {(key[0], *map(guarded, key[1:])): figures for key, figures in sums.items()}
    assert {tuple(line[:width]): [Decimal(cell) for cell in line[width:]] for line in lines} == expected
    assert len(lines) == len(expected)
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)


def test_the_export_is_never_cut_whatever_the_page_shows(viewer):
    for n in range(15):
        DailyCostFactory(user=f"u{n}")
    cut = export(viewer, f"{SPAN}&group_by=user&top=3&measure=tokens&compare=previous")
    assert cut == export(viewer, f"{SPAN}&group_by=user")
    assert len(cut) == 16


def test_amounts_are_plain_decimals_and_counts_plain_integers(viewer):
    DailyCostFactory(billed_cost=Decimal("0.000000001"), list_cost=Decimal("-1234567.5"), line_items=1200000)
    [_, line] = export(viewer, SPAN)
    assert line == ["2026-11-20", "0.000000001", "0.000000001", "-1234567.50", "0", "0", "0", "0", "1200000"]


def test_rows_without_any_line_item_are_left_out(viewer):
    DailyCostFactory(user="nobody", line_items=0)
    assert len(export(viewer, f"{SPAN}&group_by=user")) == 1
    assert len(export(viewer, f"{SPAN}&granularity=total")) == 1


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_spreadsheet_takes_a_name_for_a_formula(viewer, begin):
    DailyCostFactory(user=f"{begin}1+1")
    [_, line] = export(viewer, f"{SPAN}&group_by=user")
    assert line[1] == f"'{begin}1+1"


def test_nothing_is_a_header_alone(viewer):
    assert export(viewer, SPAN) == [["period", *FIGURES.split(",")]]


def test_the_file_is_utf_8_without_preamble_and_says_what_it_is(viewer):
    DailyCostFactory(user="naïve")
    response = viewer.get(f"/explorer/export.csv?{SPAN}&group_by=user")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == (
        'attachment; filename="onebill_2026-11-01_2026-11-21_UTC_USD_complete-through-2026-11-21T14-00Z.csv"'
    )
    assert response.streaming
    body = b"".join(response.streaming_content)
    assert body.startswith(b"period,user,")
    assert "naïve".encode() in body


def test_an_export_holds_one_currency(viewer):
    DailyCostFactory(billed_cost=Decimal(9))
    DailyCostFactory(billed_cost=Decimal(1), cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    assert export(viewer, SPAN)[1][1] == "9.00"
    assert export(viewer, f"{SPAN}&currency=EUR")[1][1] == "1.00"
    assert "_EUR_" in viewer.get(f"/explorer/export.csv?{SPAN}&currency=EUR")["Content-Disposition"]


def test_an_export_that_is_still_loading_says_so_in_its_name(viewer):
    DailyCostFactory(cost_center=CostCenterFactory(complete_through=None, status="connecting"))
    assert "still-loading" in viewer.get("/explorer/export.csv")["Content-Disposition"]


def test_only_complete_periods_are_exported_and_the_name_tells_the_span(viewer):
    for day in (12, 20, 21):
        DailyCostFactory(day=date(2026, 11, day))
    text = f"{SPAN}&complete=1"
    assert [line[0] for line in export(viewer, text)[1:]] == ["2026-11-12", "2026-11-20"]
    assert [line[0] for line in export(viewer, f"{text}&granularity=week")[1:]] == ["2026-11-09"]
    assert export(viewer, f"{text}&granularity=total")[1][:2] == ["2026-11-01", "2.00"]
    named = viewer.get(f"/explorer/export.csv?{text}&granularity=week")["Content-Disposition"]
    assert "onebill_2026-11-01_2026-11-15_UTC" in named


def test_an_export_of_nothing_complete_is_a_header_with_a_name_that_says_so(viewer):
    DailyCostFactory(day=date(2026, 11, 21))
    text = "start=2026-11-21&end=2026-11-22&complete=1"
    assert len(export(viewer, text)) == 1
    named = viewer.get(f"/explorer/export.csv?{text}")["Content-Disposition"]
    assert "onebill_nothing-complete_UTC_USD_complete-through" in named


def test_the_order_on_the_page_does_not_change_the_export(viewer):
    for n in range(3):
        DailyCostFactory(user=f"u{n}", billed_cost=Decimal(n))
    assert export(viewer, f"{SPAN}&group_by=user&sort=-measure") == export(viewer, f"{SPAN}&group_by=user")


def test_there_is_no_cap_on_the_span(viewer):
    DailyCostFactory(day=date(1999, 1, 4))
    DailyCostFactory(day=date(2026, 11, 20))
    lines = export(viewer, "start=1970-01-01&end=2199-12-31")
    assert [line[0] for line in lines[1:]] == ["1999-01-04", "2026-11-20"]


@pytest.mark.parametrize(
    "text, named",
    [
        ("granularity=hour", "granularity: "),
        ("start=2026-13-01", "start: "),
        ("foo=1", "foo: "),
        ("user=%00", "user: "),
        ("a%00b=1", "a�b: "),
        ("group_by=user&group_by=model&group_by=kind", "group_by: "),
        ("&".join(f"user=u{n}" for n in range(10_000)), "At most 1000 parameters"),
    ],
)
def test_a_mistake_is_a_400_that_names_the_field(viewer, text, named):
    response = viewer.get(f"/explorer/export.csv?{text}")
    assert response.status_code == 400
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode().startswith(named)


def test_freshness_in_the_name_is_utc(viewer):
    CostCenterFactory(complete_through=datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    assert "2026-11-20T23-00Z" in viewer.get("/explorer/export.csv")["Content-Disposition"]
