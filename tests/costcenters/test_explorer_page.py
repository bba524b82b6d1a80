"""The explorer's page without a browser: who may see it, what it says, and that nothing of the data is markup."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from html import unescape

import pytest

from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db
PATHS = ["/", "/explorer/", "/explorer/export.csv", "/explorer/values/user/"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "role, status", [(None, 302), ("", 403), ("Viewer", 200), ("Editor", 200), ("Admin", 200)]
)
def test_reports_need_a_role(client, path, role, status):
    if role is not None:
        client.force_login(UserFactory(role=role))
    response = client.get(path)
    assert response.status_code == status
    if role is None:
        assert response.url == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("path", PATHS)
def test_reports_are_only_read(viewer, path):
    assert viewer.post(path).status_code == 405


def chart_of(response) -> dict[str, object]:
    text = re.search(
        r'<script id="chart-data" type="application/json">(.*?)</script>', response.content.decode()
    )
    assert text
    return json.loads(text[1])


def test_a_sentence_says_what_is_shown(viewer):
    DailyCostFactory()
    response = viewer.get("/explorer/?provider=cursor&group_by=model&compare=previous")
    assert "Billed, Cursor, by model, 23 Oct – 21 Nov 2026 UTC, against 23 Sep – 22 Oct 2026" in response.text


@pytest.mark.parametrize(
    "query, said",
    [
        ("sort=change&compare=year", "against 23 Oct – 21 Nov 2025, sorted by change, largest first"),
        ("group_by=user&sort=-measure", "UTC, sorted by billed, smallest first"),
        ("group_by=user&sort=-value", "UTC, sorted by user, backwards"),
        ("granularity=week", "UTC, weeks start on Monday"),
        ("complete=1", "Billed, 23 Oct – 20 Nov 2026 UTC, complete days only"),
        ("complete=1&granularity=week", "Billed, 23 Oct – 15 Nov 2026 UTC, complete weeks only, weeks start"),
    ],
)
def test_the_sentence_says_what_is_not_as_ever(viewer, query, said):
    DailyCostFactory()
    assert said in viewer.get(f"/explorer/?{query}").text


def test_incomplete_days_can_be_left_out_and_brought_back(viewer):
    DailyCostFactory()
    text = unescape(viewer.get("/explorer/?group_by=user").text)
    assert "Hatched: 21 Nov is not complete yet." in text
    assert 'href="/explorer/?preset=30d&group_by=user&complete=1">Show complete days only' in text
    without = unescape(viewer.get("/explorer/?group_by=user&complete=1").text)
    assert "Complete days only, up to 20 Nov." in without
    assert 'href="/explorer/?preset=30d&group_by=user">Show all' in without
    assert "Hatched" not in without


def test_a_comparison_of_an_incomplete_day_is_pointed_out(viewer):
    DailyCostFactory()
    text = viewer.get("/explorer/?compare=previous").text
    assert "21 Nov is not complete yet, but compared with complete days." in text
    assert "Compare complete days only" in text


def test_savings_are_explained(viewer):
    DailyCostFactory(list_cost=Decimal(5))
    assert "Savings are list cost minus effective cost" in viewer.get("/explorer/?measure=savings").text
    assert "Savings are" not in viewer.get("/explorer/").text


def test_what_changed_is_told_when_comparing(viewer):
    DailyCostFactory(user="new", billed_cost=Decimal(3))
    DailyCostFactory(user="gone", billed_cost=Decimal(4), day=date(2026, 10, 20))
    text = unescape(viewer.get("/explorer/?group_by=user&compare=previous").text)
    movers = text[text.index("Rose most") : text.index("card table rows")]
    rose, fell = movers.split("Fell most")
    assert "user=new" in rose
    assert "+$3.00" in rose
    assert ">new</span>" in rose
    assert "user=gone" in fell
    assert "−$4.00" in fell
    assert "−100 %" in fell
    assert "Rose most" not in viewer.get("/explorer/?group_by=user").text


def test_the_question_can_be_taken_along(viewer, settings):
    settings.SITE_URL = "https://bill.example.com"
    DailyCostFactory(user="o'hara")
    text = unescape(viewer.get("/explorer/?group_by=model&user=o'hara&chart=lines").text)
    assert "https://bill.example.com/explorer/?preset=30d&group_by=model&user=o%27hara&chart=lines<" in text
    call = "https://bill.example.com/api/v1/costs/?preset=30d&group_by=model&user=o%27hara"
    assert f">{call}<" in text
    assert f"curl -H \"Authorization: Bearer $ONEBILL_TOKEN\" '{call}'" in text


def test_links_keep_the_kind_of_chart(viewer):
    DailyCostFactory(user="a", charge_type="seat")
    text = unescape(viewer.get("/explorer/?group_by=user&chart=cumulative").text)
    assert 'href="/explorer/?preset=30d&charge_type=seat&chart=cumulative"' not in text
    assert 'href="/explorer/?preset=30d&group_by=user&charge_type=seat&chart=cumulative"' in text
    assert 'href="/explorer/?preset=30d&group_by=model&user=a&chart=cumulative"' in text


def test_a_long_name_is_shortened_and_told_in_full(viewer):
    name = "projects/acme-production/locations/europe-west1/instances/i-0123456789"
    DailyCostFactory(model=name)
    text = viewer.get("/explorer/?group_by=model").text
    assert f'title="{name}"><span aria-hidden="true">projects/acme-production/…s/i-0123456789' in text
    assert f'<span class="visually-hidden">{name}</span>' in text
    assert chart_of(viewer.get("/explorer/?group_by=model"))["series"][0]["label"] == name


def test_the_page_says_how_far_it_is_complete(viewer):
    CostCenterFactory()
    assert "Complete through 21 Nov 2026, 14:00 UTC" in viewer.get("/explorer/").text


def test_the_chart_flags_incomplete_periods_and_adds_up(viewer):
    DailyCostFactory(day=date(2026, 11, 21), user="a")
    data = chart_of(viewer.get("/explorer/?preset=7d&group_by=user"))
    assert [period["isIncomplete"] for period in data["periods"]] == [False] * 6 + [True]
    assert data["totals"][-1] == "1.00"
    assert data["series"][0]["values"][-1] == "1.00"


def test_amounts_below_a_cent_show_their_exact_value(viewer):
    DailyCostFactory(billed_cost=Decimal("0.0064001"))
    assert 'title="0.0064001 USD">&lt; $0.01' in viewer.get("/explorer/?group_by=user").text


def test_whole_cents_need_no_title(viewer):
    DailyCostFactory(billed_cost=Decimal("1234.5"))
    assert '<span class="figure">$1,234.50</span>' in viewer.get("/explorer/").text


def test_an_estimate_is_badged_and_charge_types_link_to_themselves(viewer):
    DailyCostFactory(billed_cost=Decimal(2), charge_type="seat", is_estimated=True)
    DailyCostFactory(billed_cost=Decimal(3))
    text = unescape(viewer.get("/explorer/").text)
    assert "$2.00 estimated" in text
    assert "/explorer/?preset=30d&charge_type=seat" in text
    assert "/explorer/?preset=30d&charge_type=usage" in text


def test_a_row_leads_into_its_details(viewer):
    DailyCostFactory(model="gpt-5", user="a&b=c")
    assert 'href="/explorer/?preset=30d&group_by=user&model=gpt-5"' in unescape(
        viewer.get("/explorer/?group_by=model").text
    )
    nested = unescape(viewer.get("/explorer/?group_by=user&group_by=model").text)
    assert 'href="/explorer/?preset=30d&group_by=model&user=a%26b%3Dc"' in nested
    assert 'href="/explorer/?preset=30d&model=gpt-5&user=a%26b%3Dc"' in nested or (
        'href="/explorer/?preset=30d&user=a%26b%3Dc&model=gpt-5"' in nested
    )


def test_other_leads_to_all(viewer):
    for n in range(11):
        DailyCostFactory(user=f"u{n}")
    text = unescape(viewer.get("/explorer/?group_by=user").text)
    assert "Other (2 more)" in text
    assert "/explorer/?preset=30d&group_by=user&top=0" in text


@pytest.mark.parametrize(
    "text",
    [
        "user=%00",
        "%00=1",
        "top=" + "9" * 5000,
        "start=0001-01-01",
        "end=9999-12-31",
        "&".join(["user=a"] * 10_000),
        "&".join(f"x{n}=a" for n in range(900)),
        "user=%ff%fe",
        "%ff=1",
        "tag:%F0%9F%92%A9!=1&group_by=tag:",
    ],
)
@pytest.mark.parametrize("path", ["/explorer/", "/explorer/export.csv"])
def test_hostile_parameters_never_make_a_traceback(viewer, path, text):
    assert viewer.get(f"{path}?{text}").status_code in (200, 400)


HOSTILE = [
    '<script>alert("x")</script>',
    "=cmd|' /C calc'!A0",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 }}",
    "</script>",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_and_never_markup(viewer, name):
    DailyCostFactory(user=name, model=name, kind=name, cost_center=CostCenterFactory(name=name[:100]))
    response = viewer.get("/explorer/", {"group_by": ["user", "model"], "user": name, "compare": "year"})
    assert response.status_code == 200
    for path in ("/", "/explorer/values/user/"):
        assert "<script>alert" not in viewer.get(path).text
        assert "<img src=x" not in viewer.get(path).text
    for markup in ("<script>alert", "<img src=x", "</script></"):
        assert markup not in response.text
    assert chart_of(response)["series"][0]["label"] == name


def test_pages_hold_no_inline_code_and_allow_none(viewer):
    DailyCostFactory()
    for path in ("/", "/explorer/?group_by=model"):
        response = viewer.get(path)
        assert not re.search(r'<script(?![^>]*\bsrc=)(?![^>]*type="application/json")', response.text)
        assert not re.search(r"\s(style|on\w+)=", response.text)
        assert "default-src 'self'" in response["Content-Security-Policy"]


def test_an_empty_answer_says_what_to_try(viewer):
    text = viewer.get("/explorer/?user=nobody").text
    assert "No cost here." in text
    assert "remove a filter" in text
    assert "<canvas" not in text


def test_a_span_without_a_complete_day_says_so(viewer):
    DailyCostFactory(day=date(2026, 11, 21))
    text = unescape(viewer.get("/explorer/?start=2026-11-21&end=2026-11-21&complete=1").text)
    assert "No day of 21 Nov 2026 is complete yet." in text
    assert 'href="/explorer/?start=2026-11-21&end=2026-11-21">Show what is there' in text


def test_other_currencies_are_named_and_linked(viewer):
    DailyCostFactory(billed_cost=Decimal(3))
    DailyCostFactory(cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    text = unescape(viewer.get("/explorer/").text)
    assert "in USD" in text
    assert 'href="/explorer/?preset=30d&currency=EUR"' in text


def test_no_other_currency_is_named_where_there_is_no_cost(viewer):
    DailyCostFactory()
    DailyCostFactory(cost_center=CostCenterFactory(name="Euro", currency="EUR"))
    assert "Currencies are never added" not in viewer.get("/explorer/?user=nobody").text
    text = unescape(viewer.get("/explorer/?cost_center=Cursor&cost_center=Euro&currency=EUR&user!=x").text)
    assert "in EUR" in text
    assert "&currency=USD" in text
