"""How the values of a dimension look in charts, legends and tables: a colour, and on some of them a mark.

A look is CSS classes: a hue (`s1` … `s9`), a tone (none, `tint`, `shade`) and a mark (none, `dots`, `lines`). It
depends on the dimension and the value alone, so a value looks the same in every chart, filter, sort and reload. Grey
is kept for "Other", diagonal hatching for periods that are not complete.
"""

from __future__ import annotations

import hashlib

from costcenters.catalog import Catalog
from costcenters.models import ChargeType

HUES = tuple(f"s{number}" for number in range(1, 10))
TONES = ("", "tint", "shade")
MARKS = ("", "dots", "lines")
#: The first nine are plain hues; looks that differ in the mark only are far apart.
LOOKS = tuple(" ".join(filter(None, (hue, tone, mark))) for mark in MARKS for tone in TONES for hue in HUES)
OTHER = "other"
NO_VALUE = "s9 tint"
#: Chosen so that few of the names that examples use share a look.
SALT = "13024"

#: Values that many teams have. Related ones have related looks: Claude is blue, GPT amber, Gemini violet.
KNOWN: dict[str, dict[str, str]] = {
    "model": {
        "claude-4.5-sonnet": "s1",
        "claude-4.5-opus": "s1 shade",
        "claude-4.5-haiku": "s1 tint",
        "claude-4.5-sonnet-thinking": "s1 dots",
        "claude-4.5-opus-high": "s1 shade lines",
        "claude-4.5-opus-high-thinking": "s1 shade dots",
        "claude-4-sonnet": "s8 shade",
        "claude-4-sonnet-thinking": "s8",
        "claude-4-opus": "s8 tint",
        "gpt-5.5": "s2",
        "gpt-5.5-high": "s2 shade",
        "gpt-5": "s2 tint",
        "gpt-5-codex": "s2 dots",
        "gpt-5.1-codex": "s2 lines",
        "gpt-5.1": "s2 shade dots",
        "o3": "s9 shade",
        "gemini-3-pro": "s7",
        "gemini-3-flash": "s7 tint",
        "gemini-2.5-pro": "s7 shade",
        "gemini-2.5-flash": "s7 dots",
        "composer-2.5-fast": "s4",
        "composer-2.5": "s4 shade",
        "composer-2": "s4 dots",
        "composer-1": "s4 tint",
        "grok-code-fast": "s3",
        "grok-code-fast-1": "s3 dots",
        "grok-4": "s3 shade",
        "deepseek-v3.1": "s6",
        "kimi-k2": "s9",
        "default": "s5",
        "auto": "s5 shade",
    },
    "model_family": {
        "Claude": "s1",
        "GPT": "s2",
        "Gemini": "s7",
        "Grok": "s3",
        "Composer": "s4",
        "DeepSeek": "s6",
        "Kimi": "s9",
        "Auto": "s5",
        "Other": "s8",
    },
    "kind": {
        "Usage-based": "s2",
        "USAGE_EVENT_KIND_USAGE_BASED": "s2 dots",
        "Included in Business": "s5",
        "USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS": "s5 dots",
        "Included in Pro": "s5 tint",
        "USAGE_EVENT_KIND_INCLUDED_IN_PRO": "s5 tint dots",
        "Included in Enterprise": "s5 shade",
        "USAGE_EVENT_KIND_INCLUDED_IN_ENTERPRISE": "s5 shade dots",
        "Errored, Not Charged": "s3",
        "USAGE_EVENT_KIND_ERRORED_NOT_CHARGED": "s3 dots",
        "Aborted, Not Charged": "s6",
        "USAGE_EVENT_KIND_ABORTED_NOT_CHARGED": "s6 dots",
        "USAGE_EVENT_KIND_USER_API_KEY": "s8",
        "USAGE_EVENT_KIND_FREE_CREDIT": "s4",
    },
    "surface": {
        "editor": "s1",
        "headless": "s4",
        "cloud agent": "s7",
        "automation": "s2",
        "bugbot": "s3",
    },
    "charge_type": {key: HUES[place] for place, key in enumerate(ChargeType.values)},
    "provider": {
        "cursor": "s1",
        "aws": "s2",
        "gcp": "s4",
        "azure": "s8",
        "openai": "s5",
        "anthropic": "s3",
        "github": "s7",
        "focus_files": "s9",
    },
    "seat_activity": {"active": "s5", "idle": "s2"},
}


def look(key: str, value: str, catalog: Catalog) -> str:
    """The CSS classes of `value` of dimension `key`. Cost centers, which can be renamed, go by their number."""
    if value == "":
        return NO_VALUE
    if key == "cost_center":
        pk = next((pk for pk, cost_center in catalog.cost_centers.items() if cost_center.name == value), None)
        if pk is not None:
            return LOOKS[(pk - 1) % len(LOOKS)]
    return KNOWN.get(key, {}).get(value) or LOOKS[digest(value) % len(LOOKS)]


def digest(value: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{SALT} {value}".encode()).digest()[:4])
