"""The audit log by API: the entries, filters and words of the page and its CSV."""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from costcenters.access import MANAGE_PEOPLE
from finops.api.parameters import PagedQuery
from finops.api.problems import InvalidParameters
from finops.api.views import ApiView
from finops.audit_log.form import ACTIONS, NOT_LOGGED_IN, ONEBILL, AuditLogForm
from finops.audit_log.kinds import KINDS, kind_of
from finops.audit_log.page import author
from finops.audit_log.words import object_name, sentence

#: What an earlier or later version recorded, and neither the page nor we know.
OTHER = "other"
ACTION_OF = {action: name for name, action in ACTIONS.items()}


class AuditLogQuery(PagedQuery):
    who = serializers.CharField(
        required=False,
        max_length=20,
        help_text=f"The id of an account, `{ONEBILL}` for what Onebill did by itself, or `{NOT_LOGGED_IN}`.",
    )
    kind = serializers.ChoiceField(
        required=False, choices=[(kind.slug, kind.label) for kind in KINDS], help_text="What was changed."
    )
    action = serializers.ChoiceField(
        required=False, choices=[(name, name) for name in ACTIONS], help_text="What was done."
    )
    start = serializers.DateField(required=False, help_text="First UTC day.")
    end = serializers.DateField(required=False, help_text="Last UTC day, that day included.")
    q = serializers.CharField(
        required=False, max_length=200, help_text="Part of the name of what was changed, in any case."
    )


class ActorSerializer(serializers.Serializer[Any]):
    """Who did it."""

    id = serializers.IntegerField(
        allow_null=True, help_text="Of the account; null where there is none, or none any more."
    )
    name = serializers.CharField(
        help_text="The user name, `Onebill itself`, or `Somebody` who was not logged in."
    )
    note = serializers.CharField(help_text="Why there is no account to name; empty where there is one.")


class AuditEntrySerializer(serializers.Serializer[LogEntry]):
    """A change, in words."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(source="timestamp", help_text="When it was done.")
    actor = serializers.SerializerMethodField()
    action = serializers.SerializerMethodField()
    kind = serializers.SerializerMethodField()
    object = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField()
    address = serializers.CharField(
        source="remote_addr", allow_null=True, help_text="From which it came, where it came from outside."
    )
    request_id = serializers.CharField(
        source="cid", allow_null=True, help_text="Under which the log tells of the request."
    )

    @extend_schema_field(ActorSerializer)
    def get_actor(self, entry: LogEntry) -> dict[str, Any]:
        name, note = author(entry)
        return {"id": entry.actor_id, "name": name, "note": note}

    @extend_schema_field(
        serializers.ChoiceField(
            choices=[(name, name) for name in (*ACTIONS, OTHER)],
        )
    )
    def get_action(self, entry: LogEntry) -> str:
        return ACTION_OF.get(entry.action, OTHER)

    @extend_schema_field(
        serializers.ChoiceField(choices=[*((kind.slug, kind.label) for kind in KINDS), OTHER])
    )
    def get_kind(self, entry: LogEntry) -> str:
        kind = kind_of(entry)
        return kind.slug if kind else OTHER

    def get_object(self, entry: LogEntry) -> str:
        """What it was called then."""
        return object_name(entry)

    def get_changes(self, entry: LogEntry) -> str:
        """In a sentence that follows the actor; keys and passwords are masked."""
        return sentence(entry)


class AuditLogView(ApiView):
    """`/api/v1/audit-log/`"""

    permission = MANAGE_PEOPLE
    query_class = AuditLogQuery

    @extend_schema(
        operation_id="audit_log",
        summary="Who changed what",
        tags=["audit log"],
        responses=AuditEntrySerializer(many=True),
        examples=[
            OpenApiExample(
                "A renamed cost center",
                value={
                    "id": 812,
                    "at": "2026-11-22T09:00:00.123456Z",
                    "actor": {"id": 7, "name": "rin@example.com", "note": ""},
                    "action": "changed",
                    "kind": "cost-center",
                    "object": "Cursor Team",
                    "changes": "changed the name of Cursor Team: Cursor → Cursor Team",
                    "address": "203.0.113.7",
                    "request_id": "5f0c9c0e7f3b4d21",
                },
                response_only=True,
            )
        ],
    )
    def get(self, request: Request) -> Response:
        """Changes of connections, prices, views, tokens and people, newest first, in the words of the page."""
        form = AuditLogForm(request.query_params)
        if not form.is_valid():
            raise InvalidParameters(
                [(name, str(error)) for name, errors in form.errors.items() for error in errors]
            )
        return self.page(form.wanted().entries().select_related("actor"), AuditEntrySerializer)
