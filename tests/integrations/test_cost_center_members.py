"""The members of a cost center: who is in the team, what they cost, who left, and who was never in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.http import QueryDict
from django.test import Client

from costcenters.models import ChargeType, CostCenter
from integrations.models import Integration
from integrations.pages.heading import heading_of
from integrations.pages.members import MemberForm, MemberPage, member_page
from tests.factories import (
    CostCenterFactory,
    DailyCostFactory,
    IntegrationFactory,
    MemberFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def at_now() -> Iterator[datetime]:
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(UserFactory(role="Viewer"))
    return client


def cost(integration: Integration, user: str, amount: str, *, ago: int = 0, **fields: object) -> None:
    DailyCostFactory(
        cost_center=integration.cost_center,
        day=TODAY - timedelta(days=ago),
        user=user,
        billed_cost=Decimal(amount),
        **fields,
    )


def asked(integration: Integration, query: str = "") -> MemberPage:
    form = MemberForm(QueryDict(query))
    assert form.is_valid(), form.errors
    return member_page(heading_of(integration.cost_center, NOW), form, NOW)


def keys(integration: Integration, query: str = "") -> list[str]:
    return [row.person.key for row in asked(integration, query).rows]


def url(center: CostCenter) -> str:
    return f"/settings/cost-centers/{center.pk}/members/"


class TestStates:
    @pytest.fixture
    def team(self, integration: Integration) -> Integration:
        MemberFactory(integration=integration, key="used@x.io", name="Used")
        MemberFactory(integration=integration, key="idle@x.io", name="Idle")
        MemberFactory(integration=integration, key="free@x.io", name="Free", role="free-owner", is_paid=False)
        MemberFactory(integration=integration, key="left@x.io", name="Left", is_active=False)
        cost(integration, "used@x.io", "3.50", ago=29)
        cost(integration, "used@x.io", "1000", ago=30)
        cost(integration, "idle@x.io", "40", charge_type=ChargeType.SEAT)
        cost(integration, "left@x.io", "2")
        cost(integration, "Nightly <build>", "7")
        cost(integration, "", "5")
        return integration

    def test_each_is_told_with_its_cost_of_thirty_days(self, team):
        assert {
            row.person.key: (row.badge.text, row.person.is_idle, row.cost.text) for row in asked(team).rows
        } == {
            "used@x.io": ("Active", False, "$3.50"),
            "idle@x.io": ("Active", True, "$40.00"),
            "free@x.io": ("Active, no paid seat", False, "$0.00"),
            "left@x.io": ("Left", False, "$2.00"),
            "Nightly <build>": ("Not in the team", False, "$7.00"),
        }

    def test_what_belongs_to_nobody_is_told_apart(self, team):
        page = asked(team)

        assert str(page.unattributed) == "$5.00"
        assert "user=(none)" in page.unattributed_url

    def test_each_state_can_be_chosen_and_says_how_many_are_in_it(self, team):
        assert [(choice.text, choice.count) for choice in asked(team).choices] == [
            ("Everybody", 5),
            ("Active", 2),
            ("Active, no paid seat", 1),
            ("Left", 1),
            ("Not in the team", 1),
            ("Idle seat", 1),
        ]
        assert keys(team, "state=left") == ["left@x.io"]
        assert keys(team, "state=idle") == ["idle@x.io"]
        assert keys(team, "state=outside") == ["Nightly <build>"]

    def test_a_search_narrows_the_counts_too(self, team):
        page = asked(team, "q=FREE")

        assert [row.person.key for row in page.rows] == ["free@x.io"]
        assert page.choices[0].count == 1
        assert page.everybody == 5

    def test_before_the_history_is_loaded_nobody_is_idle(self, team):
        Integration.objects.update(set_up_at=None)

        assert not any(row.person.is_idle for row in asked(team).rows)

    def test_the_amount_leads_to_the_same_amount_in_the_explorer(self, viewer, team):
        page = viewer.get(url(team.cost_center)).content.decode()
        links = [unescape(link) for link in re.findall(r'<td class="num"><a href="([^"]+)"', page)]

        (link,) = [link for link in links if "user=used" in link]
        assert "$3.50" in viewer.get(link).content.decode()
        (link,) = [link for link in links if "Nightly" in link]
        assert "$7.00" in viewer.get(link).content.decode()


class TestOrder:
    @pytest.fixture
    def team(self, integration: Integration) -> Integration:
        for n, (name, seen, amount) in enumerate([("bea", 3, "1"), ("Ada", 1, "3"), ("", 2, "2")]):
            MemberFactory(
                integration=integration, key=f"{n}@x.io", name=name, first_seen=date(2026, 11, seen)
            )
            cost(integration, f"{n}@x.io", amount)
        return integration

    @pytest.mark.parametrize(
        ("sort", "order"),
        [
            ("", "210"),
            ("name", "210"),
            ("-name", "012"),
            ("-cost", "120"),
            ("cost", "021"),
            ("first_seen", "120"),
            ("role", "210"),
        ],
    )
    def test_columns_sort(self, team, sort, order):
        assert [key[0] for key in keys(team, f"sort={sort}")] == list(order)

    def test_a_column_turns_round_when_it_is_chosen_twice(self, team):
        columns = {column.label: column for column in asked(team, "q=x.io&sort=-cost").columns}

        assert columns["Last 30 days"].order == "descending"
        assert columns["Last 30 days"].url == "?q=x.io&sort=cost"
        assert columns["Name"].order == ""
        assert columns["First seen"].url == "?q=x.io&sort=-first_seen"


class TestPaging:
    def test_two_hundred_a_page_and_the_last_page_for_what_lies_behind_it(self, integration):
        for n in range(205):
            MemberFactory(integration=integration, key=f"{n:03}@x.io", name="")

        first, last = asked(integration), asked(integration, "page=99")

        assert len(first.rows) == 200
        assert first.next_url == "?page=2"
        assert [row.person.key for row in last.rows] == [f"{n}@x.io" for n in range(200, 205)]
        assert last.next_url == ""
        assert last.previous_url == "?page=1"


class TestPage:
    def test_hostile_names_are_text(self, viewer, integration):
        MemberFactory(
            integration=integration,
            key="a" * 240 + "@example.com",
            name="<script>alert(1)</script>",
            role='"><img src=x>',
        )
        cost(integration, "<b>svc</b>", "1")

        page = viewer.get(url(integration.cost_center)).content.decode()

        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<img src=x" not in page
        assert "<b>svc" not in page

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("state=x", "state"),
            ("sort=--name", "sort"),
            ("page=0", "page"),
            ("q=%00", "q"),
            ("page=x", "page"),
        ],
    )
    def test_what_cannot_be_understood_is_refused_by_name(self, viewer, integration, query, field):
        response = viewer.get(f"{url(integration.cost_center)}?{query}")

        assert response.status_code == 400
        assert f'data-problem="{field}"' in response.content.decode()

    def test_nobody_found_leads_back_to_everybody(self, viewer, integration):
        MemberFactory(integration=integration)

        page = viewer.get(url(integration.cost_center), {"q": "nobody <x>"}).content.decode()

        assert "Nobody like this." in page
        assert 'value="nobody &lt;x&gt;"' in page

    def test_zero_members_and_no_connection_have_a_page_too(self, viewer, integration):
        aws = CostCenterFactory(name="AWS", provider="aws")

        assert "The team has not been read yet" in viewer.get(url(integration.cost_center)).content.decode()
        assert "not read from a provider that has members" in viewer.get(url(aws)).content.decode()
        assert viewer.get("/settings/cost-centers/99/members/").status_code == 404
