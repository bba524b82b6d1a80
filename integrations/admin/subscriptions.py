"""Subscriptions, to be looked at: they are changed on their own pages, where their lines follow."""

from __future__ import annotations

from django.contrib import admin

from finops.admin import ReadOnlyAdmin
from integrations.models import Subscription, SubscriptionSeats


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = (
        *("name", "plan", "cost_center", "seats", "price", "currency", "period"),
        *("starts_on", "renews_on", "ends_on", "owner"),
    )
    list_select_related = ("cost_center",)
    list_filter = ("period", "currency", "cost_center")
    search_fields = ("name", "plan", "owner")


@admin.register(SubscriptionSeats)
class SubscriptionSeatsAdmin(ReadOnlyAdmin):
    list_display = ("subscription", "seats", "effective_from")
    list_select_related = ("subscription",)
    list_filter = ("subscription",)
