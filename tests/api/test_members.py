"""Members by API."""

from __future__ import annotations

import pytest

from tests.api.answers import answer, fields, script_of
from tests.factories import IntegrationFactory, MemberFactory

pytestmark = pytest.mark.django_db
ALL = "/api/v1/members/"


@pytest.fixture
def script():
    return script_of("Viewer", "read")


def test_a_member_is_shown_with_the_user_of_their_line_items(script):
    member = MemberFactory(key="ann@example.com", name="Ann", role="owner", is_paid=False)
    assert answer(script.get(f"{ALL}{member.pk}/")) == {
        "id": member.pk,
        "integration": member.integration_id,
        "cost_center": member.integration.cost_center_id,
        "user": "ann@example.com",
        "email": "ann@example.com",
        "name": "Ann",
        "role": "owner",
        "state": "unpaid",
        "is_active": True,
        "is_paid": False,
        "first_seen": "2026-10-01",
        "last_seen": "2026-11-21",
    }


def test_members_are_found_by_connection_state_and_text(script, django_assert_max_num_queries):
    team = IntegrationFactory()
    ann = MemberFactory(integration=team, name="Ann 100%")
    bob = MemberFactory(integration=team, name="Bob", is_active=False)
    other = MemberFactory(integration=IntegrationFactory(cost_center__name="Other"), role="free-owner")

    def ids(query: str) -> list[int]:
        return [each["id"] for each in answer(script.get(f"{ALL}?{query}"))["results"]]

    with django_assert_max_num_queries(12):
        assert ids("") == [ann.pk, bob.pk, other.pk]
    assert ids(f"integration={team.pk}&is_active=false") == [bob.pk]
    assert ids(f"cost_center={other.integration.cost_center_id}") == [other.pk]
    assert ids("is_paid=true&is_active=true&q=OWNER") == [other.pk]
    assert ids("q=100%25") == [ann.pk]
    assert answer(script.get(f"{ALL}?is_active=false"))["results"][0]["state"] == "left"


def test_parameters_say_what_they_mean(script):
    assert fields(script.get(f"{ALL}?is_active=yes&is_paid=1&q=%00&integration=-1&name=x")) == [
        "name",
        "integration",
        "is_active",
        "is_paid",
        "q",
    ]
