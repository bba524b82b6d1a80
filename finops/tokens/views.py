"""Settings → API tokens: the list, the form, the token that is shown once, and revoking one."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from costcenters.access import asking
from finops.api.access import scopes_of
from finops.tokens.changes import Refused, make
from finops.tokens.forms import TokenForm
from finops.tokens.page import NewToken, row, tokens_page, visible

EVERYBODYS = "all"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables()
def tokens(request: HttpRequest) -> HttpResponse:
    """Anybody's own; `owner=all` for whoever manages people. The answer to a POST holds the new token, and nothing
    else ever does: it leads nowhere, and sent once more it is refused because of its name."""
    user, now = asking(request), timezone.now()
    form = TokenForm(request.POST if request.method == "POST" else None, scopes=scopes_of(user))
    made = None
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            token, secret = make(
                user, name=chosen["name"], scope=chosen["scope"], days=chosen["days"], now=now
            )
        except Refused as refusal:
            form.add_error(refusal.field or None, str(refusal))
        else:
            form = TokenForm(scopes=scopes_of(user))
            made = NewToken(
                token.name, secret, token.get_scope_display(), token.expiry, _absolute(request, "api-me")
            )
    page = tokens_page(
        user,
        form=form,
        everybodys=request.GET.get("owner") == EVERYBODYS and made is None,
        page=request.GET.get("page"),
        now=now,
    )
    context = {"page": page, "form": form, "made": made}
    return render(
        request,
        "finops/tokens.html",
        context,
        status=HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, api_token: UUID) -> HttpResponse:
    """Asks first; a POST revokes. What is gone by then, or somebody else's, leads back to the list."""
    user = asking(request)
    token = visible(user).select_related("user").filter(pk=api_token).first()
    if token is None:
        messages.info(request, "There is no such token any more.")
        return redirect("tokens")
    is_own = token.user_id == user.pk
    back = reverse("tokens") if is_own else f"{reverse('tokens')}?owner={EVERYBODYS}"
    if request.method != "POST":
        context = {"token": row(token, timezone.now()), "is_own": is_own, "back": back}
        return render(request, "finops/token_revoke.html", context)
    token.delete()
    whose = "" if is_own else f" of {token.user}"
    messages.success(request, f"The token “{token}”{whose} is revoked: from now on it is refused.")
    return redirect(back)


def _absolute(request: HttpRequest, name: str) -> str:
    return request.build_absolute_uri(reverse(name))
