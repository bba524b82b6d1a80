"""The questions people have, each as one link into the filled-in explorer, and the filters they are made of."""

from __future__ import annotations

from dataclasses import replace

from costcenters.cost_query import Compare, CostQuery, Filter, Measure, Sort
from costcenters.dimensions import IDLE_SEAT
from costcenters.links import Link, explorer_url
from costcenters.models import ChargeType
from costcenters.overview.figures import SEATED_PROVIDER, Bill
from costcenters.periods import ONE_DAY, Preset, Span

USAGE = Filter("charge_type", (ChargeType.USAGE.value,))
SEATS = Filter("charge_type", (ChargeType.SEAT.value,))
OF_PROVIDER = Filter("provider", (SEATED_PROVIDER,))
IDLE = Filter("seat_activity", (IDLE_SEAT,))
NAMED = Filter("user", ("",), exclude=True)
#: The provider's own usage: its billed cost is the on-demand money, its savings what was included.
OWN_USAGE = (USAGE, OF_PROVIDER)


def questions(bill: Bill) -> tuple[Link, ...]:
    """Those about the provider with seats are only asked where there is one."""
    yesterday = bill.today - ONE_DAY

    def grouped(query: CostQuery, key: str, *filters: Filter) -> CostQuery:
        return replace(query, group_by=(key,), filters=filters)

    week, month = bill.preset(Preset.DAYS_7), bill.preset(Preset.DAYS_30)
    asked = [("Who spent the most this week?", grouped(week, "user", NAMED))]
    if len(bill.cost_centers) > 1:
        asked.append(("Which service costs most?", grouped(month, "service")))
    if bill.seated:
        asked += [
            (
                "Claude or GPT, last month?",
                grouped(bill.preset(Preset.LAST_MONTH), "model_family", *OWN_USAGE),
            ),
            ("Which kind costs most?", grouped(month, "kind", *OWN_USAGE)),
            ("Which surface costs most?", grouped(month, "surface", *OWN_USAGE)),
            ("What did included usage save?", saved_by_included_usage(bill)),
            ("Who has a seat and no usage?", idle_seats(bill)),
        ]
    asked += [
        ("What changed since last week?", changed(bill, "model")),
        (
            "Who used what yesterday?",
            grouped(bill.query.on_days(Span(yesterday, yesterday)), "user", USAGE, NAMED),
        ),
    ]
    return tuple(Link(text, explorer_url(query)) for text, query in asked)


def saved_by_included_usage(bill: Bill) -> CostQuery:
    return replace(bill.query, group_by=("model",), filters=OWN_USAGE, measure=Measure.SAVINGS)


def idle_seats(bill: Bill) -> CostQuery:
    return replace(bill.preset(Preset.DAYS_30), group_by=("user",), filters=(SEATS, IDLE), top=0)


def changed(bill: Bill, key: str, *filters: Filter) -> CostQuery:
    """The last seven complete days against the seven before, so that weekdays stand against weekdays."""
    return replace(
        bill.query.on_days(bill.recent_span),
        group_by=(key,),
        filters=filters,
        compare=Compare.PREVIOUS.value,
        sort=Sort.CHANGE.value,
    )
