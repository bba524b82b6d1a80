"""The bill: cost centers, their line items and the daily roll-up that every report reads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse

from finops.money import AmountField, plain


def validate_name(value: str) -> None:
    """`(none)` means "no value" in the explorer's filters."""
    if value.strip().lower() == "(none)":
        raise ValidationError("Choose another name: (none) stands for no value in reports.")


validate_currency = RegexValidator(r"^[A-Z]{3}$", "Enter a three-letter ISO 4217 code such as USD.")


class ChargeType(models.TextChoices):
    """What kind of charge a line is, in every view, filter and export."""

    USAGE = "usage", "Usage"
    SEAT = "seat", "Seats"
    PURCHASE = "purchase", "Purchase"
    TAX = "tax", "Tax"
    CREDIT = "credit", "Credit"
    ADJUSTMENT = "adjustment", "Adjustment"


class CostCenter(models.Model):
    """One source of cost with a name people know it by: a Cursor team, an AWS organisation."""

    class Status(models.TextChoices):
        CONNECTING = "connecting", "Connecting"
        ACTIVE = "active", "Active"
        NEEDS_ATTENTION = "needs attention", "Needs attention"
        PAUSED = "paused", "Paused"
        DISCONNECTED = "disconnected", "Disconnected"

    #: In these the provider is asked by itself.
    WORKING = (Status.CONNECTING, Status.ACTIVE)

    name = models.CharField(max_length=100, unique=True, validators=[validate_name])
    provider = models.SlugField(max_length=50, help_text="The provider's short name, such as cursor.")
    currency = models.CharField(max_length=3, default="USD", validators=[validate_currency])
    status = models.CharField(max_length=20, choices=Status, default=Status.CONNECTING)
    connected_on = models.DateField(null=True, blank=True, help_text="UTC day from which seats are counted.")
    complete_through = models.DateTimeField(
        null=True, blank=True, help_text="All cost before this instant is in."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("view_reports", "Can see the overview, the explorer and exports"),
            ("connect_costcenter", "Can connect, edit, sync and import cost centers"),
            ("disconnect_costcenter", "Can disconnect cost centers and delete their data"),
            ("manage_people", "Can invite people and use the Django admin"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("cost-center", args=[self.pk])

    @property
    def provider_label(self) -> str:
        return provider_label(self.provider)


PROVIDER_LABELS = {"aws": "AWS", "gcp": "GCP", "azure": "Azure", "focus_files": "FOCUS files"}


def provider_label(slug: str) -> str:
    """The provider's name as people write it."""
    return PROVIDER_LABELS.get(slug, slug.replace("_", " ").capitalize())


class TagSet(models.Model):
    """A distinct set of tags, shared by line items and the roll-up. The empty set is stored as no tag set."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the tags as canonical JSON.")
    tags = models.JSONField()

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))


class CostRow(models.Model):
    """The columns that a line item and its roll-up share. Text is empty, never NULL, when there is no value."""

    day = models.DateField(help_text="UTC day.")
    charge_type = models.CharField(max_length=12, choices=ChargeType)
    service = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=200, blank=True, help_text="AI model or cloud SKU.")
    kind = models.CharField(
        max_length=100, blank=True, help_text="The provider's own billing kind, as spelled there."
    )
    surface = models.CharField(max_length=30, blank=True)
    user = models.CharField(max_length=254, blank=True)
    account = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=100, blank=True)
    is_estimated = models.BooleanField(default=False)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    billed_cost = AmountField(default=Decimal(0))
    effective_cost = AmountField(default=Decimal(0))
    list_cost = AmountField(default=Decimal(0))

    class Meta:
        abstract = True


class Statement(models.Model):
    """The bill of one billing account for one billing period, as last delivered: what a FOCUS delivery replaces."""

    cost_center = models.ForeignKey(CostCenter, on_delete=models.CASCADE, related_name="statements")
    billing_account = models.CharField(max_length=200, blank=True, help_text="The provider's id of it.")
    billing_account_name = models.CharField(max_length=200, blank=True)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(help_text="Exclusive.")

    class Meta:
        ordering = ["-period_start", "billing_account"]
        constraints = [
            models.UniqueConstraint(
                fields=["cost_center", "billing_account", "period_start"], name="statement_unit"
            )
        ]

    def __str__(self) -> str:
        return f"{self.period_start:%Y-%m} {self.billing_account_name or self.billing_account}".strip()


class StatementDay(models.Model):
    """What a statement holds of one UTC day, so that a day delivered again unchanged is not written again."""

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="days", db_index=False)
    day = models.DateField(help_text="UTC day; corrections may lie outside the billing period.")
    line_items = models.BigIntegerField()
    billed_cost = AmountField()
    digest = models.CharField(max_length=32, help_text="Of the day's lines, in any order; hexadecimal.")

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["statement", "day"], name="statement_day")]

    def __str__(self) -> str:
        return f"{self.statement} {self.day}"


class CostLineItem(CostRow):
    """One charge. Written only by `costcenters.line_items`, in whole windows; never edited."""

    cost_center = models.ForeignKey(
        CostCenter, on_delete=models.PROTECT, related_name="line_items", db_index=False
    )
    started_at = models.DateTimeField()
    resource = models.CharField(
        max_length=300, blank=True, help_text="Cloud resource; the conversation of Cursor usage."
    )
    quantity = models.CharField(
        max_length=50, blank=True, help_text="Exact decimal text; empty when there is none."
    )
    unit = models.CharField(max_length=50, blank=True)
    tag_set = models.ForeignKey(
        TagSet, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    details = models.JSONField(default=dict, blank=True)
    #: Without index or constraint: a statement's lines are found by cost center and instant, and go with those.
    statement = models.ForeignKey(
        Statement,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_index=False,
        db_constraint=False,
        related_name="+",
        help_text="Of lines that came in FOCUS deliveries.",
    )

    class Meta:
        indexes = [models.Index(fields=["cost_center", "started_at"], name="line_item_window")]

    def __str__(self) -> str:
        return f"{self.day} {self.charge_type} {self.user or self.service}"


class DailyCost(CostRow):
    """The roll-up: line items summed by day and every low-cardinality dimension. Reports read nothing else."""

    cost_center = models.ForeignKey(
        CostCenter, on_delete=models.PROTECT, related_name="daily_costs", db_index=False
    )
    tag_set = models.ForeignKey(
        TagSet, null=True, blank=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    line_items = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["cost_center", "day"], name="daily_cost_window"),
            models.Index(fields=["day"], name="daily_cost_day"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.charge_type}"


#: A month's price of all committed seats must fit one amount.
MOST_A_MONTH = Decimal(9_200_000_000)


class SeatPriceQuerySet(models.QuerySet["SeatPrice"]):
    def in_effect_on(self, day: date) -> SeatPrice | None:
        """The price that holds on `day`: the latest one effective by then."""
        return self.filter(effective_from__lte=day).order_by("-effective_from", "-pk").first()


class SeatPrice(models.Model):
    """What one seat costs a month from a day on. Append-only: a change is a new row, the past stays."""

    cost_center = models.ForeignKey(CostCenter, on_delete=models.CASCADE, related_name="seat_prices")
    monthly_price = AmountField(
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Empty: seats are not tracked.",
    )
    committed_seats = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Seats paid for whether used or not; empty when there is no commitment.",
    )
    effective_from = models.DateField(help_text="First UTC day on which it holds.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = SeatPriceQuerySet.as_manager()

    class Meta:
        ordering = ["-effective_from", "-pk"]

    def __str__(self) -> str:
        price = "no seat tracking" if self.monthly_price is None else f"{plain(self.monthly_price)} a month"
        return f"{price} from {self.effective_from}"

    def save(self, *args: object, **kwargs: object) -> None:
        if self.pk is not None and type(self).objects.filter(pk=self.pk).exists():
            raise ValidationError("A seat price is never edited: add a new one with its own first day.")
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        if (self.monthly_price or 0) * (self.committed_seats or 1) > MOST_A_MONTH:
            raise ValidationError(
                "Price times committed seats is more than can be stored: 9.2 × 10⁹ a month."
            )

    def get_additional_data(self) -> dict[str, str | None]:
        """For the audit log, which asks for it by this name: whose price, and what held on its first day before it."""
        others = type(self).objects.filter(cost_center=self.cost_center_id).exclude(pk=self.pk)
        before = others.in_effect_on(self.effective_from)
        held = None if before is None or before.monthly_price is None else plain(before.monthly_price)
        return {"cost_center": self.cost_center.name, "currency": self.cost_center.currency, "before": held}

    def may_be_deleted(self, today: date) -> bool:
        """Only a price that has not taken effect yet may go."""
        return self.effective_from > today


class SavedView(models.Model):
    """A named explorer query string, private or shared."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=100)
    query = models.TextField(help_text="The explorer's query string.")
    is_shared = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False, help_text="Shown on the overview.")
    is_default = models.BooleanField(default=False, help_text="What the explorer opens with for its owner.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_owner_name"),
            models.UniqueConstraint(
                fields=["owner"], condition=models.Q(is_default=True), name="saved_view_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The explorer with the view's question; the view's number lets a change be saved to it."""
        return f"{reverse('explorer')}?{self.query}&view={self.pk}"


class Annotation(models.Model):
    """What is pinned on a chart: a price change, a gap, a note of somebody's."""

    cost_center = models.ForeignKey(
        CostCenter, null=True, blank=True, on_delete=models.CASCADE, related_name="annotations"
    )
    day = models.DateField()
    text = models.CharField(max_length=300)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.day} {self.text}"
