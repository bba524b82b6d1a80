"""The write-only form of a key in the Django admin: no page holds one, encrypted or not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.views.decorators.debug import sensitive_variables

from finops.secrets import SecretUnreadable
from integrations import connections
from integrations.connections import NotConnected
from integrations.http import Runtime
from integrations.models import Integration
from integrations.providers import PROVIDERS
from integrations.providers.base import credential_names, secret_names

PREFIX = "new_"


def credential_fields(provider: str) -> dict[str, forms.Field]:
    """The provider's credentials as write-only fields, `new_` before their names; empty means: keep the old ones."""
    chosen = PROVIDERS.get(provider)
    if chosen is None:
        return {}
    fields: dict[str, forms.Field] = {}
    form = chosen.form()
    for name in secret_names(form):
        fields[PREFIX + name] = forms.CharField(
            label=f"New {form.fields[name].label}",
            required=False,
            max_length=500,
            widget=forms.PasswordInput(
                render_value=False, attrs={"autocomplete": "off", "spellcheck": "false", "size": "60"}
            ),
            help_text="Tried before it is stored, and never shown again. Leave empty to keep the one in use.",
        )
    return fields


class IntegrationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Replaces the key when one is typed; everything else about a connection is not edited here."""

    same_team = forms.BooleanField(
        label="It is the same team",
        required=False,
        help_text="Tick this only when a key was refused because nobody of its team is known here, and it is right.",
    )

    class Meta:
        model = Integration
        fields = ()

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        typed = {
            name.removeprefix(PREFIX): value.strip()
            for name, value in self.cleaned_data.items()
            if name.startswith(PREFIX) and value.strip()
        }
        if not typed or self.errors:
            return cleaned
        self._rotate(typed)
        return cleaned

    @sensitive_variables()
    def _rotate(self, typed: dict[str, str]) -> None:
        """Checked as the connect form would check it, tried with the provider, and stored when it works."""
        integration: Integration = self.instance
        provider, center = PROVIDERS[integration.provider], integration.cost_center
        try:
            stored = {} if integration.credentials is None else provider.shown(integration.credentials.open())
        except SecretUnreadable:
            stored = {}
        asked = provider.form(
            {"name": center.name, "monthly_seat_price": "", "currency": center.currency, **stored, **typed}
        )
        if not asked.is_valid():
            for name, errors in asked.errors.items():
                self.add_error(PREFIX + name if PREFIX + name in self.fields else None, list(errors))
            return
        credentials = {name: asked.cleaned_data[name] for name in credential_names(asked)}
        try:
            connections.rotate(
                integration,
                credentials,
                runtime=Runtime(),
                other_team_confirmed=self.cleaned_data["same_team"],
            )
        except NotConnected as refusal:
            field = "same_team" if refusal.field == "other_team" else PREFIX + secret_names(asked)[0]
            self.add_error(field, str(refusal))
