"""The registry of providers: one line each."""

from __future__ import annotations

from integrations.providers.aws import Aws
from integrations.providers.azure import Azure
from integrations.providers.base import Provider
from integrations.providers.cursor import Cursor
from integrations.providers.focus_files import FocusFiles
from integrations.providers.gcp import Gcp
from integrations.providers.subscriptions import Subscriptions

PROVIDERS: dict[str, Provider] = {
    provider.slug: provider for provider in (Cursor(), Aws(), Gcp(), Azure(), FocusFiles(), Subscriptions())
}
