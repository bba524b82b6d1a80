"""From a query string to the line items asked for: the explorer's parameters and three of its own."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from costcenters.line_item_page.listing import LineItemQuery
from costcenters.query_form import CostQueryForm, SingleField
from finops.paging import Position


class PositionField(SingleField):
    """A point in the list, as the links to the next and previous page spell it."""

    def one(self, value: str) -> Position:
        try:
            return Position.parse(value)
        except ValueError:
            raise ValidationError(
                "Is no position in the list: follow its links to newer and older pages."
            ) from None


class LineItemForm(CostQueryForm):
    """The explorer's form with `resource` (exact), `after` and `before`, which the explorer itself refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(
            {
                "resource": SingleField(name="resource"),
                "after": PositionField(name="after"),
                "before": PositionField(name="before"),
            }
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("after") and cleaned.get("before"):
            self.add_error("before", "Cannot be given together with after.")
        return cleaned

    def wanted(self) -> LineItemQuery:
        """The line items asked for. Only of a valid form."""
        cleaned = self.cleaned_data
        return LineItemQuery(
            query=self.query(),
            resource=cleaned["resource"] or "",
            after=cleaned["after"],
            before=cleaned["before"],
        )
