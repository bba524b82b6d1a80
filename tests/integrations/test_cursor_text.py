"""Text as Cursor sends it, a cut emoji or a NUL included, reaches the database; what cannot be read is told."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from costcenters.line_items import keep_known_users, replace_window
from costcenters.models import CostCenter, CostLineItem, DailyCost
from costcenters.records import Window
from integrations import seats
from integrations.errors import ContractBroken, Unreachable
from integrations.http import ApiClient, Runtime, ShortGuard, parse_json
from integrations.models import Integration, Member
from integrations.providers.base import Span
from integrations.providers.cursor.events import line_item, usage_pages
from integrations.providers.cursor.team import SPEND_PAGE_SIZE, read_members, read_spend

DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)
SPAN = Span(START, START + DAY)
CYCLE = 1762000000123

#: As JSON spells them: half a surrogate pair, either half, and a NUL.
TROUBLE = [r"\ud83d", r"\ude00", r"\u0000"]


def event(**changes):
    stamp = str(int(START.timestamp() * 1000) + 1)
    return {"timestamp": stamp, "kind": "Usage-based", "chargedCents": 1, "isChargeable": True} | changes


def as_json(name, text):
    """An event whose field is this JSON text, read as the client reads a reply."""
    return parse_json(json.dumps(event(**{name: "TEXT"})).replace("TEXT", text).encode())


def client(*replies):
    """A client that gets these replies, one after the other; what was asked is in `client.asked`."""
    queue, asked = list(replies), []

    def answer(request):
        asked.append(json.loads(request.content) if request.content else None)
        reply = queue.pop(0)
        return httpx.Response(200, content=reply if isinstance(reply, bytes) else json.dumps(reply).encode())

    runtime = Runtime(transport=httpx.MockTransport(answer), sleep=lambda seconds: None)
    made = ApiClient(
        base_url="http://cursor.test",
        auth=("crsr_x", ""),
        provider_name="Cursor",
        runtime=runtime,
        guard=ShortGuard(runtime),
    )
    made.asked = asked
    return made


FIELDS = {
    "serviceAccountName": "user",
    "serviceAccountId": "user",
    "userEmail": "user",
    "model": "model",
    "kind": "kind",
    "conversationId": "resource",
    "automationId": None,
    "cloudAgentId": None,
    "requestsCosts": "quantity",
    "cursorTokenFee": None,
    "maxMode": None,
}


@pytest.mark.django_db
@pytest.mark.parametrize("text", TROUBLE)
@pytest.mark.parametrize("name", FIELDS)
def test_half_an_emoji_or_a_nul_in_an_event_does_not_keep_its_window_out(name, text):
    center = CostCenter.objects.create(name="Cursor", provider="cursor")
    window = Window(center.pk, SPAN.start, SPAN.end, ("usage",))

    def store():
        items = [line_item(as_json(name, f"rin{text}bot"), Counter())]
        return replace_window(window, keep_known_users(window, items))

    assert store().added == 1
    line = CostLineItem.objects.get()
    expected = "rinbot" if text == r"\u0000" else "rin�bot"
    stored = line.details.get(name) if FIELDS[name] is None else getattr(line, FIELDS[name])
    assert stored == expected
    assert DailyCost.objects.count() == 1
    assert store().is_empty


@pytest.mark.django_db
@pytest.mark.parametrize("text", TROUBLE)
@pytest.mark.parametrize("name", ["name", "email", "id", "role"])
def test_half_an_emoji_or_a_nul_in_a_member_does_not_keep_the_team_out(name, text):
    row = {"name": "Rin", "email": "rin@example.com", "id": "user_1", "role": "member"}
    reply = json.dumps({"teamMembers": [row | {name: "TEXT"}]}).replace("TEXT", f"rin{text}bot")
    center = CostCenter.objects.create(name="Cursor", provider="cursor")
    integration = Integration.objects.create(cost_center=center, provider="cursor", api_url="http://x.test")

    members = read_members(client(reply.encode()))
    seats.record_members(integration, members, today=START.date(), last_read=None)

    column = {"id": "external_id"}.get(name, name)
    assert getattr(Member.objects.get(), column) == ("rinbot" if text == r"\u0000" else "rin�bot")


@pytest.mark.parametrize("text", TROUBLE)
def test_half_an_emoji_or_a_nul_in_a_spend_row_is_replaced(text):
    row = {"email": "TEXT", "spendCents": 1, "overallSpendCents": 2}
    reply = {"teamMemberSpend": [row], "subscriptionCycleStart": CYCLE, "totalPages": 1}
    (total,) = read_spend(client(json.dumps(reply).replace("TEXT", f"rin{text}bot").encode()))
    assert total.user == ("rinbot" if text == r"\u0000" else "rin�bot")


@pytest.mark.parametrize("value", ["true", "false", "", 2, -1, 1.5, [], {}, [True]])
def test_whether_it_was_charged_is_true_false_or_not_told(value):
    reply = {"usageEvents": [event(isChargeable=value)], "totalUsageEventsCount": 1}
    with pytest.raises(ContractBroken, match="isChargeable"):
        list(usage_pages(client(reply), SPAN))


def spend_page(number, *, pages=3, cycle=CYCLE, rows=1):
    people = [
        {"email": f"p{number}-{row}@example.com", "spendCents": 100, "overallSpendCents": 300}
        for row in range(rows)
    ]
    return {"teamMemberSpend": people, "subscriptionCycleStart": cycle, "totalPages": pages}


def test_all_pages_of_the_totals_are_read():
    asking = client(*[spend_page(number) for number in (1, 2, 3)])

    totals = read_spend(asking)

    assert [total.user for total in totals] == [f"p{number}-0@example.com" for number in (1, 2, 3)]
    assert [(body["page"], body["pageSize"]) for body in asking.asked] == [
        (number, SPEND_PAGE_SIZE) for number in (1, 2, 3)
    ]
    assert {(total.on_demand_nano, total.included_nano) for total in totals} == {(10**9, 2 * 10**9)}
    assert {total.period_start for total in totals} == {
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=CYCLE)
    }


def test_a_page_of_the_totals_without_anybody_is_the_last():
    assert len(read_spend(client(spend_page(1), spend_page(2, rows=0)))) == 1


def test_a_cycle_that_begins_while_the_totals_are_read_is_read_again_later():
    with pytest.raises(Unreachable, match="new billing cycle"):
        read_spend(client(spend_page(1), spend_page(2, cycle=CYCLE + 1)))
