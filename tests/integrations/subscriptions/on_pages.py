"""Subscriptions as somebody types them into the pages."""

from __future__ import annotations

from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from .conftest import add as add_on_a_clock


def add(*changes, **fields):
    return add_on_a_clock(*changes, now=timezone.now(), **fields)


def typed(**changed):
    return {
        "name": "ChatGPT",
        "plan": "Team",
        "pricing": "seats",
        "seats": "5",
        "price": "30",
        "period": "monthly",
        "currency": "USD",
        "starts_on": timezone.now().date().isoformat(),
        "ends_on": "",
        "renews_on": "",
        "remind_days": "14",
        "owner": "",
        "tags": "",
        "seats_of": "",
        **changed,
    }


def save(client, url, answers, **more):
    """Both steps, as somebody without JavaScript takes them."""
    shown = client.post(url, {**answers, "preview": "1"})
    assert shown.status_code == 200
    assert shown.context["can_save"], shown.context["form"].errors
    return client.post(url, {**answers, "save": "1", "previewed": shown.context["form"].stamp, **more})


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def page_of(known, page=""):
    return reverse(f"subscription{page and '-'}{page}", args=[known.pk])
