"""The page of the seat prices: previewed before it is saved, from today or later, never the past."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter, DailyCost, SeatPrice
from finops.money import display, nanos_from_units, units_from_nanos
from integrations import life
from integrations.seats import day_share
from tests.connecting import connect, work
from tests.factories import CostCenterFactory, UserFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def editor(client):
    client.user = UserFactory(role="Editor", username="eve@example.com")
    client.force_login(client.user)
    return client


@pytest.fixture
def integration(editor, api):
    found = connect(editor, api)
    work(found)
    return found


@pytest.fixture
def today():
    return timezone.now().date()


def url(integration):
    return reverse("cost-center-seats", args=[integration.cost_center_id])


def typed(**changed):
    return {
        "tracking": "priced",
        "monthly_price": "60",
        "committed_seats": "",
        "effective_from": timezone.now().date().isoformat(),
        **changed,
    }


def save(editor, integration, **changed):
    """Both steps, as somebody without JavaScript takes them."""
    answers = typed(**changed)
    previewed = editor.post(url(integration), {**answers, "preview": "1"}).context["form"].fingerprint
    return editor.post(url(integration), {**answers, "previewed": previewed, "save": "1"})


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def seat_cost(center, day):
    return DailyCost.objects.filter(cost_center=center, charge_type="seat", day=day).aggregate(
        total=Sum("billed_cost")
    )["total"]


def test_the_price_that_holds_stands_in_the_form(editor, integration, today):
    form = editor.get(url(integration)).context["form"]

    assert form["monthly_price"].value() == "40.00"
    assert form["tracking"].value() == "priced"
    assert form["effective_from"].value() == today.isoformat()


def test_nothing_is_saved_before_it_was_previewed(editor, integration):
    response = editor.post(url(integration), {**typed(), "save": "1"})

    page = response.content.decode()
    assert "Not saved yet." in page
    assert SeatPrice.objects.count() == 1
    assert response.context["preview"].months[0].after in page


def test_what_was_changed_after_the_preview_is_previewed_anew(editor, integration):
    previewed = editor.post(url(integration), {**typed(), "preview": "1"}).context["form"].fingerprint

    response = editor.post(
        url(integration), {**typed(monthly_price="600"), "previewed": previewed, "save": "1"}
    )

    assert "Not saved yet." in response.content.decode()
    assert SeatPrice.objects.count() == 1


def test_the_preview_tells_this_month_and_the_next_to_the_cent(editor, integration, today):
    team = integration.members.filter(is_active=True, is_paid=True).count()
    preview = editor.post(url(integration), typed(), HTTP_HX_REQUEST="true").context["preview"]

    assert preview.team == team
    rest, day = 0, today
    while day.month == today.month:
        rest += day_share(60 * 10**9, day) * team
        day += DAY
    this_month, next_month = preview.months
    assert this_month.after == display(units_from_nanos(rest), "USD")
    assert next_month.before == display(Decimal(40 * team), "USD")
    assert next_month.after == display(Decimal(60 * team), "USD")
    assert next_month.difference == f"+{display(Decimal(20 * team), 'USD')}"
    assert next_month.tone == "up"


def test_htmx_is_answered_with_the_preview_alone(editor, integration):
    page = editor.post(url(integration), typed(), HTTP_HX_REQUEST="true").content.decode()

    assert "<html" not in page
    assert "With the change" in page
    assert 'name="save"' in page


def test_a_price_from_today_changes_todays_seats_and_no_other_day(editor, integration, today):
    team = integration.members.filter(is_active=True, is_paid=True).count()

    response = save(editor, integration, committed_seats=str(team + 5))

    assert said(response) == f"From today on a seat costs $60.00 a month, with {team + 5} committed."
    price = SeatPrice.objects.latest("pk")
    assert (price.monthly_price, price.committed_seats, price.created_by) == (
        Decimal(60),
        team + 5,
        editor.user,
    )
    expected = units_from_nanos(day_share(nanos_from_units(Decimal(60)), today) * (team + 5))
    assert seat_cost(integration.cost_center, today) == expected


def test_a_later_price_is_scheduled_and_can_be_deleted(editor, integration, today):
    before = seat_cost(integration.cost_center, today)
    save(editor, integration, effective_from=(today + 40 * DAY).isoformat())

    page = editor.get(url(integration))
    assert [row.state for row in page.context["prices"]] == ["scheduled", "in effect"]
    assert "eve@example.com" in page.content.decode()
    assert seat_cost(integration.cost_center, today) == before

    delete = reverse(
        "cost-center-seat-price-delete", args=[integration.cost_center_id, SeatPrice.objects.latest("pk").pk]
    )
    assert delete in page.content.decode()
    assert "is deleted." in said(editor.post(delete))
    assert said(editor.post(delete)) == "This price is deleted already."
    assert SeatPrice.objects.count() == 1


def test_a_price_in_effect_cannot_be_deleted(editor, integration):
    price = SeatPrice.objects.get()

    response = editor.post(
        reverse("cost-center-seat-price-delete", args=[integration.cost_center_id, price.pk])
    )

    assert "in effect already" in said(response)
    assert SeatPrice.objects.get() == price


def test_a_price_of_another_cost_center_is_out_of_reach(editor, integration, today):
    other = CostCenterFactory(name="Other")
    price = SeatPrice.objects.create(
        cost_center=other, monthly_price=Decimal(1), effective_from=today + 9 * DAY
    )

    editor.post(reverse("cost-center-seat-price-delete", args=[integration.cost_center_id, price.pk]))

    assert SeatPrice.objects.filter(pk=price.pk).exists()


def test_tracking_can_be_stopped_and_started_again(editor, integration, today):
    response = save(
        editor, integration, tracking="not-tracked", monthly_price="rubbish", committed_seats="-3"
    )

    assert said(response) == "From today on seats are not tracked. What was counted before stays."
    assert SeatPrice.objects.latest("pk").monthly_price is None
    assert seat_cost(integration.cost_center, today) is None
    assert editor.get(url(integration)).context["form"]["tracking"].value() == "not-tracked"

    save(editor, integration)
    assert seat_cost(integration.cost_center, today) is not None
    rows = editor.get(url(integration)).context["prices"]
    assert [row.state for row in rows] == ["in effect", "replaced", "replaced"]


@pytest.mark.parametrize(
    ("changed", "field", "why"),
    [
        ({"effective_from": "2026-01-01"}, "effective_from", "UTC) or a later day: what was counted before"),
        ({"effective_from": "9999-12-31"}, "effective_from", "Choose a day before"),
        ({"effective_from": "soon"}, "effective_from", "Enter a day such as"),
        ({"monthly_price": ""}, "monthly_price", "Enter what a seat costs a month"),
        ({"monthly_price": "-1"}, "monthly_price", "greater than or equal to 0"),
        ({"monthly_price": "NaN"}, "monthly_price", "Enter a number"),
        ({"monthly_price": "40,00"}, "monthly_price", "Enter a number"),
        ({"monthly_price": "1.0000000001"}, "monthly_price", "no more than 9 decimal places"),
        (
            {"monthly_price": "1000000", "committed_seats": "1000000"},
            "monthly_price",
            "more than can be stored",
        ),
        ({"committed_seats": "2.5"}, "committed_seats", "Enter a whole number"),
        ({"tracking": "perhaps"}, "tracking", "Choose one of the two."),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_and_stays_typed(editor, integration, changed, field, why):
    response = editor.post(url(integration), {**typed(**changed), "save": "1", "previewed": ""})

    form = response.context["form"]
    assert why in " ".join(form.errors[field])
    assert form[field].value() == changed[field]
    assert SeatPrice.objects.count() == 1
    shown = editor.post(url(integration), typed(**changed), HTTP_HX_REQUEST="true").content.decode()
    assert "It cannot be saved like this" in shown
    assert 'name="save"' not in shown


def test_before_the_team_was_read_a_price_can_be_set_all_the_same(editor, api):
    integration = connect(editor, api, monthly_seat_price="")

    assert "The team has not been read" in editor.get(url(integration)).content.decode()
    save(editor, integration)

    assert SeatPrice.objects.get().monthly_price == Decimal(60)


def test_the_currency_of_the_cost_center_is_shown(editor, integration):
    CostCenter.objects.update(currency="EUR")

    response = editor.post(url(integration), typed())

    assert "a month in EUR" in response.content.decode()
    assert response.context["preview"].months[1].after.startswith("€")


def test_a_disconnected_cost_center_keeps_its_list_of_prices(editor, integration):
    life.remove(integration, with_history=False, now=timezone.now())

    page = editor.get(url(integration)).content.decode()
    assert "It is disconnected, so it has no seats" in page
    assert "$40.00" in page
    save_answer = editor.post(
        url(integration), {**typed(), "save": "1", "previewed": f"60.00 None {date.today()}"}
    )
    assert save_answer.status_code == 200
    assert SeatPrice.objects.count() == 1


def test_where_nobody_tells_who_is_in_the_team_the_page_says_so(editor):
    center = CostCenterFactory(name="AWS (example)", provider="aws")

    page = editor.get(reverse("cost-center-seats", args=[center.pk])).content.decode()

    assert "seat cost is not estimated for this cost center" in page
    assert '<form class="grid' not in page
