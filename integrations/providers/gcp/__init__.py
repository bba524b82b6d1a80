"""GCP: the FOCUS table of Cloud Billing in BigQuery, exported to a bucket."""

from __future__ import annotations

from django import forms

from integrations.providers.focus_files import FocusFiles
from integrations.providers.focus_files.forms import ConnectFilesForm


class ConnectGcpForm(ConnectFilesForm):
    proposed_name = "GCP"
    example = "gs://bucket/prefix"


class Gcp(FocusFiles):
    slug = "gcp"
    name = "GCP"
    service = "GCP"
    reads = "Reads the FOCUS files that BigQuery exports to a bucket."

    @property
    def form(self) -> type[forms.Form]:
        return ConnectGcpForm
