"""What an Admin does to other people's access, and what nobody may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from costcenters.access import MANAGE_PEOPLE
from finops.people.roles import Role, take_on


class Refused(Exception):
    """What was asked for is not done; the text says why, and what to do instead."""


@contextmanager
def one_at_a_time(actor: User) -> Iterator[User]:
    """`actor` as they are once nobody else is changing people; PermissionDenied if they may no longer do so.

    Two Admins who demote each other at the same moment take turns: the second one finds that they are none any more.
    """
    with transaction.atomic():
        hold_people()
        fresh = User.objects.get(pk=actor.pk)
        if not fresh.has_perm(MANAGE_PEOPLE):
            raise PermissionDenied
        yield fresh


def hold_people() -> None:
    """Keep everybody else from changing people until the transaction ends, which must be open."""
    # SQLite has one writer at a time anyway; elsewhere the row of this role stands for "people are changed".
    list(Group.objects.select_for_update(no_key=True).filter(name=Role.ADMIN))


def administrators() -> QuerySet[User]:
    """Whoever can log in now and manage people by their role. An Admin who has not accepted yet cannot."""
    return (
        User.objects.filter(Q(is_superuser=True) | Q(groups__name=Role.ADMIN), is_active=True)
        .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .distinct()
    )


def is_last_administrator(person: User) -> bool:
    admins = set(administrators().values_list("pk", flat=True))
    return admins == {person.pk}


def refuse_without_administrator(person: User, *, manages_people: bool) -> None:
    """Raises Refused if `person` is the last one who manages people, and after a change would no longer."""
    if not manages_people and is_last_administrator(person):
        raise Refused(f"{person} is the last one who can manage people. Make somebody else an Admin first.")


def refuse_if_superior(actor: User, person: User) -> None:
    if person.is_superuser and not actor.is_superuser:
        raise Refused(f"{person} is a superuser: only another superuser can change that.")


def change_role(actor: User, pk: int, role: Role) -> User:
    """The person of that `pk` has `role` from now on, without a new log-in. Raises Refused, User.DoesNotExist."""
    with one_at_a_time(actor) as admin:
        person = User.objects.select_for_update().get(pk=pk)
        if person.pk == admin.pk:
            raise Refused("Nobody changes their own role. Ask another Admin.")
        refuse_if_superior(admin, person)
        refuse_without_administrator(person, manages_people=role is Role.ADMIN)
        take_on(person, role)
        if person.is_superuser:
            person.is_superuser = False
            person.save(update_fields=["is_superuser"])
    return person


def deactivate(actor: User, pk: int) -> User:
    """The person can no longer log in, and what was open is closed at once. Raises Refused, User.DoesNotExist."""
    with one_at_a_time(actor) as admin:
        person = User.objects.select_for_update().get(pk=pk)
        if person.pk == admin.pk:
            raise Refused("Nobody deactivates themselves. Ask another Admin.")
        refuse_if_superior(admin, person)
        refuse_without_administrator(person, manages_people=False)
        person.is_active = False
        person.save(update_fields=["is_active"])
        # Without a row there is nothing that a later reactivation could bring back to life.
        end_sessions(person)
    return person


def reactivate(actor: User, pk: int) -> User:
    """The person may log in again, with the password and the role they had. Raises Refused, User.DoesNotExist."""
    with one_at_a_time(actor) as admin:
        person = User.objects.select_for_update().get(pk=pk)
        refuse_if_superior(admin, person)
        person.is_active = True
        person.save(update_fields=["is_active"])
    return person


def end_sessions(person: User) -> None:
    """Delete the sessions of `person`. Whose a session is stands inside it, so all that are open are looked at."""
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gte=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(person.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()
