"""Connections in the Django admin. A key can be replaced, never read: no page holds one, encrypted or not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from finops.admin import ReadOnlyAdmin
from integrations import connections
from integrations.connections import NotConnected
from integrations.http import Runtime
from integrations.models import Integration, Member, Stream, SyncRun
from integrations.providers import PROVIDERS
from integrations.providers.base import credential_names

PREFIX = "new_"


def credential_fields(provider: str) -> dict[str, forms.Field]:
    """The provider's credentials as write-only fields, `new_` before their names; empty means: keep the old ones."""
    chosen = PROVIDERS.get(provider)
    if chosen is None:
        return {}
    fields: dict[str, forms.Field] = {}
    for name in credential_names(chosen.form):
        fields[PREFIX + name] = forms.CharField(
            label=f"New {chosen.form.base_fields[name].label}",
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
        asked = PROVIDERS[integration.provider].form(
            {"name": integration.cost_center.name, "monthly_seat_price": "", **typed}
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
            field = "same_team" if refusal.field == "other_team" else PREFIX + next(iter(credentials))
            self.add_error(field, str(refusal))


@admin.register(Integration)
class IntegrationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """No adding (the connect form does that) and no deleting (history refers to it)."""

    form = IntegrationForm
    list_display = ("cost_center", "provider", "key_hint", "status", "connected_by", "set_up_at")
    list_select_related = ("cost_center", "connected_by")
    list_filter = ("provider", "cost_center__status")
    search_fields = ("cost_center__name",)
    readonly_fields = (
        *("cost_center", "provider", "status", "attention", "key_hint", "api_url", "connected_by"),
        *("created_at", "set_up_at"),
    )

    @admin.display(description="Status", ordering="cost_center__status")
    def status(self, integration: Integration) -> str:
        return integration.cost_center.get_status_display()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        fields = {} if obj is None or obj.credentials is None else credential_fields(obj.provider)
        kwargs["form"] = type("RotateKeyForm", (IntegrationForm,), fields)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        connection = (None, {"fields": self.readonly_fields})
        fields = [] if obj is None or obj.credentials is None else list(credential_fields(obj.provider))
        if not fields or not self.has_change_permission(request, obj):
            return [connection]
        return [connection, ("Replace the key", {"fields": [*fields, "same_team"]})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Integration, form: Any, change: bool) -> None:
        """The form has stored the new key already."""

    @method_decorator(sensitive_post_parameters())
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As stock, without its transaction: none may be open while a provider is asked."""
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined, no-any-return]


@admin.register(Stream)
class StreamAdmin(ReadOnlyAdmin):
    list_display = (
        "integration",
        "name",
        "synced_through",
        "backfilled_from",
        "due_at",
        "attempts",
        "finished_at",
    )
    list_select_related = ("integration__cost_center",)
    list_filter = ("name", "integration")
    exclude = ("claim_token", "recent_requests")


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "integration",
        "stream",
        "window_start",
        "window_end",
        "outcome",
        "events",
        "requests",
    )
    list_select_related = ("integration__cost_center",)
    list_filter = ("outcome", "stream", "integration", "started_at")
    search_fields = ("message",)


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ("key", "name", "integration", "role", "is_active", "is_paid", "first_seen", "last_seen")
    list_select_related = ("integration__cost_center",)
    list_filter = ("is_active", "is_paid", "role", "integration")
    search_fields = ("key", "name")
