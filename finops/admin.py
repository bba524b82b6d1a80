"""What the admin pages of all apps share, and the pages of this app."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from auditlog.admin import LogEntryAdmin
from auditlog.filters import CIDFilter
from auditlog.models import LogEntry as AuditEntry
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success

from finops.models import ApiToken, NotificationSetting
from finops.people.changes import end_sessions, hold_people, is_last_administrator
from finops.people.forms import AccountForm, AccountPasswordForm
from finops.people.roles import Role


class FirstPages(Paginator):  # type: ignore[type-arg]
    """The first rows of a table of any size: looks at no more than can be shown, never counts them all."""

    MOST_ROWS = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return len(rows.values_list("pk")[: self.MOST_ROWS])


def change_link(obj: Model, text: str = "") -> SafeString:
    """The way to the admin page of `obj`."""
    page = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
    return format_html('<a href="{}">{}</a>', page, text or obj)


def list_link(model: type[Model], text: str, which: dict[str, str]) -> SafeString:
    """The way to the list of `model`, filtered."""
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=which)
    return format_html('<a href="{}">{}</a>', page, text)


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


class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People, for the group Admin: only a superuser makes superusers, or changes one; nobody deletes themselves."""

    form = AccountForm
    change_password_form = AccountPasswordForm

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request.user) else (*fields, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            super().has_delete_permission(request, obj)
            and self._may_touch(request, obj)
            and (obj is None or (obj.pk != request.user.pk and not is_last_administrator(obj)))
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Whoever is deactivated is logged out, as on the People page."""
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            end_sessions(obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Once more asked, now that nobody else changes people."""
        with transaction.atomic():
            hold_people()
            if not self.has_delete_permission(request, obj):
                raise PermissionDenied
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """The action on many leaves out whoever may not be deleted one by one."""
        left_out = 0
        with transaction.atomic():
            hold_people()
            for user in queryset:
                if self.has_delete_permission(request, user):
                    user.delete()
                else:
                    left_out += 1
        if left_out:
            self.message_user(request, "You, superusers and the last Admin were left out.", messages.WARNING)

    @staticmethod
    def _may_touch(request: HttpRequest, obj: Any) -> bool:
        return obj is None or not obj.is_superuser or _is_superuser(request.user)


class RoleAdmin(GroupAdmin):
    """Groups beside the three roles may be made and changed; what a role may do is the product's to say."""

    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self._is_role(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not self._is_role(obj)

    @staticmethod
    def _is_role(obj: Any) -> bool:
        return obj is not None and obj.name in Role.values


class AuditEntryAdmin(LogEntryAdmin):
    """The audit log as it is stored. The product's own page tells it in words."""

    paginator = FirstPages
    show_full_result_count = False
    # The months, and the kinds there are, would be looked up among all entries, whenever the page is opened.
    date_hierarchy = None  # type: ignore[assignment]
    list_filter = ["action", "content_type", CIDFilter]


def _is_superuser(user: Any) -> bool:
    return bool(user.is_superuser)


def replace_stock_pages() -> None:
    """Once every app has registered its own: ours for people, and none for the queue, whose rows name any function
    of this machine to be called."""
    admin.site.unregister([Schedule, OrmQ, Success, Failure, get_user_model(), Group, AuditEntry])
    admin.site.register(get_user_model(), PersonAdmin)
    admin.site.register(Group, RoleAdmin)
    admin.site.register(AuditEntry, AuditEntryAdmin)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """To see who holds a token, and to revoke it. The token itself is known to its owner only."""

    list_display = ("name", "user", "hint", "scope", "created", "expiry", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("scope",)
    search_fields = ("name", "user__username")
    fields = ("name", "user", "hint", "scope", "created", "expiry", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(NotificationSetting)
class NotificationSettingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "setup_finished", "key_refused", "sync_failing", "recovered", "every_cost_center")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
