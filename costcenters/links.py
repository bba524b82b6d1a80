"""Addresses that carry a question: the explorer, its export, its line items, the same by API."""

from __future__ import annotations

from django.urls import reverse

from costcenters.cost_query import CostQuery, encode
from costcenters.presentation import Presentation

AS_EVER = Presentation()


def explorer_url(query: CostQuery, shown: Presentation = AS_EVER) -> str:
    return f"{reverse('explorer')}?{encode([*query.parameters(), *shown.parameters()])}"


def csv_url(query: CostQuery) -> str:
    return f"{reverse('explorer-csv')}?{query.query_string()}"


def line_items_url(query: CostQuery) -> str:
    """The line items that add up to the query's total: its span, filters and currency, whatever it groups by."""
    return f"{reverse('line-items')}?{query.query_string()}"


def api_url(query: CostQuery) -> str:
    """The same report by API, as a path."""
    return f"{reverse('api-costs')}?{query.query_string()}"
