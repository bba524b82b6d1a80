"""The run of all that somebody asked for: begun with the wish, over when every stream it is about is."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse

from integrations import asked_runs, connections, engine, life
from integrations.models import Integration, Stream, SyncRun
from tests.connecting import connect as connect_on_page
from tests.connecting import work
from tests.factories import UserFactory

from .conftest import sync

pytestmark = pytest.mark.django_db(transaction=True)

Outcome = SyncRun.Outcome
MINUTE = timedelta(minutes=1)
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"


@pytest.fixture
def server(sandbox):
    server = sandbox(days=6, events=120)
    server.add_key(NEW_KEY)
    return server


@pytest.fixture
def integration(server, connect, runtime, clock):
    """Read in full; an hour later, so that there is something new."""
    integration = connect(server)
    sync(integration, runtime)
    clock.now += 60 * MINUTE
    return Integration.objects.select_related("cost_center").get()


def read(integration, name, runtime):
    return engine.sync_stream(integration.streams.get(name=name).pk, runtime=runtime, only_if_due=True)


def asked(integration) -> list[SyncRun]:
    return list(integration.runs.asked_for().order_by("pk"))


def test_a_connection_begins_one_that_ends_with_the_last_stream_of_the_bill(server, connect, runtime):
    integration = connect(server)
    (run,) = asked(integration)
    assert (run.outcome, run.finished_at, run.has_window) == (Outcome.RUNNING, None, False)

    read(integration, "members", runtime)
    assert asked(integration)[0].outcome == Outcome.RUNNING
    read(integration, "usage", runtime)

    # The provider's own totals are no part of the bill.
    assert integration.streams.get(name="spend").finished_at is None
    (run,) = asked(integration)
    assert (run.outcome, run.message) == (Outcome.DONE, "")
    windows = integration.runs.of_windows()
    assert run.events == sum(each.events for each in windows) > 120
    assert run.requests == sum(each.requests for each in windows) > 0
    assert (run.amount_before, run.amount_after) == (0, sum(each.amount_after for each in windows))


def test_asked_twice_it_is_the_same_until_it_is_over(integration, runtime, clock):
    first = life.sync_now(integration, now=clock())
    assert life.sync_now(integration, now=clock() + MINUTE).run == first.run
    for name in ("usage", "members"):
        clock.now += MINUTE
        read(integration, name, runtime)

    (_, over) = asked(integration)
    assert (over.pk, over.outcome) == (first.run.pk, Outcome.DONE)
    assert life.sync_now(integration, now=clock()).run.pk > over.pk


def test_days_read_again_are_about_the_history_alone(integration, runtime, clock):
    first, last = date(2026, 11, 15), date(2026, 11, 16)
    everything = life.sync_now(integration, now=clock()).run
    run = life.read_again(integration, first, last, may_shrink=False, now=clock())
    assert run.pk > everything.pk
    clock.now += MINUTE

    read(integration, "usage", runtime)

    run.refresh_from_db()
    everything.refresh_from_db()
    assert (run.outcome, run.has_window, run.window_start.date()) == (Outcome.DONE, True, first)
    assert everything.outcome == Outcome.RUNNING
    read(integration, "members", runtime)
    everything.refresh_from_db()
    assert everything.outcome == Outcome.DONE


def test_what_fails_meanwhile_fails_it_and_it_stays_failed(integration, server, runtime, clock):
    life.sync_now(integration, now=clock())
    Integration.objects.update(api_url="http://127.0.0.1:9")
    read(integration, "members", runtime)

    run = asked(integration)[-1]
    assert run.outcome == Outcome.FAILED
    assert run.message.startswith("Members: ")
    assert run.finished_at is not None
    Integration.objects.update(api_url=server.url)
    Stream.objects.update(due_at=clock())
    for name in ("usage", "members"):
        assert read(integration, name, runtime).complete
    assert asked(integration)[-1] == run
    assert asked(integration)[-1].outcome == Outcome.FAILED


def test_a_key_that_is_refused_ends_all_that_was_asked_for(integration, server, runtime, clock):
    everything = life.sync_now(integration, now=clock()).run
    again = life.read_again(
        integration, date(2026, 11, 15), date(2026, 11, 16), may_shrink=False, now=clock()
    )
    server.revoke()
    read(integration, "members", runtime)
    assert {run.pk: run.outcome for run in asked(integration)[1:]} == {
        everything.pk: Outcome.FAILED,
        again.pk: Outcome.FAILED,
    }


def test_a_test_of_the_key_that_is_refused_ends_it_too(integration, server, runtime, clock):
    life.sync_now(integration, now=clock())
    server.revoke()
    with pytest.raises(life.NotPossible):
        life.test_connection(integration, runtime=runtime)
    assert asked(integration)[-1].outcome == Outcome.FAILED


@pytest.mark.parametrize("happening", ["paused", "removed", "rotated"])
def test_nobody_waits_for_what_is_not_read_any_more(happening, integration, runtime, clock):
    run = life.sync_now(integration, now=clock()).run
    if happening == "paused":
        life.pause(integration, now=clock())
    elif happening == "removed":
        life.remove(integration, with_history=False, now=clock())
    else:
        rotated = connections.rotate(integration, {"admin_api_key": NEW_KEY}, runtime=runtime)
        assert rotated.run is not None
        assert (rotated.run.pk > run.pk, rotated.run.outcome) == (True, Outcome.RUNNING)

    run.refresh_from_db()
    assert run.outcome == Outcome.INTERRUPTED
    assert happening[:4] in run.message or "replaced" in run.message
    assert len(asked(integration)) == (3 if happening == "rotated" else 2)


def test_a_key_replaced_while_paused_begins_none(integration, runtime, clock):
    life.pause(integration, now=clock())
    rotated = connections.rotate(integration, {"admin_api_key": NEW_KEY}, runtime=runtime)
    assert rotated.run is None
    assert not integration.runs.filter(outcome=Outcome.RUNNING).exists()


@pytest.mark.postgres
def test_of_two_streams_that_are_complete_at_once_the_second_one_ends_it(integration, clock):
    run = life.sync_now(integration, now=clock()).run
    clock.now += MINUTE
    usage, members = (integration.streams.get(name=name) for name in ("usage", "members"))

    def finish(stream):
        Stream.objects.filter(pk=stream.pk).update(finished_at=clock())
        asked_runs.stream_complete(integration, clock())

    def other():
        try:
            with transaction.atomic():
                finish(members)
        finally:
            connection.close()

    with transaction.atomic():
        finish(usage)
        thread = threading.Thread(target=other)
        thread.start()
        # It waits for this transaction.
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(10)
    run.refresh_from_db()
    assert run.outcome == Outcome.DONE


def test_pages_and_admin_show_it_for_what_it_is(client, api, settings):
    client.force_login(UserFactory(role="Admin", is_superuser=True))
    integration = connect_on_page(client, api)
    work(integration)
    center = integration.cost_center
    runs = reverse("cost-center-runs", args=[center.pk])

    for page in (center.get_absolute_url(), runs, f"{runs}?stream=everything"):
        assert "Everything, as asked for</td><td>–</td>" in client.get(page).content.decode(), page
    assert "Usage events</td>" not in client.get(f"{runs}?stream=everything").content.decode()
    assert "Everything, as asked for</td>" not in client.get(f"{runs}?stream=usage").content.decode()
    admin = client.get(reverse("admin:integrations_syncrun_changelist"), {"stream": ""}).content.decode()
    assert 'class="field-of_stream">everything</td>' in admin
    assert "1 sync run" in admin
