"""AWS: Data Exports in FOCUS format, delivered to a bucket."""

from __future__ import annotations

from django import forms

from integrations.providers.focus_files import FocusFiles
from integrations.providers.focus_files.forms import ConnectFilesForm


class ConnectAwsForm(ConnectFilesForm):
    proposed_name = "AWS"
    example = "s3://bucket/prefix/export-name"


class Aws(FocusFiles):
    slug = "aws"
    name = "AWS"
    service = "AWS"
    reads = "Reads the FOCUS files that AWS Data Exports puts into a bucket."

    @property
    def form(self) -> type[forms.Form]:
        return ConnectAwsForm
