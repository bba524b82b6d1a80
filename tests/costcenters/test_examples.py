"""The example bills of the demo: the same on every start, and shaped like real ones."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from costcenters import examples
from costcenters.examples import AWS, DAY, EXAMPLES, lines
from costcenters.models import ChargeType, CostCenter, CostLineItem
from tests.factories import CostCenterFactory

FIRST, END = date(2026, 8, 23), date(2026, 11, 21)
NOVEMBER = date(2026, 11, 1), date(2026, 12, 1)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_day_is_the_same_whatever_span_is_asked_for(example):
    late = date(2026, 10, 25)
    alone = list(lines(example, late, END))
    assert list(lines(example, FIRST, END))[-len(alone) :] == alone


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_month_holds_usage_a_purchase_a_credit_and_tax(example):
    found = {line.charge_type for line in lines(example, *NOVEMBER)}
    assert found == {"usage", "purchase", "credit", "tax"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_over_a_month_effective_and_billed_cost_are_the_same(example):
    month = list(lines(example, *NOVEMBER))
    assert sum(line.billed_nano for line in month) == sum(line.effective_nano for line in month) > 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_covered_usage_is_not_billed_again_and_carries_the_day_of_the_commitment(example):
    covered = [line for line in lines(example, END, END + DAY) if line.kind == example.commitment]
    assert covered
    assert {line.billed_nano for line in covered} == {0}
    assert sum(line.effective_nano for line in covered) == example.commitment_nanos_per_day
    assert sum(line.list_nano for line in covered) > example.commitment_nanos_per_day


@pytest.mark.parametrize("example", EXAMPLES)
def test_lines_have_services_regions_accounts_and_tags(example):
    usage = [line for line in lines(example, FIRST, END) if line.charge_type == ChargeType.USAGE]
    assert len({line.service for line in usage}) > 6
    assert len({line.region for line in usage}) >= 3
    assert {line.account for line in usage} == {account.name for account in example.accounts}
    assert {key for line in usage for key, _ in line.tags} == {"env", "team"}


@pytest.mark.django_db
def test_a_later_start_extends_the_bill_and_changes_no_day_that_is_there():
    examples.add(FIRST, date(2026, 9, 5))
    before = set(CostLineItem.objects.values_list("pk", "started_at", "billed_cost", "service", "account"))
    examples.add(FIRST, date(2026, 9, 7))
    after = set(CostLineItem.objects.values_list("pk", "started_at", "billed_cost", "service", "account"))
    assert before < after
    assert {row[1].date() for row in after - before} == {date(2026, 9, 5), date(2026, 9, 6)}
    center = CostCenter.objects.get(name="AWS (example)")
    assert (center.provider, center.status) == ("aws", CostCenter.Status.ACTIVE)
    assert center.complete_through == datetime(2026, 9, 7, tzinfo=UTC)


@pytest.mark.django_db
def test_a_cost_center_somebody_has_made_under_that_name_is_left_alone():
    CostCenterFactory(name=AWS.name, provider="cursor")
    examples.add(FIRST, date(2026, 8, 25))
    assert not CostLineItem.objects.filter(cost_center__name=AWS.name).exists()
    assert CostLineItem.objects.filter(cost_center__provider="gcp").exists()
