"""Who may ask what of the API: its one table, address × method → what whoever asks must hold.

A token reaches as far as its scope besides. A new address or method needs its place here: until it has one, a test
names it.
"""

from __future__ import annotations

from costcenters.access import CONNECT_COST_CENTERS, DISCONNECT_COST_CENTERS, MANAGE_PEOPLE, VIEW_REPORTS

ANYBODY = ""
#: The least role that holds a permission; "" for everybody with an account.
LEAST_ROLE = {
    ANYBODY: "",
    VIEW_REPORTS: "Viewer",
    CONNECT_COST_CENTERS: "Editor",
    DISCONNECT_COST_CENTERS: "Admin",
    MANAGE_PEOPLE: "Admin",
}
#: The least scope of a token with which a permission can be used. What changes something takes `write` at least.
LEAST_SCOPE = {
    ANYBODY: "read",
    VIEW_REPORTS: "read",
    CONNECT_COST_CENTERS: "write",
    DISCONNECT_COST_CENTERS: "admin",
    MANAGE_PEOPLE: "admin",
}
API: dict[str, dict[str, str]] = {
    "api-schema": {"GET": ANYBODY},
    "api-me": {"GET": ANYBODY},
    "api-tokens": {"GET": ANYBODY, "POST": ANYBODY},
    "api-tokens-detail": {"GET": ANYBODY, "DELETE": ANYBODY},
    "api-audit-log": {"GET": MANAGE_PEOPLE},
    "api-cost-centers": {"GET": VIEW_REPORTS},
    "api-cost-centers-detail": {"GET": VIEW_REPORTS},
    "api-costs": {"GET": VIEW_REPORTS},
    "api-line-items": {"GET": VIEW_REPORTS},
    "api-dimensions": {"GET": VIEW_REPORTS},
    "api-dimensions-detail": {"GET": VIEW_REPORTS},
    "api-views": {"GET": VIEW_REPORTS, "POST": VIEW_REPORTS},
    "api-views-detail": {"GET": VIEW_REPORTS, "PATCH": VIEW_REPORTS, "DELETE": VIEW_REPORTS},
    "api-export-focus": {"GET": VIEW_REPORTS},
    "api-seat-prices": {"GET": VIEW_REPORTS, "POST": CONNECT_COST_CENTERS},
    "api-seat-prices-detail": {"GET": VIEW_REPORTS, "DELETE": CONNECT_COST_CENTERS},
    "api-members": {"GET": VIEW_REPORTS},
    "api-members-detail": {"GET": VIEW_REPORTS},
    "api-subscriptions": {"GET": VIEW_REPORTS, "POST": CONNECT_COST_CENTERS},
    "api-subscriptions-count-again": {"POST": CONNECT_COST_CENTERS},
    "api-subscriptions-detail": {
        "GET": VIEW_REPORTS,
        "PATCH": CONNECT_COST_CENTERS,
        "DELETE": DISCONNECT_COST_CENTERS,
    },
    "api-subscriptions-terms": {"POST": CONNECT_COST_CENTERS},
    "api-subscriptions-end": {"POST": CONNECT_COST_CENTERS},
    "api-subscriptions-seats": {"POST": CONNECT_COST_CENTERS},
    "api-subscriptions-seats-detail": {"DELETE": CONNECT_COST_CENTERS},
    "api-providers": {"GET": VIEW_REPORTS},
    "api-providers-detail": {"GET": VIEW_REPORTS},
    "api-integrations": {"GET": VIEW_REPORTS, "POST": CONNECT_COST_CENTERS},
    "api-integrations-detail": {
        "GET": VIEW_REPORTS,
        "PATCH": CONNECT_COST_CENTERS,
        "DELETE": DISCONNECT_COST_CENTERS,
    },
    "api-integrations-rotate-key": {"POST": CONNECT_COST_CENTERS},
    "api-integrations-verify": {"POST": CONNECT_COST_CENTERS},
    "api-integrations-sync": {"POST": CONNECT_COST_CENTERS},
    "api-integrations-read-again": {"POST": CONNECT_COST_CENTERS},
    "api-integrations-runs": {"GET": VIEW_REPORTS},
    "api-sync-runs": {"GET": VIEW_REPORTS},
    "api-sync-runs-detail": {"GET": VIEW_REPORTS},
    "api-integrations-files": {"GET": VIEW_REPORTS, "POST": CONNECT_COST_CENTERS},
    "api-integrations-reconciliation": {"GET": VIEW_REPORTS},
    "api-deliveries-detail": {"GET": VIEW_REPORTS},
    "api-deliveries-import": {"POST": CONNECT_COST_CENTERS},
    "api-deliveries-leave": {"POST": CONNECT_COST_CENTERS},
    "api-deliveries-again": {"POST": CONNECT_COST_CENTERS},
}
