"""What leads to a question: addresses of the explorer, its export, its line items and the API; texts and figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from costcenters.cost_query import CostQuery, encode
from costcenters.display.figures import Shown
from costcenters.presentation import Presentation

AS_EVER = Presentation()


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class LinkedFigure:
    """A figure, and where the explorer shows it."""

    figure: Shown
    url: str


def explorer_url(query: CostQuery, shown: Presentation = AS_EVER) -> str:
    return f"{reverse('explorer')}?{encode([*query.parameters(), *shown.parameters()])}"


def csv_url(query: CostQuery) -> str:
    return f"{reverse('explorer-csv')}?{query.query_string()}"


def line_items_url(
    query: CostQuery, shown: Presentation = AS_EVER, place: Iterable[tuple[str, str]] = ()
) -> str:
    """The line items that add up to the query's total: its span, filters and currency, whatever it groups by.

    `shown` is kept for the way back; `place` are parameters of the list alone.
    """
    return f"{reverse('line-items')}?{encode([*query.parameters(), *shown.parameters(), *place])}"


def api_url(query: CostQuery) -> str:
    """The same report by API, as a path."""
    return f"{reverse('api-costs')}?{query.query_string()}"
