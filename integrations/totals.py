"""The provider's own totals of the open billing period, kept for reconciliation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from finops.money import units_from_nanos
from integrations.models import Integration, ProviderTotal
from integrations.providers.base import PeriodTotal

LONGEST_NOTE = 200


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
                on_demand_cost=_units(total.on_demand_nano),
                included_cost=_units(total.included_nano),
                unclear_cost=_units(total.unclear_nano),
                note=total.note[:LONGEST_NOTE],
            )
            for total in latest.values()
        ],
        update_conflicts=True,
        unique_fields=["integration", "period_start", "user"],
        update_fields=["read_at", "on_demand_cost", "included_cost", "unclear_cost", "note"],
        batch_size=100,
    )


def _units(nanos: int | None) -> Decimal | None:
    return None if nanos is None else units_from_nanos(nanos)
