"""Where the bill comes from: connections, their streams and runs, and the people a provider told us about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from costcenters.models import CostCenter, validate_currency
from finops.money import AmountField
from finops.secrets import EncryptedSecretsField


class Integration(models.Model):
    """The connection of one cost center to its provider. Its credential is encrypted and never shown again."""

    cost_center = models.OneToOneField(CostCenter, on_delete=models.PROTECT, related_name="integration")
    provider = models.SlugField(max_length=50)
    credentials = EncryptedSecretsField(null=True, blank=True, editable=False)
    api_url = models.URLField(
        max_length=300, help_text="Taken from CURSOR_API_URL at connection, never from a form."
    )
    key_hint = models.CharField(max_length=10, blank=True, editable=False)
    key_fingerprint = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    attention = models.TextField(
        blank=True, help_text="Why it needs attention, and what to do. Empty when it is well."
    )
    set_up_at = models.DateTimeField(null=True, blank=True, help_text="When the first backfill was finished.")
    incident = models.CharField(
        max_length=20,
        blank=True,
        editable=False,
        help_text="The trouble people were told of, until it is over.",
    )
    incident_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.cost_center} ({self.provider})"

    def lock_streams(self) -> list[Stream]:
        """Keep everybody else from this connection until the transaction ends: the first lock of every change to it.

        All locks are taken in one order: streams (by number), integration, cost center.
        """
        return list(self.streams.select_for_update().order_by("pk"))


#: A task in the queue is not doubled, unless it seems to be lost.
RING_AGAIN_AFTER = timedelta(minutes=10)
#: Instants further ahead than these were written by a clock that was wrong, and count as past.
FARTHEST_LEASE, FARTHEST_DUE = timedelta(hours=1), timedelta(hours=25)


#: What progress makes of a stream's troubles.
HEALTHY: dict[str, Any] = {"attempts": 0, "failing_since": None, "last_error": ""}


class StreamQuerySet(models.QuerySet["Stream"]):
    def free(self, now: datetime) -> StreamQuerySet:
        """Streams that nobody holds."""
        return self.filter(
            Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=now + FARTHEST_LEASE)
        )

    def wanted(self) -> StreamQuerySet:
        """Streams that may be worked on: those of working connections, and every purge."""
        works = Q(
            integration__credentials__isnull=False, integration__cost_center__status__in=CostCenter.WORKING
        )
        return self.filter(works | Q(name=Stream.PURGE))

    def due(self, now: datetime) -> StreamQuerySet:
        """Streams whose time has come, that may be worked on and that nobody holds."""
        return self.free(now).wanted().filter(Q(due_at__lte=now) | Q(due_at__gt=now + FARTHEST_DUE))

    def begin_afresh(self, now: datetime) -> int:
        """Due at once, whatever failed before."""
        return self.update(due_at=now, rung_at=None, **HEALTHY)

    def to_ring(self, now: datetime) -> list[int]:
        """The ids of due streams nobody was rung for lately; from now on somebody has been."""
        quiet = Q(rung_at=None) | Q(rung_at__lte=now - RING_AGAIN_AFTER) | Q(rung_at__gt=now)
        return [
            pk
            for pk in self.due(now).filter(quiet).order_by("due_at").values_list("pk", flat=True)
            if Stream.objects.filter(quiet, pk=pk).update(rung_at=now)
        ]


class Stream(models.Model):
    """One feed of an integration and how far it has been read.

    A pass reads from its fixed closed end backwards; `[pass_from, pass_through)` is what the current pass has done.
    When it has covered the trailing span, `synced_through` moves up to its end. Below `backfilled_from` nothing
    has been read yet. `[reread_from, reread_to)` is what somebody asked to have read once more and has not been yet.

    One name is no feed of a provider: PURGE, the deletion of a removed cost center's history.
    """

    PURGE = "purge"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="streams")
    name = models.CharField(max_length=50)
    synced_through = models.DateTimeField(null=True, blank=True)
    backfilled_from = models.DateTimeField(null=True, blank=True)
    backfill_target = models.DateTimeField(null=True, blank=True)
    pass_from = models.DateTimeField(null=True, blank=True)
    pass_through = models.DateTimeField(null=True, blank=True)
    reread_from = models.DateTimeField(null=True, blank=True)
    reread_to = models.DateTimeField(null=True, blank=True)
    reread_may_shrink = models.BooleanField(
        default=False, help_text="Whoever asked has confirmed that fewer events replace a fuller day."
    )
    due_at = models.DateTimeField(db_index=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="When the queue was last told of it.")
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.CharField(max_length=32, blank=True)
    recent_requests = models.JSONField(
        default=list, help_text="Epoch seconds of the requests of the last minute."
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    failing_since = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it was last complete.")

    objects = StreamQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["integration", "name"], name="stream_integration_name")
        ]

    def __str__(self) -> str:
        return f"{self.integration} {self.name}"


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def of_windows(self) -> SyncRunQuerySet:
        """Runs of one window of one stream."""
        return self.exclude(stream=SyncRun.EVERYTHING)

    def asked_for(self) -> SyncRunQuerySet:
        """Runs of all that somebody asked for at once."""
        return self.filter(stream=SyncRun.EVERYTHING)

    def interrupt(self, now: datetime) -> int:
        """Close what is still running: whoever ran it has died or has lost the stream."""
        return self.filter(outcome=SyncRun.Outcome.RUNNING).update(
            outcome=SyncRun.Outcome.INTERRUPTED, finished_at=now
        )


class SyncRun(models.Model):
    """One window of one stream, recorded before the provider is asked and finished with what came of it.

    Or, with the stream EVERYTHING, what somebody asked for at once (`integrations.asked_runs`): its sums repeat those
    of the windows that were read meanwhile. Its window is a span of the history, or empty.
    """

    EVERYTHING = ""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        UNCHANGED = "unchanged", "Nothing changed"
        SPLIT = "split", "Read in parts"
        KEPT = "kept", "No longer returned, kept"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted, repeated later"

    #: The window was read in full and stored, whether or not that changed anything.
    STORED = (Outcome.DONE, Outcome.UNCHANGED, Outcome.KEPT)

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    stream = models.CharField(max_length=50)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.RUNNING)
    events = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    waited_seconds = models.PositiveIntegerField(
        default=0, help_text="Spent waiting for the provider's rate limit."
    )
    amount_before = AmountField(null=True, blank=True)
    amount_after = AmountField(null=True, blank=True)
    kept_days = models.JSONField(
        default=list,
        blank=True,
        help_text="ISO days that the provider no longer returns in full, kept as they were.",
    )
    message = models.TextField(blank=True, help_text="What happened, in words a person can act on.")
    sample = models.TextField(
        blank=True, help_text="Of a reply that broke the contract: its redacted beginning."
    )

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["integration", "-started_at"], name="sync_run_recent")]

    def __str__(self) -> str:
        stream = self.stream or "everything"
        return f"{stream} {self.window_start:%Y-%m-%d %H:%M} – {self.window_end:%Y-%m-%d %H:%M}"

    @property
    def is_asked_for(self) -> bool:
        return self.stream == self.EVERYTHING

    @property
    def has_window(self) -> bool:
        return self.window_start < self.window_end


class Notice(models.Model):
    """An e-mail waiting to be sent: written with the change it tells of, delivered by the worker, then deleted."""

    class Event(models.TextChoices):
        SET_UP = "set up", "Set-up finished"
        KEY_REFUSED = "key refused", "Key refused"
        FAILING = "failing", "Failing for a day"
        RECOVERED = "recovered", "Recovered"
        DELIVERY = "delivery", "A delivery waits or was refused"
        RENEWAL = "renewal", "A renewal is near"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty until it is known who is to be told.",
    )
    subscription = models.ForeignKey(
        "Subscription", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    event = models.CharField(max_length=20, choices=Event)
    text = models.TextField(blank=True)
    not_before = models.DateTimeField(help_text="Moved on while somebody is sending it, and after a failure.")
    attempts = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.get_event_display()}: {self.integration}"


class Member(models.Model):
    """Somebody in a team, as the provider last told."""

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    key = models.CharField(max_length=254, help_text="E-mail in lower case, else the provider's id.")
    external_id = models.CharField(max_length=100, blank=True)
    email = models.CharField(max_length=254, blank=True)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=50, blank=True)
    is_active = models.BooleanField(default=True)
    is_paid = models.BooleanField(default=True)
    first_seen = models.DateField()
    last_seen = models.DateField()

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["integration", "key"], name="member_integration_key")]

    def __str__(self) -> str:
        return self.name or self.key


class SeatSnapshot(models.Model):
    """An active paid member on a UTC day: one row a member and day, as last read that day."""

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="seats", db_index=False
    )
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="seats")
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "day", "member"], name="seat_integration_day_member"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.member}"


class ProviderTotal(models.Model):
    """The provider's own total of one user in one billing period, for reconciliation."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="provider_totals")
    period_start = models.DateTimeField()
    read_at = models.DateTimeField()
    user = models.CharField(max_length=254)
    on_demand_cost = AmountField(null=True, blank=True)
    included_cost = AmountField(null=True, blank=True)
    unclear_cost = AmountField(
        null=True, blank=True, help_text="An amount that is either on-demand usage or all usage."
    )
    note = models.CharField(max_length=200, blank=True, help_text="What is ambiguous about it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "period_start", "user"], name="provider_total_period_user"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} since {self.period_start:%Y-%m-%d}"


class Subscription(models.Model):
    """A flat-rate tool recorded by hand, amortised by day."""

    class Period(models.TextChoices):
        MONTHLY = "monthly", "Monthly"
        ANNUAL = "annual", "Annual"

    cost_center = models.ForeignKey(CostCenter, on_delete=models.PROTECT, related_name="subscriptions")
    name = models.CharField(max_length=100)
    plan = models.CharField(max_length=100, blank=True)
    seats = models.PositiveIntegerField(null=True, blank=True)
    price = AmountField(help_text="Per seat and period, or the flat fee of a period when there are no seats.")
    period = models.CharField(max_length=10, choices=Period, default=Period.MONTHLY)
    currency = models.CharField(max_length=3, default="USD", validators=[validate_currency])
    starts_on = models.DateField(help_text="First UTC day that is paid for.")
    renews_on = models.DateField(
        null=True, blank=True, help_text="When the contract renews, to be reminded of."
    )
    ends_on = models.DateField(null=True, blank=True, help_text="Last UTC day; empty while it goes on.")
    owner = models.CharField(max_length=254, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    seats_of = models.ForeignKey(
        CostCenter,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The Cursor cost center whose seats are typed here, in place of an estimate.",
    )
    remind_days = models.PositiveSmallIntegerField(
        default=14, help_text="So many days before a renewal its owner is told; 0: never."
    )
    reminded_of = models.DateField(
        null=True, blank=True, editable=False, help_text="The renewal that was told of."
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="subscription_ends_after_start",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SubscriptionSeats(models.Model):
    """How many seats a subscription has from a UTC day on. Before the first change it has `Subscription.seats`."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="seat_changes")
    seats = models.PositiveIntegerField()
    effective_from = models.DateField()

    class Meta:
        ordering = ["effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "effective_from"], name="subscription_seats_day")
        ]

    def __str__(self) -> str:
        return f"{self.seats} seats from {self.effective_from}"

    def get_additional_data(self) -> dict[str, str]:
        """For the audit log, which asks for it by this name: whose seats."""
        return {"subscription": self.subscription.name}


class ImportedFileQuerySet(models.QuerySet["ImportedFile"]):
    def left_in(self) -> ImportedFileQuerySet:
        """Without those of deliveries that somebody left out."""
        return self.exclude(message__startswith=ImportedFile.LEFT_OUT)

    def stuck(self) -> ImportedFileQuerySet:
        """Those that wait for an answer or were refused, and that nobody left out."""
        state = ImportedFile.State
        return self.left_in().filter(state__in=(state.ASKS, state.REFUSED))


class ImportedFile(models.Model):
    """A file of a FOCUS delivery and what became of it. The files of one delivery have its name in common."""

    class State(models.TextChoices):
        FOUND = "found", "To be read"
        ASKS = "asks", "Waits for an answer"
        IMPORTED = "imported", "Imported"
        SUPERSEDED = "superseded", "Replaced by a later delivery"
        REFUSED = "refused", "Refused"

    #: How the message of a delivery begins that somebody left out: see `integrations.deliveries.findings`.
    LEFT_OUT = '{"is_left": true'

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="files")
    location = models.CharField(max_length=500)
    version = models.CharField(max_length=200, help_text="ETag, or size and modification time.")
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    delivery = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.FOUND)
    rows = models.PositiveBigIntegerField(default=0)
    message = models.TextField(blank=True)
    is_confirmed = models.BooleanField(
        default=False, help_text="Somebody has answered yes to what its delivery asks."
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    seen_at = models.DateTimeField()
    imported_at = models.DateTimeField(null=True, blank=True)

    objects = ImportedFileQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "location", "version"], name="file_location_version"
            )
        ]
        indexes = [models.Index(fields=["integration", "delivery"], name="file_delivery")]

    def __str__(self) -> str:
        return self.location
