from __future__ import annotations

from decimal import Decimal

import pytest

from . import reader

SPEND = "/teams/spend"
DAILY = "/teams/daily-usage-data"


@pytest.fixture(scope="module")
def server():
    with reader.serve() as running:
        yield running


@pytest.fixture
def http(server):
    with reader.client(server) as client:
        yield client


def test_members_have_the_documented_fields(http):
    listed = http.get("/teams/members").json()["teamMembers"]
    assert all(
        {"id", "email", "role", "isRemoved"} <= set(row) <= {"id", "name", "email", "role", "isRemoved"}
        for row in listed
    )
    assert {row["role"] for row in listed} == {"owner", "free-owner", "member"}
    assert sum(not row["isRemoved"] for row in listed) == 20
    assert any(row["isRemoved"] for row in listed)
    assert any("name" not in row for row in listed)


def test_members_change_with_the_days():
    clock = reader.Clock()
    with reader.serve(clock=clock) as server, reader.client(server) as http:
        before = {m["email"] for m in http.get("/teams/members").json()["teamMembers"] if m["isRemoved"]}
        clock.advance(days=30)
        after = {m["email"] for m in http.get("/teams/members").json()["teamMembers"] if m["isRemoved"]}
    assert before < after


def test_spend_agrees_with_the_truth_since_the_cycle_start(server, http):
    reply = reader.post(http, SPEND, pageSize=1000)
    cycle = reply["subscriptionCycleStart"]
    assert cycle % reader.DAY != 0
    assert server.now_ms() - 32 * reader.DAY < cycle <= server.now_ms()
    truth = server.truth(cycle)["rows"]
    emails = {row["email"] for row in reply["teamMemberSpend"]}
    humans = [row for row in truth if row["user"] in emails]
    on_demand = sum(int(row["billed_nano"]) for row in humans)
    included = sum(int(row["list_nano"]) for row in humans if "included" in row["kind"].lower())
    assert sum(Decimal(row["spendCents"]) for row in reply["teamMemberSpend"]) * 10**7 == on_demand > 0
    overall = sum(Decimal(row["overallSpendCents"]) for row in reply["teamMemberSpend"])
    assert overall * 10**7 == on_demand + included
    assert {row["user"] for row in truth} - emails <= {"Nightly build", "Release notes (Zürich)", "sa_triage"}


def test_spend_is_paged(http):
    whole = reader.post(http, SPEND, sortBy="user", sortDirection="asc", pageSize=1000)
    rows = []
    for page in range(1, 100):
        reply = reader.post(http, SPEND, sortBy="user", sortDirection="asc", page=page, pageSize=7)
        assert reply["totalMembers"] == len(whole["teamMemberSpend"])
        rows += reply["teamMemberSpend"]
        if page >= reply["totalPages"]:
            break
    assert rows == whole["teamMemberSpend"]
    assert [row["email"] for row in rows] == sorted(row["email"] for row in rows)


def test_spend_can_be_sorted_and_searched(http):
    falling = reader.post(http, SPEND, sortBy="amount")["teamMemberSpend"]
    rising = reader.post(http, SPEND, sortBy="amount", sortDirection="asc")["teamMemberSpend"]
    assert falling == rising[::-1]
    assert falling[0]["spendCents"] == max(row["spendCents"] for row in falling) > 0
    found = reader.post(http, SPEND, searchTerm=falling[0]["email"].upper())
    assert [row["email"] for row in found["teamMemberSpend"]] == [falling[0]["email"]]
    assert http.post(SPEND, json={"sortBy": "height"}).status_code == 400


def test_spend_included_shape_splits_instead_of_totalling():
    with reader.serve("spend_included_shape") as server, reader.client(server) as http:
        rows = reader.post(http, SPEND)["teamMemberSpend"]
    assert all(
        "overallSpendCents" not in row and "includedSpendCents" in row and "removedAt" in row for row in rows
    )


def test_spend_old_shape_has_one_total(http):
    modern = {row["email"]: row for row in reader.post(http, SPEND)["teamMemberSpend"]}
    with reader.serve("spend_old_shape") as server, reader.client(server) as old:
        rows = reader.post(old, SPEND)["teamMemberSpend"]
    assert all(row["spendCents"] == modern[row["email"]]["overallSpendCents"] for row in rows)
    assert not any("overallSpendCents" in row or "includedSpendCents" in row for row in rows)


def test_daily_usage_without_pages_shows_active_users_only(server, http):
    end = server.now_ms()
    reply = reader.post(http, DAILY, startDate=end - 3 * reader.DAY, endDate=end)
    assert len({row["day"] for row in reply["data"]}) == 4
    assert all(row["isActive"] for row in reply["data"])
    assert "pagination" not in reply


def test_daily_usage_pages_count_users(server, http):
    end = server.now_ms()
    users, page = [], 0
    while True:
        page += 1
        reply = reader.post(http, DAILY, startDate=end - reader.DAY, endDate=end, page=page, pageSize=8)
        people = {row["email"] for row in reply["data"]}
        assert len(people) <= 8
        users += people
        if not reply["pagination"]["hasNextPage"]:
            break
    assert len(users) == len(set(users)) >= 20


@pytest.mark.parametrize("body", [{}, {"startDate": 0}, {"startDate": 0, "endDate": 31 * reader.DAY}])
def test_daily_usage_needs_a_range_of_at_most_thirty_days(http, body):
    assert http.post(DAILY, json=body).status_code == 400


def test_spend_can_come_in_whole_cents(http):
    exact = {row["email"]: row for row in reader.post(http, SPEND)["teamMemberSpend"]}
    with reader.serve("spend_whole_cents") as server, reader.client(server) as rounded:
        rows = reader.post(rounded, SPEND)["teamMemberSpend"]
    for row in rows:
        for name in ("spendCents", "overallSpendCents"):
            assert isinstance(row[name], int)
            assert abs(Decimal(str(row[name])) - Decimal(str(exact[row["email"]][name]))) <= Decimal("0.5")
