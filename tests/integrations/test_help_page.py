"""The help page about Cursor: its figures are the report's, its links work, and it stands without any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.db import connection
from django.http import QueryDict
from django.test import Client

from costcenters.catalog import Catalog
from costcenters.cost_query import Measure
from costcenters.display.figures import shown
from costcenters.explorer import report
from costcenters.models import ChargeType, CostCenter, SeatPrice
from costcenters.query_form import CostQueryForm
from integrations.models import Integration, Member, ProviderTotal
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db
HELP = "/help/cursor/"
NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
CYCLE = datetime(2026, 10, 25, 6, 2, 25, tzinfo=UTC)


@pytest.fixture
def viewer(client: Client) -> Iterator[Client]:
    with time_machine.travel(NOW, tick=False):
        client.force_login(UserFactory(role="Viewer"))
        yield client


def connected(name: str = "Cursor", **center: Any) -> CostCenter:
    made = CostCenterFactory(name=name, connected_on=date(2026, 11, 3), **center)
    Integration.objects.create(cost_center=made, provider="cursor", api_url="https://api.cursor.com")
    return made


def member(center: CostCenter, key: str, **kwargs: Any) -> Member:
    return Member.objects.create(
        integration=center.integration,
        key=key,
        email=key,
        **{"first_seen": date(2026, 11, 3), "last_seen": date(2026, 11, 21), **kwargs},
    )


def used(center: CostCenter, user: str, day: date, billed: str, listed: str | None = None) -> None:
    DailyCostFactory(
        cost_center=center,
        user=user,
        day=day,
        billed_cost=Decimal(billed),
        list_cost=Decimal(listed or billed),
        line_items=3,
    )


def seat_cost(center: CostCenter, user: str, day: date, amount: str) -> None:
    DailyCostFactory(
        cost_center=center,
        user=user,
        day=day,
        charge_type=ChargeType.SEAT,
        billed_cost=Decimal(amount),
        is_estimated=True,
    )


@pytest.fixture
def team() -> CostCenter:
    """Usage in three months, seats since the 3rd, two who left, an open billing cycle."""
    center = connected()
    SeatPrice.objects.create(
        cost_center=center,
        monthly_price=Decimal(40),
        committed_seats=5,
        effective_from=date(2026, 11, 3),
    )
    member(center, "ann@example.com")
    member(center, "ben@example.com")
    member(center, "boss@example.com", is_paid=False)
    member(center, "gone@example.com", is_active=False, last_seen=date(2026, 11, 10))
    member(center, "long.gone@example.com", is_active=False, last_seen=date(2026, 11, 4))
    member(center, "never.came@example.com", is_active=False, last_seen=date(2026, 11, 4))
    used(center, "ann@example.com", date(2026, 11, 20), "12.345678901", "20.10")
    used(center, "ann@example.com", date(2026, 10, 26), "100.01")
    used(center, "ann@example.com", date(2026, 10, 25), "7.70", "9")
    used(center, "ann@example.com", date(2026, 10, 24), "1000")
    used(center, "gone@example.com", date(2026, 11, 9), "3", "4.5")
    used(center, "gone@example.com", date(2026, 11, 2), "1")
    used(center, "long.gone@example.com", date(2026, 3, 1), "0.004", "0.004")
    for day in (3, 4, 20):
        seat_cost(center, "ann@example.com", date(2026, 11, day), "1.333333333")
    for user, on_demand in (("ann@example.com", "100.5"), ("gone@example.com", "3.25")):
        total(center, user, CYCLE, on_demand)
    total(center, "ann@example.com", CYCLE - timedelta(days=30), "777")
    # Somebody else's.
    other = connected("Other team")
    used(other, "zoe@example.com", date(2026, 11, 20), "555")
    DailyCostFactory(cost_center=CostCenterFactory(name="AWS", provider="aws"), billed_cost=Decimal(888))
    return center


def total(center: CostCenter, user: str, start: datetime, on_demand: str | None) -> None:
    ProviderTotal.objects.create(
        integration=center.integration,
        period_start=start,
        read_at=NOW - timedelta(hours=1),
        user=user,
        on_demand_cost=None if on_demand is None else Decimal(on_demand),
        included_cost=None,
    )


class Parsed(HTMLParser):
    """The page's links, ids, and the text of elements with an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"] or "")
        if "id" in found:
            self.ids.append(found["id"] or "")


def html_of(client: Client, text: str = "") -> str:
    response = client.get(f"{HELP}{text}")
    assert response.status_code == 200
    return response.content.decode()


def words_of(html: str) -> str:
    main = re.sub(r"</?(a|strong|em|code)\b[^>]*>", "", html.split('<main id="content">')[1])
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def cell(html: str, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', html)
    assert found, name
    return unescape(found[1])


def explorer_links(html: str) -> list[str]:
    return [link for link in Parsed(html).links if urlsplit(link).path == "/explorer/" and "?" in link]


def answered(link: str) -> Any:
    """The report behind a link into the explorer, which must be a valid question."""
    form = CostQueryForm(QueryDict(urlsplit(link).query), catalog=Catalog(today=NOW.date()))
    assert form.is_valid(), form.errors
    return report(form.query(), now=NOW)


class TestFigures:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("month-usage", "$16.35"),
            ("month-seats", "$4.00"),
            ("month-included", "$9.25"),
            ("cycle-ours", "$124.06"),
        ],
    )
    def test_are_what_their_links_lead_to(self, viewer, team, name, expected):
        html = html_of(viewer)
        row = re.search(rf'<a href="([^"]+)">[^<]*</a>(?:(?!</tr>).)*id="{name}"', html, re.DOTALL)
        assert row
        link = re.findall(r'href="([^"]+)"', row[0])[-1]
        behind = answered(unescape(link))

        assert cell(html, name) == expected
        assert cell(html, name) == str(shown(behind.total.measure, Measure.BILLED, "USD"))

    def test_list_is_billed_and_included_together(self, viewer, team):
        html = html_of(viewer)
        [link] = [link for link in explorer_links(html) if "measure=list" in link and "preset=mtd" in link]

        assert answered(link).total.measure == Decimal("25.60")
        assert "usage of $25.60 at list was $16.35 of on-demand and $9.25 of included" in words_of(html)

    def test_tell_the_cycle_by_its_first_instant(self, viewer, team):
        html = html_of(viewer)

        assert "began on 25 Oct 2026, 06:02 UTC" in words_of(html)
        assert cell(html, "cycle-cursor") == "$103.75"
        assert "start=2026-10-25&amp;end=2026-11-21" in html

    def test_tell_seats_and_their_price(self, viewer, team):
        words = words_of(html_of(viewer))

        assert "counted since 3 Nov 2026" in words
        assert "The price in effect is $40.00 a seat and month, since 3 Nov 2026: today $1.33 a seat" in words
        assert "Members now: 2 active in a paid seat, 1 without one" in words
        assert "committed to 5 seats; 2 are taken, 3 unused" in words

    def test_tell_who_left_and_their_last_event(self, viewer, team):
        words = words_of(html_of(viewer))

        assert "2 people who left Cursor still show" in words
        assert "gone@example.com 9 Nov 2026" in words
        assert "long.gone@example.com 1 Mar 2026" in words
        assert "never.came@example.com" not in words

    def test_a_leavers_link_shows_what_they_used(self, viewer, team):
        [link] = [link for link in explorer_links(html_of(viewer)) if "user=gone@example.com" in link]
        assert answered(link).total.events == 6

    def test_are_of_the_chosen_cost_center_alone(self, viewer, team):
        html = html_of(viewer, "?cost_center=Other%20team")

        assert cell(html, "month-usage") == "$555.00"
        assert "No seat price is in effect" in words_of(html)
        assert "cycle-ours" not in html
        assert all("cost_center=Other+team" in link for link in explorer_links(html))

    def test_take_few_queries(self, viewer, team, django_assert_max_num_queries):
        with django_assert_max_num_queries(15):
            html_of(viewer)

    def test_do_not_grow_with_the_teams(self, viewer, team, django_assert_max_num_queries):
        for n in range(20):
            used(connected(f"Team {n}"), "a", date(2026, 11, 20), "1")
        with django_assert_max_num_queries(15):
            html_of(viewer)


class TestStates:
    def test_without_a_connection_it_explains_all_the_same(self, viewer):
        html = html_of(viewer)

        assert "Cursor is not connected yet" in html
        assert explorer_links(html) == []
        assert "Connect Cursor" not in html  # a Viewer may not

    def test_who_may_connect_is_led_there(self, client):
        client.force_login(UserFactory(role="Editor"))
        assert "/settings/cost-centers/connect/cursor/" in html_of(client)

    def test_other_providers_are_not_taken_for_it(self, viewer):
        CostCenterFactory(name="AWS", provider="aws")
        assert "Cursor is not connected yet" in html_of(viewer)

    def test_just_connected_it_has_nothing_to_tell_yet(self, viewer):
        connected(status=CostCenter.Status.CONNECTING, complete_through=None)
        words = words_of(html_of(viewer))

        assert "First data is being loaded" in words
        assert "Members have not been read yet" in words
        assert "$0.00" in words
        assert "Nobody who left Cursor has usage" in words

    def test_without_a_seat_price_only_usage_is_told(self, viewer, team):
        SeatPrice.objects.create(
            cost_center=team, monthly_price=None, committed_seats=9, effective_from=date(2026, 11, 20)
        )
        words = words_of(html_of(viewer))

        assert "No seat price is in effect, so only usage is tracked" in words
        assert "committed seats of Cursor are not counted" in words

    def test_a_price_to_come_is_told_apart(self, viewer, team):
        SeatPrice.objects.create(
            cost_center=team, monthly_price=Decimal(32), effective_from=date(2026, 12, 1)
        )
        words = words_of(html_of(viewer))

        assert "The price in effect is $40.00" in words
        assert "To come: $32.00 from 1 Dec 2026" in words

    def test_another_currency_is_kept(self, viewer):
        center = connected(currency="EUR")
        used(center, "a", date(2026, 11, 20), "5")
        used(connected("Dollars"), "a", date(2026, 11, 20), "500")
        SeatPrice.objects.create(
            cost_center=center, monthly_price=Decimal(30), effective_from=date(2026, 11, 1)
        )
        html = html_of(viewer, "?cost_center=Cursor")

        assert cell(html, "month-usage") == "€5.00"
        assert "€30.00 a seat" in words_of(html)
        assert "$" not in words_of(html)

    def test_a_disconnected_one_comes_last(self, viewer):
        connected("A closed one", status=CostCenter.Status.DISCONNECTED)
        connected("The live one")
        words = words_of(html_of(viewer))

        assert "The live one, this month so far" in words

    def test_an_ambiguous_total_is_not_guessed(self, viewer, team):
        total(team, "new@example.com", CYCLE, None)
        html = html_of(viewer)

        assert cell(html, "cycle-cursor") == "ambiguous"
        assert "does not guess" in html

    def test_an_old_cycle_is_not_taken_for_the_open_one(self, viewer):
        center = connected()
        total(center, "a", NOW - timedelta(days=400), "5")
        total(center, "a", NOW + timedelta(days=4), "5")
        assert "cycle-cursor" not in html_of(viewer)

    def test_sums_that_are_too_large_leave_the_explanations(self, viewer, team):
        for user in "ab":
            used(team, user, date(2026, 11, 20), "5e9")
        html = html_of(viewer)

        assert ("larger than this database can add up" in html) == (connection.vendor == "sqlite")
        assert "Why an invoice differs" in html

    def test_an_unknown_cost_center_is_not_found(self, viewer, team):
        for name in ("Nobody", "AWS", "%00"):
            assert viewer.get(f"{HELP}?cost_center={name}").status_code == 404

    def test_names_are_only_text(self, viewer):
        name = "<b>&\"'</b> Cursor"
        center = connected(name)
        used(connected("Another"), "a", date(2026, 11, 20), "1")
        member(center, "<i>@example.com", is_active=False)
        used(center, "<i>@example.com", date(2026, 11, 20), "1")
        html = html_of(viewer, "?cost_center=%3Cb%3E%26%22%27%3C/b%3E%20Cursor")

        assert "<b>" not in html
        assert "<i>" not in html
        assert cell(html, "month-usage") == "$1.00"
        choices = [link for link in Parsed(html).links if link.startswith("?cost_center=")]
        for choice in choices:
            assert viewer.get(f"{HELP}{choice}").status_code == 200


class TestPage:
    def test_every_link_into_the_explorer_is_a_valid_question(self, viewer, team):
        links = explorer_links(html_of(viewer))

        assert len(links) > 12
        for link in links:
            assert not answered(link).query.currency
            assert viewer.get(link).status_code == 200

    def test_every_other_link_leads_somewhere(self, viewer, team):
        for link in Parsed(html_of(viewer)).links:
            if link.startswith("/") and "/explorer/" not in link:
                assert viewer.get(link).status_code == 200, link

    def test_the_contents_name_every_section(self, viewer, team):
        html = html_of(viewer)
        listed = [link.removeprefix("#") for link in Parsed(html).links if link.startswith("#")]

        assert [name for name in listed if name != "content"] == re.findall(r'<section id="([^"]+)"', html)
        assert len(set(Parsed(html).ids)) == len(Parsed(html).ids)

    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_everybody_with_a_role_may_read_it(self, client, role):
        client.force_login(UserFactory(role=role))
        html_of(client)

    def test_nobody_else_may(self, client):
        assert client.get(HELP).status_code == 302
        client.force_login(UserFactory())
        assert client.get(HELP).status_code == 403

    def test_it_is_only_read(self, viewer):
        assert viewer.post(HELP).status_code == 405
