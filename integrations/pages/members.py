"""The members of a cost center's team, who has left, and who costs without being in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import Q

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Filter, Measure, encode
from costcenters.display.figures import Shown, shown
from costcenters.explorer import SumTooLargeError
from costcenters.links import explorer_url
from costcenters.models import ChargeType, CostCenter
from costcenters.periods import Preset, preset_span
from costcenters.scope import Scope, sum_of, sums_in_range
from finops.money import units_from_nanos
from integrations.models import Member
from integrations.pages.badges import Badge
from integrations.pages.heading import Heading

PAGE_SIZE = 200
#: Cost and idleness are told of these days: as many as a seat is judged on elsewhere.
PRESET = Preset.DAYS_30


class State(models.TextChoices):
    """What somebody is to the team. Whoever is in its bill only is a service account, or was gone before we came."""

    PAID = "paid", "Active"
    UNPAID = "unpaid", "Active, no paid seat"
    LEFT = "left", "Left"
    OUTSIDE = "outside", "Not in the team"


def state_of(*, is_active: bool, is_paid: bool) -> State:
    """What a member is to the team."""
    return State.LEFT if not is_active else State.PAID if is_paid else State.UNPAID


#: Beside the states: those in a paid seat who used nothing lately.
IDLE = "idle"
TONES = {State.PAID: "good", State.UNPAID: "good"}


class Sort(models.TextChoices):
    """A minus before it turns the order round."""

    NAME = "name", "Name"
    ROLE = "role", "Role"
    STATE = "state", "State"
    FIRST_SEEN = "first_seen", "First seen"
    LAST_SEEN = "last_seen", "Last seen"
    COST = "cost", "Last 30 days"


#: Of these the largest comes first when a column is chosen.
LARGEST_FIRST = (Sort.FIRST_SEEN, Sort.LAST_SEEN, Sort.COST)


@dataclass(frozen=True, slots=True)
class Person:
    """`key` is the user of their line items, `cost_nano` what was billed for them in the last 30 days.

    Whoever is not in the team has neither dates nor a role.
    """

    key: str
    name: str
    email: str
    role: str
    state: State
    first_seen: date | None
    last_seen: date | None
    cost_nano: int
    is_idle: bool


@dataclass(frozen=True, slots=True)
class MemberRow:
    person: Person
    role: str
    badge: Badge
    cost: Shown
    cost_url: str

    @property
    def title(self) -> str:
        return self.person.name or self.person.key


@dataclass(frozen=True, slots=True)
class Choice:
    """A state to choose, with how many are in it."""

    text: str
    count: int
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Column:
    """`order` is for aria-sort: empty unless it is sorted by this column."""

    label: str
    url: str
    order: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class MemberPage:
    """`rows` are those of one page of `page`. `knows_cost` is false where it is more than can be added up."""

    heading: Heading
    form: MemberForm
    choices: tuple[Choice, ...]
    columns: tuple[Column, ...]
    page: Page[Person]
    rows: tuple[MemberRow, ...]
    everybody: int
    knows_cost: bool
    unattributed: Shown | None
    unattributed_url: str
    previous_url: str
    next_url: str


@dataclass(frozen=True, slots=True)
class Spending:
    """By user, what the last 30 days were billed (nano-units), and who used anything in them."""

    cost: Mapping[str, int]
    users: Set[str]


class MemberForm(forms.Form):
    """Whom to list, in which order. A page past the last one is the last one."""

    q = forms.CharField(
        required=False,
        max_length=254,
        label="Name, e-mail or role",
        widget=forms.TextInput({"type": "search"}),
    )
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Everybody"), *State.choices, (IDLE, "Idle seat")],
        widget=forms.HiddenInput,
    )
    sort = forms.ChoiceField(
        required=False,
        choices=[(f"{sign}{value}", label) for value, label in Sort.choices for sign in ("", "-")],
        widget=forms.HiddenInput,
    )
    page = forms.IntegerField(required=False, min_value=1, max_value=10**6, widget=forms.HiddenInput)

    def address(self, **changed: str) -> str:
        """The query string with something changed; the page starts anew unless it is what changes."""
        cleaned = self.cleaned_data
        asked = {name: cleaned[name] for name in ("q", "state", "sort")} | changed
        return f"?{encode([(name, value) for name, value in asked.items() if value])}"


def member_page(heading: Heading, form: MemberForm, now: datetime) -> MemberPage:
    """Only of a valid form."""
    center, asked = heading.center, form.cleaned_data
    spending = _spending(center, now)
    people = _people(heading, spending)
    text, state = asked["q"].casefold(), asked["state"]
    found = [person for person in people if _is_found(person, text)] if text else people
    listed = [person for person in found if _is_in(person, state)] if state else found
    page = Paginator(_in_order(listed, asked["sort"]), PAGE_SIZE).get_page(asked["page"] or 1)
    nobody = spending.cost.get("") if spending is not None else None
    return MemberPage(
        heading=heading,
        form=form,
        choices=_choices(found, form, knows_idle=any(person.is_idle for person in people)),
        columns=_columns(form),
        page=page,
        rows=tuple(_row(person, center, now, knows_cost=spending is not None) for person in page.object_list),
        everybody=len(people),
        knows_cost=spending is not None,
        unattributed=_amount(nobody, center) if nobody else None,
        unattributed_url=explorer_url(_question(center, now, "").grouped_by("charge_type")),
        previous_url=form.address(page=str(page.previous_page_number())) if page.has_previous() else "",
        next_url=form.address(page=str(page.next_page_number())) if page.has_next() else "",
    )


def _question(center: CostCenter, now: datetime, *users: str) -> CostQuery:
    filters = [Filter("cost_center", (center.name,))]
    if users:
        filters.append(Filter("user", users))
    return CostQuery(
        preset_span(PRESET, now.date()), PRESET.value, filters=tuple(filters), currency=center.currency
    )


def _spending(center: CostCenter, now: datetime) -> Spending | None:
    """The explorer's sums, of all of them at once. None where they are too large."""
    catalog = Catalog(cost_centers={center.pk: center}, today=now.date())
    used = Q(charge_type=ChargeType.USAGE)
    try:
        with sums_in_range():
            scope = Scope.of(_question(center, now), catalog, now=now)
            sums = {"billed": sum_of("billed_cost"), "events": sum_of("line_items", filter=used)}
            rows = list(scope.rows(scope.span).values_list("user").annotate(**sums))
    except SumTooLargeError:
        return None
    return Spending({user: billed for user, billed, _ in rows}, {user for user, _, events in rows if events})


def _people(heading: Heading, spending: Spending | None) -> list[Person]:
    """The members ever seen, and the users of the last days' bill who are none of them."""
    if heading.integration is None:
        return []
    cost = {} if spending is None else spending.cost
    # Before the last days are read nobody is known to have used nothing.
    tells_idle = spending is not None and heading.integration.set_up_at is not None
    users: Set[str] = set() if spending is None else spending.users
    members = Member.objects.filter(integration=heading.integration).values_list(
        "key", "name", "email", "role", "is_active", "is_paid", "first_seen", "last_seen"
    )
    people = []
    for key, name, email, role, is_active, is_paid, first_seen, last_seen in members:
        state = state_of(is_active=is_active, is_paid=is_paid)
        is_idle = tells_idle and state is State.PAID and key not in users
        people.append(Person(key, name, email, role, state, first_seen, last_seen, cost.get(key, 0), is_idle))
    known = {person.key for person in people}
    people += [
        Person(user, "", user if "@" in user else "", "", State.OUTSIDE, None, None, amount, False)
        for user, amount in cost.items()
        if user and user not in known
    ]
    return people


def _is_found(person: Person, text: str) -> bool:
    return any(text in each.casefold() for each in (person.name, person.key, person.email, person.role))


def _is_in(person: Person, state: str) -> bool:
    return person.is_idle if state == IDLE else person.state == state


def _title(person: Person) -> str:
    return (person.name or person.key).casefold()


ORDER: dict[str, Callable[[Person], Any]] = {
    Sort.NAME.value: _title,
    Sort.ROLE.value: lambda person: person.role,
    Sort.STATE.value: lambda person: (list(State).index(person.state), not person.is_idle),
    Sort.FIRST_SEEN.value: lambda person: person.first_seen or date.min,
    Sort.LAST_SEEN.value: lambda person: person.last_seen or date.min,
    Sort.COST.value: lambda person: person.cost_nano,
}


def _in_order(people: Iterable[Person], sort: str) -> list[Person]:
    """Equal ones by name."""
    by_name = sorted(people, key=lambda person: (_title(person), person.key))
    return sorted(by_name, key=ORDER[sort.removeprefix("-") or Sort.NAME.value], reverse=sort.startswith("-"))


def _choices(found: list[Person], form: MemberForm, *, knows_idle: bool) -> tuple[Choice, ...]:
    """Everybody, each state that somebody is in or that is asked for, and idle seats."""
    chosen = form.cleaned_data["state"]
    counts = {state.value: 0 for state in State}
    for person in found:
        counts[person.state.value] += 1
    choices = [Choice("Everybody", len(found), form.address(state=""), not chosen)]
    for state in State:
        if counts[state.value] or chosen == state.value:
            url = form.address(state=state.value)
            choices.append(Choice(str(state.label), counts[state.value], url, chosen == state.value))
    if knows_idle or chosen == IDLE:
        idle = sum(person.is_idle for person in found)
        choices.append(Choice("Idle seat", idle, form.address(state=IDLE), chosen == IDLE))
    return tuple(choices)


def _columns(form: MemberForm) -> tuple[Column, ...]:
    """Each with the link that sorts by it, or turns it round."""
    now = form.cleaned_data["sort"] or Sort.NAME.value
    columns = []
    for sort in Sort:
        first = f"-{sort.value}" if sort in LARGEST_FIRST else sort.value
        turned = sort.value if first.startswith("-") else f"-{sort.value}"
        order = ""
        if now.removeprefix("-") == sort.value:
            order = "descending" if now.startswith("-") else "ascending"
        url = form.address(sort=turned if now == first else first)
        columns.append(Column(str(sort.label), url, order, sort is Sort.COST))
    return tuple(columns)


def _amount(nano: int, center: CostCenter) -> Shown:
    return shown(units_from_nanos(nano), Measure.BILLED, center.currency)


def _row(person: Person, center: CostCenter, now: datetime, *, knows_cost: bool) -> MemberRow:
    return MemberRow(
        person=person,
        role=person.role.replace("-", " ").replace("_", " ").capitalize(),
        badge=Badge(str(person.state.label), TONES.get(person.state, "")),
        cost=_amount(person.cost_nano, center) if knows_cost else Shown("–"),
        cost_url=explorer_url(_question(center, now, person.key).grouped_by("model")),
    )
