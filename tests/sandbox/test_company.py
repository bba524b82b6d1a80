from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sandbox import Company
from integrations.sandbox.activity import day_start_ms, rows_of_day

from . import reader


def events_between(company, now, first, last):
    with reader.serve(company=company, clock=reader.Clock(now)) as server, reader.client(server) as http:
        return reader.walk_days(http, day_start_ms(first), day_start_ms(last))


def test_the_same_seed_tells_the_same_story():
    day = dt.date(2026, 9, 1)
    texts = [[row.text for row in rows_of_day(reader.company(), day)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0] != [row.text for row in rows_of_day(reader.company(seed=8), day)]


@pytest.mark.parametrize("moved", [False, True], ids=["same anchor", "anchor of the later day"])
def test_a_restart_on_a_later_day_agrees_about_every_day_both_know(moved):
    first, last = reader.ANCHOR - dt.timedelta(days=20), reader.ANCHOR
    later = reader.NOW + dt.timedelta(days=5)
    company = reader.company(anchor=later.date()) if moved else reader.company()
    assert events_between(reader.company(), reader.NOW, first, last) == events_between(
        company, later, first, last
    )


def test_members_depend_on_the_day_and_not_on_the_anchor():
    day = reader.ANCHOR + dt.timedelta(days=3)
    early, late = reader.company(), reader.company(anchor=day)
    assert [p.email for p in early.team_on(day)] == [p.email for p in late.team_on(day)]
    gone = {p.email for p in late.removed_by(day)}
    assert gone
    assert gone <= {p.email for p in early.removed_by(day)}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    days=st.integers(1, 400),
    events=st.integers(200, 200_000),
    anchor=st.dates(dt.date(2024, 1, 1), dt.date(2028, 1, 1)),
)
def test_history_holds_the_events_asked_for_within_three_percent(seed, days, events, anchor):
    company = Company(seed=seed, days=days, events=events, anchor=anchor)
    counts = [company.event_count(company.first_day + dt.timedelta(days=n)) for n in range(days)]
    assert abs(sum(counts) - events) <= 0.03 * events + 3


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    users=st.integers(1, 200),
    days=st.integers(1, 200),
    day=st.dates(dt.date(2024, 1, 1), dt.date(2028, 1, 1)),
)
def test_the_team_is_complete_and_its_addresses_unique_on_every_day(seed, users, days, day):
    company = Company(seed=seed, users=users, days=days, anchor=day)
    team, removed = company.team_on(day), company.removed_by(day)
    assert len(team) == users
    assert sum(person.role == "owner" for person in team) == 1
    assert all(person.joined <= day and (person.left is None or day < person.left) for person in team)
    assert all(person.left and company.first_day < person.left <= day for person in removed)
    everybody = [*team, *removed]
    assert len({person.email for person in everybody}) == len(everybody)
    assert len({person.number for person in everybody}) == len(everybody)


def test_only_people_on_the_team_cause_events():
    company = reader.company(events=6000)
    for offset in range(30):
        day = company.first_day + dt.timedelta(days=offset)
        team = {*company.team_on(day), *company.service_accounts}
        assert {row.who for row in rows_of_day(company, day)} <= team


def test_an_unpaid_admin_and_an_idle_member_cause_no_events():
    company = reader.company(events=6000)
    days = [company.first_day + dt.timedelta(days=offset) for offset in range(30)]
    busy = {row.who for day in days for row in rows_of_day(company, day)}
    team = company.team_on(reader.ANCHOR)
    assert team[1].role == "free-owner"
    assert not busy & {team[1], team[12]}


def test_weekdays_and_working_hours_are_busier():
    company = Company(events=60_000, anchor=reader.ANCHOR)
    monday, sunday = dt.date(2026, 8, 31), dt.date(2026, 9, 6)
    assert company.event_count(monday) > 2 * company.event_count(sunday)
    hours = [row.stamp // reader.HOUR % 24 for row in rows_of_day(company, monday)]
    assert sum(8 <= hour < 18 for hour in hours) > 0.6 * len(hours)


def test_different_events_of_one_millisecond_are_of_one_person():
    company = Company(events=60_000, anchor=reader.ANCHOR)
    rows = rows_of_day(company, dt.date(2026, 8, 31))
    pairs = [(a, b) for a, b in pairwise(rows) if a.stamp == b.stamp]
    assert pairs
    assert all(a.who is b.who and a.text != b.text for a, b in pairs)


def test_ninety_days_of_sixty_people_cost_a_believable_sum():
    company = Company(anchor=reader.ANCHOR)
    cents = 0.0
    for offset in range(0, 90, 9):
        for row in rows_of_day(company, company.first_day + dt.timedelta(days=offset)):
            event = json.loads(row.text)
            cents += event["chargedCents"] if event["isChargeable"] else 0
    assert 15_000 < cents / 100 * 9 < 30_000


@pytest.mark.parametrize("knobs", [{"users": 0}, {"days": 0}, {"events": -1}])
def test_an_impossible_company_is_refused(knobs):
    with pytest.raises(ValueError, match="needs users"):
        Company(**knobs)


def test_a_company_of_one_without_events_works():
    company = reader.company(users=1, events=0)
    with reader.serve("all-data", company=company) as server, reader.client(server) as http:
        assert reader.post(http)["totalUsageEventsCount"] == 0
        assert len(http.get("/teams/members").json()["teamMembers"]) == 1
        assert server.mutate()["round"] == 1
        assert server.truth()["rows"] == []
