"""Removing a cost center: typed confirmation, the key deleted at once, the history kept or deleted too."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from costcenters.models import CostCenter, CostLineItem
from integrations import engine
from integrations.claims import Claim
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import Integration, Stream
from integrations.providers import PROVIDERS
from tests.connecting import answers, connect, work
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(UserFactory(role="Admin"))
    return client


@pytest.fixture
def integration(admin, api):
    found = connect(admin, api)
    work(found)
    return found


def url(integration):
    return reverse("cost-center-remove", args=[integration.cost_center_id])


def remove(client, integration, **typed):
    return client.post(url(integration), {"history": "keep", "typed_name": "Cursor", **typed})


def said(response):
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def status():
    return CostCenter.objects.get().status


def test_the_page_says_what_goes_and_what_stays(admin, integration, api):
    page = admin.get(url(integration)).content.decode()

    assert f"<strong>Keep it.</strong> {CostLineItem.objects.count():,} line items since" in page
    assert f"…{api.api_key[-4:]}" in page
    assert "Revoke it in Cursor’s dashboard" in page
    assert admin.get(url(integration)).context["form"]["history"].value() == "keep"


def test_the_key_goes_at_once_and_the_history_stays(admin, integration, api):
    items = CostLineItem.objects.count()

    response = remove(admin, integration, typed_name="  Cursor ")

    assert response["Location"] == "/settings/cost-centers/"
    assert Integration.objects.get().credentials is None
    assert status() == "disconnected"
    assert CostLineItem.objects.count() == items
    assert "Its history stays in all reports." in said(response)
    assert f"Now revoke the key (…{api.api_key[-4:]}) in Cursor’s dashboard." in said(response)


@pytest.mark.parametrize("typed", ["", "cursor", "Cursor!", "Cursor\x00", "x" * 5000])
def test_without_its_exact_name_nothing_is_removed(admin, integration, typed):
    response = remove(admin, integration, typed_name=typed, history="delete")

    assert response.context["form"].errors["typed_name"]
    assert response.context["form"]["history"].value() == "delete"
    assert status() == "active"


@pytest.mark.parametrize("typed", ["Café Team", "  Cafe\N{COMBINING ACUTE ACCENT}  Team "])
def test_a_name_is_typed_as_it_is_seen(admin, integration, typed):
    CostCenter.objects.update(name="Cafe\N{COMBINING ACUTE ACCENT}  Team")

    remove(admin, integration, typed_name=typed)
    assert status() == "disconnected"


@pytest.mark.parametrize("history", ["", "burn"])
def test_what_becomes_of_the_history_must_be_said(admin, integration, history):
    response = remove(admin, integration, history=history)

    assert response.context["form"].errors["history"] == ["Choose what becomes of the history."]
    assert status() == "active"


def test_the_history_can_be_deleted_too(admin, integration):
    response = remove(admin, integration, history="delete")

    assert "Its history is being deleted" in said(response)
    assert Stream.objects.filter(name=Stream.PURGE).exists()
    assert "being deleted already" in admin.get(url(integration)).content.decode()
    work(integration)
    assert not CostCenter.objects.exists()
    assert not CostLineItem.objects.exists()
    assert admin.get(url(integration)).status_code == 404


def test_a_second_press_never_deletes_what_was_to_be_kept(admin, integration):
    remove(admin, integration)

    response = remove(admin, integration)

    assert "is removed already. Its history stays." in said(response)
    assert not Stream.objects.filter(name=Stream.PURGE).exists()


def test_what_was_kept_can_be_deleted_later(admin, integration):
    remove(admin, integration)
    page = admin.get(url(integration)).content.decode()
    assert "Delete the history of Cursor?" in page
    assert 'type="radio"' not in page

    remove(admin, integration, history="delete")
    work(integration)

    assert not CostCenter.objects.exists()


def test_removing_while_it_is_read_lets_nothing_more_be_written(admin, integration):
    stream = integration.streams.get(name="usage")
    claim = Claim.take(stream.pk, provider=PROVIDERS["cursor"], runtime=Runtime())

    remove(admin, integration)

    with pytest.raises(LeaseLost):
        claim.fence()
    assert engine.sync_stream(stream.pk, runtime=Runtime()) is None


def test_it_can_be_connected_again_under_its_name(admin, integration, api):
    items = CostLineItem.objects.filter(charge_type="usage").count()
    remove(admin, integration)

    revived = connect(admin, api)
    work(revived)

    assert revived.pk == integration.pk
    assert CostLineItem.objects.filter(charge_type="usage").count() >= items


def test_editors_cannot_remove(client, integration, api):
    client.force_login(UserFactory(role="Editor"))

    assert client.get(url(integration)).status_code == 403
    assert remove(client, integration).status_code == 403
    assert status() == "active"
    assert client.post(reverse("connect", args=["cursor"]), answers(api)).status_code == 200


def test_lines_without_a_provider_are_not_offered_for_removal(admin):
    center = CostCenterFactory(name="AWS (example)", provider="aws")
    DailyCostFactory(cost_center=center)
    address = reverse("cost-center-remove", args=[center.pk])

    for response in (
        admin.get(address),
        admin.post(address, {"history": "delete", "typed_name": "AWS (example)"}),
    ):
        assert "no connection to remove" in response.content.decode()
    assert CostCenter.objects.get() == center
