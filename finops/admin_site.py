from __future__ import annotations

from django.contrib.admin import AdminSite


class OnebillAdminSite(AdminSite):
    site_header = site_title = "Onebill"
