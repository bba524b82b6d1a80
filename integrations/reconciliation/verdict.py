"""What came of a comparison, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from costcenters.display.figures import counted, percent_text, share
from costcenters.models import CostCenter
from finops.money import display, units_from_nanos
from integrations.reconciliation.comparison import Comparison, compare, has_totals
from integrations.reconciliation.evidence import CENT, MEASURES, Row, Standing

#: One part in so many of the provider's on-demand total is alarming.
ALARMING_SHARE = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a comparison, in a sentence without its full stop, and how alarming that is (a badge's tone).

    `detail` says more; `is_comparison` is False where nothing could be compared.
    """

    text: str
    tone: str = ""
    detail: str = ""
    is_comparison: bool = True


def verdict(found: Comparison) -> Verdict:
    """Agrees; agrees but for what is explained; differs; or why that cannot be told."""
    if found.hindrance:
        return Verdict(f"Cannot be compared: {found.hindrance}", _hindered_tone(found), is_comparison=False)
    unclear = found.unclear
    aside = f"{people(len(unclear))} cannot be compared: their figures are ambiguous." if unclear else ""
    differing = [row for row in found.rows if row.standing is Standing.DIFFERS]
    if differing:
        amounts = [_sum_of(differing, measure, Standing.DIFFERS) for measure in MEASURES]
        whole = sum(
            (row.theirs.on_demand or 0) + (row.theirs.included or 0)
            for row in found.rows
            if row.theirs is not None
        )
        of_whole = share(sum(amounts), whole)
        percent = "" if of_whole is None else f" ({percent_text(of_whole)})"
        parts = [
            f"{_shown(found, amount)} of {name} usage"
            for amount, name in zip(amounts, ("on-demand", "included"), strict=True)
            if amount
        ]
        return Verdict(
            f"Differs by {_shown(found, sum(amounts))}{percent}: {people(len(differing))}",
            _alarm(found, amounts[0]),
            " ".join(
                part for part in (f"{' and '.join(parts)} that nothing known here explains.", aside) if part
            ),
        )
    explained = [row for row in found.rows if row.standing in (Standing.ACCOUNTED, Standing.POSSIBLE)]
    amount = sum(
        _sum_of(explained, measure, standing)
        for measure in MEASURES
        for standing in (Standing.ACCOUNTED, Standing.POSSIBLE)
    )
    if amount:
        possible = any(row.standing is Standing.POSSIBLE for row in explained)
        return Verdict(
            f"Agrees but for {_shown(found, amount)}, which {'may be' if possible else 'is'} explained",
            "" if possible or unclear else "good",
            aside,
        )
    return Verdict("Agrees to the cent", "" if unclear else "good", aside)


@dataclass(frozen=True, slots=True)
class Summary:
    """A line on a cost center's own page. `since` is the start of the cycle compared, None before there is one."""

    verdict: Verdict
    since: datetime | None
    through: datetime | None
    url: str


def summary(center: CostCenter, now: datetime) -> Summary | None:
    """The comparison of the open cycle in one line, of at most four queries; None where there is none to be had."""
    if not has_totals(center):
        return None
    found = compare(center, now)
    return Summary(
        verdict=verdict(found),
        since=None if found.cycle is None else found.cycle.start,
        through=found.through,
        url=reverse("reconciliation", args=[center.pk]),
    )


def people(count: int) -> str:
    return counted(count, "person", "people")


def _sum_of(rows: Iterable[Row], measure: str, wanted: Standing) -> int:
    place = MEASURES.index(measure)
    return sum(abs(row.difference(measure) or 0) for row in rows if row.standings[place] is wanted)


def _shown(found: Comparison, nano: int) -> str:
    return display(units_from_nanos(nano), found.center.currency)


def _alarm(found: Comparison, on_demand: int) -> str:
    """Red for on-demand money of a dollar and of a twentieth of the bill; any other difference is worth a look."""
    whole = sum(row.theirs.on_demand or 0 for row in found.rows if row.theirs is not None)
    return "bad" if on_demand >= 100 * CENT and on_demand * ALARMING_SHARE >= whole else "warn"


def _hindered_tone(found: Comparison) -> str:
    return "warn" if found.totals_error or found.usage_error else ""
