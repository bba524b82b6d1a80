"""What a person types to connect Cursor."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from costcenters.models import validate_name


class ConnectCursorForm(forms.Form):
    """Cost center name, key and seat price. White space around the key is stripped; the key is never echoed."""

    name = forms.CharField(
        label="Cost Center Name",
        max_length=100,
        validators=[validate_name],
        help_text="How it will be called in the bill.",
        initial="Cursor",
    )
    admin_api_key = forms.CharField(
        label="Admin API Key",
        max_length=500,
        strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Read-only is enough. Stored encrypted, never shown again.",
    )
    monthly_seat_price = forms.DecimalField(
        label="Monthly Seat Price in USD",
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        decimal_places=9,
        max_digits=16,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "40.00"}),
        help_text="Per active paid member. Leave empty to track usage only: no seat cost is then estimated.",
    )

    def clean_admin_api_key(self) -> str:
        key: str = self.cleaned_data["admin_api_key"]
        if (
            not key.isascii()
            or not key.isprintable()
            or any(character.isspace() for character in key)
            or ":" in key
        ):
            raise forms.ValidationError(
                "This does not look like a key: it holds a space, a colon or an unusual character. Copy it once more."
            )
        return key
