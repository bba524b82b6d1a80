"""Imports that are killed, that run at the same time, and while people look at reports: as processes of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.explorer import report
from costcenters.models import CostCenter, CostLineItem, DailyCost, StatementDay
from costcenters.query_form import CostQueryForm
from integrations.models import SyncRun
from tests.costcenters.lines import assert_roll_up_equals_lines
from tests.processes import manage

from . import focus_bill
from .bills import bill, row
from .uploading import files_center

pytestmark = pytest.mark.django_db(transaction=True)


def large(tmp_path, rows=25_000):
    path = tmp_path / "large.csv"
    return path, focus_bill.write(path, rows)


def assert_equals(truth):
    stored = {}
    for service, cost in DailyCost.objects.values_list("service", "billed_cost"):
        stored[service] = stored.get(service, 0) + int(cost.scaleb(9))
    assert stored == truth.billed
    assert CostLineItem.objects.count() == truth.rows


def test_killed_while_it_writes_and_started_again_it_holds_everything_once(tmp_path):
    path, truth = large(tmp_path)
    arguments = ("import_focus", str(path), "--cost-center", "AWS")
    killed_at = set()
    for days in (3, 11):
        process = manage(*arguments, SYNC_LEASE_SECONDS="1")
        while StatementDay.objects.values("day").distinct().count() < days and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        killed_at.add(StatementDay.objects.values("day").distinct().count())
        assert CostLineItem.objects.count() == sum(day.line_items for day in StatementDay.objects.all())
        assert_roll_up_equals_lines()
    assert killed_at <= set(range(3, 31)), "no kill ever hit an import at work"

    last = manage(*arguments, SYNC_LEASE_SECONDS="1")
    told, _ = last.communicate(timeout=120)

    assert last.returncode == 0, told
    assert_equals(truth)
    assert_roll_up_equals_lines()
    outcomes = list(SyncRun.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == ["interrupted", "interrupted", "done"]


def test_two_imports_at_once_take_turns(tmp_path):
    path, truth = large(tmp_path, rows=10_000)
    files_center("AWS", status=CostCenter.Status.ACTIVE)
    both = [manage("import_focus", str(path), "--cost-center", "AWS") for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], told
    assert sorted(SyncRun.objects.values_list("outcome", flat=True)) == ["done", "unchanged"]
    assert_equals(truth)


def test_two_imports_of_the_same_tags_into_two_cost_centers_do_not_block_each_other(tmp_path):
    rows = [row(f"2026-10-0{number % 3 + 1}", Tags=f'{{"n": "{number}"}}') for number in range(6000)]
    files = {"AWS": bill(tmp_path / "a.csv", *rows), "Copy": bill(tmp_path / "b.csv", *rows[::-1])}
    both = [manage("import_focus", str(path), "--cost-center", name) for name, path in files.items()]
    told = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], told
    for name in files:
        lines = CostLineItem.objects.filter(cost_center__name=name)
        assert lines.values("tag_set").distinct().count() == lines.count() == len(rows)
    assert_roll_up_equals_lines()


def test_reports_answer_while_an_import_is_at_work(tmp_path):
    path, truth = large(tmp_path, rows=20_000)
    process = manage("import_focus", str(path), "--cost-center", "AWS")
    seen = []
    while process.poll() is None:
        if not CostCenter.objects.exists():
            time.sleep(0.01)
            continue
        now = datetime(2026, 11, 20, tzinfo=UTC)
        form = CostQueryForm(
            QueryDict("start=2026-10-01&end=2026-10-31&granularity=day&currency=USD"),
            catalog=Catalog(today=now.date()),
        )
        assert form.is_valid(), form.errors
        seen.append(report(form.query(), now=now).total.measure)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert seen == sorted(seen), "a day is there whole or not at all"
    assert_equals(truth)
