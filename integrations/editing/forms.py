"""The forms on which a cost center is changed. What only the database knows is refused by `integrations.life`."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms

from costcenters.models import CostCenter, SeatPrice, validate_name
from finops.money import plain
from integrations.connections import NotConnected
from integrations.providers.base import COMMON_FIELDS, Provider, secret_names

#: A price that begins later than so many years ahead has a slip in its year.
FARTHEST_YEARS = 5
KEEP, DELETE = "keep", "delete"
PRICED, NOT_TRACKED = "priced", "not-tracked"


class DayInput(forms.DateInput):
    """The browser's own calendar; a plain text field where it has none."""

    input_type = "date"

    def __init__(self, **attrs: str) -> None:
        super().__init__(format="%Y-%m-%d", attrs=attrs)


class DayField(forms.DateField):
    """A UTC day as YYYY-MM-DD."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=DayInput(required="required"),
            input_formats=["%Y-%m-%d"],
            error_messages={"invalid": "Enter a day such as 2026-11-21."},
            **options,
        )


class NameForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=100,
        validators=[validate_name],
        help_text="How it is called in the bill. Saved views that ask for it follow; copied links keep the old name.",
    )


class SeatPriceForm(forms.Form):
    """A price from a day on, or no more tracking. `price` is what would be saved."""

    tracking = forms.ChoiceField(
        choices=[
            (PRICED, "Track seats at this price"),
            (NOT_TRACKED, "Do not track seats: no seat cost is estimated"),
        ],
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose one of the two.",
            "invalid_choice": "Choose one of the two.",
        },
    )
    monthly_price = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        decimal_places=9,
        max_digits=16,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "40.00", "autocomplete": "off"}),
        help_text="What you really pay for one seat, after any discount.",
    )
    committed_seats = forms.IntegerField(
        label="Committed seats",
        required=False,
        min_value=0,
        max_value=1_000_000,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Seats you pay for whether they are taken or not. Leave empty without such a commitment.",
    )
    effective_from = DayField(
        label="From (UTC day)",
        help_text="Today or later: what was counted before stays as it is.",
    )

    def __init__(self, *args: Any, center: CostCenter, today: date, **options: Any) -> None:
        super().__init__(*args, **options)
        self.center, self.today = center, today
        self.price: SeatPrice | None = None
        self.fields["monthly_price"].label = f"Price of a seat a month in {center.currency}"
        self.fields["effective_from"].widget.attrs["min"] = today.isoformat()

    def clean_effective_from(self) -> date:
        day: date = self.cleaned_data["effective_from"]
        if day < self.today:
            raise forms.ValidationError(
                f"Choose today ({self.today}, UTC) or a later day: what was counted before stays as it is."
            )
        if day.year > self.today.year + FARTHEST_YEARS:
            raise forms.ValidationError(f"Choose a day before {self.today.year + FARTHEST_YEARS + 1}.")
        return day

    def clean(self) -> None:
        answers = self.cleaned_data
        is_priced = answers.get("tracking") == PRICED
        if is_priced and answers.get("monthly_price") is None and "monthly_price" not in self.errors:
            self.add_error("monthly_price", "Enter what a seat costs a month, such as 40.00.")
        if answers.get("tracking") == NOT_TRACKED:
            # What stands in fields that do not count is no reason to refuse.
            for name in ("monthly_price", "committed_seats"):
                self.errors.pop(name, None)
        if self.errors:
            return
        price = SeatPrice(
            cost_center=self.center,
            monthly_price=answers["monthly_price"] if is_priced else None,
            committed_seats=answers["committed_seats"] if is_priced else None,
            effective_from=answers["effective_from"],
        )
        try:
            price.full_clean(exclude=["cost_center", "created_by"])
        except forms.ValidationError as error:
            self.add_error("monthly_price", " ".join(error.messages))
        else:
            self.price = price

    @property
    def fingerprint(self) -> str:
        """What was previewed: it is saved only while nothing else stands in the form."""
        price = self.price
        if price is None:
            return ""
        monthly = "none" if price.monthly_price is None else plain(price.monthly_price)
        return f"{monthly} {price.committed_seats} {price.effective_from}"


class ReadAgainForm(forms.Form):
    """Days to be read once more, UTC, both inclusive."""

    first = DayField(label="First day (UTC)")
    last = DayField(label="Last day (UTC)")
    may_shrink = forms.BooleanField(
        label="Fewer events may replace what is stored for these days",
        required=False,
    )


class RemoveForm(forms.Form):
    """What becomes of the history, and the name typed once more."""

    history = forms.ChoiceField(
        choices=[(KEEP, "Keep the history"), (DELETE, "Delete the history too")],
        widget=forms.RadioSelect,
        initial=KEEP,
        error_messages={
            "required": "Choose what becomes of the history.",
            "invalid_choice": "Choose what becomes of the history.",
        },
    )
    typed_name = forms.CharField(
        label="Name of the cost center",
        max_length=200,
        error_messages={"required": "Type the name of the cost center."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )

    def __init__(self, *args: Any, center: CostCenter, **options: Any) -> None:
        super().__init__(*args, **options)
        self.center = center

    def clean_typed_name(self) -> str:
        typed: str = self.cleaned_data["typed_name"]
        if as_seen(typed) != as_seen(self.center.name):
            raise forms.ValidationError("This is not its name. Type it exactly as it stands above.")
        return typed


def as_seen(name: str) -> str:
    """Without what nobody sees in a page: spaces in a row, and how accents are spelled."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def key_form(
    provider: Provider,
    data: Any = None,
    *,
    asks_for_team: bool = False,
    shown: Mapping[str, str] | None = None,
) -> forms.Form:
    """The credentials of the provider's connect form, and nothing else of it.

    `asks_for_team` adds the box that confirms a key of another team; `shown` is what of the stored ones may be seen.
    """
    form = provider.form(data, initial=dict(shown or {}))
    for name in COMMON_FIELDS:
        form.fields.pop(name, None)
    if asks_for_team:
        form.fields["other_team"] = forms.BooleanField(
            label=f"It is the same {provider.name} team, whatever its members: go on in this cost center",
            required=False,
        )
    return form


def mark_refused(refusal: NotConnected, form: forms.Form) -> dict[str, Any]:
    """Mark the field to mend. For the template: `happened`, the refusal's first sentence, and `advice`, the rest."""
    if refusal.field == "name":
        form.add_error("name", "Please change the name.")
    elif refusal.field == "monthly_seat_price":
        form.add_error("monthly_seat_price", "Please leave this empty, or end the subscription first.")
    elif refusal.field == "location":
        form.add_error("location", "Please check the location.")
    elif refusal.field == "credentials":
        for name in secret_names(form):
            form.add_error(name, "Please check this and paste it again.")
    happened, dot, advice = str(refusal).partition(". ")
    return {"happened": happened + dot.strip(), "advice": advice}
