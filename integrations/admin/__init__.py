"""Connections in the Django admin, for daily support work: what may be changed is changed as on the product's pages."""

from __future__ import annotations

from integrations.admin import connections, cost_centers, ledgers, subscriptions

__all__ = ["connections", "cost_centers", "ledgers", "subscriptions"]
