"""Saved views by API. Who may not see a view gets 404, who may see but not change it 403, as on their page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import MANAGE_PEOPLE, VIEW_REPORTS, asking
from costcenters.catalog import Catalog
from costcenters.models import SavedView
from costcenters.saved_views import store as views
from costcenters.saved_views.pages import or_404
from costcenters.saved_views.store import (
    MOST_CHARACTERS,
    MOST_PINNED,
    MOST_QUERY_CHARACTERS,
    MOST_VIEWS,
    NotReadable,
    Question,
)
from finops.api.access import require_scope
from finops.api.fields import Flag
from finops.api.parameters import Body, PagedQuery
from finops.api.problems import Conflict, InvalidBody, Problem
from finops.api.views import ApiViewSet

TAGS = ["costs"]
MINE, OTHERS = "me", "others"
TOO_MANY = OpenApiResponse(description=f"You have {MOST_VIEWS} saved views, the most a person can keep.")


class SavedViewQuery(PagedQuery):
    owner = serializers.ChoiceField(
        choices=[MINE, OTHERS], required=False, help_text="Your own, or those that others share."
    )
    is_shared = Flag(required=False, help_text="Shared with everybody here, or not.")
    is_pinned = Flag(required=False, help_text="Pinned to their owner's overview, or not.")


class SavedViewChange(Body):
    name = serializers.CharField(
        required=False,
        max_length=MOST_CHARACTERS,
        help_text="No two views of yours have the same, whatever the case of its letters.",
    )
    query = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MOST_QUERY_CHARACTERS,
        help_text="The question as in the explorer's address, after its `?`; see the parameters of `costs`.",
    )
    is_shared = serializers.BooleanField(required=False, help_text="Whether everybody here sees it.")
    is_pinned = serializers.BooleanField(
        required=False, help_text=f"Whether it is on your overview, which has room for {MOST_PINNED}."
    )
    is_default = serializers.BooleanField(
        required=False, help_text="Whether the explorer opens with it. The one that was, is so no more."
    )


class NewSavedView(SavedViewChange):
    name = serializers.CharField(
        max_length=MOST_CHARACTERS,
        help_text="No two views of yours have the same, whatever the case of its letters.",
    )
    query = serializers.CharField(
        allow_blank=True,
        max_length=MOST_QUERY_CHARACTERS,
        help_text="The question as in the explorer's address, after its `?`; see the parameters of `costs`.",
    )


class SavedViewSerializer(serializers.Serializer[SavedView]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.CharField(help_text="The question, at its shortest.")
    owner = serializers.CharField(source="owner.username", help_text="The user name of whoever saved it.")
    is_own = serializers.SerializerMethodField(help_text="Whether it is yours, and you may change it.")
    is_shared = serializers.BooleanField(help_text="Whether everybody here sees it.")
    is_pinned = serializers.BooleanField(help_text="Whether it is on its owner's overview.")
    is_default = serializers.BooleanField(help_text="Whether its owner's explorer opens with it.")
    updated_at = serializers.DateTimeField(help_text="When its name or question was last changed.")
    explorer_url = serializers.SerializerMethodField(help_text="Where people look at it.")
    costs_url = serializers.SerializerMethodField(help_text="The report that it asks for, by API.")

    def get_is_own(self, view: SavedView) -> bool:
        return view.owner_id == self._request.user.pk

    @extend_schema_field(OpenApiTypes.URI)
    def get_explorer_url(self, view: SavedView) -> str:
        return self._request.build_absolute_uri(view.get_absolute_url())

    @extend_schema_field(OpenApiTypes.URI)
    def get_costs_url(self, view: SavedView) -> str:
        return self._request.build_absolute_uri(f"{reverse('api-costs')}?{view.query}")

    @property
    def _request(self) -> Request:
        request: Request = self.context["view"].request
        return request


class SavedViewsView(ApiViewSet):
    """`/api/v1/views/`"""

    permissions = dict.fromkeys(("list", "retrieve", "create", "partial_update", "destroy"), VIEW_REPORTS)
    queries = {"list": SavedViewQuery}

    @extend_schema(
        operation_id="views_list",
        summary="List saved views",
        tags=TAGS,
        responses=SavedViewSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Your saved views and those that others share, the newest first."""
        found, asked = views.visible(asking(request)), self.asked
        if owner := asked.get("owner"):
            own = {"owner_id": request.user.pk}
            found = found.filter(**own) if owner == MINE else found.exclude(**own)
        for name in ("is_shared", "is_pinned"):
            if name in asked:
                found = found.filter(**{name: asked[name]})
        return self.page(found, SavedViewSerializer)

    @extend_schema(
        operation_id="views_retrieve", summary="One saved view", tags=TAGS, responses=SavedViewSerializer
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """A view of yours, or one that is shared."""
        return self._shown(self._visible(request, pk))

    @extend_schema(
        operation_id="views_create",
        summary="Save a view",
        tags=TAGS,
        request=NewSavedView,
        responses={201: SavedViewSerializer, 409: TOO_MANY},
        examples=[
            OpenApiExample(
                "by model",
                {
                    "name": "By model",
                    "query": "preset=90d&group_by=model&compare=previous",
                    "is_shared": True,
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Keeps a question under a name. The question is checked as the explorer checks its address."""
        sent = self.body(NewSavedView)
        question = question_of(sent.pop("query"))
        try:
            view = views.create(asking(request), question, **sent)
        except ValidationError as error:
            raise refused(error) from error
        response = self._shown(view, HTTPStatus.CREATED)
        response["Location"] = reverse("api-views-detail", args=[view.pk])
        return response

    @extend_schema(
        operation_id="views_update",
        summary="Change a saved view",
        tags=TAGS,
        request=SavedViewChange,
        responses=SavedViewSerializer,
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """Changes what is sent, or nothing where any of it is refused. Only its owner may; whoever manages people may
        also withdraw what somebody shares: `{"is_shared": false}`, with a token of scope `admin`."""
        view = self._visible(request, pk)
        sent = self.body(SavedViewChange)
        if view.owner_id != request.user.pk:
            self._require_to_withdraw(request, view, withdraws=sent == {"is_shared": False})
        question = question_of(sent.pop("query")) if "query" in sent else None
        name = sent.pop("name", None)
        try:
            with or_404(), transaction.atomic():
                if name is not None:
                    views.rename(view, name)
                if question is not None:
                    views.ask(view, question)
                if sent:
                    views.change(view, **sent)
        except ValidationError as error:
            raise refused(error) from error
        return self._shown(view)

    @extend_schema(
        operation_id="views_delete", summary="Delete a saved view", tags=TAGS, responses={204: None}
    )
    def destroy(self, request: Request, pk: int) -> Response:
        """Only its owner may; whoever manages people may also delete what somebody shares, with a token of scope
        `admin`."""
        view = self._visible(request, pk)
        if view.owner_id != request.user.pk:
            self._require_to_withdraw(request, view, withdraws=True)
        with or_404():
            views.delete(view)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _visible(self, request: Request, pk: int) -> SavedView:
        return get_object_or_404(views.visible(asking(request)), pk=pk)

    def _require_to_withdraw(self, request: Request, view: SavedView, *, withdraws: bool) -> None:
        """Of somebody else's view. Raises PermissionDenied, ScopeTooSmall."""
        if not (withdraws and views.may_withdraw(asking(request), view)):
            raise PermissionDenied
        require_scope(request, MANAGE_PEOPLE)

    def _shown(self, view: SavedView, status: int = HTTPStatus.OK) -> Response:
        return Response(SavedViewSerializer(view, context={"view": self}).data, status=status)


def question_of(text: str) -> Question:
    """Raises InvalidBody."""
    try:
        question = Question.read(text.removeprefix("?"), Catalog())
        views.fitting(question)
    except NotReadable as reason:
        told = [f"{name}: {sentence}" if name else sentence for name, sentence in reason.problems]
        raise InvalidBody([("query", sentence) for sentence in told]) from reason
    except ValidationError as error:
        raise InvalidBody([("query", message) for message in error.messages]) from error
    return question


def refused(error: ValidationError) -> Problem:
    """A field is to blame, or that there are as many as can be."""
    by_field: dict[str, Any] = error.message_dict if hasattr(error, "error_dict") else {}
    problems = [
        (name, message) for name, told in by_field.items() if name != NON_FIELD_ERRORS for message in told
    ]
    return InvalidBody(problems) if problems else Conflict(" ".join(error.messages))
