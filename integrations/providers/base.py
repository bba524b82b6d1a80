"""What a provider is: pure code that verifies credentials and fetches records, without database or sleeping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from django import forms

from costcenters.records import LineItem
from finops.secrets import hint
from integrations.http import ApiClient, Guard, Runtime


class RecordKind(Enum):
    """What a stream holds; the engine has one generic reader for each kind.

    The first three are records of `Provider.fetch`. A stream of deliveries is FOCUS files; one of subscriptions is
    computed from what people typed.
    """

    LINE_ITEM = "line item"
    MEMBER = "member"
    PERIOD_TOTAL = "period total"
    DELIVERY = "delivery"
    SUBSCRIPTION = "subscription"


class Member(NamedTuple):
    """Somebody in the provider's team. `is_paid`: occupies a paid seat while active. `email` is in lower case."""

    external_id: str
    email: str
    name: str
    role: str
    is_active: bool
    is_paid: bool

    @property
    def key(self) -> str:
        """What tells this person from others in the team: the e-mail, else the provider's id, else the name."""
        return self.email or self.external_id or self.name


class PeriodTotal(NamedTuple):
    """The provider's own total for one user since `period_start`. None: the reply does not tell it unambiguously.

    `note` then says why, and `unclear_nano` is an amount that is either on-demand usage or all usage.
    """

    period_start: datetime
    user: str
    on_demand_nano: int | None
    included_nano: int | None
    note: str = ""
    unclear_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """`[start, end)` in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a window: its records, and how many the provider says the whole window holds."""

    records: list[LineItem] | list[Member] | list[PeriodTotal]
    total: int
    #: What a person should know, by sentence, with how many records it concerns.
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One feed of a provider. The part below `every` matters to line items only."""

    name: str
    label: str
    kind: RecordKind
    path: str
    every: timedelta = timedelta(hours=1)
    charge_types: tuple[str, ...] = ()
    reread_days: int = 3
    backfill_days: int = 365
    #: The backfill stops after so many days without anything.
    empty_days: int = 60
    longest_span: timedelta = timedelta(days=30)
    #: A span with more records than this is cut into parts of about `part_size`.
    cut_above: int = 20_000
    part_size: int = 16_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What the cheapest reads told: the key may read usage, and these are in the team.

    Of a provider without a team, `found` says in a sentence what a person should hear; `warning` is added where
    something may be amiss.
    """

    members: tuple[Member, ...] = ()
    found: str = ""
    warning: str = ""

    @property
    def active(self) -> int:
        """How many of the members are active."""
        return sum(member.is_active for member in self.members)


#: Fields of every connect form; whatever else a provider's form holds is a credential.
COMMON_FIELDS = ("name", "monthly_seat_price", "currency")


def credential_names(form: type[forms.Form] | forms.Form) -> list[str]:
    """The fields of a connect form that are credentials."""
    return [name for name in form.base_fields if name not in COMMON_FIELDS]


def secret_names(form: forms.Form) -> list[str]:
    """Of the credentials, those that must not be seen: what is typed hidden, or not echoed."""
    hidden = [name for name in credential_names(form) if not echoes(form.fields[name].widget)]
    return hidden or credential_names(form)


def echoes(widget: forms.Widget) -> bool:
    """Whether what was typed stands in the page again when the form is refused."""
    return bool(getattr(widget, "render_value", True))


def clean_text(value: object) -> str:
    """Text that any database stores: trimmed and without NUL."""
    return str(value).strip().replace("\0", "")


def identity(value: object) -> str:
    """An id, a name or an address; empty for none, for which the text "null" was seen too."""
    text = "" if value is None else clean_text(value)
    return "" if text == "null" else text


class Provider(ABC):
    """One folder below `integrations/providers/`. What has a default here suits a JSON API with one key."""

    slug: str
    name: str
    #: What its seat lines call the service.
    service: str
    #: Whether people connect it on a form of its own, from a tile in the settings.
    is_connectable: bool = True
    #: A sentence for its tile; empty: its streams are named.
    reads: str = ""
    #: By what a connection is known, in words: connecting the same twice would count everything twice.
    known_by: str = "key"

    @property
    def api_url(self) -> str:
        """Where it answers, stored on a connection when that is made."""
        return ""

    @property
    @abstractmethod
    def streams(self) -> tuple[StreamSpec, ...]: ...

    @property
    @abstractmethod
    def form(self) -> type[forms.Form]:
        """The connect form; its fields other than COMMON_FIELDS are the credentials."""

    @abstractmethod
    def secret(self, credentials: Mapping[str, str]) -> str:
        """What a connection is recognised by (its fingerprint); empty for nothing."""

    def overlaps(self, credentials: Mapping[str, str], others: Mapping[str, str]) -> bool:
        """Whether two connections of the same kind would read some of the same, though known by something else."""
        return False

    def hint(self, credentials: Mapping[str, str]) -> str:
        """What people see of the key; empty where there is none."""
        return hint(self.secret(credentials))

    def shown(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """What of the stored credentials may stand in a form that replaces them: nothing that is secret."""
        return {}

    def replaced(self, stored: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
        """The credentials once `typed` takes the place of `stored`."""
        return dict(typed)

    def holds(self, kind: RecordKind) -> bool:
        """Whether a stream of it is of that kind."""
        return any(spec.kind is kind for spec in self.streams)

    @property
    def has_members(self) -> bool:
        """Whether it tells who is in the team; without, nobody's seats are counted either."""
        return self.holds(RecordKind.MEMBER)

    @property
    def has_totals(self) -> bool:
        """Whether there are totals of its own to compare with."""
        return self.holds(RecordKind.PERIOD_TOTAL)

    @property
    def takes_files(self) -> bool:
        """Whether files are found, or can be uploaded, that are imported as deliveries."""
        return self.holds(RecordKind.DELIVERY)

    def auth(self, credentials: Mapping[str, str]) -> tuple[str, str]:
        """HTTP Basic user and password."""
        return self.secret(credentials), ""

    def open(
        self, credentials: Mapping[str, str], *, api_url: str, runtime: Runtime, guard: Guard
    ) -> AbstractContextManager[Any]:
        """What `verify` and `fetch` read from, held open while one stream is worked on."""
        return ApiClient(
            base_url=api_url,
            auth=self.auth(credentials),
            provider_name=self.name,
            runtime=runtime,
            guard=guard,
        )

    def requests_per_minute(self, path: str) -> int | None:
        """The documented or configured limit of an endpoint; None for no limit."""
        return None

    @abstractmethod
    def verify(self, source: Any, now: datetime) -> Verified:
        """Check the credentials with the cheapest reads. Raises KeyRefused, Unreachable or ContractBroken."""

    @abstractmethod
    def fetch(self, stream: str, span: Span, source: Any) -> Iterator[Page]:
        """The pages of one span, first to last."""
