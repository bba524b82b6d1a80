"""Which fields of connections, prices, views, tokens and people the audit log watches; never a secret or its digest.

What it does not see by itself is written by `finops.audit_log.record`.
"""

from __future__ import annotations

from auditlog.registry import auditlog
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from costcenters.models import CostCenter, SavedView, SeatPrice
from finops.models import ApiToken
from integrations.models import Integration, Subscription, SubscriptionSeats


def register() -> None:
    """Fields are named one by one: what is not named here is not recorded."""
    auditlog.register(CostCenter, include_fields=["name", "provider", "currency", "status", "connected_on"])
    auditlog.register(
        SeatPrice,
        include_fields=["cost_center", "monthly_price", "committed_seats", "effective_from", "created_by"],
    )
    auditlog.register(SavedView, include_fields=["name", "query", "is_shared"])
    auditlog.register(
        Integration, include_fields=["cost_center", "provider", "api_url", "key_hint", "connected_by"]
    )
    auditlog.register(
        Subscription,
        include_fields=[
            *("name", "plan", "seats", "price", "period", "currency", "starts_on", "renews_on", "ends_on"),
            *("owner", "tags", "seats_of", "remind_days"),
        ],
    )
    auditlog.register(SubscriptionSeats, include_fields=["subscription", "seats", "effective_from"])
    auditlog.register(ApiToken, include_fields=["name", "user", "scope", "expiry"])
    auditlog.register(
        get_user_model(),
        include_fields=[
            "username",
            "email",
            "first_name",
            "last_name",
            "is_active",
            "is_staff",
            "is_superuser",
            "password",
        ],
        # That a password was changed is recorded, nothing of what it was.
        mask_fields=["password"],
        mask_callable="finops.secrets.masked",
        m2m_fields={"groups", "user_permissions"},
    )
    auditlog.register(Group, include_fields=["name"], m2m_fields={"permissions"})
