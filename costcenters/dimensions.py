"""The dimensions by which the bill is grouped and filtered: their parameter names, columns and labels."""

from __future__ import annotations

from dataclasses import dataclass

from costcenters.models import ChargeType, provider_label

#: In a filter: the rows that have no value in this dimension.
NO_VALUE = "(none)"
TAG_PREFIX = "tag:"


@dataclass(frozen=True, slots=True)
class Dimension:
    """`column` is what SQL groups the roll-up by; where it is not the value itself, the catalog maps it.

    `without` is what people read for no value, where "No" and the label would not say it.
    """

    key: str
    label: str
    column: str
    without: str = ""

    @property
    def noun(self) -> str:
        """The label inside a sentence."""
        return (
            f"tag {self.key.removeprefix(TAG_PREFIX)}"
            if self.key.startswith(TAG_PREFIX)
            else self.label.lower()
        )

    @property
    def none_label(self) -> str:
        return self.without or f"No {self.noun}"


DIMENSIONS = {
    dimension.key: dimension
    for dimension in (
        Dimension("cost_center", "Cost center", "cost_center_id"),
        Dimension("provider", "Provider", "cost_center_id"),
        Dimension("charge_type", "Charge type", "charge_type"),
        Dimension("service", "Service", "service"),
        Dimension("model", "Model", "model"),
        Dimension("model_family", "Model family", "model"),
        Dimension("kind", "Kind", "kind"),
        Dimension("surface", "Surface", "surface"),
        Dimension("user", "User", "user"),
        Dimension("seat_activity", "Seat activity", "user", without="No seat"),
        Dimension("account", "Account", "account"),
        Dimension("region", "Region", "region"),
    )
}


#: Of users who hold a seat: with usage in the last SEAT_DAYS days or without. Who holds none has no value.
ACTIVE_SEAT, IDLE_SEAT = "active", "idle"
SEAT_ACTIVITIES = (ACTIVE_SEAT, IDLE_SEAT)


def is_dimension(key: str) -> bool:
    return key in DIMENSIONS or (key.startswith(TAG_PREFIX) and len(key) > len(TAG_PREFIX))


def dimension(key: str) -> Dimension:
    """The dimension of parameter `key`. KeyError if there is none."""
    if key.startswith(TAG_PREFIX) and len(key) > len(TAG_PREFIX):
        return Dimension(key, f"Tag {key.removeprefix(TAG_PREFIX)}", "tag_set_id")
    return DIMENSIONS[key]


#: Families of AI models by how the model's name begins, in lower case; the first match holds.
FAMILY_PREFIXES = (
    ("claude", "Claude"),
    ("anthropic", "Claude"),
    ("gpt", "GPT"),
    ("chatgpt", "GPT"),
    ("codex", "GPT"),
    ("openai", "GPT"),
    ("o1", "GPT"),
    ("o3", "GPT"),
    ("o4", "GPT"),
    ("gemini", "Gemini"),
    ("grok", "Grok"),
    ("composer", "Composer"),
    ("cursor", "Composer"),
    ("deepseek", "DeepSeek"),
    ("kimi", "Kimi"),
    ("default", "Auto"),
    ("auto", "Auto"),
)
#: Names such as `o3` must end there or go on with a separator: `o3-pro`, not `o365-licence`.
WHOLE_WORDS = frozenset({"o1", "o3", "o4", "default", "auto"})
OTHER_FAMILY = "Other"
MODEL_FAMILIES = tuple(dict.fromkeys([family for _, family in FAMILY_PREFIXES] + [OTHER_FAMILY]))


def model_family(model: str) -> str:
    """The family of an AI model, told by the beginning of its name; empty for no model."""
    if not model:
        return ""
    name = model.lower()
    for prefix, family in FAMILY_PREFIXES:
        if not name.startswith(prefix):
            continue
        following = name[len(prefix) : len(prefix) + 1]
        if prefix in WHOLE_WORDS and following.isalnum():
            continue
        return family
    return OTHER_FAMILY


def value_label(key: str, value: str) -> str:
    """What people read for `value` of dimension `key`; the stored spelling stays in links and exports."""
    if value == "":
        return dimension(key).none_label
    match key:
        case "provider":
            return provider_label(value)
        case "charge_type":
            return str(ChargeType(value).label) if value in ChargeType.values else value
        case "model":
            return "Auto (default)" if value == "default" else value
        case "kind":
            return kind_label(value)
        case "surface" | "seat_activity":
            return value[:1].upper() + value[1:]
    return value


def kind_label(kind: str) -> str:
    """Enum spellings in words: `USAGE_EVENT_KIND_USAGE_BASED` reads `Usage based`."""
    if kind.isupper() and "_" in kind:
        return kind.removeprefix("USAGE_EVENT_KIND_").replace("_", " ").capitalize()
    return kind
