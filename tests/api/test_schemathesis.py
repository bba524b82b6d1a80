"""The running API, asked by schemathesis whatever the OpenAPI document allows, and much that it does not.

How it asks is in `schemathesis.toml`, with the reasons for what it leaves out. Nothing here reaches the outside: Cursor
is the sandbox, and every other address is a closed port of this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from django.test import Client

from costcenters.models import SeatPrice
from finops.models import ApiToken
from integrations.models import ImportedFile, Subscription, SubscriptionSeats
from tests.api.answers import bearer, token_of
from tests.api.documented import closed
from tests.connecting import connect, work
from tests.factories import (
    CostCenterFactory,
    DailyCostFactory,
    IntegrationFactory,
    MemberFactory,
    SavedViewFactory,
    StreamFactory,
    SyncRunFactory,
    UserFactory,
)

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: Nobody listens there.
CLOSED = "http://127.0.0.1:9"
MANY = 12
#: The operations that take the explorer's query string.
MANY_PARAMETERS = ("/api/v1/costs/", "/api/v1/line-items/", "/api/v1/dimensions/{key}/")
#: Numbers of rows begin with 1, also on PostgreSQL, for those that the configuration names.
pytestmark = [pytest.mark.django_db(transaction=True, reset_sequences=True), pytest.mark.timeout(600)]


@pytest.fixture
def token(live_server: Any, settings: Any, api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An Admin's, in an installation that has something of everything."""
    # Head and body of an answer are sent apart: the second would wait 40 ms until the first is acknowledged.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
    settings.API_REQUESTS_PER_MINUTE = 10**6
    settings.S3_ENDPOINT_URL = CLOSED
    settings.FOCUS_FOLDERS = [str(tmp_path)]
    admin = UserFactory(role="Admin")
    session = Client()
    session.force_login(admin)
    work(connect(session, api))
    flat_rates = CostCenterFactory(name="Subscriptions", provider="subscriptions")
    files = IntegrationFactory(
        cost_center=CostCenterFactory(name="Invoices", provider="focus_files"), provider="focus_files"
    )
    for number in range(MANY):
        center = CostCenterFactory(name=f"Team {number}")
        integration = IntegrationFactory(cost_center=center, api_url=CLOSED)
        StreamFactory(integration=integration)
        SyncRunFactory(integration=integration)
        MemberFactory(integration=integration)
        DailyCostFactory(cost_center=center, user=f"person{number}@example.com", model="claude-4-opus")
        SeatPrice.objects.create(
            cost_center=center, monthly_price=Decimal(40), effective_from=date(2027, 1, 1 + number)
        )
        SavedViewFactory(owner=admin)
        ImportedFile.objects.create(
            integration=files, location=f"{number}.csv", seen_at=datetime(2026, 11, 21, tzinfo=UTC)
        )
        known = Subscription.objects.create(
            cost_center=flat_rates,
            name=f"Tool {number}",
            seats=5,
            price=Decimal(30),
            starts_on=date(2026, 10, 1),
        )
        SubscriptionSeats.objects.create(subscription=known, seats=9, effective_from=date(2026, 11, 1))
    for number in range(MANY):
        ApiToken.objects.create(
            pk=f"00000000-0000-4000-8000-{number:012d}", user=admin, name=f"Token {number}"
        )
    return token_of(admin)


def ask_everything(address: str, token: str, folder: Path, *options: str) -> None:
    document = httpx.get(f"{address}/api/schema/", headers=bearer(token)).raise_for_status().json()
    document["components"]["schemas"] = closed(document["components"]["schemas"])
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "--no-color"),
            *("run", str(file), "--url", address, "--workers", "1", *options),
        ],
        cwd=folder,
        env={**os.environ, "ONEBILL_TOKEN": token},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_answer_is_what_the_document_says(live_server, token, tmp_path):
    rest = [each for path in MANY_PARAMETERS for each in ("--exclude-path", path)]
    ask_everything(live_server.url, token, tmp_path, "--seed", "1", "--max-examples", "3", *rest)


def test_every_answer_to_the_explorers_parameters_is_too(live_server, token, tmp_path):
    """Of these there are dozens, the same in each: a choice of them is asked here, all of them if there is time."""
    these = [each for path in MANY_PARAMETERS for each in ("--include-path", path)]
    options = ("--phases", "examples,fuzzing", "--max-examples", "30")
    ask_everything(live_server.url, token, tmp_path, "--seed", "1", *options, *these)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_answer_to_much_more_is_too(live_server, token, tmp_path, seed):
    ask_everything(live_server.url, token, tmp_path, "--seed", str(seed), "--max-examples", "200")
