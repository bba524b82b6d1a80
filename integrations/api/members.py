"""Who is, or was, in the team of a connection, by API."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from finops.api.fields import Flag
from finops.api.parameters import PagedQuery
from finops.api.views import ApiViewSet
from finops.paging import LARGEST_ID
from integrations.models import Member
from integrations.pages.members import State, state_of

TAGS = ["seats"]
#: Of whom there are no members, only line items.
STATES = [choice for choice in State.choices if choice[0] != State.OUTSIDE]


class MemberQuery(PagedQuery):
    integration = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Those of this connection, by its id."
    )
    cost_center = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Those of this cost center, by its id."
    )
    is_active = Flag(required=False, help_text="In the team, or not any more.")
    is_paid = Flag(required=False, help_text="In a paid seat, or not.")
    q = serializers.CharField(
        required=False, max_length=254, help_text="A part of a name, of an e-mail address or of a role."
    )


class MemberSerializer(serializers.Serializer[Member]):
    id = serializers.IntegerField()
    integration = serializers.IntegerField(source="integration_id")
    cost_center = serializers.IntegerField(source="integration.cost_center_id")
    user = serializers.CharField(
        source="key",
        help_text="As in line items and in the filter `user` of reports: the e-mail address, else an id.",
    )
    email = serializers.CharField(help_text="Empty where none is known.")
    name = serializers.CharField(help_text="Empty where none is known.")
    role = serializers.CharField(help_text="As the provider spells it; empty where none is known.")
    state = serializers.SerializerMethodField()
    is_active = serializers.BooleanField(help_text="Whether they are in the team.")
    is_paid = serializers.BooleanField(help_text="Whether their seat is, or was last, a paid one.")
    first_seen = serializers.DateField(help_text="UTC day on which the provider first listed them here.")
    last_seen = serializers.DateField(
        help_text="UTC day on which the provider last listed them as active: of who left, their last one known."
    )

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, member: Member) -> str:
        return state_of(is_active=member.is_active, is_paid=member.is_paid).value


class MembersView(ApiViewSet):
    """`/api/v1/members/`"""

    permissions = {"list": VIEW_REPORTS, "retrieve": VIEW_REPORTS}
    queries = {"list": MemberQuery}

    @extend_schema(
        operation_id="members_list", summary="List members", tags=TAGS, responses=MemberSerializer(many=True)
    )
    def list(self, request: Request) -> Response:
        """Everybody whom a provider has listed in its team, who has left too, in the order in which they came. Who is
        in the bill only, such as a service account, is no member: `dimensions/user/` has them all, with amounts."""
        asked, found = self.asked, _members()
        if "integration" in asked:
            found = found.filter(integration=asked["integration"])
        if "cost_center" in asked:
            found = found.filter(integration__cost_center=asked["cost_center"])
        for name in ("is_active", "is_paid"):
            if name in asked:
                found = found.filter(**{name: asked[name]})
        if text := asked.get("q"):
            columns = ("key", "email", "name", "role")
            matches = Q()
            for column in columns:
                matches |= Q(**{f"{column}__icontains": text})
            found = found.filter(matches)
        return self.page(found, MemberSerializer, order="id")

    @extend_schema(
        operation_id="members_retrieve", summary="One member", tags=TAGS, responses=MemberSerializer
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """Who it is, and since when the provider lists them."""
        return Response(MemberSerializer(get_object_or_404(_members(), pk=pk)).data)


def _members() -> QuerySet[Member]:
    """Without the credential of their connection."""
    return Member.objects.select_related("integration").only(
        *(field.name for field in Member._meta.concrete_fields), "integration__cost_center"
    )
