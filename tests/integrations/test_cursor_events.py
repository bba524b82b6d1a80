"""An event of Cursor's API as a line item, against the definitions and the documented contradictions."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from integrations.errors import ContractBroken
from integrations.http import ApiClient, Runtime, ShortGuard, parse_json
from integrations.providers.base import Span
from integrations.providers.cursor.events import kind_of, line_item, usage_pages
from integrations.providers.cursor.team import read_members, read_spend

SAMPLES = Path(__file__).resolve().parent.parent / "fixtures" / "cursor"


def sample(name):
    return parse_json((SAMPLES / f"{name}.json").read_bytes())


def client_of(*bodies):
    """A client whose server answers these bodies, one a request."""
    answers = iter(bodies)
    runtime = Runtime(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=next(answers)))
    )
    return ApiClient(
        base_url="http://cursor.test",
        auth=("crsr_k", ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=ShortGuard(runtime),
    )


def item(**event):
    return line_item({"timestamp": "1788134399999", "kind": "Usage-based", **event}, Counter())


def test_the_sample_reply_is_read_as_defined():
    lines = [line_item(event, Counter()) for event in sample("usage_events")["usageEvents"]]
    assert [(line.user, line.model, line.surface, line.billed_nano, line.list_nano) for line in lines] == [
        ("rin@example.com", "claude-4.5-sonnet", "editor", 190_101_800, 190_101_800),
        ("teo@example.com", "gpt-5.5-high", "editor", 285_175_500, 285_175_500),
        ("teo@example.com", "gpt-5.5-high", "editor", 285_175_500, 285_175_500),
        ("rin@example.com", "claude-4-sonnet-thinking", "editor", 0, 64_000_000),
        ("rin@example.com", "default", "editor", 0, 0),
        ("Nightly build", "composer-2.5-fast", "cloud agent", 80_000_000, 80_000_000),
        ("lee@example.com", "", "editor", 0, 12_500_000),
    ]
    assert lines[0].started_at == datetime(2026, 8, 30, 23, 59, 59, 999000, tzinfo=UTC)
    assert (
        lines[0].input_tokens,
        lines[0].output_tokens,
        lines[0].cache_write_tokens,
        lines[0].cache_read_tokens,
    ) == (
        212,
        731,
        5020,
        18233,
    )
    assert json.loads(lines[1].details)["totalCents"] == "31.400000000000002"


def test_a_reply_of_2025_is_billed_at_total_cents():
    line = line_item(sample("usage_events_2025_shape")["usageEvents"][0], Counter())
    assert (line.kind, line.billed_nano, line.list_nano) == ("Usage-based", 221_050_000, 221_050_000)


@pytest.mark.parametrize(
    ("label", "failed", "usage_based", "known"),
    [
        ("Usage-based", False, True, True),
        ("Usage Based Pricing", False, True, True),
        ("USAGE_EVENT_KIND_USAGE_BASED", False, True, True),
        ("Included in Business", False, False, True),
        ("USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS", False, False, True),
        ("Errored, Not Charged", True, False, True),
        ("USAGE_EVENT_KIND_ERRORED_NOT_CHARGED", True, False, True),
        ("Aborted, Not Charged", True, False, True),
        ("USAGE_EVENT_KIND_USER_API_KEY", False, False, True),
        ("USAGE_EVENT_KIND_FREE_CREDIT", False, False, True),
        ("Some Future Kind", False, False, False),
        ("", False, False, False),
    ],
)
def test_a_kind_means_the_same_however_it_is_spelled(label, failed, usage_based, known):
    assert kind_of(label) == (failed, usage_based, known)


@pytest.mark.parametrize(
    ("event", "billed", "listed"),
    [
        ({"chargedCents": 5, "isChargeable": True}, 50_000_000, 50_000_000),
        ({"chargedCents": 5, "isChargeable": False}, 0, 50_000_000),
        ({"chargedCents": 5}, 50_000_000, 50_000_000),
        ({"chargedCents": 5, "kind": "Included in Pro"}, 0, 50_000_000),
        ({"chargedCents": 5, "kind": "Included in Pro", "isChargeable": True}, 50_000_000, 50_000_000),
        ({"chargedCents": 5, "kind": "Errored, Not Charged", "isChargeable": True}, 0, 0),
        ({"chargedCents": 5, "kind": "Brand new", "isChargeable": True}, 50_000_000, 50_000_000),
        ({"chargedCents": 5, "kind": "Brand new"}, 0, 50_000_000),
        ({"tokenUsage": {"totalCents": Decimal("2.5")}, "isChargeable": True}, 25_000_000, 25_000_000),
        ({"chargedCents": 0, "tokenUsage": {"totalCents": Decimal("2.5")}, "isChargeable": True}, 0, 0),
        ({"isChargeable": True}, 0, 0),
        ({"chargedCents": "1.5", "isChargeable": True}, 15_000_000, 15_000_000),
    ],
)
def test_money_was_charged_only_where_the_definitions_say_so(event, billed, listed):
    line = item(**event)
    assert (line.billed_nano, line.effective_nano, line.list_nano) == (billed, billed, listed)


def test_an_unknown_kind_without_is_chargeable_is_noted():
    notes: Counter[str] = Counter()
    line_item({"timestamp": 1, "kind": "Brand new", "chargedCents": 3}, notes)
    assert notes == {"of unknown kind 'Brand new' without isChargeable, billed as 0": 1}


@pytest.mark.parametrize(
    ("event", "user"),
    [
        ({"userEmail": " Rin@Example.COM "}, "rin@example.com"),
        ({"userEmail": None}, ""),
        ({"userEmail": "a@b.c", "serviceAccountId": "sa_1", "serviceAccountName": "Nightly"}, "Nightly"),
        ({"userEmail": "a@b.c", "serviceAccountId": "sa_1"}, "sa_1"),
        ({"userEmail": "a@b.c", "serviceAccountId": "null", "serviceAccountName": "null"}, "a@b.c"),
        ({"userEmail": "a@b.c", "serviceAccountId": "", "serviceAccountName": None}, "a@b.c"),
        ({"userEmail": "null"}, ""),
    ],
)
def test_the_user_is_the_service_account_or_the_trimmed_lower_case_e_mail(event, user):
    assert item(**event).user == user


@pytest.mark.parametrize(
    ("event", "surface"),
    [
        ({"automationId": "a", "cloudAgentId": "c", "isHeadless": True}, "automation"),
        ({"cloudAgentId": "c", "isHeadless": True}, "cloud agent"),
        ({"isHeadless": True, "isFreeBugbot": True}, "headless"),
        ({"isFreeBugbot": True}, "bugbot"),
        ({"automationId": "null", "cloudAgentId": ""}, "editor"),
    ],
)
def test_the_surface_is_the_most_particular_one(event, surface):
    assert item(**event).surface == surface


@pytest.mark.parametrize(
    "timestamp", ["1788134399999", 1788134399999, "2026-08-30T23:59:59.999Z", "2026-08-31T01:59:59.999+02:00"]
)
def test_a_timestamp_is_milliseconds_or_rfc_3339(timestamp):
    assert item(timestamp=timestamp).started_at == datetime(2026, 8, 30, 23, 59, 59, 999000, tzinfo=UTC)


@pytest.mark.parametrize(
    "event",
    [
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": "9" * 40},
        {"chargedCents": "a lot"},
        {"chargedCents": True},
        {"chargedCents": 10**30},
        {"tokenUsage": {"inputTokens": -1}},
        {"tokenUsage": {"inputTokens": "many"}},
        {"tokenUsage": {"inputTokens": 2**70}},
    ],
)
def test_an_event_that_cannot_be_read_breaks_the_contract_and_names_the_value(event):
    body = json.dumps(
        {"totalUsageEventsCount": 1, "usageEvents": [{"timestamp": "1788134399999", **event}]}
    ).encode()
    span = Span(datetime(2026, 8, 30, tzinfo=UTC), datetime(2026, 8, 31, tzinfo=UTC))
    with client_of(body) as client, pytest.raises(ContractBroken, match="cannot be read") as broken:
        list(usage_pages(client, span))
    assert broken.value.sample


def test_an_event_outside_the_span_breaks_the_contract():
    body = b'{"totalUsageEventsCount": 1, "usageEvents": [{"timestamp": "1000"}]}'
    span = Span(datetime(2026, 8, 30, tzinfo=UTC), datetime(2026, 8, 31, tzinfo=UTC))
    with client_of(body) as client, pytest.raises(ContractBroken, match="outside the span"):
        list(usage_pages(client, span))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"usageEvents": []}',
        b'{"usageEvents": {}, "totalUsageEventsCount": 1}',
        b'{"usageEvents": [], "totalUsageEventsCount": "1"}',
    ],
)
def test_a_reply_of_another_shape_breaks_the_contract(body):
    span = Span(datetime(2026, 8, 30, tzinfo=UTC), datetime(2026, 8, 31, tzinfo=UTC))
    with client_of(body) as client, pytest.raises(ContractBroken):
        list(usage_pages(client, span))


def test_texts_longer_than_their_column_are_cut_and_nul_is_dropped():
    line = item(model="m" * 500, kind="k" * 500, userEmail="\0" + "u" * 500, conversationId="c" * 500)
    assert (len(line.model), len(line.kind), len(line.user), len(line.resource)) == (200, 100, 254, 300)
    assert "\0" not in line.user


def test_members_are_read_in_both_shapes():
    with client_of((SAMPLES / "members.json").read_bytes()) as client:
        members = read_members(client)
    assert [(m.email, m.role, m.is_active, m.is_paid) for m in members] == [
        ("rin@example.com", "member", True, True),
        ("teo@example.com", "owner", True, True),
        ("ana@example.com", "free-owner", True, False),
        ("lee@example.com", "member", False, True),
    ]
    with client_of((SAMPLES / "members_numeric_ids.json").read_bytes()) as client:
        assert read_members(client)[0].external_id == "48213"


def test_an_empty_team_is_not_taken_for_everybody_left():
    with client_of(b'{"teamMembers": []}') as client, pytest.raises(ContractBroken, match="nobody"):
        read_members(client)


def test_somebody_listed_as_removed_and_as_active_is_active():
    rows = [{"email": "a@b.c", "isRemoved": False}, {"email": "A@b.c", "isRemoved": True}]
    for order in (rows, rows[::-1]):
        with client_of(json.dumps({"teamMembers": order}).encode()) as client:
            assert [member.is_active for member in read_members(client)] == [True]


def test_spend_is_read_in_each_shape_and_ambiguity_is_said():
    with client_of((SAMPLES / "spend.json").read_bytes()) as client:
        rin = next(total for total in read_spend(client) if total.user == "rin@example.com")
    assert (rin.on_demand_nano, rin.included_nano, rin.note) == (190_101_800, 64_000_000, "")
    with client_of((SAMPLES / "spend_included_shape.json").read_bytes()) as client:
        rin = read_spend(client)[0]
    assert (rin.on_demand_nano, rin.included_nano) == (190_101_800, 6_400_000_000)
    old = {
        "teamMemberSpend": [{"email": "a@b.c", "spendCents": 5}],
        "subscriptionCycleStart": 1787000588000,
        "totalPages": 1,
    }
    with client_of(json.dumps(old).encode()) as client:
        total = read_spend(client)[0]
    assert (total.on_demand_nano, total.included_nano) == (None, None)
    assert total.unclear_nano == 50_000_000
    assert "spendCents alone" in total.note
    assert total.period_start == datetime(2026, 8, 17, 21, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amounts", "note"),
    [
        ({}, "no spendCents"),
        ({"overallSpendCents": 9}, "no spendCents"),
        ({"includedSpendCents": 9}, "no spendCents"),
        ({"spendCents": 9, "overallSpendCents": 4}, "less than spendCents"),
    ],
)
def test_spend_that_tells_no_split_says_so(amounts, note):
    reply = {
        "teamMemberSpend": [{"email": "a@b.c", **amounts}],
        "subscriptionCycleStart": 1787000588000,
        "totalPages": 1,
    }
    with client_of(json.dumps(reply).encode()) as client:
        [total] = read_spend(client)
    assert (total.on_demand_nano, total.included_nano, total.unclear_nano) == (None, None, None)
    assert note in total.note
