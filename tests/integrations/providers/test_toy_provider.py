"""A provider is one folder: connected on the real page, read by the real engine, seen in the explorer; nothing else
knows of it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from costcenters.models import CostCenter, CostLineItem
from integrations.models import Integration, SyncRun
from integrations.providers import PROVIDERS
from tests.connecting import work
from tests.factories import UserFactory
from tests.integrations.providers import toy
from tests.integrations.providers.toy import Babel

KEY = "bbl_5b1f0c9d7e"
FOLDER = Path(toy.__file__).parent
ROOT = Path(__file__).parents[3]


class BabelApi(ThreadingHTTPServer):
    """The bureau: a job of 12.30 each day, the newest yesterday; one key is known."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.jobs: list[dict[str, Any]] = [
            {
                "done_at": (midnight - timedelta(days=age) + timedelta(hours=9)).isoformat(),
                "price": "12.300000001",
                "pages": 3,
                "ordered_by": " Ada@Example.com",
            }
            for age in range(1, 6)
        ]
        self.asked: list[str] = []


class Answering(BaseHTTPRequestHandler):
    server: BabelApi

    def do_GET(self) -> None:
        self.answer({"bureau": "Babel"})

    def do_POST(self) -> None:
        span = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        jobs = [job for job in self.server.jobs if span["from"] <= job["done_at"] < span["to"]]
        self.answer({"count": len(jobs), "jobs": jobs})

    def answer(self, body: dict[str, Any]) -> None:
        self.server.asked.append(self.path)
        known = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
        is_known = self.headers.get("Authorization") == known
        content = json.dumps(body if is_known else {"message": "No such key"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def bureau(monkeypatch: pytest.MonkeyPatch) -> Iterator[BabelApi]:
    """The bureau's API, and its provider in the registry: the one line that is not in its folder."""
    with BabelApi() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(Babel, "api_url", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setitem(PROVIDERS, Babel.slug, Babel())
        yield server
        server.shutdown()


@pytest.fixture
def editor(client: Client) -> Client:
    client.force_login(UserFactory(role="Editor"))
    return client


def connected(editor: Client, **changed: str) -> Integration:
    answer = editor.post(
        reverse("connect", args=["babel"]), {"name": "Translations", "api_key": KEY, **changed}
    )
    assert answer.status_code == 302, answer.content.decode()
    return Integration.objects.get(provider="babel")


# Its size -------------------------------------------------------------------------------------------------------------


def test_it_is_one_folder_of_at_most_sixty_lines():
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(len(path.read_text().splitlines()) for path in files) <= 60


def test_nothing_else_knows_of_it():
    sources = [
        path
        for top in ("finops", "costcenters", "integrations", "templates", "static")
        for path in (ROOT / top).rglob("*")
        if path.suffix in (".py", ".html", ".css", ".js", ".txt")
    ]
    assert len(sources) > 100
    assert [path for path in sources if "babel" in path.read_text().lower()] == []


# Its life -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_has_a_tile_and_a_form_of_its_own(editor, bureau):
    tiles = editor.get(reverse("cost-centers")).content.decode()
    assert reverse("connect", args=["babel"]) in tiles
    assert "Reads jobs." in tiles
    form = editor.get(reverse("connect", args=["babel"])).content.decode()
    assert "Connect Babel" in form
    assert 'name="api_key"' in form
    assert "seat" not in form.lower()


@pytest.mark.django_db
def test_its_lines_are_in_the_explorer_once_it_is_connected_and_read(editor, bureau):
    integration = connected(editor)
    work(integration)

    center = CostCenter.objects.get(name="Translations")
    assert (center.provider, center.status) == ("babel", CostCenter.Status.ACTIVE)
    page = editor.get(
        "/explorer/", {"provider": "babel", "group_by": "user", "preset": "30d"}
    ).content.decode()
    assert "ada@example.com" in page
    assert "$61.50" in page
    table = editor.get("/explorer/export.csv", {"group_by": "service", "granularity": "total"})
    ((_, service, billed, *_),) = [line.split(",") for line in table.getvalue().decode().splitlines()[1:]]
    assert (service, Decimal(billed)) == ("Translation", Decimal("61.500000005"))


@pytest.mark.django_db
def test_every_page_of_its_cost_center_opens_and_none_speaks_of_seats_or_of_cursor(editor, bureau):
    integration = connected(editor)
    work(integration)
    own = integration.cost_center.get_absolute_url()
    seen = [
        editor.get(address)
        for address in (own, f"{own}runs/", f"{own}edit/", f"{own}key/", "/", "/explorer/")
    ]
    assert [answer.status_code for answer in seen] == [200] * len(seen)
    for answer in seen[:4]:
        main = answer.content.decode().partition("<main")[2].lower()
        assert main
        assert "cursor" not in main, answer.request["PATH_INFO"]
        assert "seat" not in main, answer.request["PATH_INFO"]


@pytest.mark.django_db
def test_what_it_bills_later_comes_with_the_next_sync_and_nothing_is_counted_twice(editor, bureau):
    integration = connected(editor)
    work(integration)
    bureau.jobs[0]["price"] = "20"
    integration.streams.update(due_at=datetime.now(UTC), synced_through=None)
    work(integration)
    assert [plain.normalize() for plain in prices()] == [Decimal("12.300000001")] * 4 + [Decimal(20)]


@pytest.mark.django_db
def test_a_key_that_is_refused_is_blamed_and_nothing_is_stored(editor, bureau):
    typed = {"name": "Translations", "api_key": "bbl_wrong"}
    answer = editor.post(reverse("connect", args=["babel"]), typed)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Babel refused this key (401: No such key)" in page
    assert "Please check this and paste it again." in page
    assert "bbl_wrong" not in page
    assert not CostCenter.objects.exists()


@pytest.mark.django_db
def test_a_reply_that_cannot_be_read_stores_nothing_and_says_so(editor, bureau):
    integration = connected(editor)
    work(integration)
    before = prices()
    bureau.jobs[0]["price"] = "a lot"
    integration.streams.update(due_at=datetime.now(UTC), synced_through=None)
    (said,) = work(integration)
    assert "Babel sent a job that cannot be read" in said
    assert prices() == before
    assert SyncRun.objects.first().outcome == SyncRun.Outcome.FAILED


def prices() -> list[Decimal]:
    return list(CostLineItem.objects.order_by("started_at").values_list("billed_cost", flat=True))
