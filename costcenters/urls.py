from __future__ import annotations

from django.urls import path

from costcenters import views
from costcenters.exports import views as exports
from costcenters.saved_views import pages as saved_view_pages

urlpatterns = [
    path("", views.overview, name="overview"),
    path("settings/exports/", exports.exports, name="exports"),
    path("settings/exports/focus/", exports.export_focus, name="export-focus"),
    path("explorer/", views.explorer, name="explorer"),
    path("explorer/export.csv", views.explorer_csv, name="explorer-csv"),
    path("explorer/values/<path:key>/", views.explorer_values, name="explorer-values"),
    path("explorer/line-items/", views.line_items, name="line-items"),
    path("explorer/views/", saved_view_pages.saved_views, name="saved-views"),
    path("explorer/views/new/", saved_view_pages.save_view, name="saved-view-new"),
    path("explorer/views/<int:pk>/rename/", saved_view_pages.rename_view, name="saved-view-rename"),
    path("explorer/views/<int:pk>/change/", saved_view_pages.change_view, name="saved-view-change"),
    path("explorer/views/<int:pk>/update/", saved_view_pages.update_view, name="saved-view-update"),
    path("explorer/views/<int:pk>/delete/", saved_view_pages.delete_view, name="saved-view-delete"),
    path("explorer/views/<int:pk>/tile/", saved_view_pages.saved_view_tile, name="saved-view-tile"),
]
