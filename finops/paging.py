"""Long lists, newest first, paged by place instead of by number: a page costs the same wherever it is in the list."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Later instants are nobody's: adding a day to them must not fail.
LATEST = datetime(2200, 1, 2, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST_ID = 2**63 - 1
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the order of a list: by instant, then by id. There need not be a row at it."""

    instant: datetime
    identity: int

    @property
    def day(self) -> date:
        return self.instant.astimezone(UTC).date()

    def __str__(self) -> str:
        """Opaque text for addresses, read by `parse`."""
        text = f"{(self.instant - EPOCH) // MICROSECOND}.{self.identity}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ValueError for what no `str()` of a position gives."""
        if not text.isascii():
            raise ValueError("not a position")
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = re.fullmatch(rb"(\d{1,16})\.(\d{1,19})", decoded)
        if not found or int(found[2]) > LARGEST_ID:
            raise ValueError("not a position")
        position = cls(EPOCH + int(found[1]) * MICROSECOND, int(found[2]))
        if position.instant >= LATEST or str(position) != text:
            raise ValueError("not a position")
        return position


def above(position: Position, field: str) -> Q:
    """What is newer. `field` is the name of the rows' instant."""
    return Q(**{f"{field}__gt": position.instant}) | Q(
        **{field: position.instant, "pk__gt": position.identity}
    )


def below(position: Position, field: str) -> Q:
    return Q(**{f"{field}__lt": position.instant}) | Q(
        **{field: position.instant, "pk__lt": position.identity}
    )


def newer_than(position: Position, field: str) -> Q:
    """As `above`, for an index on the instant alone: the first condition bounds it."""
    return Q(**{f"{field}__gte": position.instant}) & above(position, field)


def older_than(position: Position, field: str) -> Q:
    return Q(**{f"{field}__lte": position.instant}) & below(position, field)


class PositionField(forms.CharField):
    """A point in a list, as the links to its other pages spell it; None where it is left out."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=60, widget=forms.HiddenInput)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return Position.parse(text) if text else None
        except ValueError:
            raise ValidationError(
                "Is no position in the list: follow its links to newer and older pages."
            ) from None


class PagedForm(forms.Form):
    """A form of filters: `after` asks for what is older than a point in the list, `before` for what is newer."""

    after = PositionField()
    before = PositionField()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("after") and cleaned.get("before"):
            self.add_error("before", "Cannot be given together with after.")
        return cleaned


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Row]):
    """`rows`, newest first. `newer` and `older` are where the pages beside it begin: None where there is none."""

    rows: list[Row]
    newer: Position | None
    older: Position | None


def keyset_page(
    found: QuerySet[Row], field: str, *, size: int, after: Position | None, before: Position | None
) -> KeysetPage[Row]:
    """One page of `found`, whose rows carry their instant in `field`; without a place the newest."""
    if before is not None:
        found = found.filter(newer_than(before, field)).order_by(field, "pk")
    else:
        found = found.order_by(f"-{field}", "-pk")
        if after is not None:
            found = found.filter(older_than(after, field))
    rows = list(found[: size + 1])
    is_more, rows = len(rows) > size, rows[:size]
    has_newer, has_older = after is not None, is_more
    if before is not None:
        rows.reverse()
        has_newer, has_older = is_more, True

    def place(row: Row) -> Position:
        return Position(getattr(row, field), row.pk)

    return KeysetPage(
        rows,
        newer=place(rows[0]) if rows and has_newer else None,
        older=place(rows[-1]) if rows and has_older else None,
    )
