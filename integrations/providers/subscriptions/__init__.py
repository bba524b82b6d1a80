"""Flat-rate tools recorded by hand: no API and no key. Their lines are computed from what people typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from django import forms

from costcenters.models import ChargeType
from integrations.errors import ContractBroken
from integrations.http import Guard, Runtime
from integrations.providers.base import Page, Provider, RecordKind, Span, StreamSpec, Verified


class Subscriptions(Provider):
    """The provider `subscriptions`: kept on a page of its own, Settings > Subscriptions."""

    slug = "subscriptions"
    name = "Subscriptions"
    service = "Subscriptions"
    is_connectable = False

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        return (
            StreamSpec(
                name="subscriptions",
                label="Subscriptions",
                kind=RecordKind.SUBSCRIPTION,
                path="",
                every=timedelta(days=1),
                charge_types=(ChargeType.PURCHASE, ChargeType.SEAT, ChargeType.USAGE),
            ),
        )

    @property
    def form(self) -> type[forms.Form]:
        return forms.Form

    def secret(self, credentials: Mapping[str, str]) -> str:
        return ""

    def open(
        self, credentials: Mapping[str, str], *, api_url: str, runtime: Runtime, guard: Guard
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def verify(self, source: object, now: datetime) -> Verified:
        return Verified(members=())

    def fetch(self, stream: str, span: Span, source: object) -> Iterator[Page]:
        raise ContractBroken("Nobody is asked for subscriptions: people type them.")
