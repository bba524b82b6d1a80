"""Who may what. The first line of every view calls `require`; the log-in itself is the middleware's."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW_REPORTS = "costcenters.view_reports"
CONNECT_COST_CENTERS = "costcenters.connect_costcenter"
DISCONNECT_COST_CENTERS = "costcenters.disconnect_costcenter"
MANAGE_PEOPLE = "costcenters.manage_people"


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied (a 403 page) unless whoever asks holds `permission`."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
