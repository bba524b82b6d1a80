"""Subscriptions that are changed, ended and deleted on their pages, and who did it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from costcenters.models import CostCenter, CostLineItem
from finops.audit_log.words import sentence
from integrations import life
from integrations.models import Subscription, SubscriptionSeats
from integrations.subscriptions.amortisation import later_by_months
from tests.factories import UserFactory

from .conftest import sums
from .on_pages import add, page_of, save, told, typed

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


# Changing -------------------------------------------------------------------------------------------------------------


def edited(known, **changed):
    return typed(
        starts_on=known.starts_on.isoformat(), price=f"{known.price}", seats=f"{known.seats}", **changed
    )


def test_labels_are_changed_without_a_question(editor, today):
    known = add(starts_on=today - 30 * DAY)

    response = save(editor, page_of(known, "edit"), edited(known, name="Chat", owner="Bo"))

    assert response.status_code == 302
    assert set(CostLineItem.objects.values_list("service", flat=True)) == {"Chat"}
    known.refresh_from_db()
    assert known.owner == "Bo"


def test_a_price_that_was_wrong_rewrites_the_past_only_when_that_is_said(editor, today):
    known = add(starts_on=today - 3 * DAY)
    answers = {**edited(known), "price": "20"}

    refused = save(editor, page_of(known, "edit"), answers)

    assert "Say that it was wrong from the beginning" in refused.content.decode()
    assert sums()[0] == Decimal(150)
    assert save(editor, page_of(known, "edit"), answers, corrects="on").status_code == 302
    assert sums()[0] == Decimal(100)


def test_what_has_not_begun_is_changed_without_a_question(editor, today):
    known = add(starts_on=today + 3 * DAY)

    assert save(editor, page_of(known, "edit"), {**edited(known), "price": "20"}).status_code == 302


def test_the_currency_and_the_end_are_not_changed_by_an_edit(editor, today):
    known = add(starts_on=today - 3 * DAY, ends_on=today + 30 * DAY)

    save(editor, page_of(known, "edit"), edited(known, currency="EUR", ends_on=""))

    known.refresh_from_db()
    assert (known.currency, known.ends_on) == ("USD", today + 30 * DAY)


def test_new_terms_hold_from_a_day_on_and_leave_what_was(editor, today):
    known = add(starts_on=later_by_months(today, -1))
    before = sums(day__lt=today)
    answers = {**typed(price="60", seats="8", plan="Business"), "starts_on": today.isoformat()}

    response = save(editor, page_of(known, "terms"), answers)

    known.refresh_from_db()
    follower = Subscription.objects.exclude(pk=known.pk).get()
    assert response.url == page_of(follower)
    assert (known.ends_on, follower.name, follower.plan) == (today - DAY, "ChatGPT", "Business")
    assert sums(day__lt=today) == before
    assert sums(day=today)[0] == Decimal(480)


def test_new_terms_begin_after_the_old_ones(editor, today):
    known = add(starts_on=today)

    response = editor.post(page_of(known, "terms"), {**typed(), "preview": "1"})

    assert "corrected on its Edit page" in " ".join(response.context["form"].errors["starts_on"])


def test_an_end_says_that_what_is_paid_is_spread_over_what_is_left(editor, today):
    known = add(starts_on=today - DAY)
    url = page_of(known, "end")
    shown = editor.post(url, {"ends_on": (today + 2 * DAY).isoformat(), "preview": "1"})

    assert "Its end cuts a paid period short" in shown.content.decode()
    response = save(editor, url, {"ends_on": (today + 2 * DAY).isoformat()})

    assert response.status_code == 302
    assert sums(day=today)[1] == Decimal("37.5")
    assert save(editor, url, {"ends_on": ""}).status_code == 302
    known.refresh_from_db()
    assert known.ends_on is None


def test_seats_are_changed_from_a_day_on_and_a_change_is_withdrawn(editor, today):
    known = add(starts_on=today - DAY)
    response = save(
        editor, page_of(known, "seats"), {"seats": "9", "effective_from": (today + 3 * DAY).isoformat()}
    )

    (change,) = SubscriptionSeats.objects.all()
    assert "has 9 seats from" in told(response)[-1]
    rows = editor.get(page_of(known)).context["page"].seats
    assert [(row.seats, row.state) for row in rows] == [(9, "to come"), (5, "in effect")]
    url = reverse("subscription-seats-withdraw", args=[known.pk, change.pk])
    shown = editor.get(url)
    assert shown.context["can_save"]
    assert editor.post(url, {"save": "1", "previewed": shown.context["form"].stamp}).status_code == 302
    assert not SubscriptionSeats.objects.exists()
    assert editor.post(url, {"save": "1", "previewed": "x"}).url == page_of(known)


def test_a_change_of_seats_by_somebody_else_meanwhile_is_shown_first(editor, today):
    known = add(starts_on=today - DAY)
    url, answers = page_of(known, "seats"), {"seats": "9", "effective_from": (today + DAY).isoformat()}
    stamp = editor.post(url, {**answers, "preview": "1"}).context["form"].stamp
    SubscriptionSeats.objects.create(subscription=known, seats=40, effective_from=today)

    response = editor.post(url, {**answers, "save": "1", "previewed": stamp})

    assert "Not saved yet." in response.content.decode()
    assert SubscriptionSeats.objects.count() == 1


@pytest.mark.parametrize("page", ["edit", "terms", "seats", "end"])
def test_pages_open_for_what_is_over_flat_or_not_begun(editor, today, page):
    for fields in (
        {"starts_on": today - 90 * DAY, "ends_on": today - DAY},
        {"starts_on": today - 90 * DAY, "seats": None},
        {"starts_on": today + 90 * DAY, "period": "annual"},
        {"starts_on": date(2024, 2, 29), "period": "annual"},
    ):
        known = add(**fields)
        expected = 302 if page == "seats" and known.seats is None else 200
        assert editor.get(page_of(known, page)).status_code == expected
        assert editor.get(page_of(known)).status_code == 200


# Deleting, and its cost center ----------------------------------------------------------------------------------------


def test_a_delete_wants_its_name_and_takes_its_lines(client, today):
    known = add(name="R&D tool", starts_on=today - DAY)
    client.force_login(UserFactory(role="Admin"))

    page = client.get(page_of(known, "delete")).content.decode()
    assert "$150.00 billed" in page
    refused = client.post(page_of(known, "delete"), {"typed_name": "R&D"})
    assert "This is not its name" in refused.content.decode()
    assert CostLineItem.objects.exists()

    response = client.post(page_of(known, "delete"), {"typed_name": "R&D tool"})

    assert response.url == reverse("subscriptions")
    assert not CostLineItem.objects.exists()
    assert client.get(page_of(known)).status_code == 404


def test_of_a_removed_cost_center_the_page_says_so_and_offers_to_count_again(editor, today):
    known = add(starts_on=today - DAY)
    life.remove(known.cost_center.integration, with_history=False, now=timezone.now())

    assert "Count them again" in editor.get(reverse("subscriptions")).content.decode()
    refused = editor.post(
        reverse("subscription-add"),
        {
            **typed(),
            "save": "1",
            "previewed": editor.post(reverse("subscription-add"), {**typed(), "preview": "1"})
            .context["form"]
            .stamp,
        },
    )
    assert "let it be counted again first" in refused.content.decode()

    response = editor.post(reverse("subscriptions-count-again", args=[known.cost_center_id]))

    assert "is counted again" in told(response)[-1]
    assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE


def test_there_is_no_form_to_connect_them(editor):
    assert editor.get(reverse("connect", args=["subscriptions"])).status_code == 404


def test_the_pages_of_its_cost_center_open(client, today):
    center = add(starts_on=today - DAY).cost_center
    client.force_login(UserFactory(role="Admin"))

    for name in (
        "cost-center",
        "cost-center-runs",
        "cost-center-edit",
        "cost-center-remove",
        "cost-center-progress",
    ):
        assert client.get(reverse(name, args=[center.pk])).status_code == 200, name
    assert "Subscriptions" in client.get(reverse("cost-centers")).content.decode()


# Who changed what -----------------------------------------------------------------------------------------------------


def test_every_change_is_in_the_audit_log_in_words(client, today):
    client.force_login(UserFactory(role="Admin", username="ada@example.com"))
    save(client, reverse("subscription-add"), typed(starts_on=(today - DAY).isoformat()))
    known = Subscription.objects.get()
    day = today + 5 * DAY
    seats = {"seats": "9", "effective_from": day.isoformat()}
    save(client, page_of(known, "seats"), seats)
    save(client, page_of(known, "seats"), {**seats, "seats": "10"})
    url = reverse("subscription-seats-withdraw", args=[known.pk, SubscriptionSeats.objects.get().pk])
    client.post(url, {"save": "1", "previewed": client.get(url).context["form"].stamp})
    save(client, page_of(known, "end"), {"ends_on": day.isoformat()})
    client.post(page_of(known, "delete"), {"typed_name": known.name})

    entries = LogEntry.objects.filter(content_type__model__startswith="subscription").order_by("pk")
    words = [sentence(entry) for entry in entries]
    spelled = f"{day.day} {day:%b} {day.year}"
    assert words[0].startswith("added the subscription ChatGPT (")
    assert "price 30" in words[0]
    assert words[1:5] == [
        f"set the seats of ChatGPT: 9 from {spelled}",
        f"changed the seats of ChatGPT: 9 → 10 from {spelled}",
        f"withdrew the seats of ChatGPT: 10 from {spelled}",
        f"changed the last day of ChatGPT: nothing → {spelled}",
    ]
    assert words[5].startswith("removed the subscription ChatGPT")
    assert {entry.actor.username for entry in entries} == {"ada@example.com"}
    assert client.get(reverse("audit-log")).status_code == 200


@pytest.mark.parametrize("history", ["keep", "delete"])
def test_its_removal_speaks_of_subscriptions_and_of_no_key(client, today, history):
    center = add(starts_on=today - DAY).cost_center
    client.force_login(UserFactory(role="Admin"))
    url = reverse("cost-center-remove", args=[center.pk])

    for page in (
        url,
        reverse("cost-center", args=[center.pk]),
        reverse("cost-center-edit", args=[center.pk]),
    ):
        text = client.get(page).content.decode()
        assert "key" not in text.partition("<main")[2].lower().replace("keyboard", ""), page
    response = client.post(url, {"history": history, "typed_name": center.name}, follow=True)

    said = response.content.decode()
    assert "is removed" in said
    assert "Revoke" not in said
    assert client.get(reverse("subscriptions")).status_code == 200
    for page in (
        url,
        reverse("cost-center", args=[center.pk]),
        reverse("cost-center-edit", args=[center.pk]),
    ):
        assert client.get(page).status_code == 200
