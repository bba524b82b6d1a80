"""The form behind "forgot your password": one e-mail an address and five minutes, however often it is asked for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import PasswordResetForm
from django.core.cache import cache

SECONDS_BETWEEN = 300


class ThrottledPasswordResetForm(PasswordResetForm):
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Send the link, unless one was sent a moment ago; who asks cannot tell."""
        if cache.add(f"password-reset:{self.cleaned_data['email'].lower()}", 1, SECONDS_BETWEEN):
            super().save(*args, **kwargs)
