"""A whole provider: what a bureau of translators bills, page by page. README's "Write a provider" tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms

from costcenters.models import ChargeType
from costcenters.records import LineItem
from finops.money import nanos_from_units
from integrations.errors import ContractBroken
from integrations.http import ApiClient
from integrations.providers.base import Page, Provider, RecordKind, Span, StreamSpec, Verified

JOBS = StreamSpec("jobs", "Jobs", RecordKind.LINE_ITEM, "/jobs", charge_types=(ChargeType.USAGE.value,))


class ConnectBabelForm(forms.Form):
    name = forms.CharField(label="Cost center name", max_length=100, initial="Babel")
    api_key = forms.CharField(label="API key", widget=forms.PasswordInput)


class Babel(Provider):
    slug, name, service = "babel", "Babel", "Translation"
    api_url = "https://api.babel.example"
    streams = (JOBS,)
    form = ConnectBabelForm

    def secret(self, credentials: Mapping[str, str]) -> str:
        return credentials["api_key"]

    def verify(self, source: ApiClient, now: datetime) -> Verified:
        source.get("/me")
        return Verified()

    def fetch(self, stream: str, span: Span, source: ApiClient) -> Iterator[Page]:
        reply = source.post(JOBS.path, {"from": span.start.isoformat(), "to": span.end.isoformat()})
        try:
            yield Page([line_item(job) for job in reply["jobs"]], total=reply["count"])
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ContractBroken(f"Babel sent a job that cannot be read: {error}.") from None


def line_item(job: Mapping[str, Any]) -> LineItem:
    nanos = nanos_from_units(Decimal(job["price"]))
    return LineItem(
        started_at=datetime.fromisoformat(job["done_at"]),
        charge_type=ChargeType.USAGE.value,
        service=Babel.service,
        user=job["ordered_by"].strip().lower(),
        quantity=str(job["pages"]),
        unit="Pages",
        billed_nano=nanos,
        effective_nano=nanos,
        list_nano=nanos,
    )
