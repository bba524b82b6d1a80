"""The overview: what is incomplete is not compared, names come on a click, and it says what is missing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine

from costcenters.catalog import Catalog
from costcenters.models import CostCenter, SeatPrice
from costcenters.overview.page import OverviewPage, overview_page
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory

pytestmark = pytest.mark.django_db


def page_at(now: datetime, currency: str = "") -> OverviewPage:
    return overview_page(Catalog(today=now.date()), now=now, currency=currency)


# The months --------------------------------------------------------------------------------------------


def test_the_month_to_date_is_compared_by_its_complete_days(at_now):
    DailyCostFactory(day=date(2026, 11, 20), billed_cost=Decimal(3))
    DailyCostFactory(day=date(2026, 11, 21), billed_cost=Decimal(50))  # today, complete through 14:00
    DailyCostFactory(day=date(2026, 10, 20), billed_cost=Decimal(2))
    DailyCostFactory(day=date(2026, 10, 21), billed_cost=Decimal(100))
    month = page_at(at_now).months[0]
    compared = month.comparison
    assert (month.total.figure.text, month.includes_today) == ("$53.00", True)
    assert (compared.now_days, compared.before_days) == ("1 – 20 Nov", "1 – 20 Oct")
    assert (compared.now.figure.text, compared.before.figure.text) == ("$3.00", "$2.00")
    assert (compared.change.text, compared.percent, compared.direction) == ("+$1.00", "+50 %", "up")


def test_nothing_before_makes_no_percent(at_now):
    DailyCostFactory(day=date(2026, 11, 20), billed_cost=Decimal(3))
    compared = page_at(at_now).months[0].comparison
    assert (compared.change.text, compared.percent) == ("+$3.00", "")


def test_on_the_first_day_there_is_a_sentence_instead_of_a_comparison(client):
    now = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
    CostCenterFactory(complete_through=datetime(2026, 11, 1, 8, tzinfo=UTC))
    DailyCostFactory(day=date(2026, 11, 1))
    DailyCostFactory(day=date(2026, 10, 1))
    month, last = page_at(now).months
    assert month.comparison is None
    assert month.why_not == "No day of November is complete yet: the comparison starts with the first."
    assert last.comparison.before_days == "1 – 30 Sep"
    client.force_login(UserFactory(role="Viewer"))
    with time_machine.travel(now, tick=False):
        assert month.why_not in client.get("/").text


def test_a_last_month_that_is_not_all_in_is_not_compared():
    now = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    CostCenterFactory(complete_through=datetime(2026, 10, 31, 8, tzinfo=UTC))
    DailyCostFactory(day=date(2026, 10, 1))
    last = page_at(now).months[1]
    assert last.comparison is None
    assert last.why_not == "October is complete through 30 Oct only: it is compared when all of it is in."


def test_nothing_is_compared_while_history_is_loading(at_now, viewer):
    CostCenterFactory(status=CostCenter.Status.CONNECTING)
    DailyCostFactory()
    page = page_at(at_now)
    assert [month.comparison for month in page.months] == [None, None]
    assert page.changes == ()
    text = viewer.get("/").text
    assert "No comparison yet: Cursor is still loading history." in text
    assert "loading history</span>" in text


def test_the_parts_of_the_month_add_up(at_now):
    DailyCostFactory(billed_cost=Decimal("10.01"), user="a")
    DailyCostFactory(billed_cost=Decimal("2.02"), user="a", charge_type="seat", is_estimated=True)
    DailyCostFactory(billed_cost=Decimal("-0.5"), charge_type="credit")
    DailyCostFactory(billed_cost=Decimal(30), cost_center=CostCenterFactory(name="AWS", provider="aws"))
    DailyCostFactory(day=date(2026, 10, 31), billed_cost=Decimal(1000))
    page = page_at(at_now)
    assert page.months[0].total.figure.text == "$41.53"
    assert [(part.label, part.amount.figure.text) for part in page.parts] == [
        ("Cursor usage", "$10.01"),
        ("Cursor seats", "$2.02"),
        ("Cursor, other charges", "−$0.50"),
        ("AWS", "$30.00"),
    ]


def test_estimated_amounts_are_badged_and_subtotalled(viewer):
    DailyCostFactory(billed_cost=Decimal("10.01"), user="a")
    DailyCostFactory(billed_cost=Decimal("2.02"), user="a", charge_type="seat", is_estimated=True)
    text = viewer.get("/").text
    assert "of it $2.02 estimated" in text
    row = text.split("Cursor seats</a>")[1].split("</tr>")[0]
    assert ">estimated<" in row
    assert "estimated" not in text.split("Cursor usage</a>")[1].split("</tr>")[0]


# The plan ----------------------------------------------------------------------------------------------


def test_included_usage_stands_beside_the_seats_that_buy_it(viewer, at_now):
    center = CostCenterFactory(connected_on=date(2026, 11, 20))
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=date(2026, 11, 20))
    DailyCostFactory(billed_cost=Decimal(0), list_cost=Decimal(4310), user="a")
    DailyCostFactory(charge_type="seat", user="a", billed_cost=Decimal(2640), is_estimated=True)
    text = " ".join(re.sub(r"<[^>]+>", "", viewer.get("/").text).split())
    assert "$4,310.00 of usage was included; seats cost $2,640.00 estimated" in text
    assert "Seats are counted from 20 Nov on." in text


def test_a_missing_seat_price_is_said_and_leads_to_the_settings(viewer, at_now):
    center = CostCenterFactory()
    DailyCostFactory(user="a")
    text = viewer.get("/").text
    assert "No seat price is set for Cursor" in text
    assert f'href="{center.get_absolute_url()}">Set a seat price' in text
    assert "no seat price is set." in text
    SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=at_now.date())
    assert "Set a seat price" not in viewer.get("/").text
    SeatPrice.objects.create(cost_center=center, monthly_price=None, effective_from=at_now.date())
    assert "Set a seat price" in viewer.get("/").text


def test_a_seat_without_an_event_in_30_days_is_idle_and_named(viewer, at_now):
    for user in ("busy", "idle", "long ago"):
        DailyCostFactory(charge_type="seat", user=user, is_estimated=True, day=at_now.date())
    DailyCostFactory(user="busy", day=at_now.date() - timedelta(days=29))
    DailyCostFactory(user="long ago", day=at_now.date() - timedelta(days=30))
    seats = page_at(at_now).plan.seats
    assert (seats.held, seats.active, seats.idle_count) == (3, 1, 2)
    assert [person.text for person in seats.idle] == ["idle", "long ago"]
    text = viewer.get("/").text
    assert "<summary>Show the 2 idle</summary>" in text
    assert "1 active, 2 idle: without any event in 30 days" in re.sub(r"<[^>]+>", "", text)


def test_each_unit_cost_tells_what_it_is_divided_by(at_now):
    DailyCostFactory(user="a", billed_cost=Decimal(70), input_tokens=4_000_000)
    DailyCostFactory(user="b", billed_cost=Decimal(20))
    DailyCostFactory(user="", billed_cost=Decimal(5))
    for user in ("a", "b", "c", "d"):
        DailyCostFactory(user=user, charge_type="seat", billed_cost=Decimal("1.25"))
    units = {unit.unit: (unit.figure.text, unit.denominator) for unit in page_at(at_now).plan.units}
    assert units == {
        "active user": ("$50.00", "2 users with an event this month"),
        "seat": ("$25.00", "4 people with a seat this month"),
        "million tokens": ("$25.00", "4.0 M tokens this month"),
    }


def test_without_anything_to_divide_by_there_is_a_dash(at_now):
    DailyCostFactory(billed_cost=Decimal(70))
    assert {unit.figure.text for unit in page_at(at_now).plan.units} == {"–"}


# People, teams, freshness ------------------------------------------------------------------------------


def test_names_of_people_stand_behind_a_closed_disclosure(viewer):
    for n in range(7):
        DailyCostFactory(user=f"user{n}@example.com", model="gpt-5", billed_cost=Decimal(n))
    text = viewer.get("/").text
    assert "7 people on this month's bill: show the top 5" in unescape(text)
    outside = re.sub(r"<details.*?</details>", "", text, flags=re.S)
    assert "user6@example.com" in text
    assert "@example.com" not in re.sub(r'<div class="foot.*?</div>', "", outside, flags=re.S)
    assert "<details open" not in text


def test_a_long_name_is_cut_for_the_eye_only(viewer):
    name = f"{'long-' * 20}model"
    DailyCostFactory(user="a", model=name, billed_cost=Decimal("50.00"))
    text = unescape(viewer.get("/").text)
    rows = re.findall(r'<th scope="row"><a[^>]*>(<span title.*?)</a>', text, flags=re.S)
    assert len(rows) == 2  # what costs most, and what changed
    for row in rows:
        assert f'title="{name}"' in row
        assert "…" in row
        assert f'<span class="visually-hidden">{name}</span>' in row


def test_teams_come_first_where_a_tag_names_them(at_now):
    DailyCostFactory(user="a", model="gpt-5")
    assert [ranking.title for ranking in page_at(at_now).rankings] == ["Models", "People"]
    tagged = DailyCostFactory(
        cost_center=CostCenterFactory(name="AWS", provider="aws"), tag_set=TagSetFactory(tags={"Team": "web"})
    )
    rankings = page_at(at_now).rankings
    assert [ranking.title for ranking in rankings] == ["Teams", "Cost centers", "Models", "People"]
    assert [(row.label, row.amount.text) for row in rankings[0].rows] == [("web", "$1.00")]
    assert tagged.billed_cost == 1


def test_models_are_those_of_ai_not_cloud_skus(at_now):
    DailyCostFactory(user="a", model="gpt-5", billed_cost=Decimal(1))
    DailyCostFactory(model="default", billed_cost=Decimal(2))
    DailyCostFactory(model="BoxUsage", cost_center=CostCenterFactory(name="AWS", provider="aws"))
    [models] = [ranking for ranking in page_at(at_now).rankings if ranking.title == "Models"]
    assert [row.label for row in models.rows] == ["Auto (default)", "gpt-5"]


@pytest.mark.parametrize(
    ("status", "through", "words"),
    [
        ("active", datetime(2026, 11, 21, 14, tzinfo=UTC), ""),
        ("active", datetime(2026, 11, 21, 9, tzinfo=UTC), "late"),
        ("paused", datetime(2026, 11, 1, 9, tzinfo=UTC), "paused"),
        ("needs attention", datetime(2026, 11, 1, 9, tzinfo=UTC), "needs attention"),
        ("connecting", None, "loading history"),
        ("disconnected", datetime(2026, 11, 1, 9, tzinfo=UTC), "disconnected"),
    ],
)
def test_each_cost_center_says_how_far_it_is_complete(at_now, viewer, status, through, words):
    center = CostCenterFactory(name="Alone", status=status, complete_through=through)
    DailyCostFactory(cost_center=center)
    [row] = page_at(at_now).sources
    assert (row.state, row.url) == (words, center.get_absolute_url())
    assert row.through == (f"complete through {through:%H:%M} UTC · {through.day} Nov" if through else "")
    text = viewer.get("/").text
    assert (row.through or "nothing loaded yet") in text


@pytest.mark.parametrize(
    ("status", "words"), [("needs attention", "needs attention"), ("paused", "is paused")]
)
def test_cost_that_may_be_missing_is_said_above_the_figures(viewer, status, words):
    DailyCostFactory()
    through = datetime(2026, 11, 10, tzinfo=UTC)
    stuck = CostCenterFactory(name="AWS", provider="aws", status=status, complete_through=through)
    text = re.sub(r"<[^>]+>", "", viewer.get("/").text)
    assert (
        f"AWS {words}: complete through 00:00 UTC · 10 Nov. What it cost after that is missing here" in text
    )
    stuck.complete_through = datetime(2026, 11, 21, 14, tzinfo=UTC)
    stuck.save()
    assert "is missing here" not in viewer.get("/").text


def test_a_bill_that_is_only_paused_is_complete_as_far_as_it_was_read(at_now):
    DailyCostFactory(cost_center=CostCenterFactory(status="paused"))
    page = page_at(at_now)
    assert str(page.freshness) == "Complete through 21 Nov 2026, 14:00 UTC"
    assert page.gaps == ()


# Who sees what, when there is nothing ------------------------------------------------------------------


def test_a_fresh_install_leads_an_editor_to_cursor_and_to_the_demo(client, at_now):
    client.force_login(UserFactory(role="Editor"))
    text = client.get("/").text
    assert "There is no cost here yet" in text
    assert 'href="/settings/cost-centers/connect/cursor/"' in text
    assert "DATABASE_URL=sqlite:///var/demo/onebill.sqlite3 .venv/bin/python manage.py demo" in text


def test_a_fresh_install_tells_a_viewer_whom_to_ask(viewer):
    text = viewer.get("/").text
    assert "ask an editor or an administrator" in text
    assert "connect/cursor" not in text


def test_old_cost_alone_leads_to_the_history(viewer):
    DailyCostFactory(day=date(2026, 2, 1))
    text = unescape(viewer.get("/").text)
    assert "There is no cost in the last 90 days" in text
    assert 'href="/explorer/?preset=12m&granularity=month&group_by=cost_center"' in text


def test_without_cursor_the_rest_of_the_bill_is_shown(client, viewer):
    DailyCostFactory(cost_center=CostCenterFactory(name="AWS", provider="aws"), service="Amazon EC2")
    text = viewer.get("/").text
    assert "Cursor is not connected yet" in text
    assert "An editor can connect it." in text
    assert "Claude or GPT" not in text
    assert "Amazon EC2" in text
    client.force_login(UserFactory(role="Editor"))
    assert 'href="/settings/cost-centers/connect/cursor/">Connect Cursor' in client.get("/").text


def test_one_currency_is_shown_at_a_time(viewer):
    DailyCostFactory(billed_cost=Decimal(3))
    DailyCostFactory(billed_cost=Decimal(1), cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    assert "$3.00" in viewer.get("/").text
    euros = viewer.get("/?currency=EUR").text
    assert "€1.00" in euros
    assert "$3.00" not in euros
    assert viewer.get("/?currency=%00nonsense").status_code == 200


def test_the_last_90_days_choose_the_currency(at_now):
    DailyCostFactory(billed_cost=Decimal(3))
    euro = CostCenterFactory(name="Euro", currency="EUR")
    DailyCostFactory(billed_cost=Decimal(4), cost_center=euro, day=date(2026, 9, 1))
    DailyCostFactory(billed_cost=Decimal(900), day=date(2026, 8, 1))
    assert page_at(at_now).currency == "EUR"
