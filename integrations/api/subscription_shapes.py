"""What the endpoints of subscriptions are sent, and what they answer."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from costcenters.models import CostCenter
from finops.api.fields import Amount, SentAmount
from finops.api.parameters import Body, PagedQuery
from finops.money import EXACT, units_from_nanos
from finops.paging import LARGEST_ID
from integrations.models import Subscription
from integrations.subscriptions.amortisation import (
    Payment,
    cost_between,
    later_by_months,
    monthly_nano_twelfths,
    payments,
)
from integrations.subscriptions.fields import LONGEST_TAG, MOST_TAGS
from integrations.subscriptions.lines import terms_of
from integrations.subscriptions.preview import HORIZON

MOST_SEATS = 1_000_000
NANO = Decimal(1).scaleb(-9)
STATES = [("to come", "Begins later"), ("running", "Running"), ("ended", "Ended")]


# What is sent ---------------------------------------------------------------------------------------------------------


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MOST_TAGS,
        "propertyNames": {"minLength": 1, "maxLength": LONGEST_TAG, "pattern": "^[^=]+$"},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG},
        "examples": [{"team": "research"}],
    }
)
class SentTags(serializers.DictField):
    """Keys and values, each one line of text; the form says the rest."""

    child = serializers.CharField(max_length=LONGEST_TAG)


class SubscriptionQuery(PagedQuery):
    cost_center = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Those in this cost center, by its id."
    )
    seats_of = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Those that stand for the seats of this cost center.",
    )
    lasts_on = serializers.DateField(required=False, help_text="Those that last on this UTC day.")


class TermsBody(Body):
    """What it costs from a day on."""

    plan = serializers.CharField(
        required=False, allow_blank=True, max_length=100, help_text="Such as Team or Business."
    )
    seats = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_SEATS,
        help_text="On the first day; null for a flat fee.",
    )
    price = SentAmount(
        required=False, help_text="For one period: of one seat, or the whole fee. At most a billion."
    )
    period = serializers.ChoiceField(required=False, choices=Subscription.Period.choices)
    starts_on = serializers.DateField(
        required=False,
        help_text="First UTC day: paid on it, and on the same day of each period after it.",
    )


class NewTerms(TermsBody):
    """What is left out stays as it was."""

    starts_on = serializers.DateField(
        required=False,
        help_text="UTC day; the old terms end on the day before. By default that of the next payment.",
    )


class About(Body):
    """All that is not its terms."""

    remind_days = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=365,
        help_text="Remind so many days before a renewal; 0: never. By default 14.",
    )
    renews_on = serializers.DateField(
        required=False,
        allow_null=True,
        help_text="Next renewal, a UTC day. Null: an annual one renews with its next payment.",
    )
    owner = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="A name, or the e-mail address of an account here, which then gets the reminders.",
    )
    tags = SentTags(required=False, help_text="Reports group and filter by them.")
    seats_of = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The cost center, by its id, whose seats it stands for in place of an estimate.",
    )


class NewSubscription(About, TermsBody):
    name = serializers.CharField(max_length=100, help_text="The service in all reports, such as ChatGPT.")
    seats = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        max_value=MOST_SEATS,
        help_text="On the first day; null for a flat fee.",
    )
    price = SentAmount(help_text="For one period: of one seat, or the whole fee. At most a billion.")
    period = serializers.ChoiceField(choices=Subscription.Period.choices)
    currency = serializers.RegexField(r"^[A-Z]{3}$", help_text="Three letters, such as USD.")
    starts_on = serializers.DateField(
        required=False,
        help_text="First UTC day: paid on it, and on the same day of each period after it. By default today.",
    )
    ends_on = serializers.DateField(
        required=False, allow_null=True, help_text="Last UTC day, inclusive; null while it goes on."
    )


class SubscriptionChange(About, TermsBody):
    """What is left out stays."""

    name = serializers.CharField(
        required=False, max_length=100, help_text="The service in all reports, past ones too."
    )
    corrects = serializers.BooleanField(
        required=False,
        default=False,
        help_text="True where days change that were counted already: it was wrong from the beginning.",
    )


class End(Body):
    ends_on = serializers.DateField(allow_null=True, help_text="Last UTC day, inclusive; null: it goes on.")


class NewSeats(Body):
    seats = serializers.IntegerField(min_value=0, max_value=MOST_SEATS, help_text="So many from that day on.")
    effective_from = serializers.DateField(
        required=False, help_text="UTC day after the first one. By default today."
    )


class CountAgain(Body):
    cost_center = serializers.IntegerField(
        min_value=1, max_value=LARGEST_ID, help_text="A removed cost center of subscriptions, by its id."
    )


# What is answered -----------------------------------------------------------------------------------------------------


class SeatChangeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    effective_from = serializers.DateField(help_text="First UTC day with so many seats.")
    seats = serializers.IntegerField(help_text="From that day on.")


class PaymentSerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="UTC day on which it is paid.")
    covers_to = serializers.DateField(help_text="Last UTC day that it is paid for, inclusive.")
    amount = Amount(help_text="In the subscription's currency.")
    seats = serializers.IntegerField(allow_null=True, help_text="Null for a flat fee.")


class SubscriptionSerializer(serializers.Serializer[Subscription]):
    id = serializers.IntegerField()
    cost_center = serializers.IntegerField(
        source="cost_center_id", help_text="The cost center that holds the subscriptions in its currency."
    )
    name = serializers.CharField(help_text="The service in all reports.")
    plan = serializers.CharField(help_text="Empty where none is known.")
    state = serializers.SerializerMethodField(help_text="Of today, UTC.")
    seats = serializers.IntegerField(
        allow_null=True, help_text="On the first day, before any change; null for a flat fee."
    )
    seats_now = serializers.SerializerMethodField(
        help_text="Wanted today, or on the first day of one to come; null for a flat fee."
    )
    seat_changes = serializers.SerializerMethodField(help_text="The earliest first.")
    price = Amount(help_text="For one period: of one seat, or the whole fee.")
    period = serializers.ChoiceField(choices=Subscription.Period.choices)
    currency = serializers.CharField(help_text="ISO 4217 code.")
    starts_on = serializers.DateField(help_text="First UTC day.")
    ends_on = serializers.DateField(
        allow_null=True, help_text="Last UTC day, inclusive; null while it goes on."
    )
    renews_on = serializers.DateField(allow_null=True, help_text="Next renewal, a UTC day.")
    remind_days = serializers.IntegerField(help_text="Days before a renewal; 0: nobody is reminded.")
    owner = serializers.CharField(help_text="Empty where none is known.")
    tags = serializers.DictField(child=serializers.CharField())
    seats_of = serializers.IntegerField(
        source="seats_of_id", allow_null=True, help_text="The cost center whose seats it stands for."
    )
    monthly_cost = serializers.SerializerMethodField(
        help_text="What its seats of today, or its fee, cost a month; to nine decimals. 0 while it does not run."
    )
    cost_this_month = serializers.SerializerMethodField(
        help_text="Effective (amortised) cost of all days of this UTC month, those to come included."
    )
    next_payment = serializers.SerializerMethodField(help_text="Today or later; null where none is to come.")

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, known: Subscription) -> str:
        today = _today()
        if known.ends_on is not None and known.ends_on < today:
            return "ended"
        return "to come" if known.starts_on > today else "running"

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_seats_now(self, known: Subscription) -> int | None:
        return terms_of(known).seats_on(max(_today(), known.starts_on))

    @extend_schema_field(SeatChangeSerializer(many=True))
    def get_seat_changes(self, known: Subscription) -> Any:
        # Of a flat fee, and from before its first day, they say nothing of it.
        stored = () if known.seats is None else known.seat_changes.all()
        shown = [change for change in stored if change.effective_from > known.starts_on]
        return SeatChangeSerializer(shown, many=True).data

    @extend_schema_field(Amount())
    def get_monthly_cost(self, known: Subscription) -> str:
        twelfths = units_from_nanos(monthly_nano_twelfths(terms_of(known), _today()))
        return Amount().to_representation(EXACT.quantize(EXACT.divide(twelfths, Decimal(12)), NANO))

    @extend_schema_field(Amount())
    def get_cost_this_month(self, known: Subscription) -> str:
        first = _today().replace(day=1)
        last = later_by_months(first, 1) - timedelta(days=1)
        return Amount().to_representation(units_from_nanos(cost_between(terms_of(known), first, last)))

    @extend_schema_field(PaymentSerializer(allow_null=True))
    def get_next_payment(self, known: Subscription) -> Any:
        payment = _next_payment(known, _today())
        if payment is None:
            return None
        return PaymentSerializer(
            {
                "day": payment.day,
                "covers_to": payment.covers_to,
                "amount": units_from_nanos(payment.amount_nano),
                "seats": payment.seats,
            }
        ).data


class CountedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    currency = serializers.CharField(help_text="ISO 4217 code.")
    status = serializers.ChoiceField(choices=CostCenter.Status.choices)


def _today() -> date:
    return timezone.now().date()


def _next_payment(known: Subscription, today: date) -> Payment | None:
    terms = terms_of(known)
    through = max(today, terms.starts_on) + HORIZON
    return next((each for each in payments(terms, through) if each.day >= today and each.amount_nano), None)
