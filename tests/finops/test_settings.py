"""Configuration as a process reads it: what is missing or wrong ends in one sentence, never in a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finops.bootstrap import new_field_key, write_env_file
from tests.processes import ROOT

SECRETS = {"SECRET_KEY": "s" * 60, "FIELD_ENCRYPTION_KEYS": new_field_key()}
SHOW = (
    "import json, sys; from django.conf import settings; "
    "print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}))"
)


def environment(directory: Path, given: dict[str, str]) -> dict[str, str]:
    """Only what a fresh shell has, and `given`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "finops.settings",
        "ONEBILL_READ_DOTENV": "0",
        "DATABASE_URL": f"sqlite:///{directory / 'onebill.sqlite3'}",
        **given,
    }


def read(directory: Path, *names: str, **given: str) -> dict[str, Any]:
    """These settings of a process that is given these variables."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *names],
        env=environment(directory, SECRETS | given),
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(directory: Path, **given: str) -> str:
    """The one line with which manage.py ends."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=environment(directory, given),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_with_debug_off_a_missing_secret_stops_the_start_and_is_named(name, tmp_path):
    others = {other: value for other, value in SECRETS.items() if other != name}
    assert f"{name} is not set" in refused(tmp_path, **others)
    assert f"{name} is not set" in refused(tmp_path, **others, **{name: "  "})


def test_with_debug_on_nothing_needs_to_be_set(tmp_path):
    assert read(tmp_path, "DEBUG", DEBUG="true", SECRET_KEY="", FIELD_ENCRYPTION_KEYS="") == {"DEBUG": True}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("FIELD_ENCRYPTION_KEYS", "too-short"),
        ("SITE_URL", "onebill.example.com"),
        ("SITE_URL", "ftp://onebill.example.com"),
        ("CURSOR_API_URL", "https://user@api.example.com"),
        ("DATABASE_URL", "mysql://localhost/onebill"),
        ("DATABASE_URL", "nonsense"),
        ("CURSOR_REQUESTS_PER_MINUTE", "-1"),
        ("CURSOR_BACKFILL_DAYS", "a year"),
        ("CURSOR_REREAD_DAYS", "0"),
        ("SYNC_LEASE_SECONDS", "0"),
        ("LOG_FORMAT", "xml"),
        ("UPLOAD_MAX_BYTES", "2 GB"),
        ("UPLOAD_MAX_BYTES", "1000"),
        ("API_REQUESTS_PER_MINUTE", "many"),
        ("FOCUS_FOLDERS", "focus"),
        ("S3_ENDPOINT_URL", "minio:9000"),
    ],
)
def test_a_malformed_value_stops_the_start_and_is_named(name, value, tmp_path):
    assert name in refused(tmp_path, **(SECRETS | {name: value}))


def test_a_malformed_encryption_key_is_not_repeated(tmp_path):
    assert "not-a-key" not in refused(
        tmp_path, SECRET_KEY="s" * 60, FIELD_ENCRYPTION_KEYS="not-a-key-but-secret"
    )


def test_an_empty_variable_counts_as_unset(tmp_path):
    names = (
        "SITE_URL",
        "CURSOR_API_URL",
        "CURSOR_REQUESTS_PER_MINUTE",
        "CURSOR_BACKFILL_DAYS",
        "DEBUG",
        "SENTRY_DSN",
    )
    empty = read(tmp_path, *names, **dict.fromkeys(names, ""))
    assert empty == read(tmp_path, *names)
    assert empty["CURSOR_REQUESTS_PER_MINUTE"] is None
    assert empty["CURSOR_API_URL"] == "https://api.cursor.com"


#: Every variable of the README, a value, and the setting that follows from it.
VARIABLES: dict[str, tuple[str, str, Any]] = {
    "SECRET_KEY": ("f" * 60, "SECRET_KEY", "f" * 60),
    "FIELD_ENCRYPTION_KEYS": (
        f"{'QUFB' * 10}QUE=,{'QkJC' * 10}QkI=",
        "FIELD_ENCRYPTION_KEYS",
        [f"{'QUFB' * 10}QUE=", f"{'QkJC' * 10}QkI="],
    ),
    "DATABASE_URL": ("postgres://a:b@db.example.com/c", "DATABASE_URL", "postgres://a:b@db.example.com/c"),
    "SITE_URL": ("https://file.example.com", "SITE_URL", "https://file.example.com"),
    "ALLOWED_HOSTS": ("a.example.com,b.example.com", "ALLOWED_HOSTS", ["a.example.com", "b.example.com"]),
    "EMAIL_URL": ("smtp+tls://user:word@mail.example.com:587", "EMAIL_HOST_PASSWORD", "word"),
    "DEFAULT_FROM_EMAIL": ("Bill <bill@example.com>", "DEFAULT_FROM_EMAIL", "Bill <bill@example.com>"),
    "DEBUG": ("true", "DEBUG", True),
    "LOG_LEVEL": ("warning", "LOG_LEVEL", "WARNING"),
    "LOG_FORMAT": ("json", "LOG_FORMAT", "json"),
    "CURSOR_API_URL": ("https://api.example.com/", "CURSOR_API_URL", "https://api.example.com"),
    "CURSOR_REQUESTS_PER_MINUTE": ("7", "CURSOR_REQUESTS_PER_MINUTE", 7),
    "CURSOR_BACKFILL_DAYS": ("9", "CURSOR_BACKFILL_DAYS", 9),
    "CURSOR_REREAD_DAYS": ("5", "CURSOR_REREAD_DAYS", 5),
    "SYNC_LEASE_SECONDS": ("30", "SYNC_LEASE_SECONDS", 30),
    "UPLOAD_MAX_BYTES": ("5000000000", "UPLOAD_MAX_BYTES", 5_000_000_000),
    "API_REQUESTS_PER_MINUTE": ("60", "API_REQUESTS_PER_MINUTE", 60),
    "FOCUS_FOLDERS": ("/srv/focus, /mnt/bills", "FOCUS_FOLDERS", ["/srv/focus", "/mnt/bills"]),
    "S3_ENDPOINT_URL": ("https://minio.example.com/", "S3_ENDPOINT_URL", "https://minio.example.com"),
    "UPLOADS_DIR": ("/srv/uploads", "UPLOADS_DIR", "/srv/uploads"),
    "SENTRY_DSN": ("https://key@sentry.example.com/1", "SENTRY_DSN", "https://key@sentry.example.com/1"),
}


def test_the_table_above_and_the_readme_name_every_variable():
    source = (ROOT / "finops/settings.py").read_text()
    read_there = set(
        re.findall(r'(?:env\.\w+|required|whole_number|boolean|web_address)\(\s*"([A-Z0-9_]+)"', source)
    )
    readme = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))

    assert read_there == readme == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_may_come_from_a_file(name, tmp_path):
    value, setting, expected = VARIABLES[name]
    file = tmp_path / "mounted"
    file.write_text(f"{value}\n")

    assert read(tmp_path, setting, **{name: "", f"{name}_FILE": str(file)}) == {setting: expected}


@pytest.mark.parametrize("name", ["CURSOR_BACKFILL_DAYS", "SITE_URL", "DEBUG", "EMAIL_URL"])
def test_an_empty_file_counts_as_unset(name, tmp_path):
    file = tmp_path / "mounted"
    file.write_text("\n")
    setting = VARIABLES[name][1].replace("EMAIL_HOST_PASSWORD", "EMAIL_BACKEND")

    assert read(tmp_path, setting, **{f"{name}_FILE": str(file)}) == read(tmp_path, setting)


def test_a_file_that_is_not_there_stops_the_start_and_is_named(tmp_path):
    sentence = refused(
        tmp_path,
        SECRET_KEY_FILE=str(tmp_path / "absent"),
        FIELD_ENCRYPTION_KEYS=SECRETS["FIELD_ENCRYPTION_KEYS"],
    )
    assert "SECRET_KEY" in sentence


@pytest.mark.parametrize("site", ["https://onebill.example.com", "http://onebill.internal:8000"])
def test_djangos_checks_for_production_find_nothing(site, tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=environment(tmp_path, {**SECRETS, "SECRET_KEY": "aB3-x9" * 10, "SITE_URL": site}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_session_cookie_is_bound_to_its_host_over_https_only(tmp_path):
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH")
    secure = read(tmp_path, *names, SITE_URL="https://onebill.example.com")
    assert list(secure.values()) == ["__Host-sessionid", "csrftoken", None, "/"]
    assert read(tmp_path, *names)["SESSION_COOKIE_NAME"] == "sessionid"


@pytest.mark.parametrize("debug", ["true", "false"])
@pytest.mark.parametrize(("scheme", "is_secure"), [("https", True), ("http", False)])
def test_secure_cookies_hsts_and_the_redirect_follow_the_scheme_of_the_site(
    scheme, is_secure, debug, tmp_path
):
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS")
    found = read(tmp_path, *names, SITE_URL=f"{scheme}://onebill.example.com", DEBUG=debug)
    assert [bool(found[name]) for name in names] == [is_secure] * 4


def test_the_host_of_the_site_is_allowed_and_nothing_else_by_default(tmp_path):
    assert read(tmp_path, "ALLOWED_HOSTS", SITE_URL="https://onebill.example.com") == {
        "ALLOWED_HOSTS": ["onebill.example.com"]
    }
    assert {"localhost", "127.0.0.1"} <= set(read(tmp_path, "ALLOWED_HOSTS")["ALLOWED_HOSTS"])


# The .env file --------------------------------------------------------------------------------------------------------


def test_the_first_start_writes_keys_only_its_user_can_read(tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".env"
    assert write_env_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "SECRET_KEY=" in path.read_text()


def test_an_env_file_is_never_overwritten(tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".env"
    path.write_text("DEBUG=true\n")
    assert not write_env_file(path)
    assert path.read_text() == "DEBUG=true\n"


def test_two_first_starts_make_different_keys(tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    write_env_file(tmp_path / "one")
    write_env_file(tmp_path / "two")
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()


def test_no_file_is_written_when_the_environment_holds_the_secrets(tmp_path, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert not write_env_file(tmp_path / ".env")
    assert not (tmp_path / ".env").exists()


def test_the_environment_beats_the_env_file(tmp_path):
    shutil.copytree(ROOT / "finops", tmp_path / "finops", ignore=shutil.ignore_patterns("__pycache__"))
    lines = [f"{name}={value}" for name, value in SECRETS.items()]
    (tmp_path / ".env").write_text(
        "\n".join([*lines, "SITE_URL=https://file.example.com", "CURSOR_BACKFILL_DAYS=7"])
    )
    done = subprocess.run(
        [sys.executable, "-c", SHOW, "SITE_URL", "CURSOR_BACKFILL_DAYS", "SECRET_KEY"],
        env=environment(
            tmp_path,
            {
                "PYTHONPATH": str(tmp_path),
                "ONEBILL_READ_DOTENV": "1",
                "SITE_URL": "https://shell.example.com",
                "CURSOR_BACKFILL_DAYS": "",
            },
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "SITE_URL": "https://shell.example.com",
        "CURSOR_BACKFILL_DAYS": 7,
        "SECRET_KEY": SECRETS["SECRET_KEY"],
    }
