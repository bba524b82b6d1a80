from __future__ import annotations

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"

    def ready(self) -> None:
        from costcenters.models import PROVIDER_LABELS
        from integrations import audit
        from integrations.providers import PROVIDERS

        audit.register()
        for provider in PROVIDERS.values():
            PROVIDER_LABELS.setdefault(provider.slug, provider.name)
