"""A connection read through 14:00 UTC, its usage, and what Cursor says of it: for the tests of reconciliation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from costcenters.line_items import replace_window
from costcenters.models import ChargeType
from costcenters.records import LineItem, Window
from finops.money import nanos_from_units
from integrations.models import Integration, Stream
from integrations.providers.base import PeriodTotal
from integrations.reconciliation.comparison import Comparison, compare
from integrations.reconciliation.evidence import Row
from integrations.totals import record_totals
from tests.factories import CostCenterFactory
from tests.integrations.conftest import NOW

#: When the billing cycle begins.
CYCLE = datetime(2026, 11, 13, 13, 37, 42, 123000, tzinfo=UTC)
HOUR = timedelta(hours=1)
READ_AT = datetime(2026, 11, 20, 14, 23, tzinfo=UTC)
THROUGH = datetime(2026, 11, 20, 14, tzinfo=UTC)
ANN, BOB, CLEO = "ann@example.com", "bob@example.com", "cleo@example.com"
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
LATE = datetime(2026, 11, 20, 13, 30, tzinfo=UTC)


def dollars(text: str) -> int:
    return nanos_from_units(Decimal(text))


def row_of(found: Comparison, user: str) -> Row:
    return next(row for row in found.rows if user in row.users)


def connected() -> Integration:
    """A cost center whose history reaches from 1 November through 14:00 UTC, and Cursor was asked at 14:23."""
    center = CostCenterFactory(name="Cursor & sons", connected_on=CYCLE.date())
    made = Integration.objects.create(cost_center=center, provider="cursor", api_url="https://api.cursor.com")
    start = datetime(2026, 11, 1, tzinfo=UTC)
    Stream.objects.create(
        integration=made,
        name="usage",
        due_at=NOW,
        synced_through=THROUGH,
        backfilled_from=start,
        backfill_target=start,
    )
    Stream.objects.create(integration=made, name="spend", due_at=NOW, synced_through=READ_AT)
    return made


def use(
    integration: Integration, *lines: tuple[str, datetime, str, str], kind: str = "Included in Pro"
) -> None:
    """(user, instant, billed, list) in dollars; all of the cost center's usage."""
    items = [
        LineItem(
            at,
            ChargeType.USAGE.value,
            kind=kind if billed == "0" else "Usage-based",
            user=user,
            billed_nano=dollars(billed),
            effective_nano=dollars(billed),
            list_nano=dollars(listed),
        )
        for user, at, billed, listed in lines
    ]
    window = Window(
        integration.cost_center_id,
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
        (ChargeType.USAGE.value,),
    )
    replace_window(window, items)


def tell(
    integration: Integration,
    *totals: tuple[str, str | None, str | None],
    read_at: datetime = READ_AT,
    start: datetime = CYCLE,
    unclear: str | None = None,
    note: str = "",
) -> None:
    """Cursor's (user, on-demand, included) in dollars."""
    record_totals(
        integration,
        [
            PeriodTotal(
                start,
                user,
                None if on_demand is None else dollars(on_demand),
                None if included is None else dollars(included),
                note,
                None if unclear is None else dollars(unclear),
            )
            for user, on_demand, included in totals
        ],
        read_at,
    )


def compared(integration: Integration) -> Comparison:
    return compare(integration.cost_center, NOW)
