"""The seat prices of a cost center: what holds, what is to come, what was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from costcenters.models import CostCenter, SeatPrice
from finops.money import display


@dataclass(frozen=True, slots=True)
class PriceRow:
    """`state`: scheduled, in effect, past; or replaced, by another one from the same day on. `amount` is empty where
    seats are not tracked."""

    price: SeatPrice
    amount: str
    state: str
    set_by: str

    @property
    def is_scheduled(self) -> bool:
        return self.state == "scheduled"

    @property
    def is_in_effect(self) -> bool:
        return self.state == "in effect"


def price_rows(center: CostCenter, today: date) -> list[PriceRow]:
    """All prices, the last to begin first."""
    prices = list(center.seat_prices.select_related("created_by"))
    rows, holds, last_begun = [], False, None
    for price in prices:
        if price.effective_from == last_begun:
            state = "replaced"
        elif price.effective_from > today:
            state = "scheduled"
        elif not holds:
            state, holds = "in effect", True
        else:
            state = "past"
        last_begun = price.effective_from
        rows.append(
            PriceRow(
                price,
                "" if price.monthly_price is None else display(price.monthly_price, center.currency),
                state,
                "" if price.created_by is None else price.created_by.get_username(),
            )
        )
    return rows
