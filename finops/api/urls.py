"""Every address of the API, below `/api/`."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from costcenters.api.costs import CostsView
from costcenters.exports.api import FocusExportView
from finops.api.me import MeView

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("v1/me/", MeView.as_view(), name="api-me"),
    path("v1/costs/", CostsView.as_view(), name="api-costs"),
    path("v1/exports/focus/", FocusExportView.as_view(), name="api-export-focus"),
]
