"""One message an incident, and one when it is over: a refused key, a day of failures. The clock is moved by hand."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from costcenters.models import CostCenter
from finops.models import NotificationSetting
from integrations import connections, engine, life, notices
from integrations.models import Integration, Notice, Stream
from integrations.sandbox import FaultPlan
from tests.connecting import MailServer, part
from tests.factories import UserFactory

from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)

NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
#: Every request fails.
DOWN = FaultPlan(every=1, burst=1_000_000)


@pytest.fixture
def server(sandbox):
    server = sandbox(days=4, events=80, plan=DOWN)
    server.add_key(NEW_KEY)
    return server


@pytest.fixture
def eve():
    return UserFactory(role="Editor", username="eve@example.com")


@pytest.fixture
def integration(server, connect, runtime, eve, mail, clock):
    """Connected by Eve, set up, and told so."""
    integration = connect(server)
    Integration.objects.update(connected_by=eve)
    sync(integration, runtime)
    notices.deliver(clock())
    mail.messages.clear()
    return integration


def read(integration, runtime, *, hours=0):
    """Time passes, then each stream is read once, as the worker would; then its tick."""
    runtime.clock.now += timedelta(hours=hours, seconds=1)
    for stream in integration.streams.order_by("pk"):
        while result := engine.sync_stream(stream.pk, runtime=runtime, only_if_due=True):
            if result.complete or result.error:
                break
    tick(runtime)


def tick(runtime):
    notices.tell_failing(runtime.clock())
    notices.deliver(runtime.clock())


def subjects(mail):
    return [message["Subject"] for message in mail.messages]


def incident():
    return Integration.objects.get().incident


def rotate(integration, runtime):
    connections.rotate(integration, {"admin_api_key": NEW_KEY}, runtime=runtime)


REFUSED = "Cursor needs attention: Cursor refuses its key"
FAILING = "Cursor could not be read for a day"
RECOVERED = "Cursor works again: the gap is filled"


# A refused key -------------------------------------------------------------------------------------------------------


def test_a_refused_key_is_told_once_and_so_is_that_the_gap_is_filled_after_a_rotation(
    server, integration, runtime, mail, clock
):
    refused_at = clock() + timedelta(hours=3, seconds=1)
    server.revoke()
    for hours in (3, 30):
        read(integration, runtime, hours=hours)
    assert subjects(mail) == [REFUSED]
    assert incident() == Notice.Event.KEY_REFUSED

    rotate(integration, runtime)
    for hours in (0, 1):
        read(integration, runtime, hours=hours)

    assert subjects(mail) == [REFUSED, RECOVERED]
    assert incident() == ""
    through = CostCenter.objects.get().complete_through
    for kind in ("plain", "html"):
        text = part(mail.messages[1], kind)
        assert f"refused on {refused_at.day} Nov {refused_at.year}, {refused_at:%H:%M} UTC" in text
        assert "the gap is filled" in text
        assert "The bill is complete through" in text
    assert through is not None
    assert through > refused_at


def test_nothing_is_over_before_every_stream_of_the_bill_has_been_read_again(
    server, integration, runtime, mail
):
    server.revoke()
    read(integration, runtime, hours=1)
    rotate(integration, runtime)
    runtime.clock.now += timedelta(seconds=1)

    engine.sync_stream(integration.streams.get(name="members").pk, runtime=runtime)
    tick(runtime)
    assert subjects(mail) == [REFUSED]

    engine.sync_stream(integration.streams.get(name="usage").pk, runtime=runtime)
    tick(runtime)
    assert subjects(mail) == [REFUSED, RECOVERED]


def test_totals_alone_are_not_waited_for_and_not_told_of(server, integration, runtime, mail, clock):
    Stream.objects.filter(name="spend").update(
        failing_since=clock() - timedelta(days=9), due_at=clock() + timedelta(days=9)
    )
    read(integration, runtime, hours=1)
    assert subjects(mail) == []

    server.revoke()
    read(integration, runtime, hours=1)
    rotate(integration, runtime)
    Stream.objects.filter(name="spend").update(
        failing_since=clock() - timedelta(days=9), due_at=clock() + timedelta(days=9)
    )
    read(integration, runtime)
    assert subjects(mail) == [REFUSED, RECOVERED]


def test_a_second_refusal_before_it_had_recovered_is_told_too(server, integration, runtime, mail):
    server.revoke()
    read(integration, runtime, hours=1)
    rotate(integration, runtime)
    server.revoke(NEW_KEY)
    read(integration, runtime, hours=1)

    assert subjects(mail) == [REFUSED, REFUSED]


def test_a_key_replaced_before_anybody_was_told_needs_no_message_at_all(
    server, integration, runtime, mail, clock
):
    server.revoke()
    clock.now += timedelta(hours=1)
    engine.sync_stream(integration.streams.get(name="usage").pk, runtime=runtime)
    assert (incident(), Notice.objects.count()) == (Notice.Event.KEY_REFUSED, 1)

    rotate(integration, runtime)
    assert (incident(), Notice.objects.count()) == ("", 0)
    read(integration, runtime, hours=1)

    assert subjects(mail) == []


def test_a_mail_that_could_not_be_sent_before_the_key_was_replaced_told_nobody(
    server, integration, runtime, mail, settings
):
    mail.stop()
    server.revoke()
    read(integration, runtime, hours=1)
    assert Notice.objects.get().attempts == 1

    rotate(integration, runtime)
    mail.start()
    read(integration, runtime, hours=1)

    assert subjects(mail) == []


def test_only_who_was_told_of_trouble_is_told_that_it_is_over(server, integration, runtime, mail, clock):
    """Bob's address was refused all the while; Eve's was not."""
    bob = UserFactory(role="Viewer", username="bob@example.com")
    NotificationSetting.objects.create(user=bob, every_cost_center=True)
    server.revoke()
    clock.now += timedelta(hours=1)
    engine.sync_stream(integration.streams.get(name="usage").pk, runtime=runtime)
    mail.refuses = {"bob@example.com"}
    notices.deliver(clock())
    assert [message["To"] for message in mail.messages] == ["eve@example.com"]
    mail.refuses = set()

    # The same key works again: nothing was rotated, so Bob's message still waits.
    server.add_key(server.api_key)
    CostCenter.objects.update(status=CostCenter.Status.ACTIVE)
    Stream.objects.update(due_at=clock(), failing_since=None)
    clock.now += timedelta(seconds=1)
    for stream in integration.streams.order_by("pk"):
        engine.sync_stream(stream.pk, runtime=runtime)
    notices.deliver(clock() + timedelta(hours=2))

    assert [(message["To"], message["Subject"]) for message in mail.messages] == [
        ("eve@example.com", REFUSED),
        ("eve@example.com", RECOVERED),
    ]


def test_testing_a_key_that_works_again_ends_it_as_a_rotation_does(server, integration, runtime, mail):
    server.revoke()
    read(integration, runtime, hours=1)
    server.add_key(server.api_key)

    life.test_connection(Integration.objects.get(), runtime=runtime)
    read(integration, runtime, hours=1)

    assert subjects(mail) == [REFUSED, RECOVERED]


def test_a_key_refused_during_the_set_up_is_over_once_that_is_finished(
    server, connect, runtime, eve, mail, clock
):
    integration = connect(server)
    Integration.objects.update(connected_by=eve)
    server.revoke()
    read(integration, runtime)
    rotate(integration, runtime)
    read(integration, runtime, hours=1)

    first, *others = subjects(mail)
    assert first == REFUSED
    assert sorted(others)[1] == RECOVERED
    assert sorted(others)[0].startswith("Cursor is set up")


def test_a_removed_connection_has_no_incident_and_no_messages(server, integration, runtime, mail, clock):
    server.revoke()
    clock.now += timedelta(hours=1)
    engine.sync_stream(integration.streams.get(name="usage").pk, runtime=runtime)

    connections.disconnect(Integration.objects.get(), now=clock())
    tick(runtime)

    known = Integration.objects.get()
    assert (known.incident, known.incident_at) == ("", None)
    assert subjects(mail) == []


# Failing for a day ---------------------------------------------------------------------------------------------------


def test_a_day_of_failures_is_told_once_however_long_it_lasts_and_then_that_it_is_over(
    server, integration, runtime, mail, clock
):
    server.set_faults("server_errors")
    began = clock() + timedelta(hours=1, seconds=1)
    for hours in (1, 12, 11):
        read(integration, runtime, hours=hours)
    assert subjects(mail) == [], "not yet a day"

    for hours in (1, 10, 100):
        read(integration, runtime, hours=hours)
    assert subjects(mail) == [FAILING]
    known = Integration.objects.get()
    assert (known.incident, known.incident_at) == (Notice.Event.FAILING, began)
    for kind in ("plain", "html"):
        text = part(mail.messages[0], kind)
        assert f"since {began.day} Nov {began.year}, {began:%H:%M} UTC" in text
        assert "Usage events: Cursor" in text

    server.set_faults("")
    for _ in range(2):
        read(integration, runtime, hours=1)
    assert subjects(mail) == [FAILING, RECOVERED]
    assert f"Reading it had failed since {began.day} Nov" in part(mail.messages[1], "plain")


def test_failures_that_end_within_a_day_are_told_to_nobody(server, integration, runtime, mail):
    for _ in range(2):
        server.set_faults("server_errors")
        for hours in (1, 20):
            read(integration, runtime, hours=hours)
        server.set_faults("")
        read(integration, runtime, hours=1)

    assert subjects(mail) == []


def test_a_key_refused_after_a_day_of_failures_is_a_message_of_its_own(server, integration, runtime, mail):
    server.set_faults("server_errors")
    for hours in (1, 25):
        read(integration, runtime, hours=hours)
    server.set_faults("")
    server.revoke()
    read(integration, runtime, hours=1)
    assert subjects(mail) == [FAILING, REFUSED]

    rotate(integration, runtime)
    read(integration, runtime, hours=1)
    assert subjects(mail) == [FAILING, REFUSED, RECOVERED], "one that ends both"


def test_a_stream_that_is_due_is_tried_before_anybody_is_told(server, integration, runtime, mail, clock):
    """A day without a worker after one failure."""
    server.set_faults("server_errors")
    read(integration, runtime, hours=1)
    server.set_faults("")
    clock.now += timedelta(days=2)

    tick(runtime)
    assert subjects(mail) == []

    read(integration, runtime)
    assert subjects(mail) == []


@pytest.mark.parametrize(
    "status",
    [CostCenter.Status.PAUSED, CostCenter.Status.NEEDS_ATTENTION, CostCenter.Status.DISCONNECTED],
)
def test_what_is_not_being_read_does_not_fail(status, integration, runtime, mail, clock):
    CostCenter.objects.update(status=status)
    Stream.objects.update(failing_since=clock() - timedelta(days=3), due_at=clock() + timedelta(hours=1))

    tick(runtime)

    assert subjects(mail) == []


def test_after_a_pause_failures_are_counted_anew(server, integration, runtime, mail, clock):
    server.set_faults("server_errors")
    read(integration, runtime, hours=1)
    life.pause(integration, now=clock())
    clock.now += timedelta(days=2)
    life.resume(integration, now=clock())

    read(integration, runtime, hours=1)

    assert subjects(mail) == []


# At once -------------------------------------------------------------------------------------------------------------


def at_once(*works):
    """Do things in threads of their own; what they raised."""
    errors = []
    barrier = threading.Barrier(len(works))

    def run(work):
        try:
            barrier.wait(10)
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def test_two_workers_that_finish_at_once_tell_it_once(server, integration, runtime, mail, clock):
    server.revoke()
    read(integration, runtime, hours=1)
    rotate(integration, runtime)
    clock.now += timedelta(seconds=1)
    Stream.objects.update(finished_at=clock(), failing_since=None)

    at_once(*[lambda: notices.stream_complete(integration, clock())] * 4)

    assert Notice.objects.filter(event=Notice.Event.RECOVERED).count() == 1


def test_two_ticks_at_once_tell_of_failures_once(integration, clock):
    Stream.objects.update(failing_since=clock() - timedelta(days=3), due_at=clock() + timedelta(hours=1))

    at_once(*[lambda: notices.tell_failing(clock())] * 4)

    assert Notice.objects.filter(event=Notice.Event.FAILING).count() == 1


def test_two_deliveries_at_once_make_one_row_a_person(settings, integration, clock):
    for name in ("a", "b", "c"):
        UserFactory(role="Admin", username=f"{name}@example.com")
    Integration.objects.update(connected_by=None)
    mail = MailServer(settings)
    notices.needs_attention(integration, "refused", clock())

    at_once(*[lambda: notices.deliver(clock())] * 4)
    assert Notice.objects.filter(user=None).count() == 0
    assert Notice.objects.count() == 3

    mail.start()
    try:
        at_once(*[lambda: notices.deliver(clock() + timedelta(hours=3))] * 4)
    finally:
        mail.stop()
    assert sorted(message["To"] for message in mail.messages) == [
        f"{name}@example.com" for name in ("a", "b", "c")
    ]
