"""Running manage.py as a process of its own on the tests' database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The address of the database the running test uses."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    return f"postgres://{quote(config['USER'])}:{quote(config['PASSWORD'])}@{config['HOST']}:{config['PORT']}/{config['NAME']}"


def environment(**extra: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "finops.settings",
        "ONEBILL_READ_DOTENV": "0",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
        "DATABASE_URL": database_url(),
        "CURSOR_REQUESTS_PER_MINUTE": "0",
        **extra,
    }


def manage(*arguments: str, **extra: str) -> subprocess.Popen[str]:
    """Start `manage.py ARGUMENTS` with the tests' secrets and database, and `extra` environment variables."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
