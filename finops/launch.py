"""What `manage.py up` and `manage.py demo` share: set up, serve the pages, run the worker, end together."""

from __future__ import annotations

import http.client
import logging
import os
import secrets
import string
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections

from finops.models import Heartbeat
from finops.processes import (
    AlreadyRunning,
    ChildEnded,
    Supervisor,
    only_one,
    port_is_free,
    stop_on_signals,
)

DEFAULT_PORT = 8000
PORTS_TRIED = 100
ADMIN = "admin"
ADMIN_EMAIL = "admin@example.com"
READY_SECONDS = 60
WORKER_LOOKED_AT_EVERY = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CONSOLE_MAIL = "django.core.mail.backends.console.EmailBackend"
FILE_MAIL = "django.core.mail.backends.filebased.EmailBackend"


def state_directory() -> Path:
    """Where the lock, the logs and the demo's memory are: beside the SQLite file, else in `var/`."""
    if connection.vendor == "sqlite":
        return Path(str(connection.settings_dict["NAME"])).resolve().parent
    directory = Path(settings.BASE_DIR) / "var"
    directory.mkdir(exist_ok=True)
    return directory


class ServeCommand(BaseCommand):
    """Set up, serve until Ctrl-C or SIGTERM (exit status 0); exit status 1 when a part ends by itself."""

    supervisor: Supervisor
    state: Path
    port: int
    environment: dict[str, str]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            metavar="N",
            help=f"port of the web pages on localhost (default: {DEFAULT_PORT}, or the next free one)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop_on_signals()
        logging.disable(logging.INFO)
        # The bill, the e-mails and the logs are for this user's eyes only.
        os.umask(0o077)
        self.state = state_directory()
        try:
            with only_one(self.state / "running.lock"), Supervisor(self.state / "log") as self.supervisor:
                self._serve(options)
        except AlreadyRunning as holder:
            raise CommandError(
                f"Onebill is already running on the data in {self.state} ({holder}). Stop that first."
            ) from None
        except ChildEnded as ended:
            raise CommandError(str(ended)) from None
        except KeyboardInterrupt:
            self.say("Stopped.")
        finally:
            logging.disable(logging.NOTSET)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    # What the demo adds ---------------------------------------------------------------------------

    def before(self, options: dict[str, Any]) -> None:
        """Runs before anything is set up; may start children that need no database."""

    def fill(self, admin: User) -> None:
        """Runs when the database is ready and the web server starts, before the worker does."""

    # The start, step by step ----------------------------------------------------------------------

    def _serve(self, options: dict[str, Any]) -> None:
        self.port = self._choose_port(options["port"])
        self.environment = self._prepare_environment()
        try:
            self.before(options)
            call_command("migrate", verbosity=0, interactive=False)
            call_command("collectstatic", verbosity=0, interactive=False)
            admin = _administrator()
            self._start_web()
            self.fill(admin)
        except CommandError:
            # A child that is gone explains more than what failed without it.
            self.supervisor.check()
            raise
        self._start_manage("worker", "qcluster")
        self._wait_for_web()
        password = _new_password(admin)
        connections.close_all()
        self.say(f"Address: {self.site_url}")
        self.say(f"User: {admin.get_username()}")
        self.say(f"Password: {password or 'unchanged'}")
        self.say(f"Logs are in {self.supervisor.logs}. Ctrl-C ends it; the data stays.")
        self._watch()

    def _watch(self) -> None:
        """Stay until stopped. A worker that is there but does nothing any more, as happens when one of its own
        children is killed, is started anew."""
        patience = Heartbeat.STALE_AFTER
        started_at = datetime.now(UTC)
        while True:
            self.supervisor.watch(seconds=WORKER_LOOKED_AT_EVERY)
            now = datetime.now(UTC)
            is_alive = now - started_at < patience or Heartbeat.is_fresh(Heartbeat.WORKER, now)
            connections.close_all()
            if not is_alive:
                self.say("The worker has shown no sign of life for five minutes: it is started anew.")
                self.supervisor.end("worker")
                self._start_manage("worker", "qcluster")
                started_at = now

    @property
    def site_url(self) -> str:
        return self.environment["SITE_URL"]

    def _choose_port(self, wanted: int | None) -> int:
        if wanted is not None:
            if not 0 < wanted < 65536:
                raise CommandError(f"--port must be between 1 and 65535, not {wanted}.")
            if not port_is_free(wanted):
                raise CommandError(
                    f"Port {wanted} is taken or not allowed here. Choose another one with --port."
                )
            return wanted
        for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
            if port_is_free(port):
                if port != DEFAULT_PORT:
                    self.say(f"Port {DEFAULT_PORT} is taken, so port {port} is used.")
                return port
        raise CommandError(f"No port from {DEFAULT_PORT} to {port} is free. Choose another one with --port.")

    def _prepare_environment(self) -> dict[str, str]:
        """The children's environment; this process follows it where it sends e-mail itself.

        A SITE_URL that is not this machine is kept (a proxy stands in front); without a mail server e-mails
        become files, so that none is lost in a log.
        """
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        if urlsplit(settings.SITE_URL).hostname in LOOPBACK:
            environment.pop("SITE_URL_FILE", None)
            settings.SITE_URL = f"http://localhost:{self.port}"
        environment["SITE_URL"] = settings.SITE_URL
        if settings.EMAIL_BACKEND == CONSOLE_MAIL:
            mail = self.state / "mail"
            mail.mkdir(mode=0o700, exist_ok=True)
            environment.pop("EMAIL_URL_FILE", None)
            environment["EMAIL_URL"] = f"filemail:///{mail}"
            settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = FILE_MAIL, str(mail)
        return environment

    def _start_web(self) -> None:
        self.supervisor.start(
            "web",
            [
                *(sys.executable, "-m", "gunicorn", "finops.wsgi:application"),
                *("--bind", f"127.0.0.1:{self.port}", "--workers", "2", "--threads", "4"),
                *("--graceful-timeout", "1", "--log-level", "warning", "--no-control-socket"),
                # A report of many chosen people is a long address.
                *("--limit-request-line", "8190"),
            ],
            environment=self.environment,
            directory=Path(settings.BASE_DIR),
        )

    def _start_manage(self, name: str, *arguments: str) -> None:
        self.supervisor.start(
            name,
            [sys.executable, "manage.py", *arguments],
            environment=self.environment,
            directory=Path(settings.BASE_DIR),
        )

    def _wait_for_web(self) -> None:
        if not self.supervisor.wait_until(self._web_answers, seconds=READY_SECONDS):
            raise CommandError(
                f"The web server does not answer on port {self.port}: see web.log in {self.supervisor.logs}. "
                "If ALLOWED_HOSTS is set, it must hold the host of SITE_URL."
            )

    def _web_answers(self) -> bool:
        ask = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            ask.request("GET", "/healthz", headers={"Host": urlsplit(self.site_url).netloc})
            return ask.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            ask.close()


def _administrator() -> User:
    """`admin`, or whichever superuser there is; on the first start one is made, without a password yet."""
    superusers = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    found = superusers.filter(username=ADMIN).first() or superusers.first()
    if found is None and User.objects.filter(username=ADMIN).exists():
        raise CommandError(
            f"There is a user {ADMIN}, but no active superuser. Make one with `manage.py createsuperuser`."
        )
    return found or User.objects.create_superuser(ADMIN, ADMIN_EMAIL)


def _new_password(admin: User) -> str:
    """A fresh random password for a new administrator, stored just before it is shown; else empty."""
    if admin.has_usable_password():
        return ""
    password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
    admin.set_password(password)
    admin.save(update_fields=["password"])
    return password
