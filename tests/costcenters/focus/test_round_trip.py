"""An export that is imported elsewhere gives the same bill: by every dimension, exact to the nano-unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum

from costcenters.catalog import Catalog
from costcenters.dimensions import DIMENSIONS
from costcenters.focus import ledger
from costcenters.focus.delivery import read_delivery
from costcenters.focus.export_files import Format
from costcenters.focus.export_rows import DECIMALS
from costcenters.models import CostCenter, CostLineItem, DailyCost, Statement, StatementDay
from costcenters.scope import FIGURES
from tests.costcenters.focus.exported import NOVEMBER, a_ledger, delivered, event, export, rows, seat, store
from tests.factories import CostCenterFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, tzinfo=UTC)

#: Sums of the three costs and four token counts, and the number of line items, by what they are of.
Totals = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class InMemory:
    """A file of a delivery."""

    name: str
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def open(self) -> BytesIO:
        return BytesIO(self.content)


def totals(key: str) -> Totals:
    """The roll-up by day, currency and a dimension, summed here and not by the explorer."""
    catalog = Catalog()
    found: dict[tuple[Any, ...], list[Any]] = {}
    if key == "tags":
        values = {pk: tuple(sorted(tags.items())) for pk, tags in catalog.tags.items()} | {None: ()}
        column, of = "tag_set_id", values.__getitem__
    elif key == "is_estimated":
        column, of = key, bool
    else:
        column, of = DIMENSIONS[key].column, catalog.value_of(key)
    for day, center, raw, *figures in DailyCost.objects.order_by().values_list(
        "day", "cost_center_id", column, *FIGURES
    ):
        place = (day, catalog.cost_centers[center].currency, of(raw))
        sums = found.setdefault(place, [0] * len(FIGURES))
        found[place] = [known + figure for known, figure in zip(sums, figures, strict=True)]
    return {place: tuple(sums) for place, sums in found.items()}


ALL = (*DIMENSIONS, "tags", "is_estimated")


def everything() -> dict[str, Totals]:
    return {key: totals(key) for key in ALL}


def empty_the_install() -> None:
    for model in (CostLineItem, DailyCost, StatementDay, Statement, CostCenter):
        model._base_manager.all().delete()


def bring_in(content: bytes, scratch: Path, *, name: str = "bill.csv", into: str = "") -> list[str]:
    """Import a file: into cost centers of the names that it says, or into one. Answers what people are told."""
    providers = {} if into else dict(CostCenter.objects.values_list("name", "provider"))
    empty_the_install()
    with read_delivery([InMemory(name, content)], scratch=scratch, by_cost_center=not into) as delivery:
        for part in delivery.parts:
            title = part.cost_center or into
            center = CostCenterFactory(
                name=title, provider=providers.get(title, "focus_files"), currency=part.currency
            )
            ledger.write(center, delivery, part, ledger.plan(center, part), fence=lambda: None, now=NOW)
        return [*delivery.notes, *delivery.questions]


@pytest.mark.parametrize("wanted", list(Format), ids=lambda each: each.value)
class TestIntoAnEmptyInstall:
    def test_all_totals_are_the_same_by_every_dimension(self, wanted, tmp_path):
        a_ledger()
        before, content = everything(), export(wanted=wanted)

        bring_in(content, tmp_path, name=f"bill.{wanted.value}")

        after = everything()
        for key in ALL:
            assert after[key] == before[key], key

    def test_a_second_export_holds_the_same_rows(self, wanted, tmp_path):
        a_ledger()
        content = export(wanted=wanted)
        first = comparable(rows())

        bring_in(content, tmp_path, name=f"bill.{wanted.value}")

        assert comparable(rows()) == first

    def test_all_is_read_without_a_word(self, wanted, tmp_path):
        a_ledger()
        content = export(wanted=wanted)
        assert bring_in(content, tmp_path, name=f"bill.{wanted.value}") == []


def comparable(found: Iterable[dict[str, str]]) -> Counter[tuple[Any, ...]]:
    """Rows as they can be compared: in any order, numbers by what they say."""
    return Counter(
        tuple(Decimal(text) if text and name in DECIMALS else text for name, text in row.items())
        for row in found
    )


def test_into_one_cost_center_all_but_cost_center_and_provider_stays(tmp_path):
    cursor = CostCenterFactory()
    store(cursor, [event(1), event(2, model=""), seat(3)])
    before, content = everything(), export()

    bring_in(content, tmp_path, into="From elsewhere")

    after = everything()
    for key in set(ALL) - {"cost_center", "provider"}:
        assert after[key] == before[key], key


def test_ids_keep_their_zeros(tmp_path):
    center = CostCenterFactory(name="AWS", provider="aws")
    bill = Statement.objects.create(
        cost_center=center,
        billing_account="000000000007",
        period_start=NOVEMBER,
        period_end=NOVEMBER.replace(month=12),
    )
    store(center, [delivered(account="012345678901", resource="007")], statement=bill)

    bring_in(export(), tmp_path)

    assert Statement.objects.get().billing_account == "000000000007"
    line = CostLineItem.objects.get()
    assert (line.account, line.resource) == ("012345678901", "007")


def test_names_that_are_numbers_stay_as_they_are(tmp_path):
    center = CostCenterFactory(name="2026")
    store(center, [event(user="4711", model="4", kind="1.0", service="365"), event(user="cursor:4711")])

    bring_in(export(), tmp_path)

    lines = CostLineItem.objects.order_by("user").values_list(
        "cost_center__name", "user", "model", "kind", "service"
    )
    assert list(lines) == [
        ("2026", "4711", "4", "1.0", "365"),
        ("2026", "cursor:4711", "claude-4.5-sonnet", "Usage-based", "Cursor"),
    ]


def test_what_the_ledger_leaves_empty_stays_empty(tmp_path):
    """FOCUS wants a SKU and a pricing category of every usage; they are none of ours."""
    store(CostCenterFactory(), [seat(), event(model="", kind="")])

    bring_in(export(), tmp_path)

    assert set(CostLineItem.objects.values_list("model", "kind")) == {("", "")}


def test_names_of_users_keep_their_case(tmp_path):
    store(CostCenterFactory(), [event(user="CI Robot")])

    bring_in(export(), tmp_path)

    assert CostLineItem.objects.get().user == "CI Robot"


def test_the_smallest_and_the_largest_amounts_stay(tmp_path):
    amounts = [1, -1, 2**62, -(2**62), 999_999_999, 10**9]
    store(CostCenterFactory(), [event(day, billed_nano=nano) for day, nano in enumerate(amounts, start=1)])
    sums = CostLineItem.objects.aggregate(Sum("billed_cost"))

    for wanted in Format:
        bring_in(export(wanted=wanted), tmp_path, name=f"bill.{wanted.value}")
        assert CostLineItem.objects.aggregate(Sum("billed_cost")) == sums


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_with_the_two_commands_as_people_do_it(tmp_path, suffix):
    """The provider of a cost center is not restored: nobody connected it."""
    a_ledger()
    path = tmp_path / f"bill.{suffix}"
    call_command("export_focus", output=str(path), stdout=StringIO())
    before = everything()
    empty_the_install()

    call_command("import_focus", str(path), stdout=StringIO())

    after = everything()
    for key in set(ALL) - {"provider"}:
        assert after[key] == before[key], key
