"""The backups of the README, by exactly its commands: made while a sync writes, restored, and compared."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from costcenters.models import CostLineItem, DailyCost
from tests.connecting import connect, cursor_api
from tests.factories import UserFactory
from tests.processes import ROOT, database_url, environment, manage

SUMS = """
import django; django.setup()
from django.db.models import Count, Sum
from costcenters.models import CostLineItem, DailyCost
from integrations.models import Integration
print(CostLineItem.objects.aggregate(Count("pk"), Sum("billed_cost"), Sum("list_cost"), Sum("input_tokens")))
print(DailyCost.objects.aggregate(Sum("line_items"), Sum("billed_cost"), Sum("list_cost"), Sum("input_tokens")))
print([integration.credentials.open()["admin_api_key"] for integration in Integration.objects.all()])
"""


def documented(section: str) -> list[str]:
    """The commands of the README's fenced block below the line that begins with `section`."""
    text = (ROOT / "README.md").read_text()
    block = re.search(rf"^{re.escape(section)}.*?\n```\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert block, f"README.md has no commands below {section!r}"
    return block[1].strip().splitlines()


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A directory like that of an install: manage.py, the packages, and a .venv/bin/python; /backup becomes its own."""
    home = tmp_path / "install"
    home.mkdir()
    for name in ("manage.py", "finops", "costcenters", "integrations", "templates", "static"):
        (home / name).symlink_to(ROOT / name)
    (home / ".venv/bin").mkdir(parents=True)
    (home / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (home / ".venv/bin/python").chmod(0o755)
    (home / "backup").mkdir()
    return home


def run(command: str, install: Path, *, expect: int = 0, **extra: str) -> str:
    """A documented command as a shell runs it there."""
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("/backup", str(install / "backup"))],
        cwd=install,
        env=environment(**extra),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def sums(url: str, **extra: str) -> list[str]:
    """Line items, roll-up and keys in the database at `url`, read by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SUMS],
        cwd=ROOT,
        env=environment(DATABASE_URL=url, PYTHONPATH=str(ROOT), **extra),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def is_whole(copy: Path) -> int:
    """How many line items a copy made in mid-sync holds: no window is half in it."""
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        fine = found.execute(
            f"SELECT COUNT(*), SUM(billed_cost), SUM(list_cost) FROM {CostLineItem._meta.db_table}"
        )
        rolled_up = found.execute(
            f"SELECT SUM(line_items), SUM(billed_cost), SUM(list_cost) FROM {DailyCost._meta.db_table}"
        )
        (count, *amounts), (counted, *summed) = fine.fetchone(), rolled_up.fetchone()
    assert (count, amounts) == (counted or 0, summed)
    return int(count)


@pytest.mark.django_db(transaction=True)
def test_sqlite_is_copied_while_a_sync_writes_and_the_copy_is_whole(client, settings, install):
    if connection.vendor != "sqlite":
        pytest.skip("DATABASE_URL names no SQLite database")
    (command,) = documented("SQLite, ")
    client.force_login(UserFactory(role="Admin"))
    with cursor_api(settings, events=8000) as api:
        connect(client, api)
        sync = manage("sync", CURSOR_BACKFILL_DAYS="20")
        copies = []
        while sync.poll() is None:
            run(command, install)
            (made,) = (install / "backup").iterdir()
            copies.append(is_whole(made))
            made.unlink()
        assert sync.wait() == 0, sync.communicate()[0]
    assert copies
    assert copies == sorted(copies)

    run(command, install)
    (made,) = (install / "backup").iterdir()
    assert made.stat().st_mode & 0o077 == 0
    assert sums(f"sqlite:///{made}") == sums(database_url())
    assert is_whole(made) == CostLineItem.objects.count() > 0

    # A second one of the same day never overwrites the first.
    run(command, install, expect=1)

    # Back in place, over a damaged file that left its log of changes behind.
    place = install / "var"
    place.mkdir()
    for suffix in ("", "-wal", "-shm"):
        (place / f"onebill.sqlite3{suffix}").write_bytes(b"damaged")
    for line in documented("To restore SQLite"):
        run(line.replace("YYYY-MM-DD", made.stem.removeprefix("onebill-")), install)
    back = f"sqlite:///{place / 'onebill.sqlite3'}"
    assert sums(back) == sums(database_url())
    run(".venv/bin/python manage.py migrate --check", install, DATABASE_URL=back)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_postgresql_is_dumped_and_restored_into_a_new_database(client, settings, install):
    bin_directory = postgres_programs()
    if bin_directory is None:
        pytest.skip("no pg_dump and pg_restore here that know this server")
    extra = {"PATH": f"{bin_directory}:{os.environ['PATH']}"}
    (dump,) = documented("PostgreSQL, ")
    client.force_login(UserFactory(role="Admin"))
    with cursor_api(settings, events=3000) as api:
        connect(client, api)
        sync = manage("sync", CURSOR_BACKFILL_DAYS="20")
        told = sync.communicate()[0]
        assert sync.returncode == 0, told
    run(dump, install, **extra)
    (made,) = (install / "backup").iterdir()
    assert made.stat().st_mode & 0o077 == 0

    name = f"restored_{os.getpid()}"
    target = re.sub(r"/[^/]*$", f"/{name}", database_url())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
    try:
        for line in documented("To restore PostgreSQL"):
            line = line.replace("YYYY-MM-DD", made.stem.removeprefix("onebill-"))
            line = line.replace("postgres://user:password@host:port/onebill_restored", target)
            run(line.replace("onebill_restored", name), install, **extra)
        assert sums(target) == sums(database_url())
        assert sums(target)[0] != sums(target)[2]
        run(".venv/bin/python manage.py migrate --check", install, DATABASE_URL=target)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def postgres_programs() -> Path | None:
    """The directory of pg_dump and pg_restore that are not older than the server."""
    major = connection.pg_version // 10_000  # type: ignore[attr-defined]
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(":"))]
    for directory in found:
        program = shutil.which("pg_dump", path=str(directory))
        if program and shutil.which("pg_restore", path=str(directory)):
            told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
            version = re.search(r"\d+", told)
            if version and int(version[0]) >= major:
                return directory
    return None


@pytest.mark.django_db
def test_a_backup_without_the_encryption_keys_opens_no_key(tmp_path):
    """What the README warns of: the keys belong to a place of their own, and are of need there."""
    from finops.bootstrap import new_field_key
    from finops.secrets import Secrets, SecretUnreadable, encrypt

    sealed = encrypt(Secrets({"admin_api_key": "crsr_backup_0123456789abcdef"}))
    kept, settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS, [new_field_key()]
    try:
        from finops.secrets import decrypt

        with pytest.raises(SecretUnreadable, match="FIELD_ENCRYPTION_KEYS"):
            decrypt(sealed)
    finally:
        settings.FIELD_ENCRYPTION_KEYS = kept
