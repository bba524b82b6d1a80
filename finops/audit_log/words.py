"""An entry of the audit log as a sentence: "changed the name of Cursor Team: Cursor → Cursor Team"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from auditlog.models import LogEntry

from costcenters.models import CostCenter, provider_label
from finops.audit_log.kinds import Kind, kind_of, notes, recorded_fields
from finops.audit_log.record import NEVER_SHOWN
from finops.money import plain
from finops.secrets import MASK

#: What the log holds where a field had no value.
NOTHING = ("", "None", "none", None)
LABELS = {
    "connected_on": "connected on",
    "api_url": "API address",
    "key_hint": "key",
    "query": "question",
    "is_shared": "sharing",
    "username": "user name",
    "email": "e-mail address",
    "first_name": "first name",
    "last_name": "last name",
    "is_active": "account in use",
    "is_staff": "staff",
    "is_superuser": "superuser",
    "groups": "roles",
    "user_permissions": "own permissions",
    "expiry": "last day",
    "monthly_price": "price of a seat a month",
    "committed_seats": "committed seats",
    "effective_from": "first day",
    "starts_on": "first day",
    "ends_on": "last day",
    "renews_on": "next renewal",
    "remind_days": "days before a renewal that it is told",
    "seats_of": "cost center whose seats it is",
}
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
ACTIONS = {
    LogEntry.Action.CREATE: "added",
    LogEntry.Action.UPDATE: "changed",
    LogEntry.Action.DELETE: "removed",
    LogEntry.Action.ACCESS: "looked at",
}


def sentence(entry: LogEntry) -> str:
    """What was done, to follow the name of who did it."""
    kind, name = kind_of(entry), object_name(entry)
    if happened := notes(entry).get("happened"):
        return str(happened) if name in str(happened) else f"{name}: {happened}"
    if kind and kind.slug == "seat-price":
        return _seat_price(entry)
    if kind and kind.slug == "subscription-seats":
        return _subscription_seats(entry)
    if kind and kind.slug == "token" and (owner := notes(entry).get("owner")):
        name = name if entry.actor and entry.actor.get_username() == owner else f"{name} of {owner}"
    if entry.action == LogEntry.Action.UPDATE:
        return "; ".join(_changes(entry, kind, name)) or f"changed {name}"
    return f"{ACTIONS.get(entry.action, 'changed')} {_noun(kind)}{name}{_details(entry, kind)}"


def object_name(entry: LogEntry) -> str:
    """What the object was called then."""
    kind = kind_of(entry)
    if kind and kind.slug == "seat-price":
        return str(notes(entry).get("cost_center") or entry.object_repr)
    if kind and kind.slug == "subscription-seats":
        return str(notes(entry).get("subscription") or entry.object_repr)
    if kind and kind.slug == "connection":
        # Spelled "Cursor Team (cursor)": the provider is of no use here.
        return re.sub(r" \([a-z0-9_-]+\)$", "", entry.object_repr)
    return str(entry.object_repr)


def _noun(kind: Kind | None) -> str:
    if kind is None:
        return ""
    return "the API token " if kind.slug == "token" else f"the {kind.label.lower()} "


def _seat_price(entry: LogEntry) -> str:
    """Prices are only added and, before their first day, taken back."""
    fields, about, name = recorded_fields(entry), notes(entry), object_name(entry)
    side = 0 if entry.action == LogEntry.Action.DELETE else 1
    price = _price(_side(fields, "monthly_price", side), about.get("currency"))
    seats = _side(fields, "committed_seats", side)
    since = f" from {_value(_side(fields, 'effective_from', side))}"
    committed = "" if seats in NOTHING else f", {seats} committed seats"
    if entry.action == LogEntry.Action.DELETE:
        return f"took back the seat price of {name}: {price}{since}{committed}"
    if "before" not in about:
        # Recorded before its cost center's name was.
        return f"set a seat price: {price}{since}{committed}"
    before = _price(about["before"], "")
    return f"changed the seat price of {name}: {before} → {price}{since}{committed}"


def _subscription_seats(entry: LogEntry) -> str:
    """Numbers of seats from a day on are set, set anew, and withdrawn."""
    fields, name = recorded_fields(entry), object_name(entry)
    if entry.action == LogEntry.Action.UPDATE:
        # Only the number is: its day stands in what it was called.
        before, after = _side(fields, "seats", 0), _side(fields, "seats", 1)
        since = entry.object_repr.partition(" from ")[2]
        return f"changed the seats of {name}: {before} → {after}" + (
            f" from {_value(since)}" if since else ""
        )
    side = 0 if entry.action == LogEntry.Action.DELETE else 1
    seats, since = _side(fields, "seats", side), _value(_side(fields, "effective_from", side))
    done = "withdrew" if entry.action == LogEntry.Action.DELETE else "set"
    return f"{done} the seats of {name}: {seats} from {since}"


def _side(fields: dict[str, Any], name: str, side: int) -> Any:
    pair = fields.get(name)
    return pair[side] if isinstance(pair, list | tuple) and len(pair) == 2 else None


def _price(value: Any, currency: Any) -> str:
    if value in NOTHING:
        return "not tracked"
    try:
        text = plain(Decimal(str(value)))
    except InvalidOperation:
        text = str(value)
    return f"{text} {currency or ''}".strip()


def _details(entry: LogEntry, kind: Kind | None) -> str:
    """Of what was added or removed: its fields that hold something and are not its name."""
    side = 0 if entry.action == LogEntry.Action.DELETE else 1
    hidden = {"id", "name", "is_active", "is_staff", *(kind.hidden if kind else ()), *NEVER_SHOWN}
    told = []
    for field, pair in sorted(recorded_fields(entry).items()):
        if field in hidden or not isinstance(pair, list | tuple) or len(pair) != 2:
            continue
        value = pair[side]
        # An empty set of tags is written as {}.
        if value in NOTHING or value == "{}" or value == "False" or str(value) == entry.object_repr:
            continue
        told.append(
            field.removeprefix("is_") if value == "True" else f"{_label(field)} {_value(value, field)}"
        )
    return f" ({', '.join(told)})" if told else ""


def _changes(entry: LogEntry, kind: Kind | None, name: str) -> Iterator[str]:
    for field, change in sorted(recorded_fields(entry).items()):
        if isinstance(change, dict):
            yield _membership(kind, field, change, name)
        elif isinstance(change, list | tuple) and len(change) == 2:
            yield _change(field, change[0], change[1], name)


def _change(field: str, before: Any, after: Any, name: str) -> str:
    if field == "password":
        return f"changed the password of {name}"
    if field in NEVER_SHOWN:
        return f"changed the {_label(field)} of {name}: {MASK} → {MASK}"
    if field == "key_hint":
        return _key(before, after, name)
    if field == "status" and (told := _status(before, after, name)):
        return told
    if field == "is_active":
        return f"{'activated' if after == 'True' else 'deactivated'} the account of {name}"
    if field == "is_superuser":
        return f"made {name} a superuser" if after == "True" else f"made {name} no superuser any more"
    if field == "is_shared":
        return f"{'shared' if after == 'True' else 'stopped sharing'} {name}"
    return f"changed the {_label(field)} of {name}: {_value(before, field)} → {_value(after, field)}"


def _key(before: Any, after: Any, name: str) -> str:
    if after in NOTHING:
        return (
            f"deleted the key of {name}: {before}" if before not in NOTHING else f"deleted the key of {name}"
        )
    if before in NOTHING:
        return f"gave {name} the key {after}"
    return f"replaced the key of {name}: {before} → {after}"


def _status(before: Any, after: Any, name: str) -> str:
    statuses = CostCenter.Status
    if after == statuses.PAUSED:
        return f"paused {name}"
    if after == statuses.DISCONNECTED:
        return f"disconnected {name}"
    return f"resumed {name}" if before == statuses.PAUSED else ""


def _membership(kind: Kind | None, field: str, change: dict[str, Any], name: str) -> str:
    """Of a role that was given or taken; of other many-to-many fields, what was added or removed."""
    objects = [str(each) for each in change.get("objects") or ()]
    added = change.get("operation") == "add"
    is_role = kind is not None and kind.slug == "role"
    if field == "groups" and added:
        # Seen from the role, the objects are people.
        who, roles = (", ".join(objects), [name]) if is_role else (name, objects)
        return f"made {who} {' and '.join(_with_article(role) for role in roles)}"
    if field == "groups":
        who, what = (", ".join(objects), name) if is_role else (name, ", ".join(objects))
        return f"took the role {what} from {who}"
    verb = "added to" if added else "removed from"
    return f"{verb} the {_label(field)} of {name}: {', '.join(objects)}"


def _with_article(role: str) -> str:
    return f"{'an' if role[:1].lower() in 'aeio' else 'a'} {role}"


def _tags(text: str) -> str:
    """Such as `team=web, owner=ops`; what is no such set of tags stays as it was kept."""
    try:
        tags = json.loads(text)
    except ValueError:
        return text
    if not isinstance(tags, dict):
        return text
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items())) or "nothing"


def _label(field: str) -> str:
    return LABELS.get(field, field.replace("_", " "))


def _value(value: Any, field: str = "") -> str:
    if value in NOTHING:
        return "nothing"
    text = str(value)
    if text in ("True", "False"):
        return "yes" if text == "True" else "no"
    if field == "status" and text in CostCenter.Status.values:
        return str(CostCenter.Status(text).label)
    if field == "provider":
        return provider_label(text)
    if field == "tags":
        return _tags(text)
    if ISO_DAY.fullmatch(text[:10]) and (len(text) == 10 or text[10] in " T"):
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            return text
        return f"{day.day} {day:%b} {day.year}"
    return text
