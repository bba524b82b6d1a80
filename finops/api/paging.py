"""Pages of lists, by place instead of by number: a page costs the same wherever it is."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Literal

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from finops.api.problems import InvalidParameters
from finops.paging import EPOCH, LARGEST_ID, LATEST

#: Oldest or newest rows first; by the instant `created` where ids have no order.
Order = Literal["id", "-id", "-created"]


class Pages(CursorPagination):
    """`{"results": […], "next": address or null, "previous": address or null}`."""

    def __init__(self, order: Order, *, limit: int) -> None:
        self.ordering, self._limit = order, limit

    def get_page_size(self, request: Request) -> int:
        return self._limit

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise _no_place() from None
        if cursor is not None and not any(cursor):
            # Such as one that was cut off: it would lead to the first page once more.
            raise _no_place()
        place = None if cursor is None else cursor.position
        is_place = _is_instant if "-created" in self.ordering else _is_id
        if place is not None and not is_place(str(place)):
            raise _no_place()
        return cursor


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_ID


def _is_instant(text: str) -> bool:
    """As a page's own cursor spells it: with its offset."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return False
    return found is not None and found.tzinfo is UTC and EPOCH <= found < LATEST


def _no_place() -> InvalidParameters:
    return InvalidParameters([("cursor", "Is no place in this list: follow its `next` and `previous`.")])
