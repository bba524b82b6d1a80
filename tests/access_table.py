"""Every address that people open, and the least role that may: the tables that `test_access.py` asks about."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from costcenters.models import CostCenter
from finops.notifications import STOP_SALT
from tests.factories import role_group

ROLES = ("Viewer", "Editor", "Admin")
EVERYBODY = ("", *ROLES)
#: What stands for each part of an address; the fixture `rows` makes what they name.
PARTS: dict[str, Any] = {
    "pk": 900_002,
    "provider": "cursor",
    "uidb64": "MQ",
    "token": signing.dumps([900_001, "key_refused"], salt=STOP_SALT),
    "key": "user",
    "price": 900_001,
    # A cost center that takes files, and one of these.
    "center": 900_001,
    "file": 900_001,
    "person": 900_001,
    "change": 900_001,
    "api_token": UUID("5b0c6a52-8f0e-4a57-9d3f-0d6c6f3f6f11"),
    # The Django admin's
    "id": 900_001,
    "object_id": "900002",
    "content_type_id": "1",
    "app_label": "auth",
}
#: What has to be asked of an address for an answer.
QUERY = {
    "admin:autocomplete": {
        "app_label": "finops",
        "model_name": "notificationsetting",
        "field_name": "user",
        "term": "a",
    },
}

#: Addresses open to everybody.
OPEN = {
    "healthz",
    "readyz",
    "login",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
    "invitation",
    "notifications-stop",
}
#: Of these, what mail programs post to by themselves; the address is the proof.
ONE_CLICK = {"notifications-stop"}
#: Of the others, by name: the least role that may see it; "" for anybody with an account.
LEAST = {
    "overview": "Viewer",
    "explorer": "Viewer",
    "explorer-csv": "Viewer",
    "explorer-values": "Viewer",
    "line-items": "Viewer",
    "exports": "Viewer",
    "export-focus": "Viewer",
    "saved-views": "Viewer",
    "saved-view-new": "Viewer",
    "saved-view-rename": "Viewer",
    "saved-view-change": "Viewer",
    "saved-view-update": "Viewer",
    "saved-view-delete": "Viewer",
    "saved-view-tile": "Viewer",
    "help-cursor": "Viewer",
    "notifications": "Viewer",
    "notifications-test": "Viewer",
    "cost-centers": "Viewer",
    "cost-center": "Viewer",
    "cost-center-progress": "Viewer",
    "cost-center-members": "Viewer",
    "cost-center-runs": "Viewer",
    "cost-center-files": "Viewer",
    "delivery": "Viewer",
    "reconciliation": "Viewer",
    "reconciliation-csv": "Viewer",
    "subscriptions": "Viewer",
    "subscription": "Viewer",
    "subscription-add": "Editor",
    "subscription-edit": "Editor",
    "subscription-terms": "Editor",
    "subscription-seats": "Editor",
    "subscription-seats-withdraw": "Editor",
    "subscription-end": "Editor",
    "subscriptions-count-again": "Editor",
    "subscription-delete": "Admin",
    "connect": "Editor",
    "cost-center-edit": "Editor",
    "cost-center-key": "Editor",
    "cost-center-seats": "Editor",
    "cost-center-seat-price-delete": "Editor",
    "cost-center-read-again": "Editor",
    "cost-center-files-upload": "Editor",
    "delivery-import": "Editor",
    "delivery-leave": "Editor",
    "delivery-again": "Editor",
    "cost-center-sync": "Editor",
    "cost-center-test": "Editor",
    "cost-center-pause": "Editor",
    "cost-center-resume": "Editor",
    "cost-center-remove": "Admin",
    "audit-log": "Admin",
    "audit-log-csv": "Admin",
    "people": "Admin",
    "person": "Admin",
    "person-invite": "Admin",
    "person-role": "Admin",
    "person-deactivate": "Admin",
    "person-reactivate": "Admin",
    "person-invite-again": "Admin",
    "person-withdraw": "Admin",
    "person-unlock": "Admin",
    "admin:index": "Admin",
    "admin:app_list": "Admin",
    "admin:autocomplete": "Admin",
    "admin:jsi18n": "Admin",
    "admin:logout": "Admin",
    "admin:password_change": "Admin",
    "admin:password_change_done": "Admin",
    "admin:view_on_site": "Admin",
    "admin:auth_user_password_change": "Admin",
    "api-docs": "",
    "tokens": "",
    "token-revoke": "",
    "logout": "",
    "password_change": "",
    "password_change_done": "",
}
#: Of these, what only takes what is sent.
POST_ONLY = {
    "notifications-test",
    "saved-view-rename",
    "saved-view-change",
    "saved-view-update",
    "cost-center-seat-price-delete",
    "subscriptions-count-again",
    "cost-center-files-upload",
    "delivery-import",
    "delivery-leave",
    "delivery-again",
    "cost-center-sync",
    "cost-center-test",
    "cost-center-pause",
    "cost-center-resume",
    "person-role",
    "person-reactivate",
    "person-invite-again",
    "person-withdraw",
    "person-unlock",
    "admin:logout",
    "logout",
}
#: Every model of the Django admin, and what an Admin may do to its rows beside looking at them.
ADMIN_MODELS: dict[str, set[str]] = {
    "auditlog.logentry": set(),
    # The rows there are, are the roles: they stay as they are.
    "auth.group": {"add"},
    "auth.user": {"add", "change", "delete"},
    "costcenters.annotation": set(),
    "costcenters.costcenter": {"change"},
    "costcenters.costlineitem": set(),
    "costcenters.savedview": {"delete"},
    "costcenters.seatprice": set(),
    "costcenters.tagset": set(),
    "finops.apitoken": {"delete"},
    "finops.notificationsetting": {"add", "change", "delete"},
    "integrations.integration": {"change"},
    "integrations.member": set(),
    "integrations.notice": set(),
    "integrations.providertotal": set(),
    "integrations.seatsnapshot": set(),
    "integrations.stream": set(),
    "integrations.subscription": set(),
    "integrations.subscriptionseats": set(),
    "integrations.syncrun": set(),
}
#: The actions of the Django admin on chosen rows.
ADMIN_ACTIONS: dict[str, set[str]] = {
    "auth.user": {"delete_selected"},
    "costcenters.costcenter": {"pause", "resume", "sync_now", "test_connection"},
    "finops.notificationsetting": {"delete_selected"},
    "integrations.integration": {"pause", "resume", "sync_now", "test_connection"},
}
#: The pages of a model, and what an Admin must be able to do for them. Looking is free.
MODEL_PAGES = {"changelist": "", "history": "", "change": "", "add": "add", "delete": "delete"}
#: Leads on to the one log-in, whoever asks.
TO_THE_LOG_IN = "admin:login"


@cache
def addresses() -> dict[str, str]:
    """All addresses by name."""
    return dict(sorted(_named(get_resolver(), "", ())))


def _named(resolver: URLResolver, namespace: str, parts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        needed = (*parts, *entry.pattern.regex.groupindex)
        if isinstance(entry, URLResolver):
            yield from _named(entry, f"{entry.namespace}:" if entry.namespace else namespace, needed)
        elif isinstance(entry, URLPattern) and entry.name:
            name = f"{namespace}{entry.name}"
            yield name, reverse(name, kwargs={part: PARTS[part] for part in needed})


def admin_pages(model: str) -> dict[str, str]:
    """The addresses of a model's pages in the Django admin."""
    stem = "admin:" + model.replace(".", "_")
    return {page: addresses()[f"{stem}_{page}"] for page in MODEL_PAGES}


def may(role: str, least: str) -> bool:
    return not least or (bool(role) and ROLES.index(role) >= ROLES.index(least))


def as_stored(path: str) -> str:
    """`path` with the numbers that this database gave to rows that a migration or Django itself has made."""
    kind = ContentType.objects.get_for_model(CostCenter).pk
    return path.replace("/admin/r/1/", f"/admin/r/{kind}/").replace(
        "/admin/auth/group/900002/", f"/admin/auth/group/{role_group('Viewer').pk}/"
    )
