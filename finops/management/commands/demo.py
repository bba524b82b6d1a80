"""`manage.py demo`: Onebill with an invented company in it, read from a sandbox of Cursor's API."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from costcenters import examples
from costcenters.models import CostCenter
from finops.demo_bills import add_subscriptions, connected_files
from finops.launch import ServeCommand
from finops.processes import any_free_port, port_answers, port_is_free
from finops.secrets import fingerprints
from integrations.connections import NotConnected, connect
from integrations.http import Runtime
from integrations.models import Integration, Stream
from integrations.providers import PROVIDERS
from integrations.sandbox import DEFAULT_KEY

NAME = "Cursor (sandbox)"
SEAT_PRICE = Decimal(40)
SANDBOX_READY_SECONDS = 30
KNOBS = {
    "events": "usage events in the history",
    "users": "people on the team",
    "days": "days of history",
    "seed": "another seed is another company",
}


@dataclass(frozen=True)
class Company:
    """The invented company, remembered: a later start tells the same story from the same first day."""

    anchor: str
    port: int
    events: int = 60_000
    users: int = 60
    days: int = 90
    seed: int = 1

    @property
    def first_day(self) -> date:
        return date.fromordinal(date.fromisoformat(self.anchor).toordinal() - self.days)

    def save(self, path: Path) -> None:
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), indent=1) + "\n")
        os.replace(scratch, path)


class Command(ServeCommand):
    help = (
        "Everything in one: an invented company in a sandbox of Cursor's API, its FOCUS files of AWS, GCP and Azure, "
        "its subscriptions, a real sync of all of it, web pages on localhost and the worker, until Ctrl-C. A later "
        "start keeps the data."
    )

    company: Company

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        # Without a default: only what is really given is compared with what the first start was given.
        for name, what in KNOBS.items():
            usual = getattr(Company, name)
            parser.add_argument(
                f"--{name}", type=int, metavar="N", help=f"{what}, at the first start ({usual})"
            )

    def before(self, options: dict[str, Any]) -> None:
        # Only here: a real key that is connected in the demo is read by the worker, within the usual limits.
        settings.CURSOR_REQUESTS_PER_MINUTE = 0
        self.company = self._company({name: options[name] for name in KNOBS})
        self._allow_focus_files()
        self._start_sandbox()

    def fill(self, admin: User) -> None:
        if not self.supervisor.wait_until(
            lambda: port_answers(self.company.port), seconds=SANDBOX_READY_SECONDS
        ):
            raise CommandError(f"The sandbox does not answer: see sandbox.log in {self.supervisor.logs}.")
        self.company.save(self._memory)
        now = datetime.now(UTC)
        add_subscriptions(self.company.first_day, admin, now)
        try:
            connected = [self._cursor(admin), *(self._files(bill, admin, now) for bill in examples.BILLS)]
        except NotConnected as problem:
            raise CommandError(f"The demo's bill could not be connected. {problem}") from None
        connected += Integration.objects.filter(provider="subscriptions", credentials__isnull=False)
        for integration in connected:
            if integration is not None:
                self._sync(integration)

    # The sandbox ----------------------------------------------------------------------------------

    @property
    def _memory(self) -> Path:
        return self.state / "demo.json"

    def _company(self, wanted: dict[str, int | None]) -> Company:
        """The company of the first start, which no later option changes; its port, if it is still free."""
        path = self._memory
        given = {name: value for name, value in wanted.items() if value is not None}
        try:
            company = Company(**json.loads(path.read_text()))
        except FileNotFoundError:
            company = Company(anchor=datetime.now(UTC).date().isoformat(), port=any_free_port(), **given)
        except (ValueError, TypeError):
            raise CommandError(
                f"{path} is damaged. Remove it, and the demo's database with it, to begin anew."
            ) from None
        for name, value in given.items():
            if getattr(company, name) != value:
                raise CommandError(
                    f"This demo was first started with --{name} {getattr(company, name)}. To begin anew with "
                    f"another company, remove {path} and the database."
                )
        if not port_is_free(company.port):
            company = replace(company, port=any_free_port())
        return company

    def _start_sandbox(self) -> None:
        options = {**asdict(self.company), "requests-per-minute": 0}
        self.supervisor.start(
            "sandbox",
            [
                *(sys.executable, "-m", "integrations.sandbox"),
                *(part for name, value in options.items() for part in (f"--{name}", str(value))),
            ],
            environment=self.environment,
            directory=Path(settings.BASE_DIR),
            # It tells its key, which is nobody's secret but looks like one.
            keep_output=False,
        )

    # The bill -------------------------------------------------------------------------------------

    def _cursor(self, admin: User) -> Integration | None:
        """The sandbox's connection, made as the form makes it. None when somebody has disconnected it."""
        url = f"http://127.0.0.1:{self.company.port}"
        integration = Integration.objects.filter(key_fingerprint__in=fingerprints(DEFAULT_KEY)).first()
        if integration is not None:
            Integration.objects.filter(pk=integration.pk).update(api_url=url)
            return integration
        if CostCenter.objects.filter(name=NAME).exists():
            self._say_left_alone(NAME)
            return None
        return connect(
            PROVIDERS["cursor"],
            name=NAME,
            credentials={"admin_api_key": DEFAULT_KEY},
            monthly_seat_price=SEAT_PRICE,
            user=admin,
            runtime=Runtime(),
            api_url=url,
        ).integration

    def _files(self, bill: examples.Bill, admin: User, now: datetime) -> Integration | None:
        """Write the bill's files up to yesterday, and have them read."""
        folder = self._focus_files / bill.provider
        examples.write(bill, folder, self.company.first_day, now.date())
        integration = connected_files(bill, folder, admin)
        if integration is None:
            self._say_left_alone(bill.name)
        return integration

    def _say_left_alone(self, name: str) -> None:
        self.say(f"{name} is no longer connected: its history stays, nothing new is read.")

    @property
    def _focus_files(self) -> Path:
        return self.state / "focus"

    def _allow_focus_files(self) -> None:
        """Have this process and its children read the demo's files, whatever else they may read."""
        folder = str(self._focus_files)
        if folder not in settings.FOCUS_FOLDERS:
            settings.FOCUS_FOLDERS = [*settings.FOCUS_FOLDERS, folder]
            self.environment.pop("FOCUS_FOLDERS_FILE", None)
            self.environment["FOCUS_FOLDERS"] = ",".join(settings.FOCUS_FOLDERS)

    def _sync(self, integration: Integration) -> None:
        """Read it all now. What fails on a later start is shown, and left to the worker."""
        is_first = integration.set_up_at is None
        # This process holds the demo's lock: whoever held a stream is gone, nobody need wait for a lease.
        Stream.objects.filter(integration=integration).update(claim_token="", claimed_until=None)
        try:
            call_command("sync", integration=integration.pk, stdout=self.stdout)
        except CommandError as problem:
            if is_first:
                raise
            self.say(str(problem))
