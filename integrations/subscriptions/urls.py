from __future__ import annotations

from django.urls import path

from integrations.subscriptions import views

urlpatterns = [
    path("", views.subscriptions, name="subscriptions"),
    path("add/", views.add, name="subscription-add"),
    path("count-again/<int:pk>/", views.count_again, name="subscriptions-count-again"),
    path("<int:pk>/", views.subscription, name="subscription"),
    path("<int:pk>/edit/", views.edit, name="subscription-edit"),
    path("<int:pk>/terms/", views.new_terms, name="subscription-terms"),
    path("<int:pk>/seats/", views.seats, name="subscription-seats"),
    path(
        "<int:pk>/seats/<int:change>/withdraw/",
        views.seats_withdraw,
        name="subscription-seats-withdraw",
    ),
    path("<int:pk>/end/", views.end, name="subscription-end"),
    path("<int:pk>/delete/", views.delete, name="subscription-delete"),
]
