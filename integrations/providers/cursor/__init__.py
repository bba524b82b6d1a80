"""Cursor's Admin API: usage events, members, spend of the open billing cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django import forms
from django.conf import settings

from costcenters.models import ChargeType
from integrations import windows
from integrations.errors import ContractBroken
from integrations.http import ApiClient
from integrations.providers.base import Page, Provider, RecordKind, Span, StreamSpec, Verified
from integrations.providers.cursor.events import USAGE_PATH, ask_events, usage_pages
from integrations.providers.cursor.forms import ConnectCursorForm
from integrations.providers.cursor.team import MEMBERS_PATH, SPEND_PATH, read_members, read_spend

#: Documented limits a minute; every endpoint not named here has OTHER_LIMIT.
USAGE_LIMIT, OTHER_LIMIT = 60, 20


class Cursor(Provider):
    """The provider `cursor`."""

    slug = "cursor"
    name = "Cursor"
    service = "Cursor"

    @property
    def api_url(self) -> str:
        return str(settings.CURSOR_API_URL)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        return (
            StreamSpec(
                name="usage",
                label="Usage events",
                kind=RecordKind.LINE_ITEM,
                path=USAGE_PATH,
                charge_types=(ChargeType.USAGE,),
                reread_days=settings.CURSOR_REREAD_DAYS,
                backfill_days=settings.CURSOR_BACKFILL_DAYS,
            ),
            StreamSpec(name="members", label="Members", kind=RecordKind.MEMBER, path=MEMBERS_PATH),
            StreamSpec(name="spend", label="Spend", kind=RecordKind.PERIOD_TOTAL, path=SPEND_PATH),
        )

    @property
    def form(self) -> type[forms.Form]:
        return ConnectCursorForm

    def secret(self, credentials: Mapping[str, str]) -> str:
        return credentials["admin_api_key"]

    def requests_per_minute(self, path: str) -> int | None:
        configured: int | None = settings.CURSOR_REQUESTS_PER_MINUTE
        if configured is not None:
            return configured or None
        return USAGE_LIMIT if path == USAGE_PATH else OTHER_LIMIT

    def verify(self, source: ApiClient, now: datetime) -> Verified:
        members = read_members(source)
        hour = windows.floor_hour(now)
        ask_events(source, Span(hour - timedelta(hours=1), hour), page=1, page_size=1)
        return Verified(members=tuple(members))

    def fetch(self, stream: str, span: Span, source: ApiClient) -> Iterator[Page]:
        if stream == "usage":
            yield from usage_pages(source, span)
        elif stream == "members":
            members = read_members(source)
            yield Page(records=members, total=len(members))
        elif stream == "spend":
            totals = read_spend(source)
            yield Page(records=totals, total=len(totals))
        else:
            raise ContractBroken(f"Cursor has no stream {stream!r}.")
