"""Every figure of the overview is the explorer's for its link, and comes fast."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from urllib.parse import urlsplit

import pytest
import time_machine
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from costcenters.catalog import Catalog
from costcenters.cost_query import Measure
from costcenters.dimensions import value_label
from costcenters.display.charts import chart_data, series_of
from costcenters.display.figures import Shown, difference, shown
from costcenters.explorer import report
from costcenters.links import explorer_url
from costcenters.models import DailyCost
from costcenters.overview.page import OverviewPage, overview_page
from costcenters.query_form import CostQueryForm
from costcenters.report import Report
from finops.money import EXACT
from tests.costcenters.conftest import NOW
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory

pytestmark = pytest.mark.django_db
MODELS = ["claude-4.5-sonnet", "claude-4.5-opus", "gpt-5.5-high", "composer-2.5-fast", "default", "o3", ""]
KINDS = ["Included in Business", "Usage-based", "USAGE_EVENT_KIND_USAGE_BASED"]


def page_at(now: datetime, currency: str = "") -> OverviewPage:
    return overview_page(Catalog(today=now.date()), now=now, currency=currency)


def answer(url: str, now: datetime) -> Report:
    """What the explorer says behind `url`."""
    parts = urlsplit(url)
    assert parts.path == "/explorer/"
    catalog = Catalog(today=now.date())
    form = CostQueryForm(QueryDict(parts.query), catalog=catalog)
    assert form.is_valid(), (url, form.errors)
    return report(form.query(), now=now, catalog=catalog)


def total(url: str, now: datetime) -> Shown:
    found = answer(url, now)
    return shown(found.total.measure, found.query.measure, found.currency)


def fill(seed: int, now: datetime, *, people: int = 12, each_day: int = 4) -> None:
    """Generated cost of 110 days: two currencies, credits, estimates, tags, people who come and go."""
    chance = random.Random(seed)
    through = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=chance.choice([0, 1, 9, 30]))
    cursor = CostCenterFactory(complete_through=through, connected_on=now.date() - timedelta(days=10))
    second = CostCenterFactory(name="Cursor Labs", complete_through=through)
    aws = CostCenterFactory(name="AWS", provider="aws", complete_through=through)
    euro = CostCenterFactory(name="Cursor Europe", currency="EUR", complete_through=through)
    gcp = CostCenterFactory(name="GCP", provider="gcp", currency="EUR", complete_through=None)
    tags = [TagSetFactory(tags={"Team": name, "env": "prod"}) for name in ("web", "data", "ml")]
    tags += [TagSetFactory(tags={"env": "dev"}), None]
    rows = []
    for ago in range(110):
        day = now.date() - timedelta(days=ago)
        for center in (cursor, second, euro):
            for _ in range(each_day):
                billed = nanos(chance, 4) if chance.random() < 0.5 else Decimal(0)
                user = chance.choice(["", *(f"user{n}@example.com" for n in range(people))])
                rows.append(
                    DailyCost(
                        cost_center=center,
                        day=day,
                        charge_type="usage",
                        user=user,
                        model=chance.choice(MODELS),
                        kind=chance.choice(KINDS),
                        surface=chance.choice(["editor", "headless", "automation"]),
                        is_estimated=chance.random() < 0.1,
                        billed_cost=billed,
                        effective_cost=billed,
                        list_cost=billed + nanos(chance, 3),
                        input_tokens=chance.randrange(10**6),
                        cache_read_tokens=chance.randrange(10**7),
                        line_items=chance.randrange(1, 9),
                    )
                )
            if center != second:
                rows += [
                    DailyCost(
                        cost_center=center,
                        day=day,
                        charge_type="seat",
                        user=f"user{n}@example.com",
                        is_estimated=True,
                        billed_cost=Decimal("1.333333333"),
                        effective_cost=Decimal("1.333333333"),
                        list_cost=Decimal("1.333333333"),
                        line_items=1,
                    )
                    for n in range(people, people + 4 if center == cursor else people + 2)
                ]
        for center in (aws, gcp):
            for _ in range(4):
                billed = nanos(chance, 90)
                rows.append(
                    DailyCost(
                        cost_center=center,
                        day=day,
                        charge_type=chance.choice(["usage", "tax", "purchase"]),
                        service=chance.choice(["Amazon EC2", "Amazon S3", "BigQuery", ""]),
                        model=chance.choice(["BoxUsage", ""]),
                        tag_set=chance.choice(tags),
                        billed_cost=billed,
                        effective_cost=billed,
                        list_cost=billed,
                        line_items=2,
                    )
                )
        if ago % 7 == 0:
            credit = -nanos(chance, 400)
            center = chance.choice([cursor, aws, gcp])
            rows.append(
                DailyCost(cost_center=center, day=day, charge_type="credit", billed_cost=credit, line_items=1)
            )
    DailyCost.objects.bulk_create(rows, batch_size=500)


def nanos(chance: random.Random, most: int) -> Decimal:
    return Decimal(chance.randrange(most * 10**9)).scaleb(-9)


MOMENTS = [
    datetime(2026, 11, 21, 15, 20, tzinfo=UTC),
    datetime(2026, 11, 1, 0, 40, tzinfo=UTC),
    datetime(2026, 3, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 1, 2, 9, 0, tzinfo=UTC),
]


def the_months_and_their_parts_are_the_explorers(page, now):
    code = page.currency
    for month in page.months:
        behind = answer(month.total.url, now)
        assert behind.currency == code
        assert month.total.figure == shown(behind.total.measure, Measure.BILLED, code)
        assert month.estimated == shown(behind.estimated, Measure.BILLED, code)
        if month.comparison:
            compared = month.comparison
            for side in (compared.now, compared.before):
                assert side.figure == total(side.url, now)
            one, other = answer(compared.now.url, now), answer(compared.before.url, now)
            assert not any(period.is_incomplete for period in one.periods)
            together = replace(one.total, before=other.total.measure)
            assert compared.change == difference(together, Measure.BILLED, code)
    whole = Decimal(0)
    for part in page.parts:
        behind = answer(part.amount.url, now)
        assert part.amount.figure == shown(behind.total.measure, Measure.BILLED, code)
        assert part.estimated == (shown(behind.estimated, Measure.BILLED, code) if behind.estimated else None)
        whole += behind.total.measure
    assert whole == answer(page.months[0].total.url, now).total.measure


def the_chart_is_the_explorers(page, now):
    behind = answer(page.chart_url, now)
    catalog = Catalog()
    series = series_of(behind, catalog, explorer_url)
    assert page.chart == chart_data(behind, series)
    assert list(page.legend) == series


def what_the_plan_buys_is_the_explorers(page, now):
    plan = page.plan
    for linked in (plan.value.included, plan.value.seats, plan.cost):
        assert linked.figure == total(linked.url, now)
    assert answer(plan.value.included.url, now).query.measure == Measure.SAVINGS
    cost = answer(plan.cost.url, now).total.measure
    for unit in plan.units:
        behind = answer(unit.url, now)
        count = (
            behind.total.measure if unit.unit == "million tokens" else len(behind.rows) + behind.other_count
        )
        size = 10**6 if unit.unit == "million tokens" else 1
        if not count:
            assert unit.figure == Shown("–")
            continue
        exact = EXACT.quantize(EXACT.divide(EXACT.multiply(cost, size), Decimal(count)), Decimal("1e-9"))
        assert unit.figure == shown(exact, Measure.BILLED, page.currency)
        if unit.unit != "million tokens":
            assert unit.denominator.startswith(f"{count} ")


def seats_are_counted_as_the_explorer_filters_them(page, now):
    seats = page.plan.seats
    idle = answer(seats.idle_url, now)
    assert seats.idle_count == len(idle.rows) > 0
    assert sorted(row.value for row in idle.rows) == [person.text for person in seats.idle]
    held = answer(seats.held_url, now)
    assert {row.value: len(row.children) for row in held.rows} == {
        key: count for key, count in (("active", seats.active), ("idle", seats.idle_count)) if count
    }
    for person in seats.idle:
        assert answer(person.url, now).total.events > 0


def rankings_are_the_explorers(page, now):
    assert [ranking.title for ranking in page.rankings][-3:] == ["Cost centers", "Models", "People"]
    for ranking in page.rankings:
        behind = answer(ranking.url, now)
        key = behind.query.group_by[0]
        assert ranking.count == len(behind.rows) + behind.other_count
        assert [(row.label, row.amount) for row in ranking.rows] == [
            (value_label(key, row.value), shown(row.amounts.measure, Measure.BILLED, page.currency))
            for row in behind.rows[:5]
        ]
        for row in ranking.rows:
            assert row.amount == total(row.url, now)


def changes_are_the_explorers_of_complete_days(page, now):
    assert [change.title for change in page.changes] == ["Models", "Services", "People"]
    for change in page.changes:
        behind = answer(change.url, now)
        assert behind.span.days == 7
        assert not any(period.is_incomplete for period in behind.periods)
        key = behind.query.group_by[0]
        assert [(row.label, row.change) for row in change.rows] == [
            (value_label(key, row.value), difference(row.amounts, Measure.BILLED, page.currency))
            for row in (*behind.risen[:3], *behind.fallen[:3])
        ]
        for row in change.rows:
            amounts = answer(row.url, now).total
            assert (row.now, row.before) == tuple(
                shown(figure, Measure.BILLED, page.currency) for figure in (amounts.measure, amounts.before)
            )


def every_link_is_a_question_the_explorer_understands(page, now):
    client = Client()
    client.force_login(UserFactory(role="Viewer"))
    with time_machine.travel(now, tick=False):
        text = unescape(client.get(f"/?currency={page.currency}").text)
        links = set(re.findall(r'href="(/explorer/\?[^"]*)"', text))
        assert len(links) > 40
        for link in links:
            answer(link, now)


# What each check looks at is one generated bill, made once ------------------------------------------------------------


CHECKS = [
    the_months_and_their_parts_are_the_explorers,
    the_chart_is_the_explorers,
    what_the_plan_buys_is_the_explorers,
    seats_are_counted_as_the_explorer_filters_them,
    rankings_are_the_explorers,
    changes_are_the_explorers_of_complete_days,
    every_link_is_a_question_the_explorer_understands,
]


@pytest.mark.parametrize(
    ("seed", "now", "currency"),
    [(seed, now, currency) for seed, now in enumerate(MOMENTS) for currency in ("USD", "EUR")],
)
def test_every_figure_is_the_explorers(subtests, seed, now, currency):
    fill(seed, now)
    page = page_at(now, currency)
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(page, now)


# Speed -------------------------------------------------------------------------------------------------


def queries(client: Client, path: str = "/") -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_the_number_of_queries_is_fixed_and_small(viewer):
    fill(7, NOW, each_day=2)
    few = queries(viewer)
    for n in range(25):
        DailyCostFactory(user=f"u{n}", model=f"m{n}", tag_set=TagSetFactory(tags={"team": f"t{n}"}))
        CostCenterFactory(name=f"Cursor {n}", currency=["USD", "EUR"][n % 2])
    assert queries(viewer) == few <= 15
    assert queries(viewer, "/?currency=EUR") <= 15
