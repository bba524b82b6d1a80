"""What can be done to several connections at once, from the list of either cost centers or connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from costcenters.access import CONNECT_COST_CENTERS
from integrations import life
from integrations.http import Runtime
from integrations.life import NotPossible
from integrations.models import Integration

#: A test waits for the provider, up to ten seconds each.
MOST_TESTED = 5


class ConnectionActions(admin.ModelAdmin):  # type: ignore[type-arg]
    """Sync now, test, pause and resume; each chosen row answers with a message of its own."""

    actions = ("sync_now", "test_connection", "pause", "resume")
    #: By which field of Integration the rows of this list are found.
    found_by = "pk"

    def has_connect_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(CONNECT_COST_CENTERS))

    @admin.action(description="Sync now", permissions=["connect"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def sync(integration: Integration) -> str:
            asked = life.sync_now(integration, now=Runtime().clock())
            return "everything is read now." if asked.has_begun else "it is being read at this moment."

        self._each(request, queryset, sync)

    @admin.action(description="Test the connection", permissions=["connect"])
    def test_connection(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def test(integration: Integration) -> str:
            verified = life.test_connection(integration, runtime=Runtime())
            if verified.found:
                return f"{verified.found} {verified.warning}".strip()
            active = sum(member.is_active for member in verified.members)
            return f"the key works, {active} members are in the team."

        if queryset.count() > MOST_TESTED:
            self.message_user(request, f"Test at most {MOST_TESTED} connections at once.", messages.ERROR)
            return
        self._each(request, queryset, test)

    @admin.action(description="Pause", permissions=["connect"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def stop(integration: Integration) -> str:
            life.pause(integration, now=Runtime().clock())
            return "paused."

        self._each(request, queryset, stop)

    @admin.action(description="Resume", permissions=["connect"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def go_on(integration: Integration) -> str:
            life.resume(integration, now=Runtime().clock())
            return "resumed."

        self._each(request, queryset, go_on)

    def _each(self, request: HttpRequest, queryset: QuerySet[Any], act: Callable[[Integration], str]) -> None:
        chosen = Integration.objects.filter(**{f"{self.found_by}__in": queryset.order_by().values("pk")})
        found = list(chosen.select_related("cost_center").order_by("pk"))
        if not found:
            self.message_user(
                request, "None of these is read from a provider: there is no connection.", messages.WARNING
            )
        for integration in found:
            try:
                self.message_user(request, f"{integration.cost_center}: {act(integration)}", messages.SUCCESS)
            except NotPossible as refusal:
                self.message_user(request, f"{integration.cost_center}: {refusal}", messages.WARNING)
