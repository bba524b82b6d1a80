from __future__ import annotations

from django.urls import path

from integrations import views

urlpatterns = [
    path("", views.cost_centers, name="cost-centers"),
    path("connect/<slug:provider>/", views.connect, name="connect"),
    path("<int:pk>/", views.cost_center, name="cost-center"),
    path("<int:pk>/progress/", views.cost_center_progress, name="cost-center-progress"),
]
