"""Values that every endpoint spells alike: amounts are decimal strings, never floats; instants are ISO 8601 in UTC."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from finops.money import plain

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
SENT = r"^[0-9]{1,10}(\.[0-9]{1,9})?$"


@extend_schema_field({"type": "string", "format": "decimal", "pattern": DECIMAL, "examples": ["32.5"]})
class Amount(serializers.Field[Decimal, Any, str, Any]):
    """An exact amount in the unit of its currency, as short as it can be written; see `SentAmount`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


@extend_schema_field(
    {
        "anyOf": [
            {"type": "string", "pattern": SENT},
            {"type": "number", "minimum": 0, "exclusiveMaximum": 9_200_000_000},
        ],
        "examples": ["32.50"],
    }
)
class SentAmount(serializers.DecimalField):
    """An amount from 0 on, as a decimal string; a number is understood as it is written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=19, decimal_places=9, min_value=Decimal(0), max_value=Decimal(9_200_000_000), **options
        )

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Also an empty text is none: null says that there is no amount."""
        if isinstance(data, bool) or (isinstance(data, str) and not re.fullmatch(SENT, data)):
            self.fail("invalid")
        return super().validate_empty_values(data)


class Flag(serializers.BooleanField):
    """A parameter that is `true` or `false`, and nothing else that may mean as much."""

    TRUE_VALUES = {"true"}
    FALSE_VALUES = {"false"}
