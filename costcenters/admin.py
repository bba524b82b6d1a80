"""The bill in the Django admin: names and prices may be changed, what was billed may only be looked at."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from costcenters.models import CostCenter, CostLineItem, SeatPrice
from finops.admin import FirstPages, ReadOnlyAdmin
from finops.money import plain


def today() -> date:
    return datetime.now(UTC).date()


class SeatPriceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A price that holds from today or later: what was billed before never changes silently."""

    class Meta:
        model = SeatPrice
        fields = ("cost_center", "monthly_price", "committed_seats", "effective_from")

    def clean_effective_from(self) -> date:
        day: date = self.cleaned_data["effective_from"]
        if self.instance.pk is None and day < today():
            raise forms.ValidationError(
                "A price takes effect today or later: seat cost of the past is not changed."
            )
        return day


class SeatPriceFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Only a price that has not taken effect yet can be deleted."""

    def add_fields(self, form: forms.ModelForm[Any], index: int | None) -> None:
        super().add_fields(form, index)
        box = form.fields.get("DELETE")
        if box is not None and form.instance.pk and not form.instance.may_be_deleted(today()):
            box.disabled = True


class SeatPriceInline(admin.TabularInline):  # type: ignore[type-arg]
    model = SeatPrice
    form = SeatPriceForm
    formset = SeatPriceFormSet
    extra = 0
    fields = ("monthly_price", "committed_seats", "effective_from", "created_by")
    readonly_fields = ("created_by",)
    verbose_name_plural = "Seat prices: to change one, add another with its own first day"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CostCenter)
class CostCenterAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "provider", "status", "currency", "connected_on", "complete_through")
    list_filter = ("status", "provider", "currency")
    search_fields = ("name",)
    fields = ("name", "provider", "status", "currency", "connected_on", "complete_through", "created_at")
    readonly_fields = ("provider", "status", "currency", "connected_on", "complete_through", "created_at")
    inlines = (SeatPriceInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for added in formset.save(commit=False):
            added.created_by = request.user
            added.save()
        for price in formset.deleted_objects:
            price.delete()


@admin.register(SeatPrice)
class SeatPriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = SeatPriceForm
    list_display = ("cost_center", "price", "committed_seats", "effective_from", "created_by", "created_at")
    list_select_related = ("cost_center", "created_by")
    list_filter = ("cost_center",)
    search_fields = ("cost_center__name",)
    fields = ("cost_center", "monthly_price", "committed_seats", "effective_from")
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: SeatPrice | None = None) -> bool:
        return False

    @admin.display(description="Monthly price", ordering="monthly_price", empty_value="seats are not tracked")
    def price(self, seat_price: SeatPrice) -> str | None:
        return None if seat_price.monthly_price is None else plain(seat_price.monthly_price)

    def has_delete_permission(self, request: HttpRequest, obj: SeatPrice | None = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or obj.may_be_deleted(today()))

    def save_model(self, request: HttpRequest, obj: SeatPrice, form: Any, change: bool) -> None:
        obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)


class NewestLineItems(ChangeList):
    """Searches and filters look at a bounded number of line items, so that they stay quick however many there are."""

    LOOKED_AT = 100_000

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        if self.query or self.get_filters_params():
            self.root_queryset = self._newest(self.model_admin.get_queryset(request).order_by())
        return super().get_queryset(request, exclude_parameters)

    def _newest(self, everything: QuerySet[Any]) -> QuerySet[Any]:
        """The newest of one cost center when one is chosen, else those stored last: a range of an index either way."""
        center = str(self.params.get("cost_center__id__exact", ""))
        column = "pk"
        if center.isdecimal():
            everything, column = everything.filter(cost_center_id=int(center)), "started_at"
        newest = everything.order_by(f"-{column}").values_list(column, flat=True)
        edge = list(newest[self.LOOKED_AT : self.LOOKED_AT + 1])
        return everything.filter(**{f"{column}__gt": edge[0]}) if edge else everything


@admin.register(CostLineItem)
class CostLineItemAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "billed", "charge_type", "user", "model", "kind", "cost_center", "resource")
    list_select_related = ("cost_center",)
    list_filter = ("charge_type", "cost_center")
    search_fields = ("user", "model", "resource")
    search_help_text = (
        f"User, model or resource. The {FirstPages.MOST_ROWS:,} line items stored last are listed; searches and "
        f"filters look through the last {NewestLineItems.LOOKED_AT:,} (of the chosen cost center, the newest). "
        "For the whole bill use the explorer."
    )
    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 50

    @admin.display(description="Billed cost")
    def billed(self, line_item: CostLineItem) -> str:
        return plain(line_item.billed_cost)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestLineItems
