"""The export of the ledger by API: the same parameters as the page, the file as the answer."""

from __future__ import annotations

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from costcenters.access import VIEW_REPORTS
from costcenters.api.costs import CsvRenderer
from costcenters.catalog import Catalog
from costcenters.exports.form import FocusExportForm
from costcenters.exports.views import download
from costcenters.focus.export_files import Format
from costcenters.periods import FIRST_DAY, LAST_DAY
from costcenters.query_form import MOST_CHARACTERS
from finops.api.problems import InvalidParameters
from finops.api.views import ApiView

MEDIA_TYPES = [each.media_type.partition(";")[0] for each in Format]
FILE = OpenApiResponse({"type": "string", "format": "binary"}, description="The file, sent as it is read.")
# Any may be empty, which is as if it were left out, as in the explorer's addresses.
PARAMETERS = [
    OpenApiParameter(
        name,
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "maxLength": 0}]},
        description=f"{which} UTC day, inclusive, {FIRST_DAY} … {LAST_DAY}. Left out, the {which.lower()} that has "
        "line items.",
    )
    for name, which in (("start", "First"), ("end", "Last"))
] + [
    OpenApiParameter(
        "cost_center",
        {"type": "array", "items": {"type": "string", "maxLength": MOST_CHARACTERS}},
        description="Of these cost centers, by name; repeatable. Left out, of all.",
    ),
    OpenApiParameter(
        "format",
        OpenApiTypes.STR,
        enum=[*(each.value for each in Format), ""],
        description="The format of the file. Left out, the `Accept` header chooses.",
    ),
    OpenApiParameter(
        "Content-Disposition",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=True,
        response=[200],
        description="Names the file, such as `onebill_focus-1.2_2026-11-01_2026-11-21.csv`.",
    ),
]


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

    @extend_schema(
        operation_id="exports_focus",
        summary="Export the ledger in FOCUS format",
        tags=["costs"],
        parameters=PARAMETERS,
        responses={(200, media_type): FILE for media_type in MEDIA_TYPES},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Every line item of some days as one FOCUS 1.2 file, each row in the currency of its cost center
        (`BillingCurrency`)."""
        accepted = Format(request.accepted_renderer.format)
        form = FocusExportForm(request.query_params, catalog=Catalog(), default=accepted)
        if not form.is_valid():
            raise InvalidParameters(form.problems())
        return download(form.export(), with_content=request.method != "HEAD")
