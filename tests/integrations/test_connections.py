"""The life of a connection: connect, rotate, disconnect, revive; and what a running sync makes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import connection
from django_q.models import OrmQ

from costcenters.models import CostCenter, CostLineItem, SeatPrice
from integrations import connections, engine, notices
from integrations.claims import Claim
from integrations.connections import NotConnected
from integrations.errors import LeaseLost
from integrations.http import Runtime
from integrations.models import Integration, Notice, Stream
from integrations.providers import PROVIDERS

from .conftest import NOW, assert_equals_truth, sync
from .happenings import while_asking

pytestmark = pytest.mark.django_db(transaction=True)

CURSOR = PROVIDERS["cursor"]
NEW_KEY = "crsr_new_0123456789abcdef0123456789abcdef"
FOREIGN_KEY = "crsr_foreign_0123456789abcdef0123456789ab"


@pytest.fixture
def server(sandbox):
    """A team with two keys, and a foreign team's key."""
    server = sandbox(days=6, events=300)
    server.add_key(NEW_KEY)
    server.add_key(FOREIGN_KEY, team="other")
    return server


def key(secret):
    return {"admin_api_key": secret}


def rotate(integration, runtime, secret=NEW_KEY, **options):
    return connections.rotate(integration, key(secret), runtime=runtime, **options)


def connect_key(server, runtime, secret, *, name="Cursor", price=None):
    return connections.connect(
        CURSOR,
        name=name,
        credentials=key(secret),
        monthly_seat_price=price,
        user=None,
        runtime=runtime,
        api_url=server.url,
    )


def everything():
    """All that is stored about connections."""
    models = (CostCenter, Integration, Stream, SeatPrice, Notice, OrmQ)
    return [
        list(model.objects.order_by("pk").values_list()) for model in models if model is not Integration
    ] + [
        [
            (one.key_fingerprint, one.key_hint, one.attention, stored_key(one))
            for one in Integration.objects.all()
        ]
    ]


def stored_key(integration):
    sealed = Integration.objects.get(pk=integration.pk).credentials
    return None if sealed is None else sealed.open()["admin_api_key"]


def rung():
    return sorted(task.task["args"][0] for task in OrmQ.objects.all())


def stream_ids(integration):
    return sorted(integration.streams.values_list("pk", flat=True))


def seat_days():
    return sorted(set(CostLineItem.objects.filter(charge_type="seat").values_list("day", flat=True)))


# Connecting ------------------------------------------------------------------------------------------------------


def test_connecting_rings_for_every_stream_once_it_is_stored(server, connect):
    integration = connect(server)
    assert rung() == stream_ids(integration)
    assert len(rung()) == 3


def test_the_same_key_is_not_connected_twice(server, connect, runtime):
    connect(server)
    before = everything()
    asked = len(server.requests)

    with pytest.raises(NotConnected, match="already connected, as “Cursor”") as refused:
        connect_key(server, runtime, server.api_key, name="Again")

    assert refused.value.field == "credentials"
    assert everything() == before
    assert len(server.requests) == asked


def test_a_key_is_not_rotated_to_one_that_another_cost_center_uses(server, connect, runtime):
    connect(server)
    other = connect_key(server, runtime, FOREIGN_KEY, name="Other").integration
    before = everything()

    with pytest.raises(NotConnected, match="already connected"):
        rotate(other, runtime, server.api_key, other_team_confirmed=True)

    assert everything() == before


def test_a_team_that_is_mostly_connected_already_is_warned_of(server, connect, runtime):
    sync(connect(server), runtime)
    assert "in “Cursor” too" in connect_key(server, runtime, NEW_KEY, name="Again").warning


def test_a_team_that_shares_nobody_is_not_warned_of(server, connect, runtime):
    sync(connect(server), runtime)
    assert connect_key(server, runtime, FOREIGN_KEY, name="Other").warning == ""


def test_a_team_whose_other_connection_was_removed_is_not_warned_of(server, connect, runtime):
    first = connect(server)
    sync(first, runtime)
    connections.disconnect(first, now=NOW)
    assert connect_key(server, runtime, NEW_KEY, name="Again").warning == ""


def test_the_requests_that_verified_a_key_count_towards_the_limits(server, connect, runtime, clock):
    def counted():
        return dict(integration.streams.values_list("name", "recent_requests"))

    integration = connect(server)
    first = NOW.timestamp()
    assert counted() == {"usage": [first], "members": [first], "spend": []}

    clock.now += timedelta(seconds=5)
    rotate(integration, runtime)
    assert counted() == {"usage": [first, first + 5], "members": [first, first + 5], "spend": []}


# Rotating --------------------------------------------------------------------------------------------------------


def test_a_rotation_stores_the_new_key_and_reads_on_with_it(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    former = Integration.objects.get().key_fingerprint

    rotate(integration, runtime)
    server.revoke()

    assert stored_key(integration) == NEW_KEY
    assert Integration.objects.get().key_fingerprint != former
    assert all(result.complete for result in sync(integration, runtime).values())
    assert_equals_truth(integration, server)


def test_a_rotation_ends_running_claims_and_rings(server, connect, runtime):
    integration = connect(server)
    claims = [Claim.take(pk, provider=CURSOR, runtime=runtime) for pk in stream_ids(integration)]
    Stream.objects.update(due_at=NOW + timedelta(hours=5), attempts=4)
    OrmQ.objects.all().delete()

    rotate(integration, runtime)

    for claim in claims:
        with pytest.raises(LeaseLost):
            claim.fence()
    assert rung() == stream_ids(integration)
    assert Stream.objects.due(NOW).filter(attempts=0).count() == 3


def test_a_rotation_mends_a_cost_center_that_needs_attention(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    notices.needs_attention(integration, "refused", NOW)

    rotate(integration, runtime)

    center = CostCenter.objects.get()
    assert (center.status, center.integration.attention) == (CostCenter.Status.ACTIVE, "")
    assert Notice.objects.get().event == Notice.Event.SET_UP, "the trouble is not told of any more"


@pytest.mark.parametrize("when", ["before", "while the new key is tried"])
def test_a_connection_that_was_removed_cannot_be_rotated_and_nothing_is_stored(
    when, server, connect, runtime, clock
):
    integration = connect(server)
    sync(integration, runtime)
    seen = []

    def remove():
        connections.disconnect(Integration.objects.get(), now=NOW)
        seen.append(everything())

    if when == "before":
        remove()
    else:
        runtime = while_asking(clock, remove)

    with pytest.raises(NotConnected, match="was removed"):
        rotate(integration, runtime)

    assert [everything()] == seen
    assert stored_key(integration) is None


def test_a_wrong_key_leaves_the_old_one_working(server, connect, runtime):
    integration = connect(server)
    before = everything()

    with pytest.raises(NotConnected, match="refused this key"):
        rotate(integration, runtime, "crsr_wrong")

    assert everything() == before
    assert all(result.complete for result in sync(integration, runtime).values())


def test_a_key_rotated_while_the_old_one_is_being_refused_leaves_everything_working(
    server, connect, runtime, clock
):
    integration = connect(server)
    sync(integration, runtime)
    Notice.objects.all().delete()

    def replace():
        rotate(Integration.objects.get(), runtime)
        server.revoke()

    usage = integration.streams.get(name="usage")
    result = engine.sync_stream(
        usage.pk, runtime=while_asking(clock, replace, "/teams/filtered"), thorough=True
    )

    assert server.requests[-1].status == 401, "the old key was refused"
    assert not result.complete
    center = CostCenter.objects.get()
    assert (center.status, center.integration.attention) == (CostCenter.Status.ACTIVE, "")
    assert not Notice.objects.exists()
    usage.refresh_from_db()
    assert (usage.attempts, usage.last_error, usage.claim_token) == (0, "", "")
    assert Stream.objects.due(clock()).filter(pk=usage.pk).exists()
    assert all(one.complete for one in sync(integration, runtime).values())


def test_a_foreign_teams_key_is_refused_unless_confirmed(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    before = everything()

    with pytest.raises(NotConnected, match="another Cursor team") as refused:
        rotate(integration, runtime, FOREIGN_KEY)
    assert refused.value.field == "other_team"
    assert everything() == before

    rotate(integration, runtime, FOREIGN_KEY, other_team_confirmed=True)
    assert stored_key(integration) == FOREIGN_KEY


def test_before_anybody_is_known_any_teams_key_may_follow(server, connect, runtime):
    integration = connect(server)
    rotate(integration, runtime, FOREIGN_KEY)
    assert stored_key(integration) == FOREIGN_KEY


# Disconnecting ---------------------------------------------------------------------------------------------------


def test_removing_a_connection_deletes_all_of_the_key_and_keeps_the_history(server, connect, runtime):
    integration = connect(server)
    sync(integration, runtime)
    claim = Claim.take(stream_ids(integration)[0], provider=CURSOR, runtime=runtime)
    notices.needs_attention(integration, "refused", NOW)
    lines = CostLineItem.objects.count()

    connections.disconnect(integration, now=NOW)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT credentials, key_fingerprint, key_hint, attention FROM integrations_integration"
        )
        assert cursor.fetchall() == [(None, None, "", "")]
    assert CostCenter.objects.get().status == CostCenter.Status.DISCONNECTED
    assert not Notice.objects.exists()
    assert CostLineItem.objects.count() == lines > 0
    with pytest.raises(LeaseLost):
        claim.fence()
    assert not Stream.objects.due(NOW + timedelta(hours=3)).exists()
    assert connect_key(server, runtime, server.api_key, name="Elsewhere").integration


# Reviving --------------------------------------------------------------------------------------------------------


@pytest.fixture
def removed(server, connect, runtime, clock):
    """A connection with history, removed a day ago."""
    integration = connect(server)
    sync(integration, runtime)
    connections.disconnect(integration, now=NOW)
    clock.now += timedelta(days=1)
    OrmQ.objects.all().delete()
    return integration


def test_another_teams_key_does_not_revive_and_loses_nothing(removed, server, runtime):
    before, lines = everything(), list(CostLineItem.objects.order_by("pk").values())

    with pytest.raises(NotConnected, match="history of another Cursor team") as refused:
        connect_key(server, runtime, FOREIGN_KEY)

    assert refused.value.field == "name"
    assert everything() == before
    assert list(CostLineItem.objects.order_by("pk").values()) == lines


def test_a_revival_without_a_price_ends_the_old_one(removed, server, runtime, clock):
    revived = connect_key(server, runtime, NEW_KEY).integration
    sync(revived, runtime)

    assert revived.pk == removed.pk
    assert seat_days() == [NOW.date()]
    prices = SeatPrice.objects.order_by("effective_from").values_list("effective_from", "monthly_price")
    assert list(prices) == [(NOW.date(), Decimal(40)), (clock.now.date(), None)]


def test_a_revival_with_a_price_counts_seats_from_that_day_on(removed, server, runtime, clock):
    clock.now += timedelta(days=3)
    sync(connect_key(server, runtime, NEW_KEY, price=Decimal(20)).integration, runtime)
    assert seat_days() == [NOW.date(), clock.now.date()]


def test_of_two_presses_that_revive_one_wins(removed, server, runtime, clock):
    def first_press():
        connect_key(server, runtime, NEW_KEY, price=Decimal(20))

    with pytest.raises(NotConnected, match="a moment ago"):
        connect_key(server, while_asking(clock, first_press), NEW_KEY, price=Decimal(30))

    assert list(SeatPrice.objects.order_by("-pk").values_list("monthly_price", flat=True)) == [20, 40]
    assert stored_key(removed) == NEW_KEY
    assert len(rung()) == 3


def test_of_two_presses_that_connect_one_wins(server, runtime, clock):
    def first_press():
        connect_key(server, runtime, NEW_KEY, price=Decimal(20))

    with pytest.raises(NotConnected, match="a moment ago"):
        connect_key(server, while_asking(clock, first_press), NEW_KEY, price=Decimal(30))

    assert SeatPrice.objects.get().monthly_price == 20
    assert (CostCenter.objects.count(), Stream.objects.count(), len(rung())) == (1, 3, 3)


def test_a_working_cost_centers_name_is_taken(server, connect, runtime):
    connect(server)
    before = everything()
    with pytest.raises(NotConnected, match="of this name already") as refused:
        connect_key(server, runtime, NEW_KEY)
    assert refused.value.field == "name"
    assert everything() == before


# The bill --------------------------------------------------------------------------------------------------------


class NoSpend(httpx.HTTPTransport):
    """A key whose scope does not cover the totals."""

    def handle_request(self, request):
        if request.url.path == "/teams/spend":
            return httpx.Response(403, json={"error": "forbidden"})
        return super().handle_request(request)


def test_totals_that_are_refused_leave_the_bill_working(server, connect, clock):
    integration = connect(server)

    results = sync(integration, Runtime(clock=clock, sleep=lambda seconds: None, transport=NoSpend()))

    assert (results["usage"].complete, results["members"].complete) == (True, True)
    assert "does not allow" in results["spend"].error
    center = CostCenter.objects.get()
    assert (center.status, center.integration.attention) == (CostCenter.Status.ACTIVE, "")
    assert [notice.event for notice in Notice.objects.all()] == [Notice.Event.SET_UP]
    assert Stream.objects.get(name="spend").due_at == clock() + timedelta(days=1)
    assert_equals_truth(integration, server)


def test_the_bill_is_not_complete_past_the_day_of_the_last_reading_of_the_team(
    server, connect, runtime, clock
):
    def read(name):
        stream = integration.streams.get(name=name)
        assert engine.sync_stream(stream.pk, runtime=runtime).complete
        return CostCenter.objects.get().complete_through

    integration = connect(server)
    assert read("members") is None
    assert read("usage") == datetime(2026, 11, 20, 14, tzinfo=UTC)
    clock.now = datetime(2026, 11, 22, 9, 10, tzinfo=UTC)
    assert read("usage") == datetime(2026, 11, 21, tzinfo=UTC)
    assert read("members") == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert seat_days() == [date(2026, 11, day) for day in (20, 21, 22)]
