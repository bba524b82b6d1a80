"""AWS, GCP and subscriptions of the demo: connected as people do it, extended by a later start, never doubled."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import Count, Sum

from costcenters import line_items
from costcenters.examples import AWS, BILLS, GCP, write
from costcenters.models import ChargeType, CostCenter, CostLineItem, DailyCost, SavedView
from costcenters.records import LineItem, Window
from finops.demo_bills import add_subscriptions, connected_files
from integrations.connections import disconnect
from integrations.models import ImportedFile, Integration, Subscription
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
FIRST, END = date(2026, 8, 23), date(2026, 9, 5)


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    return tmp_path / "aws"


@pytest.fixture
def admin():
    return UserFactory(role="Admin")


def start(folder, admin, *, end=END) -> Integration | None:
    """What a start of the demo does about AWS."""
    write(AWS, folder, FIRST, end)
    integration = connected_files(AWS, folder, admin)
    if integration is not None:
        call_command("sync", integration=integration.pk)
    return integration


def sums(**only):
    return CostLineItem.objects.filter(**only).aggregate(
        lines=Count("pk"), billed=Sum("billed_cost"), effective=Sum("effective_cost"), list=Sum("list_cost")
    )


def truth(folder) -> Decimal:
    files = sorted(folder.rglob("*.csv"))
    return sum(
        (Decimal(row["BilledCost"]) for file in files for row in csv.DictReader(file.open(newline=""))),
        Decimal(0),
    )


# Files ----------------------------------------------------------------------------------------------------------------


def test_each_cloud_is_a_cost_center_of_its_provider_in_its_currency(settings, tmp_path, admin):
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    for bill in BILLS:
        write(bill, tmp_path / bill.provider, FIRST, FIRST + timedelta(days=3))
        call_command("sync", integration=connected_files(bill, tmp_path / bill.provider, admin).pk)
    assert list(CostCenter.objects.values_list("provider", "currency", "status")) == [
        ("aws", "USD", "active"),
        ("azure", "EUR", "active"),
        ("gcp", "USD", "active"),
    ]


def test_the_bill_is_what_the_files_hold_to_the_nano(folder, admin):
    integration = start(folder, admin)
    center = CostCenter.objects.get(name="AWS (example)")
    assert (center.provider, center.status, center.currency) == ("aws", CostCenter.Status.ACTIVE, "USD")
    assert center.complete_through == datetime(2026, 9, 5, tzinfo=UTC)
    assert sums()["billed"] == truth(folder) > 0
    assert {file.state for file in ImportedFile.objects.filter(integration=integration)} == {"imported"}


def test_lines_keep_what_a_report_asks_for(folder, admin):
    start(folder, admin)
    seen = {
        name: set(CostLineItem.objects.values_list(name, flat=True))
        for name in ("charge_type", "account", "kind", "region", "service")
    }
    assert seen["charge_type"] == {"usage", "purchase", "tax"}
    assert seen["account"] == {"acme-production", "acme-staging", "acme-data"}
    assert seen["kind"] == {"", "Standard", "Committed"}
    assert {"us-east-1", "eu-central-1", "ap-southeast-1", ""} <= seen["region"]
    assert {"Amazon EC2", "Amazon Bedrock", "AWS Support", "Tax"} <= seen["service"]
    tagged = CostLineItem.objects.exclude(tag_set=None).select_related("tag_set")
    assert {tuple(line.tag_set.tags) for line in tagged[:50]} == {("env", "team")}


def test_a_later_start_adds_the_new_days_and_changes_no_day_that_is_there(folder, admin):
    start(folder, admin)
    before = set(CostLineItem.objects.values_list("pk", "started_at", "billed_cost"))
    start(folder, admin, end=END + timedelta(days=2))
    after = set(CostLineItem.objects.values_list("pk", "started_at", "billed_cost"))
    assert before < after
    assert {row[1].date() for row in after - before} == {END, END + timedelta(days=1)}
    assert CostCenter.objects.get().complete_through == datetime(2026, 9, 7, tzinfo=UTC)


def test_a_start_on_the_same_day_changes_nothing(folder, admin):
    start(folder, admin)
    before = set(CostLineItem.objects.values_list("pk", flat=True))
    start(folder, admin)
    assert set(CostLineItem.objects.values_list("pk", flat=True)) == before
    assert Integration.objects.count() == 1


def test_a_cost_center_that_was_renamed_is_not_connected_a_second_time(folder, admin):
    start(folder, admin)
    before = sums()
    CostCenter.objects.update(name="Amazon")
    start(folder, admin)
    assert sums() == before
    assert CostCenter.objects.count() == 1


# What people have done ------------------------------------------------------------------------------------------------


def test_a_connection_somebody_has_removed_stays_removed(folder, admin):
    integration = start(folder, admin)
    before = sums()
    disconnect(integration, now=datetime.now(UTC))
    assert start(folder, admin, end=END + timedelta(days=2)) is None
    assert sums() == before


@pytest.mark.parametrize("provider", ["cursor", "gcp"])
def test_a_cost_center_of_that_name_that_is_something_else_is_left_alone(folder, admin, provider):
    CostCenterFactory(name=AWS.name, provider=provider)
    assert start(folder, admin) is None
    assert not CostLineItem.objects.exists()


# A demo of before -----------------------------------------------------------------------------------------------------


@pytest.fixture
def old_demo() -> CostCenter:
    """Lines that were written without a connection, as demos did before there were FOCUS files."""
    center = CostCenterFactory(name=AWS.name, provider="aws", connected_on=None)
    days = [datetime(2026, 8, 23, tzinfo=UTC) + timedelta(days=number) for number in range(13)]
    line_items.replace_window(
        Window(center.pk, days[0], days[-1] + timedelta(days=1), tuple(ChargeType.values)),
        [
            LineItem(started_at=day, charge_type=kind, service="Amazon EC2", billed_nano=10**9)
            for day in days
            for kind in (ChargeType.USAGE.value, ChargeType.TAX.value)
        ],
    )
    return center


def test_lines_of_an_old_demo_are_replaced_by_those_of_the_files(folder, admin, old_demo):
    SavedViewFactory(owner=admin, name="AWS", query="cost_center=AWS+%28example%29")
    start(folder, admin)
    center = CostCenter.objects.get()
    assert center.name == old_demo.name
    assert center.integration.provider == "aws"
    assert sums()["billed"] == truth(folder)
    assert not CostLineItem.objects.filter(statement=None).exists()
    assert DailyCost.objects.aggregate(Sum("billed_cost"))["billed_cost__sum"] == truth(folder)
    assert SavedView.objects.get().query == "cost_center=AWS+%28example%29", "it is asked for by its name"


def test_an_old_demo_whose_change_was_interrupted_is_changed_by_the_next_start(folder, admin, old_demo):
    line_items.erase_some(old_demo.pk, at_most=3)
    start(folder, admin)
    assert sums()["billed"] == truth(folder)


def test_an_old_demos_other_cloud_stays_until_its_turn(folder, admin, old_demo):
    CostCenterFactory(name=GCP.name, provider="gcp", connected_on=None)
    start(folder, admin)
    assert not hasattr(CostCenter.objects.get(name=GCP.name), "integration")


# Subscriptions --------------------------------------------------------------------------------------------------------


NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_subscriptions_are_added_once(admin):
    add_subscriptions(FIRST, admin, NOW)
    add_subscriptions(FIRST, admin, NOW)
    assert list(Subscription.objects.values_list("name", "seats", "period")) == [
        ("Figma", 25, "annual"),
        ("Linear", 40, "monthly"),
    ]


def test_they_are_paid_on_their_day_and_cost_something_each_day(admin):
    add_subscriptions(FIRST, admin, NOW)
    days = {"started_at__gte": datetime(2026, 11, 1, tzinfo=UTC), "started_at__lt": NOW}
    (payment,) = CostLineItem.objects.filter(charge_type="purchase", **days)
    assert (payment.service, payment.billed_cost, payment.effective_cost) == ("Linear", Decimal(560), 0)
    assert payment.day == date(2026, 11, 1)
    for service in ("Figma", "Linear"):
        daily = CostLineItem.objects.filter(service=service, effective_cost__gt=0, **days)
        assert daily.values("day").distinct().count() == 22


def test_one_that_somebody_has_deleted_does_not_come_back(admin):
    add_subscriptions(FIRST, admin, NOW)
    Subscription.objects.all().delete()
    add_subscriptions(FIRST, admin, NOW)
    assert not Subscription.objects.exists()
