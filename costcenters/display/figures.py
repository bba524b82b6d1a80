"""Figures as people read them, with the exact value beside what was rounded."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from costcenters.cost_query import Measure
from costcenters.report import Amounts, Figure
from finops.money import EXACT, display, plain


@dataclass(frozen=True, slots=True)
class Shown:
    """`exact` is for the title: empty where `text` says all."""

    text: str
    exact: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def is_tiny(self) -> bool:
        """Whether the text only says that it is less than the smallest unit."""
        return self.text.startswith(("<", ">"))


def shown(figure: Figure, measure: Measure, currency: str) -> Shown:
    """An amount rounded to the currency's decimals, tokens in millions, line items in full."""
    if isinstance(figure, Decimal):
        exact = plain(figure)
        rounded = display(figure, currency)
        digits = sum(map(str.isdigit, rounded))
        is_whole = rounded[0] not in "<>" and digits == sum(map(str.isdigit, exact))
        return Shown(rounded, "" if is_whole else f"{exact} {currency}")
    return tokens(figure) if measure == Measure.TOKENS else Shown(f"{figure:,}".replace("-", "−"))


#: Longer labels are cut in the middle: ids often differ at their ends.
MOST_CHARACTERS = 40
KEPT_AT_END = 14


def short_label(label: str) -> str:
    """At most 40 characters: the middle is left out, of an e-mail address the middle of its domain."""
    if len(label) <= MOST_CHARACTERS:
        return label
    local, at, domain = label.rpartition("@")
    if at and " " not in label and len(local) <= MOST_CHARACTERS - 8:
        return f"{local}@…{domain[len(local) + 2 - MOST_CHARACTERS :]}"
    return f"{label[: MOST_CHARACTERS - KEPT_AT_END - 1]}…{label[-KEPT_AT_END:]}"


def tokens(count: int) -> Shown:
    """`950`, `55.9 K`, `55.9 M`, `1.2 B`; the exact count in the title."""
    exact = f"{count:,}"
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if abs(count) >= size:
            with localcontext(EXACT):
                return Shown(
                    f"{(Decimal(count) / size).quantize(Decimal('0.1'), ROUND_HALF_UP):,} {unit}", exact
                )
    return Shown(exact)


def difference(amounts: Amounts, measure: Measure, currency: str) -> Shown:
    """Now minus before, with its sign."""
    change = amounts.difference
    if change is None:
        return Shown("")
    text = shown(change, measure, currency)
    return Shown(f"+{text}", text.exact) if change > 0 and not text.text.startswith("<") else text


def percent(amounts: Amounts) -> str:
    """The change in percent with its sign, in whole percents from ten on; a dash where nothing was before."""
    if amounts.before is None or amounts.percent is None:
        return "–"
    return f"{'+' if amounts.percent > 0 else ''}{percent_text(amounts.percent)}"


def percent_text(value: Decimal) -> str:
    step = Decimal(1) if abs(value) >= Decimal("9.95") else Decimal("0.1")
    with localcontext(EXACT):
        rounded = value.quantize(step, ROUND_HALF_UP)
    return f"{rounded:,} %".replace("-", "−")


def share(part: Figure, whole: Figure) -> Decimal | None:
    """Percent of the whole; None when there is no whole."""
    return Decimal(part) * 100 / Decimal(whole) if whole else None


def meter(part: Figure, largest: Figure) -> int:
    """The share of the largest in whole percents, for a bar; 0 for less than nothing."""
    of_largest = share(part, largest)
    return max(0, min(100, round(of_largest))) if of_largest else 0


def counted(count: int, one: str, many: str = "") -> str:
    """Such as `1 value`, `2,570 values`; `many` is for a plural that does not end in s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def direction(amounts: Amounts, measure: Measure) -> str:
    """`up` and `down` colour what costs more or less; a count has no colour."""
    change = amounts.difference
    if not change or not measure.is_money:
        return ""
    return "up" if change > 0 else "down"
