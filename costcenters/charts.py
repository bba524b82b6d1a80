"""A report as the data of a stacked bar chart, and the colours of its series."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from costcenters.catalog import Catalog
from costcenters.cost_query import CostQuery
from costcenters.dimensions import MODEL_FAMILIES, value_label
from costcenters.figures import Shown, shown
from costcenters.models import ChargeType
from costcenters.report import Figure, Report
from finops.money import plain

HUES = 9
#: Chosen so that the models most teams use today have nine different hues.
SALT = "452"
TONES = 5
#: More bars on top of each other cannot be told apart; the table still lists every row.
MOST_SERIES = 20
FIXED_ORDER = {"charge_type": ChargeType.values, "model_family": MODEL_FAMILIES}


@dataclass(frozen=True, slots=True)
class Series:
    """`swatch` is the CSS class of its colour, `url` where a click leads."""

    label: str
    swatch: str
    amount: Shown
    url: str
    values: tuple[Figure, ...]


def hue(key: str, value: str, catalog: Catalog) -> int:
    """0 to 8, from the value alone: the same value has the same hue in every chart, sort and filter."""
    if value in FIXED_ORDER.get(key, ()):
        return list(FIXED_ORDER[key]).index(value) % HUES
    if key == "cost_center":
        return next((pk - 1 for pk, c in catalog.cost_centers.items() if c.name == value), 0) % HUES
    return digest(value) % HUES


def swatches(key: str, values: Iterable[str], catalog: Catalog) -> dict[str, str]:
    """The CSS class of each value: its hue; of shown values with one hue, the later by hash get a tone."""
    taken: dict[int, int] = {}
    classes = {}
    for value in sorted(values, key=lambda value: (digest(value), value)):
        own = hue(key, value, catalog)
        tone = taken[own] = taken.get(own, -1) + 1
        classes[value] = f"s{own + 1}" + (f" tone{tone % TONES}" if tone % TONES else "")
    return classes


def digest(value: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{SALT} {value}".encode()).digest()[:4])


def series_of(report: Report, catalog: Catalog, url_of: Callable[[CostQuery], str]) -> list[Series]:
    """The report's rows as series, largest first, the rest as a grey one; without grouping a single one."""
    query, measure, currency = report.query, report.query.measure, report.currency
    if not query.group_by:
        values = tuple(period.amounts.measure for period in report.periods)
        return [Series(str(measure.label), "s1", shown(report.total.measure, measure, currency), "", values)]
    key = query.group_by[0]
    rows, rest = report.rows[:MOST_SERIES], list(report.rows[MOST_SERIES:])
    classes = swatches(key, [row.value for row in rows], catalog)
    series = [
        Series(
            label=value_label(key, row.value),
            swatch=classes[row.value],
            amount=shown(row.amounts.measure, measure, currency),
            url=url_of(drilled(query, row.value)),
            values=row.by_period,
        )
        for row in rows
    ]
    count = len(rest) + report.other_count
    rest += [report.other] if report.other else []
    if rest:
        series.append(
            Series(
                label=other_label(count),
                swatch="other",
                amount=shown(sum(row.amounts.measure for row in rest), measure, currency),
                url=url_of(with_all(query)),
                values=tuple(sum(parts) for parts in zip(*(row.by_period for row in rest), strict=True)),
            )
        )
    return series


def chart_data(report: Report, series: list[Series]) -> dict[str, Any]:
    """For the page's script, numbers as exact text. `isIncomplete` periods may still grow."""
    return {
        "measure": report.query.measure.value,
        "currency": report.currency if report.query.measure.is_money else "",
        "periods": [
            {"label": p.label, "start": p.start.isoformat(), "isIncomplete": p.is_incomplete}
            for p in report.periods
        ],
        "totals": [exact(period.amounts.measure) for period in report.periods],
        "series": [
            {
                "label": s.label,
                "url": s.url,
                "isOther": s.swatch == "other",
                "values": [exact(v) for v in s.values],
            }
            for s in series
        ],
    }


def exact(figure: Figure) -> str:
    return str(figure) if isinstance(figure, int) else plain(figure)


def other_label(count: int) -> str:
    return f"Other ({count} more)"


#: What is worth knowing next about one value of a dimension.
NEXT_GROUPING = {
    "cost_center": "model",
    "provider": "cost_center",
    "charge_type": "user",
    "service": "model",
    "model": "user",
    "model_family": "model",
    "kind": "model",
    "surface": "user",
    "user": "model",
}


def drilled(query: CostQuery, value: str) -> CostQuery:
    """Only `value` of the first grouping; then by the second one, else by what is worth knowing next."""
    key, *rest = query.group_by
    following = tuple(rest) or (NEXT_GROUPING.get(key, "service"),)
    return query.narrowed(key, value).grouped_by(*following)


def with_all(query: CostQuery) -> CostQuery:
    return query.showing(top=0)
