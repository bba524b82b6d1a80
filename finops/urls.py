from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import PasswordResetView
from django.urls import include, path

from costcenters.api import CostsView
from finops import health
from finops.password_reset import ThrottledPasswordResetForm
from integrations.views import help_cursor

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(
        "accounts/password_reset/",
        PasswordResetView.as_view(form_class=ThrottledPasswordResetForm),
        name="password_reset",
    ),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/costs/", CostsView.as_view(), name="api-costs"),
    path("", include("costcenters.urls")),
    path("help/cursor/", help_cursor, name="help-cursor"),
    path("settings/cost-centers/", include("integrations.urls")),
]

handler400 = "finops.api.bad_request"
handler404 = "finops.api.page_not_found"
handler500 = "finops.api.server_error"
