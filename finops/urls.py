from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from finops import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("", include("costcenters.urls")),
    path("settings/cost-centers/", include("integrations.urls")),
]
