"""The provider's own totals beside ours, by API: what the page and its CSV show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import VIEW_REPORTS
from finops.api.fields import Amount
from finops.api.parameters import Query
from finops.api.problems import InvalidParameters
from finops.api.views import ApiView
from finops.money import units_from_nanos
from integrations.models import Integration
from integrations.pages.reconciliation import UnknownCycleError, Words, chosen_cycle
from integrations.reconciliation.comparison import compare, cycles_of
from integrations.reconciliation.evidence import MEASURES, Row, Standing, ours_of
from integrations.reconciliation.verdict import verdict

STANDINGS = [
    ("agrees", "Agrees"),
    ("accounted", "Differs, and is explained"),
    ("possible", "Differs, and may be explained"),
    ("unclear", "Cannot be compared"),
    ("differs", "Differs"),
]


class ReconciliationQuery(Query):
    cycle = serializers.CharField(
        required=False,
        max_length=30,
        help_text="The start of a billing cycle in UTC, to the minute or finer, such as 2026-11-13T06:02; by default "
        "the newest.",
    )


class CycleSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(allow_null=True, help_text="Exclusive; null of the open one.")
    read_at = serializers.DateTimeField(help_text="When the provider was last asked for its totals.")


class ReconciliationRowSerializer(serializers.Serializer[Any]):
    """Amounts in the currency of the cost center. A difference is ours minus the provider's."""

    users = serializers.ListField(
        child=serializers.CharField(allow_blank=True),
        help_text="One user, known by one name or more; empty text for usage without a user.",
    )
    standing = serializers.ChoiceField(choices=STANDINGS)
    provider_on_demand = Amount(allow_null=True, help_text="Null where it tells none.")
    ours_on_demand = Amount()
    difference_on_demand = Amount(allow_null=True)
    provider_included = Amount(allow_null=True, help_text="Null where it tells none.")
    ours_included = Amount()
    difference_included = Amount(allow_null=True)
    provider_unclear = Amount(
        allow_null=True,
        help_text="What is either on-demand usage or all usage; null where nothing is unclear.",
    )
    explanations = serializers.ListField(child=serializers.CharField(), help_text="In words.")


class ReconciliationSerializer(serializers.Serializer[Any]):
    integration = serializers.IntegerField()
    cost_center = serializers.IntegerField()
    currency = serializers.CharField(help_text="ISO 4217 code.")
    is_compared = serializers.BooleanField(
        help_text="False where nothing can be compared; `verdict` says why."
    )
    verdict = serializers.CharField(help_text="What came of it, in words.")
    detail = serializers.CharField(help_text="More of that; may be empty.")
    cycle = CycleSerializer(allow_null=True, help_text="The billing cycle that is compared.")
    through = serializers.DateTimeField(
        allow_null=True, help_text="Ours is compared up to this instant, exclusive."
    )
    cycles = CycleSerializer(many=True, help_text="All whose totals are known, the newest first.")
    facts = serializers.ListField(
        child=serializers.CharField(), help_text="What explains differences of more than one user, in words."
    )
    rows = ReconciliationRowSerializer(many=True, help_text="By user, the largest differences first.")


class ReconciliationView(ApiView):
    """`/api/v1/integrations/<pk>/reconciliation/`"""

    permission = VIEW_REPORTS
    query_class = ReconciliationQuery

    @extend_schema(
        operation_id="integrations_reconciliation",
        summary="Compare with the provider's totals",
        tags=["connections"],
        responses=ReconciliationSerializer,
    )
    def get(self, request: Request, pk: int) -> Response:
        """Ours beside the provider's own totals of a billing cycle, user by user, and why they differ. On-demand is
        what was billed, included what was not."""
        integration = get_object_or_404(
            Integration.objects.select_related("cost_center").defer("credentials"), pk=pk
        )
        center = integration.cost_center
        cycles = cycles_of(center)
        try:
            cycle = chosen_cycle(cycles, [self.asked.get("cycle", "")])
        except UnknownCycleError as error:
            raise InvalidParameters([("cycle", str(error))]) from None
        found = compare(center, timezone.now(), cycle)
        words, judged = Words(found), verdict(found)
        return Response(
            ReconciliationSerializer(
                {
                    "integration": integration.pk,
                    "cost_center": center.pk,
                    "currency": center.currency,
                    "is_compared": judged.is_comparison,
                    "verdict": judged.text,
                    "detail": judged.detail,
                    "cycle": found.cycle,
                    "through": found.through,
                    "cycles": cycles,
                    "facts": list(words.facts()),
                    "rows": [_row(row, words.reasons(row)) for row in found.rows],
                }
            ).data
        )


def _row(row: Row, explanations: Iterable[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "users": row.users,
        "standing": STANDINGS[list(Standing).index(row.standing)][0],
        "provider_unclear": None if row.theirs is None else _units(row.theirs.unclear),
        "explanations": list(explanations),
    }
    for measure in MEASURES:
        theirs = None if row.theirs is None else getattr(row.theirs, measure)
        shown[f"provider_{measure}"] = _units(theirs)
        shown[f"ours_{measure}"] = _units(ours_of(row.ours, measure))
        shown[f"difference_{measure}"] = _units(row.difference(measure))
    return shown


def _units(nano: int | None) -> Any:
    return None if nano is None else units_from_nanos(nano)
