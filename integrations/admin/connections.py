"""Connections: how each one is, its key to be replaced, and the way to its streams, runs and members."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from finops.admin import change_link, list_link
from integrations.admin.actions import ConnectionActions
from integrations.admin.key_form import IntegrationForm, credential_fields
from integrations.models import Integration, Member, Stream, SyncRun


@admin.register(Integration)
class IntegrationAdmin(ConnectionActions):
    """No adding (the connect form does that) and no deleting (the remove page does that)."""

    form = IntegrationForm
    list_display = ("__str__", "cost_center_link", "key_hint", "status", "connected_by", "set_up_at")
    list_select_related = ("cost_center", "connected_by")
    list_filter = ("provider", "cost_center__status", ("set_up_at", admin.EmptyFieldListFilter))
    search_fields = ("cost_center__name", "key_hint", "connected_by__username")
    search_help_text = "Name of the cost center, end of the key, or who connected it."
    readonly_fields = (
        *("cost_center_link", "provider", "status", "attention", "key_hint", "api_url", "connected_by"),
        *("created_at", "set_up_at", "ledgers"),
    )

    @admin.display(description="Status", ordering="cost_center__status")
    def status(self, integration: Integration) -> str:
        return integration.cost_center.get_status_display()

    @admin.display(description="Cost center", ordering="cost_center__name")
    def cost_center_link(self, integration: Integration) -> SafeString:
        return change_link(integration.cost_center)

    @admin.display(description="What was read")
    def ledgers(self, integration: Integration) -> SafeString:
        which = {"integration__id__exact": str(integration.pk)}
        links = [(list_link(model, label, which),) for model, label in LEDGERS_OF_A_CONNECTION]
        return format_html_join(" · ", "{}", links)

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


LEDGERS_OF_A_CONNECTION = ((Stream, "Streams"), (SyncRun, "Runs"), (Member, "Members"))
