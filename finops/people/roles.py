"""The three roles. Each is a group of the same name, with the permissions a migration gave it."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import models


class Role(models.TextChoices):
    """From the one that may least to the one that may most."""

    VIEWER = "Viewer", "Viewer"
    EDITOR = "Editor", "Editor"
    ADMIN = "Admin", "Admin"

    @property
    def may(self) -> str:
        """What people with it may do; completes "An Editor …"."""
        return {
            Role.VIEWER: "sees the bill and every report of it, and saves views",
            Role.EDITOR: "also connects cost centers, edits them and replaces their keys",
            Role.ADMIN: "also removes cost centers, manages people, and sees the audit log and the administration",
        }[self]


#: What the pages call somebody with none of the three.
NO_ROLE, SUPERUSER = "None", "Superuser"


def role_of(user: User) -> str:
    """`user`'s role in a word: of several groups the one that may most. Reads `user.groups`, prefetched or not."""
    if user.is_superuser:
        return SUPERUSER
    groups = {group.name for group in user.groups.all()}
    return next((role.value for role in reversed(Role) if role in groups), NO_ROLE)


def take_on(user: User, role: Role) -> None:
    """`user` has exactly this one of the three. Groups that somebody made beside them are left alone."""
    others = [other.value for other in Role if other is not role]
    # Only those that are held: what is named here is what the audit log records.
    user.groups.remove(*user.groups.filter(name__in=others))
    if not user.groups.filter(name=role).exists():
        user.groups.add(Group.objects.get(name=role))
