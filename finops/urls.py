from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import PasswordResetView
from django.urls import include, path

from finops import health
from finops.password_reset import ThrottledPasswordResetForm

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
    path("", include("costcenters.urls")),
    path("settings/cost-centers/", include("integrations.urls")),
]
