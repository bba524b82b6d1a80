"""Exact money: Decimal in Python, whole nano-units (10⁻⁹ of a currency unit) in the database and on the ingest path.

Never a float. Rounding happens on display only; totals are sums of exact values.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable

NANOS_PER_CENT = 10**7
#: A single amount must fit a signed 64-bit column: about 9.2 × 10⁹ units.
MAX_NANOS = 2**63 - 1
#: Wide enough that no sum of stored amounts is ever rounded.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_NANOS_PER_CENT = Decimal(NANOS_PER_CENT)
_ONE = Decimal(1)

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
#: ISO 4217 currencies whose smallest unit is not a hundredth.
MINOR_DIGITS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "VND": 0,
    "ISK": 0,
    "KWD": 3,
    "BHD": 3,
    "TND": 3,
    "JOD": 3,
    "OMR": 3,
}


def nanos_from_cents(cents: Decimal | int) -> int:
    """Cents to nano-units: × 10⁷, rounded half-even (Cursor sends up to 14 decimals of float noise)."""
    if isinstance(cents, int):
        nanos = cents * NANOS_PER_CENT
    else:
        nanos = int(EXACT.quantize(EXACT.multiply(cents, _NANOS_PER_CENT), _ONE))
    if not -MAX_NANOS <= nanos <= MAX_NANOS:
        raise OverflowError(f"an amount of {cents} cents is outside what can be stored")
    return nanos


def nanos_from_units(units: Decimal) -> int:
    """Currency units to nano-units. ValueError if `units` is finer than a nano-unit, not finite or too large."""
    if not units.is_finite():
        raise ValueError("not a finite amount")
    scaled = EXACT.scaleb(units, 9)
    nanos = int(scaled)
    if nanos != scaled:
        raise ValueError(f"{units} has more than nine decimals")
    if not -MAX_NANOS <= nanos <= MAX_NANOS:
        raise ValueError(f"{units} is outside what can be stored (9.2 × 10⁹ units)")
    return nanos


def units_from_nanos(nanos: int) -> Decimal:
    """Nano-units to exact currency units."""
    return EXACT.scaleb(Decimal(nanos), -9)


def plain(units: Decimal) -> str:
    """Exact, without exponent and without trailing zeros past the second decimal: `0.0640001`, `12.00`."""
    # A typed -0 is no other amount than 0.
    text = f"{units or abs(units):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction.ljust(2, '0')}"


def display(units: Decimal, currency: str) -> str:
    """For people: rounded to the currency's own decimals, grouped by thousands, `< $0.01` below the smallest unit."""
    digits = MINOR_DIGITS.get(currency, 2)
    smallest = _ONE.scaleb(-digits)
    symbol = SYMBOLS.get(currency, f"{currency} ")
    sign = "−" if units < 0 else ""
    size = abs(units)
    if 0 < size < smallest:
        return f"{'> −' if units < 0 else '< '}{symbol}{smallest}"
    return f"{sign}{symbol}{size.quantize(smallest, ROUND_HALF_UP, EXACT):,}"


class AmountField(models.BigIntegerField):  # type: ignore[type-arg]
    """An exact amount of money: Decimal currency units in Python, a 64-bit integer of nano-units in the database."""

    description = "An exact amount (nano-units)"
    # For the type checker: what may be set, and what is got.
    _pyi_private_set_type: Decimal | Combinable  # type: ignore[assignment]
    _pyi_private_get_type: Decimal  # type: ignore[assignment]

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else units_from_nanos(int(value))

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, float):
            raise ValidationError("An amount is never a float.")
        try:
            return Decimal(str(value).strip())
        except InvalidOperation:
            raise ValidationError("Enter an amount such as 40.00.") from None

    def get_prep_value(self, value: Any) -> int | None:
        if value is None or hasattr(value, "resolve_expression"):
            return value  # type: ignore[no-any-return]
        if isinstance(value, float):
            raise TypeError("an amount is never a float: pass a Decimal")
        return nanos_from_units(Decimal(value))

    @property
    def validators(self) -> list[Any]:
        # BigIntegerField's own bounds are in nano-units; ours are checked in units.
        return [validate_storable, *self._validators]  # type: ignore[attr-defined]

    def formfield(self, **kwargs: Any) -> Any:
        from django import forms

        kwargs.pop("min_value", None)
        return models.Field.formfield(
            self, **{"form_class": forms.DecimalField, "decimal_places": 9, **kwargs}
        )

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else plain(value)


def validate_storable(value: Decimal) -> None:
    try:
        nanos_from_units(value)
    except ValueError as error:
        raise ValidationError(f"{error}.") from None
