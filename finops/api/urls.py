"""Every address of the API, below `/api/`."""

from __future__ import annotations

from django.urls import path

from costcenters.api.cost_centers import CostCentersView
from costcenters.api.costs import CostsView
from costcenters.api.dimensions import DimensionsView, DimensionValuesView
from costcenters.api.line_items import LineItemsView
from costcenters.api.saved_views import SavedViewsView
from costcenters.exports.api import FocusExportView
from finops.api.docs import SchemaView, docs
from finops.api.me import MeView
from finops.audit_log.api import AuditLogView
from finops.tokens.api import TokensView
from integrations.api.deliveries import DeliveriesView, FilesView
from integrations.api.integrations import IntegrationsView
from integrations.api.members import MembersView
from integrations.api.providers import ProvidersView
from integrations.api.reconciliation import ReconciliationView
from integrations.api.runs import SyncRunsView
from integrations.api.seat_prices import SeatPricesView
from integrations.api.subscriptions import SubscriptionsView

urlpatterns = [
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", docs, name="api-docs"),
    path("v1/me/", MeView.as_view(), name="api-me"),
    path("v1/tokens/", TokensView.as_view({"get": "list", "post": "create"}), name="api-tokens"),
    path(
        "v1/tokens/<uuid:api_token>/",
        TokensView.as_view({"get": "retrieve", "delete": "destroy"}),
        name="api-tokens-detail",
    ),
    path("v1/audit-log/", AuditLogView.as_view(), name="api-audit-log"),
    path("v1/cost-centers/", CostCentersView.as_view({"get": "list"}), name="api-cost-centers"),
    path(
        "v1/cost-centers/<int:pk>/",
        CostCentersView.as_view({"get": "retrieve"}),
        name="api-cost-centers-detail",
    ),
    path("v1/costs/", CostsView.as_view(), name="api-costs"),
    path("v1/line-items/", LineItemsView.as_view(), name="api-line-items"),
    path("v1/dimensions/", DimensionsView.as_view(), name="api-dimensions"),
    path("v1/dimensions/<path:key>/", DimensionValuesView.as_view(), name="api-dimensions-detail"),
    path("v1/views/", SavedViewsView.as_view({"get": "list", "post": "create"}), name="api-views"),
    path(
        "v1/views/<int:pk>/",
        SavedViewsView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-views-detail",
    ),
    path("v1/exports/focus/", FocusExportView.as_view(), name="api-export-focus"),
    path(
        "v1/seat-prices/",
        SeatPricesView.as_view({"get": "list", "post": "create"}),
        name="api-seat-prices",
    ),
    path(
        "v1/seat-prices/<int:pk>/",
        SeatPricesView.as_view({"get": "retrieve", "delete": "destroy"}),
        name="api-seat-prices-detail",
    ),
    path("v1/members/", MembersView.as_view({"get": "list"}), name="api-members"),
    path("v1/members/<int:pk>/", MembersView.as_view({"get": "retrieve"}), name="api-members-detail"),
    path(
        "v1/subscriptions/",
        SubscriptionsView.as_view({"get": "list", "post": "create"}),
        name="api-subscriptions",
    ),
    path(
        "v1/subscriptions/count-again/",
        SubscriptionsView.as_view({"post": "count_again"}),
        name="api-subscriptions-count-again",
    ),
    path(
        "v1/subscriptions/<int:pk>/",
        SubscriptionsView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-subscriptions-detail",
    ),
    path(
        "v1/subscriptions/<int:pk>/terms/",
        SubscriptionsView.as_view({"post": "terms"}),
        name="api-subscriptions-terms",
    ),
    path(
        "v1/subscriptions/<int:pk>/end/",
        SubscriptionsView.as_view({"post": "end"}),
        name="api-subscriptions-end",
    ),
    path(
        "v1/subscriptions/<int:pk>/seats/",
        SubscriptionsView.as_view({"post": "seats"}),
        name="api-subscriptions-seats",
    ),
    path(
        "v1/subscriptions/<int:pk>/seats/<int:change>/",
        SubscriptionsView.as_view({"delete": "withdraw_seats"}),
        name="api-subscriptions-seats-detail",
    ),
    path("v1/providers/", ProvidersView.as_view({"get": "list"}), name="api-providers"),
    path(
        "v1/providers/<slug:provider>/",
        ProvidersView.as_view({"get": "retrieve"}),
        name="api-providers-detail",
    ),
    path(
        "v1/integrations/",
        IntegrationsView.as_view({"get": "list", "post": "create"}),
        name="api-integrations",
    ),
    path(
        "v1/integrations/<int:pk>/",
        IntegrationsView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-integrations-detail",
    ),
    path(
        "v1/integrations/<int:pk>/rotate-key/",
        IntegrationsView.as_view({"post": "rotate_key"}),
        name="api-integrations-rotate-key",
    ),
    path(
        "v1/integrations/<int:pk>/verify/",
        IntegrationsView.as_view({"post": "verify"}),
        name="api-integrations-verify",
    ),
    path(
        "v1/integrations/<int:pk>/sync/",
        IntegrationsView.as_view({"post": "sync"}),
        name="api-integrations-sync",
    ),
    path(
        "v1/integrations/<int:pk>/read-again/",
        IntegrationsView.as_view({"post": "read_again"}),
        name="api-integrations-read-again",
    ),
    path(
        "v1/integrations/<int:pk>/runs/",
        SyncRunsView.as_view({"get": "of_integration"}),
        name="api-integrations-runs",
    ),
    path("v1/sync-runs/", SyncRunsView.as_view({"get": "list"}), name="api-sync-runs"),
    path("v1/sync-runs/<int:pk>/", SyncRunsView.as_view({"get": "retrieve"}), name="api-sync-runs-detail"),
    path(
        "v1/integrations/<int:pk>/files/",
        FilesView.as_view({"get": "list", "post": "create"}),
        name="api-integrations-files",
    ),
    path(
        "v1/integrations/<int:pk>/reconciliation/",
        ReconciliationView.as_view(),
        name="api-integrations-reconciliation",
    ),
    path(
        "v1/deliveries/<int:file>/",
        DeliveriesView.as_view({"get": "retrieve"}),
        name="api-deliveries-detail",
    ),
    path(
        "v1/deliveries/<int:file>/import/",
        DeliveriesView.as_view({"post": "import_anyway"}),
        name="api-deliveries-import",
    ),
    path(
        "v1/deliveries/<int:file>/leave/",
        DeliveriesView.as_view({"post": "leave"}),
        name="api-deliveries-leave",
    ),
    path(
        "v1/deliveries/<int:file>/again/",
        DeliveriesView.as_view({"post": "again"}),
        name="api-deliveries-again",
    ),
]

for _address in urlpatterns:
    # To add the slash that somebody forgot would turn what is sent into a GET: the 404 names the right address.
    _address.callback.should_append_slash = False  # type: ignore[attr-defined]
