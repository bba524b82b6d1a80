from __future__ import annotations

from django.urls import path

from finops.people import views

urlpatterns = [
    path("", views.people, name="people"),
    path("invite/", views.invite, name="person-invite"),
    path("<int:person>/", views.person, name="person"),
    path("<int:person>/role/", views.change_role, name="person-role"),
    path("<int:person>/deactivate/", views.deactivate, name="person-deactivate"),
    path("<int:person>/reactivate/", views.reactivate, name="person-reactivate"),
    path("<int:person>/invite-again/", views.invite_again, name="person-invite-again"),
    path("<int:person>/withdraw/", views.withdraw, name="person-withdraw"),
    path("<int:person>/unlock/", views.unlock, name="person-unlock"),
]
