"""Asking the API, and the one shape of its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

COSTS = "/api/v1/costs/"
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


def as_csv(client: Client, text: str) -> bytes:
    response = client.get(f"{COSTS}?{text}", headers={"Accept": "text/csv"})
    assert response.status_code == 200
    return b"".join(response.streaming_content)
