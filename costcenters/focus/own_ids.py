"""Ids and names that look like numbers, such as AWS's accounts, in the CSV files that we write and read back.

CSV has no types. Programs that guess them (FOCUS's own validator does) take a column of such ids for numbers and drop
leading zeros. So there they stand behind the provider's short name: `aws:012345678901`. Parquet has types and leaves
them as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache

from costcenters.focus.columns import COLUMNS_1_2, COSTS, ENUMERATIONS, INSTANTS, NUMBERS

#: The columns of text that may look like a number without being one: ids and names.
IDENTITIES = frozenset(COLUMNS_1_2).difference(
    *(COSTS, NUMBERS, INSTANTS, ENUMERATIONS),
    ("BillingCurrency", "PricingCurrency", "SkuPriceDetails", "Tags"),
) | {"x_CostCenter", "x_Kind", "x_Model", "x_Service", "x_User"}
#: What a program that guesses types may take for a number.
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


@lru_cache(maxsize=64)
def _guarded_or_number(provider: str) -> re.Pattern[str]:
    return re.compile(f"({re.escape(provider)}:)*{NUMBER}", re.ASCII)


def guarded(text: str, provider: str) -> str:
    """`text`, with the provider in front where it looks like a number (or like a number that is guarded already)."""
    return f"{provider}:{text}" if text and _guarded_or_number(provider).fullmatch(text) else text


def unguarded(text: str, provider: str) -> str:
    """The inverse of `guarded`, for all texts."""
    bare = text.removeprefix(f"{provider}:")
    return bare if bare != text and _guarded_or_number(provider).fullmatch(bare) else text
