"""How a report is shown: what is in the page's address beside the question itself. Exports and API ignore it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models


class ChartKind(models.TextChoices):
    """`table` shows the figures of the chart, by period, instead of drawing them."""

    BARS = "bars", "Bars"
    LINES = "lines", "Lines"
    CUMULATIVE = "cumulative", "Cumulative"
    TABLE = "table", "Table"


@dataclass(frozen=True, slots=True)
class Presentation:
    """`page` counts from 1. `view` is the saved view that was opened, so that a change can be saved to it."""

    chart: str = ChartKind.BARS.value
    page: int = 1
    view: int | None = None

    def parameters(self) -> list[tuple[str, str]]:
        pairs = []
        if self.chart != ChartKind.BARS:
            pairs.append(("chart", self.chart))
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        if self.view is not None:
            pairs.append(("view", str(self.view)))
        return pairs
