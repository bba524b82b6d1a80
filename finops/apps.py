from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class FinopsConfig(AppConfig):
    name = "finops"
    verbose_name = "Onebill"


class OnebillAdminConfig(AdminConfig):
    default_site = "finops.admin_site.OnebillAdminSite"

    def ready(self) -> None:
        super().ready()
        from finops.admin import replace_stock_pages

        replace_stock_pages()
