"""The pages of subscriptions: what they show, what they preview, and that nothing is saved that was not shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from costcenters.models import SeatPrice
from integrations.models import Subscription
from integrations.subscriptions.amortisation import later_by_months
from tests.factories import CostCenterFactory, IntegrationFactory, UserFactory

from .conftest import sums
from .on_pages import add, page_of, save, told, typed

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


# Adding ---------------------------------------------------------------------------------------------------------------


def test_one_that_is_added_is_in_the_bill_at_once(editor, today):
    response = save(
        editor,
        reverse("subscription-add"),
        typed(name=" ChatGPT ", owner=" Ann ", tags="team=Research\n\n cost center = 42 ", currency="eur"),
    )

    known = Subscription.objects.get()
    assert response.url == page_of(known)
    assert told(response) == ["“ChatGPT” is added. Its lines are in the bill, in “Subscriptions”."]
    assert (known.name, known.owner, known.currency) == ("ChatGPT", "Ann", "EUR")
    assert known.tags == {"team": "Research", "cost center": "42"}
    assert sums(day=today)[0] == Decimal(150)
    assert known.cost_center.integration.connected_by == editor.user


def test_nothing_is_saved_before_it_was_shown_or_when_it_was_changed_since(editor):
    url = reverse("subscription-add")
    assert editor.post(url, {**typed(), "save": "1"}).status_code == 200
    stamp = editor.post(url, {**typed(), "preview": "1"}).context["form"].stamp

    response = editor.post(url, {**typed(price="31"), "save": "1", "previewed": stamp})

    assert "Not saved yet." in response.content.decode()
    assert not Subscription.objects.exists()


def test_the_preview_says_what_past_days_and_next_payments_will_be(editor, today):
    first = later_by_months(today.replace(day=1), -2)

    response = editor.post(
        reverse("subscription-add"),
        typed(starts_on=first.isoformat(), preview="1"),
        headers={"HX-Request": "true"},
    )

    preview = response.context["preview"]
    assert preview.monthly == "$150.00"
    assert [row.label for row in preview.counted] == ["Billed", "Effective"]
    assert preview.counted[0].after == "$450.00"
    assert preview.first_day == first
    assert [each.amount for each in preview.upcoming] == ["$150.00"] * 4
    page = response.content.decode()
    assert "<html" not in page
    assert 'name="previewed"' in page


@pytest.mark.parametrize(
    ("answers", "field", "words"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "(none)"}, "name", "stands for no value"),
        ({"name": "a\0b"}, "name", "Null"),
        ({"pricing": "both"}, "pricing", "Choose one of the two"),
        ({"seats": ""}, "seats", "How many seats"),
        ({"seats": "0"}, "seats", "1 or more"),
        ({"seats": "2.5"}, "seats", "whole number"),
        ({"price": "-1"}, "price", "0 or more"),
        ({"price": "NaN"}, "price", "such as 30.00"),
        ({"price": "1e3000"}, "price", "digits"),
        ({"price": "0.0000000001"}, "price", "9 decimal places"),
        ({"price": "1000000000", "seats": "10"}, "price", "more than can be stored"),
        ({"currency": "EURO"}, "currency", "at most 3"),
        ({"currency": "12€"}, "currency", "three-letter"),
        ({"starts_on": "2026-02-30"}, "starts_on", "Enter a day such as"),
        ({"starts_on": "1999-01-01"}, "starts_on", "1 Jan 2020"),
        ({"starts_on": "2226-01-01"}, "starts_on", "before"),
        ({"ends_on": "2020-01-01"}, "ends_on", "on which it begins"),
        ({"renews_on": "2020-01-01"}, "renews_on", "on which it begins"),
        ({"remind_days": "400"}, "remind_days", "365"),
        ({"tags": "no equals"}, "tags", "write key=value"),
        ({"tags": "owner=Ann"}, "tags", "fill that in instead"),
        ({"tags": "a=1\na=2"}, "tags", "twice"),
        ({"tags": f"{'k' * 101}=1"}, "tags", "at most 100"),
        ({"tags": "\n".join(f"k{number}=1" for number in range(21))}, "tags", "At most 20"),
        ({"owner": "x" * 101}, "owner", "100"),
        ({"seats_of": "99"}, "seats_of", "choose another cost center"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_keeps_what_was_typed(editor, answers, field, words):
    response = editor.post(reverse("subscription-add"), {**typed(plan="Kept plan"), **answers, "save": "1"})

    form = response.context["form"]
    assert response.status_code == 200
    assert words in " ".join(form.errors[field]), form.errors
    assert 'value="Kept plan"' in response.content.decode()
    assert not Subscription.objects.exists()


def test_a_flat_fee_needs_no_seats_whatever_stands_there(editor, today):
    save(editor, reverse("subscription-add"), typed(pricing="flat", seats="many", period="annual"))

    known = Subscription.objects.get()
    assert known.seats is None
    assert known.renews_on == later_by_months(today, 12), "an annual one renews with its next payment"


def test_hostile_text_is_shown_as_text(editor):
    save(
        editor,
        reverse("subscription-add"),
        typed(name="<script>x</script>", plan="{{ 7 }}", owner="<i>o", tags="<b>=<u>"),
    )

    for url in (reverse("subscriptions"), page_of(Subscription.objects.get())):
        page = editor.get(url).content.decode()
        assert "<script>x" not in page
        assert "<i>o" not in page
        assert "&lt;script&gt;x" in page


# Seats of Cursor ------------------------------------------------------------------------------------------------------


def test_only_cost_centers_without_a_seat_price_are_offered_and_the_others_named(editor, today):
    free = IntegrationFactory(cost_center=CostCenterFactory(name="Cursor free")).cost_center
    tracked = IntegrationFactory(cost_center=CostCenterFactory(name="Cursor tracked")).cost_center
    SeatPrice.objects.create(cost_center=tracked, monthly_price=Decimal(40), effective_from=today - DAY)
    CostCenterFactory(name="AWS", provider="aws")

    response = editor.get(reverse("subscription-add"))

    assert list(response.context["form"].fields["seats_of"].queryset) == [free]
    page = response.content.decode()
    assert "Not offered: “Cursor tracked”, with a seat price." in page
    save(editor, reverse("subscription-add"), typed(seats_of=str(free.pk)))
    assert Subscription.objects.get().seats_of == free


def test_the_page_of_the_seat_price_refuses_with_words_while_seats_are_typed(editor, today):
    cursor = IntegrationFactory(cost_center=CostCenterFactory()).cost_center
    add(name="Typed seats", seats_of=cursor, starts_on=today)
    url = reverse("cost-center-seats", args=[cursor.pk])
    answers = {
        "tracking": "priced",
        "monthly_price": "40",
        "committed_seats": "",
        "effective_from": today.isoformat(),
    }
    stamp = editor.post(url, {**answers, "preview": "1"}).context["form"].fingerprint

    response = editor.post(url, {**answers, "save": "1", "previewed": stamp})

    assert "typed as the subscription “Typed seats”" in response.content.decode()
    assert not SeatPrice.objects.exists()


# The list and one of them ---------------------------------------------------------------------------------------------


def test_the_list_adds_up_a_month_by_currency_and_never_across(editor, today):
    add(starts_on=today - DAY, seats=5, price=Decimal(30))
    add(name="Figma", starts_on=today - DAY, seats=2, price=Decimal(600), period="annual")
    add(name="DeepL", starts_on=today - DAY, seats=None, price=Decimal(10), currency="EUR")
    add(name="Later", starts_on=today + 3 * DAY, seats=None, price=Decimal(7))
    add(name="Gone", starts_on=today - 40 * DAY, ends_on=today - DAY, seats=None, price=Decimal(9))

    page = editor.get(reverse("subscriptions")).context["page"]

    totals = {total.currency: total for total in page.totals}
    assert {key: total.monthly for key, total in totals.items()} == {"USD": "$250.00", "EUR": "€10.00"}
    assert totals["USD"].running == 2
    assert [row.subscription.name for row in page.rows] == ["ChatGPT", "DeepL", "Figma", "Later", "Gone"]
    badges = {row.subscription.name: row.badge.text for row in page.rows}
    assert badges["ChatGPT"] == "Running"
    assert badges["Later"].startswith("Begins ")
    assert badges["Gone"] == "Ended"


@pytest.mark.parametrize(("days", "words"), [(0, "today"), (1, "tomorrow"), (12, "in 12 days")])
def test_the_list_tells_when_each_renews(editor, today, days, words):
    add(starts_on=today - 60 * DAY, renews_on=today + days * DAY)

    (row,) = editor.get(reverse("subscriptions")).context["page"].rows

    assert row.renewal_in == words
    assert words in editor.get(reverse("subscriptions")).content.decode()


def test_a_viewer_sees_them_and_no_way_to_change_them(client, today):
    known = add((today + DAY, 9), starts_on=today - DAY)
    client.force_login(UserFactory(role="Viewer"))

    for url in (reverse("subscriptions"), page_of(known)):
        page = client.get(url).content.decode()
        assert "ChatGPT" in page
        for way in ("add/", "edit/", "end/", "terms/", "delete/", "withdraw/"):
            assert f'{way}"' not in page


def test_both_pages_need_few_queries_however_many_there_are(editor, today, django_assert_max_num_queries):
    for number in range(12):
        known = add((today - DAY, 7), (today + DAY, 9), name=f"Tool {number}", starts_on=today - 30 * DAY)
    editor.get(reverse("subscriptions"))

    with django_assert_max_num_queries(15):
        assert len(editor.get(reverse("subscriptions")).context["page"].rows) == 12
    with django_assert_max_num_queries(15):
        editor.get(page_of(known))
