"""The provider's own totals of the open billing period, kept for reconciliation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from finops.money import units_from_nanos
from integrations.models import Integration, ProviderTotal
from integrations.providers.base import PeriodTotal


def record_totals(integration: Integration, totals: Iterable[PeriodTotal], read_at: datetime) -> None:
    """Store what the provider says now, in place of what it said of the same user and period before."""
    latest = {(total.period_start, total.user): total for total in totals}
    ProviderTotal.objects.bulk_create(
        [
            ProviderTotal(
                integration=integration,
                period_start=total.period_start,
                user=total.user,
                read_at=read_at,
                on_demand_cost=None
                if total.on_demand_nano is None
                else units_from_nanos(total.on_demand_nano),
                included_cost=None if total.included_nano is None else units_from_nanos(total.included_nano),
                note=total.note,
            )
            for total in latest.values()
        ],
        update_conflicts=True,
        unique_fields=["integration", "period_start", "user"],
        update_fields=["read_at", "on_demand_cost", "included_cost", "note"],
        batch_size=100,
    )
