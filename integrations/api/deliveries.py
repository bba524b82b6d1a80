"""FOCUS deliveries by API: what came and what became of it, uploads, and the answers to what an import asks."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import CONNECT_COST_CENTERS, VIEW_REPORTS, asking
from finops.api.problems import Conflict, InvalidBody, Problem
from finops.api.views import ApiViewSet
from integrations.api.delivery_shapes import (
    Delivery,
    DeliverySerializer,
    FileQuery,
    FileSerializer,
    UploadedSerializer,
    UploadSerializer,
)
from integrations.api.refusals import refusals
from integrations.deliveries import changes
from integrations.deliveries.receiving import FILES, NotTaken, ReceivedFile, not_kept, receive
from integrations.errors import Refusal
from integrations.models import ImportedFile, Integration
from integrations.providers import PROVIDERS

TAGS = ["files"]
MULTIPART = "multipart/form-data"
NOT_NOW = OpenApiResponse(description="It was done already, or its cost center is paused or removed.")


class FilesView(ApiViewSet):
    """`/api/v1/integrations/<pk>/files/`"""

    permissions = {"list": VIEW_REPORTS, "create": CONNECT_COST_CENTERS}
    queries = {"list": FileQuery}

    @extend_schema(
        operation_id="integrations_files_list",
        summary="List the files of a connection",
        tags=TAGS,
        responses=FileSerializer(many=True),
    )
    def list(self, request: Request, pk: int) -> Response:
        """What was uploaded, or found where the connection looks for files, and what became of it; the newest
        first."""
        found = ImportedFile.objects.filter(integration=_integration(pk)).select_related("uploaded_by")
        for name in ("state", "delivery"):
            if name in self.asked:
                found = found.filter(**{name: self.asked[name]})
        return self.page(found, FileSerializer)

    @extend_schema(
        operation_id="integrations_files_upload",
        summary="Upload files",
        tags=TAGS,
        request={MULTIPART: UploadSerializer},
        responses={
            202: UploadedSerializer,
            409: OpenApiResponse(
                description="The same files were uploaded before, or the connection takes none now."
            ),
            413: OpenApiResponse(description="It is larger than the server takes (UPLOAD_MAX_BYTES, 1 GB)."),
            415: OpenApiResponse(description="The body is not `multipart/form-data`."),
            507: OpenApiResponse(description="The server cannot keep it: there is no room on its disk."),
        },
    )
    def create(self, request: Request, pk: int) -> Response:
        """FOCUS files in CSV, CSV in gzip or Parquet, which together are one delivery: all of a billing period's
        statement, or of several. The worker imports it at once; ask for `Location` until its `state` is another one
        than `found`. With curl: `-F files=@october.csv -F files=@november.csv`."""
        integration, asked = _integration(pk), request._request
        if asked.content_type != MULTIPART:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Send the files as {MULTIPART}, each in a field `{FILES}`.",
            )
        provider = PROVIDERS.get(integration.provider)
        if provider is None or not provider.takes_files:
            raise Conflict("No files are read into this cost center.")
        received = _received(asked)
        try:
            name = changes.store(integration, received, asking(asked), timezone.now())
        except NotTaken as refusal:
            raise _not_taken(refusal, Conflict(str(refusal))) from None
        except Refusal as refusal:
            raise Conflict(str(refusal)) from None
        except OSError as error:
            raise _not_taken(not_kept(error)) from error
        delivery = Delivery.of(
            ImportedFile.objects.filter(integration=integration, delivery=name),
            seen_before=tuple(changes.seen_before(integration, name)),
        )
        return Response(
            UploadedSerializer(delivery).data,
            status=HTTPStatus.ACCEPTED,
            headers={"Location": reverse("api-deliveries-detail", args=[delivery.id])},
        )


class DeliveriesView(ApiViewSet):
    """`/api/v1/deliveries/<file>/`"""

    permissions = {
        "retrieve": VIEW_REPORTS,
        "import_anyway": CONNECT_COST_CENTERS,
        "leave": CONNECT_COST_CENTERS,
        "again": CONNECT_COST_CENTERS,
    }

    @extend_schema(
        operation_id="deliveries_retrieve",
        summary="One delivery",
        tags=TAGS,
        responses=DeliverySerializer,
    )
    def retrieve(self, request: Request, file: int) -> Response:
        """The files that came together, and what became of them. The id of any of its files leads to it."""
        return Response(_shown(_file(file)))

    @extend_schema(
        operation_id="deliveries_import",
        summary="Import what asks",
        tags=TAGS,
        request=None,
        responses={200: DeliverySerializer, 409: NOT_NOW},
    )
    def import_anyway(self, request: Request, file: int) -> Response:
        """Yes to all `questions` of a delivery in state `asks`: the worker imports it at once."""
        return self._done(file, changes.import_anyway)

    @extend_schema(
        operation_id="deliveries_leave",
        summary="Leave a delivery out",
        tags=TAGS,
        request=None,
        responses={200: DeliverySerializer, 409: NOT_NOW},
    )
    def leave(self, request: Request, file: int) -> Response:
        """A delivery that asks or was refused stays out of the bill, and an upload is deleted."""
        who = asking(request._request).get_username()
        return self._done(file, lambda known, now: changes.leave(known, who, now=now))

    @extend_schema(
        operation_id="deliveries_again",
        summary="Read a delivery again",
        tags=TAGS,
        request=None,
        responses={200: DeliverySerializer, 409: NOT_NOW},
    )
    def again(self, request: Request, file: int) -> Response:
        """One that was refused is read once more. What it asks has to be answered anew."""
        return self._done(file, changes.try_again)

    def _done(self, file: int, act: Callable[..., None]) -> Response:
        known = _file(file)
        with refusals():
            act(known, now=timezone.now())
        return Response(_shown(known))


# ----------------------------------------------------------------------------------------------------------------------


def _integration(pk: int) -> Integration:
    return get_object_or_404(Integration.objects.select_related("cost_center").defer("credentials"), pk=pk)


def _file(pk: int) -> ImportedFile:
    return get_object_or_404(ImportedFile, pk=pk)


def _shown(file: ImportedFile) -> Any:
    return DeliverySerializer(Delivery.of(changes.delivery_of(file))).data


def _received(request: HttpRequest) -> list[ReceivedFile]:
    """The files, on the disk. Raises Problem."""
    try:
        received = receive(request, of_form=False)
    except NotTaken as refusal:
        raise _not_taken(refusal, InvalidBody([(FILES, reason) for reason in refusal.reasons])) from None
    except MultiPartParserError:
        raise InvalidBody([("", f"This is no well-formed {MULTIPART}.")]) from None
    if unknown := sorted(set(request.POST)):
        raise InvalidBody([(name, f"There is no such field; known are: {FILES}.") for name in unknown])
    return received


def _not_taken(refusal: NotTaken, otherwise: Problem | None = None) -> Problem:
    if refusal.is_our_fault or otherwise is None:
        return Problem(HTTPStatus.INSUFFICIENT_STORAGE, str(refusal))
    return otherwise
