"""Azure: exports of Cost Management in FOCUS format, copied to a folder or a bucket."""

from __future__ import annotations

from django import forms

from integrations.providers.focus_files import FocusFiles
from integrations.providers.focus_files.forms import ConnectFilesForm


class ConnectAzureForm(ConnectFilesForm):
    proposed_name = "Azure"
    example = "/srv/focus/azure"


class Azure(FocusFiles):
    slug = "azure"
    name = "Azure"
    service = "Azure"
    reads = (
        "Reads the FOCUS files that Cost Management exports, from a folder or a bucket they are copied to."
    )

    @property
    def form(self) -> type[forms.Form]:
        return ConnectAzureForm
