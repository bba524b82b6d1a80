"""The history of runs: what was read when, what came of it, and what it changed of the bill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.urls import reverse

from costcenters.cost_query import encode
from costcenters.models import CostCenter
from finops.money import display
from finops.paging import PagedForm, Position, keyset_page
from integrations.models import Integration, SyncRun
from integrations.pages.badges import Badge, outcome_badge
from integrations.pages.heading import Heading
from integrations.pages.instants import length, window_label
from integrations.providers.base import Provider

PAGE_SIZE = 100
#: In the address, for the runs that are of no stream; and how these are called.
EVERYTHING = "everything"
ASKED_FOR = "Everything, as asked for"


@dataclass(frozen=True, slots=True)
class RunRow:
    """`bill` is the window's amount before and after, `revised_by` the difference; both empty where nothing changed.

    `read_again_url` leads from days that were kept to the form that replaces them.
    """

    run: SyncRun
    stream: str
    window: str
    badge: Badge
    took: str
    bill: str
    revised_by: str
    read_again_url: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, the newest first; the addresses of its neighbours are empty where there is none."""

    heading: Heading
    form: RunForm
    rows: tuple[RunRow, ...]
    newer_url: str
    older_url: str
    is_filtered: bool


class RunForm(PagedForm):
    """Which runs."""

    outcome = forms.ChoiceField(required=False, choices=[("", "Any"), *SyncRun.Outcome.choices])

    def __init__(self, data: QueryDict | Mapping[str, str], provider: Provider | None) -> None:
        super().__init__(data, field_order=["stream"])
        specs = () if provider is None else provider.streams
        choices = [("", "All"), *((spec.name, spec.label) for spec in specs), (EVERYTHING, ASKED_FOR)]
        self.fields["stream"] = forms.ChoiceField(required=False, choices=choices)

    def filters(self) -> dict[str, str]:
        """What is asked for beside the place in the list. Only of a valid form."""
        return {name: self.cleaned_data[name] for name in ("stream", "outcome") if self.cleaned_data[name]}


def run_page(heading: Heading, form: RunForm) -> RunPage:
    """Only of a valid form. Each page costs the same, however long the history is."""
    filters, asked = form.filters(), form.cleaned_data
    found = SyncRun.objects.none()
    if heading.integration is not None:
        named = {
            name: SyncRun.EVERYTHING if value == EVERYTHING else value for name, value in filters.items()
        }
        found = SyncRun.objects.filter(integration=heading.integration, **named)
    runs = keyset_page(found, "started_at", size=PAGE_SIZE, after=asked["after"], before=asked["before"])
    return RunPage(
        heading=heading,
        form=form,
        rows=run_rows(runs.rows, heading),
        newer_url=_url(heading.center, filters, before=runs.newer),
        older_url=_url(heading.center, filters, after=runs.older),
        is_filtered=bool(filters),
    )


def _url(center: CostCenter, filters: Mapping[str, str], **places: Position | None) -> str:
    """Empty where there is no such place."""
    asked = [(name, str(place)) for name, place in places.items() if place is not None]
    if not asked:
        return ""
    return f"{reverse('cost-center-runs', args=[center.pk])}?{encode([*filters.items(), *asked])}"


def recent_runs(integration: Integration, count: int) -> list[SyncRun]:
    """The newest; without what is told on the page of runs only."""
    return list(integration.runs.order_by("-started_at", "-pk").defer("sample")[:count])


def run_rows(runs: Iterable[SyncRun], heading: Heading) -> tuple[RunRow, ...]:
    provider = heading.provider
    labels = {} if provider is None else {spec.name: spec.label for spec in provider.streams}
    return tuple(_row(run, labels, heading) for run in runs)


def _row(run: SyncRun, labels: Mapping[str, str], heading: Heading) -> RunRow:
    currency, bill, revised = heading.center.currency, "", ""
    if run.amount_before is not None and run.amount_after is not None:
        change = run.amount_after - run.amount_before
        after = display(run.amount_after, currency)
        bill = f"{display(run.amount_before, currency)} → {after}" if change else ""
        text = display(change, currency)
        revised = f"+{text}" if change > 0 and not text.startswith("<") else text if change else ""
    is_kept = run.outcome == SyncRun.Outcome.KEPT and heading.actions.read_again
    return RunRow(
        run=run,
        stream=ASKED_FOR if run.is_asked_for else labels.get(run.stream, run.stream),
        window=window_label(run.window_start, run.window_end) if run.has_window else "",
        badge=outcome_badge(run),
        took="" if run.finished_at is None else length(run.started_at, run.finished_at),
        bill=bill,
        revised_by=revised,
        read_again_url=_read_again_url(heading.center, run) if is_kept else "",
    )


def _read_again_url(center: CostCenter, run: SyncRun) -> str:
    """To the form with the days that were kept (else the run's window), and fewer events allowed to replace them."""
    last_instant = max(run.window_end - timedelta(microseconds=1), run.window_start)
    days = run.kept_days or [f"{run.window_start:%Y-%m-%d}", f"{last_instant:%Y-%m-%d}"]
    asked = {"first": min(days), "last": max(days), "replace": "1"}
    return f"{reverse('cost-center-read-again', args=[center.pk])}?{urlencode(asked)}"
