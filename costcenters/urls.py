from __future__ import annotations

from django.urls import path

from costcenters import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("explorer/", views.explorer, name="explorer"),
    path("explorer/export.csv", views.explorer_csv, name="explorer-csv"),
    path("explorer/values/", views.explorer_values, name="explorer-values"),
]
