"""Pages of lists, by place instead of by number: a page costs the same wherever it is."""

from __future__ import annotations

from typing import Any, Literal

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from finops.api.problems import InvalidParameters
from finops.paging import LARGEST_ID

#: Oldest or newest rows first.
Order = Literal["id", "-id"]


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
        place = "0" if cursor is None or cursor.position is None else str(cursor.position)
        if not (place.isascii() and place.isdecimal() and len(place) < 20 and int(place) <= LARGEST_ID):
            raise _no_place()
        return cursor


def _no_place() -> InvalidParameters:
    return InvalidParameters([("cursor", "Is no place in this list: follow its `next` and `previous`.")])
