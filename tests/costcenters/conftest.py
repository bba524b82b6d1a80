from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from django.http import QueryDict
from django.test import Client

from costcenters.catalog import Catalog
from costcenters.explorer import report
from costcenters.query_form import CostQueryForm
from costcenters.report import Report
from tests.factories import UserFactory

NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)


@pytest.fixture
def at_now():
    """It is 21 November 2026, 15:20 UTC."""
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def ask() -> Callable[[str], Report]:
    """The report that a query string asks for."""

    def answer(text: str) -> Report:
        form = CostQueryForm(QueryDict(text), catalog=Catalog(today=NOW.date()))
        assert form.is_valid(), form.errors
        return report(form.query(), now=NOW)

    return answer


@pytest.fixture
def viewer(client: Client, at_now: datetime) -> Client:
    """A browser in which a Viewer is logged in."""
    client.force_login(UserFactory(role="Viewer"))
    return client
