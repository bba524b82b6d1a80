"""Who may what. The first line of every view calls `require`; the log-in itself is the middleware's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

VIEW_REPORTS = "costcenters.view_reports"
CONNECT_COST_CENTERS = "costcenters.connect_costcenter"
DISCONNECT_COST_CENTERS = "costcenters.disconnect_costcenter"
MANAGE_PEOPLE = "costcenters.manage_people"
#: Of the two backends, the one that knows permissions; the other one only counts failed log-ins.
PERMISSIONS_BACKEND = "django.contrib.auth.backends.ModelBackend"


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied (a 403 page) unless whoever asks holds `permission`."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def asking(request: HttpRequest) -> User:
    """Who asks. Only where the middleware has made sure that somebody is logged in."""
    return cast("User", request.user)


def people_with(permission: str) -> QuerySet[User]:
    """Active people who hold `permission`, by their role or as superusers."""
    return get_user_model().objects.with_perm(permission, backend=PERMISSIONS_BACKEND)
