"""Asking the API for the report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.api.answers import PROBLEM, problem

__all__ = ["COSTS", "PROBLEM", "answer", "as_csv", "problem"]
COSTS = "/api/v1/costs/"


def answer(client: Client, text: str = "") -> dict[str, Any]:
    response = client.get(f"{COSTS}?{text}")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content, parse_float=pytest.fail)


def as_csv(client: Client, text: str) -> bytes:
    response = client.get(f"{COSTS}?{text}", headers={"Accept": "text/csv"})
    assert response.status_code == 200
    return b"".join(response.streaming_content)
