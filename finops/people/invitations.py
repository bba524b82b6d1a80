"""Invitations by e-mail: a person without a password, and a link with which they choose one.

Somebody is invited for as long as they have no password. Until they accept, `date_joined` is when they were invited
last; only the link sent then works, for `PASSWORD_RESET_TIMEOUT` seconds, once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.timesince import timesince
from django.views.decorators.debug import sensitive_variables

from finops.audit_log import record
from finops.emails import email, refusal_in_words
from finops.people.changes import Refused, one_at_a_time, refuse_if_superior
from finops.people.roles import Role, role_of, take_on

logger = logging.getLogger(__name__)


class InvitationTokens(PasswordResetTokenGenerator):
    """Tokens of invitations: none of them sets a password that was forgotten, and none of those accepts one."""

    key_salt = "finops.people.invitations"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        """Dies with the acceptance (the password is another) and when a newer invitation is sent."""
        return f"{super()._make_hash_value(user, timestamp)}{user.date_joined.isoformat()}"


tokens = InvitationTokens()


class AlreadyHere(Refused):
    """The address belongs to `person`, who is here, invited or deactivated."""

    def __init__(self, sentence: str, person: User) -> None:
        super().__init__(sentence)
        self.person = person


def is_invited(user: User) -> bool:
    return user.is_active and not user.has_usable_password()


def lasts() -> str:
    """How long a link works, in words: "3 days"."""
    start = datetime(2026, 1, 1)
    words = timesince(start, start + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT))
    return words.replace("\N{NO-BREAK SPACE}", " ")


def link_until(user: User) -> datetime:
    """When the link that `user` was sent last stops working."""
    return user.date_joined + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


def invite(actor: User, address: str, role: Role) -> User:
    """A person with that address and role who can only accept. The mail is another step, after the commit.

    Raises AlreadyHere.
    """
    name = User.normalize_username(address.strip().lower())
    with one_at_a_time(actor):
        refuse_duplicate(name)
        person = User.objects.create_user(name, email=name)
        take_on(person, role)
    return person


def refuse_duplicate(email: str) -> None:
    known = (
        User.objects.filter(Q(username__iexact=email) | Q(email__iexact=email)).order_by("-is_active").first()
    )
    if known is None:
        return
    if not known.is_active:
        raise AlreadyHere(f"{email} is the address of a deactivated account: reactivate that instead.", known)
    if is_invited(known):
        raise AlreadyHere(f"{email} is invited already: send that invitation again instead.", known)
    raise AlreadyHere(f"{email} is here already ({role_of(known)}).", known)


def invite_again(actor: User, pk: int) -> User:
    """The person's invitation starts anew; a link sent before no longer works. Raises Refused, User.DoesNotExist."""
    with one_at_a_time(actor) as admin:
        person = User.objects.select_for_update().get(pk=pk)
        refuse_if_superior(admin, person)
        refuse_unless_invited(person)
        if not person.email:
            raise Refused(f"{person} has no e-mail address to which an invitation could be sent.")
        person.date_joined = timezone.now()
        person.save(update_fields=["date_joined"])
        record.happened(person, f"invited {person} again")
    return person


def withdraw(actor: User, pk: int) -> User:
    """The invitation and its link are gone, as if it had never been sent. Raises Refused, User.DoesNotExist."""
    with one_at_a_time(actor) as admin:
        person = User.objects.select_for_update().get(pk=pk)
        refuse_if_superior(admin, person)
        refuse_unless_invited(person)
        if person.last_login is not None:
            raise Refused(f"{person} has been here before. Deactivate the account instead.")
        person.delete()
    return person


def refuse_unless_invited(person: User) -> None:
    if not person.is_active:
        raise Refused(f"{person} is deactivated. Reactivate the account first.")
    if not is_invited(person):
        raise Refused(f"{person} has accepted already.")


@sensitive_variables()
def send(person: User, invited_by: User) -> str:
    """Mail `person` their link. Returns why that did not work, in words; nothing of the link is logged."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("invitation", kwargs={"uidb64": uid, "token": tokens.make_token(person)})
    role = role_of(person)
    context = {
        "person": person,
        "name": invited_by.get_full_name() or invited_by.get_username(),
        "role": role,
        "may": Role(role).may if role in Role.values else "",
        "url": f"{settings.SITE_URL}{path}",
        "site_url": settings.SITE_URL,
        "lasts": lasts(),
        "link_until": link_until(person),
    }
    try:
        email("emails/invitation", context, to=person).send()
    except Exception as error:
        # Whatever it is (the mail server, the address): the person is invited, and it can be sent again.
        words = refusal_in_words(error)
        logger.warning("the invitation of person %s could not be sent: %s", person.pk, words)
        return words
    return ""
