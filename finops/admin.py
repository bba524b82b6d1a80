"""What the admin pages of all apps share, and the pages of this app."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from finops.models import ApiToken, NotificationSetting


class FirstPages(Paginator):  # type: ignore[type-arg]
    """The first rows of a table of any size: looks at no more than can be shown, never counts them all."""

    MOST_ROWS = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return len(rows.values_list("pk")[: self.MOST_ROWS])


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only the product itself writes; tables of any size."""

    paginator = FirstPages
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """To see who holds a token, and to revoke it. The token itself is known to its owner only."""

    list_display = ("name", "user", "scope", "created", "expiry", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("scope",)
    search_fields = ("name", "user__username")
    fields = ("name", "user", "scope", "created", "expiry", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(NotificationSetting)
class NotificationSettingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "setup_finished", "key_refused", "sync_failing", "recovered")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
