"""A page of the audit log. Entries are found by their place in the order, never counted: there may be a million."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from auditlog.models import LogEntry
from django.urls import NoReverseMatch, reverse

from costcenters.models import CostCenter
from finops.audit_log.form import AuditQuery
from finops.audit_log.kinds import Kind, kind_of, recorded_fields
from finops.audit_log.words import object_name, sentence
from finops.paging import keyset_page
from integrations.models import Integration, Subscription

PAGE_SIZE = 50
#: A sentence may hold a whole query string of the explorer; the CSV holds all of it.
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Row:
    """`who_note` says why there is no account to name; `url` is empty where the object is gone or has no page."""

    when: datetime
    who: str
    who_note: str
    what: str
    kind: str
    name: str
    url: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    rows: tuple[Row, ...]
    newer_url: str
    older_url: str
    csv_url: str
    newest_url: str


def audit_page(wanted: AuditQuery, parameters: Mapping[str, str]) -> AuditPage:
    """`parameters` are the filters as they stand in the address, without the place."""
    found = wanted.entries().select_related("actor")
    entries = keyset_page(found, "timestamp", size=PAGE_SIZE, after=wanted.after, before=wanted.before)

    def url(**place: str) -> str:
        return f"{reverse('audit-log')}?{urlencode({**parameters, **place})}".rstrip("?")

    return AuditPage(
        rows=tuple(rows(entries.rows)),
        newer_url=url(before=str(entries.newer)) if entries.newer else "",
        older_url=url(after=str(entries.older)) if entries.older else "",
        csv_url=f"{reverse('audit-log-csv')}?{urlencode(parameters)}".rstrip("?"),
        newest_url=url(),
    )


def rows(entries: Iterable[LogEntry]) -> list[Row]:
    entries = list(entries)
    links = _links(entries)
    return [row(entry, links.get(entry.pk, "")) for entry in entries]


def row(entry: LogEntry, url: str = "") -> Row:
    who, note = author(entry)
    kind = kind_of(entry)
    what = sentence(entry)
    return Row(
        when=entry.timestamp,
        who=who,
        who_note=note,
        what=what if len(what) <= LONGEST else f"{what[:LONGEST]}…",
        kind=kind.label if kind else "Other",
        name=object_name(entry),
        url=url,
        address=entry.remote_addr or "",
    )


def author(entry: LogEntry) -> tuple[str, str]:
    """Who did it, and what is to be known about that."""
    if entry.actor is not None:
        return entry.actor.get_username(), ""
    if entry.actor_email is not None:
        return entry.actor_email or "Somebody", "account removed since"
    return ("Somebody", "not logged in") if entry.remote_addr else ("Onebill itself", "")


def _links(entries: list[LogEntry]) -> dict[int, str]:
    """Where the objects that still exist can be looked at, by entry. One query a kind."""
    by_kind: dict[Kind, dict[int, str]] = defaultdict(dict)
    for entry in entries:
        kind = kind_of(entry)
        if kind is not None:
            by_kind[kind][entry.pk] = _target(entry, kind)
    links = {}
    for kind, targets in by_kind.items():
        urls = _urls(kind, {target for target in targets.values() if target})
        links.update({pk: urls[target] for pk, target in targets.items() if target in urls})
    return links


def _target(entry: LogEntry, kind: Kind) -> str:
    """The key of the object to look at: of a price that is its cost center."""
    if kind.slug not in ("seat-price", "subscription-seats"):
        return entry.object_pk
    whose = "cost_center" if kind.slug == "seat-price" else "subscription"
    pair = recorded_fields(entry).get(whose) or ["", ""]
    return next((str(value) for value in reversed(pair) if str(value).isdecimal()), "")


def _urls(kind: Kind, keys: set[str]) -> dict[str, str]:
    """The addresses of those that exist."""
    numbers = {int(key) for key in keys if key.isdecimal() and len(key) < 19}
    match kind.slug:
        case "cost-center" | "seat-price":
            centers = CostCenter.objects.filter(pk__in=numbers)
            return {str(center.pk): center.get_absolute_url() for center in centers}
        case "connection":
            pairs = Integration.objects.filter(pk__in=numbers).values_list("pk", "cost_center_id")
            return {str(pk): reverse("cost-center", args=[center]) for pk, center in pairs}
        case "subscription" | "subscription-seats":
            known = Subscription.objects.filter(pk__in=numbers).values_list("pk", flat=True)
            return {str(pk): reverse("subscription", args=[pk]) for pk in known}
        case "saved-view":
            # Somebody else's view may be private, and a view says nothing that its entry does not.
            return {}
    model = kind.model
    wanted: set[int] | set[UUID] = _ids(keys) if kind.slug == "token" else numbers
    found = model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True)
    try:
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return {str(pk): reverse(page, args=[pk]) for pk in found}
    except NoReverseMatch:
        return {}


def _ids(keys: Iterable[str]) -> set[UUID]:
    """Of what was recorded under anything else, there is no page."""
    found = set()
    for key in keys:
        try:
            found.add(UUID(key))
        except ValueError:
            continue
    return found
