"""Who asks the API, and whether they may. Apart from the endpoints, since REST framework loads this before them."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from auditlog.context import auditlog_value
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import get_token_model
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, MANAGE_PEOPLE, VIEW_REPORTS
from finops.api.problems import SCOPE, Problem

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.views import APIView

    from finops.models import ApiToken

#: What a token is made of. Anything else never reaches the database, which may not even be able to hold it.
BEARER = re.compile(r"bearer (?P<token>[A-Za-z0-9_-]{16,200})", re.ASCII | re.IGNORECASE)
#: What an endpoint asks for that is everybody's with an account, such as their own tokens.
ANYBODY = ""
#: From the least to the most.
SCOPES = ("read", "write", "admin")
#: The least scope of a token with which a permission of its owner can be used.
SCOPE_OF = {
    ANYBODY: "read",
    VIEW_REPORTS: "read",
    CONNECT_COST_CENTERS: "write",
    DISCONNECT_COST_CENTERS: "admin",
    MANAGE_PEOPLE: "admin",
}


class BearerToken(TokenAuthentication):
    """`Authorization: Bearer TOKEN`. Another scheme is left to whoever comes next."""

    REFUSED = "The token is unknown, has expired or was revoked, or the account of its owner is not active."

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        sent = request.headers.get("Authorization", "")
        if sent.partition(" ")[0].lower() != "bearer":
            return None
        well_formed = BEARER.fullmatch(sent)
        if not well_formed:
            raise exceptions.AuthenticationFailed("What follows `Bearer` and one space is not a token.")
        user, token = self.authenticate_credentials(well_formed["token"].encode())
        # The audit log asked who is logged in before it could be known who sends a token.
        auditlog_value.get({}).update(actor=user, actor_email=user.email or user.get_username()[:254])
        return user, token

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """One look-up by digest, where the library's own would go through all tokens of the owner and delete some."""
        digest = hash_token(token.decode())
        found: ApiToken | None = (
            get_token_model().objects.select_related("user").filter(digest=digest).first()
        )
        now = datetime.now(UTC)
        if found is None or found.has_expired(now) or not found.user.is_active:
            raise exceptions.AuthenticationFailed(self.REFUSED)
        found.used(now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Onebill"'


class Session(SessionAuthentication):
    """A log-in, whose token against forged requests is looked for in the header alone: to look for it among the fields
    of a POST would read all that is sent, files too, into the memory first."""

    def enforce_csrf(self, request: HttpRequest) -> None:
        without_fields: Any = copy.copy(getattr(request, "_request", request))
        if without_fields.method == "POST":
            without_fields.method = "PUT"
        super().enforce_csrf(without_fields)


class ScopeTooSmall(Problem):
    """The owner of the token may, the token may not."""

    def __init__(self, needed: str, scope: str) -> None:
        super().__init__(
            HTTPStatus.FORBIDDEN,
            f"This takes a token of scope `{needed}`; the scope of this one is `{scope}`.",
            type=SCOPE,
            title="The token may not do this",
        )
        self.auth_header = f'Bearer realm="Onebill", error="insufficient_scope", scope="{needed}"'


class MayAsk(BasePermission):
    """Whoever asks holds the endpoint's permission, and the token's scope reaches as far.

    Anonymous gets 401, the others 403.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        needed = view.permission_for(request)  # type: ignore[attr-defined]
        if not holds(request.user, needed):
            return False
        # Of a method that is not answered here at all, that is said instead.
        if hasattr(view, str(request.method).lower()):
            require_scope(request, needed)
        return True


def holds(user: Any, permission: str) -> bool:
    return permission == ANYBODY or user.has_perm(permission)


def require_scope(request: Request, permission: str) -> None:
    """Raises ScopeTooSmall unless the token, if one was sent, reaches as far as this permission and the method."""
    token: ApiToken | None = request.auth  # type: ignore[assignment]
    scope = scope_needed(permission, str(request.method))
    if token is not None and not reaches(token.scope, scope):
        raise ScopeTooSmall(scope, token.scope)


def require(request: Request, permission: str) -> None:
    """For what an endpoint does beyond its own permission. Raises PermissionDenied or ScopeTooSmall."""
    if not holds(request.user, permission):
        raise PermissionDenied
    require_scope(request, permission)


def reaches(scope: str, needed: str) -> bool:
    return SCOPES.index(scope) >= SCOPES.index(needed)


def scopes_of(user: User) -> tuple[str, ...]:
    """What a token of `user` may be given: up to the scope that their permissions take. None without a role."""
    taken = [scope for permission, scope in SCOPE_OF.items() if permission and user.has_perm(permission)]
    return tuple(scope for scope in SCOPES if any(reaches(each, scope) for each in taken))


def scope_needed(permission: str, method: str) -> str:
    """The least scope of a token with which an endpoint of this permission answers the method."""
    needed = SCOPE_OF[permission]
    return "write" if needed == "read" and method not in SAFE_METHODS else needed
