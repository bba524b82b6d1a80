"""How far a report is complete, and reports over complete periods alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from costcenters.models import CostCenter
from tests.costcenters.conftest import SPAN
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


def test_periods_after_what_is_complete_are_flagged(ask):
    CostCenterFactory(complete_through=datetime(2026, 11, 20, 9, tzinfo=UTC))
    answer = ask(SPAN)
    assert [p.start.day for p in answer.periods if p.is_incomplete] == [20, 21]
    assert str(answer.freshness) == "Complete through 20 Nov 2026, 09:00 UTC"


def test_freshness_is_the_least_among_the_live_cost_centers_asked_for(ask):
    CostCenterFactory()
    status = CostCenter.Status
    CostCenterFactory(name="Old", complete_through=datetime(2026, 11, 2, tzinfo=UTC), provider="aws")
    CostCenterFactory(
        name="Gone", complete_through=datetime(2025, 1, 1, tzinfo=UTC), status=status.DISCONNECTED
    )
    CostCenterFactory(name="Bad", complete_through=None, status=status.NEEDS_ATTENTION)
    fresh = ask(SPAN).freshness
    assert (str(fresh), fresh.oldest, fresh.stuck) == (
        "Complete through 2 Nov 2026, 00:00 UTC",
        "Old",
        ("Bad",),
    )
    assert str(ask(f"{SPAN}&cost_center=Cursor").freshness) == "Complete through 21 Nov 2026, 14:00 UTC"


def test_an_old_month_of_files_does_not_hold_back_what_is_said_of_the_others(ask):
    CostCenterFactory()
    CostCenterFactory(name="May", complete_through=datetime(2026, 6, 1, tzinfo=UTC), provider="focus_files")
    fresh = ask(SPAN).freshness
    assert (str(fresh), fresh.silent, fresh.state) == (
        "Complete through 21 Nov 2026, 14:00 UTC",
        ("May",),
        "",
    )
    assert "May has had no file for weeks" in fresh.detail
    alone = ask(f"{SPAN}&cost_center=May").freshness
    assert (str(alone), alone.silent) == ("Complete through 1 Jun 2026, 00:00 UTC", ())


@pytest.mark.parametrize(
    "granularity, end, before",
    [
        ("day", date(2026, 11, 20), date(2026, 10, 31)),
        ("total", date(2026, 11, 20), date(2026, 10, 31)),
        ("week", date(2026, 11, 15), date(2026, 10, 31)),
    ],
)
def test_the_report_ends_before_the_first_period_that_may_still_grow(ask, granularity, end, before):
    for day in range(1, 22):
        DailyCostFactory(day=date(2026, 11, day), user=f"u{day % 3}")
    text = f"{SPAN}&complete=1&granularity={granularity}&compare=previous"
    for answer in (ask(text), ask(f"{text}&group_by=user")):
        assert answer.span.end == end
        assert answer.compare_span.end == before
        assert answer.compare_span.days == answer.span.days
        assert answer.total.measure == end.day == sum(p.amounts.measure for p in answer.periods)
        assert not any(period.is_incomplete for period in answer.periods)
        assert answer.query.span.end == date(2026, 11, 21)


def test_a_part_of_a_period_that_is_complete_is_kept(ask):
    CostCenterFactory()
    answer = ask("start=2026-11-01&end=2026-11-18&complete=1&granularity=month")
    assert (answer.span.end, len(answer.periods)) == (date(2026, 11, 18), 1)


@pytest.mark.parametrize("grouped", ["", "&group_by=user", "&group_by=user&group_by=model"])
@pytest.mark.parametrize("more", ["", "&compare=previous&sort=change", "&granularity=total&compare=year"])
def test_nothing_complete_is_an_empty_report(ask, viewer, grouped, more):
    DailyCostFactory(day=date(2026, 11, 21), user="a")
    text = f"start=2026-11-21&end=2026-11-30&complete=1{grouped}{more}"
    answer = ask(text)
    assert answer.is_empty
    assert (answer.span, answer.compare_span, answer.periods, answer.rows) == (None, None, (), ())
    assert (answer.total.measure, answer.total.before, answer.other, answer.split) == (0, None, None, {})
    assert viewer.get(f"/explorer/?{text}").status_code == 200


def test_asking_for_complete_periods_does_not_change_the_currency(ask):
    DailyCostFactory(day=date(2026, 11, 21), billed_cost=Decimal(9))
    euro = CostCenterFactory(name="Euro", currency="EUR")
    DailyCostFactory(day=date(2026, 11, 5), cost_center=euro)
    answer = ask(f"{SPAN}&complete=1")
    assert (answer.currency, answer.currencies, answer.total.measure) == ("USD", ("EUR", "USD"), 0)
