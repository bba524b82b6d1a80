"""Connecting as people do: a sandbox of Cursor's API on the real clock, the worker's work, and a mail server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from django.test import Client
from django.urls import reverse

from integrations import tasks
from integrations.models import Integration
from integrations.sandbox import Company, FaultPlan, SandboxServer

#: A faulty API is slow on purpose; the tests need not be.
QUICK = FaultPlan(every=4, burst=1, slow_seconds=0.05, stall_seconds=1.0)


@contextmanager
def cursor_api(settings: Any, *, faults: str = "", **company: Any) -> Iterator[SandboxServer]:
    """A small team behind the address that the connect form asks."""
    knobs = {"seed": 7, "users": 12, "days": 12, "events": 600, **company}
    with SandboxServer(Company(**knobs), faults=faults, requests_per_minute=0, plan=QUICK) as server:
        settings.CURSOR_API_URL = server.url
        settings.CURSOR_BACKFILL_DAYS = 20
        yield server


def answers(server: SandboxServer, **changed: str) -> dict[str, str]:
    """What a person types into the connect form."""
    return {"name": "Cursor", "admin_api_key": server.api_key, "monthly_seat_price": "40.00", **changed}


def connect(client: Client, server: SandboxServer, **changed: str) -> Integration:
    """Connect through the form."""
    typed = answers(server, **changed)
    response = client.post(reverse("connect", args=["cursor"]), typed)
    assert response.status_code == 302, response.content.decode()
    return Integration.objects.get(cost_center__name=typed["name"])


def work(integration: Integration) -> list[str]:
    """What the background worker does when its bell rings."""
    return [tasks.sync(pk) for pk in integration.streams.order_by("pk").values_list("pk", flat=True)]


class MailServer:
    """A real SMTP server on a free port; `messages` are those it took, parsed; it refuses the addresses `refuses`."""

    def __init__(self, settings: Any) -> None:
        self.messages: list[EmailMessage] = []
        self.refuses: set[str] = set()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", self.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        self._controller: Controller | None = None

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 OK"


@contextmanager
def mail_server(settings: Any) -> Iterator[MailServer]:
    server = MailServer(settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def part(message: EmailMessage, kind: str) -> str:
    """The text of the message's `plain` or `html` part."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())
