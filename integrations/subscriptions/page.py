"""What the pages of subscriptions show: the list with its totals, and one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Prefetch

from costcenters.cost_query import CostQuery, Filter, Measure
from costcenters.links import explorer_url
from costcenters.models import CostCenter
from costcenters.periods import Granularity, Preset, long_day, preset_span
from finops.money import display, units_from_nanos
from integrations.models import Stream, Subscription, SubscriptionSeats
from integrations.pages.badges import Badge
from integrations.subscriptions import cost_center
from integrations.subscriptions.amortisation import Terms, monthly_nano_twelfths, payments
from integrations.subscriptions.lines import terms_of
from integrations.subscriptions.preview import NextPayment, monthly_text, upcoming

#: What is to be paid in so many days is told apart.
SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """`seats` and `renewal` are empty where there are none; `ends` says when, of one that does."""

    subscription: Subscription
    badge: Badge
    seats: str
    price: str
    period: str
    monthly: str
    next_payment: NextPayment | None
    renewal: date | None
    renewal_in: str

    @property
    def is_over(self) -> bool:
        return self.badge.text == "Ended"


@dataclass(frozen=True, slots=True)
class Total:
    """Of one currency: a month's worth of all that run, and what is to be paid from today on for SOON_DAYS days, empty
    for nothing."""

    currency: str
    monthly: str
    soon: str
    running: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """A cost center whose subscriptions are not counted at present, and why."""

    center: CostCenter
    is_paused: bool
    is_purging: bool


@dataclass(frozen=True, slots=True)
class SubscriptionList:
    """Those that run by name, then those to come, then those that are over."""

    rows: tuple[Row, ...]
    totals: tuple[Total, ...]
    stopped: tuple[Stopped, ...]


def subscription_list(today: date) -> SubscriptionList:
    subscriptions = list(_all())
    rows = [_row(each, today) for each in subscriptions]
    rows.sort(key=lambda row: (row.is_over, row.subscription.name.lower(), row.subscription.pk))
    return SubscriptionList(tuple(rows), tuple(_totals(subscriptions, today)), tuple(_stopped()))


def _all() -> list[Subscription]:
    seats = Prefetch("seat_changes", SubscriptionSeats.objects.order_by("effective_from"))
    return list(Subscription.objects.select_related("cost_center", "seats_of").prefetch_related(seats))


def _row(subscription: Subscription, today: date) -> Row:
    terms, currency = terms_of(subscription), subscription.currency
    seats = terms.seats_on(max(today, terms.starts_on))
    coming = upcoming(terms, currency, today)
    renewal = renewal_of(subscription, today)
    return Row(
        subscription=subscription,
        badge=badge(subscription, today),
        seats="" if seats is None else f"{seats:,}",
        price=display(subscription.price, currency),
        period="month" if terms.months == 1 else "year",
        monthly=monthly_text(terms, currency, today) if terms.lasts_on(today) else "",
        next_payment=coming[0] if coming else None,
        renewal=renewal,
        renewal_in="" if renewal is None else in_days(renewal, today),
    )


def badge(subscription: Subscription, today: date) -> Badge:
    ends_on = subscription.ends_on
    if ends_on is not None and ends_on < today:
        return Badge("Ended")
    if subscription.cost_center.status == CostCenter.Status.DISCONNECTED:
        return Badge("Not counted", "warn")
    if subscription.cost_center.status == CostCenter.Status.PAUSED:
        return Badge("Paused", "warn")
    if subscription.starts_on > today:
        return Badge(f"Begins {long_day(subscription.starts_on)}")
    if ends_on is not None:
        return Badge(f"Ends {long_day(ends_on)}", "warn")
    return Badge("Running", "good")


def renewal_of(subscription: Subscription, today: date) -> date | None:
    """The renewal to come; None where none is known, or it ends before."""
    renewal = subscription.renews_on
    if renewal is None or renewal < today:
        return None
    return None if subscription.ends_on is not None and subscription.ends_on < renewal else renewal


def in_days(day: date, today: date) -> str:
    days = (day - today).days
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days:,} days")


def _totals(subscriptions: list[Subscription], today: date) -> list[Total]:
    twelfths: dict[str, int] = {}
    soon: dict[str, int] = {}
    running: dict[str, int] = {}
    for subscription in subscriptions:
        if subscription.cost_center.status == CostCenter.Status.DISCONNECTED:
            continue
        terms, currency = terms_of(subscription), subscription.currency
        paid = to_be_paid(terms, today)
        if not (terms.lasts_on(today) or paid):
            continue
        twelfths[currency] = twelfths.get(currency, 0) + monthly_nano_twelfths(terms, today)
        soon[currency] = soon.get(currency, 0) + paid
        running[currency] = running.get(currency, 0) + terms.lasts_on(today)
    return [
        Total(
            currency,
            display(units_from_nanos(twelfths[currency]) / Decimal(12), currency),
            display(units_from_nanos(soon[currency]), currency) if soon[currency] else "",
            running[currency],
        )
        for currency in sorted(twelfths, key=lambda key: (-twelfths[key], key))
    ]


def to_be_paid(terms: Terms, today: date) -> int:
    """Nano-units of the payments of today and the days after it, SOON_DAYS in all."""
    last = today + timedelta(days=SOON_DAYS - 1)
    return sum(each.amount_nano for each in payments(terms, last) if each.day >= today)


def _stopped() -> list[Stopped]:
    centers = CostCenter.objects.filter(provider=cost_center.SLUG, subscriptions__isnull=False).exclude(
        status__in=CostCenter.WORKING
    )
    going = set(
        Stream.objects.filter(
            name=Stream.PURGE, integration__cost_center__provider=cost_center.SLUG
        ).values_list("integration__cost_center", flat=True)
    )
    return [
        Stopped(center, center.status == CostCenter.Status.PAUSED, center.pk in going)
        for center in centers.distinct()
    ]


@dataclass(frozen=True, slots=True)
class SeatRow:
    """`state`: in effect, to come or past; the first row is what it began with (`change` None)."""

    day: date
    seats: int
    state: str
    change: SubscriptionSeats | None

    @property
    def is_in_effect(self) -> bool:
        return self.state == "in effect"


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    subscription: Subscription
    row: Row
    upcoming: tuple[NextPayment, ...]
    seats: tuple[SeatRow, ...]
    explorer_url: str

    @property
    def is_flat(self) -> bool:
        return self.subscription.seats is None


def subscription_page(subscription: Subscription, today: date) -> SubscriptionPage:
    terms = terms_of(subscription)
    question = CostQuery(
        preset_span(Preset.MONTHS_12, today),
        Preset.MONTHS_12.value,
        granularity=Granularity.MONTH.value,
        group_by=("charge_type",),
        filters=(
            Filter("cost_center", (subscription.cost_center.name,)),
            Filter("service", (subscription.name,)),
        ),
        measure=Measure.EFFECTIVE,
    )
    return SubscriptionPage(
        subscription=subscription,
        row=_row(subscription, today),
        upcoming=upcoming(terms, subscription.currency, today),
        seats=tuple(_seat_rows(subscription, terms, today)),
        explorer_url=explorer_url(question),
    )


def _seat_rows(subscription: Subscription, terms: Terms, today: date) -> list[SeatRow]:
    """The last to begin first."""
    if terms.seats is None:
        return []
    stored = sorted(subscription.seat_changes.all(), key=lambda change: change.effective_from)
    known: list[tuple[date, int, SubscriptionSeats | None]] = [(terms.starts_on, terms.seats, None)]
    known += [
        (each.effective_from, each.seats, each) for each in stored if each.effective_from > terms.starts_on
    ]
    begun = [day for day, _, _ in known if day <= today]
    rows = []
    for day, seats, change in reversed(known):
        is_last = bool(begun) and day == begun[-1]
        over = terms.ends_on is not None and day > terms.ends_on
        state = "after its end" if over else "in effect" if is_last else "to come" if day > today else "past"
        rows.append(SeatRow(day, seats, state, change))
    return rows
