from __future__ import annotations

import pytest

from integrations.sandbox import FAULTS
from integrations.sandbox.activity import Row
from integrations.sandbox.faults import DATA
from integrations.sandbox.truth import measure, tally

from . import reader

MUTATING = (
    "late_events",
    "revised_charges",
    "vanishing_events",
    "count_moves",
    "email_loss",
    "removed_absent",
    "history_forgotten",
    "all-data",
)


def everything(server, http):
    now = server.now_ms()
    first = now - now % reader.DAY - 30 * reader.DAY
    return reader.walk_days(http, first, now - now % reader.HOUR)


def test_truth_is_the_sum_of_all_served_pages():
    with reader.serve() as server, reader.client(server) as http:
        served = reader.summed(everything(server, http))
        truth = http.get("/sandbox/truth").json()
    assert reader.truth_groups(truth) == served
    assert truth["totals"]["events"] == sum(values[0] for values in served.values())
    assert int(truth["totals"]["billed_nano"]) == sum(values[1] for values in served.values())
    assert int(truth["totals"]["list_nano"]) == sum(values[2] for values in served.values())


@pytest.mark.parametrize("fault", [*DATA, "all-data"])
def test_truth_is_the_sum_of_all_served_pages_whatever_the_data_looks_like(fault):
    with reader.serve(fault) as server, reader.client(server) as http:
        served = reader.summed(everything(server, http))
        assert reader.truth_groups(server.truth()) == served


@pytest.mark.parametrize("fault", MUTATING)
def test_a_patient_client_that_rereads_three_days_holds_the_truth_after_each_mutation(fault):
    clock = reader.Clock()
    with reader.serve(fault, clock=clock) as server, reader.client(server) as http:
        patient = reader.PatientClient(http)
        now = clock.ms() // reader.HOUR * reader.HOUR
        patient.read(now - now % reader.DAY - 30 * reader.DAY, now)
        for hours in (0, 3, 20, 47):
            clock.advance(hours=hours)
            server.mutate()
            now = clock.ms() // reader.HOUR * reader.HOUR
            patient.read(now - now % reader.DAY - 3 * reader.DAY, now)
            assert reader.summed(patient.events()) == reader.truth_groups(server.truth())


def test_a_client_that_rereads_all_of_history_keeps_what_it_knew():
    clock = reader.Clock()
    with reader.serve("all-data", clock=clock) as server, reader.client(server) as http:
        patient = reader.PatientClient(http)
        now = clock.ms() // reader.HOUR * reader.HOUR
        for _ in range(3):
            patient.read(now - now % reader.DAY - 30 * reader.DAY, now)
            server.mutate()
        patient.read(now - now % reader.DAY - 30 * reader.DAY, now)
        assert reader.summed(patient.events()) == reader.truth_groups(server.truth())


def test_truth_takes_a_half_open_range():
    with reader.serve() as server, reader.client(server) as http:
        now = server.now_ms()
        newest = int(reader.post(http, pageSize=1)["usageEvents"][0]["timestamp"])
        upto = server.truth(0, newest)["totals"]["events"]
        whole = http.get("/sandbox/truth", params={"start": 0, "end": newest + 1}).json()["totals"]["events"]
        assert whole == upto + 1
        assert server.truth(newest, newest)["totals"]["events"] == 0
        assert server.truth(newest, now)["totals"]["events"] == 1


def test_truth_names_the_active_paid_members():
    with reader.serve() as server, reader.client(server) as http:
        listed = http.get("/teams/members").json()["teamMembers"]
        paid = [m["email"].lower() for m in listed if not m["isRemoved"] and m["role"] != "free-owner"]
        assert server.truth()["members"] == sorted(paid)


@pytest.mark.parametrize(
    ("event", "billed", "nominal"),
    [
        ({"kind": "Usage-based", "chargedCents": "19.01018", "isChargeable": True}, 190101800, 190101800),
        ({"kind": "Usage-based", "chargedCents": "19.01018", "isChargeable": False}, 0, 190101800),
        ({"kind": "USAGE_EVENT_KIND_USAGE_BASED", "chargedCents": 8}, 80000000, 80000000),
        ({"kind": "Usage Based Pricing", "chargedCents": 8}, 80000000, 80000000),
        (
            {"kindLabel": "Usage-based", "tokenUsage": {"totalCents": "22.104999999999997"}},
            221050000,
            221050000,
        ),
        ({"kind": "Included in Business", "chargedCents": "6.4", "isChargeable": False}, 0, 64000000),
        ({"kind": "Errored, Not Charged", "chargedCents": "46.75", "isChargeable": True}, 0, 0),
        ({"kind": "USAGE_EVENT_KIND_ABORTED_NOT_CHARGED", "chargedCents": 1}, 0, 0),
        ({"kind": "Some Future Kind", "chargedCents": "1.25", "isChargeable": True}, 12500000, 12500000),
        ({"kind": "Some Future Kind", "chargedCents": "1.25"}, 0, 12500000),
        ({"chargedCents": "1.25"}, 0, 12500000),
        ({"kind": "Usage-based", "isChargeable": True}, 0, 0),
        ({"kind": "Usage-based", "chargedCents": "0.00000005"}, 0, 0),
        ({"kind": "Usage-based", "chargedCents": "0.00000015"}, 2, 2),
        ({"kind": "Usage-based", "chargedCents": "0.00000025"}, 2, 2),
    ],
)
def test_an_amount_counts_as_billed_only_when_it_was_charged(event, billed, nominal):
    sums = measure(event)
    assert (sums.billed_nano, sums.list_nano) == (billed, nominal)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        (
            b'{"userEmail":" Rin@Example.com ","serviceAccountId":"null","serviceAccountName":""}',
            "rin@example.com",
        ),
        (
            b'{"userEmail":"bot@example.com","serviceAccountId":"sa_1","serviceAccountName":"Nightly"}',
            "Nightly",
        ),
        (b'{"serviceAccountId":"sa_1","serviceAccountName":"null"}', "sa_1"),
        (b'{"userEmail":null}', ""),
        (b"{}", ""),
    ],
)
def test_the_user_is_the_service_account_or_else_the_address(text, user):
    someone = reader.company().team_on(reader.ANCHOR)[0]
    (day,) = tally([Row(0, 0, someone, text)])
    assert [cell[0] for cell in day.cells] == [user]


def test_every_fault_says_what_it_does():
    assert all(FAULTS.values())
