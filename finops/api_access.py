"""Who asks the API, and whether they may. Apart from the endpoints, since REST framework loads this before them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from knox.auth import TokenAuthentication
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

#: What a token is made of. Anything else never reaches the database, which may not even be able to hold it.
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}", re.ASCII)


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


class MayAsk(BasePermission):
    """Whoever asks holds the endpoint's permission. Anonymous gets 401, the others 403."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = getattr(view, "permission", None)
        return bool(request.user.is_authenticated and needed and request.user.has_perm(needed))
