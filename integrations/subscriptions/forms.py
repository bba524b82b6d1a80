"""The forms of subscriptions. What only the database knows is refused by `changes`."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms

from costcenters.models import CostCenter, validate_currency, validate_name
from costcenters.periods import long_day
from finops.money import plain
from integrations.editing.forms import DayField, as_seen
from integrations.life import OLDEST_DAY
from integrations.models import Subscription
from integrations.subscriptions.amortisation import SeatChange, next_period_start
from integrations.subscriptions.changes import Draft, NotPossible, check, check_seat_day, check_seats_of
from integrations.subscriptions.fields import AnyDayField, SeatsOfField, TagsField

#: A day later than so many years ahead has a slip in its year.
FARTHEST_YEARS = 5
PER_SEAT, FLAT = "seats", "flat"
DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}
WHOLE = {"inputmode": "numeric", "autocomplete": "off"}


class PreviewedForm(forms.Form):
    """Shown with what it would change, and saved only as it was shown: `stamp` says what that was."""

    def __init__(self, *args: Any, today: date, **options: Any) -> None:
        super().__init__(*args, **options)
        self.today = today
        #: What would be stored; None while the form cannot be.
        self.draft: Draft | None = None

    def clean(self) -> None:
        if self.errors:
            return
        self.cross_check()
        if self.errors:
            return
        self.draft = self.made()
        try:
            check(self.draft)
            check_seats_of(self.draft.subscription)
        except NotPossible as refusal:
            self.refuse(refusal)

    def cross_check(self) -> None:
        """What fields say together."""

    def made(self) -> Draft:
        """What the answers make of the subscription. Every form has its own."""
        # No abstract method: forms have a metaclass already.
        raise NotImplementedError

    def refuse(self, refusal: NotPossible) -> None:
        self.draft = None
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    @property
    def stamp(self) -> str:
        """Of the answers, and of what was stored beside them."""
        answers = {
            name: str(value) for name, value in sorted(self.cleaned_data.items()) if name != "corrects"
        }
        known = None if self.draft is None else [str(each) for each in self.draft.changes]
        return hashlib.sha256(repr((answers, known)).encode()).hexdigest()[:16]

    def check_day(self, name: str) -> None:
        day = self.cleaned_data.get(name)
        if day is None:
            return
        if day < OLDEST_DAY:
            self.add_error(name, f"Choose a day from {long_day(OLDEST_DAY)} on.")
        elif day.year > self.today.year + FARTHEST_YEARS:
            self.add_error(name, f"Choose a day before {self.today.year + FARTHEST_YEARS + 1}.")


class TermsForm(PreviewedForm):
    """What it costs from a day on: of a new one, of one that is corrected, or in place of another."""

    plan = forms.CharField(max_length=100, required=False, help_text="Such as Team or Business.")
    pricing = forms.ChoiceField(
        label="What is paid for",
        choices=[(PER_SEAT, "Seats, at a price for each"), (FLAT, "A flat fee, whoever uses it")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the two.", "invalid_choice": "Choose one of the two."},
    )
    seats = forms.IntegerField(
        label="Seats",
        required=False,
        min_value=1,
        max_value=1_000_000,
        widget=forms.TextInput(attrs=WHOLE),
        error_messages={"invalid": "Enter a whole number.", "min_value": "Enter 1 or more."},
        help_text="On the first day. Later changes are added on its page.",
    )
    price = forms.DecimalField(
        label="Price",
        min_value=Decimal(0),
        max_value=Decimal(1_000_000_000),
        decimal_places=9,
        max_digits=19,
        widget=forms.TextInput(attrs={**DECIMAL, "placeholder": "30.00"}),
        error_messages={"invalid": "Enter an amount such as 30.00.", "min_value": "Enter 0 or more."},
        help_text="For one period: of one seat, or the whole fee. After any discount.",
    )
    period = forms.ChoiceField(
        label="Paid",
        choices=[(Subscription.Period.MONTHLY, "Every month"), (Subscription.Period.ANNUAL, "Every year")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the two.", "invalid_choice": "Choose one of the two."},
    )
    starts_on = DayField(
        label="First day (UTC)", help_text="Paid on this day, and on the same day of each period after it."
    )

    def cross_check(self) -> None:
        self.check_day("starts_on")
        if self.cleaned_data["pricing"] == FLAT:
            self.cleaned_data["seats"] = None
        elif self.cleaned_data.get("seats") is None:
            self.add_error("seats", "How many seats were there on the first day?")

    def check_begins_by(self, ends_on: date | None) -> None:
        """Of one whose last day is set elsewhere."""
        starts_on = self.cleaned_data.get("starts_on")
        if starts_on is not None and ends_on is not None and starts_on > ends_on:
            self.add_error(
                "starts_on",
                f"It ends on {long_day(ends_on)}: choose a day up to then, or let it go on first.",
            )

    def put_terms(self, subscription: Subscription) -> None:
        answers = self.cleaned_data
        for name in ("plan", "seats", "price", "period", "starts_on"):
            setattr(subscription, name, answers[name])

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        if self.cleaned_data.get("pricing") == FLAT:
            # What stands in a field that does not count is no reason to refuse.
            self.errors.pop("seats", None)


class SubscriptionForm(TermsForm):
    """Everything about one. With `known` it is changed: its currency stays."""

    name = forms.CharField(
        max_length=100, validators=[validate_name], help_text="The service in all reports, such as ChatGPT."
    )
    currency = forms.CharField(
        min_length=3,
        max_length=3,
        help_text="Three letters, such as USD. Currencies are never added to one another.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    ends_on = AnyDayField(label="Last day (UTC)", help_text="Leave empty while it goes on.")
    renews_on = AnyDayField(
        label="Next renewal (UTC)",
        help_text="When the contract renews. Left empty, an annual one renews with its next payment, and nobody is "
        "told about a monthly one. A renewal that is over moves on by a period.",
    )
    remind_days = forms.IntegerField(
        label="Remind so many days before",
        min_value=0,
        max_value=365,
        widget=forms.TextInput(attrs=WHOLE),
        help_text="By e-mail. 0: never.",
    )
    owner = forms.CharField(
        max_length=100,
        required=False,
        help_text="A name, or the e-mail address of an account here, which then gets the reminders.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    tags = TagsField(required=False, help_text="One a line, as key=value. Reports group and filter by them.")
    seats_of = SeatsOfField(
        queryset=CostCenter.objects.none(),
        required=False,
        label="Stands for the seats of",
        empty_label="No cost center",
        error_messages={
            "invalid_choice": "Its seats are estimated already, or it has none: choose another cost center, or none."
        },
    )
    corrects = forms.BooleanField(
        required=False, label="It was wrong from the beginning: change the days that were counted already"
    )

    def __init__(
        self,
        *args: Any,
        today: date,
        known: Subscription | None = None,
        changes: tuple[SeatChange, ...] = (),
        offered: Iterable[CostCenter] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, today=today, **options)
        self.known, self.changes = known, changes
        ids = [center.pk for center in offered]
        if known is not None:
            self.fields["currency"].disabled = True
            self.fields["currency"].help_text = "It stays: delete it and add it in the right one."
            # Ending it has a page of its own.
            del self.fields["ends_on"]
            ids += [] if known.seats_of_id is None else [known.seats_of_id]
        field = self.fields["seats_of"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = CostCenter.objects.filter(pk__in=ids)

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).strip().upper()
        validate_currency(currency)
        return currency

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"]).strip()

    def cross_check(self) -> None:
        super().cross_check()
        if self.known is not None:
            self.check_begins_by(self.known.ends_on)
        for name in ("ends_on", "renews_on"):
            self.check_day(name)
        answers = self.cleaned_data
        starts_on = answers.get("starts_on")
        if starts_on is None:
            return
        if answers.get("ends_on") is not None and answers["ends_on"] < starts_on:
            self.add_error("ends_on", f"Choose a day from {long_day(starts_on)} on, on which it begins.")
        if answers.get("renews_on") is not None and answers["renews_on"] <= starts_on:
            self.add_error("renews_on", f"Choose a day after {long_day(starts_on)}, on which it begins.")

    def made(self) -> Draft:
        answers = self.cleaned_data
        subscription = Subscription() if self.known is None else copy.copy(self.known)
        self.put_terms(subscription)
        for name in ("name", "currency", "ends_on", "renews_on", "remind_days", "owner", "tags", "seats_of"):
            if name in answers:
                setattr(subscription, name, answers[name])
        draft = Draft(subscription, self.changes)
        if subscription.renews_on is None and subscription.period == Subscription.Period.ANNUAL:
            subscription.renews_on = next_period_start(draft.terms, self.today)
        return draft


class NewTermsForm(TermsForm):
    """Other terms from a day on, for the same subscription."""

    def __init__(self, *args: Any, today: date, known: Draft, **options: Any) -> None:
        super().__init__(*args, today=today, **options)
        self.known = known
        self.fields["starts_on"].label = "From (UTC day)"
        self.fields[
            "starts_on"
        ].help_text = "The old terms end on the day before; the new ones are paid on this day."
        self.fields["seats"].help_text = "From that day on."

    def cross_check(self) -> None:
        super().cross_check()
        self.check_begins_by(self.known.subscription.ends_on)
        first = self.known.subscription.starts_on
        if self.cleaned_data.get("starts_on") is not None and self.cleaned_data["starts_on"] <= first:
            self.add_error(
                "starts_on",
                f"Choose a day after {long_day(first)}, on which it began. What was wrong from the beginning is "
                "corrected on its Edit page.",
            )

    def made(self) -> Draft:
        subscription = copy.copy(self.known.subscription)
        subscription.pk, subscription.reminded_of = None, None
        subscription._state = type(subscription._state)()
        self.put_terms(subscription)
        if subscription.renews_on is not None and subscription.renews_on <= subscription.starts_on:
            subscription.renews_on = None
        changes: tuple[SeatChange, ...] = ()
        if subscription.seats is None:
            subscription.seats_of = None
        else:
            # What was planned for later days stays planned.
            changes = tuple(change for change in self.known.changes if change.day > subscription.starts_on)
        draft = Draft(subscription, changes)
        if subscription.renews_on is None and subscription.period == Subscription.Period.ANNUAL:
            subscription.renews_on = next_period_start(draft.terms, max(self.today, subscription.starts_on))
        return draft


class EndForm(PreviewedForm):
    ends_on = AnyDayField(label="Last day (UTC)", help_text="Inclusive. Empty: it goes on.")

    def __init__(self, *args: Any, today: date, known: Draft, **options: Any) -> None:
        super().__init__(*args, today=today, **options)
        self.known = known

    def cross_check(self) -> None:
        self.check_day("ends_on")
        starts_on = self.known.subscription.starts_on
        if self.cleaned_data.get("ends_on") is not None and self.cleaned_data["ends_on"] < starts_on:
            self.add_error("ends_on", f"Choose a day from {long_day(starts_on)} on, on which it began.")

    def made(self) -> Draft:
        subscription = copy.copy(self.known.subscription)
        subscription.ends_on = self.cleaned_data["ends_on"]
        return Draft(subscription, self.known.changes)


class SeatsForm(PreviewedForm):
    seats = forms.IntegerField(
        label="Seats", min_value=0, max_value=1_000_000, widget=forms.TextInput(attrs=WHOLE)
    )
    effective_from = DayField(label="From (UTC day)")

    def __init__(self, *args: Any, today: date, known: Draft, **options: Any) -> None:
        super().__init__(*args, today=today, **options)
        self.known = known

    def cross_check(self) -> None:
        self.check_day("effective_from")
        if self.errors:
            return
        try:
            check_seat_day(self.known.subscription, self.cleaned_data["effective_from"])
        except NotPossible as refusal:
            self.add_error(refusal.field or None, str(refusal))

    def made(self) -> Draft:
        day, seats = self.cleaned_data["effective_from"], self.cleaned_data["seats"]
        kept = tuple(change for change in self.known.changes if change.day != day)
        return Draft(self.known.subscription, (*kept, SeatChange(day, seats)))


class WithdrawForm(PreviewedForm):
    """A change of seats as if it had never been: nothing is typed."""

    def __init__(self, *args: Any, today: date, known: Draft, day: date, **options: Any) -> None:
        super().__init__(*args, today=today, **options)
        self.known, self.day = known, day

    def made(self) -> Draft:
        kept = tuple(change for change in self.known.changes if change.day != self.day)
        return Draft(self.known.subscription, kept)


class DeleteForm(forms.Form):
    typed_name = forms.CharField(
        label="Name of the subscription",
        max_length=200,
        error_messages={"required": "Type the name of the subscription."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )

    def __init__(self, *args: Any, name: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.name = name

    def clean_typed_name(self) -> str:
        typed: str = self.cleaned_data["typed_name"]
        if as_seen(typed) != as_seen(self.name):
            raise forms.ValidationError("This is not its name. Type it exactly as it stands above.")
        return typed


def initial_terms(draft: Draft, on: date) -> dict[str, Any]:
    """The terms that hold on a day, to be changed."""
    subscription, seats = draft.subscription, draft.terms.seats_on(on)
    return {
        "plan": subscription.plan,
        "pricing": FLAT if seats is None else PER_SEAT,
        "seats": seats,
        "price": plain(subscription.price),
        "period": subscription.period,
    }
