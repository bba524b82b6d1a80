"""Subscriptions by API: what their pages can do, with the same refusals."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from django.utils import timezone

from costcenters.models import CostCenter, CostLineItem, DailyCost
from integrations import life
from integrations.api import subscriptions
from integrations.models import Subscription, SubscriptionSeats
from tests.api.answers import answer, fields, problem, script_of
from tests.factories import CostCenterFactory, IntegrationFactory
from tests.integrations.subscriptions.on_pages import add

pytestmark = pytest.mark.django_db
ALL = "/api/v1/subscriptions/"
TODAY = timezone.now().date()
DAY = timedelta(days=1)
CHATGPT = {"name": "ChatGPT", "seats": 5, "price": "30", "period": "monthly", "currency": "USD"}


def one(known: object, action: str = "") -> str:
    return f"{ALL}{getattr(known, 'pk', known)}/{action and f'{action}/'}"


@pytest.fixture
def script():
    return script_of("Editor", "write")


@pytest.fixture
def known():
    """Five seats at 30 a month since 80 days."""
    return add(starts_on=TODAY - 80 * DAY, plan="Team", owner="it@example.com", tags={"team": "research"})


def billed(**which):
    return DailyCost.objects.filter(**which).aggregate(sum=Sum("billed_cost"))["sum"]


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_subscription_says_what_it_costs_and_who_owns_it(script, known):
    change = SubscriptionSeats.objects.create(subscription=known, seats=7, effective_from=TODAY)

    shown = answer(script_of("Viewer", "read").get(one(known)))

    payment = shown.pop("next_payment")
    assert (payment["day"], payment["seats"]) == (TODAY.isoformat(), 2)
    assert 0 < Decimal(payment["amount"]) < 60
    assert Decimal(shown.pop("cost_this_month")) > 0
    assert shown == {
        "id": known.pk,
        "cost_center": known.cost_center_id,
        "name": "ChatGPT",
        "plan": "Team",
        "state": "running",
        "seats": 5,
        "seats_now": 7,
        "seat_changes": [{"id": change.pk, "effective_from": TODAY.isoformat(), "seats": 7}],
        "price": "30.00",
        "period": "monthly",
        "currency": "USD",
        "starts_on": (TODAY - 80 * DAY).isoformat(),
        "ends_on": None,
        "renews_on": None,
        "remind_days": 14,
        "owner": "it@example.com",
        "tags": {"team": "research"},
        "seats_of": None,
        "monthly_cost": "210.00",
    }


def test_a_month_of_an_annual_price_is_told_to_nine_decimals(script):
    known = add(seats=None, price=Decimal(100), period="annual", starts_on=TODAY)
    shown = answer(script.get(one(known)))
    assert (shown["seats_now"], shown["monthly_cost"]) == (None, "8.333333333")


def test_a_page_takes_the_same_queries_however_many_are_listed(script, known, django_assert_max_num_queries):
    for number in range(12):
        later = add(name=f"Tool {number}", starts_on=TODAY + number * DAY)
        SubscriptionSeats.objects.create(subscription=later, seats=2, effective_from=TODAY + 40 * DAY)

    with django_assert_max_num_queries(12):
        shown = answer(script.get(f"{ALL}?limit=10"))
    assert len(shown["results"]) == 10
    assert [each["name"] for each in answer(script.get(shown["next"]))["results"]][-1] == "ChatGPT"
    assert [each["id"] for each in answer(script.get(f"{ALL}?lasts_on={TODAY - DAY}"))["results"]] == [
        known.pk
    ]
    assert answer(script.get(f"{ALL}?cost_center={2**63 - 1}"))["results"] == []
    assert fields(script.get(f"{ALL}?lasts_on=yesterday&page=2")) == ["page", "lasts_on"]


# Adding ---------------------------------------------------------------------------------------------------------------


def test_one_is_added_with_its_lines(script):
    response = script.post(
        ALL, {**CHATGPT, "starts_on": (TODAY - 40 * DAY).isoformat(), "tags": {"team": "research"}}
    )

    shown = answer(response, 201)
    assert response["Location"] == one(shown["id"])
    assert (shown["tags"], shown["remind_days"], shown["state"]) == ({"team": "research"}, 14, "running")
    assert billed(service="ChatGPT") == 300
    assert CostLineItem.objects.filter(service="ChatGPT", tag_set__tags={"team": "research"}).exists()


def test_without_a_first_day_it_begins_today_and_null_seats_are_a_flat_fee(script):
    shown = answer(script.post(ALL, {**CHATGPT, "seats": None, "period": "annual"}), 201)
    assert (shown["starts_on"], shown["seats"]) == (TODAY.isoformat(), None)
    assert date.fromisoformat(shown["renews_on"]) > TODAY + 300 * DAY


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"name": "(none)"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"seats": 0}, "seats"),
        ({"seats": "5"}, "seats"),
        ({"price": "1.0000000001"}, "price"),
        ({"price": "1000000001"}, "price"),
        ({"price": "1000000000", "seats": 1_000_000}, "price"),
        ({"period": "weekly"}, "period"),
        ({"currency": "usd"}, "currency"),
        ({"starts_on": "2019-12-31"}, "starts_on"),
        ({"starts_on": "9999-12-31"}, "starts_on"),
        ({"ends_on": "2020-01-01"}, "ends_on"),
        ({"renews_on": "2020-01-01"}, "renews_on"),
        ({"remind_days": 366}, "remind_days"),
        ({"tags": {"a=b": "c"}}, "tags"),
        ({"tags": {"a\u2028b": "c"}}, "tags"),
        ({"tags": {"owner": "me"}}, "tags"),
        ({"tags": {str(n): "x" for n in range(21)}}, "tags"),
        ({"tags": {"a": "\x00"}}, "tags.a"),
        ({"seats_of": 2**63 - 1}, "seats_of"),
        ({"seats_of": 2**70}, "seats_of"),
        ({"pricing": "flat"}, "pricing"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field_and_nothing_is_stored(script, changed, blamed):
    assert blamed in fields(script.post(ALL, {**CHATGPT, **changed}))
    assert not CostCenter.objects.exists()


def test_a_cost_center_has_a_seat_price_or_typed_seats(script):
    cursor = IntegrationFactory().cost_center
    answer(script.post(ALL, {**CHATGPT, "name": "Cursor", "seats_of": cursor.pk}), 201)
    refusal = script.post("/api/v1/seat-prices/", {"cost_center": cursor.pk, "monthly_price": "40"})
    assert fields(refusal) == ["monthly_price"]


# Changing -------------------------------------------------------------------------------------------------------------


def test_what_is_left_out_of_a_correction_stays(script, known):
    shown = answer(script.patch(one(known), {"owner": "ada@example.com", "tags": {}}), 200)
    assert (shown["owner"], shown["tags"], shown["plan"], shown["price"]) == (
        "ada@example.com",
        {},
        "Team",
        "30.00",
    )


def test_days_that_were_counted_change_only_when_that_is_meant(script, known):
    before = billed(service="ChatGPT")

    assert fields(script.patch(one(known), {"price": "60"})) == ["corrects"]
    assert billed(service="ChatGPT") == before
    assert answer(script.patch(one(known), {"price": "60", "corrects": True}))["price"] == "60.00"
    assert billed(service="ChatGPT") == 2 * before


def test_neither_currency_nor_end_is_corrected(script, known):
    assert fields(script.patch(one(known), {"currency": "EUR", "ends_on": None})) == ["currency", "ends_on"]
    problem(script.put(one(known), CHATGPT), 405)


def test_new_terms_are_a_subscription_of_their_own(script, known):
    response = script.post(one(known, "terms"), {"price": "35"})

    new = answer(response, 201)
    assert (new["name"], new["seats"], new["price"], new["state"]) == ("ChatGPT", 5, "35.00", "to come")
    assert response["Location"] == one(new["id"])
    old = answer(script.get(one(known)))
    assert date.fromisoformat(old["ends_on"]) + DAY == date.fromisoformat(new["starts_on"])
    first = (TODAY - 80 * DAY).isoformat()
    assert fields(script.post(one(known, "terms"), {"starts_on": first})) == ["starts_on"]


def test_seats_change_from_a_day_on_and_the_change_can_be_withdrawn(script, known):
    before = billed(service="ChatGPT")
    shown = answer(script.post(one(known, "seats"), {"seats": 6}))
    shown = answer(script.post(one(known, "seats"), {"seats": 9, "effective_from": TODAY.isoformat()}))
    assert (shown["seats"], shown["seats_now"]) == (5, 9)
    [change] = shown["seat_changes"]
    assert billed(service="ChatGPT") > before

    assert script.delete(f"{one(known, 'seats')}{change['id']}/").status_code == 204
    assert billed(service="ChatGPT") == before
    problem(script.delete(f"{one(known, 'seats')}{change['id']}/"), 404)


def test_a_flat_fee_shows_no_changes_of_the_seats_it_had(script, known):
    script.post(one(known, "seats"), {"seats": 6})
    flat = answer(script.patch(one(known), {"seats": None, "corrects": True}))
    assert (flat["seats"], flat["seats_now"], flat["seat_changes"]) == (None, None, [])


def test_what_has_ended_begins_no_later_than_that(script, known):
    answer(script.post(one(known, "end"), {"ends_on": (TODAY - DAY).isoformat()}))
    assert fields(script.post(one(known, "terms"), {"price": "35"})) == ["starts_on"]
    late = {"starts_on": TODAY.isoformat(), "corrects": True}
    assert fields(script.patch(one(known), late)) == ["starts_on"]


def test_a_day_far_ahead_is_a_slip_of_its_year(script, known):
    assert fields(script.post(one(known, "seats"), {"seats": 6, "effective_from": "2083-09-01"})) == [
        "effective_from"
    ]


def test_together_they_may_be_more_than_one_amount_can_hold(script):
    for name in ("One", "Two"):
        dear = {**CHATGPT, "name": name, "seats": 9, "price": "999999999"}
        assert script.post(ALL, dear).status_code == 201
    assert len(answer(script.get(ALL))["results"]) == 2


def test_a_flat_fee_has_no_seats_to_change(script):
    flat = add(name="Flat", seats=None)
    assert "flat fee" in problem(script.post(one(flat, "seats"), {"seats": 3}), 409)["detail"]


def test_it_ends_and_goes_on(script, known):
    ended = answer(script.post(one(known, "end"), {"ends_on": (TODAY - DAY).isoformat()}))
    assert (ended["state"], ended["next_payment"]) == ("ended", None)
    assert answer(script.post(one(known, "end"), {"ends_on": None}))["state"] == "running"
    assert fields(script.post(one(known, "end"), {})) == ["ends_on"]


@pytest.mark.parametrize(
    ("method", "action", "sent"),
    [
        ("patch", "", {"owner": "ada@example.com"}),
        ("post", "end", {"ends_on": None}),
        ("post", "terms", {"price": "35"}),
    ],
)
def test_what_somebody_else_changes_meanwhile_is_not_undone(script, known, monkeypatch, method, action, sent):
    """Found by three scripts that each changed another field at once: all were told 200, one change was left."""
    checked = subscriptions._checked

    def while_it_is_checked(form):
        Subscription.objects.filter(pk=known.pk).update(plan="Business", ends_on=TODAY)
        return checked(form)

    monkeypatch.setattr(subscriptions, "_checked", while_it_is_checked)

    refusal = problem(getattr(script, method)(one(known, action), sent), 409)
    assert refusal["detail"].startswith("Somebody else changed it")
    stored = Subscription.objects.get()
    assert (stored.plan, stored.ends_on, stored.owner) == ("Business", TODAY, "it@example.com")


# Removing -------------------------------------------------------------------------------------------------------------


def test_deleting_takes_an_admin_and_a_token_of_that_scope(script, known):
    problem(script.delete(one(known)), 403)
    problem(script_of("Admin", "write").delete(one(known)), 403)
    assert script_of("Admin").delete(one(known)).status_code == 204
    assert not Subscription.objects.exists()
    assert not CostLineItem.objects.exists()
    problem(script_of("Admin").delete(one(known)), 404)


def test_those_of_a_removed_cost_center_are_counted_again(script, known):
    center = known.cost_center
    life.remove(center.integration, with_history=False, now=timezone.now())
    assert "let it be counted again" in str(problem(script.post(ALL, CHATGPT), 400)["errors"])

    shown = answer(script.post(f"{ALL}count-again/", {"cost_center": center.pk}))

    assert shown == {"id": center.pk, "name": "Subscriptions", "currency": "USD", "status": "active"}
    assert problem(script.post(f"{ALL}count-again/", {"cost_center": center.pk}), 409)
    other = CostCenterFactory(name="Other")
    assert fields(script.post(f"{ALL}count-again/", {"cost_center": other.pk})) == ["cost_center"]


@pytest.mark.parametrize("number", ["0", "99999", str(2**63), "9" * 30])
def test_an_unknown_number_is_nothing_here(script, number):
    problem(script.get(one(number)), 404)
    problem(script.patch(one(number), {}), 404)
    problem(script.post(one(number, "end"), {"ends_on": None}), 404)
