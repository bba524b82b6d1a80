"""Whatever the API does, once the sync settles the ledger equals the sandbox's truth."""

from __future__ import annotations

import pytest

from costcenters.models import CostCenter, CostLineItem
from integrations import connections, engine
from integrations.models import SyncRun
from integrations.sandbox.faults import DATA, TRANSPORT

from .conftest import assert_equals_truth, sync

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 8


def settle(integration, runtime):
    """Sync until a round is complete; a fault may outlast the patience of one."""
    for _ in range(ROUNDS):
        results = sync(integration, runtime)
        if all(result.complete for result in results.values()):
            return results
    raise AssertionError({name: result.error for name, result in results.items()})


@pytest.mark.parametrize("fault", [*DATA, *TRANSPORT])
def test_the_ledger_equals_the_truth_with_each_fault(fault, sandbox, connect, runtime):
    company = {"events": 1200, "days": 12} if fault in ("stalled", "slow") else {"users": 40, "days": 60}
    server = sandbox(faults=(fault,), **company)
    integration = connect(server)
    settle(integration, runtime)
    assert_equals_truth(integration, server)

    server.mutate()
    settle(integration, runtime)
    assert_equals_truth(integration, server)

    again = settle(integration, runtime)
    assert not any(result.changed for result in again.values())


def test_the_ledger_equals_the_truth_with_all_data_faults_at_once(sandbox, connect, runtime):
    server = sandbox(faults=("all-data",), users=40, days=60)
    integration = connect(server)
    for _ in range(3):
        settle(integration, runtime)
        assert_equals_truth(integration, server)
        server.mutate()
    settle(integration, runtime)
    assert_equals_truth(integration, server)


def test_a_key_revoked_midway_stops_the_sync_and_a_new_key_fills_the_gap(sandbox, connect, runtime):
    server = sandbox(faults=("key_revoked",))
    integration = connect(server)

    usage, *others = integration.streams.order_by("pk")
    result = engine.sync_stream(usage.pk, runtime=runtime, thorough=True)

    assert result is not None
    assert not result.complete
    assert "refused this key" in result.error
    asked = len(server.requests)
    assert [engine.sync_stream(other.pk, runtime=runtime) for other in others] == [None, None]
    assert len(server.requests) == asked, "nobody asks any more with a key that is refused"
    integration.refresh_from_db()
    assert integration.cost_center.status == CostCenter.Status.NEEDS_ATTENTION
    assert "revoked" in integration.attention
    assert server.api_key not in integration.attention

    server.set_faults(())
    server.add_key("crsr_another_0123456789abcdef")
    connections.rotate(integration, {"admin_api_key": "crsr_another_0123456789abcdef"}, runtime=runtime)
    settle(integration, runtime)
    assert_equals_truth(integration, server)
    integration.cost_center.refresh_from_db()
    assert integration.cost_center.status == CostCenter.Status.ACTIVE


@pytest.mark.parametrize(("fault", "words"), [("plan_refusal", "enterprise"), ("scope_refusal", "scope")])
def test_a_plan_or_scope_refusal_is_not_called_a_bad_key(fault, words, sandbox, connect):
    server = sandbox(faults=(fault,))
    with pytest.raises(connections.NotConnected, match=words) as refused:
        connect(server)
    assert "refused this key" not in str(refused.value)
    assert not CostCenter.objects.exists()


def test_an_unknown_kind_without_is_chargeable_is_billed_nothing_and_the_run_says_so(
    sandbox, connect, runtime
):
    server = sandbox(faults=("unknown_kinds",))
    integration = connect(server)
    settle(integration, runtime)
    assert SyncRun.objects.filter(
        stream="usage", message__contains="without isChargeable, billed as 0"
    ).exists()


def test_history_the_api_forgot_is_kept_when_it_is_read_again(sandbox, connect, runtime):
    server = sandbox(faults=("history_forgotten",))
    integration = connect(server)
    settle(integration, runtime)
    before = CostLineItem.objects.count()
    server.mutate()
    # As if the backfill had never been done: every day is asked for again.
    integration.streams.filter(name="usage").update(backfilled_from=None)

    settle(integration, runtime)

    assert CostLineItem.objects.count() == before
    kept = SyncRun.objects.filter(outcome=SyncRun.Outcome.KEPT)
    assert kept.exists()
    assert kept[0].message.startswith("No longer returned by Cursor, kept:")
    assert_equals_truth(integration, server)
