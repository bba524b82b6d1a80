"""What is typed to make a token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from finops.models import ApiToken
from finops.tokens.changes import LONGEST_NAME

#: Days that a token can be good for, on the page.
LIVES = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year"}


class TokenForm(forms.Form):
    """`scopes` are those that whoever makes it may choose from."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        help_text="What it is for, such as “Nightly export to the warehouse”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Give it a name."},
    )
    scope = forms.ChoiceField(
        label="Scope",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a scope.", "invalid_choice": "Your role allows no such scope."},
    )
    days = forms.TypedChoiceField(
        label="Good for",
        coerce=int,
        choices=[(str(days), label) for days, label in LIVES.items()],
        initial="90",
        error_messages={"required": "Choose how long.", "invalid_choice": "Choose one of the list."},
    )

    def __init__(self, *args: Any, scopes: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scope"].choices = [(each, ApiToken.Scope(each).label) for each in scopes]  # type: ignore[attr-defined]
        self.fields["scope"].initial = ApiToken.Scope.READ.value
