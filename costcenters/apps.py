from __future__ import annotations

from django.apps import AppConfig


class CostcentersConfig(AppConfig):
    name = "costcenters"
    verbose_name = "Cost centers"
