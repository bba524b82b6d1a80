"""A line item in words: why it costs what it costs, and what the provider said about it besides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from costcenters.dimensions import kind_label
from costcenters.models import ChargeType, CostLineItem
from finops.money import display

#: What is known of a provider's own fields; others keep their spelling.
DETAIL_LABELS = {
    "chargedCents": "Cursor charged (cents)",
    "totalCents": "Model at list price (cents)",
    "cursorTokenFee": "Cursor token fee, part of charged (cents)",
    "discountPercentOff": "Discount (percent)",
    "isChargeable": "Chargeable",
    "isTokenBasedCall": "Priced by tokens",
    "maxMode": "Max mode",
    "automationId": "Automation",
    "cloudAgentId": "Cloud agent",
    "serviceAccountId": "Service account",
    "monthlyPrice": "Price of a seat a month",
}
#: Deeper than this, what is nested is shown as JSON.
DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Detail:
    label: str
    text: str


def details(found: Any) -> Iterator[Detail]:
    """Each value with its label; of nested ones the path to it, such as `usage › cached`."""
    if not isinstance(found, dict):
        found = {"details": found}
    for key, value in found.items():
        yield from flattened(DETAIL_LABELS.get(key, key), value, depth=1)


def flattened(label: str, value: Any, *, depth: int) -> Iterator[Detail]:
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        inner = [(str(place), each) for place, each in enumerate(value, start=1)]
    if inner and depth < DEEPEST:
        for key, each in inner:
            yield from flattened(f"{label} › {key}", each, depth=depth + 1)
    else:
        yield Detail(label, text_of(value))


def text_of(value: Any) -> str:
    match value:
        case None:
            return "–"
        case True:
            return "Yes"
        case False:
            return "No"
        case str():
            return value or "–"
        case list() if value and not any(isinstance(each, dict | list) for each in value):
            return ", ".join(text_of(each) for each in value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False) if value else "–"
    return str(value)


def explanation(item: CostLineItem, currency: str) -> str:
    """Why the line is billed what it is; empty where nothing needs to be said."""
    billed, effective, listed = item.billed_cost, item.effective_cost, item.list_cost

    def money(amount: Any) -> str:
        return display(amount, currency)

    match item.charge_type:
        case ChargeType.SEAT if not billed and effective:
            return "Paid ahead: a day's share of the payment. What was paid is billed on its own day."
        case ChargeType.SEAT:
            price = item.details.get("monthlyPrice") if isinstance(item.details, dict) else None
            share = (
                f"One day's share of {price} {currency} a month" if price else "One day's share of a month"
            )
            holder = "a seat" if item.user else "committed seats that nobody holds"
            estimate = "; estimated from the price that was entered" if item.is_estimated else ""
            return f"{share} for {holder}{estimate}."
        case ChargeType.PURCHASE:
            if billed and not effective:
                return "Bought ahead: billed here, its effective cost is spread over the usage it covers."
        case ChargeType.CREDIT:
            if billed < 0:
                return f"A credit: lowers the bill by {money(-billed)}."
        case ChargeType.USAGE:
            return of_usage(item, money(billed), money(effective), money(listed))
    return ""


def of_usage(item: CostLineItem, billed: str, effective: str, listed: str) -> str:
    kind = kind_label(item.kind).lower()
    if kind.startswith(("errored", "aborted")) and not item.billed_cost:
        return "Not charged: it ended in an error or was aborted, so it has no cost and no list value."
    values = f"list value {listed}, billed {billed}"
    if not item.billed_cost and item.effective_cost > 0:
        return f"Covered by a commitment: effective cost {effective}, {values}."
    if not item.billed_cost and item.list_cost > 0:
        for beginning, reason in (
            ("included", "Included"),
            ("user api key", "Paid with the user's own API key"),
            ("free credit", "Paid with free credit"),
        ):
            if kind.startswith(beginning):
                return f"{reason}: {values}."
        return f"Not charged: {values}."
    if 0 < item.billed_cost < item.list_cost:
        return f"Below list price: {values}."
    if item.billed_cost > 0 and kind.startswith("usage"):
        return f"On demand: billed {billed}, on top of what the plan includes."
    return ""
