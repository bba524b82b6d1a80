"""Making and revoking API tokens, and what nobody may. Whoever does it, the audit log sees by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from knox.models import get_digest_token
from knox.settings import CONSTANTS

from finops.api.access import reaches, scopes_of
from finops.models import ApiToken

LONGEST_NAME = 100
MOST_DAYS = 365
#: Living tokens of one person.
MOST_TOKENS = 50
#: An expired token is still listed for so long, so that whoever looks why a script stopped finds the reason.
KEPT = timedelta(days=30)


class Refused(Exception):
    """No token was made; the text says why, and `field` what of the wish is to blame, if any of it is."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


@sensitive_variables()
def make(
    owner: User, *, name: str, scope: str, days: int, now: datetime, by: ApiToken | None = None
) -> tuple[ApiToken, str]:
    """A new token of `owner` that expires `days` times 24 hours after `now`, and the token as it is sent, which nobody
    can look up later. `by` is the token that asks for it, if one does: what it makes may no more, and ends no later.

    Raises Refused; its fields are `name`, `scope` and `days`.
    """
    name = " ".join(name.split())
    expiry = now + timedelta(days=days)
    with transaction.atomic():
        # One at a time, so that neither a name nor the last place is taken twice; and with the rights of this moment.
        person = User.objects.select_for_update(no_key=True).get(pk=owner.pk)
        _refuse_scope(person, scope, by)
        if by is not None and by.expiry is not None and expiry > by.expiry:
            raise Refused(
                f"A token made by a token ends no later than that one, {by.expiry:%Y-%m-%d %H:%M} UTC.",
                "days",
            )
        living = list(ApiToken.objects.filter(user=person).living(now).values_list("name", flat=True))
        if not name or len(name) > LONGEST_NAME:
            raise Refused(f"Give it a name of up to {LONGEST_NAME} characters.", "name")
        if name in living:
            raise Refused(
                f"There is a token called “{name}” already. Choose another name, or revoke that one first. A token is "
                "shown only once, right after it was made.",
                "name",
            )
        if len(living) >= MOST_TOKENS:
            raise Refused(f"{MOST_TOKENS} tokens are the most that a person can have. Revoke one first.")
        digest, sent = get_digest_token()
        token = ApiToken.objects.model(
            digest=digest,
            token_key=sent[: CONSTANTS.TOKEN_KEY_LENGTH],
            user=person,
            name=name,
            scope=scope,
            expiry=expiry,
        )
        token.save(force_insert=True)
    return token, sent


def _refuse_scope(person: User, scope: str, by: ApiToken | None) -> None:
    allowed = scopes_of(person)
    if not allowed:
        raise Refused(
            "Your account has no role, so a token of it could do nothing. Somebody who manages people can give it one.",
            "scope",
        )
    if scope not in allowed:
        raise Refused(f"Your role allows tokens of scope {_either(allowed)} only.", "scope")
    if by is not None and not reaches(by.scope, scope):
        raise Refused(f"This token makes others of at most its own scope, `{by.scope}`.", "scope")


def _either(scopes: tuple[str, ...]) -> str:
    return " or ".join(f"`{scope}`" for scope in scopes)


def delete_long_expired(now: datetime) -> None:
    """Those that expired longer than `KEPT` ago; the audit log keeps that they were there."""
    ApiToken.objects.filter(expiry__lt=now - KEPT).delete()
