from __future__ import annotations

from django.urls import path

from integrations import views
from integrations.deliveries import views as deliveries
from integrations.editing import actions, seat_views
from integrations.editing import views as editing

urlpatterns = [
    path("", views.cost_centers, name="cost-centers"),
    path("connect/<slug:provider>/", views.connect, name="connect"),
    path("<int:pk>/", views.cost_center, name="cost-center"),
    path("<int:pk>/progress/", views.cost_center_progress, name="cost-center-progress"),
    path("<int:pk>/members/", views.cost_center_members, name="cost-center-members"),
    path("<int:pk>/runs/", views.cost_center_runs, name="cost-center-runs"),
    path("<int:center>/files/", deliveries.files, name="cost-center-files"),
    path("<int:center>/files/upload/", deliveries.upload, name="cost-center-files-upload"),
    path("<int:center>/files/<int:file>/", deliveries.delivery, name="delivery"),
    path("<int:center>/files/<int:file>/import/", deliveries.import_anyway, name="delivery-import"),
    path("<int:center>/files/<int:file>/leave/", deliveries.leave, name="delivery-leave"),
    path("<int:center>/files/<int:file>/again/", deliveries.try_again, name="delivery-again"),
    path("<int:pk>/reconciliation/", views.reconciliation, name="reconciliation"),
    path("<int:pk>/reconciliation.csv", views.reconciliation_table, name="reconciliation-csv"),
    path("<int:pk>/edit/", editing.edit, name="cost-center-edit"),
    path("<int:pk>/key/", editing.key, name="cost-center-key"),
    path("<int:pk>/seats/", seat_views.seats, name="cost-center-seats"),
    path(
        "<int:pk>/seats/<int:price>/delete/",
        seat_views.seat_price_delete,
        name="cost-center-seat-price-delete",
    ),
    path("<int:pk>/read-again/", editing.read_again, name="cost-center-read-again"),
    path("<int:pk>/remove/", editing.remove, name="cost-center-remove"),
    path("<int:pk>/sync/", actions.sync, name="cost-center-sync"),
    path("<int:pk>/test/", actions.test, name="cost-center-test"),
    path("<int:pk>/pause/", actions.pause, name="cost-center-pause"),
    path("<int:pk>/resume/", actions.resume, name="cost-center-resume"),
]
