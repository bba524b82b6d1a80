"""The month to date and the last full month, each against the one before; and what the month consists of."""

from __future__ import annotations

from dataclasses import dataclass, replace

from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.dimensions import value_label
from costcenters.display.figures import Shown, difference, direction, percent, percent_text, share
from costcenters.links import LinkedFigure, explorer_url
from costcenters.models import ChargeType
from costcenters.overview.figures import SEATED_PROVIDER, Bill
from costcenters.overview.questions import OF_PROVIDER, SEATS, USAGE
from costcenters.periods import Preset, Span, months_before, same_days_of_last_month, short_day
from costcenters.report import Amounts
from finops.money import units_from_nanos


@dataclass(frozen=True, slots=True)
class Comparison:
    """Complete days only, each side with its days named. `percent` is empty where nothing was before."""

    change: Shown
    percent: str
    direction: str
    now: LinkedFigure
    now_days: str
    before: LinkedFigure
    before_days: str


@dataclass(frozen=True, slots=True)
class MonthCard:
    """`estimated` is the part of it that is an estimate. Without `comparison`, `why_not` is a sentence."""

    label: str
    days: str
    total: LinkedFigure
    estimated: Shown | None
    includes_today: bool
    comparison: Comparison | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    label: str
    amount: LinkedFigure
    share: str
    estimated: Shown | None
    note: str = ""


def this_month(bill: Bill) -> MonthCard:
    span = bill.query.span
    complete = bill.complete(span)
    why_not = (
        ""
        if complete
        else f"No day of {span.start:%B} is complete yet: the comparison starts with the first."
    )
    return month_card(
        bill,
        "Month to date",
        bill.query,
        compared=(complete, same_days_of_last_month(complete)) if complete else None,
        why_not=why_not,
    )


def last_month(bill: Bill) -> MonthCard:
    query = bill.preset(Preset.LAST_MONTH)
    first = query.span.start
    before = Span(months_before(first, 1), Span(first, first).right_before().end)
    complete = bill.complete(query.span)
    through = f"complete through {short_day(complete.end)} only" if complete else "not complete yet"
    return month_card(
        bill,
        "Last full month",
        query,
        compared=(query.span, before) if complete == query.span else None,
        why_not=f"{first:%B} is {through}: it is compared when all of it is in.",
    )


def month_card(
    bill: Bill, label: str, query: CostQuery, *, compared: tuple[Span, Span] | None, why_not: str
) -> MonthCard:
    if bill.freshness.loading:
        compared, why_not = None, f"No comparison yet: {named(bill.freshness.loading)} still loading history."
    estimated = bill.estimated(query.span)
    return MonthCard(
        label=label,
        days=str(query.span),
        total=linked(bill, query),
        estimated=bill.shown(estimated) if estimated else None,
        includes_today=query.span.end == bill.today,
        comparison=comparison(bill, *compared) if compared else None,
        why_not=why_not,
    )


def named(names: tuple[str, ...]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names)} are"


def comparison(bill: Bill, now: Span, before: Span) -> Comparison:
    amounts = Amounts(bill.billed(now), 0, 0, bill.billed(before))
    return Comparison(
        change=difference(amounts, Measure.BILLED, bill.currency),
        percent=percent(amounts) if amounts.percent is not None else "",
        direction=direction(amounts, Measure.BILLED),
        now=linked(bill, bill.query.on_days(now)),
        now_days=now.short,
        before=linked(bill, bill.query.on_days(before)),
        before_days=before.short,
    )


def linked(bill: Bill, query: CostQuery) -> LinkedFigure:
    """All that was billed in the query's span."""
    return LinkedFigure(bill.shown(bill.billed(query.span)), explorer_url(query.grouped_by("provider")))


def parts(bill: Bill, *, tracks_seats: bool) -> list[Part]:
    """The month to date as usage and seats of the provider that has them, and each other provider: exactly it all."""
    provider = {center.pk: center.provider for center in bill.cost_centers}
    usage, seat = ChargeType.USAGE.value, ChargeType.SEAT.value
    sums: dict[tuple[str, str], list[int]] = {}
    if bill.seated:
        sums = {(SEATED_PROVIDER, usage): [0, 0], (SEATED_PROVIDER, seat): [0, 0]}
    for row in bill.month:
        slug = provider[row.cost_center]
        kind = ""
        if slug == SEATED_PROVIDER:
            kind = row.charge_type if row.charge_type in (usage, seat) else "other"
        pair = sums.setdefault((slug, kind), [0, 0])
        pair[0] += row.billed
        pair[1] += row.billed if row.is_estimated else 0
    total = units_from_nanos(sum(billed for billed, _ in sums.values()))
    # The provider's own first, then by size.
    order = sorted(
        sums, key=lambda key: (key[0] != SEATED_PROVIDER, key[1] == "other", -sums[key][0], key[0])
    )
    found = []
    for slug, kind in order:
        billed, estimated = sums[slug, kind]
        query, label = part_query(bill, slug, kind)
        of_total = share(units_from_nanos(billed), total)
        found.append(
            Part(
                label=label,
                amount=LinkedFigure(bill.shown(units_from_nanos(billed)), explorer_url(query)),
                share=percent_text(of_total) if of_total is not None else "",
                estimated=bill.shown(units_from_nanos(estimated)) if estimated else None,
                note="no seat price is set" if kind == seat and not billed and not tracks_seats else "",
            )
        )
    return found


def part_query(bill: Bill, slug: str, kind: str) -> tuple[CostQuery, str]:
    name = value_label("provider", slug)
    match kind:
        case ChargeType.USAGE:
            return replace(bill.query, filters=(USAGE, OF_PROVIDER), group_by=("model",)), f"{name} usage"
        case ChargeType.SEAT:
            return replace(bill.query, filters=(SEATS, OF_PROVIDER), group_by=("user",)), f"{name} seats"
        case "other":
            rest = Filter("charge_type", (ChargeType.USAGE.value, ChargeType.SEAT.value), exclude=True)
            query = replace(bill.query, filters=(rest, OF_PROVIDER), group_by=("charge_type",))
            return query, f"{name}, other charges"
    return replace(bill.query.narrowed("provider", slug), group_by=("service",)), name
