"""What a change of a subscription makes of the days that were counted and of the next payments, before it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from costcenters.display.figures import counted
from costcenters.periods import long_day
from finops.money import display, units_from_nanos
from integrations.models import Subscription
from integrations.subscriptions.amortisation import Payment, Terms, daily, monthly_nano_twelfths, payments
from integrations.subscriptions.changes import Draft
from integrations.subscriptions.lines import what_for

NEXT_SHOWN = 4
#: The next payment of any subscription that goes on is nearer than this.
HORIZON = timedelta(days=1200)


@dataclass(frozen=True, slots=True)
class NextPayment:
    day: date
    amount: str
    what: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A measure of the days up to today, both without and with the change; `tone` colours what costs more or less."""

    label: str
    before: str
    after: str
    difference: str
    tone: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`counted` is empty where no day up to today changes; `first_day` is the first of those that do."""

    monthly: str
    upcoming: tuple[NextPayment, ...]
    counted: tuple[Counted, ...]
    first_day: date | None
    notes: tuple[str, ...]


def upcoming(terms: Terms, currency: str, today: date) -> tuple[NextPayment, ...]:
    """The next payments, one of today included."""
    through = max(today, terms.starts_on) + HORIZON
    found = (each for each in payments(terms, through) if each.day >= today and each.amount_nano)
    return tuple(
        NextPayment(each.day, _amount(each.amount_nano, currency), what_for(each))
        for each in islice(found, NEXT_SHOWN)
    )


def preview(before: list[Draft], after: list[Draft], *, today: date) -> Preview:
    """`before` and `after` hold the subscriptions a change is about, in the same currency."""
    shown = (after or before)[-1]
    currency = shown.subscription.currency
    old, new = Past.of(before, today), Past.of(after, today)
    changed = [
        day for day in sorted(old.days.keys() | new.days.keys()) if old.days.get(day) != new.days.get(day)
    ]
    rows: tuple[Counted, ...] = ()
    if changed:
        rows = (
            _counted("Billed", old.billed, new.billed, currency),
            _counted("Effective", old.effective, new.effective, currency),
        )
    return Preview(
        monthly=monthly_text(shown.terms, currency, max(today, shown.terms.starts_on)),
        upcoming=() if not after else upcoming(shown.terms, currency, today),
        counted=rows,
        first_day=changed[0] if changed else None,
        notes=tuple(_notes(before, after, today)),
    )


def monthly_text(terms: Terms, currency: str, day: date) -> str:
    """What the seats of that day, or the fee, cost a month."""
    return display(units_from_nanos(monthly_nano_twelfths(terms, day)) / 12, currency)


@dataclass(frozen=True, slots=True)
class Past:
    """Billed and effective nano-units by day up to today, inclusive."""

    days: dict[date, tuple[int, int]]

    @classmethod
    def of(cls, drafts: list[Draft], today: date) -> Past:
        found: dict[date, tuple[int, int]] = {}
        for draft in drafts:
            terms = draft.terms
            for payment in payments(terms, today):
                billed, effective = found.get(payment.day, (0, 0))
                found[payment.day] = (billed + payment.amount_nano, effective)
            for day, cost in daily(terms, today).items():
                billed, effective = found.get(day, (0, 0))
                found[day] = (billed, effective + cost.amount_nano)
        return cls({day: pair for day, pair in found.items() if any(pair)})

    @property
    def billed(self) -> int:
        return sum(billed for billed, _ in self.days.values())

    @property
    def effective(self) -> int:
        return sum(effective for _, effective in self.days.values())


def _counted(label: str, before: int, after: int, currency: str) -> Counted:
    change = after - before
    return Counted(
        label,
        _amount(before, currency),
        _amount(after, currency),
        f"+{_amount(change, currency)}" if change > 0 else _amount(change, currency),
        "up" if change > 0 else "down" if change < 0 else "",
    )


def _notes(before: list[Draft], after: list[Draft], today: date) -> list[str]:
    notes = []
    for draft in after:
        cut = cut_short(draft.terms)
        if cut is not None:
            days = (cut.spread_to - cut.day).days + 1
            notes.append(
                f"Its end cuts a paid period short: what was paid on {long_day(cut.day)} is not given back, so it is "
                f"spread over the {counted(days, 'day')} to {long_day(cut.spread_to)}."
            )
    if before and after:
        old, new = before[0].subscription, after[-1].subscription
        if labels(old) != labels(new) and len(after) == 1:
            notes.append("Name, plan, owner and tags change on all of its lines, past ones too.")
    return notes


def cut_short(terms: Terms) -> Payment | None:
    """The payment of a period within which the subscription ends; None where it ends with a period, or goes on."""
    if terms.ends_on is None:
        return None
    last = None
    for payment in payments(terms, terms.ends_on):
        if not payment.is_addition:
            last = payment
    return last if last is not None and last.spread_to < last.covers_to and last.amount_nano else None


def labels(subscription: Subscription) -> tuple[object, ...]:
    return (subscription.name, subscription.plan, subscription.owner, subscription.tags)


def _amount(nanos: int, currency: str) -> str:
    return display(units_from_nanos(nanos), currency)
