"""The rows of a batch as line items: columns of dirty text in, rows of the bill out, problems and notes aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from costcenters.focus.coded import Coded
from costcenters.focus.columns import CHARGE_TYPES, COSTS, FIELDS, OWN_COLUMNS
from costcenters.focus.costs import CostReader
from costcenters.focus.details import details
from costcenters.focus.files import Batch
from costcenters.focus.reading import Badness, Memory, Reading
from costcenters.focus.tags import TagReader, nested_pairs
from costcenters.focus.values import (
    Unfit,
    charge_category,
    currency,
    flag,
    instant,
    month_later,
    month_start,
    own_charge_type,
    shortened,
    whole,
)
from costcenters.models import Statement
from costcenters.records import LIMITS, Row

TOKENS = ("x_InputTokens", "x_OutputTokens", "x_CacheWriteTokens", "x_CacheReadTokens")
LONGEST_ACCOUNT: int = Statement._meta.get_field("billing_account").max_length or 0
LONGEST_NAME: int = Statement._meta.get_field("billing_account_name").max_length or 0


class Place(NamedTuple):
    """Where a line belongs: the unit that is replaced, and the day. Instants as the bill stores them."""

    cost_center: str
    currency: str
    account: str
    period_start: str
    day: str
    account_name: str
    period_end: str
    provider: str


class Lines(NamedTuple):
    """Line items, where each belongs, and what its costs were before they were rounded, None where none was."""

    rows: Iterable[Row]
    places: Coded
    exact: Iterable[tuple[Any, ...]] | None


class RowReader:
    """Reads the batches of all files of a delivery, in their order. `notes` are for people."""

    def __init__(self, *, by_cost_center: bool) -> None:
        self._by_cost_center = by_cost_center
        self._tags, self._costs, self._memory = TagReader(), CostReader(), Memory()
        self._counts: Counter[str] = Counter()

    @property
    def notes(self) -> list[str]:
        return [*self._counts, *sorted(self._tags.notes)]

    def read(self, batch: Batch, badness: Badness) -> Lines | None:
        """The rows, each with its Place. None as soon as anything in the file is bad."""
        reading = Reading(batch, badness, self._memory, self._counts)
        starts = reading.required("ChargePeriodStart", instant)
        days = starts.mapped(lambda moment: moment[:10]).merged()
        places = self._places(reading, days)
        charge_types = self._charge_types(reading)
        fields = {name: self._field(reading, name) for name in FIELDS}
        tokens = [reading.optional(name, whole, empty=0) for name in TOKENS]
        estimated = reading.optional("x_IsEstimated", flag, empty=0)
        tags = self._tag_sets(reading)
        written = details(reading, fields, starts)
        costs = self._costs.read(reading)
        if badness.total:
            badness.settle()
            return None
        rows = batch.rows
        columns = [
            *(days, starts, charge_types),
            *(fields[name] for name in ("service", "model", "kind", "surface", "user", "account", "region")),
            *(fields["resource"], *tokens, fields["quantity"], fields["unit"]),
        ]
        amounts = [self._costs.settled(name, costs[name], fields["service"], rows) for name in COSTS]
        found = zip(
            *(column.spread(rows) for column in columns),
            *amounts,
            estimated.spread(rows),
            tags.spread(rows),
            written,
            strict=True,
        )
        exact = None
        if any(type(value) is tuple for name in COSTS for value in costs[name].values):
            exact = zip(*(costs[name].spread(rows) for name in COSTS), strict=True)
        return Lines(found, places, exact)

    def _places(self, reading: Reading, days: Coded) -> Coded:
        centers = Coded.constant(("", ""))
        if self._by_cost_center:
            centers = reading.text("x_CostCenter").with_(reading.text("x_Provider"), lambda *both: both)
        accounts = reading.parsed("BillingAccountId", _account, reading.text("BillingAccountId"))
        names = reading.text("BillingAccountName").mapped(lambda text: shortened(text, LONGEST_NAME))
        start = reading.parsed("BillingPeriodStart", instant, reading.text("BillingPeriodStart"))
        end = reading.parsed("BillingPeriodEnd", instant, reading.text("BillingPeriodEnd"))
        if reading.has("BillingPeriodStart") and "" in start.values:
            reading.notes["BillingPeriodStart is empty in some rows: the calendar month is taken there."] += 1
        periods = start.with_(end, lambda *both: both).merged()
        for place, (begins, ends) in enumerate(periods.values):
            if begins and ends and ends <= begins:
                reading.refuse(
                    "BillingPeriodEnd",
                    periods.mapped(lambda both: both[1]),
                    {place: "Is not after BillingPeriodStart."},
                )
        owners = centers.with_(reading.required("BillingCurrency", currency), lambda *both: both)
        owners = owners.with_(accounts.with_(names, lambda *both: both), lambda *both: both).merged()
        when = periods.with_(days, _period)
        return owners.with_(when, _place)

    def _charge_types(self, reading: Reading) -> Coded:
        found = reading.required("ChargeCategory", charge_category).mapped(
            lambda text: CHARGE_TYPES.get(text, "")
        )
        if reading.has("x_ChargeType"):
            own = reading.text("x_ChargeType").mapped(own_charge_type)
            return own.with_(found, lambda mine, other: mine or other)
        return found

    def _field(self, reading: Reading, name: str) -> Coded:
        found = reading.first_of(FIELDS[name])
        limit = LIMITS[name]
        if name == "user":
            # An e-mail address is the same in any case; a service account's name is kept.
            found = found.mapped(lambda text: text.lower() if "@" in text else text)
        own = FIELDS[name][0]
        if own in OWN_COLUMNS and own in reading.batch.columns and reading.has("x_Provider"):
            # A row that we wrote says what the field held, even where that is nothing.
            both = reading.text(own).with_(found, lambda mine, first: (mine, first))
            found = self._ours(reading).with_(both, lambda ours, pair: pair[0] if ours else pair[1]).merged()
        if max(map(len, found.values)) > limit:
            column = next(each for each in FIELDS[name] if reading.has(each))
            reading.notes[
                f"{column} is longer than {limit} characters in some rows: it is cut there. "
                "The details keep all of it."
            ] += 1
            found = found.mapped(lambda text: shortened(text, limit))
        return found

    def _ours(self, reading: Reading) -> Coded:
        """Of each row whether we wrote it: others may have a column of one of these names."""
        charge_type = reading.text("x_ChargeType").mapped(own_charge_type)
        return charge_type.with_(reading.text("x_Provider"), lambda *both: all(both)).merged()

    def _tag_sets(self, reading: Reading) -> Coded:
        from pyarrow import types

        array = reading.batch.columns.get("Tags")
        if array is None:
            return Coded.constant("")
        if types.is_nested(array.type):
            return nested_pairs(array).mapped(self._tags.canonical).merged()
        return reading.parsed("Tags", self._tags.read, reading.text("Tags"))


def _account(text: str) -> str:
    if len(text) > LONGEST_ACCOUNT:
        raise Unfit(f"Is longer than {LONGEST_ACCOUNT} characters.")
    return text


def _period(given: tuple[str, str], day: str) -> tuple[str, str, str]:
    """Without one of its own, a charge belongs to the calendar month in which it begins."""
    start = given[0] or (month_start(day) if day else "")
    return start, given[1] or (month_later(start) if start else ""), day


def _place(owner: tuple[tuple[tuple[str, str], str], tuple[str, str]], when: tuple[str, str, str]) -> Place:
    ((center, provider), code), (account, name) = owner
    start, end, day = when
    return Place(center, code, account, start, day, name, end, provider)
