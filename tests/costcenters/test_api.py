"""The report by API: the explorer's numbers, one shape of errors, and who is let in."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import reverse

from costcenters.catalog import Catalog
from costcenters.links import api_url
from costcenters.models import DailyCost
from finops.api import bad_request, page_not_found, server_error
from finops.models import ApiToken
from tests.costcenters.test_explorer_csv import some_rows  # noqa: F401
from tests.factories import CostCenterFactory, DailyCostFactory, UserFactory

pytestmark = pytest.mark.django_db
COSTS = "/api/v1/costs/"
SPAN = "start=2026-11-01&end=2026-11-21"
PROBLEM = "application/problem+json"


def answer(client: Client, text: str = "") -> dict[str, Any]:
    response = client.get(f"{COSTS}?{text}")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content, parse_float=pytest.fail)


def problem(response: Any, status: int) -> dict[str, Any]:
    """The body of an error, whose shape is always the same."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    body = json.loads(response.content)
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert body["status"] == status
    assert body["detail"]
    assert body["title"]
    return body


def token_of(user: Any, **kwargs: Any) -> str:
    return ApiToken.objects.create(user=user, name="script", **kwargs)[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class TestNumbers:
    @pytest.mark.parametrize(
        ("group_by", "granularity", "rest"),
        [
            (group_by, granularity, rest)
            for (group_by, granularity), rest in zip(
                product(
                    ["", "user", "model,charge_type", "tag:team,user", "cost_center,model_family"],
                    ["day", "week", "month", "total"],
                ),
                [
                    "top=0",
                    "top=2",
                    "top=3&measure=tokens",
                    "user!=a@example.com&measure=list",
                    "model=(none)&measure=events&compare=previous",
                    "charge_type=usage&charge_type=credit&compare=year&measure=effective",
                    "complete=1&measure=savings&sort=-value",
                ]
                * 3,
                strict=False,
            )
        ],
    )
    def test_are_those_of_the_report(self, viewer, ask, some_rows, group_by, granularity, rest):  # noqa: F811
        groups = "".join(f"&group_by={key}" for key in group_by.split(",") if key)
        text = f"{SPAN}&granularity={granularity}{groups}&{rest}"
        report, body = ask(text), answer(viewer, text)

        assert figure(body["total"]["measure"]) == report.total.measure
        assert [row["value"] for row in body["rows"]] == [row.value for row in report.rows]
        for found, row in zip(body["rows"], report.rows, strict=True):
            assert figure(found["measure"]) == row.amounts.measure
            assert (found["tokens"], found["events"]) == (row.amounts.tokens, row.amounts.events)
            assert optional(found["before"]) == row.amounts.before
            assert optional(found["change"]) == row.amounts.difference
            assert [figure(each) for each in found["by_period"]] == list(row.by_period)
            assert [figure(each) for each in found["before_by_period"]] == list(row.before_by_period)
            assert [(c["value"], figure(c["measure"])) for c in found["children"]] == [
                (child.value, child.amounts.measure) for child in row.children
            ]
        assert [
            (p["start"], figure(p["measure"]), p["events"], p["is_incomplete"]) for p in body["periods"]
        ] == [
            (p.start.isoformat(), p.amounts.measure, p.amounts.events, p.is_incomplete)
            for p in report.periods
        ]
        assert {s["charge_type"]: figure(s["measure"]) for s in body["split"]} == report.split
        assert figure(body["estimated"]) == report.estimated
        assert bool(body["other"]) == bool(report.other_count)
        if report.other:
            assert body["other"]["count"] == report.other_count
            assert figure(body["other"]["measure"]) == report.other.amounts.measure
        assert [row["value"] for row in body["risen"]] == [row.value for row in report.risen]
        assert [row["value"] for row in body["fallen"]] == [row.value for row in report.fallen]

    @pytest.mark.parametrize("measure", ["billed", "effective", "list"])
    def test_are_those_of_the_csv(self, viewer, some_rows, measure):  # noqa: F811
        text = f"{SPAN}&group_by=user&granularity=week&measure={measure}&top=0"
        body = answer(viewer, text)
        sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in csv.DictReader(io.StringIO(as_csv(viewer, text).decode())):
            sums[row["period"], row["user"].removeprefix("'")] += Decimal(row[f"{measure}_cost"])

        starts = [period["start"] for period in body["periods"]]
        found = {
            (start, row["value"]): Decimal(amount)
            for row in body["rows"]
            for start, amount in zip(starts, row["by_period"], strict=True)
        }
        assert {key: amount for key, amount in found.items() if amount} == {
            k: v for k, v in sums.items() if v
        }

    def test_are_exact_strings_of_decimals_and_whole_counts(self, viewer):
        DailyCostFactory(billed_cost=Decimal("0.000000001"), input_tokens=7)
        DailyCostFactory(billed_cost=Decimal(12))

        total = answer(viewer)["total"]

        assert total == {
            "measure": "12.000000001",
            "tokens": 7,
            "events": 2,
            "before": None,
            "change": None,
        }

    def test_counts_are_integers_as_a_measure_too(self, viewer):
        DailyCostFactory(input_tokens=10**15)

        body = answer(viewer, "measure=tokens&compare=previous&group_by=user")

        assert (body["unit"], body["total"]["measure"], body["rows"][0]["before"]) == ("tokens", 10**15, 0)

    def test_rows_with_the_rest_add_up_to_the_total(self, viewer):
        for n in range(12):
            DailyCostFactory(user=f"u{n:02}", billed_cost=Decimal(n + 1))

        body = answer(viewer, "group_by=user")

        assert (len(body["rows"]), body["other"]["count"], body["other"]["measure"]) == (9, 3, "6.00")
        assert sum(Decimal(row["measure"]) for row in [*body["rows"], body["other"]]) == 78

    def test_thousands_of_rows_are_answered(self, viewer):
        center = CostCenterFactory()
        DailyCost.objects.bulk_create(
            DailyCostFactory.build(cost_center=center, user=f"user{n}@example.com") for n in range(3000)
        )

        body = answer(viewer, "group_by=user&top=0&preset=90d")

        assert len(body["rows"]) == 3000
        assert body["total"]["measure"] == "3000.00"

    def test_take_few_queries(self, viewer, some_rows, django_assert_max_num_queries):  # noqa: F811
        text = f"{SPAN}&group_by=tag:team&group_by=model_family&model_family=Claude&compare=previous"
        with django_assert_max_num_queries(15):
            answer(viewer, text)
        with django_assert_max_num_queries(15):
            as_csv(viewer, text)


class TestBody:
    def test_echoes_the_question_in_full_and_at_its_shortest(self, viewer):
        CostCenterFactory()
        text = (
            "granularity=day&top=9&measure=list&user!=a@b.c&user=(none)&group_by=model"
            "&preset=7d&compare=previous&sort=-change"
        )
        query = answer(viewer, text)["query"]

        assert query == {
            "parameters": "preset=7d&group_by=model&user=(none)&user!=a@b.c&measure=list&compare=previous&sort=-change",
            "preset": "7d",
            "granularity": "day",
            "group_by": ["model"],
            "filters": [
                {"dimension": "user", "values": [""], "exclude": False},
                {"dimension": "user", "values": ["a@b.c"], "exclude": True},
            ],
            "measure": "list",
            "top": 9,
            "compare": "previous",
            "currency": None,
            "only_complete": False,
            "sort": "-change",
        }
        assert answer(viewer, query["parameters"])["query"] == query

    def test_says_span_currency_and_granularity(self, viewer):
        DailyCostFactory(cost_center=CostCenterFactory(name="Europe", currency="EUR"), billed_cost=Decimal(5))
        DailyCostFactory()

        body = answer(viewer, "start=2024-01-01&end=2026-11-21&compare=year")

        assert body["span"] == {"start": "2024-01-01", "end": "2026-11-21"}
        assert body["compare_span"] == {"start": "2023-01-01", "end": "2025-11-21"}
        assert (body["query"]["granularity"], body["granularity"]) == ("day", "week")
        assert (body["currency"], body["currencies"], body["unit"]) == ("EUR", ["EUR", "USD"], "EUR")
        assert answer(viewer, "currency=USD")["total"]["measure"] == "1.00"

    def test_says_how_far_it_is_complete(self, viewer):
        DailyCostFactory()

        body = answer(viewer, "preset=7d")

        assert body["freshness"]["complete_through"] == "2026-11-21T14:00:00Z"
        assert body["freshness"]["state"] == "current"
        assert [period["start"] for period in body["periods"] if period["is_incomplete"]] == ["2026-11-21"]

    def test_calls_no_value_empty_and_names_it(self, viewer):
        DailyCostFactory(user="", model="default")

        row = answer(viewer, "group_by=user&group_by=model")["rows"][0]

        assert (row["value"], row["label"]) == ("", "No user")
        assert (row["children"][0]["value"], row["children"][0]["label"]) == ("default", "Auto (default)")

    def test_says_what_rose_and_fell(self, viewer):
        DailyCostFactory(user="up", day=date(2026, 11, 20), billed_cost=Decimal(3))
        DailyCostFactory(user="down", day=date(2026, 11, 10), billed_cost=Decimal(2))

        body = answer(viewer, "preset=7d&group_by=user&compare=previous")

        assert [(row["value"], row["change"]) for row in body["risen"]] == [("up", "3.00")]
        assert [(row["value"], row["change"]) for row in body["fallen"]] == [("down", "-2.00")]

    def test_has_no_span_when_no_period_is_complete(self, viewer):
        DailyCostFactory()

        body = answer(viewer, "start=2026-11-21&end=2026-11-21&complete=1")

        assert (body["span"], body["periods"], body["total"]["measure"]) == (None, [], "0.00")

    def test_is_there_before_anything_is_connected(self, viewer):
        body = answer(viewer, "group_by=model&compare=previous")

        assert (body["total"]["measure"], body["rows"], body["other"]) == ("0.00", [], None)
        assert body["freshness"]["complete_through"] is None

    def test_ignores_how_the_page_shows_it(self, viewer):
        DailyCostFactory()
        shown = answer(viewer, "group_by=user&chart=lines&page=3&view=1")
        assert shown == answer(viewer, "group_by=user")

    def test_passes_on_hostile_text_unharmed(self, viewer):
        name = '<script>alert("x")</script>\u2028'
        DailyCostFactory(user=name)

        response = viewer.get(f"{COSTS}?group_by=user")

        assert json.loads(response.content)["rows"][0]["value"] == name
        assert response["X-Content-Type-Options"] == "nosniff"


class TestFormat:
    @pytest.mark.parametrize(
        "accept",
        [
            "",
            "*/*",
            "application/json",
            "application/*",
            "text/html, */*;q=0.8",
            "application/json; indent=2",
        ],
    )
    def test_is_json_unless_asked(self, viewer, accept):
        response = viewer.get(COSTS, headers={"Accept": accept} if accept else {})
        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/json")
        assert "Accept" in response["Vary"]

    def test_csv_is_the_explorers_export(self, viewer, some_rows):  # noqa: F811
        text = f"{SPAN}&group_by=user&group_by=tag:team&granularity=week"
        page = viewer.get(f"/explorer/export.csv?{text}")
        api = viewer.get(f"{COSTS}?{text}", headers={"Accept": "text/csv"})

        assert b"".join(api.streaming_content) == b"".join(page.streaming_content)
        for name in ("Content-Type", "Content-Disposition"):
            assert api[name] == page[name]

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "\x00", "nonsense", "a/b/c;;;=", ";"])
    def test_nothing_else_is_offered(self, viewer, accept):
        body = problem(viewer.get(COSTS, headers={"Accept": accept}), 406)
        assert "application/json or text/csv" in body["detail"]

    def test_format_is_no_parameter(self, viewer):
        body = problem(viewer.get(f"{COSTS}?format=csv"), 400)
        assert body["errors"] == [{"field": "format", "detail": "There is no such parameter."}]

    def test_head_has_the_headers_alone(self, viewer):
        DailyCostFactory()
        for accept in ("application/json", "text/csv"):
            response = viewer.head(COSTS, headers={"Accept": accept})
            assert response.status_code == 200
            assert response["Content-Type"].startswith(accept)
            assert b"".join(response) == b""

    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_options_says_what_is_allowed(self, viewer, accept):
        response = viewer.options(COSTS, headers={"Accept": accept})
        assert (response.status_code, response["Allow"], response.content) == (204, "GET, HEAD, OPTIONS", b"")


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "field"),
        [
            ("group_by=nonsense", "group_by"),
            ("start=yesterday", "start"),
            ("start=2026-11-02&end=2026-11-01", "end"),
            ("measure=money", "measure"),
            ("top=-1", "top"),
            ("top=1&top=2", "top"),
            ("currency=usd", "currency"),
            ("cost_center=Nobody", "cost_center"),
            ("user!=%00", "user!"),
            ("grouping=model", "grouping"),
            ("complete=yes", "complete"),
            ("page=0", "page"),
        ],
    )
    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_a_bad_parameter_is_named(self, viewer, text, field, accept):
        CostCenterFactory()
        body = problem(viewer.get(f"{COSTS}?{text}", headers={"Accept": accept}), 400)

        assert body["type"] == "urn:onebill:problem:invalid-parameters"
        assert [error["field"] for error in body["errors"]] == [field]

    def test_all_of_them_are_named_at_once(self, viewer):
        body = problem(viewer.get(f"{COSTS}?top=x&measure=y&z=1"), 400)
        assert {error["field"] for error in body["errors"]} == {"top", "measure", "z"}

    def test_too_many_parameters_are_refused(self, viewer):
        for number in (1001, 3000):
            body = problem(viewer.get(f"{COSTS}?{'user=a&' * number}"), 400)
            assert "parameters" in body["detail"]

    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_a_sum_that_is_too_large_is_told(self, viewer, accept):
        for user in "ab":
            DailyCostFactory(user=user, billed_cost=Decimal(5 * 10**9))

        response = viewer.get(COSTS, headers={"Accept": accept})

        if connection.vendor == "sqlite":
            body = problem(response, 422)
            assert "larger than SQLite can hold" in body["detail"]
            assert body["type"] == "urn:onebill:problem:sum-too-large"
        else:
            assert response.status_code == 200

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
    def test_other_methods_are_refused(self, viewer, method):
        body = problem(getattr(viewer, method)(COSTS), 405)
        assert "GET, HEAD, OPTIONS" in body["detail"]

    @pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing/", "/api/v2/costs/", "/api/v1/costs/1/"])
    def test_what_is_not_there_is_a_problem_too(self, client, path):
        assert "nothing at this address" in problem(client.get(path), 404)["detail"]

    def test_elsewhere_it_stays_a_page(self, client):
        response = client.get("/nothing/")
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")

    def test_djangos_own_errors_have_the_shape_under_api_alone(self):
        for path, is_api in (("/api/v1/costs/", True), ("/explorer/", False)):
            request = RequestFactory().get(path)
            answers = (
                bad_request(request, Exception()),
                page_not_found(request, Http404()),
                server_error(request),
            )
            assert [response.status_code for response in answers] == [400, 404, 500]
            assert {response["Content-Type"] == PROBLEM for response in answers} == {is_api}

    def test_carry_the_request_id(self, viewer):
        response = viewer.get(f"{COSTS}?x=1", headers={"X-Request-ID": "from-proxy.7"})
        assert problem(response, 400)["request_id"] == response["X-Request-ID"] == "from-proxy.7"

    def test_are_for_nobodys_cache(self, viewer):
        for response in (viewer.get(COSTS), viewer.get(f"{COSTS}?x=1")):
            assert "no-store" in response["Cache-Control"]


class TestAccess:
    def test_a_token_of_its_owner_is_enough(self, client, at_now):
        DailyCostFactory()
        token = token_of(UserFactory(role="Viewer"))

        for scheme in ("Bearer", "bearer", "BEARER"):
            response = client.get(COSTS, headers={"Authorization": f"{scheme} {token}"})
            assert response.status_code == 200
            assert response.json()["total"]["measure"] == "1.00"
        assert not client.session.keys()

    def test_a_token_may_be_used_without_the_csrf_cookie(self):
        token = token_of(UserFactory(role="Viewer"))
        response = Client(enforce_csrf_checks=True).post(COSTS, headers=bearer(token))
        problem(response, 405)

    @pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
    def test_every_role_reads(self, client, role):
        assert client.get(COSTS, headers=bearer(token_of(UserFactory(role=role)))).status_code == 200

    @pytest.mark.parametrize("scope", ApiToken.Scope.values)
    def test_every_scope_reads(self, client, scope):
        token = token_of(UserFactory(role="Viewer"), scope=scope)
        assert client.get(COSTS, headers=bearer(token)).status_code == 200

    @pytest.mark.parametrize("scope", ApiToken.Scope.values)
    def test_no_token_may_more_than_its_owner(self, client, scope):
        body = problem(client.get(COSTS, headers=bearer(token_of(UserFactory(), scope=scope))), 403)
        assert "may not do this" in body["detail"]

    def test_a_session_without_a_role_is_refused(self, client):
        client.force_login(UserFactory())
        problem(client.get(COSTS), 403)

    def test_superusers_may(self, client):
        client.force_login(UserFactory(is_superuser=True))
        assert client.get(COSTS).status_code == 200

    def test_strangers_are_asked_for_a_token(self, client):
        for accept in ("application/json", "text/csv"):
            response = client.get(COSTS, headers={"Accept": accept})
            assert "Bearer TOKEN" in problem(response, 401)["detail"]
            assert response["WWW-Authenticate"] == 'Bearer realm="Onebill"'

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_strangers_are_asked_whatever_they_want(self, client, method):
        problem(getattr(client, method)(COSTS), 401)

    def test_the_account_must_be_active(self, client):
        user = UserFactory(role="Admin", is_active=False)
        problem(client.get(COSTS, headers=bearer(token_of(user))), 401)

    def test_an_account_that_went_is_refused(self, client):
        user = UserFactory(role="Admin")
        token = token_of(user)
        user.delete()
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_a_token_ends(self, client):
        token = token_of(UserFactory(role="Viewer"), expiry=timedelta(seconds=-1))
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_a_revoked_token_is_refused(self, client):
        token = token_of(UserFactory(role="Viewer"))
        ApiToken.objects.all().delete()
        problem(client.get(COSTS, headers=bearer(token)), 401)

    def test_the_refusal_does_not_say_which_it_was(self, client):
        tokens = [
            "f" * 64,
            token_of(UserFactory(role="Admin", is_active=False)),
            token_of(UserFactory(role="Viewer"), expiry=timedelta(seconds=-1)),
        ]
        details = {problem(client.get(COSTS, headers=bearer(token)), 401)["detail"] for token in tokens}
        assert len(details) == 1

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer  ",
            "Bearer \x00",
            "Bearer " + "f" * 15 + "\x00" * 49,
            "Bearer " + "\xff\xfe" * 32,
            "Bearer " + "é" * 64,
            "Bearer ☃",
            "Bearer " + "f" * 64 + " " + "f" * 64,
            "Bearer\x00" + "f" * 64,
            "Bearer\x0b" + "f" * 64,
            "\x00Bearer " + "f" * 64,
            "Bearer " + "f" * 100_000,
            "Bearer '; DROP TABLE finops_apitoken; --",
            "Token " + "f" * 64,
            "Basic YTpi",
            "Basic \xff",
            "\x00",
            "☃",
            ", ,",
        ],
    )
    def test_a_hostile_header_is_no_log_in(self, client, header):
        ApiToken.objects.create(user=UserFactory(role="Admin"))
        problem(client.get(COSTS, headers={"Authorization": header}), 401)

    def test_a_wrong_token_is_refused_even_beside_a_session(self, viewer):
        problem(viewer.get(COSTS, headers=bearer("f" * 64)), 401)

    def test_a_log_in_of_the_proxy_does_not_hide_the_session(self, viewer):
        assert viewer.get(COSTS, headers={"Authorization": "Basic YTpi"}).status_code == 200

    def test_a_token_takes_few_queries(self, client, django_assert_max_num_queries):
        user = UserFactory(role="Viewer")
        tokens = [token_of(user) for _ in range(30)]
        with django_assert_max_num_queries(15):
            client.get(f"{COSTS}?group_by=user", headers=bearer(tokens[-1]))


def test_the_explorers_link_leads_here(viewer, ask):
    DailyCostFactory(user="a b&c=d")
    report = ask("preset=7d&group_by=model&user=a b%26c%3Dd&compare=previous")

    url = api_url(report.query)

    assert url.startswith(reverse("api-costs"))
    assert viewer.get(url).json()["total"]["measure"] == "1.00"
    assert Catalog().names == ["Cursor"]


def as_csv(client: Client, text: str) -> bytes:
    response = client.get(f"{COSTS}?{text}", headers={"Accept": "text/csv"})
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def figure(found: str | int) -> Decimal | int:
    """A count stays an integer; an amount must be a plain decimal string."""
    if isinstance(found, str):
        assert "E" not in found
        return Decimal(found)
    return found


def optional(found: str | int | None) -> Decimal | int | None:
    return None if found is None else figure(found)
