"""Cost centers and their seat prices: names and prices change here as they do on the product's own pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from costcenters.models import CostCenter, CostLineItem, SeatPrice
from finops.admin import ReadOnlyAdmin, change_link, list_link
from finops.money import plain
from integrations import life
from integrations.admin.actions import ConnectionActions
from integrations.life import NotPossible
from integrations.models import Integration


class SeatPriceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A price that holds from today or later: what was billed before never changes silently."""

    class Meta:
        model = SeatPrice
        fields = ("monthly_price", "committed_seats", "effective_from")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        center, day = self.instance.cost_center, self.cleaned_data.get("effective_from")
        if self.instance.pk is None and day is not None:
            try:
                life.check_seat_price(center, effective_from=day, today=timezone.now().date())
            except NotPossible as refusal:
                raise ValidationError({refusal.field or "__all__": str(refusal)}) from None
        return cleaned


class SeatPriceFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Only a price that has not taken effect yet can be deleted."""

    def add_fields(self, form: forms.ModelForm[Any], index: int | None) -> None:
        super().add_fields(form, index)
        box = form.fields.get("DELETE")
        if box is not None and form.instance.pk and not form.instance.may_be_deleted(timezone.now().date()):
            box.disabled = True


class SeatPriceInline(admin.TabularInline):  # type: ignore[type-arg]
    model = SeatPrice
    form = SeatPriceForm
    formset = SeatPriceFormSet
    extra = 0
    fields = ("monthly_price", "committed_seats", "effective_from", "created_by")
    readonly_fields = ("created_by",)
    verbose_name_plural = "Seat prices: to change one, add another; only one not yet in effect can be deleted"

    def has_add_permission(self, request: HttpRequest, obj: CostCenter | None = None) -> bool:
        return super().has_add_permission(request, obj) and hasattr(obj, "integration")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CostCenter)
class CostCenterAdmin(ConnectionActions):
    found_by = "cost_center"
    list_display = (
        *("name", "provider", "status", "currency", "connection", "connected_on", "complete_through"),
    )
    list_select_related = ("integration",)
    list_filter = ("status", "provider", "currency")
    search_fields = ("name",)
    search_help_text = "Name."
    fields = (
        *("name", "provider", "status", "currency", "connection", "line_items", "connected_on"),
        *("complete_through", "created_at", "removing"),
    )
    readonly_fields = fields[1:]
    inlines = (SeatPriceInline,)

    @admin.display(description="Connection")
    def connection(self, center: CostCenter) -> SafeString | str:
        integration: Integration | None = getattr(center, "integration", None)
        return "–" if integration is None else change_link(integration, integration.key_hint or "no key")

    @admin.display(description="Line items")
    def line_items(self, center: CostCenter) -> SafeString:
        return list_link(CostLineItem, "The newest of them", {"cost_center__id__exact": str(center.pk)})

    @admin.display(description="Removing it")
    def removing(self, center: CostCenter) -> SafeString | str:
        """Why there is no delete button, and where to go instead."""
        if not hasattr(center, "integration"):
            return "It holds line items that reports refer to, so it is not deleted here."
        return format_html(
            "Line items and reports refer to it, so it is not deleted here. <a href='{}'>Its remove page</a> deletes "
            "the key at once, and the history too if you say so.",
            reverse("cost-center-remove", args=[center.pk]),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: CostCenter, form: Any, change: bool) -> None:
        """Saved views follow the new name."""
        if "name" in form.changed_data:
            life.rename(obj, form.cleaned_data["name"])

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        now = timezone.now()
        try:
            for price in formset.save(commit=False):
                life.set_seat_price(
                    form.instance.integration,
                    monthly_price=price.monthly_price,
                    committed_seats=price.committed_seats,
                    effective_from=price.effective_from,
                    user=request.user,
                    now=now,
                )
            for price in formset.deleted_objects:
                life.withdraw_seat_price(price, now=now)
        except NotPossible as refusal:
            # What the form could not know: it happened a moment ago.
            self.message_user(request, f"Not all prices were stored. {refusal}", messages.ERROR)


@admin.register(SeatPrice)
class SeatPriceAdmin(ReadOnlyAdmin):
    """All prices ever. A new one is added on the page of its cost center."""

    list_display = (
        "cost_center_link",
        "price",
        "committed_seats",
        "effective_from",
        "created_by",
        "created_at",
    )
    list_select_related = ("cost_center", "created_by")
    list_filter = ("cost_center",)
    search_fields = ("cost_center__name",)
    fields = ("cost_center", "monthly_price", "committed_seats", "effective_from", "created_by", "created_at")

    @admin.display(description="Cost center", ordering="cost_center__name")
    def cost_center_link(self, price: SeatPrice) -> SafeString:
        return change_link(price.cost_center)

    @admin.display(description="Monthly price", ordering="monthly_price", empty_value="seats are not tracked")
    def price(self, seat_price: SeatPrice) -> str | None:
        return None if seat_price.monthly_price is None else plain(seat_price.monthly_price)

    def has_delete_permission(self, request: HttpRequest, obj: SeatPrice | None = None) -> bool:
        may = admin.ModelAdmin.has_delete_permission(self, request, obj)
        return may and obj is not None and obj.may_be_deleted(timezone.now().date())

    def delete_model(self, request: HttpRequest, obj: SeatPrice) -> None:
        try:
            life.withdraw_seat_price(obj, now=timezone.now())
        except NotPossible as refusal:
            raise PermissionDenied(str(refusal)) from None
