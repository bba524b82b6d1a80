"""The People page and the page of one person: who may log in, as what, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse

from finops.emails import where_mail_ends
from finops.models import ApiToken
from finops.people.invitations import is_invited, link_until
from finops.people.lockouts import LockOut, locked_out
from finops.people.roles import Role, role_of

A_PAGE = 100
#: With more people than this the page has a search.
SEARCH_FROM = 20
LONGEST_SEARCH = 200


class State(Enum):
    """In a word, and the tone of its badge."""

    ACTIVE = "Active", "good"
    INVITED = "Invited, waiting", ""
    EXPIRED = "Invitation expired", "warn"
    DEACTIVATED = "Deactivated", ""

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def tone(self) -> str:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the People page. `link_until` is of people who have not accepted yet; instants are UTC."""

    pk: int
    name: str
    username: str
    email: str
    role: str
    state: State
    last_login: datetime | None
    link_until: datetime | None
    is_me: bool

    @property
    def url(self) -> str:
        return reverse("person", args=[self.pk])


def person_of(user: User, me: User, now: datetime) -> Person:
    invited = is_invited(user)
    until = link_until(user) if invited else None
    if until is not None:
        state = State.INVITED if now <= until else State.EXPIRED
    else:
        state = State.ACTIVE if user.is_active else State.DEACTIVATED
    return Person(
        pk=user.pk,
        name=user.get_full_name() or user.get_username(),
        username=user.get_username(),
        email=user.email,
        role=role_of(user),
        state=state,
        last_login=user.last_login,
        link_until=until,
        is_me=user.pk == me.pk,
    )


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """`everybody` counts all people, `page` those of them who were looked for."""

    people: tuple[Person, ...]
    page: Page[User]
    everybody: int
    search: str
    has_search: bool
    locked_out: list[LockOut]
    where_mail_ends: str


def people_page(me: User, *, search: str, page: str | None, now: datetime) -> PeoplePage:
    """Whoever's name or address holds `search`; beyond the last page it is the last."""
    search = search.replace("\x00", "").strip()[:LONGEST_SEARCH]
    everybody = User.objects.count()
    found = Paginator(_found(search), A_PAGE).get_page(page)
    return PeoplePage(
        people=tuple(person_of(user, me, now) for user in found),
        page=found,
        everybody=everybody,
        search=search,
        has_search=bool(search) or everybody > SEARCH_FROM,
        locked_out=locked_out(now),
        where_mail_ends=where_mail_ends(),
    )


def _found(search: str) -> QuerySet[User]:
    """Active people first, each group by user name."""
    users = User.objects.prefetch_related("groups").order_by("-is_active", Lower("username"), "pk")
    for word in search.split():
        users = users.filter(
            Q(username__icontains=word)
            | Q(email__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
        )
    return users


@dataclass(frozen=True, slots=True)
class RoleChoice:
    role: Role
    is_chosen: bool


def role_choices(chosen: str) -> tuple[RoleChoice, ...]:
    return tuple(RoleChoice(role, role.value == chosen) for role in Role)


@dataclass(frozen=True, slots=True)
class PersonPage:
    """`why_not` says why whoever looks may change nothing here; then there are no buttons."""

    person: Person
    joined: datetime
    roles: tuple[RoleChoice, ...]
    other_groups: tuple[str, ...]
    tokens: int
    why_not: str
    may_withdraw: bool
    is_locked_out: bool
    where_mail_ends: str


def person_page(user: User, me: User, now: datetime) -> PersonPage:
    person = person_of(user, me, now)
    why_not = ""
    if person.is_me:
        why_not = "This is you. Nobody changes their own role or deactivates themselves: ask another Admin."
    elif user.is_superuser and not me.is_superuser:
        why_not = "This is a superuser. Only another superuser can change anything here."
    return PersonPage(
        person=person,
        joined=user.date_joined,
        roles=role_choices(person.role),
        other_groups=tuple(
            sorted(group.name for group in user.groups.all() if group.name not in Role.values)
        ),
        tokens=ApiToken.objects.filter(user=user).filter(Q(expiry=None) | Q(expiry__gt=now)).count(),
        why_not=why_not,
        may_withdraw=is_invited(user) and user.last_login is None,
        is_locked_out=any(closed.person.pk == user.pk for closed in locked_out(now)),
        where_mail_ends=where_mail_ends(),
    )
