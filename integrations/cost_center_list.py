"""The list of cost centers in the settings: what is connected, how it is, what it costs this month."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery, Measure
from costcenters.display.figures import Shown, shown
from costcenters.explorer import SumTooLargeError, report
from costcenters.links import explorer_url
from costcenters.models import CostCenter
from costcenters.periods import Granularity, Preset, preset_span
from integrations.badges import Badge, status_badge
from integrations.models import Integration, Member
from integrations.progress import history_of, history_streams, overall
from integrations.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class ListedCostCenter:
    """`seats` is None where nobody tells who has a seat; `month` is billed since the first of the month."""

    center: CostCenter
    badge: Badge
    key_hint: str
    seats: int | None
    month: Shown
    month_url: str


def listed_cost_centers(now: datetime) -> list[ListedCostCenter]:
    """Every cost center by name, in as many queries whether there are two or two hundred."""
    centers = list(CostCenter.objects.select_related("integration").prefetch_related("integration__streams"))
    seats = dict(
        Member.objects.filter(is_active=True, is_paid=True)
        .order_by()
        .values_list("integration_id")
        .annotate(Count("pk"))
    )
    catalog = Catalog(cost_centers={center.pk: center for center in centers})
    question = CostQuery(
        preset_span(Preset.MONTH_TO_DATE, now.date()),
        Preset.MONTH_TO_DATE.value,
        granularity=Granularity.TOTAL.value,
        group_by=("cost_center",),
        top=0,
    )
    billed = _billed(question, catalog, now)
    listed = []
    for center in centers:
        integration: Integration | None = getattr(center, "integration", None)
        provider = PROVIDERS.get(center.provider)
        history = None
        if integration is not None and provider is not None:
            streams = history_streams(provider, integration.streams.all())
            history = overall(history_of(stream, now) for _, stream in streams)
        own = replace(question.narrowed("cost_center", center.name), currency=center.currency)
        listed.append(
            ListedCostCenter(
                center=center,
                badge=status_badge(center, history),
                key_hint="" if integration is None else integration.key_hint,
                seats=None if integration is None or not integration.key_hint else seats.get(integration.pk),
                month=billed[center.name],
                month_url=explorer_url(
                    replace(own, group_by=("charge_type",), granularity=Granularity.DAY.value, top=9)
                ),
            )
        )
    return listed


def _billed(question: CostQuery, catalog: Catalog, now: datetime) -> dict[str, Shown]:
    """By name of the cost center; one question to the explorer for each currency."""
    billed = {center.name: Shown("–") for center in catalog.cost_centers.values()}
    for currency in catalog.currencies:
        try:
            answer = report(question.in_currency(currency), now=now, catalog=catalog)
        except SumTooLargeError:
            continue
        for row in answer.rows:
            billed[row.value] = shown(row.amounts.measure, Measure.BILLED, currency)
    return billed
