from __future__ import annotations

from collections import Counter

import pytest

from . import reader


def history(server, http, days=30):
    now = server.now_ms()
    return reader.walk_days(http, now - now % reader.DAY - days * reader.DAY, now)


def served(*faults, **options):
    with reader.serve(*faults, **options) as server, reader.client(server) as http:
        return history(server, http)


def stamps(rows):
    return Counter(reader.instant(row) for row in rows)


@pytest.fixture(scope="module")
def plain():
    return served()


def test_late_events_appear_at_the_mutation(plain):
    with reader.serve("late_events") as server, reader.client(server) as http:
        before = history(server, http)
        hidden = stamps(plain) - stamps(before)
        assert hidden
        assert min(hidden) >= server.now_ms() - 49 * reader.HOUR
        assert server.truth()["totals"]["events"] == len(before)
        assert server.mutate()["appeared"] == sum(hidden.values())
        assert history(server, http) == plain
        assert server.mutate()["appeared"] == 0


def test_late_events_appear_by_themselves_after_two_days(plain):
    clock = reader.Clock()
    with reader.serve("late_events", clock=clock) as server, reader.client(server) as http:
        end = clock.ms()
        clock.advance(hours=49)
        recent = reader.walk(http, end - 10 * reader.DAY, end - end % reader.HOUR)
    assert stamps(recent) == stamps(row for row in plain if reader.instant(row) >= end - 10 * reader.DAY)


def test_revised_charges_change_only_the_last_two_days(plain):
    with reader.serve("revised_charges") as server, reader.client(server) as http:
        assert history(server, http) == plain
        server.mutate()
        after = history(server, http)
        changed = [(old, new) for old, new in zip(plain, after, strict=True) if old != new]
        assert changed
        assert all(reader.instant(old) >= server.now_ms() - 49 * reader.HOUR for old, _ in changed)
        assert all(old["timestamp"] == new["timestamp"] for old, new in changed)
        assert any(old["kind"] != new["kind"] for old, new in changed)
        assert any(old.get("tokenUsage") != new.get("tokenUsage") for old, new in changed)
        server.mutate()
        assert history(server, http) != after


def test_vanishing_events_are_gone_after_the_mutation(plain):
    with reader.serve("vanishing_events") as server, reader.client(server) as http:
        assert history(server, http) == plain
        count = server.mutate()["vanished"]
        gone = stamps(plain) - stamps(history(server, http))
        assert sum(gone.values()) == count > 0
        assert min(gone) >= server.now_ms() - 49 * reader.HOUR


def test_count_moves_during_a_walk_three_times_and_then_holds_still(plain):
    with reader.serve("count_moves") as server, reader.client(server) as http:
        span = {"startDate": server.now_ms() - 9 * reader.DAY, "endDate": server.now_ms(), "pageSize": 50}
        walks = []
        for _ in range(5):
            replies = [reader.post(http, page=page, **span) for page in (1, 2, 3)]
            walks.append([reply["totalUsageEventsCount"] for reply in replies])
            if len(walks) == 1:
                assert replies[0]["usageEvents"][-1] == replies[1]["usageEvents"][0]
        first = walks[0][0]
        assert (
            walks
            == [[first + n, *[min(first + n + 1, first + 3)] * 2] for n in (0, 1, 2)] + [[first + 3] * 3] * 2
        )
        assert server.truth()["totals"]["events"] == len(plain) + 3


def test_wrong_has_next_promises_a_page_that_is_empty():
    with reader.serve("wrong_has_next") as server, reader.client(server) as http:
        span = {"startDate": server.now_ms() - 2 * reader.DAY, "endDate": server.now_ms(), "pageSize": 1000}
        last = reader.post(http, **span)
        assert last["usageEvents"]
        assert (last["pagination"]["hasNextPage"], last["pagination"]["numPages"]) == (True, 2)
        after = reader.post(http, page=2, **span)
        assert (after["usageEvents"], after["pagination"]["hasNextPage"]) == ([], False)


def test_email_loss_takes_the_addresses_of_people_who_left():
    options = {"company": reader.company(users=60, events=4000)}
    names = {reader.user(row) for row in served(**options)}
    with reader.serve("email_loss", **options) as server, reader.client(server) as http:
        before = history(server, http)
        assert any("userEmail" not in row and "serviceAccountId" not in row for row in before)
        assert names - {reader.user(row) for row in before}
        truth = server.truth()
        lost = server.mutate()["emails_lost"]
        after = history(server, http)
        assert lost
        assert set(lost) <= {reader.user(row) for row in before}
        assert not set(lost) & {reader.user(row) for row in after}
        assert server.truth() == truth
    removed = {person.email for person in options["company"].removed_by(reader.ANCHOR)}
    assert set(lost) <= removed


def test_events_first_served_without_an_address_have_no_user_in_the_truth():
    with reader.serve("email_loss", company=reader.company(users=60, events=4000)) as server:
        lost = server.mutate()["emails_lost"]
        assert lost
        assert not set(lost) & {row["user"] for row in server.truth()["rows"]}


def test_removed_absent_lists_the_team_only_and_one_more_leaves():
    clock = reader.Clock()
    with reader.serve("removed_absent", clock=clock) as server, reader.client(server) as http:
        before = http.get("/teams/members").json()["teamMembers"]
        assert not any(row["isRemoved"] for row in before)
        left = server.mutate()["left"]
        after = http.get("/teams/members").json()["teamMembers"]
        assert {row["email"].lower() for row in before} - {row["email"].lower() for row in after} == {left}
        assert left not in server.truth()["members"]
        moment = clock.ms()
        clock.advance(days=4)
        later = reader.walk_days(http, moment, clock.ms())
        assert later
        assert left not in {reader.user(row) for row in later}


def test_null_ids_are_spelled_in_words_or_empty(plain):
    rows = served("null_ids")
    assert {"null", ""} <= {row.get("serviceAccountId") for row in rows}
    assert {"null", ""} <= {row.get("conversationId") for row in rows}
    humans = [row for row in rows if "@" in reader.user(row)]
    assert len(humans) == sum("@" in reader.user(row) for row in plain)


def test_missing_fields_are_missing():
    rows = served("missing_fields")
    for name in ("requestsCosts", "chargedCents", "isChargeable", "isHeadless", "kind", "maxMode"):
        assert any(name not in row for row in rows), name
    assert any(row.get("userEmail", "") is None for row in rows)
    assert any("cacheWriteTokens" not in row["tokenUsage"] for row in rows if "tokenUsage" in row)


def test_shape_2025_has_labels_and_no_charges():
    with reader.serve("shape_2025") as server, reader.client(server) as http:
        rows = history(server, http)
        members = http.get("/teams/members").json()["teamMembers"]
    assert all("kindLabel" in row and "isFreeBugbot" in row for row in rows)
    assert not any({"kind", "chargedCents", "isChargeable", "cursorTokenFee"} & set(row) for row in rows)
    assert any("id" not in row for row in members)
    assert all(isinstance(row["id"], int) for row in members if "id" in row)


def test_rfc3339_timestamps_mean_the_same_instants(plain):
    rows = served("rfc3339_timestamps")
    assert {row["timestamp"].isdecimal() for row in rows} == {True, False}
    assert [reader.instant(row) for row in rows] == [reader.instant(row) for row in plain]


def test_twins_are_served_and_counted(plain):
    rows = served("twins")
    repeated = Counter(map(repr, rows))
    assert max(repeated.values()) > 1
    assert len(rows) > len(plain)
    assert set(repeated) == set(map(repr, plain))


def test_unknown_kinds_come_with_any_word_on_charging():
    rows = [row for row in served("unknown_kinds") if "Flex" in row["kind"] or "Pool" in row["kind"]]
    assert {row.get("isChargeable") for row in rows} == {True, False, None}


def test_history_forgotten_is_known_to_the_truth_as_far_as_it_was_served():
    with reader.serve("history_forgotten") as server, reader.client(server) as http:
        limit = server.now_ms() // reader.HOUR * reader.HOUR - 20 * reader.DAY
        read = reader.walk(http, limit - 3 * reader.DAY, limit)
        assert server.mutate()["forgotten"] > len(read) > 0
        assert reader.walk(http, limit - 3 * reader.DAY, limit) == []
        assert history(server, http, days=19)
        assert reader.truth_groups(server.truth(None, limit)) == reader.summed(read)


def test_mutating_without_mutating_faults_changes_nothing(plain):
    with reader.serve() as server, reader.client(server) as http:
        first = http.post("/sandbox/mutate").json()
        assert (first["round"], first["appeared"], first["left"]) == (1, 0, "")
        assert http.post("/sandbox/mutate").json()["round"] == 2
        assert history(server, http) == plain


def test_mutations_are_the_same_every_time():
    results = []
    for _ in range(2):
        with reader.serve("all-data") as server, reader.client(server) as http:
            results.append((server.mutate(), server.mutate(), history(server, http)))
    assert results[0] == results[1]


def test_data_faults_switched_on_later_remember_what_was_served(plain):
    with reader.serve() as server, reader.client(server) as http:
        assert history(server, http) == plain
        http.post("/sandbox/faults", json={"faults": ["history_forgotten"]})
        truth = server.truth()
        assert reader.truth_groups(truth) == reader.summed(plain)
        assert server.mutate()["forgotten"] > 0
        assert server.truth() == truth
