"""What the page of API tokens shows: one's own, or for whoever manages people everybody's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.urls import reverse

from costcenters.access import MANAGE_PEOPLE
from finops.api.access import scopes_of
from finops.models import ApiToken
from finops.tokens.changes import MOST_TOKENS

A_PAGE = 100
#: What may be done with a token of each scope, as far as its owner may do it.
MAY = {
    "read": "Sees the bill and its reports, exports, connections and how they are doing.",
    "write": "Also connects cost centers, edits them, replaces their keys, saves views and makes tokens.",
    "admin": "Also removes cost centers, reads the audit log and revokes everybody’s tokens.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A token as people see it; instants are UTC. `ends_soon`: within a week."""

    name: str
    hint: str
    scope: str
    owner: str
    owner_is_active: bool
    created: datetime
    expires: datetime | None
    has_expired: bool
    ends_soon: bool
    last_used: datetime | None
    revoke_url: str


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    value: str
    label: str
    may: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class TokensPage:
    """`page` has more than one part only of everybody's tokens."""

    rows: tuple[Row, ...]
    page: Page[ApiToken]
    is_everybodys: bool
    may_see_everybodys: bool
    scopes: tuple[ScopeChoice, ...]
    beyond: tuple[str, ...]
    is_full: bool


def row(token: ApiToken, now: datetime) -> Row:
    return Row(
        name=str(token),
        hint=token.hint,
        scope=ApiToken.Scope(token.scope).label,
        owner=token.user.get_username(),
        owner_is_active=token.user.is_active,
        created=token.created,
        expires=token.expiry,
        has_expired=token.has_expired(now),
        ends_soon=token.expiry is not None and 0 <= (token.expiry - now).days < 7,
        last_used=token.last_used_at,
        revoke_url=reverse("token-revoke", args=[token.pk]),
    )


def tokens_page(
    user: User, *, form: forms.Form, everybodys: bool, page: str | None, now: datetime
) -> TokensPage:
    """Newest first. Beyond the last page it is the last; nobody sees everybody's who may not."""
    may = user.has_perm(MANAGE_PEOPLE)
    found = visible(user) if everybodys and may else ApiToken.objects.filter(user=user)
    shown = Paginator(found.select_related("user").order_by("-created", "-pk"), A_PAGE).get_page(page)
    scopes = scopes_of(user)
    chosen = form["scope"].value()
    return TokensPage(
        rows=tuple(row(token, now) for token in shown),
        page=shown,
        is_everybodys=everybodys and may,
        may_see_everybodys=may,
        scopes=tuple(
            ScopeChoice(scope, ApiToken.Scope(scope).label, MAY[scope], scope == chosen) for scope in scopes
        ),
        beyond=tuple(str(scope.label) for scope in ApiToken.Scope if scope not in scopes),
        is_full=ApiToken.objects.filter(user=user).living(now).count() >= MOST_TOKENS,
    )


def visible(user: User) -> QuerySet[ApiToken]:
    """The tokens that `user` may look at and revoke: their own, and everybody's for whoever manages people."""
    tokens: QuerySet[ApiToken] = ApiToken.objects.all()
    return tokens if user.has_perm(MANAGE_PEOPLE) else tokens.filter(user=user)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: `secret` is what is sent, shown this once. `me_url` is an address to try it on."""

    name: str
    secret: str
    scope: str
    expires: datetime | None
    me_url: str

    def __repr__(self) -> str:
        return f"NewToken({self.name!r})"
