"""The form and the link behind "forgot your password", for people who have one and whose account is active.

One e-mail an address and five minutes, however often it is asked for. Somebody who was invited and never accepted has
no password to forget, so nothing is sent to them: the invitation is their only way in.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from axes.utils import reset
from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.cache import cache
from django.http import HttpResponse

SECONDS_BETWEEN = 300


class ThrottledPasswordResetForm(PasswordResetForm):
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Send the link, unless one was sent a moment ago; who asks cannot tell."""
        if cache.add(f"password-reset:{self.cleaned_data['email'].lower()}", 1, SECONDS_BETWEEN):
            # Not the host of the request, which whoever asks may choose.
            kwargs |= {"domain_override": urlsplit(settings.SITE_URL).netloc, "use_https": settings.HTTPS}
            super().save(*args, **kwargs)


class ForgottenPassword(PasswordResetConfirmView):
    """Django's, but a link that was sent before an account was deactivated is worth nothing afterwards."""

    def get_user(self, uidb64: str) -> User | None:
        user = super().get_user(uidb64)
        return user if user is not None and user.is_active and user.has_usable_password() else None

    def form_valid(self, form: SetPasswordForm[User]) -> HttpResponse:
        """Whoever can read the account's mail may log in at once, however many wrong passwords were tried before."""
        response = super().form_valid(form)
        if form.user.get_username():
            reset(username=form.user.get_username())
        return response
