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
PATHS = ["/", "/explorer/", "/explorer/export.csv", "/explorer/values/"]


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


def test_a_filter_has_a_chip_that_removes_and_one_that_excludes(viewer):
    text = unescape(viewer.get("/explorer/?user=a&model!=b").text)
    assert "User is a" in text
    assert "Model is not b" in text
    assert 'href="/explorer/?preset=30d&model!=b"' in text
    assert 'href="/explorer/?preset=30d&model!=b&user!=a"' in text
    assert '<input type="hidden" name="user" value="a">' in text


def test_htmx_gets_the_report_and_its_address(viewer):
    DailyCostFactory()
    response = viewer.get("/explorer/?user=&group_by=model&preset=7d", headers={"HX-Request": "true"})
    assert "<html" not in response.text
    assert 'id="filters" hx-swap-oob="true"' in response.text
    assert response["HX-Push-Url"] == "/explorer/?preset=7d&group_by=model"
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_mistake_is_named_and_what_was_typed_is_kept(viewer, headers):
    text = "granularity=hour&user=a&foo=%3Cb%3E&start=2026-02-30&end=2026-03-01"
    response = viewer.get(f"/explorer/?{text}", headers=headers)
    assert response.status_code == 400
    for kept in ("<code>granularity</code>", "<code>start</code>", "<code>foo</code>", 'value="&lt;b&gt;"'):
        assert kept in response.text
    if not headers:
        assert '<option value="hour" selected>' in response.text
        assert 'name="start" value="2026-02-30"' in response.text


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
    for path in ("/", "/explorer/values/"):
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


def test_suggestions_are_what_the_bill_holds(viewer):
    DailyCostFactory(user="b", model="m")
    DailyCostFactory(user="a", model="m")
    text = viewer.get("/explorer/values/").text
    assert (
        '<datalist id="values-user"><option value="a"></option><option value="b"></option></datalist>' in text
    )
    assert '<datalist id="values-region"></datalist>' in text
