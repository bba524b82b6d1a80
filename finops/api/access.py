"""Who asks the API, and whether they may. Apart from the endpoints, since REST framework loads this before them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from knox.auth import TokenAuthentication
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, MANAGE_PEOPLE, VIEW_REPORTS
from finops.api.problems import SCOPE, Problem

if TYPE_CHECKING:
    from rest_framework.views import APIView

    from finops.models import ApiToken

#: What a token is made of. Anything else never reaches the database, which may not even be able to hold it.
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}", re.ASCII)
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
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not TOKEN.fullmatch(token):
            raise exceptions.AuthenticationFailed("What follows `Bearer` is not a token.")
        try:
            user, found = self.authenticate_credentials(token.encode())  # type: ignore[no-untyped-call]
        except exceptions.AuthenticationFailed:
            raise exceptions.AuthenticationFailed(self.REFUSED) from None
        return user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Onebill"'


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
        if needed and not request.user.has_perm(needed):
            return False
        scope = scope_needed(needed, str(request.method))
        token: ApiToken | None = request.auth  # type: ignore[assignment]
        # Of a method that is not answered here at all, that is said instead.
        is_answered = hasattr(view, str(request.method).lower())
        if token is not None and is_answered and SCOPES.index(token.scope) < SCOPES.index(scope):
            raise ScopeTooSmall(scope, token.scope)
        return True


def scope_needed(permission: str, method: str) -> str:
    """The least scope of a token with which an endpoint of this permission answers the method."""
    needed = SCOPE_OF[permission]
    return "write" if needed == "read" and method not in SAFE_METHODS else needed
