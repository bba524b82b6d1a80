"""The Django admin: for whoever may manage people, with the product's own log-in."""

from __future__ import annotations

import re
from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator

from costcenters.access import MANAGE_PEOPLE

#: What Django and Python say of text in forged addresses and forms where a number, or a year, has to be.
NO_VALUE = re.compile(r"expected a number but got|^year -?\d+ is out of range")


class OnebillAdminSite(AdminSite):
    site_header = "Onebill administration"
    site_title = "Onebill"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        """The permission decides, not `is_staff`: the group Admin has it."""
        return request.user.is_active and request.user.has_perm(MANAGE_PEOPLE)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As stock, but who is logged in and may not enter gets a 403 rather than a second log-in."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            asked = [request.path, *(value for values in request.GET.lists() for value in values[1])]
            if any("\0" in value for value in asked):
                raise BadRequest("A NUL character is no value to look for.")
            try:
                response = inner(request, *args, **kwargs)
                # Stock would do this outside, where some lists are asked for their rows first.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response
            except OverflowError as error:
                raise BadRequest("A number is too large to look for.") from error
            except ValueError as error:
                if not NO_VALUE.search(str(error)):
                    raise
                raise BadRequest("This is no value to look for.") from error

        return update_wrapper(guarded, inner)

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one log-in, with its lock-out and for people who are not `is_staff`."""
        return redirect_to_login(request.GET.get("next") or reverse("admin:index", current_app=self.name))
