from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, PasswordResetView
from django.urls import include, path

from finops import health, notifications
from finops.audit_log import views as audit_log
from finops.password_reset import ForgottenPassword, ThrottledPasswordResetForm
from finops.people.views import AcceptInvitation
from finops.sessions import nobody_yet
from finops.tokens import views as tokens
from integrations.views import help_cursor

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(
        "accounts/password_reset/",
        PasswordResetView.as_view(form_class=ThrottledPasswordResetForm),
        name="password_reset",
    ),
    path("accounts/login/", LoginView.as_view(extra_context={"nobody_yet": nobody_yet}), name="login"),
    path("accounts/reset/<uidb64>/<token>/", ForgottenPassword.as_view(), name="password_reset_confirm"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("finops.api.urls")),
    path("", include("costcenters.urls")),
    path("help/cursor/", help_cursor, name="help-cursor"),
    path("settings/cost-centers/", include("integrations.urls")),
    path("settings/subscriptions/", include("integrations.subscriptions.urls")),
    path("settings/notifications/", notifications.notifications, name="notifications"),
    path("settings/notifications/test/", notifications.send_test_email, name="notifications-test"),
    path("notifications/stop/<str:token>/", notifications.stop, name="notifications-stop"),
    path("settings/people/", include("finops.people.urls")),
    path("invitation/<str:uidb64>/<str:token>/", AcceptInvitation.as_view(), name="invitation"),
    path("settings/tokens/", tokens.tokens, name="tokens"),
    path("settings/tokens/<uuid:api_token>/revoke/", tokens.revoke, name="token-revoke"),
    path("settings/audit-log/", audit_log.audit_log, name="audit-log"),
    path("settings/audit-log/export.csv", audit_log.audit_log_csv, name="audit-log-csv"),
]

handler400 = "finops.api.problems.bad_request"
handler404 = "finops.api.problems.page_not_found"
handler500 = "finops.api.problems.server_error"
