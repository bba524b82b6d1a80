"""The kinds of object of which changes are recorded: how each is called in addresses and on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from costcenters.models import CostCenter, SavedView, SeatPrice
from finops.models import ApiToken
from integrations.models import Integration, Subscription, SubscriptionSeats


@dataclass(frozen=True, slots=True)
class Kind:
    """`hidden` are recorded fields that say nothing people do not see elsewhere in the entry."""

    slug: str
    label: str
    model: type[Model]
    hidden: frozenset[str] = frozenset()


KINDS = (
    Kind("cost-center", "Cost center", CostCenter),
    Kind("connection", "Connection", Integration, frozenset({"cost_center", "connected_by"})),
    Kind("seat-price", "Seat price", SeatPrice, frozenset({"cost_center", "created_by"})),
    Kind("subscription", "Subscription", Subscription),
    Kind("subscription-seats", "Seats of a subscription", SubscriptionSeats, frozenset({"subscription"})),
    Kind("saved-view", "Saved view", SavedView),
    Kind("person", "Person", User),
    Kind("role", "Role", Group),
    Kind("token", "API token", ApiToken, frozenset({"user"})),
)


def content_type_id(kind: Kind) -> int:
    return ContentType.objects.get_for_model(kind.model).pk


def kind_of(entry: LogEntry) -> Kind | None:
    """None for what an earlier or later version of Onebill recorded."""
    return next((kind for kind in KINDS if content_type_id(kind) == entry.content_type_id), None)


def recorded_fields(entry: LogEntry) -> dict[str, Any]:
    """The changes of an entry; {} where it has none, or none that can be read."""
    return entry.changes if isinstance(entry.changes, dict) else {}


def notes(entry: LogEntry) -> dict[str, Any]:
    """What was recorded besides the changes."""
    return entry.additional_data if isinstance(entry.additional_data, dict) else {}
