"""From a query string to an export, for page and API alike. Every parameter is a field, so errors name their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from costcenters.catalog import Catalog
from costcenters.focus.export import FocusExport, recorded_days
from costcenters.focus.export_files import Format
from costcenters.periods import Span
from costcenters.query_form import (
    MOST_PARAMETERS,
    DayField,
    OneOfField,
    ParameterField,
    UnknownField,
    shortened,
)


class CostCenterField(ParameterField):
    """Cost centers by name."""

    def __init__(self, *, name: str, known: list[str]) -> None:
        super().__init__(name=name)
        self.known = known

    def parsed(self, values: list[str]) -> list[str]:
        for value in values:
            if value not in self.known:
                raise ValidationError(f"There is no cost center named “{shortened(value)}”.")
        return values


class FocusExportForm(forms.Form):
    """`start` and `end` are UTC days, both inclusive; what is left out reaches as far as the ledger does.

    `cost_center` may be repeated; left out, it is all of them. `format` is `default` unless given.
    """

    def __init__(self, parameters: QueryDict, *, catalog: Catalog, default: Format = Format.CSV) -> None:
        self.is_overfull = sum(len(values) for _, values in parameters.lists()) > MOST_PARAMETERS
        if self.is_overfull:  # then none of them is read, nor shown
            parameters = QueryDict()
        super().__init__(parameters)
        self.catalog = catalog
        self.fields.update(
            {
                "start": DayField(name="start"),
                "end": DayField(name="end"),
                "cost_center": CostCenterField(name="cost_center", known=catalog.names),
                "format": OneOfField(
                    name="format", choices=[each.value for each in Format], default=default.value
                ),
            }
        )
        for name in parameters:
            if name not in self.fields and any(parameters.getlist(name)):
                self.fields[name] = UnknownField(name=name)

    def clean(self) -> dict[str, Any]:
        if self.is_overfull:
            raise ValidationError(f"At most {MOST_PARAMETERS} parameters can be given.")
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and start > end:
            self.add_error("end", f"Is before the start, {start}.")
        return self.cleaned_data

    def export(self) -> FocusExport:
        """What is asked for. Only of a valid form."""
        cleaned = self.cleaned_data
        chosen = cleaned["cost_center"]
        centers = tuple(
            center for center in self.catalog.cost_centers.values() if not chosen or center.name in chosen
        )
        start, end = cleaned["start"], cleaned["end"]
        if not (start and end):
            recorded = recorded_days(centers)
            if recorded:
                start = start or (min(recorded.start, end) if end else recorded.start)
                end = end or max(recorded.end, start)
            start, end = start or end, end or start
        span = Span(start, end) if start and end else None
        return FocusExport(span, centers, Format(cleaned["format"]))

    def problems(self) -> list[tuple[str, str]]:
        """Each error as the parameter's name (empty for all of them together) and a sentence."""
        return [
            ("" if name == "__all__" else name, str(message))
            for name, messages in self.errors.items()
            for message in messages
        ]
