"""What tests need in the database: people with a role, cost centers, rows of the roll-up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import factory
from django.contrib.auth.models import Group, Permission, User
from factory.django import DjangoModelFactory

from costcenters.models import ChargeType, CostCenter, DailyCost, SavedView, Statement, TagSet
from integrations.models import Integration, Member, Stream, SyncRun

PASSWORD = "correct horse battery"


def role_group(name: str) -> Group:
    """The group that the migration made; made again where a test with real transactions emptied the database."""
    group, is_new = Group.objects.get_or_create(name=name)
    if is_new:
        roles = import_module("finops.migrations.0002_groups")
        permissions = Permission.objects.filter(content_type__app_label__in=roles.ADMINISTERED)
        if name != "Admin":
            codenames = {"Viewer": roles.VIEWER, "Editor": roles.EDITOR}[name]
            permissions = permissions.filter(content_type__model="costcenter", codename__in=codenames)
        group.permissions.set(permissions)
    return group


class UserFactory(DjangoModelFactory[User]):
    """`role` is the name of a group: Viewer, Editor or Admin. Without one the account may do nothing."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}@example.com")
    email = factory.SelfAttribute("username")
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def role(self: Any, create: bool, extracted: str | None, **kwargs: object) -> None:
        if create and extracted:
            self.groups.add(role_group(extracted))


class CostCenterFactory(DjangoModelFactory[CostCenter]):
    class Meta:
        model = CostCenter
        django_get_or_create = ("name",)

    name = "Cursor"
    provider = "cursor"
    currency = "USD"
    status = CostCenter.Status.ACTIVE
    connected_on = date(2026, 1, 1)
    complete_through = datetime(2026, 11, 21, 14, tzinfo=UTC)


class StatementFactory(DjangoModelFactory[Statement]):
    """October's bill of one billing account."""

    class Meta:
        model = Statement

    cost_center = factory.SubFactory(CostCenterFactory)
    billing_account = factory.Sequence(lambda n: f"account-{n}")
    period_start = datetime(2026, 10, 1, tzinfo=UTC)
    period_end = datetime(2026, 11, 1, tzinfo=UTC)


class TagSetFactory(DjangoModelFactory[TagSet]):
    class Meta:
        model = TagSet

    digest = factory.Sequence(lambda n: f"{n:064x}")
    tags = factory.LazyFunction(dict)


class DailyCostFactory(DjangoModelFactory[DailyCost]):
    """A row of the roll-up as the writer would leave it; effective and list cost follow the billed one."""

    class Meta:
        model = DailyCost

    cost_center = factory.SubFactory(CostCenterFactory)
    day = date(2026, 11, 20)
    charge_type = ChargeType.USAGE
    billed_cost = Decimal("1.00")
    effective_cost = factory.SelfAttribute("billed_cost")
    list_cost = factory.SelfAttribute("billed_cost")
    line_items = 1


class SavedViewFactory(DjangoModelFactory[SavedView]):
    class Meta:
        model = SavedView

    owner = factory.SubFactory(UserFactory, role="Viewer")
    name = factory.Sequence(lambda n: f"View {n}")
    query = "preset=30d&group_by=model"


class IntegrationFactory(DjangoModelFactory[Integration]):
    """A connection whose history was loaded long ago; without a key, which no page reads."""

    class Meta:
        model = Integration

    cost_center = factory.SubFactory(CostCenterFactory)
    provider = "cursor"
    api_url = "https://api.cursor.com"
    key_hint = "…9f3a"
    set_up_at = datetime(2026, 1, 2, tzinfo=UTC)


class StreamFactory(DjangoModelFactory[Stream]):
    class Meta:
        model = Stream

    integration = factory.SubFactory(IntegrationFactory)
    name = "usage"
    due_at = datetime(2026, 11, 21, 15, tzinfo=UTC)


class SyncRunFactory(DjangoModelFactory[SyncRun]):
    """A run that took a minute and changed nothing."""

    class Meta:
        model = SyncRun

    integration = factory.SubFactory(IntegrationFactory)
    stream = "usage"
    window_start = datetime(2026, 11, 18, tzinfo=UTC)
    window_end = datetime(2026, 11, 21, tzinfo=UTC)
    started_at = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
    finished_at = factory.LazyAttribute(lambda run: run.started_at + timedelta(minutes=1))
    outcome = SyncRun.Outcome.UNCHANGED


class MemberFactory(DjangoModelFactory[Member]):
    class Meta:
        model = Member

    integration = factory.SubFactory(IntegrationFactory)
    key = factory.Sequence(lambda n: f"member{n}@example.com")
    email = factory.SelfAttribute("key")
    name = factory.Sequence(lambda n: f"Member {n}")
    role = "member"
    first_seen = date(2026, 10, 1)
    last_seen = date(2026, 11, 21)
