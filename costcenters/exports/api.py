"""The export of the ledger by API: the same parameters as the page, the file as the answer."""

from __future__ import annotations

from django.http import HttpResponseBase
from rest_framework.request import Request

from costcenters.access import VIEW_REPORTS
from costcenters.api.costs import CsvRenderer
from costcenters.catalog import Catalog
from costcenters.exports.form import FocusExportForm
from costcenters.exports.views import download
from costcenters.focus.export_files import Format
from finops.api.problems import InvalidParameters
from finops.api.views import ApiView


class GzipRenderer(CsvRenderer):
    """Says that CSV in gzip can be asked for."""

    media_type = "application/gzip"
    format = Format.GZIP.value


class ParquetRenderer(CsvRenderer):
    """Says that Parquet can be asked for."""

    media_type = Format.PARQUET.media_type
    format = Format.PARQUET.value


class FocusExportView(ApiView):
    """`/api/v1/exports/focus/`"""

    permission = VIEW_REPORTS
    query_class = None
    renderer_classes = [CsvRenderer, GzipRenderer, ParquetRenderer]

    def get(self, request: Request) -> HttpResponseBase:
        """The file. The Accept header chooses its format unless `format` does."""
        accepted = Format(request.accepted_renderer.format)
        form = FocusExportForm(request.query_params, catalog=Catalog(), default=accepted)
        if not form.is_valid():
            raise InvalidParameters(form.problems())
        return download(form.export(), with_content=request.method != "HEAD")
