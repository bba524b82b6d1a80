"""The registry of providers: one line each."""

from __future__ import annotations

from integrations.providers.base import Provider
from integrations.providers.cursor import Cursor

PROVIDERS: dict[str, Provider] = {provider.slug: provider for provider in (Cursor(),)}
