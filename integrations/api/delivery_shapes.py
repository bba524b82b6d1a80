"""What the endpoints of deliveries are sent, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from finops.api.parameters import PagedQuery
from integrations.deliveries import uploads
from integrations.deliveries.files_page import most_telling
from integrations.deliveries.findings import Findings
from integrations.models import ImportedFile


# For the document alone: what is sent is never read into the memory.
class UploadSerializer(serializers.Serializer[Any]):
    """Files that are one delivery."""

    files = serializers.ListField(
        child=serializers.FileField(),
        min_length=1,
        max_length=settings.DATA_UPLOAD_MAX_NUMBER_FILES,
        help_text="The files, whose names end with .csv, .csv.gz or .parquet.",
    )


class FileQuery(PagedQuery):
    state = serializers.ChoiceField(
        required=False, choices=ImportedFile.State.choices, help_text="Those in this state."
    )
    delivery = serializers.CharField(
        required=False, max_length=64, help_text="Those of one delivery, by its name."
    )


class ProblemInFileSerializer(serializers.Serializer[Any]):
    file = serializers.CharField(help_text="Its name.")
    line = serializers.IntegerField(help_text="Of the file, or the row of a Parquet file; 0 for all of it.")
    column = serializers.CharField(help_text="Empty for the whole line.")
    value = serializers.CharField(help_text="As it stands there, cut when it is long.")
    reason = serializers.CharField(help_text="What is wrong, in words.")


class StatementSerializer(serializers.Serializer[Any]):
    period = serializers.CharField(help_text="The billing period in words.")
    account = serializers.CharField(help_text="The billing account.")


class FindingsSerializer(serializers.Serializer[Findings]):
    """What the import found. Texts and values come from the files: show them as text only."""

    text = serializers.CharField(help_text="What happened, in words; empty where nothing is to be said.")
    questions = serializers.ListField(
        child=serializers.CharField(), help_text="What is to be answered before it is imported."
    )
    problems = ProblemInFileSerializer(many=True, help_text="Why it was refused: the first of them.")
    problems_in_all = serializers.IntegerField(
        help_text="How many there are; `problems` holds the first of them."
    )
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What is worth knowing of an import."
    )
    statements = StatementSerializer(many=True, help_text="The bills that it holds.")


class FileSerializer(serializers.Serializer[ImportedFile]):
    id = serializers.IntegerField()
    integration = serializers.IntegerField(source="integration_id")
    delivery = serializers.CharField(
        help_text="The name that the files of one delivery have in common; empty for a file alone."
    )
    name = serializers.SerializerMethodField(help_text="The name of the file alone.")
    place = serializers.SerializerMethodField(help_text="Where it was found; null for an upload.")
    size = serializers.IntegerField(help_text="Bytes.")
    state = serializers.ChoiceField(choices=ImportedFile.State.choices)
    is_left_out = serializers.SerializerMethodField(help_text="Whether somebody decided that it stays out.")
    rows = serializers.IntegerField(help_text="Of the whole delivery; 0 while nobody has counted.")
    findings = serializers.SerializerMethodField()
    uploaded_by = serializers.CharField(
        source="uploaded_by.username", allow_null=True, help_text="The user name; null where nobody is known."
    )
    seen_at = serializers.DateTimeField(help_text="When it came.")
    imported_at = serializers.DateTimeField(allow_null=True, help_text="Null until it is in the bill.")

    def get_name(self, file: ImportedFile) -> str:
        return uploads.original_name(file.location)

    def get_place(self, file: ImportedFile) -> str | None:
        return None if uploads.is_upload(file.location) else file.location.rpartition("/")[0]

    def get_is_left_out(self, file: ImportedFile) -> bool:
        return Findings.read(file.message).is_left

    @extend_schema_field(FindingsSerializer)
    def get_findings(self, file: ImportedFile) -> Any:
        return FindingsSerializer(Findings.read(file.message)).data


class FileOfDeliverySerializer(serializers.Serializer[ImportedFile]):
    id = serializers.IntegerField()
    name = serializers.SerializerMethodField(help_text="The name of the file alone.")
    size = serializers.IntegerField(help_text="Bytes.")
    state = serializers.ChoiceField(choices=ImportedFile.State.choices)

    def get_name(self, file: ImportedFile) -> str:
        return uploads.original_name(file.location)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files that came together. `id` is that of the first of them; `seen_before` names those of an upload that came
    with an earlier one too."""

    id: int
    integration: int
    cost_center: int
    delivery: str
    state: str
    is_left_out: bool
    findings: Findings
    rows: int
    size: int
    place: str | None
    uploaded_by: str | None
    seen_at: datetime
    imported_at: datetime | None
    files: tuple[ImportedFile, ...]
    seen_before: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: QuerySet[ImportedFile], *, seen_before: tuple[str, ...] = ()) -> Delivery:
        """Of at least one file, in one query."""
        related = found.select_related("uploaded_by", "integration").defer("integration__credentials")
        files = tuple(related.order_by("pk"))
        first, telling = files[0], most_telling(files)
        findings = Findings.read(telling.message)
        return cls(
            id=first.pk,
            integration=first.integration_id,
            cost_center=first.integration.cost_center_id,
            delivery=first.delivery,
            state=telling.state,
            is_left_out=findings.is_left,
            findings=findings,
            rows=max(file.rows for file in files),
            size=sum(file.size for file in files),
            place=None if uploads.is_upload(first.location) else first.location.rpartition("/")[0],
            uploaded_by=None if first.uploaded_by is None else first.uploaded_by.get_username(),
            seen_at=min(file.seen_at for file in files),
            imported_at=max((file.imported_at for file in files if file.imported_at), default=None),
            files=files,
            seen_before=seen_before,
        )


class DeliverySerializer(serializers.Serializer[Delivery]):
    id = serializers.IntegerField(help_text="That of its first file.")
    integration = serializers.IntegerField()
    cost_center = serializers.IntegerField()
    delivery = serializers.CharField(help_text="Its name; empty for a file alone.")
    state = serializers.ChoiceField(
        choices=ImportedFile.State.choices, help_text="`found` until the worker has read it."
    )
    is_left_out = serializers.BooleanField(help_text="Whether somebody decided that it stays out.")
    findings = FindingsSerializer()
    rows = serializers.IntegerField(help_text="0 while nobody has counted.")
    size = serializers.IntegerField(help_text="Bytes of all files.")
    place = serializers.CharField(allow_null=True, help_text="Where it was found; null for an upload.")
    uploaded_by = serializers.CharField(
        allow_null=True, help_text="The user name; null where nobody is known."
    )
    seen_at = serializers.DateTimeField(help_text="When it came.")
    imported_at = serializers.DateTimeField(allow_null=True, help_text="Null until it is in the bill.")
    files = FileOfDeliverySerializer(many=True, help_text="In the order in which they came.")


class UploadedSerializer(DeliverySerializer):
    seen_before = serializers.ListField(
        child=serializers.CharField(),
        help_text="Which of its files came with an earlier upload too; nothing is counted twice.",
    )
