"""What can be changed of a connection by API: its name, what its seats cost, whether it is paused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from finops.api.fields import SentAmount
from finops.api.parameters import Body
from finops.api.problems import InvalidBody
from integrations import life
from integrations.api.connecting import BODY_FIELDS
from integrations.editing.forms import NOT_TRACKED, PRICED, SeatPriceForm
from integrations.models import Integration
from integrations.seat_forecast import has_seats

PRICE, COMMITTED, FROM = "monthly_seat_price", "committed_seats", "effective_from"


class ChangeBody(Body):
    name = serializers.CharField(
        required=False, max_length=100, help_text="Saved views that ask for it follow."
    )
    monthly_seat_price = SentAmount(
        required=False,
        allow_null=True,
        help_text="What a seat really costs, a million at most. Null: seats are no longer tracked.",
    )
    committed_seats = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1_000_000,
        help_text="Seats that are paid for whether they are taken or not; null for none. Left out, as before.",
    )
    effective_from = serializers.DateField(
        required=False, help_text="UTC day from which the price holds: today, which is the default, or later."
    )
    is_paused = serializers.BooleanField(
        required=False, help_text="While it is paused, nothing is read. What was read stays."
    )


def change_price(integration: Integration, said: dict[str, Any], user: Any, now: datetime) -> None:
    """What is left out is as it would be on that day. Raises InvalidBody, NotPossible."""
    center, today = integration.cost_center, now.date()
    if not has_seats(integration.provider):
        if mistaken := [name for name in (PRICE, COMMITTED, FROM) if said.get(name) is not None]:
            raise InvalidBody(
                (name, "Nobody tells who is in the team, so that seats have no price.") for name in mistaken
            )
        return
    before = center.seat_prices.in_effect_on(said.get(FROM, today))
    holds = (None, None) if before is None else (before.monthly_price, before.committed_seats)
    price, committed = said.get(PRICE, holds[0]), said.get(COMMITTED, holds[1])
    if PRICE not in said and (price is None or COMMITTED not in said):
        field = COMMITTED if COMMITTED in said else FROM
        raise InvalidBody([(field, f"Send {PRICE} with it: what a seat costs then.")])
    form = SeatPriceForm(
        {
            "tracking": NOT_TRACKED if price is None else PRICED,
            "monthly_price": price,
            "committed_seats": committed,
            "effective_from": said.get(FROM, today),
        },
        center=center,
        today=today,
    )
    if not form.is_valid() or form.price is None:
        raise InvalidBody(
            (BODY_FIELDS.get(name, name), str(sentence))
            for name, sentences in form.errors.items()
            for sentence in sentences
        )
    wanted = (form.price.monthly_price, form.price.committed_seats)
    if wanted == holds:
        return
    life.set_seat_price(
        integration,
        monthly_price=wanted[0],
        committed_seats=wanted[1],
        effective_from=form.price.effective_from,
        user=user,
        now=now,
    )
