from __future__ import annotations

import pytest

from integrations.models import SyncRun

from .conftest import assert_equals_truth, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_sync_after_the_data_changed_within_the_same_minute_equals_the_truth(sandbox, connect, runtime):
    server = sandbox(faults=("late_events", "revised_charges", "vanishing_events"))
    integration = connect(server)
    first = sync(integration, runtime)
    assert all(result.complete for result in first.values()), first
    assert_equals_truth(integration, server)

    server.mutate()
    second = sync(integration, runtime)

    assert second["usage"].added
    assert second["usage"].removed
    assert_equals_truth(integration, server)


def test_a_sync_of_unchanged_data_writes_nothing_and_says_so(sandbox, connect, runtime):
    server = sandbox()
    integration = connect(server)
    sync(integration, runtime)
    seen = SyncRun.objects.count()

    again = sync(integration, runtime)

    assert not again["usage"].changed
    assert not again["members"].changed
    outcomes = set(
        SyncRun.objects.filter(stream="usage").order_by("pk")[seen:].values_list("outcome", flat=True)
    )
    assert outcomes <= {SyncRun.Outcome.UNCHANGED}
    assert_equals_truth(integration, server)
