"""A line item as a row of FOCUS 1.2: text for every column, empty for null.

What a delivery said comes back as it was delivered, from the line's details; the rest is computed. What lines have in
common is computed once and remembered, since an export has millions of lines and few combinations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from costcenters.focus.columns import (
    CHARGE_TYPES,
    COLUMNS_1_2,
    COSTS,
    DETAIL_COLUMNS,
    ENUMERATIONS,
    NUMBERS,
    OWN_COLUMNS,
)
from costcenters.focus.export_lines import Line
from costcenters.focus.export_values import amount, canonical, end_of, instant_text, month_of, number, spelled
from costcenters.focus.own_ids import IDENTITIES
from costcenters.models import ChargeType, CostCenter, Statement, provider_label

COLUMNS = (*COLUMNS_1_2, *OWN_COLUMNS)
AT = {name: position for position, name in enumerate(COLUMNS)}
#: The decimal numbers of a row.
DECIMALS = (*COSTS, *NUMBERS)
#: So many combinations are remembered before it begins anew.
MOST_REMEMBERED = 20_000

CATEGORIES = {charge_type: category for category, charge_type in CHARGE_TYPES.items()} | {
    ChargeType.SEAT.value: "Usage"
}
WORDS = {charge_type.value: charge_type.label.lower() for charge_type in ChargeType} | {
    ChargeType.SEAT.value: "seat"
}
USAGE, SEAT, PURCHASE, TAX = (
    ChargeType.USAGE.value,
    ChargeType.SEAT.value,
    ChargeType.PURCHASE.value,
    ChargeType.TAX.value,
)
#: FOCUS gives these a SKU, a price and a pricing category.
PRICED = frozenset({USAGE, SEAT, PURCHASE})
PRICING = ("PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice")
_PRICING_AT = tuple(AT[name] for name in PRICING)
#: Prices are in the currency of the bill unless a delivery says otherwise: these columns repeat others.
REPEATED = {
    "PricingCurrency": "BillingCurrency",
    "PricingCurrencyEffectiveCost": "EffectiveCost",
    "PricingCurrencyListUnitPrice": "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice": "ContractedUnitPrice",
}
_REPEATED_AT = tuple((AT[name], AT[of]) for name, of in REPEATED.items())
_DETAILS = frozenset(DETAIL_COLUMNS)
_DETAILS_1_2 = _DETAILS.intersection(COLUMNS_1_2)
#: Details under a FOCUS name begin with a capital; those of Cursor's events do not, and need not be parsed.
_MAY_BE_FOCUS = re.compile(r'"[A-Z]')

AI, GENERATIVE_AI = "AI and Machine Learning", "Generative AI"
CURSOR = "cursor"


class Maker(NamedTuple):
    """Who sells and who makes what a provider bills."""

    name: str
    publisher: str


MAKERS = {
    CURSOR: Maker("Cursor", "Anysphere, Inc."),
    "aws": Maker("AWS", "Amazon Web Services, Inc."),
    "gcp": Maker("Google Cloud", "Google LLC"),
    "azure": Maker("Microsoft", "Microsoft Corporation"),
}
#: Tools recorded by hand are sold by whoever makes them.
SUBSCRIPTIONS = "subscriptions"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose bill a line is on: a statement's billing account and period, or the cost center and (None) the month."""

    identity: str
    name: str
    type: str
    period: tuple[str, str] | None


class Kind(NamedTuple):
    """What lines have in common that share most cells of their rows."""

    cost_center_id: int
    statement_id: int | None
    month: str
    charge_type: str
    service: str
    model: str
    kind: str
    surface: str
    account: str
    region: str
    unit: str
    has_resource: bool


class Rows:
    """Makes rows of line items of these cost centers. `identity` spells ids: see `own_ids`."""

    def __init__(self, centers: Iterable[CostCenter], identity: Callable[[str, str], str]) -> None:
        self._centers = {center.pk: center for center in centers}
        self._accounts = {
            statement.pk: _billing_account(statement)
            for statement in Statement.objects.filter(cost_center_id__in=list(self._centers))
        }
        self._identity = identity
        self._known: dict[tuple[Any, ...], list[str]] = {}

    def of(self, line: Line) -> list[str]:
        """The cells in the order of COLUMNS."""
        charge_type, started_at = line.charge_type, line.started_at
        kind = (
            line.cost_center_id,
            line.statement_id,
            started_at[:7],
            charge_type,
            line.service,
            line.model,
            line.kind,
            line.surface,
            line.account,
            line.region,
            line.unit,
            line.resource != "",
        )
        common = self._known.get(kind)
        if common is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            common = self._known[kind] = self._common(Kind._make(kind))
        row = common.copy()
        provider = common[_PROVIDER]
        second = f"{started_at[:10]}T{started_at[11:19]}Z"
        row[_STARTED] = second
        row[_ENDED] = end_of(second, is_event=line.statement_id is None and _is_event(provider, line))
        row[_BILLED] = billed = amount(line.billed_nano)
        row[_EFFECTIVE] = amount(line.effective_nano)
        row[_LIST] = listed = amount(line.list_nano)
        row[_CONTRACTED] = contracted = listed if charge_type in (USAGE, SEAT) else billed
        if charge_type in PRICED:
            self._price(row, line, listed, contracted)
            if charge_type != PURCHASE:
                self._consume(row, line, provider)
        if line.resource:
            row[_RESOURCE] = self._identity(line.resource, provider)
        if line.tags:
            row[_TAGS] = canonical(line.tags)
        row[_USER] = self._identity(line.user, provider)
        row[_TOKENS_IN], row[_TOKENS_OUT] = str(line.input_tokens), str(line.output_tokens)
        row[_TOKENS_WRITE], row[_TOKENS_READ] = str(line.cache_write_tokens), str(line.cache_read_tokens)
        row[_ESTIMATED] = "true" if line.is_estimated else "false"
        if _MAY_BE_FOCUS.search(line.details):
            self._deliver(row, json.loads(line.details), provider)
        if not row[_PRICING_CURRENCY]:
            for position, of in _REPEATED_AT:
                row[position] = row[of]
        return row

    def _common(self, kind: Kind) -> list[str]:
        center = self._centers[kind.cost_center_id]
        provider, charge_type = center.provider, kind.charge_type

        def identity(text: str) -> str:
            return self._identity(text, provider)

        account = None if kind.statement_id is None else self._accounts.get(kind.statement_id)
        if account is None:
            account = Account(f"onebill-cost-center-{center.pk}", center.name, "Cost center", None)
        period = account.period or month_of(kind.month)
        maker = MAKERS.get(provider)
        if maker is None:
            name = (provider == SUBSCRIPTIONS and kind.service) or provider_label(provider)
            maker = Maker(name, name)
        category, subcategory = _category(provider, kind.service)
        values = {
            "BillingAccountId": identity(account.identity or f"onebill-cost-center-{center.pk}"),
            "BillingAccountName": identity(account.name or account.identity or center.name),
            "BillingAccountType": account.type,
            "BillingCurrency": center.currency,
            "BillingPeriodStart": period[0],
            "BillingPeriodEnd": period[1],
            "ChargeCategory": CATEGORIES[charge_type],
            "ChargeDescription": identity(_description(kind)),
            "ChargeFrequency": _frequency(provider, charge_type),
            "InvoiceIssuerName": maker.name,
            "ProviderName": maker.name,
            "PublisherName": maker.publisher,
            "RegionId": identity(kind.region),
            "RegionName": identity(kind.region),
            "ResourceType": _resource_type(provider, charge_type) if kind.has_resource else "",
            "ServiceCategory": category,
            "ServiceName": identity(kind.service or maker.name),
            "ServiceSubcategory": subcategory,
            "SubAccountId": identity(kind.account),
            "SubAccountName": identity(kind.account),
            "SubAccountType": "Account" if kind.account else "",
            "x_ChargeType": charge_type,
            "x_CostCenter": identity(center.name),
            "x_Kind": identity(kind.kind),
            "x_Model": identity(kind.model),
            "x_Provider": provider,
            "x_Service": identity(kind.service),
            "x_Surface": kind.surface,
        }
        if charge_type in PRICED:
            meter = kind.model or ("Seats" if charge_type == SEAT else kind.service or maker.name)
            sku = meter if kind.statement_id is not None else f"{provider}/{meter}"
            values |= {
                "PricingCategory": _pricing_category(kind),
                "SkuId": identity(sku),
                "SkuMeter": identity(meter),
                "SkuPriceId": identity(sku),
            }
        return [values.get(name, "") for name in COLUMNS]

    def _price(self, row: list[str], line: Line, listed: str, contracted: str) -> None:
        """A price that gives the cost exactly: of a seat where the cost divides by them, else of the whole charge."""
        quantity = 1
        row[_PRICING_UNIT] = "Requests" if line.surface and line.charge_type == USAGE else "Charges"
        contracted_nano = line.billed_nano if line.charge_type == PURCHASE else line.list_nano
        if line.charge_type != USAGE and line.quantity.isdecimal() and line.unit:
            count = int(line.quantity)
            if count and not line.list_nano % count and not contracted_nano % count:
                quantity = count
                row[_PRICING_UNIT] = line.unit
        if quantity == 1:
            row[_PRICING_QUANTITY] = "1.0"
            row[_LIST_PRICE], row[_CONTRACTED_PRICE] = listed, contracted
        else:
            row[_PRICING_QUANTITY] = f"{quantity}.0"
            row[_LIST_PRICE] = amount(line.list_nano // quantity)
            row[_CONTRACTED_PRICE] = amount(contracted_nano // quantity)
        if line.list_nano < 0 or contracted_nano < 0:
            # A price is never negative; what is given back is a negative quantity.
            row[_PRICING_QUANTITY] = f"-{row[_PRICING_QUANTITY]}"
            row[_LIST_PRICE] = amount(max(-line.list_nano, 0) // quantity)
            row[_CONTRACTED_PRICE] = amount(max(-contracted_nano, 0) // quantity)

    def _consume(self, row: list[str], line: Line, provider: str) -> None:
        if line.quantity:
            row[_CONSUMED] = number(line.quantity)
            row[_CONSUMED_UNIT] = line.unit or "Units"
        elif provider == CURSOR:
            tokens = line.input_tokens + line.output_tokens + line.cache_write_tokens + line.cache_read_tokens
            row[_CONSUMED], row[_CONSUMED_UNIT] = f"{tokens}.0", "Tokens"

    def _deliver(self, row: list[str], details: Mapping[str, Any], provider: str) -> None:
        """What the line came with goes before what was computed, and what belongs together stays so."""
        given = {
            name: text
            for name, value in details.items()
            if name in _DETAILS and (text := spelled(name, value))
        }
        if not given.keys().isdisjoint(PRICING):
            for position in _PRICING_AT:
                row[position] = ""
        for name, text in given.items():
            if name in _DETAILS_1_2:
                row[AT[name]] = self._identity(text, provider) if name in IDENTITIES else text
        if "ProviderName" not in given and "ServiceProviderName" in given:
            row[AT["ProviderName"]] = given["ServiceProviderName"]
        if "InvoiceIssuerName" not in given:
            row[AT["InvoiceIssuerName"]] = row[AT["ProviderName"]]
        if "PublisherName" not in given and not given.keys().isdisjoint(
            ("ProviderName", "ServiceProviderName")
        ):
            row[AT["PublisherName"]] = given.get("HostProviderName") or row[AT["ProviderName"]]
        if "ServiceSubcategory" not in given and (category := given.get("ServiceCategory")):
            row[AT["ServiceSubcategory"]] = f"Other ({category})"
        if "SkuId" in given and "SkuPriceId" not in given:
            row[AT["SkuPriceId"]] = row[AT["SkuId"]]


_PROVIDER, _STARTED, _ENDED = AT["x_Provider"], AT["ChargePeriodStart"], AT["ChargePeriodEnd"]
_BILLED, _EFFECTIVE, _LIST, _CONTRACTED = (
    AT[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
)
_PRICING_QUANTITY, _PRICING_UNIT, _LIST_PRICE, _CONTRACTED_PRICE = _PRICING_AT
_PRICING_CURRENCY = AT["PricingCurrency"]
_CONSUMED, _CONSUMED_UNIT = AT["ConsumedQuantity"], AT["ConsumedUnit"]
_RESOURCE, _TAGS, _USER, _ESTIMATED = AT["ResourceId"], AT["Tags"], AT["x_User"], AT["x_IsEstimated"]
_TOKENS_IN, _TOKENS_OUT = AT["x_InputTokens"], AT["x_OutputTokens"]
_TOKENS_WRITE, _TOKENS_READ = AT["x_CacheWriteTokens"], AT["x_CacheReadTokens"]


def _is_event(provider: str, line: Line) -> bool:
    """Whether the line is something that happened at an instant; all else is of a day."""
    return line.charge_type == USAGE and (provider == CURSOR or line.started_at[11:19] != "00:00:00")


def _billing_account(statement: Statement) -> Account:
    return Account(
        statement.billing_account,
        statement.billing_account_name,
        "Billing account",
        (instant_text(statement.period_start), instant_text(statement.period_end)),
    )


def _category(provider: str, service: str) -> tuple[str, str]:
    """One for all lines of a service: FOCUS allows no other."""
    if provider == CURSOR or service.lower().startswith(CURSOR):
        return AI, GENERATIVE_AI
    return "Other", "Other (Other)"


def _description(kind: Kind) -> str:
    parts = [f"{kind.service} {WORDS[kind.charge_type]}".strip(), kind.model, kind.surface]
    return ", ".join(part for part in parts if part)


def _frequency(provider: str, charge_type: str) -> str:
    if charge_type == SEAT or provider == SUBSCRIPTIONS:
        return "Recurring"
    return "Usage-Based" if charge_type == USAGE else "One-Time"


def _resource_type(provider: str, charge_type: str) -> str:
    if charge_type == SEAT:
        return "Seat"
    return "Conversation" if provider == CURSOR else "Resource"


def _pricing_category(kind: Kind) -> str:
    """The kind of lines that came by FOCUS; Cursor's included usage has a price that nobody pays."""
    if kind.kind in ENUMERATIONS["PricingCategory"]:
        return kind.kind
    words = kind.kind.lower().replace("_", " ").replace("-", " ")
    is_plain = kind.charge_type != USAGE or not kind.kind or "usage based" in words
    return "Standard" if is_plain else "Other"
