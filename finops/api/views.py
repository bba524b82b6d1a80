"""What every endpoint of the API is made of: who may ask, what of the query string and the body is understood."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from finops.api.access import ANYBODY
from finops.api.paging import Order, Pages
from finops.api.parameters import Body, Query

Row = TypeVar("Row", bound=Model)


class ApiView(APIView):
    """An endpoint. `permission` is what whoever asks must hold, such as VIEW_REPORTS; ANYBODY: an account.

    The query string is read by `query_class`, which refuses what it does not know, before anything is done; what it
    says is in `self.asked`. An endpoint with a form of its own for it has None there.
    """

    permission: str
    query_class: type[Query] | None = Query
    asked: Mapping[str, Any]

    def permission_for(self, request: Request) -> str:
        return self.permission

    def query_class_for(self) -> type[Query] | None:
        return self.query_class

    def form_parameters(self) -> list[dict[str, Any]]:
        """Of an endpoint with a form of its own, its parameters as OpenAPI has them."""
        return []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        known = self.query_class_for()
        if known is not None and str(request.method).lower() in self.answered_methods():
            self.asked = known.read(request.query_params)

    def answered_methods(self) -> list[str]:
        return [name for name in self.http_method_names if name != "options" and hasattr(self, name)]

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """No more than the Allow header: the schema describes the rest."""
        return Response(status=HTTPStatus.NO_CONTENT)

    def body(self, kind: type[Body], **context: Any) -> dict[str, Any]:
        """What the body of the request says. Raises InvalidBody."""
        return kind.read(self.request.data, **context)

    def page(
        self, rows: QuerySet[Row], shown: type[serializers.BaseSerializer[Any]], *, order: Order = "-id"
    ) -> Response:
        """A page of `rows`. The endpoint's parameters are a `PagedQuery`."""
        pages = Pages(order, limit=self.asked["limit"])
        found = pages.paginate_queryset(rows, self.request, self) or []
        return pages.get_paginated_response(shown(found, many=True, context={"view": self}).data)


class ApiViewSet(ViewSetMixin, ApiView):
    """The endpoints of one resource: `permissions` by action, likewise `queries` for those that take parameters."""

    permissions: Mapping[str, str]
    queries: Mapping[str, type[Query]] = {}

    def permission_for(self, request: Request) -> str:
        # None for a method that no action answers, which is said next; "metadata" for OPTIONS.
        return ANYBODY if self.action in (None, "metadata") else self.permissions[self.action]

    def query_class_for(self) -> type[Query] | None:
        return self.queries.get(self.action or "", Query)
