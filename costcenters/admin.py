"""The bill in the Django admin, to be looked at: line items, saved views, notes. Works with tables of any size."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils.safestring import SafeString

from costcenters.models import Annotation, CostCenter, CostLineItem, DailyCost, SavedView, TagSet
from finops.admin import FirstPages, ReadOnlyAdmin, change_link
from finops.money import plain


class PeriodFilter(admin.SimpleListFilter):
    """Months, and the days of the chosen one. The roll-up's index tells the first and last; nothing is counted."""

    title = "UTC day"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # Two looks at the ends of an index: one query for both would walk all of it on SQLite.
        days = DailyCost.objects.values_list("day", flat=True)
        oldest, newest = days.order_by("day").first(), days.order_by("-day").first()
        if oldest is None or newest is None:
            return []
        chosen = span_of(request.GET.get(self.parameter_name, ""))
        choices, month = [], newest.replace(day=1)
        while month >= oldest.replace(day=1):
            choices.append((f"{month:%Y-%m}", f"{month:%B %Y}"))
            if chosen is not None and chosen[0].replace(day=1) == month:
                last = (next_month(month) - month).days
                choices += [
                    (f"{month:%Y-%m}-{day:02}", f"\u2003{day} {month:%b}") for day in range(1, last + 1)
                ]
            month = (month - timedelta(days=1)).replace(day=1)
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What it chooses was narrowed down in NewestLineItems already, by the range of an index."""
        return queryset


def next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def span_of(period: str) -> tuple[date, date] | None:
    """`[start, end)` of `2026-11` or `2026-11-03`; None for anything else."""
    try:
        if len(period) == 7:
            first = date.fromisoformat(f"{period}-01")
            return first, next_month(first)
        day = date.fromisoformat(period)
        return day, day + timedelta(days=1)
    except (ValueError, OverflowError):
        return None


class NewestLineItems(ChangeList):
    """Searches and filters look at a bounded number of line items, so that they stay quick however many there are."""

    LOOKED_AT = 100_000

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        if self.query or self.get_filters_params():
            self.root_queryset = self._newest(self.model_admin.get_queryset(request).order_by())
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """In the order of the index that finds them."""
        return ["-started_at", "-pk"] if self._by_time() else ["-pk"]

    def _center(self) -> int | None:
        center = str(self.params.get("cost_center__id__exact", ""))
        return int(center) if center.isdecimal() else None

    def _period(self) -> tuple[date, date] | None:
        return span_of(str(self.params.get(PeriodFilter.parameter_name, "")))

    def _by_time(self) -> bool:
        return self._center() is not None or self._period() is not None

    def _newest(self, everything: QuerySet[Any]) -> QuerySet[Any]:
        """The newest of a cost center or a period when one is chosen, else those stored last: ranges of an index."""
        center, period = self._center(), self._period()
        if period is not None:
            return self._newest_days(everything, center, *period)
        column = "pk"
        if center is not None:
            everything, column = everything.filter(cost_center_id=center), "started_at"
        newest = everything.order_by(f"-{column}").values_list(column, flat=True)
        edge = list(newest[self.LOOKED_AT : self.LOOKED_AT + 1])
        return everything.filter(**{f"{column}__gt": edge[0]}) if edge else everything

    def _newest_days(
        self, everything: QuerySet[Any], center: int | None, first: date, after: date
    ) -> QuerySet[Any]:
        """Of `[first, after)` the newest days that hold as many as may be looked at; the roll-up has counted them."""
        # The index begins with the cost center, so it serves a range of time when all of them are named.
        centers = [center] if center is not None else list(CostCenter.objects.values_list("pk", flat=True))
        counted = (
            DailyCost.objects.filter(cost_center_id__in=centers, day__gte=first, day__lt=after)
            .values_list("day")
            .annotate(Sum("line_items"))
            .order_by("-day")
        )
        seen = 0
        for day, line_items in counted:
            seen += line_items
            if seen >= self.LOOKED_AT:
                first = day
                break
        start, end = (datetime.combine(day, time(), UTC) for day in (first, after))
        return everything.filter(cost_center_id__in=centers, started_at__gte=start, started_at__lt=end)


@admin.register(CostLineItem)
class CostLineItemAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "billed", "charge_type", "user", "model", "kind", "center", "resource")
    list_select_related = ("cost_center",)
    list_filter = ("charge_type", "cost_center", PeriodFilter)
    search_fields = ("user", "model", "resource")
    search_help_text = (
        f"User, model or resource. The {FirstPages.MOST_ROWS:,} line items stored last are listed; searches and "
        f"filters look through the last {NewestLineItems.LOOKED_AT:,} (of the chosen cost center or day, the newest). "
        "For the whole bill use the explorer."
    )
    sortable_by = ()
    list_per_page = 50

    @admin.display(description="Billed cost")
    def billed(self, line_item: CostLineItem) -> str:
        return plain(line_item.billed_cost)

    @admin.display(description="Cost center")
    def center(self, line_item: CostLineItem) -> SafeString:
        return change_link(line_item.cost_center)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestLineItems


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    """Whose they are and what they ask; a view of somebody who left can be deleted."""

    list_display = ("name", "owner", "is_shared", "is_pinned", "is_default", "updated_at")
    list_select_related = ("owner",)
    list_filter = ("is_shared",)
    search_fields = ("name", "owner__username")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    list_display = ("day", "text", "cost_center", "created_by")
    list_select_related = ("cost_center", "created_by")
    search_fields = ("text",)


@admin.register(TagSet)
class TagSetAdmin(ReadOnlyAdmin):
    list_display = ("__str__",)
    fields = ("tags",)
    ordering = ("-pk",)
    sortable_by = ()
