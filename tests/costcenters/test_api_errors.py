"""The report by API: every error has one shape and says what is wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.http import Http404
from django.test import RequestFactory

from finops.api.problems import bad_request, page_not_found, server_error
from tests.costcenters.api_answers import COSTS, PROBLEM, problem
from tests.factories import CostCenterFactory, DailyCostFactory

pytestmark = pytest.mark.django_db


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
